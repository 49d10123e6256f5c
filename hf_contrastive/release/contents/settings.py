"""Settings in JSON files that would load or run code, or load from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from model_cards.typesetting import one_line
from model_cards.validate import is_hub_id

VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"})
"""Files whose keys and values are tokens."""

# documents, which say what was found and load nothing
_TELLING = frozenset({"bom.cdx.json", "evidence.json", "report.json"})
_ROUTERS = frozenset({"config.json", "router_config.json"})
# the classes of sentence-transformers 6.2 that are loaded by name, and the short names that stood for them before
_CLASSES = (
    "Asym", "BoW", "CLIPModel", "CNN", "Dense", "Dropout", "HierarchicalTokenPooling", "LSTM", "LayerNorm",
    "LogitScore", "MLMTransformer", "MultiVectorMask", "Normalize", "PhraseTokenizer", "Pooling", "Router",
    "SparseAutoEncoder", "SparseStaticEmbedding", "SpladePooling", "StaticEmbedding", "Transformer",
    "TransformersTokenizerWrapper",
    "WeightedLayerPooling", "WhitespaceTokenizer", "WordEmbeddings", "WordTokenizer", "WordWeights",
)  # fmt: skip
_TRUSTED = re.compile(
    r"sentence_transformers\.(?:(?:base|sentence_transformer|sparse_encoder|multi_vector_encoder|cross_encoder)\.modules"
    rf"|(?:sparse_encoder\.)?models)(?:\.\w+){{0,2}}\.(?:{'|'.join(_CLASSES)})"
)
_OF_TORCH = re.compile(r"torch\.nn\.(?:modules\.\w+\.)?[A-Z]\w*")
_NAMES_PLACE = re.compile(r"_?(?:\w+_)?(?:name_or_path|file|path)")
_TOLD_OTHERWISE = frozenset({"base_model_name_or_path"})
_RUNS_CODE = ("auto_map", "custom_pipelines")
_ATTENTION = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")
# https://jinja.palletsprojects.com/en/stable/sandbox/: what the sandbox exists against
_REACHES_OUT = re.compile(
    r"__(?:base|bases|builtins|call|class|closure|code|dict|func|getattr|getattribute|globals|import|init|loader|module|mro"
    r"|reduce|reduce_ex|self|spec|subclasses)__|\|\s*attr\b|\b(?:f_globals|gi_frame|cr_frame|tb_frame)\b|\bmro\s*\("
)
_MOST_TOLD = 5


def items_of(data: Any) -> Iterator[Any]:
    """Yield everything that ``data`` is made of, itself first."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def settings_problems(name: str, data: Any) -> Iterator[str]:
    """Yield which settings of a JSON file would load or run code, or load from elsewhere.

    Args:
        name: of the file.
        data: what it holds.
    """
    base = name.rpartition("/")[2]
    yield from dict.fromkeys(
        line for item in items_of(data) if isinstance(item, dict) for line in _settings(name, base, item)
    )
    if base not in VOCABULARIES and name not in _TELLING:
        yield from dict.fromkeys(
            line for item in items_of(data) if isinstance(item, dict) for line in _places(name, item)
        )
    if base in _ROUTERS and isinstance(data, dict) and isinstance(data.get("types"), dict):
        yield from _foreign(name, list(data["types"].values()))
    if base == "modules.json":
        yield from _modules(name, data)
    if base == "adapter_config.json":
        yield from _adapter(name, data)
    if base.endswith(".safetensors.index.json"):
        shards = data.get("weight_map") if isinstance(data, dict) else None
        parts = shards.values() if isinstance(shards, dict) else [None]
        if any(not isinstance(part, str) or "/" in part or not part.endswith(".safetensors") for part in parts):
            yield f"{name} names weights that are no safetensors files beside it. Save the model again."


def _settings(name: str, base: str, item: dict[str, Any]) -> Iterator[str]:
    """Yield what one object of a JSON file, at any depth, would load or run; a vocabulary has numbers for values."""
    for key in _RUNS_CODE:
        if isinstance(item.get(key), dict | list | str):
            yield f"{name} has `{key}`: it would run remote code. Publish a model that transformers itself knows."
    trusts = item.get("trust_remote_code")
    if trusts not in (None, False) and not (base in VOCABULARIES and isinstance(trusts, int) and trusts is not True):
        yield f"{name} sets `trust_remote_code`, for whoever loads the model. Remove it."
    for key in _ATTENTION:
        told = item.get(key)
        named = told.values() if isinstance(told, dict) else [told]
        if any(isinstance(kernel, str) and "/" in kernel for kernel in named):
            yield f"{name} has `{key}` of a repository: native code would be fetched and run. Use a plain name."
    activation = item.get("activation_function")
    if isinstance(activation, str) and "." in activation and not _OF_TORCH.fullmatch(activation):
        yield f"{name} has `activation_function` {_quoted(activation)}, code outside torch.nn. Use one of its classes."
    tokenizer = item.get("tokenizer_class")
    if isinstance(tokenizer, str) and "." in tokenizer:
        yield from _foreign(name, [tokenizer])
    for key in ("chat_template", "template"):
        # one, several by name, or a list of them
        for template in items_of(item.get(key)):
            if isinstance(template, str):
                yield from template_problems(name, template)


def _places(name: str, item: dict[str, Any]) -> Iterator[str]:
    for key, value in item.items():
        if not isinstance(value, str) or not value:
            continue
        if key == "tokenizer_name_or_path":
            yield f"{name} has `{key}`: a tokenizer of elsewhere would be loaded. Remove it."
        elif _NAMES_PLACE.fullmatch(key) and key not in _TOLD_OTHERWISE and not is_hub_id(value):
            yield (
                f"{name} has `{one_line(key)[:60]}`, which is no Hub id and no file of the folder. Replace it by a Hub "
                "id, or remove it."
            )


def template_problems(name: str, text: str) -> Iterator[str]:
    """Yield whether a chat template reaches for more than the messages.

    Args:
        name: of the file.
        text: the template.
    """
    found = _REACHES_OUT.search(text)
    if found:
        yield (
            f"{name} holds a chat template that reaches into Python's objects ({found.group()[:20].strip()}). Use one "
            "that only joins messages."
        )


def _modules(name: str, data: Any) -> Iterator[str]:
    modules = data if isinstance(data, list) else [data]
    yield from _foreign(
        name, [module.get("type", "") if isinstance(module, dict) else repr(module) for module in modules]
    )
    places = [str(module.get("path", "")) for module in modules if isinstance(module, dict)]
    if any(place.startswith("/") or "\\" in place or ".." in place.split("/") or ":" in place for place in places):
        yield f"{name} loads a module from outside of the folder. Save the model again."


def _foreign(name: str, kinds: list[Any]) -> Iterator[str]:
    foreign = [_quoted(str(kind)) for kind in kinds if not (isinstance(kind, str) and _TRUSTED.fullmatch(kind))]
    if foreign:
        told = ", ".join(foreign[:_MOST_TOLD])
        yield f"{name} loads {told}, code outside sentence_transformers' own modules. Use one of these."


def _adapter(name: str, data: Any) -> Iterator[str]:
    named = str(data.get("base_model_name_or_path") or "") if isinstance(data, dict) else ""
    if not is_hub_id(named):
        yield (
            f"{name} names the base model {_quoted(named)!r}, which is no Hub id; the adapter could not be loaded. "
            "Set `base_model_id` in ContrastiveConfig."
        )
    mapping = data.get("auto_mapping") if isinstance(data, dict) else None
    library = mapping.get("parent_library") if isinstance(mapping, dict) else None
    if mapping and not (isinstance(library, str) and re.fullmatch(r"transformers(\.\w+)*", library)):
        yield f"{name} lets PEFT import {_quoted(str(library))}, code outside transformers. Remove `auto_mapping`."


def _quoted(text: str) -> str:
    return one_line(text)[:80]

"""What may not stand in a published text: secrets, paths of this machine, settings that load or run code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audits.personal import SECRETS
from model_cards.typesetting import TOKEN, one_line
from model_cards.validate import is_hub_id, validate_card

_VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"})
# what these quote of the data may look like a path: only this machine's own are searched for
_QUOTING = frozenset({"evidence.json", "report.json", "report.html"})
_PAGES = (".html", ".htm", ".xhtml", ".svg")
_TRUSTED_MODULES = "sentence_transformers."
# narrower than what the documents redact: a chat template may well hold `A:\\n`
_LOCAL_PATH = re.compile(
    r"(?<![\w/.:~<-])(?:/(?:home|Users|root|tmp|mnt|private|workspace|kaggle)/[\w.-]+|[A-Z]:\\{1,2}Users\\{1,2}[\w.-]+)"
)
_RUNS_CODE = ("auto_map", "custom_pipelines")
_ATTENTION = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")
# https://jinja.palletsprojects.com/en/stable/sandbox/: what the sandbox exists against
_REACHES_OUT = re.compile(
    r"__(?:base|bases|builtins|call|class|closure|code|dict|func|getattr|getattribute|globals|import|init|loader|module|mro"
    r"|reduce|reduce_ex|self|spec|subclasses)__|\|\s*attr\b|\b(?:f_globals|gi_frame|cr_frame|tb_frame)\b|\bmro\s*\("
)
_SECRET_HINT = re.compile(SECRETS.hint)
_MOST_TOLD = 5


def text_problems(name: str, text: str) -> Iterator[str]:
    """Yield what speaks against publishing ``text``.

    Args:
        name: its path in the repository.
        text: its content.
    """
    base = name.rpartition("/")[2]
    data: Any = None
    if base.endswith(".json"):
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield f"{name} is no valid JSON ({one_line(str(error))[:120]}). Save the model again."
    if text.startswith("#!"):
        yield f"{name} begins as a script does (#!); a published encoder holds nothing that runs. Remove it."
    if name not in _QUOTING and base.lower().endswith(_PAGES):
        yield f"{name} is a page, which can run scripts where it is shown. Publish the text alone."
    if name in _QUOTING:
        yield from secret_problems(name, text, paths=False)
        yield from own_path_problems(name, text)
    else:
        # in JSON the values are searched, since `Q:\n` is no path but a line break
        searched = "\n".join(_strings(data)) if data is not None else text
        yield from secret_problems(name, searched, paths=base not in _VOCABULARIES)
    if name == "README.md":
        yield from (f"{name}: {problem}" for problem in validate_card(text))
    if base.endswith(".jinja"):
        yield from _template(name, text)
    if data is not None:
        yield from _json(name, base, data)


def secret_problems(name: str, text: str, *, paths: bool) -> Iterator[str]:
    """Yield which secrets stand in ``text``, by their kind and never as they are; and a path of this machine.

    Args:
        name: of the file.
        text: what is searched.
        paths: whether paths count.
    """
    kinds = {match.kind for part in _worth_a_look(text) for match in SECRETS.find(part)} - {"Hugging Face token"}
    if TOKEN.search(text):
        yield f"{name} holds what looks like a Hub token. Remove it and revoke the token."
    if kinds:
        yield f"{name} holds what looks like a secret ({', '.join(sorted(kinds))}). Remove it, and have it revoked."
    found = _LOCAL_PATH.search(text) if paths else None
    if found:
        yield f"{name} holds a path of this machine, beginning with {found.group()[:8]}…. Replace it by a Hub id."


def own_path_problems(name: str, text: str) -> Iterator[str]:
    """Yield whether a path below this machine's home or working folder stands in ``text``."""
    own = {str(path) for path in (Path.home(), Path.cwd()) if path != Path(path.anchor)}
    if any(f"{path}/" in text or f"{path}\\" in text for path in own):
        yield f"{name} holds a path below this machine's home or working folder. Remove it from what was stated."


def _worth_a_look(text: str) -> Iterator[str]:
    """Yield the lines that may hold a secret, or all of a text that may hold a key of several lines."""
    if "PRIVATE KEY" in text:
        yield text
        return
    end = -1
    for hint in _SECRET_HINT.finditer(text):
        if hint.start() >= end:
            end = text.find("\n", hint.end())
            end = len(text) if end < 0 else end
            yield text[text.rfind("\n", 0, hint.start()) + 1 : end]


def _strings(data: Any) -> Iterator[str]:
    for item in _items(data):
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item


def _items(data: Any) -> Iterator[Any]:
    """Yield everything that ``data`` is made of, itself first."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _json(name: str, base: str, data: Any) -> Iterator[str]:
    yield from dict.fromkeys(line for item in _items(data) if isinstance(item, dict) for line in _settings(name, item))
    if base == "modules.json":
        yield from _modules(name, data)
    if base == "adapter_config.json":
        yield from _adapter(name, data)
    if base.endswith(".safetensors.index.json"):
        shards = data.get("weight_map") if isinstance(data, dict) else None
        parts = shards.values() if isinstance(shards, dict) else [None]
        if any(not isinstance(part, str) or "/" in part or not part.endswith(".safetensors") for part in parts):
            yield f"{name} names weights that are no safetensors files beside it. Save the model again."


def _settings(name: str, item: dict[str, Any]) -> Iterator[str]:
    """Yield what one object of a JSON file, at any depth, would load or run; a vocabulary has numbers for values."""
    for key in _RUNS_CODE:
        if isinstance(item.get(key), dict | list | str):
            yield f"{name} has `{key}`: it would run remote code. Publish a model that transformers itself knows."
    if item.get("trust_remote_code") not in (None, False) and not _is_token_id(item["trust_remote_code"]):
        yield f"{name} sets `trust_remote_code`, for whoever loads the model. Remove it."
    for key in _ATTENTION:
        told = item.get(key)
        named = told.values() if isinstance(told, dict) else [told]
        if any(isinstance(kernel, str) and "/" in kernel for kernel in named):
            yield f"{name} has `{key}` of a repository: native code would be fetched and run. Use a plain name."
    activation = item.get("activation_function")
    if isinstance(activation, str) and "." in activation and not activation.startswith("torch.nn."):
        yield f"{name} has `activation_function` {_quoted(activation)}, code outside torch.nn. Use one of its classes."
    template = item.get("chat_template", item.get("template"))
    if isinstance(template, str):
        yield from _template(name, template)


def _is_token_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _template(name: str, text: str) -> Iterator[str]:
    found = _REACHES_OUT.search(text)
    if found:
        yield (
            f"{name} holds a chat template that reaches into Python's objects ({found.group()[:20].strip()}). Use one "
            "that only joins messages."
        )


def _modules(name: str, data: Any) -> Iterator[str]:
    modules = data if isinstance(data, list) else [data]
    kinds = [str(module.get("type", "")) if isinstance(module, dict) else repr(module) for module in modules]
    foreign = [_quoted(kind) for kind in kinds if not kind.startswith(_TRUSTED_MODULES)]
    if foreign:
        told = ", ".join(foreign[:_MOST_TOLD])
        yield f"{name} loads {told}, code outside sentence_transformers. Use its own modules."
    places = [str(module.get("path", "")) for module in modules if isinstance(module, dict)]
    if any(place.startswith("/") or "\\" in place or ".." in place.split("/") or ":" in place for place in places):
        yield f"{name} loads a module from outside of the folder. Save the model again."


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

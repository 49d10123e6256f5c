"""What may not be in a published folder, found by content and not by name."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hf_contrastive.release.binaries import MAX_BYTES, head_of, kind_of, safetensors_problems, safetensors_texts
from model_cards.typesetting import TOKEN
from model_cards.validate import is_hub_id, validate_card

_PICKLE_NAMES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")
_CODE_NAMES = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh")
_VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"})
# what these quote of the data may look like a path: only this machine's own are searched for
_QUOTING = frozenset({"evidence.json", "report.json", "report.html"})
_TRUSTED_MODULES = "sentence_transformers."
# narrower than what the documents redact: a chat template may well hold `A:\\n`
_LOCAL_PATH = re.compile(
    r"(?<![\w/.:~<-])(?:/(?:home|Users|root|tmp|mnt|private|workspace|kaggle)/[\w.-]+|[A-Z]:\\{1,2}Users\\{1,2}[\w.-]+)"
)
_RUNS_CODE = ("auto_map", "custom_pipelines")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def problems(name: str, source: Path | bytes) -> Iterator[str]:
    """Yield what speaks against publishing one file.

    Args:
        name: its path in the repository.
        source: the file or its content.
    """
    low = name.lower()
    if low.endswith(_CODE_NAMES):
        yield f"{name} is code; a published encoder must load without remote code. Remove it."
    kind = kind_of(source)
    if kind == "pickle" or low.endswith(_PICKLE_NAMES):
        yield f"{name} is a pickle or may hold one; loading it can run code. Save the weights as safetensors."
    elif low.endswith(".safetensors"):
        yield from (f"{name}: {problem}. Save the weights again." for problem in safetensors_problems(source))
        if kind == "safetensors":
            yield from _secrets(name, safetensors_texts(source), paths=True)
    elif kind == "archive":
        yield f"{name} is an archive, whose content is not searched. Publish the files themselves."
    elif kind == "too large":
        yield f"{name} has more than {MAX_BYTES:,} bytes and is no safetensors file; it is not searched. Remove it."
    elif kind == "text":
        yield from _text(name, head_of(source, MAX_BYTES).decode("utf-8"))
    elif kind != "image" and not (kind == "sentencepiece" and low.endswith((".model", ".spm"))):
        yield (
            f"{name} is of a kind that is not known here ({kind}); what can not be searched is not published. "
            "Remove it; weights are published as safetensors, texts as UTF-8."
        )


def must_be_refused(name: str, source: Path) -> bool:
    """Whether a file that is no known part of a model is one that the gate has to see, and refuse.

    Code, pickles, archives and unknown binaries: a model beside them may not load without them. Texts, images
    and safetensors are harmless where they lie and need no more than to stay there.
    """
    if name.lower().endswith((*_CODE_NAMES, *_PICKLE_NAMES)):
        return True
    kind = kind_of(source)
    if kind == "too large":
        return not _begins_as_text(head_of(source, 1 << 20))
    return kind not in ("text", "image", "safetensors")


def _begins_as_text(head: bytes) -> bool:
    try:
        # the cut may fall inside of a character
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def folder_problems(names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with the files together: an adapter beside weights that it is merged into."""
    known = set(names)
    if "adapter_config.json" in known and known.intersection(_WEIGHTS):
        yield (
            "adapter_config.json and model.safetensors lie in one root: transformers would apply the adapter to "
            "weights that may hold it already. Save the model into an empty folder."
        )


def _text(name: str, text: str) -> Iterator[str]:
    base = name.rpartition("/")[2]
    data: Any = None
    if base.endswith(".json"):
        try:
            data = json.loads(text)
        except ValueError as error:
            yield f"{name} is no valid JSON ({error}). Save the model again."
    if name in _QUOTING:
        yield from _secrets(name, text, paths=False)
        yield from _own_paths(name, text)
    else:
        # in JSON the values are searched, since `Q:\n` is no path but a line break
        yield from _secrets(name, "\n".join(_strings(data)) if data is not None else text, base not in _VOCABULARIES)
    if name == "README.md":
        yield from (f"{name}: {problem}" for problem in validate_card(text))
    if data is not None:
        yield from _json(name, base, data)


def _secrets(name: str, text: str, paths: bool) -> Iterator[str]:
    if TOKEN.search(text):
        yield f"{name} holds what looks like a Hub token. Remove it and revoke the token."
    found = _LOCAL_PATH.search(text) if paths else None
    if found:
        yield f"{name} holds a path of this machine, beginning with {found.group()[:8]}…. Replace it by a Hub id."


def _own_paths(name: str, text: str) -> Iterator[str]:
    own = {str(path) for path in (Path.home(), Path.cwd()) if path != Path(path.anchor)}
    if any(f"{path}/" in text or f"{path}\\" in text for path in own):
        yield f"{name} holds a path below this machine's home or working folder. Remove it from what was stated."


def _strings(data: Any) -> Iterator[str]:
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item


def _json(name: str, base: str, data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key in _RUNS_CODE:
            if key in data:
                yield f"{name} has `{key}`: it would run remote code. Publish a model that transformers itself knows."
    if base == "modules.json":
        modules = data if isinstance(data, list) else [data]
        kinds = [str(module.get("type", "")) if isinstance(module, dict) else repr(module) for module in modules]
        foreign = [kind for kind in kinds if not kind.startswith(_TRUSTED_MODULES)]
        if foreign:
            yield f"{name} loads {', '.join(foreign)}, code outside sentence_transformers. Use its own modules."
    if base == "adapter_config.json":
        named = str(data.get("base_model_name_or_path") or "") if isinstance(data, dict) else ""
        if not is_hub_id(named):
            yield (
                f"{name} names the base model {named!r}, which is no Hub id; the adapter could not be loaded. "
                "Set `base_model_id` in ContrastiveConfig."
            )

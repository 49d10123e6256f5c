"""What may not be in a published folder, found by content and not by name."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from model_cards.validate import validate_card

_PICKLE_NAMES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")
_TEXT_NAMES = (".json", ".md", ".txt", ".html", ".yaml", ".yml", ".jinja", ".csv")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")
_LOCAL_PATH = re.compile(r"(?<![\w/.:])(?:/(?:home|Users|root|tmp|mnt|workspace)/[\w.-]+|[A-Z]:\\\\?[\w.-]+)")
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_MAX_TEXT = 5_000_000
_TRUSTED_MODULES = "sentence_transformers."


def problems(name: str, source: Path | bytes) -> Iterator[str]:
    """Yield what speaks against publishing one file.

    Args:
        name: its path in the repository.
        source: the file or its content.
    """
    head = source[:512] if isinstance(source, bytes) else _head(source)
    if name.endswith(".py"):
        yield f"{name} is code; a published encoder must load without remote code. Remove it."
    if _is_pickle(source, head) or name.endswith(_PICKLE_NAMES):
        yield f"{name} is a pickle or may hold one; loading it can run code. Save the weights as safetensors."
    if name.endswith(".safetensors"):
        yield from _safetensors(name, source, head)
    if name.endswith(_TEXT_NAMES):
        yield from _text(name, source)


def _text(name: str, source: Path | bytes) -> Iterator[str]:
    raw = source if isinstance(source, bytes) else source.read_bytes()
    if len(raw) > _MAX_TEXT and name != "tokenizer.json":
        yield f"{name} has {len(raw)} bytes of text; more than {_MAX_TEXT} are not searched for secrets. Remove it."
        return
    text = raw.decode("utf-8", errors="replace")
    if _TOKEN.search(text):
        yield f"{name} holds what looks like a Hub token. Remove it and revoke the token."
    if name.rpartition("/")[2] not in ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"):
        found = _LOCAL_PATH.search(text)
        if found:
            yield f"{name} holds a path of this machine, beginning with {found.group()[:8]}…. Replace it by a Hub id."
    if name == "README.md":
        yield from (f"{name}: {problem}" for problem in validate_card(text))
    if name.endswith(".json"):
        yield from _json(name, text)


def _json(name: str, text: str) -> Iterator[str]:
    base = name.rpartition("/")[2]
    if base not in ("config.json", "tokenizer_config.json", "modules.json", "adapter_config.json"):
        return
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        yield f"{name} is no valid JSON ({error}). Save the model again."
        return
    if base == "modules.json":
        kinds = [str(module.get("type", "")) for module in data]
        foreign = [kind for kind in kinds if not kind.startswith(_TRUSTED_MODULES)]
        if foreign:
            yield f"{name} loads {', '.join(foreign)}, code outside sentence_transformers. Use its own modules."
    elif isinstance(data, dict) and "auto_map" in data:
        yield f"{name} has `auto_map`: it would run remote code. Publish a model that transformers itself knows."
    if base == "adapter_config.json":
        named = str(data.get("base_model_name_or_path") or "")
        if not _HUB_ID.fullmatch(named):
            yield (
                f"{name} names the base model {named!r}, which is no Hub id; the adapter could not be loaded. "
                "Set `base_model_id` in ContrastiveConfig."
            )


def _safetensors(name: str, source: Path | bytes, head: bytes) -> Iterator[str]:
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else 0
    if not 2 <= length <= size - 8 or head[8:9] != b"{":
        yield f"{name} is no safetensors file, whatever its name. Save the weights again."


def _is_pickle(source: Path | bytes, head: bytes) -> bool:
    # protocol 2 and later begin with PROTO and its number; torch's files are zip archives of pickles
    if len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return True
    if head.startswith(b"PK\x03\x04") and isinstance(source, Path):
        try:
            with zipfile.ZipFile(source) as archive:
                return any(item.endswith(".pkl") for item in archive.namelist())
        except zipfile.BadZipFile:
            return True
    return False


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(512)

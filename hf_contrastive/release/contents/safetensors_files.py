"""Whether a file is safetensors and nothing besides, as its format says: every byte belongs to one tensor.

The format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hf_contrastive.release.contents.unpacking import zip_begins

MAX_HEADER = 100_000_000
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "C128": 128,
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
}


def safetensors_problems(source: Path | bytes) -> Iterator[str]:
    """Yield what is wrong with a file that should be safetensors: bad header, or bytes that no tensor owns."""
    head = _read(source, 8)
    body = (len(source) if isinstance(source, bytes) else source.stat().st_size) - 8
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 2 <= length <= min(body, MAX_HEADER):
        yield "it is no safetensors file, whatever its name"
        return
    try:
        header: Any = json.loads(_read(source, 8 + length)[8:], object_pairs_hook=_without_repeats)
        metadata = header.pop("__metadata__", {})
        tensors = sorted((_span(name, tensor) for name, tensor in header.items()), key=lambda item: item[:2])
        told = all(isinstance(item, str) for pair in metadata.items() for item in pair)
    except (ValueError, AttributeError, TypeError, LookupError, RecursionError) as error:
        why = f" ({error})" if isinstance(error, _HeaderError) else ""
        yield f"it is no safetensors file, whatever its name: the header can not be read{why}"
        return
    if not told:
        yield "its metadata holds more than texts"
    end = 0
    for begin, stop, name in tensors:
        if begin != end:
            yield f"{'there are bytes before' if begin > end else 'another tensor overlaps'} the tensor {name[:80]!r}"
            return
        end = stop
    if end != body - length:
        yield "it is cut off or holds bytes that belong to no tensor"
    elif zip_begins(source) is not None:
        yield "its last tensor ends as a ZIP archive does, and readers of archives would unpack it"


def safetensors_texts(source: Path | bytes) -> str:
    """Return the header of a safetensors file, which may hold free text under ``__metadata__``."""
    length = struct.unpack("<Q", _read(source, 8))[0]
    header = _read(source, 8 + min(length, MAX_HEADER))[8:].decode("utf-8", errors="replace")
    try:
        # escapes hide nothing
        return json.dumps(json.loads(header), ensure_ascii=False)
    except (ValueError, RecursionError):
        return header


class _HeaderError(ValueError):
    """The header is JSON, and not what the format says."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        msg = "a name stands in it twice"
        raise _HeaderError(msg)
    return made


def _span(name: str, tensor: Any) -> tuple[int, int, str]:
    begin, end = tensor["data_offsets"]
    shape, bits = tensor["shape"], _BITS.get(tensor["dtype"])
    numbers = [begin, end, *shape]
    if not all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in numbers) or begin > end:
        msg = "an offset or a shape is no number"
        raise _HeaderError(msg)
    if set(tensor) != {"dtype", "shape", "data_offsets"} or bits is None:
        msg = f"a tensor is of a type that is not known here, {str(tensor['dtype'])[:20]!r}"
        raise _HeaderError(msg)
    if (end - begin) * 8 != math.prod(shape) * bits:
        msg = "a tensor has another size than its shape says"
        raise _HeaderError(msg)
    return begin, end, name


def _read(source: Path | bytes, size: int) -> bytes:
    if isinstance(source, bytes):
        return source[:size]
    with source.open("rb") as stream:
        return stream.read(size)

"""What a file is by its content: the first bytes decide, never the name."""

from __future__ import annotations

import json
import pickletools
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

Kind = Literal["text", "safetensors", "pickle", "archive", "image", "sentencepiece", "too large", "unknown"]

MAX_BYTES = 64_000_000
"""Files other than safetensors are read whole; larger ones are refused rather than read in part."""

_ARCHIVES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"\x28\xb5\x2f\xfd",
    b"Rar!",
    b"\x04\x22\x4d\x18",
)
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_TUPLES = {"TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
# https://github.com/huggingface/safetensors#format: 8 bytes, then the header, at most 100 MB
_MAX_HEADER = 100_000_000


def size_of(source: Path | bytes) -> int:
    """Return the number of bytes."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def head_of(source: Path | bytes, size: int) -> bytes:
    """Return the first ``size`` bytes."""
    if isinstance(source, bytes):
        return source[:size]
    with source.open("rb") as stream:
        return stream.read(size)


def kind_of(source: Path | bytes) -> Kind:
    """Return what ``source`` holds.

    Only ``text`` (UTF-8 without NUL that is no pickle of protocol 0) and the kinds that loading can not turn
    into code are named; everything else that is binary is ``pickle``, ``archive`` or ``unknown``.
    """
    head = head_of(source, 512)
    if len(head) > 8 and head[8:9] == b"{" and 2 <= struct.unpack("<Q", head[:8])[0] <= size_of(source) - 8:
        return "safetensors"
    # protocol 2 and later begin with PROTO and its number
    if len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return "pickle"
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        return "archive"
    if head.startswith(_IMAGES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if size_of(source) > MAX_BYTES:
        return "too large"
    raw = head_of(source, MAX_BYTES)
    if _is_old_pickle(raw):
        return "pickle"
    if b"\0" not in raw:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return "text"
    # a serialised ModelProto begins with the tag of its first piece, which no pickle begins with
    return "sentencepiece" if raw[:1] == b"\n" else "unknown"


def safetensors_problems(source: Path | bytes) -> Iterator[str]:
    """Yield what is wrong with a file that should be safetensors: bad header, or bytes that no tensor owns."""
    head = head_of(source, 8)
    body = size_of(source) - 8
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 2 <= length <= min(body, _MAX_HEADER):
        yield "it is no safetensors file, whatever its name"
        return
    try:
        header: Any = json.loads(head_of(source, 8 + length)[8:])
        ends = [_end(tensor) for key, tensor in header.items() if key != "__metadata__"]
    except (ValueError, AttributeError, TypeError, LookupError):
        yield "it is no safetensors file, whatever its name: the header can not be read"
        return
    if max(ends, default=0) != body - length:
        yield "it is cut off or holds bytes that belong to no tensor"


def safetensors_texts(source: Path | bytes) -> str:
    """Return the header of a safetensors file, which may hold free text under ``__metadata__``."""
    length = struct.unpack("<Q", head_of(source, 8))[0]
    return head_of(source, 8 + min(length, _MAX_HEADER))[8:].decode("utf-8", errors="replace")


def _end(tensor: Mapping[str, Any]) -> int:
    begin, end = tensor["data_offsets"]
    if not 0 <= int(begin) <= int(end):
        raise ValueError
    return int(end)


def _is_old_pickle(raw: bytes) -> bool:
    """Whether ``raw`` is a pickle of protocol 0 or 1, which has no first bytes of its own.

    It is one when it names something to import and then calls it: that runs even if the rest is torn.
    """
    imports = arguments = False
    try:
        for opcode, argument, _ in pickletools.genops(raw):
            if opcode.name in ("GLOBAL", "INST"):
                # a line with blanks in it, as of a text that begins with "Mozilla Public License", names nothing
                named = str(argument).split(" ")
                imports = imports or (len(named) == 2 and all(map(_DOTTED.fullmatch, named)))
                if opcode.name == "INST" and imports:
                    return True
            arguments = arguments or opcode.name in _TUPLES
            if imports and (opcode.name == "OBJ" or (arguments and opcode.name in ("REDUCE", "BUILD", "NEWOBJ"))):
                return True
            if opcode.name == "STOP":
                return imports
    except (ValueError, UnicodeDecodeError):
        return False
    return False

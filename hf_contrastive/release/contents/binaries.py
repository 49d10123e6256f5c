"""What a file is by its content: the first bytes decide, never the name."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

from hf_contrastive.release.contents.pickles import is_old_pickle

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
_KNOWN = {
    b"\x89HDF\r\n\x1a\n": "HDF5, in which Keras keeps layers that may hold code",
    b"GGUF": "GGUF, of llama.cpp",
    b"\x93NUMPY": "an array of NumPy, which may hold pickled objects",
    b"\x7fELF": "a program or library of Linux",
    b"MZ": "a program or library of Windows",
    b"\xcf\xfa\xed\xfe": "a program or library of macOS",
    b"\xca\xfe\xba\xbe": "a program of macOS or Java",
    b"\0asm": "WebAssembly",
    b"PAR1": "Parquet, rows of data",
    b"ARROW1": "Arrow, rows of data",
    b"SQLite format 3\0": "an SQLite database",
    b"%PDF": "PDF",
    b"TFL3": "TensorFlow Lite",
}


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
    if is_old_pickle(raw):
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


def known_as(source: Path | bytes) -> str:
    """Return what a binary of no other kind is called, "" where nobody knows."""
    head = head_of(source, 16)
    return next((words for sign, words in _KNOWN.items() if head.startswith(sign)), "")

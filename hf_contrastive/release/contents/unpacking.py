"""What is packed into a file that can not be searched as it is: members of archives, arrays, layers with code.

All of it is refused anyway; this says why, and where. Nothing is written to disk, and the sums of depth, members and
unpacked bytes are bounded, so that an archive made to fill a memory is told instead of unpacked.
"""

from __future__ import annotations

import ast
import bz2
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from hf_contrastive.release.contents.pickles import MOST_OPCODES, Steps, embedded_pickle, pickle_words, read_pickle
from hf_contrastive.release.contents.suffixes import CODE
from model_cards.typesetting import one_line

MOST_BYTES, MOST_MEMBERS, DEEPEST = 64_000_000, 1_000, 5
"""Of what is unpacked of one file, all together."""

_FIRST_BYTES = 1 << 20
_MOST_TOLD = 3
_LONGEST_LIST = 4_000_000
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError,
    LookupError, TypeError, OverflowError, struct.error, NotImplementedError, RecursionError, SyntaxError,
)  # fmt: skip
# what the readers of archives raise on bytes that only begin like one
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"Rar!": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
}
_HDF5, _NUMPY = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY"


@dataclass(slots=True)
class _Budget:
    left: int = MOST_BYTES
    members: int = MOST_MEMBERS
    steps: Steps = field(default_factory=lambda: Steps(2 * MOST_OPCODES))

    def spend(self, raw: bytes) -> bytes:
        self.left -= len(raw)
        return raw


def inside(source: Path | bytes) -> str:
    """Return what loading ``source`` would run, with the place in it, as the end of a sentence; "" if nothing is seen.

    Args:
        source: the file or its content.
    """
    budget = _Budget()
    found: list[str] = []
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        for line in _look("", stream, 0, budget):
            if len(found) == _MOST_TOLD:
                found.append("and more")
                break
            found.append(line)
    return "; ".join(found)


def _look(place: str, stream: BinaryIO, depth: int, budget: _Budget) -> Iterator[str]:
    head = stream.read(_FIRST_BYTES)
    where = f"{_shown(place)}: " if place else ""
    if len(head) > 2 and head[0] == 0x80 and head[1] <= 5:
        yield f"{where}{pickle_words(head)}"
    elif head.startswith(_NUMPY):
        yield from (f"{where}{line}" for line in _array(head))
    elif head.startswith(_HDF5):
        if b"Lambda" in head:
            yield f"{where}it names a Lambda layer, which Keras makes from marshalled code"
    elif depth == DEEPEST:
        yield f"{where}it is packed deeper than {DEEPEST} levels, and is not unpacked further"
    elif (name := next((name for sign, name in _OTHERS.items() if head.startswith(sign)), None)) is not None:
        yield f"{where}it is packed with {name}, which is not unpacked here"
    else:
        yield from _unpacked(place, where, head, stream, depth, budget)


def _unpacked(place: str, where: str, head: bytes, stream: BinaryIO, depth: int, budget: _Budget) -> Iterator[str]:
    try:
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _members(place, _zipped(stream, budget), depth, budget)
        elif head[257:262] == b"ustar":
            yield from _members(place, _tarred(stream, budget), depth, budget)
        elif (packed := _unpacker(head)) is not None:
            stream.seek(0)
            raw = budget.spend(_expanded(stream.read(MOST_BYTES), packed, max(budget.left, 0)))
            if budget.left <= 0:
                yield f"{where}it unpacks to more than {MOST_BYTES:,} bytes"
            yield from _look(f"{place}{' > ' if place else ''}unpacked", io.BytesIO(raw), depth + 1, budget)
        elif (found := _pickled(_whole(stream), head, budget.steps)) != "":
            yield f"{where}{found}"
        elif zip_begins(stream) is not None:
            yield f"{where}a ZIP archive is appended to it"
            yield from _members(place, _zipped(stream, budget), depth, budget)
    except _UnreadableError as error:
        yield f"{where}{error}"
    except _BROKEN as error:
        yield f"{where}it can not be unpacked ({one_line(str(error))[:60] or type(error).__name__})"


def _pickled(whole: bytes, head: bytes, steps: Steps) -> str:
    reading = read_pickle(whole, most=min(max(steps.left, 1), MOST_OPCODES))
    steps.left -= reading.steps
    if reading.is_sure or reading.endless:
        return pickle_words(whole)
    return embedded_pickle(head, steps)


def _whole(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read(MOST_BYTES)


def zip_begins(source: BinaryIO | Path | bytes) -> int | None:
    """Return where the ZIP archive begins that ``source`` ends with, or None.

    Readers of ZIP files look for the end, whatever stands before it.
    """
    if isinstance(source, Path | bytes):
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
            return zip_begins(stream)
    size = source.seek(0, io.SEEK_END)
    source.seek(max(0, size - 65_557))
    tail = source.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        return None
    entries, length, comment = struct.unpack("<10xHIxxxxH", tail[at : at + 22])
    end = size - len(tail) + at
    if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07" and comment == len(tail) - at - 22:
        return _zip64_begins(source, end - 20, tail[at - 20 : at])
    if comment != len(tail) - at - 22 or length > end:
        return None
    source.seek(end - length)
    # an empty archive is no more than its end
    return end - length if entries == 0 or source.read(4) == b"PK\x01\x02" else None


def _zip64_begins(source: BinaryIO, end: int, locator: bytes) -> int:
    """Return where an archive begins whose list is told by a longer record; that record itself where it tells nothing.

    Readers look for the record right before its locator, or where the locator says.
    """
    for place in (end - 56, struct.unpack("<8xQ4x", locator)[0]):
        if not 0 <= place < end:
            continue
        source.seek(place)
        record = source.read(56)
        if len(record) == 56 and record.startswith(b"PK\x06\x06"):
            return int(max(0, place - struct.unpack("<40xQ8x", record)[0]))
    return end


class _UnreadableError(Exception):
    """An archive is made so that nobody can look through it; the text is the end of a sentence."""


def _members(place: str, members: Iterator[tuple[str, bytes]], depth: int, budget: _Budget) -> Iterator[str]:
    for name, raw in members:
        inner = f"{place}{' > ' if place else ''}{name}"
        if name.lower().endswith(CODE):
            yield f"{_shown(inner)}: it is code"
        yield from _look(inner, io.BytesIO(raw), depth + 1, budget)


def _zipped(stream: BinaryIO, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    begins = zip_begins(stream)
    size = stream.seek(0, io.SEEK_END)
    if begins is not None and size - begins > _LONGEST_LIST:
        msg = "its list of members is too long to be looked through"
        raise _UnreadableError(msg)
    with zipfile.ZipFile(stream) as archive:
        for item in archive.infolist():
            if item.is_dir():
                continue
            _count(budget)
            if item.flag_bits & 1:
                msg = f"{_shown(item.filename)} in it is encrypted"
                raise _UnreadableError(msg)
            if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                msg = f"{_shown(item.filename)} in it is packed in a way that is not unpacked here"
                raise _UnreadableError(msg)
            with archive.open(item) as member:
                yield item.filename, budget.spend(member.read(min(_FIRST_BYTES, max(budget.left, 0))))


def _tarred(stream: BinaryIO, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        while (item := archive.next()) is not None:
            _count(budget)
            member = archive.extractfile(item) if item.isreg() else None
            if member is not None:
                yield item.name, budget.spend(member.read(min(_FIRST_BYTES, max(budget.left, 0))))


def _count(budget: _Budget) -> None:
    budget.members -= 1
    if budget.members < 0:
        msg = f"it has more than {MOST_MEMBERS:,} members"
        raise _UnreadableError(msg)
    if budget.left <= 0:
        msg = f"it unpacks to more than {MOST_BYTES:,} bytes"
        raise _UnreadableError(msg)


def _unpacker(head: bytes) -> str | None:
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"BZh"):
        return "bzip2"
    if head.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
        return "lzma"
    # joblib's usual way; the two bytes are a multiple of 31
    if len(head) > 2 and head[0] == 0x78 and (head[0] * 256 + head[1]) % 31 == 0 and not head[1] & 0x20:
        return "zlib"
    return None


def _expanded(raw: bytes, packed: str, limit: int) -> bytes:
    """Unpack ``raw``, and what is appended to it, to at most ``limit`` bytes."""
    made, parts = b"", 0
    while raw and len(made) < limit and parts < 64:
        room = limit - len(made)
        if packed in ("gzip", "zlib"):
            plain = zlib.decompressobj(31 if packed == "gzip" else 15)
            made += plain.decompress(raw, room)
            raw = plain.unused_data if plain.eof else b""
        else:
            # a dictionary of 4 GB is asked for by a few bytes
            other: bz2.BZ2Decompressor | lzma.LZMADecompressor = (
                bz2.BZ2Decompressor() if packed == "bzip2" else lzma.LZMADecompressor(memlimit=256_000_000)
            )
            made += other.decompress(raw, room)
            raw = other.unused_data if other.eof else b""
        parts += 1
    return made


def _array(head: bytes) -> Iterator[str]:
    """Say whether a NumPy file holds objects, which are pickled behind the header."""
    wide = head[6:7] >= b"\x02"
    start = 12 if wide else 10
    length = int.from_bytes(head[8:start], "little")
    text = head[start : start + length]
    try:
        header = ast.literal_eval(text.decode("latin-1").strip()) if length <= 10_000 else None
        kind = str(header["descr"]) if isinstance(header, dict) else "?"
    except (ValueError, SyntaxError, LookupError, RecursionError, MemoryError):
        kind = "?"
    if kind == "?" or "O" in kind:
        told = "an array of objects" if kind != "?" else "an array whose header can not be read"
        yield f"{told}: {pickle_words(head[start + length :])}"


def _shown(name: str) -> str:
    return one_line(name)[:120]

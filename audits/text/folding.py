"""Columns of texts in their normal form, in batches of bytes.

The normal form is that of :func:`audits.text.normalise.normalise`. It maps nearly every code point by itself, so that a
table of what each becomes gives it in one pass over the bytes. Rows with code points that may join with their
neighbours (combining marks, jamo) or that stand in no table are left to that function.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audits.errors import AuditError
from audits.text.jit import Whole, compiled
from audits.text.normalise import INVISIBLE, normalise

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

SEPARATOR = 0x1F
"""Stands between the columns of a row: a normal form has no such character."""

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 8192
_TABLE = 0x20000  # code points in the table: the basic and the first supplementary plane
_BEYOND, _SPACE, _SLOW = 253, 254, 255
_GROWTH = 3  # bytes that one byte may become; code points that grow more are left to Python
_ASCII = np.array(
    [_SPACE if chr(b).isspace() else ord(chr(b).lower()) if b < 128 else _BEYOND for b in range(256)], np.uint8
)
_ASCII[128:] = _BEYOND  # some are blanks as code points, none as bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Normal forms of consecutive rows: row ``first + i`` is ``data[starts[i]:ends[i]]``, in UTF-8."""

    first: int
    data: Bytes
    starts: Int64s
    ends: Int64s

    def __len__(self) -> int:
        return len(self.starts)

    def trimmed(self) -> Batch:
        """Return the same without the room that was left."""
        return Batch(self.first, self.data[: int(self.ends.max(initial=0))].copy(), self.starts, self.ends)

    def only(self, wanted: npt.NDArray[np.bool_]) -> Batch:
        """Return the same rows, those that are not ``wanted`` empty."""
        return Batch(self.first, self.data, self.starts, np.where(wanted, self.ends, self.starts))

    def text(self, i: int) -> bytes:
        """Return the normal form of one row."""
        return self.data[self.starts[i] : self.ends[i]].tobytes()


@dataclass(frozen=True, slots=True)
class Raw:
    """Consecutive rows as they stand in Arrow's buffers.

    Attributes:
        first: row.
        offset: bytes of all texts before it.
        columns: bytes, starts and ends of each.
    """

    first: int
    offset: int
    columns: tuple[tuple[Bytes, Int64s, Int64s], ...]

    def __len__(self) -> int:
        return len(self.columns[0][1])

    def normalised(self, wanted: npt.NDArray[np.bool_] | None = None) -> Batch:
        """Return the normal forms; those of several columns are joined by :data:`SEPARATOR`, all empty ones empty.

        Args:
            wanted: rows that are of interest, ``[rows]``; the others are empty. All by default.
        """
        parts = [
            _normalised(data, starts, ends if wanted is None else np.where(wanted, ends, starts))
            for data, starts, ends in self.columns
        ]
        data, starts, ends = parts[0]
        for other in parts[1:]:
            lengths = ends - starts + other[2] - other[1] + 1
            joined = np.empty(int(lengths.sum()), np.uint8)
            _join(data, starts, ends, *other, joined)
            data, ends = joined, np.cumsum(lengths)
            starts = ends - lengths
        # nothing but separators
        ends = np.where(ends - starts == len(parts) - 1, starts, ends)
        return Batch(self.first, data, starts, ends)


@dataclass(frozen=True, slots=True)
class Texts:
    """Rows of one or more columns of texts, read as batches of their normal forms.

    Args:
        table: columns of strings; null counts as empty.
    """

    table: pa.Table

    def __post_init__(self) -> None:
        """Refuse columns that hold no strings."""
        for name, kind in zip(self.table.column_names, self.table.schema.types, strict=True):
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                msg = f"Column `{name}` holds {kind}; allowed are string and large_string: cast it before."
                raise AuditError(msg)

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> Texts:
        """Return texts of Python as one column; lone surrogates stay what they are."""
        pieces = [b"" if text is None else text.encode("utf-8", "surrogatepass") for text in texts]
        offsets = np.zeros(len(pieces) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)), out=offsets[1:])
        buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(pieces))]
        return cls(pa.table({"text": pa.Array.from_buffers(pa.large_string(), len(pieces), buffers)}))

    @classmethod
    def joined(cls, parts: Sequence[Texts]) -> Texts:
        """Return the rows of several, of one column each."""
        chunks = [chunk.cast(pa.large_string()) for part in parts for chunk in part.table.column(0).chunks]
        return cls(pa.table({"text": pa.chunked_array(chunks, pa.large_string())}))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def take(self, rows: Int64s) -> Texts:
        """Return the texts of ``rows``, of one column."""
        return Texts(pa.table({"text": self.table.column(0).cast(pa.large_string()).take(pa.array(rows))}))

    def text(self, row: int) -> str:
        """Return one text of the first column as it stands; what is no valid UTF-8 is replaced."""
        value = self.table.column(0)[row].as_buffer()
        return "" if value is None else _decoded(value.to_pybytes())

    @property
    def nbytes(self) -> int:
        """Bytes of all texts, about."""
        return int(self.table.nbytes)

    def raw(self) -> Iterator[Raw]:
        """Yield consecutive rows, about a million bytes at once."""
        first, offset = 0, 0
        for batch in self.table.to_batches(max_chunksize=_BATCH_ROWS):
            columns = [_buffers(column) for column in batch.columns]
            sizes = np.sum([ends - starts for _, starts, ends in columns], axis=0)
            total = np.cumsum(sizes)
            part = total // _BATCH_BYTES
            edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), batch.num_rows]
            for start, stop in pairwise(edges):
                if stop > start:
                    before = offset + int(total[start] - sizes[start])
                    own = tuple((data, starts[start:stop], ends[start:stop]) for data, starts, ends in columns)
                    yield Raw(first + start, before, own)
            first += batch.num_rows
            offset += int(sizes.sum())


def _buffers(column: pa.Array) -> tuple[Bytes, Int64s, Int64s]:
    """Return the bytes of an array of strings and where each starts and ends, without a copy of the bytes."""
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, data = column.buffers()
    if not len(column) or data is None:
        empty = np.zeros(len(column), np.int64)
        return np.empty(0, np.uint8), empty, empty
    bounds = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    starts, ends = bounds[:-1], bounds[1:]
    if column.null_count:
        ends = np.where(np.asarray(column.is_valid()), ends, starts)
    return np.frombuffer(data, np.uint8), starts, ends


def _normalised(data: Bytes, starts: Int64s, ends: Int64s) -> tuple[Bytes, Int64s, Int64s]:
    size = int((ends - starts).sum())
    out = np.empty(_GROWTH * size, np.uint8)
    begins, stops = np.empty(len(starts), np.int64), np.empty(len(starts), np.int64)
    slow = np.zeros(len(starts), np.bool_)
    table = _FoldTable.empty()
    if _fold(data, starts, ends, table.kind, table.place, table.bytes, out, begins, stops, slow):
        # the table of all code points takes a moment to make
        table = _FoldTable.whole()
        _fold(data, starts, ends, table.kind, table.place, table.bytes, out, begins, stops, slow)
    left = np.flatnonzero(slow).tolist()
    if left:
        texts = [data[starts[i] : ends[i]].tobytes() for i in left]
        forms = [normalise(_decoded(text)).encode("utf-8", "surrogatepass") for text in texts]
        lengths = np.fromiter(map(len, forms), np.int64, len(forms))
        used = int(stops.max(initial=0))
        stops[left] = used + np.cumsum(lengths)
        begins[left] = stops[left] - lengths
        out = np.concatenate([out[:used], np.frombuffer(b"".join(forms), np.uint8)])
    return out, begins, stops


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _FoldTable:
    """What becomes of each code point: ``kind`` bytes of ``bytes`` from ``place``, or a blank, or something else."""

    kind: Bytes
    place: npt.NDArray[np.int32]
    bytes: Bytes

    @classmethod
    @lru_cache(maxsize=1)
    def empty(cls) -> _FoldTable:
        """Return a table of nothing."""
        return cls(np.empty(0, np.uint8), np.empty(0, np.int32), np.empty(0, np.uint8))

    @classmethod
    @lru_cache(maxsize=1)
    def whole(cls) -> _FoldTable:
        """Return the table of all code points that are not left to Python."""
        decomposed = (unicodedata.decomposition(chr(point)) for point in range(_TABLE))
        pairs = (parts for text in decomposed if text and len(parts := text.split()) == 2)
        # the second of a canonical pair may join with what stands before it; so do the vowels and tails of Hangul
        seconds = {int(second, 16) for first, second in pairs if not first.startswith("<")}
        seconds |= {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
        kind = np.full(_TABLE, _SLOW, np.uint8)
        place = np.zeros(_TABLE, np.int32)
        pieces, used = list[bytes](), 0
        for point in range(_TABLE):
            character = chr(point)
            if 0xD800 <= point < 0xE000 or point in seconds or unicodedata.combining(character):
                continue
            if character.isspace():
                kind[point] = _SPACE
                continue
            form = character
            if character.casefold() != character or not unicodedata.is_normalized("NFKC", character):
                # not at an edge, where a blank is stripped
                form = normalise(f"x{character}x")[1:-1]
            elif INVISIBLE.match(character):
                form = ""
            if " " in form or any(ord(c) in seconds or unicodedata.combining(c) for c in form):
                continue
            piece = form.encode()
            if len(piece) <= _GROWTH * len(character.encode()):
                kind[point], place[point] = len(piece), used
                pieces.append(piece)
                used += len(piece)
        return cls(kind, place, np.frombuffer(b"".join(pieces), np.uint8))


@compiled
def _fold(
    data: Bytes,
    starts: Int64s,
    ends: Int64s,
    kind: Bytes,
    place: npt.NDArray[np.int32],
    replaced: Bytes,
    out: Bytes,
    begins: Int64s,
    stops: Int64s,
    slow: npt.NDArray[np.bool_],
) -> bool:
    """Write the normal forms to ``out``; stop and return True where the table is needed and empty."""
    one = np.uint64(1)
    used = np.uint64(0)
    for row in range(len(starts)):
        # unsigned places: signed ones would be looked at for counting from the end
        i, end = np.uint64(starts[row]), np.uint64(ends[row])
        begin = used
        # 1 where a blank would be dropped: at the beginning, and after another one
        dropped = one
        slow[row] = False
        while i < end:
            short = _ASCII[data[i]]
            if short != _BEYOND:
                # without a branch: what is written over a blank that is dropped is the next character
                i += one
                blank = np.uint64(short == _SPACE)
                out[used] = np.uint8(0x20) if blank else short
                used += one - (blank & dropped)
                dropped = blank
                continue
            point, size = _decoded_point(data, i, end)
            if len(kind) == 0:
                return True
            if size == 0 or point >= len(kind) or kind[point] == _SLOW:
                slow[row] = True
                break
            i += size
            length = kind[point]
            if length == _SPACE:
                out[used] = 0x20
                used += one - dropped
                dropped = one
            elif length:
                at = np.uint64(place[point])
                for k in range(np.uint64(length)):
                    out[used + k] = replaced[at + k]
                used += np.uint64(length)
                dropped = np.uint64(0)
        if slow[row]:
            used = begin
        elif used > begin and dropped:
            used -= one
        begins[row], stops[row] = begin, used
    return False


@compiled
def _decoded_point(data: Bytes, i: np.uint64, end: np.uint64) -> tuple[Whole, np.uint64]:
    """Return the code point beyond ASCII at ``i`` and how many bytes it has; none where they are no valid UTF-8."""
    lead = np.int64(data[i])
    if 0xC2 <= lead < 0xE0:
        more, point, least = 1, lead & 0x1F, 0x80
    elif 0xE0 <= lead < 0xF0:
        more, point, least = 2, lead & 0x0F, 0x800
    elif 0xF0 <= lead < 0xF5:
        more, point, least = 3, lead & 0x07, 0x10000
    else:
        return 0, np.uint64(0)
    if i + np.uint64(more) >= end:
        return 0, np.uint64(0)
    for k in range(1, more + 1):
        byte = np.int64(data[i + np.uint64(k)])
        if byte & 0xC0 != 0x80:
            return 0, np.uint64(0)
        point = (point << 6) | (byte & 0x3F)
    return point, np.uint64(more + 1 if point >= least else 0)


@compiled
def _join(
    left: Bytes,
    left_starts: Int64s,
    left_ends: Int64s,
    right: Bytes,
    right_starts: Int64s,
    right_ends: Int64s,
    out: Bytes,
) -> None:
    used = 0
    for row in range(len(left_starts)):
        for i in range(left_starts[row], left_ends[row]):
            out[used] = left[i]
            used += 1
        out[used] = SEPARATOR
        used += 1
        for i in range(right_starts[row], right_ends[row]):
            out[used] = right[i]
            used += 1

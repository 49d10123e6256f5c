"""Texts to sets of 64-bit shingle hashes, without a Python loop over words.

A shingle is a run of 5 words (letters, digits, underscore, any non-ASCII character). Texts of fewer
than 5 words, or whose words average more than 24 bytes (scripts written without spaces, long
identifiers), use runs of 5 characters instead; a text of fewer than 5 characters is one shingle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

SIZE = 5
"""Words, or characters, in one shingle."""

_LONG_WORD_BYTES = 24
_PADDING = "\ud800"  # a lone surrogate: stands in no valid text
_CHUNK_BYTES = 4_000_000  # at most, unless one text is longer

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shingles:
    """Sorted, distinct shingle hashes of every text: ``hashes[offsets[i]:offsets[i + 1]]``."""

    hashes: UInt64s
    offsets: Int64s

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Int64s:
        """Number of distinct shingles of each text, ``[n]``."""
        return np.diff(self.offsets)

    def of(self, row: int) -> UInt64s:
        """Return the shingles of one text, ascending."""
        return self.hashes[self.offsets[row] : self.offsets[row + 1]]

    def jaccard(self, row: int, others: Int64s) -> npt.NDArray[np.float64]:
        """Return the exact Jaccard similarity of ``row`` with each of ``others``, none of them empty."""
        base = self.of(row)
        sizes = self.offsets[others + 1] - self.offsets[others]
        starts = np.cumsum(sizes) - sizes
        flat = np.concatenate([self.of(int(other)) for other in others])
        found = np.searchsorted(base, flat)
        common = np.add.reduceat(base[np.minimum(found, len(base) - 1)] == flat, starts, dtype=np.int64)
        similarity: npt.NDArray[np.float64] = common / (len(base) + sizes - common)
        return similarity


def shingle(texts: Sequence[str]) -> Shingles:
    """Return the shingles of normalised ``texts``; an empty text has none."""
    rows: list[Int64s] = []
    hashes: list[UInt64s] = []
    for first, part in _chunked(texts):
        for row, value in (_word_shingles(part), _character_shingles(part)):
            rows.append(row + first)
            hashes.append(value)
    if not rows:
        return Shingles(np.empty(0, np.uint64), np.zeros(len(texts) + 1, np.int64))
    row, value = np.concatenate(rows), np.concatenate(hashes)
    order = np.lexsort((value, row))
    row, value = row[order], value[order]
    fresh = np.ones(len(row), bool)
    fresh[1:] = (row[1:] != row[:-1]) | (value[1:] != value[:-1])
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.bincount(row[fresh], minlength=len(texts)), out=offsets[1:])
    return Shingles(value[fresh], offsets)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Consecutive texts, their bytes joined by line breaks, and where their words are."""

    texts: list[str]
    word_hashes: UInt64s
    word_row: Int64s
    by_words: npt.NDArray[np.bool_]


def _chunked(texts: Sequence[str]) -> Iterator[tuple[int, _Chunk]]:
    first, size, encoded = 0, 0, list[bytes]()
    for i, text in enumerate(texts):
        piece = text.encode("utf-8", "surrogatepass")
        if encoded and size + len(piece) > _CHUNK_BYTES:
            yield first, _chunk(texts[first:i], encoded)
            first, size, encoded = i, 0, []
        encoded.append(piece)
        size += len(piece) + 1
    if encoded:
        yield first, _chunk(texts[first:], encoded)


def _chunk(texts: Sequence[str], encoded: list[bytes]) -> _Chunk:
    data = np.frombuffer(b"\n".join(encoded) + b"\n", np.uint8)
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded)) + 1
    inside = np.zeros(len(data) + 1, bool)
    inside[1:] = _WORD_BYTE[data]
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    start, end = edges[0::2], edges[1::2]
    word_row = np.searchsorted(np.cumsum(lengths), start, side="right")
    words = np.bincount(word_row, minlength=len(texts))
    spelled = np.bincount(word_row, weights=(end - start).astype(np.float64), minlength=len(texts))
    by_words = (words >= SIZE) & (spelled <= _LONG_WORD_BYTES * words)

    # polynomial hash of every word from prefix sums, modulo 2^64
    prefix = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(_BYTE_VALUE[data] * _powers(_BASE, len(data)), out=prefix[1:])
    value = (prefix[end] - prefix[start]) * _powers(_BASE_INVERSE, len(data))[start]
    return _Chunk(list(texts), _mix(value), word_row.astype(np.int64), by_words)


def _word_shingles(chunk: _Chunk) -> tuple[Int64s, UInt64s]:
    words, row = chunk.word_hashes, chunk.word_row
    count = max(len(words) - SIZE + 1, 0)
    last = row[SIZE - 1 :]
    keep = np.flatnonzero((row[:count] == last[:count]) & chunk.by_words[row[:count]])
    return row[keep], _rolling(words, keep)


def _character_shingles(chunk: _Chunk) -> tuple[Int64s, UInt64s]:
    rows = [i for i in np.flatnonzero(~chunk.by_words).tolist() if chunk.texts[i]]
    padded = [chunk.texts[i].ljust(SIZE, _PADDING) for i in rows]
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.uint64)
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32)
    row = np.repeat(np.asarray(rows, np.int64), [len(text) for text in padded])
    keep = np.flatnonzero(row[: len(row) - SIZE + 1] == row[SIZE - 1 :])
    return row[keep], _rolling(_mix(points.astype(np.uint64) + np.uint64(1 << 40)), keep)


def _rolling(values: UInt64s, starts: Int64s) -> UInt64s:
    total = np.zeros(len(starts), np.uint64)
    for i in range(SIZE):
        total = total * _STEP + values[starts + i]
    return _mix(total)


def _mix(value: UInt64s) -> UInt64s:
    """Return the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: UInt64s = value ^ (value >> np.uint64(31))
    return mixed


def _powers(base: np.uint64, count: int) -> UInt64s:
    # chunks are of nearly one size: compute the next power of two once
    return _power_table(base, 1 << (count - 1).bit_length())[:count]


@lru_cache(maxsize=2)
def _power_table(base: np.uint64, count: int) -> UInt64s:
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)


_BASE = np.uint64(0x9E3779B97F4A7C15)
_BASE_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_STEP = np.uint64(0xD1342543DE82EF95)
_BYTE_VALUE = _mix((np.arange(256, dtype=np.uint64) + np.uint64(1)) * _BASE)
_WORD_BYTE = np.array([chr(b).isalnum() or chr(b) == "_" if b < 128 else True for b in range(256)])

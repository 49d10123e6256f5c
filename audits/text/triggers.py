"""Runs of 1 to 3 words, and in which rows each stands: what a planted trigger looks like from outside.

A word is a run of letters, digits, underscores and bytes beyond ASCII, or of two and more other visible characters.
ASCII is read in lower case, everything else as it stands, so that a letter of another alphabet makes another word. In
scripts written without spaces every character is a word. Single characters beyond ASCII are looked at too, where they
stand: a mark in a word, or one that nobody sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.text.folding import Bytes, Int64s, Texts
from audits.text.jit import Whole, compiled
from audits.text.shingles import UInt64s, mixed, unspaced

LONGEST = 3
"""Words in the longest run."""

_PART = 1 << 24  # runs that are sorted at once, 8 bytes each
_STEP = np.uint64(0xD1342543DE82EF95)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_SPACE, _WORD, _MARK = 0, 1, 2
_KIND = np.array(
    [
        _WORD if b >= 128 or chr(b).isalnum() or chr(b) == "_" else _SPACE if b <= 32 or b == 127 else _MARK
        for b in range(256)
    ],
    np.uint8,
)
_LOWER = np.array([ord(chr(b).lower()) if b < 128 else b for b in range(256)], np.uint8)
_CHARACTER = np.uint64(1) << np.uint64(40)  # keeps a character apart from the word of that character

Floats = npt.NDArray[np.float64]


class Postings(NamedTuple):
    """In which rows each run stands.

    Attributes:
        keys: hash of each run, ascending, ``[runs]``.
        starts: where the rows of each begin, ``[runs + 1]``.
        rows: ascending within a run.
    """

    keys: UInt64s
    starts: Int64s
    rows: Int64s


@dataclass(frozen=True, slots=True)
class Words:
    """The words of each row: row ``i`` has ``ids[starts[i]:starts[i + 1]]``, each once, rare ones left out.

    Attributes:
        starts: ``[rows + 1]``.
        ids: numbers of words, ascending within a row.
        counts: rows of each word, ``[words]``.
        keys: hash of each word, ``[words]``.
    """

    starts: Int64s
    ids: npt.NDArray[np.int32]
    counts: Int64s
    keys: UInt64s


def words_of(texts: Texts, wanted: npt.NDArray[np.bool_], fewest: int) -> Words:
    """Return the words of the rows that are ``wanted``; those that stand in fewer rows than ``fewest`` are left out."""
    rows = len(texts)
    keys, starts, owners = [], [np.zeros(1, np.int64)], []
    for part in _postings(texts, wanted, fewest, 1, 1):
        keys.append(part.keys)
        starts.append(part.starts[1:] + starts[-1][-1])
        owners.append(part.rows)
    bounds = np.concatenate(starts)
    flat = np.concatenate([*owners, np.empty(0, np.int64)])
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(flat, minlength=rows), out=offsets[1:])
    ids = np.empty(len(flat), np.int32)
    _transpose(bounds, flat, offsets[:-1].copy(), ids)
    return Words(offsets, ids, np.diff(bounds), np.concatenate([*keys, np.empty(0, np.uint64)]))


def runs_of(texts: Texts, wanted: npt.NDArray[np.bool_], fewest: int) -> list[Postings]:
    """Return the runs of 1 to :data:`LONGEST` words that stand in at least ``fewest`` of the rows ``wanted``."""
    return list(_postings(texts, wanted, fewest, 1, LONGEST))


def _postings(texts: Texts, wanted: npt.NDArray[np.bool_], fewest: int, shortest: int, longest: int) -> list[Postings]:
    row_bits = _row_bits(len(texts))
    total = texts.nbytes * (longest - shortest + 1) // 4
    parts = 1 << max(0, (total // _PART).bit_length())
    found = []
    for part in range(parts):
        packed = _packed(texts, wanted, row_bits, (shortest, longest), (part, parts))
        packed.sort()
        keys, starts, rows = _runs(packed, np.uint64(row_bits), fewest)
        found.append(Postings(keys, starts, rows))
    return found


def _packed(
    texts: Texts, wanted: npt.NDArray[np.bool_], row_bits: int, lengths: tuple[int, int], part: tuple[int, int]
) -> UInt64s:
    pieces = []
    for raw in texts.raw():
        for data, starts, ends in raw.columns:
            size = int((ends - starts).max(initial=0)) + 1
            units = np.empty(2 * size, np.uint64)
            room = int((ends - starts).sum()) * (lengths[1] + 1) + 1
            out = np.empty(room, np.uint64)
            used = _write_runs(data, starts, ends, raw.first, wanted, units, np.uint64(row_bits), lengths, part, out)
            pieces.append(out[:used].copy())
    return np.concatenate([*pieces, np.empty(0, np.uint64)])


@compiled
def write_units(data: Bytes, start: Whole, end: Whole, out: UInt64s, places: Int64s) -> tuple[Whole, Whole]:
    """Write the hash of each word, then of each character beyond ASCII; return how many words, and how many in all.

    ``out`` must have twice as many places as the text has bytes, ``places`` (where each word starts and ends) as well,
    or none at all where they are not asked for.
    """
    words = 0
    i = start
    high = False
    while i < end:
        kind = _KIND[data[i]]
        if kind == _SPACE:
            i += 1
            continue
        begin = i
        value = np.uint64(kind)
        size = _unspaced_size(data, i, end)
        stop = i + size if size else end
        while i < stop and _KIND[data[i]] == kind and (size or not _unspaced_size(data, i, end)):
            high |= data[i] >= 0x80
            value = value * _BASE + np.uint64(_LOWER[data[i]]) + np.uint64(1)
            i += 1
        if kind == _WORD or i - begin > 1:
            out[words] = mixed(value)
            if len(places):
                places[2 * words], places[2 * words + 1] = begin, i
            words += 1
    total = words
    if high:
        i = start
        while i < end:
            point = np.uint64(data[i])
            i += 1
            if point < 0x80:
                continue
            while i < end and data[i] & 0xC0 == 0x80:
                point = (point << np.uint64(8)) | np.uint64(data[i])
                i += 1
            out[total] = mixed(point + _CHARACTER)
            total += 1
    return words, total


@compiled
def _unspaced_size(data: Bytes, i: Whole, end: Whole) -> Whole:
    """Return the bytes of a character that is written without spaces between words, 0 for any other."""
    if not unspaced(data, i, end):
        return 0
    return min(4 if data[i] == 0xF0 else 3, end - i)


@compiled
def _write_runs(
    data: Bytes,
    starts: Int64s,
    ends: Int64s,
    first: Whole,
    wanted: npt.NDArray[np.bool_],
    units: UInt64s,
    row_bits: np.uint64,
    lengths: tuple[int, int],
    part: tuple[int, int],
    out: UInt64s,
) -> Whole:
    nowhere = np.empty(0, np.int64)
    used = 0
    for i in range(len(starts)):
        row = np.uint64(first + i)
        if not wanted[first + i] or starts[i] == ends[i]:
            continue
        words, total = write_units(data, starts[i], ends[i], units, nowhere)
        for k in range(total):
            value = np.uint64(0)
            longest = lengths[1] if k < words else 1
            for n in range(longest):
                if n and k + n >= words:
                    break
                value = run_hash(value, units[k + n])
                if n + 1 >= lengths[0] and value % np.uint64(part[1]) == np.uint64(part[0]):
                    out[used] = (value >> row_bits << row_bits) | row
                    used += 1
    return used


@compiled
def run_hash(before: np.uint64, unit: np.uint64) -> np.uint64:
    """Return the hash of a run that goes on with a word; 0 stands for no run."""
    return mixed(before * _STEP + unit)


@compiled
def _runs(packed: UInt64s, row_bits: np.uint64, fewest: int) -> tuple[UInt64s, Int64s, Int64s]:
    """Return keys, starts and rows of the runs that stand in enough rows."""
    count, total = 0, 0
    for write in (False, True):
        if write:
            keys = np.empty(count, np.uint64)
            starts = np.zeros(count + 1, np.int64)
            rows = np.empty(total, np.int64)
            count, total = 0, 0
        i = 0
        while i < len(packed):
            key = packed[i] >> row_bits
            stop = i
            distinct = 0
            while stop < len(packed) and packed[stop] >> row_bits == key:
                if stop == i or packed[stop] != packed[stop - 1]:
                    distinct += 1
                stop += 1
            if distinct >= fewest:
                if write:
                    keys[count] = key
                    at = total
                    for j in range(i, stop):
                        if j == i or packed[j] != packed[j - 1]:
                            rows[at] = np.int64(packed[j] - (key << row_bits))
                            at += 1
                    starts[count + 1] = at
                count += 1
                total += distinct
            i = stop
    return keys, starts, rows


@compiled
def _transpose(starts: Int64s, rows: Int64s, at: Int64s, ids: npt.NDArray[np.int32]) -> None:
    for word in range(len(starts) - 1):
        for j in range(starts[word], starts[word + 1]):
            ids[at[rows[j]]] = word
            at[rows[j]] += 1


def spans_of(text: str, keys: frozenset[int], rows: int) -> list[tuple[int, int]]:
    """Return where runs of a text stand, in bytes of UTF-8, those that touch or overlap as one.

    Args:
        text: of one cell.
        keys: of the runs.
        rows: of the texts whose :class:`Postings` gave the keys.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    data = np.frombuffer(encoded, np.uint8)
    units, places = np.empty(2 * len(data) + 1, np.uint64), np.empty(2 * len(data) + 1, np.int64)
    words, _ = write_units(data, 0, len(data), units, places)
    bits = np.uint64(_row_bits(rows))
    covered = np.zeros(int(words) + 1, np.bool_)
    for n in range(LONGEST):
        for k in range(int(words) - n):
            value = np.uint64(0)
            for m in range(n + 1):
                value = np.uint64(run_hash(value, units[k + m]))
            if int(value >> bits) in keys:
                covered[k : k + n + 1] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[False], covered])))
    return [(int(places[2 * a]), int(places[2 * b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def characters_of(text: str, keys: frozenset[int], rows: int) -> list[str]:
    """Return the characters beyond ASCII of a text that are among the runs, each once; see :func:`spans_of`."""
    bits = np.uint64(_row_bits(rows))
    found = []
    for character in dict.fromkeys(text):
        if ord(character) >= 0x80:
            point = np.uint64(int.from_bytes(character.encode("utf-8", "surrogatepass")))
            key = int(np.uint64(run_hash(np.uint64(0), np.uint64(mixed(point + _CHARACTER)))) >> bits)
            if key in keys:
                found.append(character)
    return found


def _row_bits(rows: int) -> int:
    return max(1, rows.bit_length())

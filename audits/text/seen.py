"""Which shingles of a corpus stand in more than one text: two bits each, exact enough to lose nothing.

A text that is similar to another shares most of its shingles with it, so that a text with too many shingles of its own
has no near duplicate and needs no further look. Shingles are told apart by a slot of a table; two that fall into one
slot look like one that is shared, which lets a text pass that need not, and never the reverse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.text.folding import Batch, Bytes, Int64s
from audits.text.jit import Whole, compiled
from audits.text.shingles import UInt64s, write_shingles

ONCE, SHARED = 1, 3
"""States of a slot beside 0. Of two corpora that are compared, the first sets bit 1 and the second bit 2."""

_SLOTS_PER_SHINGLE = 2
_MOST_BYTES = 1 << 28
_LEAST_BYTES = 1 << 12
_BYTES_PER_SHINGLE = 6  # of text: a word and what follows it


@dataclass(frozen=True, slots=True)
class Survivors:
    """Distinct shingles of rows that may have near duplicates: ``hashes[offsets[i]:offsets[i + 1]]`` of ``rows[i]``."""

    rows: Int64s
    hashes: UInt64s
    offsets: Int64s

    def __len__(self) -> int:
        return len(self.rows)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> Survivors:
        """Return those that are chosen, ``[n]``."""
        sizes = np.diff(self.offsets)
        offsets = np.zeros(int(chosen.sum()) + 1, np.int64)
        np.cumsum(sizes[chosen], out=offsets[1:])
        return Survivors(self.rows[chosen], self.hashes[np.repeat(chosen, sizes)], offsets)

    @classmethod
    def joined(cls, parts: Iterable[Survivors]) -> Survivors:
        """Return the rows of several in their order; costs a copy of their hashes."""
        every = list(parts)
        sizes = [np.diff(part.offsets) for part in every]
        total = np.concatenate(sizes) if sizes else np.empty(0, np.int64)
        offsets = np.zeros(len(total) + 1, np.int64)
        np.cumsum(total, out=offsets[1:])
        rows = np.concatenate([part.rows for part in every]) if every else np.empty(0, np.int64)
        hashes = np.concatenate([part.hashes for part in every]) if every else np.empty(0, np.uint64)
        return cls(rows, hashes, offsets)


class Seen:
    """A table of two bits a slot.

    Args:
        size: in bytes, a power of two; four slots each.
    """

    def __init__(self, size: int) -> None:
        self.states: Bytes = np.zeros(size, np.uint8)

    @classmethod
    def for_shingles(cls, count: int, *, tables: int = 1) -> Seen:
        """Return an empty table for about ``count`` shingles, one of ``tables`` that exist at once."""
        wanted = max(_LEAST_BYTES, count * _SLOTS_PER_SHINGLE // 4)
        most = 1 << (_MOST_BYTES // tables).bit_length() - 1  # all of them together keep to the bound
        return cls(min(1 << (wanted - 1).bit_length(), most))

    @classmethod
    def for_texts(cls, nbytes: int, *, tables: int = 1) -> Seen:
        """Return an empty table for texts of ``nbytes`` bytes in all."""
        return cls.for_shingles(nbytes // _BYTES_PER_SHINGLE, tables=tables)

    def mark(self, batch: Batch, corpus: int) -> None:
        """Enter every text of a batch, of the only corpus (0), the first (1) or the second (2) of two."""
        _mark(batch.data, batch.starts, batch.ends, corpus, self.states, _scratch(batch))

    def merge(self, other: Seen, *, two: bool) -> None:
        """Take in a table of the same size over other texts; costs one pass over both tables.

        Args:
            other: filled in the same way.
            two: whether two corpora are compared.
        """
        if two:
            self.states |= other.states
        else:
            _merge(self.states, other.states)

    def survivors(self, batch: Batch, threshold: float, *, two: bool = False) -> Survivors:
        """Return those texts that share at least ``threshold`` of their shingles.

        Args:
            batch: was marked.
            threshold: least Jaccard similarity.
            two: whether two corpora are compared.
        """
        found = np.empty(int((batch.ends - batch.starts).sum()) + 1, np.uint64)
        sizes = np.zeros(len(batch), np.int64)
        used = _survivors(
            batch.data, batch.starts, batch.ends, threshold, self.states, two, _scratch(batch), found, sizes
        )
        rows = np.flatnonzero(sizes)
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes[rows], out=offsets[1:])
        return Survivors(rows + batch.first, found[:used].copy(), offsets)


def thinned(threshold: float, *corpora: Survivors) -> tuple[Survivors, ...]:
    """Return the rows that may have a near duplicate among these rows alone, again and again until few more fall.

    Args:
        threshold: least Jaccard similarity.
        corpora: one, or two that are compared with each other.
    """
    while True:
        before = sum(map(len, corpora))
        seen = Seen.for_shingles(2 * sum(len(rows.hashes) for rows in corpora))
        for number, rows in enumerate(corpora, 1 if len(corpora) > 1 else 0):
            _mark_hashes(rows.hashes, number, seen.states)
        corpora = tuple(rows.keep(_sharing(rows.hashes, rows.offsets, threshold, seen.states)) for rows in corpora)
        if sum(map(len, corpora)) >= 0.9 * before:
            return corpora


def _scratch(batch: Batch) -> UInt64s:
    return np.empty(int((batch.ends - batch.starts).max(initial=0)) + 1, np.uint64)


@compiled
def _enter(states: Bytes, value: np.uint64, corpus: int) -> None:
    at = (value >> np.uint64(2)) & np.uint64(len(states) - 1)
    shift = (value & np.uint64(3)) << np.uint64(1)
    state = (np.uint64(states[at]) >> shift) & np.uint64(3)
    bit = np.uint64(corpus)
    if corpus == 0:
        bit = np.uint64(1) if state == 0 else np.uint64(2)
    states[at] |= np.uint8(bit << shift)


@compiled
def _state(states: Bytes, value: np.uint64) -> np.uint64:
    at = (value >> np.uint64(2)) & np.uint64(len(states) - 1)
    return (np.uint64(states[at]) >> ((value & np.uint64(3)) << np.uint64(1))) & np.uint64(3)


@compiled
def _mark(data: Bytes, starts: Int64s, ends: Int64s, corpus: int, states: Bytes, scratch: UInt64s) -> None:
    for row in range(len(starts)):
        count = np.uint64(write_shingles(data, starts[row], ends[row], scratch))
        for k in range(count):
            _enter(states, scratch[k], corpus)


@compiled
def _mark_hashes(hashes: UInt64s, corpus: int, states: Bytes) -> None:
    for value in hashes:
        _enter(states, value, corpus)


@compiled
def _merge(into: Bytes, other: Bytes) -> None:
    for i in range(len(into)):
        a, b = into[i], other[i]
        # both saw it: seen twice
        into[i] = a | b | ((a & b & 0x55) << 1)


@compiled
def _too_lonely(hashes: UInt64s, count: Whole, threshold: float, states: Bytes) -> bool:
    """Return whether more of the first hashes stand alone than a text with a near duplicate may have."""
    # J(A, B) >= t needs |A and B| >= t |A or B| >= t |A|
    most = (1.0 - threshold) * count * (1.0 + 1e-12) + 1e-9
    alone = 0
    for k in range(np.uint64(count)):
        if _state(states, hashes[k]) != SHARED:
            alone += 1
            if alone > most:
                return True
    return False


@compiled
def _survivors(
    data: Bytes,
    starts: Int64s,
    ends: Int64s,
    threshold: float,
    states: Bytes,
    two: bool,
    scratch: UInt64s,
    found: UInt64s,
    sizes: Int64s,
) -> Whole:
    used: Whole = 0
    places = np.empty(16, np.uint64)
    for row in range(len(starts)):
        count = write_shingles(data, starts[row], ends[row], scratch)
        # of one corpus, a shingle that stands alone stands once in its text too: repeated ones only raise the count
        if count == 0 or (not two and _too_lonely(scratch, count, threshold, states)):
            continue
        while len(places) < 2 * count:
            places = np.empty(2 * len(places), np.uint64)
        distinct = _deduplicated(scratch, count, places)
        if not _too_lonely(scratch, distinct, threshold, states):
            found[used : used + distinct] = scratch[:distinct]
            sizes[row] = distinct
            used += distinct
    return used


@compiled
def _deduplicated(values: UInt64s, count: Whole, places: UInt64s) -> Whole:
    """Move the distinct ones of the first values to the front.

    ``places`` is scratch: a power of two, at least twice as many.
    """
    size = 4
    while size < 2 * count:
        size *= 2
    mask = np.uint64(size - 1)
    for i in range(np.uint64(size)):
        places[i] = 0
    distinct = np.uint64(0)
    nothing = False
    for k in range(np.uint64(count)):
        value = values[k]
        if value == 0:
            # stands for a free place
            if nothing:
                continue
            nothing = True
        else:
            at = value & mask
            while places[at] != 0 and places[at] != value:
                at = (at + np.uint64(1)) & mask
            if places[at] == value:
                continue
            places[at] = value
        values[distinct] = value
        distinct += np.uint64(1)
    return np.int64(distinct)


@compiled
def _sharing(hashes: UInt64s, offsets: Int64s, threshold: float, states: Bytes) -> npt.NDArray[np.bool_]:
    chosen = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(chosen)):
        own = hashes[offsets[row] : offsets[row + 1]]
        chosen[row] = not _too_lonely(own, len(own), threshold, states)
    return chosen

"""Pairs of sets whose Jaccard similarity reaches a threshold: all of them, with their exact similarity.

Sets are sorted by how rare their elements are. Two sets of which the first ``n - ceil(t n) + 1`` elements have nothing
in common can not reach t (Bayardo et al., "Scaling up all pairs similarity search", WWW 2007); where the first element
in common stands bounds how many more there can be (Xiao et al., "Efficient similarity joins for near duplicate
detection", WWW 2008). What passes is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.text.folding import Bytes, Int64s
from audits.text.jit import Whole, compiled
from audits.text.seen import Survivors
from audits.text.shingles import UInt64s, mixed

_ROOM = 1 << 16
_LOW = np.uint64((1 << 56) - 1)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Verified pairs: rows and their exact Jaccard similarity, each ``[n]``."""

    left: Int64s
    right: Int64s
    score: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.left)

    def listed(self) -> list[tuple[int, int, float]]:
        """Return (left, right, score) of each pair."""
        return list(zip(self.left.tolist(), self.right.tolist(), self.score.tolist(), strict=True))


def stars(sets: Survivors, threshold: float) -> Pairs:
    """Return for each near duplicate (left) its representative (right): the earliest that is similar to it.

    In the order of rows, a set that is similar to a representative joins it; any other becomes one. Nothing is joined
    through a third.
    """
    keys = _ranked(sets)[0]
    index = _Index.sized(sets, threshold)
    partner, score = np.full(len(sets), -1, np.int64), np.zeros(len(sets))
    _stars(keys, sets.offsets, threshold, index, partner, score)
    left = np.flatnonzero(partner >= 0)
    return Pairs(sets.rows[left], sets.rows[partner[left]], score[left])


def matches(left: Survivors, right: Survivors, threshold: float, parts: Int64s | None = None) -> Pairs:
    """Return which sets of ``left`` and ``right`` are similar, ordered by left, then right.

    Args:
        left: sets.
        right: sets.
        threshold: least Jaccard similarity.
        parts: of each set of ``right``, ``[len(right)]``. Given them, of every left set and part the earliest similar
            one is returned, and further pairs only until every right set that is similar to any stands in one: no more
            comparisons than that needs, where all are similar to all. Without them every pair.
    """
    parts = np.arange(len(right)) if parts is None else parts
    of_left, of_right = _ranked(left, right)
    index = _Index.sized(right, threshold)
    _index_all(of_right, right.offsets, threshold, index)
    state = _Progress(parts, np.full(int(parts.max(initial=-1)) + 1, -1, np.int64), np.zeros(len(right), np.bool_))
    columns = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))]
    first, room = 0, _ROOM
    while first < len(left):
        a, b, score = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float64)
        stop, count = _matches(
            of_left, left.offsets, of_right, right.offsets, threshold, index, state, first, a, b, score
        )
        if stop == first:
            room *= 2  # one text with more candidates than there is room for
        columns.append((a[:count].copy(), b[:count].copy(), score[:count].copy()))
        first = stop
    a, b, score = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Pairs(left.rows[a], right.rows[b], score)


class _Progress(NamedTuple):
    """What has been matched so far.

    Attributes:
        parts: of the right sets.
        last: left set that was matched last in each part.
        reached: whether each right set has a match.
    """

    parts: Int64s
    last: Int64s
    reached: npt.NDArray[np.bool_]


def _ranked(*corpora: Survivors) -> list[UInt64s]:
    """Return the elements of all sets, rare ones first in each; one number holds how often it was seen and its hash."""
    size = 1 << max(12, min(28, int(2 * sum(len(sets.hashes) for sets in corpora)).bit_length()))
    counts = np.zeros(size, np.uint8)
    for sets in corpora:
        _count(sets.hashes, counts)
    return [_rank(sets.hashes, sets.offsets, counts) for sets in corpora]


class _Index(NamedTuple):
    """The first elements of sets, and in which sets and where each of them stands: lists in arrays."""

    keys: UInt64s
    heads: npt.NDArray[np.int32]
    nexts: npt.NDArray[np.int32]
    sets: npt.NDArray[np.int32]
    places: npt.NDArray[np.int32]

    @classmethod
    def sized(cls, sets: Survivors, threshold: float) -> _Index:
        """Return an empty one with room for all of ``sets``."""
        sizes = np.diff(sets.offsets)
        entries = int(_prefixes(sizes, threshold).sum())
        slots = 1 << max(4, (2 * entries).bit_length())
        return cls(
            np.zeros(slots, np.uint64),
            np.full(slots, -1, np.int32),
            np.empty(entries, np.int32),
            np.empty(entries, np.int32),
            np.empty(entries, np.int32),
        )


@compiled
def _prefix(size: Whole, threshold: float) -> Whole:
    return min(size, size - np.int64(np.ceil(threshold * size * (1 - 1e-12))) + 1)


@compiled
def _prefixes(sizes: Int64s, threshold: float) -> Int64s:
    found = np.empty(len(sizes), np.int64)
    for i in range(len(sizes)):
        found[i] = _prefix(sizes[i], threshold)
    return found


@compiled
def _count(hashes: UInt64s, counts: Bytes) -> None:
    mask = np.uint64(len(counts) - 1)
    for value in hashes:
        at = (value >> np.uint64(8)) & mask
        counts[at] += np.uint8(counts[at] < 255)


@compiled
def _rank(hashes: UInt64s, offsets: Int64s, counts: Bytes) -> UInt64s:
    mask = np.uint64(len(counts) - 1)
    keys = np.empty(len(hashes), np.uint64)
    for i in range(len(hashes)):
        value = hashes[i]
        keys[i] = (np.uint64(counts[(value >> np.uint64(8)) & mask]) << np.uint64(56)) | (value & _LOW)
    for row in range(len(offsets) - 1):
        keys[offsets[row] : offsets[row + 1]].sort()
    return keys


@compiled
def _slot(index: _Index, key: np.uint64) -> np.uint64:
    mask = np.uint64(len(index.keys) - 1)
    at = mixed(key) & mask
    while index.heads[at] >= 0 and index.keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return at


@compiled
def _add(
    elements: UInt64s,
    row: Whole,
    threshold: float,
    index: _Index,
    used: int,
) -> int:
    for i in range(_prefix(len(elements), threshold)):
        at = _slot(index, elements[i])
        index.keys[at] = elements[i]
        index.nexts[used] = index.heads[at]
        index.sets[used], index.places[used] = row, i
        index.heads[at] = used
        used += 1
    return used


@compiled
def _candidates(
    elements: UInt64s,
    offsets: Int64s,
    threshold: float,
    index: _Index,
    met: Int64s,
    stamp: Whole,
    found: Int64s,
) -> int:
    """Write the indexed sets that may be similar to ``elements``, in no order; return how many."""
    size = len(elements)
    count = 0
    for i in range(_prefix(size, threshold)):
        entry = index.heads[_slot(index, elements[i])]
        while entry >= 0:
            row, j = index.sets[entry], index.places[entry]
            entry = index.nexts[entry]
            if met[row] == stamp:
                continue
            # the first element in common: there can be no more than what is left of either behind it
            met[row] = stamp
            other = offsets[row + 1] - offsets[row]
            most = min(size - i, other - j)
            if most >= threshold / (1 + threshold) * (size + other) - 1e-9:
                found[count] = row
                count += 1
    return count


@compiled
def _similarity(left: UInt64s, right: UInt64s, threshold: float) -> float:
    """Return the Jaccard similarity of two sorted sets, or 0 as soon as it can not reach the threshold."""
    n, m = len(left), len(right)
    needed = threshold / (1 + threshold) * (n + m) - 1e-9
    i, j, common = 0, 0, 0
    while i < n and j < m:
        a, b = left[i], right[j]
        common += a == b
        i += a <= b
        j += b <= a
        if common + min(n - i, m - j) < needed:
            return 0.0
    similarity = common / (n + m - common)
    return similarity if similarity >= threshold else 0.0


@compiled
def _stars(
    elements: UInt64s,
    offsets: Int64s,
    threshold: float,
    index: _Index,
    partner: Int64s,
    score: npt.NDArray[np.float64],
) -> None:
    count = len(offsets) - 1
    met = np.full(count, -1, np.int64)
    found = np.empty(count, np.int64)
    used = 0
    for row in range(count):
        own = elements[offsets[row] : offsets[row + 1]]
        near = _candidates(own, offsets, threshold, index, met, row, found)
        for other in np.sort(found[:near]):
            similarity = _similarity(own, elements[offsets[other] : offsets[other + 1]], threshold)
            if similarity > 0.0:
                partner[row], score[row] = other, similarity
                break
        if partner[row] < 0:
            used = _add(own, row, threshold, index, used)


@compiled
def _index_all(
    elements: UInt64s,
    offsets: Int64s,
    threshold: float,
    index: _Index,
) -> None:
    used = 0
    for row in range(len(offsets) - 1):
        used = _add(elements[offsets[row] : offsets[row + 1]], row, threshold, index, used)


@compiled
def _matches(
    lefts: UInt64s,
    left_offsets: Int64s,
    rights: UInt64s,
    right_offsets: Int64s,
    threshold: float,
    index: _Index,
    state: _Progress,
    first: int,
    left: Int64s,
    right: Int64s,
    score: npt.NDArray[np.float64],
) -> tuple[int, int]:
    """Write the matches of the sets from ``first``; return the first whose matches did not fit, and how many did."""
    met = np.full(len(right_offsets) - 1, -1, np.int64)
    found = np.empty(len(right_offsets) - 1, np.int64)
    used = 0
    for row in range(first, len(left_offsets) - 1):
        own = lefts[left_offsets[row] : left_offsets[row + 1]]
        near = _candidates(own, right_offsets, threshold, index, met, row, found)
        if used + near > len(left):
            return row, used
        for other in np.sort(found[:near]):
            part = state.parts[other]
            if state.last[part] == row and state.reached[other]:
                continue
            similarity = _similarity(own, rights[right_offsets[other] : right_offsets[other + 1]], threshold)
            if similarity > 0.0:
                left[used], right[used], score[used] = row, other, similarity
                used += 1
                state.last[part], state.reached[other] = row, True
    return len(left_offsets) - 1, used

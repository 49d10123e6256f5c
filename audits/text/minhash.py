"""Near-duplicate search: MinHash, banded LSH, and an exact check of every pair that is reported.

126 slots in 21 bands of 6: a pair of Jaccard similarity J becomes a candidate with probability
1 - (1 - J^6)^21, that is .998 at J = .8 (Leskovec et al., Mining of Massive Datasets, 3.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from audits.text.shingles import Int64s, Shingles, shingle

THRESHOLD = 0.8
"""Jaccard similarity from which two texts are near duplicates."""

_BANDS = 21
_BAND_SLOTS = 6
_SEED = 42
# 4.7 standard deviations of the estimate at J = .8: what is dropped below it is about one in a million
_ESTIMATE_SLACK = 0.17


class Match(NamedTuple):
    """Two texts by position and their exact Jaccard similarity."""

    left: int
    right: int
    score: float


def near_duplicates(texts: Sequence[str], threshold: float = THRESHOLD) -> list[Match]:
    """Return each near duplicate with its representative: (duplicate, representative, score).

    Groups are stars: a text joins the earliest representative that it was itself compared with and
    found similar to; else it becomes a representative. Nothing is joined through a third text.
    ``texts`` are normalised; an empty one has no duplicates.
    """
    index = _Index.of(shingle(texts))
    buckets = _Buckets.of(index, None)
    representatives: dict[int, list[int]] = {}
    matches: list[Match] = []
    for row in buckets.rows.tolist():
        own = buckets.of_row(row)
        near = sorted({other for bucket in own for other in representatives.get(bucket, ())})
        found = index.similar(row, np.asarray(near, np.int64), threshold)
        if found:
            matches.append(Match(row, *found[0]))
            continue
        for bucket in own:
            representatives.setdefault(bucket, []).append(row)
    return matches


def near_matches(left: Sequence[str], right: Sequence[str], threshold: float = THRESHOLD) -> list[Match]:
    """Return every pair of a text of ``left`` and one of ``right`` that are near duplicates.

    ``texts`` are normalised. The result is ordered by left, then right.
    """
    index = _Index.of(shingle([*left, *right]))
    buckets = _Buckets.of(index, len(left))
    matches: list[Match] = []
    for row in buckets.rows[buckets.rows >= len(left)].tolist():
        members = [buckets.of_bucket(bucket) for bucket in buckets.of_row(row)]
        near = np.unique(np.concatenate(members))
        found = index.similar(row, near[near < len(left)], threshold)
        matches.extend(Match(other, row - len(left), score) for other, score in found)
    return sorted(matches)


@dataclass(frozen=True, slots=True)
class _Index:
    shingles: Shingles
    sizes: Int64s
    sketches: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, shingles: Shingles) -> _Index:
        slots = _BANDS * _BAND_SLOTS
        if not len(shingles):
            return cls(shingles, shingles.sizes, np.empty((0, slots), np.uint32))
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles.hashes, shingles.offsets.astype(np.uint64), slots, _SEED
        )
        return cls(shingles, shingles.sizes, np.asarray(matrix.to_rows(), np.uint32))

    def similar(self, row: int, others: Int64s, threshold: float) -> list[tuple[int, float]]:
        """Return those of ``others`` that are similar to ``row``, in their order, with the score."""
        if not len(others):
            return []
        sizes, size = self.sizes, self.sizes[row]
        # the ratio of two set sizes bounds their Jaccard similarity from above
        others = others[(sizes[others] >= threshold * size) & (sizes[others] * threshold <= size)]
        estimate = (self.sketches[others] == self.sketches[row]).mean(axis=1)
        others = others[estimate >= threshold - _ESTIMATE_SLACK]
        if not len(others):
            return []
        scores = self.shingles.jaccard(row, others)
        return [(o, s) for o, s in zip(others.tolist(), scores.tolist(), strict=True) if s >= threshold]


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Which texts fell into one bucket of a band; only buckets that can hold a pair."""

    rows: Int64s
    _row_buckets: Int64s
    _row_offsets: Int64s
    _bucket_rows: Int64s
    _bucket_offsets: Int64s

    @classmethod
    def of(cls, index: _Index, boundary: int | None) -> _Buckets:
        """Group by band; with a ``boundary``, keep buckets with texts on both sides of it."""
        filled = np.flatnonzero(index.sizes > 0)
        rows, labels, free = list[Int64s](), list[Int64s](), 0
        for band in range(_BANDS):
            slots = index.sketches[filled, band * _BAND_SLOTS : (band + 1) * _BAND_SLOTS]
            key = np.zeros(len(filled), np.uint64)
            for i in range(_BAND_SLOTS):
                key = (key ^ slots[:, i]) * np.uint64(0x9E3779B97F4A7C15)
                key ^= key >> np.uint64(29)
            _, bucket, size = np.unique(key, return_inverse=True, return_counts=True)
            if boundary is None:
                keep = size[bucket] > 1
            else:
                left = np.bincount(bucket[filled < boundary], minlength=len(size))
                keep = ((left > 0) & (left < size))[bucket]
            rows.append(filled[keep])
            labels.append(bucket[keep] + free)
            free += len(size)
        row, bucket = np.concatenate(rows), np.concatenate(labels)
        by_row = np.argsort(row, kind="stable")
        by_bucket = np.lexsort((row, bucket))
        distinct, row_start = np.unique(row[by_row], return_index=True)
        size = np.bincount(bucket, minlength=free)
        offsets = np.zeros(free + 1, np.int64)
        np.cumsum(size, out=offsets[1:])
        return cls(distinct, bucket[by_row], np.append(row_start, len(row)), row[by_bucket], offsets)

    def of_row(self, row: int) -> list[int]:
        """Return the buckets of one text."""
        at = int(np.searchsorted(self.rows, row))
        buckets: list[int] = self._row_buckets[self._row_offsets[at] : self._row_offsets[at + 1]].tolist()
        return buckets

    def of_bucket(self, bucket: int) -> Int64s:
        """Return the texts of one bucket, ascending."""
        return self._bucket_rows[self._bucket_offsets[bucket] : self._bucket_offsets[bucket + 1]]

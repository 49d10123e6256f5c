"""Vectors that are similar to each other: exact, by products of blocks; approximate beyond 100,000 of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from audits.errors import AuditError
from audits.text.folding import Int64s
from audits.text.set_join import Pairs

Vectors = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]

MOST_EXACT = 100_000
"""Vectors up to which every pair is compared: about 20 seconds for 384 dimensions on 2 cores."""

_BLOCK = 2048
_NEIGHBOURS = 16


def similar_groups(vectors: Vectors, threshold: float) -> Pairs:
    """Return for each vector that is similar to an earlier one (left) its representative (right).

    In their order, a vector whose cosine with a representative reaches the threshold joins the earliest such; any other
    becomes one. Nothing is joined through a third.

    Args:
        vectors: of any length, zero for what has no direction, ``[n, dim]``.
        threshold: least cosine.

    Raises:
        AuditError: there are more than :data:`MOST_EXACT` vectors and usearch is not installed, or the vectors are no
            finite numbers.
    """
    vectors = _unit(vectors)
    kept: _Kept = _EveryKept(vectors) if len(vectors) <= MOST_EXACT else _IndexOfKept(vectors)
    left, right = list[int](), list[int]()
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        partner = kept.earliest(block, threshold)
        inside = np.tril(block @ block.T >= threshold, -1)
        for i in range(len(block)):
            if partner[i] < 0:
                earlier = np.flatnonzero(inside[i])
                earlier = earlier[partner[earlier] < 0]
                if len(earlier):
                    partner[i] = start + earlier[0]
        found = np.flatnonzero(partner >= 0)
        left.extend((start + found).tolist())
        right.extend(partner[found].tolist())
        kept.add(start + np.flatnonzero(partner < 0))
    return _scored(vectors, vectors, np.asarray(left, np.int64), np.asarray(right, np.int64))


def similar_pairs(left: Vectors, right: Vectors, threshold: float) -> Pairs:
    """Return every pair of a vector of ``left`` and one of ``right`` whose cosine reaches the threshold, in order.

    Every pair is compared: ``len(left) * len(right) * dim`` products.

    Raises:
        AuditError: the vectors are no finite numbers.
    """
    left, right = _unit(left), _unit(right)
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(left), _BLOCK):
        parts = []
        for first in range(0, len(right), 4 * _BLOCK):
            i, j = np.nonzero(left[start : start + _BLOCK] @ right[first : first + 4 * _BLOCK].T >= threshold)
            parts.append((i + start, j + first))
        i, j = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else (rows[0], columns[0])
        order = np.lexsort((j, i))
        rows.append(i[order])
        columns.append(j[order])
    return _scored(left, right, np.concatenate(rows), np.concatenate(columns))


def _unit(vectors: Vectors) -> Vectors:
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        msg = (
            f"The encoder must give one vector of finite numbers a text, [n, dim]; got the shape {vectors.shape}"
            f"{'' if vectors.ndim != 2 else ' with numbers that are not finite'}."
        )
        raise AuditError(msg)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return unit


def _scored(left: Vectors, right: Vectors, i: Int64s, j: Int64s) -> Pairs:
    cosines = np.einsum("nd,nd->n", left[i].astype(np.float64), right[j].astype(np.float64))
    return Pairs(i, j, np.minimum(cosines, 1.0))


class _Kept(Protocol):
    """The representatives so far."""

    def earliest(self, block: Vectors, threshold: float) -> Int64s:
        """Return for each vector the earliest that is similar, or -1."""

    def add(self, rows: Int64s) -> None:
        """Take in these rows of the vectors."""


class _EveryKept:
    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self._rows = np.empty(0, np.int64)

    def earliest(self, block: Vectors, threshold: float) -> Int64s:
        partner = np.full(len(block), -1, np.int64)
        for first in range(0, len(self._rows), 4 * _BLOCK):
            rows = self._rows[first : first + 4 * _BLOCK]
            hit = block @ self._vectors[rows].T >= threshold
            found = (partner < 0) & hit.any(axis=1)
            partner[found] = rows[hit[found].argmax(axis=1)]
        return partner

    def add(self, rows: Int64s) -> None:
        self._rows = np.concatenate([self._rows, rows])


class _IndexOfKept:
    """An HNSW graph (Malkov and Yashunin, 2018); what it finds is verified, what it misses is missed."""

    def __init__(self, vectors: Vectors) -> None:
        try:
            from usearch.index import Index
        except ImportError as error:
            msg = (
                f"{len(vectors):,} texts are too many to compare every pair (the limit is {MOST_EXACT:,}); install the "
                'index for more: pip install "hf-contrastive[semantic]".'
            )
            raise AuditError(msg) from error
        self._vectors = vectors
        self._index: Any = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")

    def earliest(self, block: Vectors, threshold: float) -> Int64s:
        partner = np.full(len(block), -1, np.int64)
        if not len(self._index):
            return partner
        found = self._index.search(block, min(_NEIGHBOURS, len(self._index)))
        keys = np.atleast_2d(found.keys).astype(np.int64)
        for i in range(len(block)):
            rows = np.sort(keys[i][keys[i] < len(self._vectors)])
            similar = rows[self._vectors[rows] @ block[i] >= threshold]
            if len(similar):
                partner[i] = similar[0]
        return partner

    def add(self, rows: Int64s) -> None:
        if len(rows):
            self._index.add(rows, self._vectors[rows])

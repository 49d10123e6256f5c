"""Vectors that are similar to each other: exact, by products of blocks; approximate beyond 100,000 of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from audits.encoders import Encoder
from audits.errors import AuditError
from audits.text.folding import Int64s
from audits.text.jit import compiled
from audits.text.set_join import Pairs

Vectors = npt.NDArray[np.float32]

MOST_EXACT = 100_000
"""Vectors up to which every pair is compared: about a minute for 384 dimensions on 2 cores."""

_BLOCK = 2048
_TILE = 1024  # rows of a product that stays in the cache
_NEIGHBOURS = 16
ROUNDING = 1e-6
"""Of a cosine: what a product of blocks may differ by."""


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
    vectors = unit(vectors)
    kept: _Kept = _EveryKept(vectors) if len(vectors) <= MOST_EXACT else _IndexOfKept(vectors)
    left, right = list[int](), list[int]()
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        partner = kept.earliest(block, threshold)
        inside = np.tril(block @ block.T >= threshold - ROUNDING, -1)
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
    return scored(vectors, vectors, np.asarray(left, np.int64), np.asarray(right, np.int64))


def blocks(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Yield parts of a matrix that stay in memory, in order of rows, then columns."""
    for start in range(0, rows, _BLOCK):
        for first in range(0, columns, 4 * _BLOCK):
            yield slice(start, min(start + _BLOCK, rows)), slice(first, min(first + 4 * _BLOCK, columns))


def similar_pairs(left: Vectors, right: Vectors, threshold: float, parts: Int64s | None = None) -> Pairs:
    """Return which vectors of ``left`` and ``right`` are similar by their cosine, ordered by left, then right.

    Args:
        left: of any length, zero for what has no direction, ``[n, dim]``.
        right: likewise, ``[m, dim]``.
        threshold: least cosine.
        parts: of each of ``right``, ``[m]``. Given them, of every left vector and part the earliest similar one is
            returned, and further pairs only until every right vector that is similar to any stands in one. Without
            them every pair.

    Raises:
        AuditError: the vectors are no finite numbers.
    """
    left, right = unit(left), unit(right)
    reached = np.zeros(len(right), np.bool_)
    matched = np.zeros((len(left), 0 if parts is None else int(parts.max(initial=-1)) + 1), np.bool_)
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for part, other in blocks(len(left), len(right)):
        i, j = np.nonzero(left[part] @ right[other].T >= threshold - ROUNDING)
        i, j = i + part.start, j + other.start
        if parts is not None:
            chosen = _first_of_parts(i, j, parts, matched, reached)
            i, j = i[chosen], j[chosen]
        rows.append(i)
        columns.append(j)
    i, j = np.concatenate(rows), np.concatenate(columns)
    order = np.lexsort((j, i))
    return scored(left, right, i[order], j[order])


@compiled
def _first_of_parts(
    left: Int64s, right: Int64s, parts: Int64s, matched: npt.NDArray[np.bool_], reached: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return which pairs are the first of their left vector and part, or of their right vector."""
    chosen = np.zeros(len(left), np.bool_)
    for k in range(len(left)):
        i, j = left[k], right[k]
        chosen[k] = not (matched[i, parts[j]] and reached[j])
        matched[i, parts[j]] = True
        reached[j] = True
    return chosen


class Neighbours(NamedTuple):
    """The nearest other vectors of each vector, the nearest first.

    Attributes:
        rows: ``[n, k]``.
        cosines: ``[n, k]``.
    """

    rows: Int64s
    cosines: Vectors


def nearest(vectors: Vectors, count: int) -> Neighbours | None:
    """Return the ``count`` nearest others of each vector (fewer where there are fewer vectors).

    Every pair is compared up to :data:`MOST_EXACT` vectors; beyond, an HNSW graph of usearch finds nearly all. None
    where that is not installed.

    Args:
        vectors: of any length, zero for what has no direction, ``[n, dim]``.
        count: of others.

    Raises:
        AuditError: the vectors are no finite numbers.
    """
    vectors = unit(vectors)
    count = min(count, len(vectors) - 1)
    if len(vectors) > MOST_EXACT:
        return _nearest_by_graph(vectors, count)
    rows = np.full((len(vectors), max(count, 0)), -1, np.int64)
    cosines = np.full(rows.shape, -np.inf, np.float32)
    for start in range(0, len(vectors) if count > 0 else 0, _TILE):
        stop = start + _TILE
        for first in range(0, len(vectors), 4 * _TILE):
            tile = vectors[start:stop] @ vectors[first : first + 4 * _TILE].T
            _keep_nearest(tile, start, first, rows[start:stop], cosines[start:stop])
    return Neighbours(rows, cosines)


@compiled
def _keep_nearest(tile: Vectors, start: int, first: int, rows: Int64s, cosines: Vectors) -> None:
    """Take the columns of a tile into the nearest of each row so far, which are in falling order; earlier ones stay."""
    count = cosines.shape[1]
    for i in range(tile.shape[0]):
        least = cosines[i, count - 1]
        for j in range(tile.shape[1]):
            if tile[i, j] <= least or first + j == start + i:
                continue
            at = count - 1
            while at > 0 and cosines[i, at - 1] < tile[i, j]:
                cosines[i, at], rows[i, at] = cosines[i, at - 1], rows[i, at - 1]
                at -= 1
            cosines[i, at], rows[i, at] = tile[i, j], first + j
            least = cosines[i, count - 1]


def _nearest_by_graph(vectors: Vectors, count: int) -> Neighbours | None:
    try:
        from usearch.index import Index
    except ImportError:
        return None
    index: Any = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(vectors)), vectors, threads=1)  # else the graph depends on which was first
    rows = np.zeros((len(vectors), count), np.int64)
    cosines = np.zeros(rows.shape, np.float32)
    for start in range(0, len(vectors), _BLOCK):
        found = index.search(vectors[start : start + _BLOCK], count + 1)
        keys = np.atleast_2d(found.keys).astype(np.int64)
        near = np.nan_to_num(1 - np.atleast_2d(found.distances), nan=-1.0)
        # itself last, then cut off
        itself = keys == np.arange(start, start + len(keys))[:, None]
        order = np.lexsort((keys, -near, itself), axis=1)[:, :count]
        rows[start : start + len(keys)] = np.take_along_axis(keys, order, axis=1)
        cosines[start : start + len(keys)] = np.take_along_axis(near, order, axis=1)
    return Neighbours(rows, cosines)


def nearer_than(left: Vectors, right: Vectors, least: Vectors, own: tuple[Int64s, Int64s]) -> npt.NDArray[np.bool_]:
    """Return for each vector of ``left`` whether one of ``right`` is nearer to it than ``least``.

    Args:
        left: of length 1, ``[n, dim]``.
        right: of length 1, ``[m, dim]``.
        least: cosine of each of ``left``, ``[n]``.
        own: which of ``left`` each of ``right`` belongs to, and which text it is, each ``[m]``: a text that is the own
            one does not count.
    """
    owner, text = own
    found = np.zeros(len(left), np.bool_)
    own_texts: dict[int, set[int]] = {}
    for i, t in zip(owner.tolist(), text.tolist(), strict=True):
        own_texts.setdefault(i, set()).add(t)
    for start in range(0, len(left), _TILE):
        for first in range(0, len(right), 4 * _TILE):
            tile = left[start : start + _TILE] @ right[first : first + 4 * _TILE].T
            rows, columns = np.nonzero(tile > least[start : start + _TILE, None] + ROUNDING)
            asked, begins = np.unique(rows, return_index=True)
            ends = np.append(begins, len(rows))[1:]
            for i, begin, end in zip(asked.tolist(), begins.tolist(), ends.tolist(), strict=True):
                if not found[start + i]:
                    near = text[first + columns[begin:end]]
                    found[start + i] = not set(near.tolist()) <= own_texts.get(start + i, set())
    return found


def vectors_of(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Return one vector a text, ``[n, dim]``.

    Raises:
        AuditError: the encoder gives another number of vectors, or no finite numbers.
    """
    vectors = np.asarray(encoder.encode(texts), np.float32)
    if len(texts) and (vectors.ndim != 2 or len(vectors) != len(texts)):
        wanted = f"[{len(texts)}, dim]"
        msg = f"The encoder must give one vector a text, {wanted}; {encoder.name} gave the shape {vectors.shape}."
        raise AuditError(msg)
    _expect_finite(vectors)
    return vectors


def unit(vectors: Vectors) -> Vectors:
    """Return vectors of length 1, or zero, ``[n, dim]``.

    Raises:
        AuditError: they are no finite numbers.
    """
    _expect_finite(vectors)
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, norms, out=np.zeros(vectors.shape), where=norms > 0).astype(np.float32)
    return scaled


def _expect_finite(vectors: Vectors) -> None:
    whole = vectors.ndim == 2 and vectors.shape[1] > 0
    if not whole or not np.isfinite(vectors).all():
        msg = (
            f"The encoder must give one vector of finite numbers a text, [n, dim]; got the shape {vectors.shape}"
            f"{' with numbers that are not finite' if whole else ''}. Check the encoder on a few texts."
        )
        raise AuditError(msg)


def scored(left: Vectors, right: Vectors, i: Int64s, j: Int64s) -> Pairs:
    """Return the pairs ``i`` of ``left`` and ``j`` of ``right``, of length 1, with their cosines."""
    cosines = np.empty(len(i))
    for start in range(0, len(i), _BLOCK):
        a, b = i[start : start + _BLOCK], j[start : start + _BLOCK]
        cosines[start : start + _BLOCK] = np.einsum("nd,nd->n", left[a].astype(np.float64), right[b])
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
            hit = block @ self._vectors[rows].T >= threshold - ROUNDING
            found = (partner < 0) & hit.any(axis=1)
            partner[found] = rows[hit[found].argmax(axis=1)]
        return partner

    def add(self, rows: Int64s) -> None:
        self._rows = np.concatenate([self._rows, rows])


class _IndexOfKept:
    """An HNSW graph (Malkov and Yashunin, 2018); what it finds is verified, what it misses is missed.

    Of the 16 nearest representatives the earliest that is similar is named.
    """

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
        near = np.isfinite(np.atleast_2d(found.distances))
        for i in range(len(block)):
            rows = np.sort(keys[i][near[i]])
            similar = rows[self._vectors[rows] @ block[i] >= threshold - ROUNDING]
            if len(similar):
                partner[i] = similar[0]
        return partner

    def add(self, rows: Int64s) -> None:
        if len(rows):
            self._index.add(rows, self._vectors[rows], threads=1)  # else the graph depends on which was first

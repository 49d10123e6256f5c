"""Exact nearest neighbours in blocks, with NumPy alone: never more scores in memory than one block has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

DOCUMENT_BLOCKS = 16
"""Documents are compared in blocks this many times as large as those of the queries."""

Floats = npt.NDArray[np.floating]
Similarities = Callable[[Floats, Floats], Floats]
"""``(queries [q, dim], documents [d, dim]) -> scores [q, d]``"""
Mask = Callable[[Floats, int], None]
"""``(scores [q, d], index of the first document)``: sets the scores of what must not be found to -inf."""

_GRID = 2.0**26


def inner_products(queries: Floats, documents: Floats) -> Floats:
    """Return the inner products ``[queries, documents]``."""
    products: Floats = queries @ documents.T
    return products


def on_grid(units: Floats) -> npt.NDArray[np.float64]:
    """Round unit vectors ``[n, dim]`` to multiples of 2^-26, in float64.

    Inner products of such vectors are exact: each product is a multiple of 2^-52, and by Cauchy-Schwarz no partial
    sum exceeds 1 by more than the rounding, so each fits the 53 bits of float64. So a score does not depend on the
    block, the order of summation, the number of threads or the BLAS, equal vectors have equal scores, and ties are
    ties. Rounding moves a score by less than 2^-26 sqrt(dim): 5e-7 at 1024 dimensions.
    """
    rounded: npt.NDArray[np.float64] = np.rint(units * units.dtype.type(_GRID)).astype(np.float64)
    rounded /= _GRID
    return rounded


def exact_cosines(queries: Floats, documents: Floats) -> Floats:
    """Return the cosines ``[queries, documents]``, the same number for the same two vectors whatever the block.

    Args:
        queries: unit vectors that are :func:`on_grid` already, since each block of documents meets them anew.
        documents: unit vectors.
    """
    cosines: Floats = queries @ on_grid(documents).T
    return cosines


def nearest(
    queries: Floats,
    documents: Floats,
    k: int,
    *,
    block: int,
    similarities: Similarities = inner_products,
    mask: Mask | None = None,
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the ``k`` documents of the highest score for each query.

    Documents of equal score are ranked by their index. In memory are ``queries * block`` scores, and twice that while
    the first of a query are sought.

    Args:
        queries: ``[queries, dim]``.
        documents: ``[documents, dim]``.
        k: how many to find, at least 1.
        block: documents that are compared at a time.
        similarities: gives the scores of a block, in the type of ``queries``.
        mask: called with the scores of each block; what it sets to -inf is not found.

    Returns:
        Scores and indices, ``[queries, k]`` each, best first; -inf and -1 where fewer than ``k`` are found.
    """
    values = np.full((len(queries), k), -np.inf, dtype=queries.dtype)
    indices = np.full((len(queries), k), -1, dtype=np.int64)
    for start in range(0, len(documents), block):
        scores = similarities(queries, documents[start : start + block])
        if mask is not None:
            mask(scores, start)
        new_values, new_columns = _packed(scores, _floor(scores, values[:, -1], k))
        if not new_values.shape[1]:
            continue
        values = np.concatenate([values, new_values], axis=1)
        indices = np.concatenate([indices, np.where(new_columns < 0, -1, new_columns + start)], axis=1)
        # what was found before stands first, so stable sorting keeps ties in the order of the index
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        values = np.take_along_axis(values, order, axis=1)
        indices = np.take_along_axis(indices, order, axis=1)
    return values, indices


def _floor(scores: Floats, worst: Floats, k: int) -> Floats:
    """Return for each query, ``[queries, 1]``, the lowest score of this block that may be among its first ``k``."""
    # what was found before has lower indices, so a score that is only as high comes too late; above -inf, which
    # stands where fewer than k are found, is all that is not masked
    floor = np.nextafter(worst, np.asarray(np.inf, dtype=worst.dtype))
    filling = np.isneginf(worst)
    columns = scores.shape[1]
    if filling.any() and columns > k:
        # once a query has k documents few are above its floor, and a partition of each block would be wasted
        rows = scores if filling.all() else scores[filling]
        floor[filling] = np.maximum(floor[filling], np.partition(rows, columns - k, axis=1)[:, columns - k])
    above: Floats = floor[:, None]
    return above


def _packed(scores: Floats, floor: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the scores from ``floor`` on and their columns, ``[queries, most of one]``, padded with -inf and -1."""
    # flat, since NumPy finds the places of a matrix many times slower
    rows, columns = np.divmod(np.flatnonzero(scores >= floor), scores.shape[1])
    counts = np.bincount(rows, minlength=len(scores))
    position = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(scores), int(counts.max(initial=0)))
    values = np.full(shape, -np.inf, dtype=scores.dtype)
    indices = np.full(shape, -1, dtype=np.int64)
    values[rows, position] = scores[rows, columns]
    indices[rows, position] = columns
    return values, indices

"""Compiled passes over a block of scores: how many documents stand before each relevant one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audits.text.jit import Whole, compiled

FEW = 4
"""Up to so many relevant documents each takes a pass of its own over the scores of its query."""

Reals = npt.NDArray[np.floating]


@compiled
def dot(one: Reals, other: Reals) -> float:
    """Return the inner product in float64, always summed in the same order: equal vectors have equal products."""
    a = 0.0
    b = 0.0
    c = 0.0
    d = 0.0
    size = one.shape[0]
    whole = size - size % 4
    for i in range(0, whole, 4):
        a += np.float64(one[i]) * np.float64(other[i])
        b += np.float64(one[i + 1]) * np.float64(other[i + 1])
        c += np.float64(one[i + 2]) * np.float64(other[i + 2])
        d += np.float64(one[i + 3]) * np.float64(other[i + 3])
    for i in range(whole, size):
        a += np.float64(one[i]) * np.float64(other[i])
    return (a + b) + (c + d)


@compiled
def pair_products(
    queries: Reals,
    documents: Reals,
    offsets: npt.NDArray[np.int64],
    targets: npt.NDArray[np.int64],
    products: npt.NDArray[np.float64],
) -> None:
    """Fill in the product of each query with each of its targets."""
    for query in range(queries.shape[0]):
        for pair in range(offsets[query], offsets[query + 1]):
            products[pair] = dot(queries[query], documents[targets[pair]])


@compiled
def count_before(
    scores: Reals,
    first: Whole,
    queries: Reals,
    documents: Reals,
    offsets: npt.NDArray[np.int64],
    targets: npt.NDArray[np.int64],
    products: npt.NDArray[np.float64],
    slack: npt.NDArray[np.float64],
    near: Reals,
    above: Reals,
    before: npt.NDArray[np.int64],
) -> None:
    """Add to ``before`` the documents of a block that stand before each target.

    ``scores`` ``[queries, block]`` are within ``slack`` ``[queries]`` of the products; where that leaves open which is
    larger, the product is computed: from ``near`` on and up to ``above``, ``[pairs]``, in the type of the scores. Of
    equal products the lower index stands first. Targets of a query stand in ascending order of their products.
    """
    width = scores.shape[1]
    for query in range(scores.shape[0]):
        low, high = offsets[query], offsets[query + 1]
        row = scores[query]
        if high - low <= FEW:
            for pair in range(low, high):
                _count_one(
                    row,
                    first,
                    queries[query],
                    documents,
                    targets[pair],
                    products[pair],
                    near[pair],
                    above[pair],
                    before,
                    pair,
                )
            continue
        counts = np.zeros(high - low + 1, np.int64)
        lowest = products[low] - slack[query]
        for place in range(width):
            score = np.float64(row[place])
            if score < lowest:
                continue
            certain, end, surely = 0, high - low, score - slack[query]
            while certain < end:
                middle = (certain + end) >> 1
                if products[low + middle] < surely:
                    certain = middle + 1
                else:
                    end = middle
            counts[certain] += 1
            pair = low + certain
            while pair < high and products[pair] <= score + slack[query]:
                before[pair] += _stands_before(queries[query], documents, first + place, targets[pair], products[pair])
                pair += 1
        following = 0
        for pair in range(high - 1, low - 1, -1):
            following += counts[pair - low + 1]
            before[pair] += following


@compiled
def _count_one(
    row: Reals,
    first: Whole,
    query: Reals,
    documents: Reals,
    target: Whole,
    product: float,
    near: float,
    above: float,
    before: npt.NDArray[np.int64],
    pair: Whole,
) -> None:
    # of a good model, next to nothing of a block is left after this
    possible = 0
    for place in range(row.shape[0]):
        possible += row[place] >= near
    if possible == 0:
        return
    certain = 0
    for place in range(row.shape[0]):
        certain += row[place] > above
    before[pair] += certain
    if possible == certain:
        return
    for place in range(row.shape[0]):
        if row[place] >= near and not row[place] > above:
            before[pair] += _stands_before(query, documents, first + place, target, product)


@compiled
def _stands_before(query: Reals, documents: Reals, document: Whole, target: Whole, product: float) -> int:
    if document == target:
        return 0
    own = dot(query, documents[document])
    return int(own > product or (own == product and document < target))

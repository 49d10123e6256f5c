"""How alike the rows are that hold one run of words, apart from what all of them hold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.text.folding import Int64s
from audits.text.jit import compiled
from audits.text.triggers import Words

COMMON = 0.8
"""Share of the rows from which a word belongs to what all of them hold, the trigger itself or a template."""

MOST_COMPARED = 256
"""Rows that are compared, spread over all."""

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]


class Contexts(NamedTuple):
    """Words of rows with their weights, to compare rows by the cosine of their words.

    Attributes:
        starts: of the words of each row, ``[rows + 1]``.
        ids: words of the rows.
        weights: inverse document frequency of each word, squared, ``[words]``.
    """

    starts: Int64s
    ids: Int32s
    weights: Floats


def weigh(words: Words, rows: int) -> Contexts:
    """Return the words of ``rows`` rows with weights that grow with how rare they are."""
    return Contexts(words.starts, words.ids, np.log(max(rows, 1) / np.maximum(words.counts, 1)) ** 2 + 1e-9)


@compiled
def likeness(contexts: Contexts, rows: Int64s, common: float, counts: Int32s, sums: Floats) -> tuple[float, float]:
    """Return the mean cosine of two of the rows by the words that not nearly all of them hold, and how many these are.

    Args:
        contexts: words of the rows.
        rows: to compare, at least two.
        common: share of the rows from which a word is left out.
        counts: zeros, ``[words]``; they are zeros again at the end.
        sums: zeros as well, ``[words]``.

    Returns:
        The mean cosine, and the mean number of the other words of a row.
    """
    step = max(1, len(rows) // MOST_COMPARED)
    taken = rows[::step]
    for row in taken:
        for at in range(contexts.starts[row], contexts.starts[row + 1]):
            counts[contexts.ids[at]] += 1
    most = common * len(taken)
    some, words = 0, 0
    for row in taken:
        norm, own = 0.0, 0
        for at in range(contexts.starts[row], contexts.starts[row + 1]):
            if counts[contexts.ids[at]] < most:
                norm += contexts.weights[contexts.ids[at]]
                own += 1
        words += own
        some += own > 0
        for at in range(contexts.starts[row], contexts.starts[row + 1]):
            if counts[contexts.ids[at]] < most:
                sums[contexts.ids[at]] += np.sqrt(contexts.weights[contexts.ids[at]] / norm)
    square = 0.0
    for row in taken:
        for at in range(contexts.starts[row], contexts.starts[row + 1]):
            word = contexts.ids[at]
            square += sums[word] * sums[word]
            sums[word] = 0.0
            counts[word] = 0
    count = len(taken)
    return (square - some) / max(count * (count - 1), 1), words / max(count, 1)

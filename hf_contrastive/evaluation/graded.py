"""Pairs with a graded similarity: does the cosine follow what people said?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import Scores, Statistic, Weights
from hf_contrastive.evaluation.neighbours import cosines
from hf_contrastive.evaluation.orderings import Ordering, midranks
from hf_contrastive.evaluation.vectors import matrix, same_dimension, same_rows, unit_vectors


def pair_cosines(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the cosine of each pair of rows, ``[n]``.

    Args:
        first: ``[n, dim]``.
        second: ``[n, dim]``.

    Raises:
        EvaluationError: the shapes differ, values are not finite, or a row is a zero vector.
    """
    one, two = unit_vectors("first", first), unit_vectors("second", second)
    same_dimension(first=one, second=two)
    same_rows(first=one, second=two)
    return cosines(matrix("first", first), matrix("second", second))


def graded_statistics(similarities: npt.ArrayLike, gold: Sequence[float] | npt.ArrayLike) -> dict[str, Statistic]:
    """Return Spearman's and Pearson's correlation of similarities with graded scores.

    Spearman's is Pearson's correlation of the ranks, ties sharing the mean of theirs. The usual main score of semantic
    textual similarity is Spearman's (Reimers et al., COLING 2016).

    Args:
        similarities: of each pair, ``[n]``.
        gold: score of each pair, ``[n]``, on any scale.

    Raises:
        EvaluationError: the lengths differ, or values are not finite numbers.
        NotComputableError: fewer than 3 pairs, or all similarities or all scores are equal.
    """
    found = _numbers("similarities", similarities)
    wanted = _numbers("gold", gold)
    rows = same_rows(similarities=found, gold=wanted)
    if rows < 3:
        msg = f"there are {rows} pairs, and a correlation needs at least 3"
        raise NotComputableError(msg)
    for name, values in (("similarities", found), ("scores", wanted)):
        if np.ptp(values) == 0:
            msg = f"all {rows} {name} are equal, so that nothing can rise or fall with them"
            raise NotComputableError(msg)
    orders = Ordering(found), Ordering(wanted)

    def pearson(weights: Weights) -> Scores:
        return _correlation(weights, found[None], wanted[None])

    def spearman(weights: Weights) -> Scores:
        return _correlation(weights, *(midranks(order, weights) for order in orders))

    return {"spearman": spearman, "pearson": pearson}


def _correlation(weights: Weights, first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> Scores:
    total = weights.sum(axis=1, keepdims=True)
    one = first - (weights * first).sum(axis=1, keepdims=True) / total
    two = second - (weights * second).sum(axis=1, keepdims=True) / total
    product = (weights * one * two).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = product / np.sqrt((weights * one * one).sum(axis=1) * (weights * two * two).sum(axis=1))
    # a draw of equal values has no correlation; rounding may leave a spread of 1e-17
    return np.clip(np.where(np.isfinite(result), result, np.nan), -1.0, 1.0)


def _numbers(name: str, values: object) -> npt.NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.ndim != 1 or not np.isfinite(array).all():
        msg = f"`{name}` must hold one finite number for each pair; leave out pairs without a score."
        raise EvaluationError(msg)
    return array

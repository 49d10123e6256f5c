"""Statistics of an ordering by score, for weighted rows: AUROC, the rates at a threshold, average precision, ranks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hf_contrastive.evaluation.estimates import Scores, Weights

Flags = npt.NDArray[np.bool_]


class Ordering:
    """Rows sorted by score; rows of equal score stand or fall together.

    Args:
        scores: ``[n]``.
        descending: whether the highest stands first.
    """

    def __init__(self, scores: npt.ArrayLike, *, descending: bool = True) -> None:
        values = np.asarray(scores, dtype=np.float64)
        self.order = np.argsort(-values if descending else values, kind="stable")
        ordered = values[self.order]
        new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        self.starts = np.flatnonzero(new)
        self.group = np.cumsum(new) - 1
        self.thresholds = ordered[self.starts]

    def sums(self, weights: Weights, flags: Flags | None = None) -> npt.NDArray[np.float64]:
        """Return the weight of each group of equal scores, of the rows of ``flags`` only, ``[draws, groups]``."""
        ordered = weights[:, self.order]
        if flags is not None:
            ordered = ordered * flags[self.order]
        sums: npt.NDArray[np.float64] = np.add.reduceat(ordered, self.starts, axis=1)
        return sums


class Counts(NamedTuple):
    """Weights of the rows at or before each threshold, ``[draws, groups]``, and in all, ``[draws, 1]``."""

    true: npt.NDArray[np.float64]
    false: npt.NDArray[np.float64]
    positives: npt.NDArray[np.float64]
    negatives: npt.NDArray[np.float64]


def counts(ordering: Ordering, weights: Weights, positive: Flags) -> Counts:
    """Return how much is taken at each threshold.

    Args:
        ordering: of the rows by score.
        weights: ``[draws, n]``.
        positive: which rows should stand first, ``[n]``.
    """
    true = np.cumsum(ordering.sums(weights, positive), axis=1)
    false = np.cumsum(ordering.sums(weights, ~positive), axis=1)
    return Counts(true, false, true[:, -1:], false[:, -1:])


def auroc(taken: Counts) -> Scores:
    """Return the chance that a positive stands before a negative, ties counting one half, ``[draws]``."""
    before = np.diff(taken.false, axis=1, prepend=0.0)
    true = np.diff(taken.true, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        worse = (true * (taken.false - before / 2)).sum(axis=1) / (taken.positives * taken.negatives)[:, 0]
    result: Scores = 1.0 - worse
    return result


def false_positives_at(taken: Counts, recall: float) -> Scores:
    """Return the lowest false positive rate of a threshold that finds the share ``recall`` of the positives."""
    with np.errstate(invalid="ignore", divide="ignore"):
        # of whole weights, so that 0.95 of 20 rows is 19 and no rounding asks for one more
        enough = taken.true >= np.ceil(recall * taken.positives - 1e-9)
        first = enough.argmax(axis=1)
        rate: Scores = taken.false[np.arange(len(first)), first] / taken.negatives[:, 0]
    return rate


def true_positives_at(taken: Counts, false_positive_rate: float) -> Scores:
    """Return the highest share of positives found by a threshold within a false positive rate; 0 without one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        allowed = taken.false <= np.floor(false_positive_rate * taken.negatives + 1e-9)
        found = np.where(allowed, taken.true, 0.0).max(axis=1) / taken.positives[:, 0]
    return np.where(taken.negatives[:, 0] > 0, found, np.nan)


def average_precision(taken: Counts) -> Scores:
    """Return sum over thresholds of (recall gained) x precision, as scikit-learn does, ``[draws]``."""
    gained = np.diff(taken.true, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = taken.true / (taken.true + taken.false)
        terms = np.where(gained > 0, gained * precision, 0.0)
        result: Scores = terms.sum(axis=1) / taken.positives[:, 0]
    return result


def midranks(ordering: Ordering, weights: Weights) -> npt.NDArray[np.float64]:
    """Return the rank of each row where rows are repeated by their weight, ties sharing the mean, ``[draws, n]``."""
    sums = ordering.sums(weights)
    middle = np.cumsum(sums, axis=1) - sums / 2 + 0.5
    ranks = np.empty_like(weights)
    ranks[:, ordering.order] = middle[:, ordering.group]
    return ranks

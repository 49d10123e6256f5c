"""Pairs that are alike or not: how well does a threshold on the cosine tell them apart?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import Scores, Statistic, Weights
from hf_contrastive.evaluation.orderings import Counts, Flags, Ordering, auroc, average_precision, counts
from hf_contrastive.evaluation.vectors import same_rows


def pair_classification_statistics(
    similarities: npt.ArrayLike, labels: Sequence[Any] | npt.NDArray[Any]
) -> dict[str, Statistic]:
    """Return AP, AUROC, and accuracy and F1 at the threshold that is best for each.

    Thresholds lie between distinct similarities, so that pairs of equal similarity are told alike. The best threshold
    is sought anew in each draw of the bootstrap; it is chosen on the pairs it is judged by, so that accuracy and F1 are
    what the similarity could give at most. AP needs no threshold.

    Args:
        similarities: of each pair, ``[n]``.
        labels: 1 or True where a pair is alike, else 0 or False, ``[n]``.

    Raises:
        EvaluationError: the lengths differ, similarities are not finite, or labels are not 0 and 1.
        NotComputableError: all pairs have the same label.
    """
    scores = _similarities(similarities)
    positive = binary_flags(labels)
    same_rows(similarities=scores, labels=positive)
    if positive.all() or not positive.any():
        msg = f"all {len(positive)} pairs have the label {int(positive[0])}, and both are needed to tell them apart"
        raise NotComputableError(msg)
    ordering = Ordering(scores)

    def of(metric: Any) -> Statistic:
        def statistic(weights: Weights) -> Scores:
            result: Scores = metric(counts(ordering, weights, positive))
            return result

        return statistic

    return {
        "ap": of(average_precision),
        "auroc": of(auroc),
        "accuracy at the best threshold": of(_best_accuracy),
        "f1 at the best threshold": of(_best_f1),
    }


def best_thresholds(similarities: npt.ArrayLike, labels: Sequence[Any] | npt.NDArray[Any]) -> dict[str, float]:
    """Return the similarity from which on a pair is told to be alike, by the metric it is best for.

    The midpoint between two similarities; above the highest where nothing should be told alike.

    Args:
        similarities: ``[n]``.
        labels: ``[n]``.

    Raises:
        EvaluationError: see :func:`pair_classification_statistics`.
    """
    scores, positive = _similarities(similarities), binary_flags(labels)
    same_rows(similarities=scores, labels=positive)
    ordering = Ordering(scores)
    taken = counts(ordering, np.ones((1, len(scores))), positive)
    following = np.append(ordering.thresholds[1:], ordering.thresholds[-1])
    middles = (ordering.thresholds + following) / 2
    middles = np.where(
        (middles == following) & (np.arange(len(middles)) < len(middles) - 1), ordering.thresholds, middles
    )
    accuracies, f1 = _accuracies(taken)[0], _f1(taken)[0]
    best = int(accuracies.argmax())
    none = float(np.nextafter(ordering.thresholds[0], np.inf))
    return {
        "accuracy": none if best == 0 else float(middles[best - 1]),
        "f1": float(middles[int(f1.argmax())]),
    }


def binary_flags(labels: Sequence[Any] | npt.NDArray[Any]) -> Flags:
    """Return which labels are 1.

    Raises:
        EvaluationError: a label is neither 0 nor 1 (False nor True).
    """
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    for row, value in enumerate(values):
        if isinstance(value, str) or value not in (0, 1):
            msg = (
                f"The label of row {row} is {value!r:.40}; labels of pairs are 1 (alike) or 0 (not). "
                "Graded scores belong to similarity."
            )
            raise EvaluationError(msg)
    return np.fromiter((value == 1 for value in values), np.bool_, len(values))


def _accuracies(taken: Counts) -> npt.NDArray[np.float64]:
    """Return the accuracy at each threshold, the first above all similarities, ``[draws, groups + 1]``."""
    right = taken.true + taken.negatives - taken.false
    total = taken.positives + taken.negatives
    return np.concatenate([taken.negatives, right], axis=1) / total


def _best_accuracy(taken: Counts) -> Scores:
    best: Scores = _accuracies(taken).max(axis=1)
    return best


def _f1(taken: Counts) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        values = 2 * taken.true / (taken.true + taken.false + taken.positives)
    return np.where(np.isfinite(values), values, 0.0)


def _best_f1(taken: Counts) -> Scores:
    best: Scores = _f1(taken).max(axis=1)
    return np.where(taken.positives[:, 0] > 0, best, np.nan)


def _similarities(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
        msg = (
            f"`similarities` must hold one finite number for each pair, got shape {scores.shape}; "
            "look for NaN in the embeddings."
        )
        raise EvaluationError(msg)
    return scores

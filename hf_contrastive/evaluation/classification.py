"""Classes from embeddings: a linear probe and the nearest neighbours, both fitted on training rows alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import Scores, Statistic, Weights, grouped_sums, mean_of
from hf_contrastive.evaluation.search import Floats, exact_cosines, nearest, on_grid
from hf_contrastive.evaluation.threads import one_thread
from hf_contrastive.evaluation.vectors import Codes, class_codes, same_dimension, same_rows, unit_vectors

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Values of C that are tried: the inverse strength of the L2 penalty, on unit vectors."""

_FOLDS = 5
_ITERATIONS = 1000
_QUERY_BLOCK = 1024
_DOCUMENT_BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classified:
    """What was told about the test rows.

    ``probabilities`` ``[n, classes]``, of sum 1 in each row; ``told`` the code of the class with the largest, ``codes``
    the true ones, ``[n]``, -1 for a label that training rows do not have. ``setting`` says how it was fitted.
    """

    classes: tuple[Any, ...]
    probabilities: npt.NDArray[np.float64]
    told: Codes
    codes: Codes
    setting: str

    @property
    def unseen(self) -> int:
        """Rows whose label is unseen in training: they count as wrong."""
        return int((self.codes < 0).sum())


def linear_probe(
    train: npt.ArrayLike,
    train_labels: Sequence[Any] | npt.NDArray[Any],
    test: npt.ArrayLike,
    test_labels: Sequence[Any] | npt.NDArray[Any],
    *,
    strengths: Sequence[float] = STRENGTHS,
    folds: int = _FOLDS,
    seed: int = 0,
) -> Classified:
    """Fit a multinomial logistic regression on frozen embeddings.

    On unit vectors; the strength of the penalty is the one with the lowest log loss in a stratified cross-validation
    within the training rows (Alain and Bengio, ICLR-W 2017, for probes), from the strongest on until the loss rises.
    Test rows choose nothing.

    Args:
        train: ``[rows, dim]``.
        train_labels: ``[rows]``.
        test: ``[n, dim]``.
        test_labels: ``[n]``.
        strengths: values of C to choose from; one is taken as it is.
        folds: of the cross-validation; fewer where a class has fewer rows, and with a class of one row C is 1.
        seed: of the folds.

    Raises:
        EvaluationError: shapes or lengths do not fit, embeddings are not finite or zero, or labels are missing.
        NotComputableError: all training rows have the same label.
    """
    one, two, codes, classes, wanted = _prepared(train, train_labels, test, test_labels)
    strength, how = chosen_strength(one, codes, tuple(strengths), folds, seed)
    probabilities = regression(one, codes, strength).predict_proba(two).astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Classified(
        classes=classes,
        probabilities=probabilities,
        told=probabilities.argmax(axis=1),
        codes=wanted,
        setting=f"logistic regression on unit vectors of {len(one)} training rows, C = {strength:g} {how}",
    )


def nearest_neighbours(
    train: npt.ArrayLike,
    train_labels: Sequence[Any] | npt.NDArray[Any],
    test: npt.ArrayLike,
    test_labels: Sequence[Any] | npt.NDArray[Any],
    *,
    k: int = 10,
    temperature: float = 0.07,
) -> Classified:
    """Let the ``k`` training rows of the highest cosine vote, each with exp(cosine / temperature).

    As Wu et al., CVPR 2018, sec. 3.4. Cosines are the same number whatever the block; neighbours of equal cosine are
    taken in the order of the rows, and of classes with equal votes the one whose first neighbour is nearer is told.

    Args:
        train: ``[rows, dim]``.
        train_labels: ``[rows]``.
        test: ``[n, dim]``.
        test_labels: ``[n]``.
        k: neighbours; all where there are fewer.
        temperature: of the votes.

    Raises:
        EvaluationError: see :func:`linear_probe`; or ``k`` or ``temperature`` is out of its range.
        NotComputableError: all training rows have the same label.
    """
    if k < 1 or temperature <= 0:
        msg = f"`k` must be at least 1 and `temperature` above 0, got {k} and {temperature}; usual are 10 and 0.07."
        raise EvaluationError(msg)
    one, two, codes, classes, wanted = _prepared(train, train_labels, test, test_labels)
    k = min(k, len(one))
    probabilities = np.zeros((len(two), len(classes)))
    told = np.empty(len(two), dtype=np.int64)
    for start in range(0, len(two), _QUERY_BLOCK):
        queries = on_grid(two[start : start + _QUERY_BLOCK])
        cosines, found = nearest(queries, one, k, block=_DOCUMENT_BLOCK, similarities=exact_cosines)
        votes = np.exp((cosines - cosines[:, :1]) / temperature)
        part = probabilities[start : start + len(queries)]
        places = np.arange(len(queries))
        for rank in range(k):
            part[places, codes[found[:, rank]]] += votes[:, rank]
        part /= part.sum(axis=1, keepdims=True)
        # sums in another order differ by rounding
        first = part >= part.max(axis=1, keepdims=True) * (1 - 1e-12)
        leads = np.take_along_axis(first, codes[found], axis=1).argmax(axis=1)
        told[start : start + len(queries)] = codes[found[places, leads]]
    return Classified(
        classes=classes,
        probabilities=probabilities,
        told=told,
        codes=wanted,
        setting=f"{k} nearest neighbours by cosine among {len(one)} training rows, votes exp(cosine / {temperature:g})",
    )


def classification_statistics(result: Classified) -> dict[str, Statistic]:
    """Return accuracy and macro-F1.

    Macro-F1 is the mean of F1 over the classes that are true or told, as scikit-learn has it. Rows of a label unseen in
    training are wrong; they count as one more class.

    Args:
        result: of :func:`linear_probe` or :func:`nearest_neighbours`.
    """
    size = len(result.classes) + 1
    codes = np.where(result.codes < 0, size - 1, result.codes)
    right = result.told == codes
    hits = np.where(right, codes, -1)

    def macro_f1(weights: Weights) -> Scores:
        true = grouped_sums(weights, hits, size)
        both = grouped_sums(weights, codes, size) + grouped_sums(weights, result.told, size)
        with np.errstate(invalid="ignore", divide="ignore"):
            f1 = np.where(both > 0, 2 * true / both, 0.0)
        mean: Scores = f1.sum(axis=1) / (both > 0).sum(axis=1)
        return mean

    return {"accuracy": mean_of(right), "macro_f1": macro_f1}


def _prepared(
    train: npt.ArrayLike,
    train_labels: Sequence[Any] | npt.NDArray[Any],
    test: npt.ArrayLike,
    test_labels: Sequence[Any] | npt.NDArray[Any],
) -> tuple[Floats, Floats, Codes, tuple[Any, ...], Codes]:
    one, two = unit_vectors("train", train), unit_vectors("test", test)
    same_dimension(train=one, test=two)
    same_rows(train=one, train_labels=train_labels)
    same_rows(test=two, test_labels=test_labels)
    codes, classes = class_codes(train_labels)
    if len(classes) < 2:
        msg = f"all {len(codes)} training rows have the label {classes[0]!r:.40}, and a classifier needs two"
        raise NotComputableError(msg)
    return one, two, codes, classes, class_codes(test_labels, classes)[0]


def chosen_strength(
    units: Floats, codes: Codes, strengths: tuple[float, ...] = STRENGTHS, folds: int = _FOLDS, seed: int = 0
) -> tuple[float, str]:
    """Return C, and in words how it was chosen; see :func:`linear_probe`.

    Args:
        units: unit vectors ``[rows, dim]``.
        codes: of their classes, ``[rows]``.
        strengths: values of C to choose from.
        folds: of the cross-validation.
        seed: of the folds.
    """
    if not strengths or min(strengths) <= 0:
        msg = f"`strengths` must be numbers above 0, got {strengths}; usual are 0.1 to 1000."
        raise EvaluationError(msg)
    if len(strengths) == 1:
        return strengths[0], "as given"
    fewest = int(np.bincount(codes).min())
    folds = min(folds, fewest)
    if folds < 2:
        return 1.0, "as usual, since a class has one training row and leaves none to choose by"
    from sklearn.model_selection import StratifiedKFold

    parts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(units, codes))
    probes: list[Any] = [None] * folds
    best, lowest = 0.0, np.inf
    for strength in sorted(strengths):
        loss = 0.0
        for place, (fitted, held_out) in enumerate(parts):
            probes[place] = regression(units[fitted], codes[fitted], strength, probes[place])
            told = probes[place].predict_proba(units[held_out])[np.arange(len(held_out)), codes[held_out]]
            loss -= float(np.log(np.clip(told, np.finfo(np.float64).eps, None)).sum())
        if loss >= lowest:
            break
        best, lowest = strength, loss
    tried = ", ".join(f"{strength:g}" for strength in sorted(strengths))
    return best, f"by {folds}-fold cross-validation within training rows, from {tried}"


def regression(units: Floats, codes: Codes, strength: float, nearby: Any = None) -> Any:
    """Return a logistic regression, fitted on one thread so that their number changes nothing.

    Args:
        units: unit vectors ``[rows, dim]``.
        codes: of their classes, ``[rows]``.
        strength: C, the inverse strength of the penalty.
        nearby: a fit to start from.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    probe = LogisticRegression(C=strength, max_iter=_ITERATIONS, warm_start=True)
    if nearby is not None:
        probe.coef_, probe.intercept_, probe.classes_ = nearby.coef_, nearby.intercept_, nearby.classes_
    with warnings.catch_warnings(), one_thread():
        # the last of the iterations is near enough to tell how good the strength is
        warnings.simplefilter("ignore", ConvergenceWarning)
        return probe.fit(units, codes)

"""Can texts of another kind be told by their embeddings from those that the model was made for?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import Scores, Statistic, Weights
from hf_contrastive.evaluation.orderings import Ordering, auroc, counts, false_positives_at
from hf_contrastive.evaluation.search import Floats, exact_cosines, nearest, on_grid
from hf_contrastive.evaluation.threads import one_thread
from hf_contrastive.evaluation.vectors import class_codes, same_dimension, same_rows, unit_vectors

K = 10
RECALL = 0.95
_FEWEST = 20
_QUERY_BLOCK = 1024
_DOCUMENT_BLOCK = 8192

Distances = npt.NDArray[np.float64]
"""The higher, the more foreign, ``[n]``."""


def knn_distance(train: npt.ArrayLike, texts: npt.ArrayLike, *, k: int = K) -> Distances:
    """Return 1 - cosine to the ``k``-th nearest training row (Sun et al., ICML 2022), ``[n]``.

    Args:
        train: embeddings of what the model was made for, ``[rows, dim]``; none of ``texts`` among them.
        texts: ``[n, dim]``.
        k: the last where there are fewer rows.

    Raises:
        EvaluationError: embeddings are not finite or zero, dimensions differ, or ``k`` is below 1.
    """
    if k < 1:
        msg = f"`k` must be at least 1, got {k}; 10 is usual for some thousand rows."
        raise EvaluationError(msg)
    one, two = unit_vectors("train", train), unit_vectors("texts", texts)
    same_dimension(train=one, texts=two)
    k = min(k, len(one))
    found = np.empty(len(two))
    for start in range(0, len(two), _QUERY_BLOCK):
        queries = on_grid(two[start : start + _QUERY_BLOCK])
        cosines, _ = nearest(queries, one, k, block=_DOCUMENT_BLOCK, similarities=exact_cosines)
        found[start : start + len(queries)] = 1.0 - cosines[:, -1]
    return found


class Gaussians:
    """Normal distributions of the training rows: one mean a class with one shared covariance, and one of all rows.

    On unit vectors. Covariances are shrunk as Ledoit and Wolf (2004) say, so that they have an inverse with fewer rows
    than dimensions too.

    Args:
        train: ``[rows, dim]``.
        labels: the class of each row, ``[rows]``; without them all rows are of one.

    Raises:
        EvaluationError: embeddings are not finite or zero, or labels are missing.
        NotComputableError: all vectors of each class are equal, so that there is no spread to measure by.
    """

    def __init__(self, train: npt.ArrayLike, labels: Sequence[Any] | npt.NDArray[Any] | None = None) -> None:
        units = unit_vectors("train", train).astype(np.float64)
        self.mean = units.mean(axis=0)
        self.whole = _precision(units - self.mean)
        self.class_means = self.mean[None]
        self.within = self.whole
        self.labelled = labels is not None
        if labels is None:
            return
        same_rows(train=units, labels=labels)
        codes, classes = class_codes(labels)
        sums = np.zeros((len(classes), units.shape[1]))
        np.add.at(sums, codes, units)
        self.class_means = sums / np.bincount(codes)[:, None]
        self.within = _precision(units - self.class_means[codes])

    def mahalanobis(self, texts: npt.ArrayLike) -> Distances:
        """Return the squared distance to the nearest class mean (Lee et al., NeurIPS 2018), ``[n]``.

        Args:
            texts: ``[n, dim]``.

        Raises:
            EvaluationError: see the class.
        """
        units = self._units(texts)
        distances = np.full(len(units), np.inf)
        # (x - m)' P (x - m), with the part of x alone computed once
        projected = units @ self.within
        own = np.einsum("ij,ij->i", projected, units)
        for mean in self.class_means:
            np.minimum(distances, own - 2 * projected @ mean + mean @ self.within @ mean, out=distances)
        positive: Distances = np.maximum(distances, 0.0)
        return positive

    def relative_mahalanobis(self, texts: npt.ArrayLike) -> Distances:
        """Return :meth:`mahalanobis` less the squared distance to the mean of all rows (Ren et al., 2021), ``[n]``.

        Args:
            texts: ``[n, dim]``.

        Raises:
            EvaluationError: see the class.
            NotComputableError: there are no labels, so that both distances are one.
        """
        if not self.labelled or len(self.class_means) < 2:
            msg = "training rows have no labels, or only one, and the distance is relative to the classes"
            raise NotComputableError(msg)
        centred = self._units(texts) - self.mean
        whole: Distances = np.einsum("ij,ij->i", centred @ self.whole, centred)
        relative: Distances = self.mahalanobis(texts) - whole
        return relative

    def _units(self, texts: npt.ArrayLike) -> npt.NDArray[np.float64]:
        units: Floats = unit_vectors("texts", texts)
        same_dimension(train=self.class_means, texts=units)
        return units.astype(np.float64)


def lack_of_confidence(probabilities: npt.ArrayLike) -> Distances:
    """Return 1 - the largest probability of a classifier (Hendrycks and Gimpel, ICLR 2017), ``[n]``.

    Args:
        probabilities: ``[n, classes]``.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    foreign: Distances = 1.0 - given.max(axis=1)
    return foreign


def detection_statistics(inside: npt.ArrayLike, outside: npt.ArrayLike) -> dict[str, Statistic]:
    """Return AUROC and FPR95 of a distance; the strata of the bootstrap are ``(inside, outside)``.

    AUROC is the chance that a foreign text is farther than one of the kind; .5 tells nothing, below .5 the distance is
    the wrong way round. FPR95 is the share of foreign texts that pass where 95 % of the kind pass; lower is better.

    Args:
        inside: distances of texts of the kind, which were not trained on, ``[n]``.
        outside: those of foreign texts, ``[m]``.

    Raises:
        EvaluationError: distances are not finite.
        NotComputableError: fewer than 20 texts of either.
    """
    parts = [np.asarray(part, dtype=np.float64) for part in (inside, outside)]
    for name, part in zip(("inside", "outside"), parts, strict=True):
        if part.ndim != 1 or not np.isfinite(part).all():
            msg = f"`{name}` must hold one finite distance for each text, got shape {part.shape}."
            raise EvaluationError(msg)
        if len(part) < _FEWEST:
            msg = (
                f"there are {len(part)} texts {'of the kind' if name == 'inside' else 'of another kind'}, of {_FEWEST}"
            )
            raise NotComputableError(msg + " that are needed")
    ordering = Ordering(np.concatenate(parts), descending=False)
    native = np.arange(len(parts[0]) + len(parts[1])) < len(parts[0])

    def area(weights: Weights) -> Scores:
        return auroc(counts(ordering, weights, native))

    def fpr95(weights: Weights) -> Scores:
        return false_positives_at(counts(ordering, weights, native), RECALL)

    return {"auroc": area, "fpr95": fpr95}


def _precision(centred: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from sklearn.covariance import ledoit_wolf

    if not (np.abs(centred).max() > 1e-7):
        msg = "all vectors of the training rows, or of each class, are equal, and there is no spread to measure by"
        raise NotComputableError(msg)
    with one_thread():
        covariance, _ = ledoit_wolf(centred, assume_centered=True)
        precision: npt.NDArray[np.float64] = np.linalg.pinv(covariance, hermitian=True)
    return precision

"""Do the clusters of the embeddings follow the labels?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import Scores, Statistic, Weights, grouped_sums
from hf_contrastive.evaluation.vectors import Codes, class_codes, same_rows, unit_vectors

FULL_ROWS = 10_000
"""Up to so many rows all of them are used in each step of k-means, beyond it batches."""

_BATCH = 4096


def cluster(
    embeddings: npt.ArrayLike, clusters: int, *, seeds: Sequence[int] = range(5), full_rows: int = FULL_ROWS
) -> npt.NDArray[np.int64]:
    """Return the cluster of each row by k-means on unit vectors, once for each seed, ``[seeds, n]``.

    Args:
        embeddings: ``[n, dim]``.
        clusters: how many, at least 2.
        seeds: of the first centres.
        full_rows: see :data:`FULL_ROWS`.

    Raises:
        EvaluationError: embeddings are not finite or zero, or there are no seeds or fewer than two clusters.
        NotComputableError: fewer distinct vectors than clusters.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    units = unit_vectors("embeddings", embeddings)
    if clusters < 2 or not len(seeds):
        msg = f"k-means needs at least 2 clusters and one seed, got {clusters} and {len(seeds)}."
        raise EvaluationError(msg)
    distinct = len(np.unique(units, axis=0)) if len(units) <= full_rows else _at_least(units, clusters)
    if distinct < clusters:
        msg = f"there are {distinct} distinct vectors, and {clusters} clusters need as many"
        raise NotComputableError(msg)
    found = np.empty((len(seeds), len(units)), dtype=np.int64)
    with warnings.catch_warnings():
        # a cluster may be left empty, which the score then shows
        warnings.simplefilter("ignore", ConvergenceWarning)
        for place, seed in enumerate(seeds):
            settings: dict[str, Any] = {"n_clusters": clusters, "random_state": seed, "n_init": 1}
            if len(units) <= full_rows:
                model: Any = KMeans(**settings)
            else:
                model = MiniBatchKMeans(**settings, batch_size=_BATCH)
            found[place] = model.fit(units).labels_
    return found


def clustering_statistics(
    assignments: npt.NDArray[np.int64], labels: Sequence[Any] | npt.NDArray[Any]
) -> dict[str, Statistic]:
    """Return the V-measure, mean over the clusterings.

    The harmonic mean of homogeneity (clusters hold one class) and completeness (classes stay in one cluster)
    (Rosenberg and Hirschberg, EMNLP-CoNLL 2007). The interval is over rows, with the clusters as they were found.

    Args:
        assignments: of :func:`cluster`, ``[seeds, n]``.
        labels: ``[n]``.

    Raises:
        EvaluationError: lengths differ, or labels are missing.
        NotComputableError: all rows have the same label.
    """
    codes, classes = class_codes(labels)
    same_rows(assignments=assignments.T, labels=codes)
    if len(classes) < 2:
        msg = f"all {len(codes)} rows have the label {classes[0]!r:.40}, and clusters are held against two or more"
        raise NotComputableError(msg)
    tables = [_cells(row, codes) for row in assignments]

    def v_measure(weights: Weights) -> Scores:
        values: Scores = np.mean([_v_measure(weights, *table) for table in tables], axis=0)
        return values

    return {"v_measure": v_measure}


def _cells(assigned: npt.NDArray[np.int64], codes: Codes) -> tuple[Codes, Codes, Codes]:
    """Return the cell of each row in the table of clusters by classes, and the cluster and class of each cell."""
    width = int(codes.max()) + 1
    distinct, cell = np.unique(assigned * width + codes, return_inverse=True)
    return cell.reshape(-1).astype(np.int64), distinct // width, distinct % width


def _v_measure(weights: Weights, cell: Codes, cluster_of: Codes, class_of: Codes) -> Scores:
    joint = grouped_sums(weights, cell, len(cluster_of))
    joint /= weights.sum(axis=1, keepdims=True)
    of_clusters = grouped_sums(joint, cluster_of, int(cluster_of.max()) + 1)
    of_classes = grouped_sums(joint, class_of, int(class_of.max()) + 1)
    clusters, classes = _entropy(of_clusters), _entropy(of_classes)
    shared = clusters + classes - _entropy(joint)
    with np.errstate(invalid="ignore", divide="ignore"):
        # 1 where there is nothing to tell apart, as usual
        homogeneity = np.where(classes > 0, shared / classes, 1.0)
        completeness = np.where(clusters > 0, shared / clusters, 1.0)
        both = homogeneity + completeness
        values = np.where(both > 0, 2 * homogeneity * completeness / both, 0.0)
    return np.clip(values, 0.0, 1.0)


def _entropy(shares: npt.NDArray[np.float64]) -> Scores:
    result: Scores = -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1.0)), 0.0).sum(axis=1)
    return result


def _at_least(units: npt.NDArray[np.floating], wanted: int) -> int:
    """Return the number of distinct rows, or ``wanted`` as soon as there are so many."""
    seen: set[bytes] = set()
    for row in units:
        seen.add(row.tobytes())
        if len(seen) >= wanted:
            break
    return len(seen)

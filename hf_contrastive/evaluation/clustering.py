"""Do the clusters of the embeddings follow the labels?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import FirstOrder, Scores, Statistic
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
    (Rosenberg and Hirschberg, EMNLP-CoNLL 2007): with H the entropies, 2 - 2 H(cluster, class) / (H(cluster) +
    H(class)). The interval is over rows, with the clusters as they were found, and of the first-order term: an entropy
    is the mean of the rows' surprisals, -log of the share of a row's cell. It is of the value on as many rows, which is
    above that on endless rows by about (clusters - 1)(classes - 1) / rows over the sum of both entropies.

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
    found = [_v_measure(row, codes) for row in assignments]
    value = float(np.mean([value for value, _ in found]))
    return {"v_measure": FirstOrder(value, np.mean([rows for _, rows in found], axis=0), low=0.0, high=1.0)}


def _v_measure(assigned: npt.NDArray[np.int64], codes: Codes) -> tuple[float, Scores]:
    """Return the V-measure and by how much each row moves it, ``[n]``."""
    of_clusters, of_classes = _surprisals(assigned), _surprisals(codes)
    joint = _surprisals(assigned * (int(codes.max()) + 1) + codes)
    # above 0, as there are two classes or more
    both = float((of_clusters + of_classes).mean())
    ratio = float(joint.mean()) / both
    return min(max(2.0 - 2.0 * ratio, 0.0), 1.0), -2.0 * (joint - ratio * (of_clusters + of_classes)) / both


def _surprisals(groups: npt.NDArray[np.int64]) -> Scores:
    """Return -log of the share of each row's group, ``[n]``; their mean is the entropy."""
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    found: Scores = np.log(len(groups) / sizes)[place.reshape(-1)]
    return found


def _at_least(units: npt.NDArray[np.floating], wanted: int) -> int:
    """Return the number of distinct rows, or ``wanted`` as soon as there are so many."""
    seen: set[bytes] = set()
    for row in units:
        seen.add(row.tobytes())
        if len(seen) >= wanted:
            break
    return len(seen)

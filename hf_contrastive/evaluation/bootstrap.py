"""How sure is a difference, or a share? The paired bootstrap over queries; Wilson's interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError

_BLOCK_CELLS = 4_000_000


class BootstrapInterval(NamedTuple):
    """Mean of ``after - before`` and the ends of its percentile interval."""

    difference: float
    low: float
    high: float


def paired_bootstrap(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> BootstrapInterval:
    """Return the mean difference of two systems on the same queries, with a percentile interval.

    Queries are drawn with replacement, both scores of a query together, so what makes a query hard for
    both systems cancels out (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13;
    Koehn, EMNLP 2004, for paired system comparison). The same input and seed give the same interval.

    Args:
        before: a score per query, ``[queries]``.
        after: the scores of the other system on the same queries in the same order, ``[queries]``.
        resamples: number of bootstrap samples, at least 100.
        seed: of NumPy's ``default_rng``.
        confidence: share of the resampled means inside the interval, between 0 and 1.

    Raises:
        EvaluationError: the arrays are empty, not one-dimensional, of different lengths or not finite,
            or a setting is out of its range.
    """
    first = np.asarray(before, dtype=np.float64)
    second = np.asarray(after, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        msg = (
            f"`before` and `after` must hold one score per query for the same queries, got shapes "
            f"{first.shape} and {second.shape}; evaluate both systems on one list of queries."
        )
        raise EvaluationError(msg)
    differences = second - first
    if not np.isfinite(differences).all():
        row = int(np.flatnonzero(~np.isfinite(differences))[0])
        msg = (
            f"Scores must be finite, got {first[row]} and {second[row]} for query {row}; "
            "look for NaN in the embeddings that were scored."
        )
        raise EvaluationError(msg)
    if resamples < 100:
        msg = f"`resamples` must be at least 100 for a percentile to mean anything, got {resamples}; use 2000."
        raise EvaluationError(msg)
    if not 0.0 < confidence < 1.0:
        msg = f"`confidence` must lie between 0 and 1, got {confidence}; use 0.95 for a 95 % interval."
        raise EvaluationError(msg)
    means = _resampled_means(differences, resamples, np.random.default_rng(seed))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return BootstrapInterval(float(differences.mean()), float(low), float(high))


def share_interval(hits: int, size: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's score (JASA 22, 1927).

    For rare events, of which a sample may hold none: resampling it would call the share certainly 0.

    Args:
        hits: how many of them.
        size: of the sample, at least 1.
    """
    z2 = 1.959964**2
    share = hits / size
    centre = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = np.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size**2))) / (1 + z2 / size)
    return (
        0.0 if hits == 0 else max(0.0, float(centre - half)),
        1.0 if hits == size else min(1.0, float(centre + half)),
    )


def _resampled_means(
    values: npt.NDArray[np.float64], resamples: int, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the mean of each resample, ``[resamples]``, with at most a few million draws in memory."""
    size = values.size
    step = max(1, _BLOCK_CELLS // size)
    means = np.empty(resamples)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        draws = generator.integers(0, size, size=(stop - start, size))
        means[start:stop] = values[draws].mean(axis=1)
    return means

"""From a metric to a number with an interval: the bootstrap of any statistic that takes weights of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.findings import Measurement
from hf_contrastive.errors import EvaluationError
from model_cards.evidence import MetricComparison

RESAMPLES = 2000
_BLOCK_CELLS = 2_000_000

Scores = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float64]
"""How often each row was drawn, ``[draws, n]``; all ones are the data itself."""
Statistic = Callable[[Weights], Scores]
"""``weights [draws, n] -> values [draws]``, NaN where a draw has no value."""


class Estimate(NamedTuple):
    """A value and the ends of its interval; the interval is None where most draws have no value."""

    value: float
    interval: tuple[float, float] | None


def mean_of(values: npt.ArrayLike) -> Statistic:
    """Return the statistic that is the mean of ``values``, ``[n]``."""
    numbers = np.asarray(values, dtype=np.float64)

    def mean(weights: Weights) -> Scores:
        result: Scores = weights @ numbers / weights.sum(axis=1)
        return result

    return mean


def value_of(statistic: Statistic, rows: int) -> float:
    """Return the statistic of the data itself."""
    return float(statistic(np.ones((1, rows)))[0])


def draw_weights(sizes: Sequence[int], *, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[Weights]:
    """Yield blocks of bootstrap draws.

    Args:
        sizes: rows of each stratum; a draw has as many of each as the data has.
        resamples: draws in all.
        seed: of NumPy's ``default_rng``; the same sizes and seed give the same draws.
    """
    generator = np.random.default_rng(seed)
    total = sum(sizes)
    step = max(1, _BLOCK_CELLS // total)
    for start in range(0, resamples, step):
        draws = min(step, resamples - start)
        weights = np.empty((draws, total))
        first = 0
        for size in sizes:
            rows = generator.integers(0, size, size=(draws, size)) + np.arange(draws)[:, None] * size
            counts = np.bincount(rows.ravel(), minlength=draws * size).reshape(draws, size)
            weights[:, first : first + size] = counts
            first += size
        yield weights


def bootstrap(
    statistics: Mapping[str, Statistic],
    sizes: Sequence[int],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """Return each statistic with its percentile interval, all from the same draws.

    Rows are drawn with replacement within each stratum (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    ch. 13). A difference of two statistics on the same rows is a statistic too, and paired.

    Args:
        statistics: by name.
        sizes: rows of each stratum, which stand one after the other.
        resamples: number of draws.
        seed: of the draws.
        confidence: share of the draws within the interval.

    Raises:
        EvaluationError: there are no rows.
    """
    if not sizes or min(sizes) < 1:
        msg = f"An interval needs at least one row of each kind, got {tuple(sizes)}."
        raise EvaluationError(msg)
    parts: dict[str, list[Scores]] = {name: [] for name in statistics}
    for weights in draw_weights(sizes, resamples=resamples, seed=seed):
        for name, statistic in statistics.items():
            parts[name].append(statistic(weights))
    found = {}
    for name, statistic in statistics.items():
        drawn = np.concatenate(parts[name])
        drawn = drawn[np.isfinite(drawn)]
        interval = None
        if len(drawn) * 2 > resamples:
            low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
            interval = (float(low), float(high))
        found[name] = Estimate(value_of(statistic, sum(sizes)), interval)
    return found


def measure(
    statistics: Mapping[str, Statistic],
    sizes: Sequence[int],
    *,
    before: Mapping[str, Statistic] | None = None,
    unit: str = "score",
    of: str = "rows",
    note: str = "",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[MetricComparison, ...]:
    """Return each statistic as a measurement, beside that of a base on the same rows where there is one.

    Args:
        statistics: of the model, by the name of the metric.
        sizes: rows of each stratum.
        before: those of the base, of the same names.
        unit: of the measurements.
        of: what is drawn, for the method in words.
        note: added to the method.
        resamples: number of draws.
        seed: of the draws.

    Raises:
        EvaluationError: there are no rows.
    """
    wanted: dict[tuple[str, str], Statistic] = {("after", name): item for name, item in statistics.items()}
    for name, item in (before or {}).items():
        wanted["before", name] = item
        wanted["difference", name] = _difference(statistics[name], item)
    keys = {f"{which} {name}": (which, name) for which, name in wanted}
    estimates = bootstrap({key: wanted[pair] for key, pair in keys.items()}, sizes, resamples=resamples, seed=seed)
    by_pair = {keys[key]: estimate for key, estimate in estimates.items()}
    strata = "" if len(sizes) == 1 else ", within each kind"

    def measurement(which: str, name: str) -> Measurement | None:
        if (which, name) not in by_pair:
            return None
        value, interval = by_pair[which, name]
        paired = ", paired" if which == "difference" else ""
        return Measurement(
            name=f"{name} difference" if which == "difference" else name,
            value=value,
            unit=unit,
            sample_size=sum(sizes),
            interval=interval,
            method=f"95 % percentile bootstrap over {of}, {resamples} resamples{paired}{strata}{note and f'; {note}'}",
        )

    return tuple(
        MetricComparison(
            before=measurement("before", name),
            after=_present(measurement("after", name)),
            difference=measurement("difference", name),
        )
        for name in statistics
    )


def grouped_sums(weights: Weights, codes: npt.NDArray[np.int64], groups: int) -> npt.NDArray[np.float64]:
    """Return the weight of each group in each draw, ``[draws, groups]``; rows of the code -1 are in none."""
    from scipy.sparse import csr_array

    rows = np.flatnonzero(codes >= 0)
    members = csr_array((np.ones(len(rows)), (codes[rows], rows)), shape=(groups, weights.shape[1]))
    sums: npt.NDArray[np.float64] = (members @ weights.T).T
    return sums


def _difference(after: Statistic, before: Statistic) -> Statistic:
    return lambda weights: after(weights) - before(weights)


def _present(item: Measurement | None) -> Measurement:
    if item is None:  # pragma: no cover  (every name of the model has been measured)
        msg = "A metric of the model was not measured."
        raise EvaluationError(msg)
    return item

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


class FirstOrder:
    """A statistic that is drawn by its first-order term: its value, and the mean of what each drawn row adds to it.

    An entropy falls and a sum of absolute values grows when rows are drawn twice, whatever the data: the percentiles of
    such a statistic itself lie to one side and may leave out its own value. Its first-order term (the infinitesimal
    jackknife of Jaeckel, 1972; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 22) moves as the
    statistic does for small changes of the weights and has no such bias.

    Args:
        value: of the statistic on the data itself.
        influences: by how much it moves as the weight of a row grows, per row, ``[n]``; their mean is taken out.
        low: the least that the statistic can be.
        high: the most.
    """

    def __init__(self, value: float, influences: npt.ArrayLike, *, low: float = -np.inf, high: float = np.inf) -> None:
        given = np.asarray(influences, dtype=np.float64)
        self.value = value
        self._influences = given - given.mean()
        self._low, self._high = low, high

    def __call__(self, weights: Weights) -> Scores:
        """Return the value of each draw, ``[draws]``."""
        moved = self.value + weights @ self._influences / weights.sum(axis=1)
        drawn: Scores = np.clip(moved, self._low, self._high)
        return drawn


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
    names = list(statistics)
    drawn, values = _drawn(list(statistics.values()), sizes, resamples=resamples, seed=seed)
    return {name: _estimate(value, draws, confidence) for name, value, draws in zip(names, values, drawn, strict=True)}


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
        before: those of the base, by the same names; one that the model lacks is left out.
        unit: of the measurements.
        of: what is drawn, for the method in words.
        note: added to the method.
        resamples: number of draws.
        seed: of the draws.

    Raises:
        EvaluationError: there are no rows.
    """
    base = {name: item for name, item in (before or {}).items() if name in statistics}
    drawn, values = _drawn([*statistics.values(), *base.values()], sizes, resamples=resamples, seed=seed)
    sides = {("after", name): place for place, name in enumerate(statistics)}
    sides |= {("before", name): len(statistics) + place for place, name in enumerate(base)}
    strata = "" if len(sizes) == 1 else ", within each kind"

    def measurement(name: str, told: str, value: float, draws: Scores, paired: str = "") -> Measurement:
        found = _estimate(value, draws, 0.95)
        first = " of the first-order term" if isinstance(statistics[name], FirstOrder) else ""
        return Measurement(
            name=told,
            value=found.value,
            unit=unit,
            sample_size=sum(sizes),
            interval=found.interval,
            method=(
                f"95 % percentile bootstrap{first} over {of}, {resamples} resamples{paired}{strata}"
                f"{note and f'; {note}'}"
            ),
        )

    def comparison(name: str) -> MetricComparison:
        own = sides["after", name]
        after = measurement(name, name, values[own], drawn[own])
        if name not in base:
            return MetricComparison(after=after)
        other = sides["before", name]
        return MetricComparison(
            before=measurement(name, name, values[other], drawn[other]),
            after=after,
            difference=measurement(
                name, f"{name} difference", values[own] - values[other], drawn[own] - drawn[other], ", paired"
            ),
        )

    return tuple(comparison(name) for name in statistics)


def grouped_sums(weights: Weights, codes: npt.NDArray[np.int64], groups: int) -> npt.NDArray[np.float64]:
    """Return the weight of each group in each draw, ``[draws, groups]``; rows of the code -1 are in none."""
    from scipy.sparse import csr_array

    rows = np.flatnonzero(codes >= 0)
    members = csr_array((np.ones(len(rows)), (codes[rows], rows)), shape=(groups, weights.shape[1]))
    sums: npt.NDArray[np.float64] = (members @ weights.T).T
    return sums


def _drawn(
    statistics: Sequence[Statistic], sizes: Sequence[int], *, resamples: int, seed: int
) -> tuple[list[Scores], list[float]]:
    """Return each statistic in each draw, ``[draws]``, all from the same draws, and of the data itself.

    Raises:
        EvaluationError: there are no rows.
    """
    if not sizes or min(sizes) < 1:
        msg = f"An interval needs at least one row of each kind, got {tuple(sizes)}."
        raise EvaluationError(msg)
    parts: list[list[Scores]] = [[] for _ in statistics]
    for weights in draw_weights(sizes, resamples=resamples, seed=seed):
        for part, statistic in zip(parts, statistics, strict=True):
            part.append(statistic(weights))
    values = [value_of(statistic, sum(sizes)) for statistic in statistics]
    return [np.concatenate(part) for part in parts], values


def _estimate(value: float, drawn: Scores, confidence: float) -> Estimate:
    found = drawn[np.isfinite(drawn)]
    if len(found) * 2 <= len(drawn):
        return Estimate(value, None)
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, (float(low), float(high)))

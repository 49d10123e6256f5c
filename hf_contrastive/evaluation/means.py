"""Means over queries with their intervals, and the paired difference to another model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from audits.findings import Measurement
from hf_contrastive.evaluation.bootstrap import paired_bootstrap, share_interval
from model_cards.evidence import MetricComparison

RESAMPLES = 2000
_DIGITS = 6

Scores = npt.NDArray[np.float64]
"""One a query, ``[queries]``."""


def metric_comparison(name: str, before: Scores | None, after: Scores, seed: int) -> MetricComparison:
    """Return the means of one metric with their intervals, and of the difference where there is a ``before``.

    Args:
        name: of the metric.
        before: a score per query of the other model, ``[queries]``, or None.
        after: a score per query of the model, ``[queries]``.
        seed: of the bootstrap.
    """
    mean = bootstrapped_mean(name, after, seed=seed)
    if before is None:
        return MetricComparison(after=mean)
    return MetricComparison(
        before=bootstrapped_mean(name, before, seed=seed),
        after=mean,
        difference=bootstrapped_mean(f"{name} difference", after, against=before, seed=seed),
    )


def bootstrapped_mean(
    name: str, values: Scores, *, seed: int, against: Scores | None = None, unit: str = "score", of: str = "queries"
) -> Measurement:
    """Return a mean, or the mean of paired differences, with a 95 % bootstrap interval.

    Args:
        name: of the measurement.
        values: one each, ``[n]``.
        seed: of the bootstrap.
        against: what is subtracted, ``[n]``.
        unit: of the measurement.
        of: what is drawn, for the method in words.
    """
    mean, low, high = paired_bootstrap(
        values * 0 if against is None else against, values, resamples=RESAMPLES, seed=seed
    )
    method = f"95 % percentile bootstrap over {of}, {RESAMPLES} resamples{'' if against is None else ', paired'}"
    return Measurement(name=name, value=mean, unit=unit, sample_size=len(values), interval=(low, high), method=method)


def shortened(item: Measurement) -> Measurement:
    """Return a measurement with six digits, as two runs of one machine may differ in the last bits of a float32."""
    ends = item.interval
    interval = (float(short(ends[0])), float(short(ends[1]))) if ends is not None else None
    return replace(item, value=short(item.value), interval=interval)


def short(value: float) -> float:
    """Return a number with six digits; a whole one stays what it is."""
    # adding 0 makes -0.0 a plain zero
    return round(value, _DIGITS) + 0.0 if isinstance(value, float) else value


def shares(items: tuple[MetricComparison, ...]) -> tuple[MetricComparison, ...]:
    """Return shares of texts, with Wilson's interval where it was none or all: resampling would call that certain.

    Args:
        items: means of zeros and ones.
    """

    def widened(item: Measurement | None) -> Measurement | None:
        if item is None or item.sample_size is None or item.value not in (0.0, 1.0):
            return item
        ends = share_interval(round(item.value * item.sample_size), item.sample_size)
        return replace(item, interval=ends, method="95 % Wilson interval, since it is none or all")

    return tuple(replace(item, before=widened(item.before), after=widened(item.after) or item.after) for item in items)

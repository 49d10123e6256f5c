"""What a model costs beside another one: milliseconds a query and megabytes of weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from audits.findings import Measurement
from hf_contrastive.evaluation.pairs import Encoding
from model_cards.evidence import MetricComparison

QUERIES = 16
ROUNDS = 5
_SECONDS = 4.0


def latency(
    before: Encoding,
    after: Encoding,
    queries: Sequence[str],
    *,
    max_length: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> MetricComparison:
    """Measure how long one query takes with each of two models, one query at a time.

    The two take turns, and who begins alternates, so that what slows the machine down meets both. The median of the
    ratios of neighbouring calls is steadier than the ratio of the medians; both vary from run to run.

    Args:
        before: the published model.
        after: the new one.
        queries: the first :data:`QUERIES` are used, in up to :data:`ROUNDS` rounds or until a few seconds are over.
        max_length: tokens a text is cut to.
        clock: gives seconds.
    """
    texts = list(queries[:QUERIES])
    models = (before, after)
    for model in models:
        model.encode(texts[:1], prompt="query", max_length=max_length)  # what is set up once is no latency
    times: list[tuple[float, float]] = []
    begun = clock()
    for number in range(ROUNDS):
        for text in texts:
            spent = [0.0, 0.0]
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                started = clock()
                models[which].encode([text], prompt="query", max_length=max_length)
                spent[which] = clock() - started
            times.append((spent[0], spent[1]))
        if clock() - begun > _SECONDS:
            break
    spent_all = np.maximum(np.asarray(times), 1e-9)
    medians = np.median(spent_all, axis=0) * 1000
    method = f"median of {len(times)} single queries on this machine, the models in turn"
    ratio = float(np.median(spent_all[:, 1] / spent_all[:, 0]))
    return _beside("latency of a query", "ms", [float(item) for item in medians], ratio, len(times), method)


def size_of_weights(before: Any, after: Any) -> MetricComparison:
    """Return the megabytes (10^6 bytes) that the weights of two encoders take as they are stored.

    Args:
        before: a TextEncoder.
        after: another.
    """
    values = [_megabytes(encoder.model) for encoder in (before, after)]
    return _beside("size of the weights", "MB", values, values[1] / values[0], None, "all parameters, as loaded")


def _megabytes(model: Any) -> float:
    return sum(int(item.numel()) * int(item.element_size()) for item in model.parameters()) / 1e6


def _beside(
    name: str, unit: str, values: Sequence[float], ratio: float, sample: int | None, method: str
) -> MetricComparison:
    one, two = (
        Measurement(name=name, value=round(value, 4), unit=unit, sample_size=sample, method=method) for value in values
    )
    times = Measurement(name=f"{name}, new to published", value=round(ratio, 4), unit="ratio", sample_size=sample)
    return MetricComparison(before=one, after=two, difference=times)

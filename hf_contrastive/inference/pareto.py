"""What is worth its cost: quality against cost, those on the front filled."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audits.findings import Table
from hf_contrastive.inference.recommendation import on_front
from hf_contrastive.inference.records import InferenceReport
from model_cards.charts.drawing import LEFT, RIGHT, WIDTH, Chart, circle, line, scale, svg, text, ticks
from model_cards.typesetting import number

Point = tuple[str, float, float]
"""A name, what it costs, and what it keeps."""

_QUALITY = "nDCG@10 kept, %"
_COSINE = "mean cosine with the reference"


def pareto_charts(report: InferenceReport) -> tuple[Chart, ...]:
    """Return quality against latency, against cost where there is a price, and against the memory of vectors.

    Args:
        report: the measurements; without data, the mean cosine with the reference stands for quality.
    """
    has_data = any(item.quality is not None for item in report.measured)
    kept = {
        item.name: 100 * item.quality.value
        if has_data and item.quality is not None
        else item.cosine.value
        if not has_data and item.cosine is not None
        else None
        for item in report.measured
    }
    up = _QUALITY if has_data else _COSINE
    single: list[Point] = []
    paid: list[Point] = []
    for item in report.measured:
        cell, value = item.cell(1, report.length), kept[item.name]
        if value is not None and cell is not None:
            single.append((item.name, cell.p95_ms, value))
        if value is not None and item.cost_per_million is not None:
            paid.append((item.name, item.cost_per_million, value))
    stored = [
        (item.name, item.index_mb, 100 * item.quality.value) for item in report.storages if item.quality is not None
    ]
    across = f"milliseconds for one text of {report.length} tokens (95th percentile)"
    found = [
        pareto_chart(single, key="pareto-latency", title="Quality and latency", across=across, up=up),
        pareto_chart(paid, key="pareto-cost", title="Quality and cost", across="price of a million texts", up=up),
        pareto_chart(
            stored, key="pareto-memory", title="Quality and memory of vectors", across="MB a million vectors", up=up
        ),
    ]
    return tuple(chart for chart in found if chart is not None)


def pareto_chart(points: Sequence[Point], *, key: str, title: str, across: str, up: str) -> Chart | None:
    """Return points of (cost, quality), numbered, with their names below; None for fewer than two.

    Args:
        points: what is drawn; costs are above 0 and on a logarithmic scale.
        key: unique on the page.
        title: of the chart.
        across: what costs are.
        up: what quality is.
    """
    ranked = sorted(points, key=lambda point: (point[1], -point[2]))
    if len(ranked) < 2:
        return None
    front = on_front([(cost, quality) for _, cost, quality in ranked])
    qualities = [quality for _, _, quality in ranked]
    # equal to rounding is equal
    marks = ticks(round(min(qualities), 6), round(max(qualities), 6))
    costs = _log_ticks(ranked[0][1], ranked[-1][1])
    top, plot, row = 12, 200, 17
    below = top + plot + 42
    height = below + row * len(ranked)
    x = scale(math.log10(costs[0]), math.log10(costs[-1]), LEFT + 10, WIDTH - RIGHT - 10)
    y = scale(marks[0], marks[-1], top + plot, top + 10)
    parts = []
    for mark in marks:
        parts.append(line(LEFT, y(mark), WIDTH - RIGHT, y(mark), "grid"))
        parts.append(text(LEFT - 6, y(mark) + 4, f"{mark:g}", anchor="end"))
    for mark in costs:
        parts.append(line(x(math.log10(mark)), top, x(math.log10(mark)), top + plot, "grid"))
        parts.append(text(x(math.log10(mark)), top + plot + 14, f"{mark:g}", anchor="middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, top + plot + 29, across, anchor="middle"))
    told = []
    for place, ((name, cost, quality), best) in enumerate(zip(ranked, front, strict=True), start=1):
        parts.append(circle(x(math.log10(cost)), y(quality), 5, "after" if best else "before"))
        parts.append(text(x(math.log10(cost)) + 8, y(quality) - 7, str(place), kind="label"))
        words = f"{name}: {number(cost)}, {number(quality)}{', on the front' if best else ''}"
        parts.append(text(8, below + row * place - 4, f"{place}  {words}", kind="label"))
        told.append(words)
    table = Table(
        name=title,
        columns=("", across, up, "on the front"),
        rows=tuple(
            (name, cost, quality, "yes" if best else "no")
            for (name, cost, quality), best in zip(ranked, front, strict=True)
        ),
    )
    caption = (
        f"Up: {up}. Across, on a logarithmic scale: {across}. Filled: nothing else costs less and keeps as much, or "
        "costs as much and keeps more."
    )
    return Chart(title, svg(key, height, title, f"{'; '.join(told)}.", parts), caption, table)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten, at most eight, from at or below ``low`` to above ``high``."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    for factors in ((1, 2, 5), (1,)):
        steps = [float(f"{factor}e{power}") for power in powers for factor in factors]
        first = max(step for step in steps if step <= low)
        last = min(step for step in steps if step > high)
        found = [step for step in steps if first <= step <= last]
        if len(found) <= 8:
            break
    return found

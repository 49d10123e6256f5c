"""Charts of a training: the loss by step, and metrics before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audits.findings import Table
from model_cards.charts.drawing import LEFT, RIGHT, WIDTH, Chart, circle, line, scale, svg, text, ticks
from model_cards.evidence import MetricComparison
from model_cards.typesetting import number


def loss_chart(losses: Sequence[tuple[int, float]]) -> Chart | None:
    """Return the logged (step, loss) pairs as a line; None for fewer than two finite points."""
    points = [(step, loss) for step, loss in losses if math.isfinite(loss)]
    if len(points) < 2 or points[0][0] == points[-1][0]:
        return None
    height, top, bottom = 210, 14, 34
    first, last = min(step for step, _ in points), max(step for step, _ in points)
    marks = ticks(min(0.0, *(loss for _, loss in points)), max(loss for _, loss in points))
    x, y = scale(first, last, LEFT, WIDTH - RIGHT), scale(marks[0], marks[-1], height - bottom, top)
    parts = []
    for mark in marks:
        parts.append(line(LEFT, y(mark), WIDTH - RIGHT, y(mark), "grid"))
        parts.append(text(LEFT - 6, y(mark) + 4, f"{mark:g}", anchor="end"))
    for step, anchor in ((first, "start"), (last, "end")):
        parts.append(text(x(step), height - 16, f"{step:,}", anchor=anchor))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 4, "optimiser step", anchor="middle"))
    drawn = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in points)
    parts.append(f'<polyline class="series" points="{drawn}"/>')
    start, end = points[0], points[-1]
    parts.append(circle(x(end[0]), y(end[1]), 3.5, "after"))
    told = f"From {number(start[1])} at step {start[0]:,} to {number(end[1])} at step {end[0]:,}."
    table = Table(name="Loss by step", columns=("Step", "Loss"), rows=tuple(losses))
    drawing = svg("loss", height, "Training loss by optimiser step", told, parts)
    return Chart("Training loss", drawing, "Training loss as logged.", table)


def comparison_chart(items: Sequence[MetricComparison], *, key: str, before: str, after: str) -> Chart | None:
    """Return one row a metric: before, after, and the interval of the difference from the before.

    Only metrics measured before and after can be drawn; None when there is none.

    Args:
        items: the metrics.
        key: unique on the page.
        before: what the first value is of, e.g. "before training".
        after: what the second is of.
    """
    rows = [(item, item.before) for item in items if item.before is not None]
    if not rows:
        return None
    spans = [_span(item, old.value) for item, old in rows]
    values = [value for item, old in rows for value in (old.value, item.after.value)]
    marks = ticks(min(values + [low for low, _ in spans]), max(values + [high for _, high in spans]))
    step, top, left = 46, 8, 12
    height = top + step * len(rows) + 24
    x = scale(marks[0], marks[-1], left, WIDTH - RIGHT - 8)
    parts = []
    for mark in marks:
        parts.append(line(x(mark), top, x(mark), height - 22, "grid"))
        parts.append(text(x(mark), height - 6, f"{mark:g}", anchor="middle"))
    told = []
    for position, ((item, old), (low, high)) in enumerate(zip(rows, spans, strict=True)):
        y = top + step * position + 32
        words = f"{item.after.name}: {old.value:.4f} → {item.after.value:.4f}"
        parts.append(text(left, y - 14, words, kind="label"))
        if item.difference is not None and item.difference.interval is not None:
            parts.append(line(x(low), y, x(high), y, "interval"))
            parts.extend(line(x(end), y - 5, x(end), y + 5, "whisker") for end in (low, high))
            words += (
                f", interval of the difference {item.difference.interval[0]:+.4f} to {item.difference.interval[1]:+.4f}"
            )
        parts.append(circle(x(old.value), y, 5, "before"))
        parts.append(circle(x(item.after.value), y, 5, "after"))
        told.append(words)
    table = Table(
        name=f"Metrics {before} and {after}",
        columns=("Metric", before.capitalize(), after.capitalize()),
        rows=tuple((item.after.name, old.value, item.after.value) for item, old in rows),
    )
    caption = (
        f"Open circle: {before}. Filled circle: {after}. Bar: 95 % interval of the difference, drawn from the value "
        "of the open circle; where it touches that circle, no difference is shown."
    )
    drawing = svg(key, height, f"Metrics {before} and {after}", f"{'; '.join(told)}.", parts)
    return Chart(f"Metrics {before} and {after}", drawing, caption, table)


def _span(item: MetricComparison, before: float) -> tuple[float, float]:
    if item.difference is None or item.difference.interval is None:
        return before, before
    return before + item.difference.interval[0], before + item.difference.interval[1]

"""Small inline SVG charts: no script, no external font, coloured by the page's own style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from model_cards.evidence import MetricComparison
from model_cards.typesetting import number

# about as wide as a phone: text keeps its size there and grows on wide screens
WIDTH = 400
_LEFT, _RIGHT = 44, 12


def loss_curve(losses: Sequence[tuple[int, float]]) -> Markup:
    """Return the logged (step, loss) pairs as a line; empty for fewer than two finite points."""
    points = [(step, loss) for step, loss in losses if math.isfinite(loss)]
    if len(points) < 2 or points[0][0] == points[-1][0]:
        return Markup("")
    height, top, bottom = 210, 14, 34
    first, last = min(step for step, _ in points), max(step for step, _ in points)
    ticks = _ticks(min(0.0, *(loss for _, loss in points)), max(loss for _, loss in points))
    low, high = ticks[0], ticks[-1]

    def x(step: float) -> float:
        return _LEFT + (step - first) / (last - first) * (WIDTH - _LEFT - _RIGHT)

    def y(loss: float) -> float:
        return top + (high - loss) / (high - low) * (height - top - bottom)

    parts = []
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for step, anchor in ((first, "start"), (last, "end")):
        parts.append(f'<text x="{x(step):.1f}" y="{height - 16}" text-anchor="{anchor}">{step:,}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{height - 4}" text-anchor="middle">optimiser step</text>')
    line = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in points)
    parts.append(f'<polyline class="series" points="{line}"/>')
    end = points[-1]
    parts.append(f'<circle class="after" cx="{x(end[0]):.1f}" cy="{y(end[1]):.1f}" r="3.5"/>')
    label = f"Training loss from {number(points[0][1])} at step {points[0][0]:,} to {number(end[1])} at step {end[0]:,}"
    return _svg(height, label, parts)


def comparison_chart(items: Sequence[MetricComparison]) -> Markup:
    """Return one row a metric: before, after, and the interval of the difference from the before.

    Only metrics measured before and after can be drawn; empty when there is none.
    """
    rows = [(item, item.before) for item in items if item.before is not None]
    if not rows:
        return Markup("")
    spans = [_span(item, before.value) for item, before in rows]
    values = [value for item, before in rows for value in (before.value, item.after.value)]
    ticks = _ticks(min(values + [low for low, _ in spans]), max(values + [high for _, high in spans]))
    step, top, left = 46, 8, 12
    height = top + step * len(rows) + 24

    def x(value: float) -> float:
        return left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - left - _RIGHT - 8)

    parts = []
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{height - 22}"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle">{tick:g}</text>')
    for position, ((item, before), (low, high)) in enumerate(zip(rows, spans, strict=True)):
        y = top + step * position + 32
        words = f"{item.after.name}: {before.value:.4f} → {item.after.value:.4f}"
        parts.append(f'<text class="label" x="{left}" y="{y - 14}">{escape(words)}</text>')
        if item.difference is not None and item.difference.interval is not None:
            parts.append(f'<line class="interval" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}"/>')
            parts.extend(
                f'<line class="whisker" x1="{x(end):.1f}" x2="{x(end):.1f}" y1="{y - 5}" y2="{y + 5}"/>'
                for end in (low, high)
            )
        parts.append(f'<circle class="before" cx="{x(before.value):.1f}" cy="{y}" r="5"/>')
        parts.append(f'<circle class="after" cx="{x(item.after.value):.1f}" cy="{y}" r="5"/>')
    names = ", ".join(item.after.name for item, _ in rows)
    return _svg(height, f"Before and after training, with the interval of the difference: {names}", parts)


def _span(item: MetricComparison, before: float) -> tuple[float, float]:
    if item.difference is None or item.difference.interval is None:
        return before, before
    return before + item.difference.interval[0], before + item.difference.interval[1]


def _ticks(low: float, high: float) -> list[float]:
    """Return three to eight round numbers from at or below ``low`` to at or above ``high``."""
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _svg(height: int, label: str, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'
    )

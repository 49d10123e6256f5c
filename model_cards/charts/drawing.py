"""What every chart is made of: its frame, its scales and its words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from audits.findings import Table
from model_cards.typesetting import redact_tokens

WIDTH = 400
"""About as wide as a phone: text keeps its size there and grows on wide screens."""

LEFT, RIGHT = 44, 12


class Chart(NamedTuple):
    """One chart: the drawing, the sentence below it, and its numbers."""

    title: str
    svg: Markup
    caption: str
    table: Table


def svg(key: str, height: float, title: str, description: str, parts: Sequence[str]) -> Markup:
    """Return the drawing; ``key`` is unique on the page."""
    name = "chart-" + (re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-") or "one")
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{_words(title)}</title><desc id="{name}-desc">{_words(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _words(told: str) -> Markup:
    """Return words as the templates show them: escaped, without tokens."""
    return escape(redact_tokens(told))


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    """Return words at a place; ``anchor`` is start, middle or end."""
    marked = f' class="{kind}"' if kind else ""
    return f'<text{marked} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_words(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a line of a kind of the style sheet."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """Return a point of a kind of the style sheet."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'


def bar(x: float, y: float, width: float, height: float) -> str:
    """Return a bar."""
    return f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return the function that puts ``low`` at ``start`` and ``high`` at ``end``."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def ticks(low: float, high: float) -> list[float]:
    """Return three to eight round numbers from at or below ``low`` to at or above ``high``."""
    if high - low < 1e-9 * max(1.0, abs(low)):
        wide = max(0.05, abs(low) * 1e-6)  # else it is lost beside a large number
        low, high = low - wide, high + wide
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def short(count: float) -> str:
    """Return a count that fits above a bar: 9,876 or 31.8k; the table has it in full."""
    if count < 10_000:
        return f"{count:,.0f}"
    return f"{count / 1000:.3g}k" if count < 999_500 else f"{count / 1_000_000:.3g}M"

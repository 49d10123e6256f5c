"""Lines over a logarithmic axis, with bands; marker, dash and a label each tell them apart without colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from audits.findings import Table
from model_cards.charts.drawing import LEFT, WIDTH, Chart, line, scale, short, svg, text, ticks

_MARGIN = 34
"""At the right, for the labels of the lines."""
_TOP, _BELOW = 10, 40
_CHARACTER = 5.5
"""Width of a character of a mark, about half the size of the font."""


class Look(NamedTuple):
    """How a line is drawn: the kind is of the style sheet, the marker one of :func:`marker`."""

    kind: str
    shape: str
    filled: bool
    dash: str = ""


LOOKS = {
    "A0": Look("cheap", "down", False, "2 3"),
    "A1": Look("cheap", "diamond", False, "2 3"),
    "A2": Look("plain", "circle", True),
    "A2L": Look("plain", "circle", False, "7 3"),
    "A3": Look("contrast", "square", False, "5 3"),
    "A4": Look("contrast", "square", True),
    "A5": Look("control", "up", True, "9 3"),
    "A5P": Look("control", "up", False, "9 3"),
    "A6P": Look("contrast", "diamond", False, "9 3 2 3"),
    "A6": Look("contrast", "diamond", True, "9 3 2 3"),
    "A7": Look("few", "down", True),
    "A8": Look("few", "up", False, "5 3"),
}
_OTHER = Look("plain", "square", False, "1 2")


class Spot(NamedTuple):
    """A point of a line: x above 0, y, and the ends of its interval where a band is drawn."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


class Line(NamedTuple):
    """A line with its label, from the least x to the most."""

    code: str
    spots: tuple[Spot, ...]


def line_chart(
    lines: Sequence[Line],
    *,
    key: str,
    title: str,
    across: str,
    caption: str,
    table: Table,
    marks: Sequence[float] = (),
    mark_words: Callable[[float], str] = short,
    line_at: float | None = None,
    height: float = 260,
) -> Chart | None:
    """Return lines with their markers, and a label at the end of each; None where there is no point.

    Args:
        lines: in the order in which they are drawn; those with intervals get a band.
        key: unique on the page.
        title: of the chart.
        across: what the axis across is of.
        caption: below the chart.
        table: with all numbers.
        marks: of the axis across, above 0; those too near to the one before are left out. Default: round numbers.
        mark_words: puts a mark into words.
        line_at: where a dashed line lies.
        height: of the drawing; it is 400 wide.
    """
    spots = [spot for item in lines for spot in item.spots]
    if not spots:
        return None
    plot = height - _BELOW
    ends = [end for spot in spots for end in (spot.y, spot.low, spot.high) if end is not None]
    ends += [] if line_at is None else [line_at]
    room = 0.04 * (max(ends) - min(ends)) + 0.5
    bottom, top = max(0.0, min(ends) - room), min(100.0, max(ends) + room)
    places = [spot.x for spot in spots]
    low, high = min(places), max(places)
    if low == high:
        low, high = low / 2, high * 2
    x_of_log = scale(math.log(low), math.log(high), LEFT + 8, WIDTH - _MARGIN - 8)
    y = scale(bottom, top, plot, _TOP)

    def x(value: float) -> float:
        return x_of_log(math.log(value))

    parts = []
    for mark in ticks(bottom, top):
        if bottom <= mark <= top:
            parts.append(line(LEFT, y(mark), WIDTH - _MARGIN, y(mark), "grid"))
            parts.append(text(LEFT - 5, y(mark) + 4, f"{mark:g}", anchor="end"))
    shown = _apart(marks or log_marks(low, high), x, mark_words)
    parts += [text(x(mark), plot + 16, mark_words(mark), anchor="middle") for mark in shown]
    parts.append(text((LEFT + WIDTH - _MARGIN) / 2, height - 6, across, anchor="middle"))
    if line_at is not None:
        parts.append(line(LEFT, y(line_at), WIDTH - _MARGIN, y(line_at), "ideal"))
    parts += [_band(item, x, y) for item in lines]
    for item in lines:
        look = LOOKS.get(item.code, _OTHER)
        corners = " ".join(f"{x(spot.x):.1f},{y(spot.y):.1f}" for spot in item.spots)
        dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
        parts.append(f'<polyline class="arm {look.kind}" points="{corners}"{dash}/>')
        parts += [marker(look, x(spot.x), y(spot.y)) for spot in item.spots]
    parts += _labels([(item.code, x(item.spots[-1].x), y(item.spots[-1].y)) for item in lines if item.spots], plot)
    told = "; ".join(
        f"{item.code}: {', '.join(f'{spot.y:.1f} at {mark_words(spot.x)}' for spot in item.spots)}" for item in lines
    )
    return Chart(title, svg(key, height, title, f"{told}.", parts), caption, table)


def marker(look: Look, x: float, y: float, size: float = 3.6) -> str:
    """Return a marker: a circle, square, diamond, or a triangle that points up or down."""
    kind = f"mark {look.kind}{'' if look.filled else ' hollow'}"
    if look.shape == "circle":
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size:g}"/>'
    corners = {
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
        "up": ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
        "down": ((0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
    }[look.shape]
    drawn = " ".join(f"{x + size * dx:.1f},{y + size * dy:.1f}" for dx, dy in corners)
    return f'<polygon class="{kind}" points="{drawn}"/>'


def look_of(code: str) -> Look:
    """Return how an arm is drawn."""
    return LOOKS.get(code, _OTHER)


def log_marks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten within the ends, or powers of ten alone where those are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        found = [float(f"{factor}e{power}") for power in powers for factor in factors]
        found = [mark for mark in found if low * 0.999 <= mark <= high * 1.001]
        if len(found) <= 7:
            break
    return found or [low, high]


def _apart(marks: Iterable[float], x: Callable[[float], float], words: Callable[[float], str]) -> list[float]:
    """Return the marks whose words stand far enough from those of the one kept before; the last one always stays."""

    def width(mark: float) -> float:
        return max(18.0, _CHARACTER * len(words(mark)))

    ordered = sorted(set(marks))
    kept: list[float] = []
    for mark in ordered:
        if not kept or x(mark) - x(kept[-1]) >= (width(mark) + width(kept[-1])) / 2 + 8:
            kept.append(mark)
        elif mark == ordered[-1] and len(kept) > 1:
            kept[-1] = mark
    return kept


def _band(item: Line, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    within = [
        (x(spot.x), y(spot.low), y(spot.high)) for spot in item.spots if spot.low is not None and spot.high is not None
    ]
    if len(within) < 2:
        return "".join(line(place, low, place, high, "interval") for place, low, high in within)
    there = [f"{place:.1f},{high:.1f}" for place, _, high in within]
    back = [f"{place:.1f},{low:.1f}" for place, low, _ in reversed(within)]
    return f'<polygon class="band {look_of(item.code).kind}" points="{" ".join(there + back)}"/>'


def _labels(ends: Sequence[tuple[str, float, float]], plot: float) -> list[str]:
    """Return a label for each line in the right margin, none over another, joined to where its line ends."""
    step = 12.0
    ordered = sorted(ends, key=lambda end: end[2])
    wanted = [height + 4 for _, _, height in ordered]
    for place in range(1, len(wanted)):
        wanted[place] = max(wanted[place], wanted[place - 1] + step)
    if wanted:
        lowest = max(plot + 4, _TOP + step * len(wanted))
        wanted[-1] = min(wanted[-1], lowest)
    for place in range(len(wanted) - 2, -1, -1):
        wanted[place] = min(wanted[place], wanted[place + 1] - step)
    parts = []
    for (code, x, height), at in zip(ordered, wanted, strict=True):
        left = WIDTH - _MARGIN + 9
        parts.append(line(x + 5, height, left - 2, at - 4, "leader"))
        parts.append(text(left, at, code, kind="label"))
    return parts

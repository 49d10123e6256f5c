"""Charts of what is measured beside a task: values with their intervals, and whether probabilities are right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from audits.findings import Table
from model_cards.charts.drawing import LEFT, RIGHT, WIDTH, Chart, circle, line, scale, svg, text, ticks
from model_cards.evidence import EvaluationSection
from model_cards.typesetting import number

_MOST_ROWS = 24
_RELIABILITY = ("rows", "mean confidence", "accuracy", "band low", "band high")
_SEVERITIES = ("way", "severity", "change", "change low", "change high")
_SLICES = ("value", "rows", "low", "high", "gap to the rest")


Row = Mapping[str, Any]
"""The cells of a row by column."""


class Dot(NamedTuple):
    """A value with the ends of its interval, and that of the base where there is one."""

    name: str
    value: float
    low: float
    high: float
    base: float | None = None


def section_charts(section: EvaluationSection, *, key: str) -> tuple[Chart, ...]:
    """Return the charts of one section: of each table of a known shape, and of foreign texts told from others.

    Args:
        section: of an evaluation.
        key: unique on the page.
    """
    return (*_of_tables(section, key), *_of_foreign_texts(section, key))


def _of_tables(section: EvaluationSection, key: str) -> Iterator[Chart]:
    for place, table in enumerate(section.tables):
        own = f"{key}-{place}"
        known = set(table.columns)
        rows: list[Row] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        chart = None
        if known >= set(_RELIABILITY):
            chart = band_chart(table, rows, key=own)
        elif known >= set(_SEVERITIES):
            dots = [_severity(row) for row in rows if row["severity"] and _finite(row, _SEVERITIES[2:])]
            words = f"Change of {table.columns[3]} by how much texts are changed"
            chart = dot_chart(dots, key=own, title=words, table=table, line_at=0.0)
        elif known >= set(_SLICES):
            metric = table.columns[2]
            dots = [
                Dot(f"{row['value']} ({number(row['rows'])} rows)", row[metric], row["low"], row["high"])
                for row in rows
                if _finite(row, (metric, "low", "high"))
            ]
            at = 0.0 if metric == "change" else None
            chart = dot_chart(dots, key=own, title=_capital(table.name), table=table, line_at=at)
        if chart is not None:
            yield chart


def _of_foreign_texts(section: EvaluationSection, key: str) -> Iterator[Chart]:
    found = [item for item in section.metrics if item.after.name.startswith("auroc ") and item.after.interval]
    dots = [
        Dot(
            item.after.name.removeprefix("auroc "),
            float(item.after.value),
            *(item.after.interval or (0.0, 0.0)),
            float(item.before.value) if item.before is not None else None,
        )
        for item in found
    ]
    columns = ("Distance and texts", "AUROC", "Low", "High", "Base")
    table = Table(name="AUROC by distance", columns=columns, rows=tuple((*dot,) for dot in dots))
    chart = dot_chart(dots, key=f"{key}-auroc", title="Foreign texts told by distance, AUROC", table=table, line_at=0.5)
    if chart is not None:
        yield chart


def dot_chart(dots: Sequence[Dot], *, key: str, title: str, table: Table, line_at: float | None = None) -> Chart | None:
    """Return one row a value, with its interval; None for no values.

    Args:
        dots: the first 24 are drawn.
        key: unique on the page.
        title: of the chart.
        table: with all numbers.
        line_at: where a dashed line stands, such as no change, or chance.
    """
    shown = dots[:_MOST_ROWS]
    if not shown:
        return None
    bases = [dot.base for dot in shown if dot.base is not None]
    lines = [line_at] if line_at is not None else []
    ends = [end for dot in shown for end in (dot.low, dot.high, dot.value)]
    marks = ticks(min(ends + bases + lines), max(ends + bases + lines))
    step, top, left = 30, 6, 12
    height = top + step * len(shown) + 24
    x = scale(marks[0], marks[-1], left, WIDTH - RIGHT - 8)
    parts = []
    for mark in marks:
        parts.append(line(x(mark), top, x(mark), height - 22, "grid"))
        parts.append(text(x(mark), height - 6, f"{mark:g}", anchor="middle"))
    if line_at is not None:
        parts.append(line(x(line_at), top, x(line_at), height - 22, "ideal"))
    told = []
    for place, dot in enumerate(shown):
        y = top + step * place + 22
        words = f"{dot.name}: {dot.value:.4f}"
        parts.append(text(left, y - 9, words if len(words) <= 58 else f"{words[:57]}…", kind="label"))
        parts.append(line(x(dot.low), y, x(dot.high), y, "interval"))
        parts.extend(line(x(end), y - 4, x(end), y + 4, "whisker") for end in (dot.low, dot.high))
        if dot.base is not None:
            parts.append(circle(x(dot.base), y, 4, "before"))
        parts.append(circle(x(dot.value), y, 4, "after"))
        words += f", interval {dot.low:.4f} to {dot.high:.4f}"
        told.append(words if dot.base is None else f"{words}, base {dot.base:.4f}")
    caption = "Filled circle: this model. Bar: its 95 % interval."
    if bases:
        caption += " Open circle: the base."
    if line_at is not None:
        caption += f" Dashed: {'no change' if line_at == 0 else 'chance'}."
    if len(dots) > len(shown):
        caption += f" The first {len(shown)} of {len(dots)} are drawn."
    return Chart(title, svg(key, height, title, f"{'; '.join(told)}.", parts), caption, table)


def band_chart(table: Table, rows: Sequence[Row], *, key: str) -> Chart | None:
    """Return accuracy by confidence, with the band that holds 95 % under perfect calibration; None for no rows.

    Args:
        table: with all numbers.
        rows: of the table, by column.
        key: unique on the page.
    """
    points = [row for row in rows if _finite(row, _RELIABILITY) and row["rows"]]
    if not points:
        return None
    height, top, bottom = 300, 12, 40
    values = [row[name] for row in points for name in _RELIABILITY[1:]]
    marks = [mark for mark in ticks(min(values), 1.0) if 0 <= mark <= 1]
    low = min(marks[0], *values)
    x, y = scale(low, 1, LEFT, WIDTH - RIGHT), scale(low, 1, height - bottom, top)
    parts = []
    for mark in marks:
        parts.append(line(LEFT, y(mark), WIDTH - RIGHT, y(mark), "grid"))
        parts.append(text(LEFT - 6, y(mark) + 4, f"{mark:g}", anchor="end"))
        parts.append(text(x(mark), height - 24, f"{mark:g}", anchor="middle"))
    parts.append(line(x(low), y(low), x(1), y(1), "ideal"))
    parts += [
        line(x(row["mean confidence"]), y(row["band low"]), x(row["mean confidence"]), y(row["band high"]), "interval")
        for row in points
    ]
    parts += [circle(x(row["mean confidence"]), y(row["accuracy"]), 4, "after") for row in points]
    parts.append(
        text((LEFT + WIDTH - RIGHT) / 2, height - 6, "mean confidence (across) and accuracy (up)", anchor="middle")
    )
    outside = sum(not row["band low"] <= row["accuracy"] <= row["band high"] for row in points)
    told = "; ".join(
        f"sure {row['mean confidence']:.3f}, right {row['accuracy']:.3f} in {number(row['rows'])} rows"
        for row in points
    )
    caption = (
        "Each point holds about as many rows as the others. Bar: where 95 % of points would lie if the probabilities "
        f"were perfect; {outside} of {len(points)} lie outside."
    )
    title = _capital(table.name)
    return Chart(title, svg(key, height, title, f"{told}.", parts), caption, table)


def _severity(row: Row) -> Dot:
    base = row.get("base change")
    return Dot(f"{row['way']}, severity {row['severity']}", row["change"], row["change low"], row["change high"], base)


def _finite(row: Row, names: Sequence[str]) -> bool:
    return all(isinstance(row[name], (int, float)) and math.isfinite(row[name]) for name in names)


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"

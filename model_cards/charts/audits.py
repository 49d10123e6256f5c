"""Charts of an audit: how what was found is spread, whether probabilities are right, rows by license."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from audits.findings import AuditReport, CheckResult, Table
from audits.intervals import wilson_interval
from audits.licenses.inputs import LicensedInput
from model_cards.charts.drawing import LEFT, RIGHT, WIDTH, Chart, bar, circle, line, scale, short, svg, text, ticks
from model_cards.facts import place
from model_cards.typesetting import cut, measured, number, plural

_MOST_BARS = 10
_GRAMS = re.compile(r"(?:word |character )?\d+-grams")
_RELIABILITY = ("from", "to", "rows", "mean confidence", "share right")
_PROBE = (
    "Of the label check's probe on this data, not of the published model. Each point stands for about a tenth of the "
    "rows: how sure the probe was of its most probable label, without having seen the row's own, and how often that is "
    "the label given, with its 95 % interval. On the dashed line it is right as often as it is sure. Wrong labels in "
    "the data count against it."
)
_CAPTIONS = {
    "label quality": (
        "How probable each given label is to the label check, which has not seen it (5 folds). A low probability says "
        "that similar texts are labelled otherwise; it does not prove the label wrong."
    ),
    "similarity of near-duplicate pairs": (
        "Jaccard similarity{grams} of each near duplicate with the row that would stay, from the threshold to "
        "1. Texts that are equal are counted by DUP001, not here."
    ),
    "similarity of semantic-duplicate pairs": (
        "Cosine of the encoder's vectors of each such row with the row that would stay, from the threshold to 1."
    ),
    "similarity of the best matches in later splits": (
        "Jaccard similarity{grams} of each text with its best match in a later split, from the threshold to 1. "
        "Texts that are equal are counted by LEAK001, not here."
    ),
}


def audit_charts(audit: AuditReport | None, inputs: Sequence[LicensedInput] = ()) -> tuple[Chart, ...]:
    """Return a chart of each table of a known shape, then the rows by license.

    Args:
        audit: whose checks made tables: ``(from, to, …)`` is a histogram.
        inputs: of the license analysis; rows that were trained on are counted by their license.
    """
    return (*_of_tables(audit), *_of_truncation(audit), *_of_licenses(inputs))


def _of_tables(audit: AuditReport | None) -> Iterator[Chart]:
    for result in audit.results if audit is not None else ():
        for position, table in enumerate(result.tables):
            key = f"{result.code}-{position}"
            if table.columns == _RELIABILITY:
                chart = reliability_chart(table, key=key, code=result.code)
            elif len(table.columns) == 3 and table.columns[:2] == ("from", "to"):
                chart = histogram_chart(table, key=key, code=result.code, grams=_grams(result))
            else:
                continue
            if chart is not None:
                yield chart


def _grams(result: CheckResult) -> str:
    """Return what the check compared, as its own methods say it: " of word 5-grams", "" where they do not."""
    methods = [item.measurement.method for item in result.findings] + [item.method for item in result.measurements]
    found = {match[0] for match in map(_GRAMS.search, filter(None, methods)) if match is not None}
    return f" of {found.pop()}" if len(found) == 1 else ""


def histogram_chart(table: Table, *, key: str, code: str, grams: str = "") -> Chart | None:
    """Return the rows (from, to, count) as bars; None where nothing was counted or the parts do not join.

    ``grams`` is what a similarity was computed of, for the caption.
    """
    rows = [
        (float(low or 0), float(high or 0), int(count or 0))
        for low, high, count in table.rows
        if _numbers(low, high, count)
    ]
    total, most = sum(count for *_, count in rows), max((count for *_, count in rows), default=0)
    if len(rows) != len(table.rows) or not most or len(rows) > 40:
        return None
    counted = table.columns[2]
    height, top, bottom = 190, 20, 36
    x, y = scale(0, len(rows), 8, WIDTH - 8), scale(0, most, height - bottom, top)
    parts = [line(8, y(0), WIDTH - 8, y(0), "axis")]
    for index, (_, _, count) in enumerate(rows):
        tall = max(y(0) - y(count), 1.0) if count else 0.0
        parts.append(bar(x(index) + 2, y(0) - tall, x(1) - x(0) - 4, tall))
        parts.append(text((x(index) + x(index + 1)) / 2, y(0) - tall - 4, short(count), anchor="middle", kind="count"))
    shown = range(0, len(rows) + 1, 1 if len(rows) <= 10 else 5)
    edges = [rows[0][0], *(high for _, high, _ in rows)]
    for index in shown:
        anchor = "start" if index == 0 else "end" if index == len(rows) else "middle"
        parts.append(text(x(index), y(0) + 15, f"{edges[index]:.4g}", anchor=anchor))
    parts.append(
        text(WIDTH / 2, height - 4, f"{plural(total, counted.removesuffix('s'), counted)} in all", anchor="middle")
    )
    peak = max(rows, key=lambda row: row[2])
    told = (
        f"{number(total)} {counted} from {edges[0]:g} to {edges[-1]:g}; "
        f"most of them, {number(peak[2])}, from {peak[0]:g} to {peak[1]:g}."
    )
    title = f"{table.name[:1].upper()}{table.name[1:]}"
    caption = _CAPTIONS.get(table.name.partition(" (")[0], "As counted by this check.").replace("{grams}", grams)
    return Chart(f"{title} ({code})", svg(key, height, title, told, parts), caption, table)


def reliability_chart(table: Table, *, key: str, code: str) -> Chart | None:
    """Return rows (from, to, rows, mean confidence, share right) as points; None where there are no rows."""
    points = [
        (int(count or 0), float(mean or 0), float(share or 0))
        for _, _, count, mean, share in table.rows
        if _numbers(count, mean, share)
    ]
    total = sum(count for count, _, _ in points)
    if not total:
        return None
    height, top, bottom = 300, 12, 40
    lowest = ticks(min(min(mean, wilson_interval(share, count)[0]) for count, mean, share in points), 1.0)[0]
    lowest = max(0.0, lowest)
    marks = [mark for mark in ticks(lowest, 1.0) if mark <= 1]
    x, y = scale(marks[0], 1, LEFT, WIDTH - RIGHT), scale(marks[0], 1, height - bottom, top)
    parts = []
    for mark in marks:
        parts.append(line(LEFT, y(mark), WIDTH - RIGHT, y(mark), "grid"))
        parts.append(text(LEFT - 6, y(mark) + 4, f"{mark:g}", anchor="end"))
        parts.append(text(x(mark), height - 24, f"{mark:g}", anchor="middle"))
    parts.append(line(x(marks[0]), y(marks[0]), x(1), y(1), "ideal"))
    for count, mean, share in points:
        low, high = wilson_interval(share, count)
        parts.append(line(x(mean), y(low), x(mean), y(high), "whisker"))
        parts.append(circle(x(mean), y(share), 4.5, "after"))
    parts.append(
        text((LEFT + WIDTH - RIGHT) / 2, height - 6, "mean confidence (across) and share right (up)", anchor="middle")
    )
    gap = sum(count * abs(mean - share) for count, mean, share in points) / total
    told = "; ".join(f"sure {mean:.3f}, right {share:.3f} in {number(count)} rows" for count, mean, share in points)
    title = f"{table.name[:1].upper()}{table.name[1:]}"
    gap_words = f"Mean gap between the two, weighted by rows: {100 * gap:.2g} percentage points."
    caption = f"{_PROBE} {gap_words}" if code == "LABEL001" else gap_words
    return Chart(f"{title} ({code})", svg(key, height, title, f"{told}.", parts), caption, table)


def _of_licenses(inputs: Sequence[LicensedInput]) -> Iterator[Chart]:
    counts: dict[str, int] = {}
    for item in inputs:
        if item.kind == "rows" and item.role == "training" and item.rows:
            name = item.license or "undetermined"
            counts[name] = counts.get(name, 0) + item.rows
    if not counts:
        return
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ranked[:_MOST_BARS], ranked[_MOST_BARS:]
    if rest:
        shown.append((plural(len(rest), "other license"), sum(count for _, count in rest)))
    total = sum(counts.values())
    table = Table(name="Rows trained on by concluded license", columns=("License", "Rows"), rows=tuple(ranked))
    caption = "As concluded from what each row, package or card declares and from the texts that were read."
    told = [(name, count, f"{count:,} rows, {100 * count / total:.3g} %") for name, count in shown]
    yield bar_chart(told, key="licenses", caption=caption, table=table)


def _of_truncation(audit: AuditReport | None) -> Iterator[Chart]:
    """Yield the share of texts that the model does not read to the end, by split and column."""
    result = audit.result("PAIR004") if audit is not None else None
    found = [item for item in (result.findings if result is not None else ()) if item.measurement.unit == "fraction"]
    if not found:
        return
    rows = [(place(item), float(item.measurement.value), measured(item.measurement)) for item in found[:_MOST_BARS]]
    values = tuple((place(item), item.measurement.value) for item in found)
    table = Table(name=f"{found[0].title} (PAIR004)", columns=("Split and column", "Share of texts"), rows=values)
    yield bar_chart(rows, key="truncation", caption="Share of the texts that are cut.", table=table, full=1.0)


def bar_chart(
    rows: Sequence[tuple[str, float, str]], *, key: str, caption: str, table: Table, full: float | None = None
) -> Chart:
    """Return (name, value, words) as bars from left to right; ``full`` is what a bar of the whole width stands for."""
    step, top, left = 34, 4, 8
    height = top + step * len(rows) + 4
    x = scale(0, full or max(value for _, value, _ in rows), 0, WIDTH - 2 * left)
    parts = []
    for position, (name, value, words) in enumerate(rows):
        y = top + step * position
        parts.append(text(left, y + 12, cut(name, 40), kind="label"))
        parts.append(text(WIDTH - left, y + 12, words, anchor="end"))
        parts.append(bar(left, y + 17, max(x(value), 1.0), 10))
    told = "; ".join(f"{name} {words}" for name, _, words in rows)
    return Chart(table.name, svg(key, height, table.name, f"{told}.", parts), caption, table)


def _numbers(*cells: object) -> bool:
    return all(isinstance(cell, (int, float)) and math.isfinite(cell) for cell in cells)

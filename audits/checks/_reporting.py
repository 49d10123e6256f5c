"""How every check states what it found: the finding, its sample of evidence, a share of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from audits.checks import Check, Observation, title_of
from audits.findings import MAX_EVIDENCE, Finding, FindingRow, FindingRows, Measurement, RowEvidence
from audits.intervals import wilson_interval

Item = TypeVar("Item")


def spread(items: Sequence[Item], limit: int = MAX_EVIDENCE) -> list[Item]:
    """Return at most ``limit`` items, evenly spaced, the first and the last among them."""
    if len(items) <= limit:
        return list(items)
    step = (len(items) - 1) / (limit - 1)
    return [items[round(i * step)] for i in range(limit)]


def place(split: str, column: str | None = None) -> str:
    """Return how a measurement's name says where it was taken."""
    return f"({split}, {column})" if column else f"({split})"


def share(name: str, affected: int, total: int, method: str) -> Measurement:
    """Return ``affected / total`` as a fraction of rows; 0 of 0 is 0."""
    value = affected / total if total else 0.0
    return Measurement(name=name, value=value, unit="fraction", sample_size=total, method=method)


def wilson(name: str, affected: int, total: int, method: str) -> Measurement:
    """Return ``affected / total`` with its 95 % interval (Wilson, JASA 1927)."""
    if not total:
        return Measurement(name=name, value=0.0, unit="fraction", sample_size=0, method=method)
    share = affected / total
    return Measurement(
        name=name,
        value=share,
        unit="fraction",
        sample_size=total,
        interval=wilson_interval(share, total),
        method=f"{method}; Wilson interval",
    )


def rows_count(name: str, affected: int, total: int, method: str) -> Measurement:
    """Return a number of rows, where one is already too many whatever the size of the data."""
    return Measurement(name=name, value=affected, unit="rows", sample_size=total, method=method)


def report(
    check: Check,
    rows: Sequence[FindingRow],
    measurement: Measurement,
    *,
    split: str,
    column: str | None = None,
    remedy: str,
    evidence: Callable[[FindingRow], RowEvidence],
    sample: Sequence[FindingRow] | None = None,
) -> Observation:
    """Return the finding over ``rows``, or the bare measurement where there are none.

    ``evidence`` describes one row; it is asked for ``sample``, or for rows evenly spaced over all.
    """
    if not rows:
        return measurement
    shown = spread(rows) if sample is None else sample[:MAX_EVIDENCE]
    return Finding(
        code=check.code,
        title=title_of(check),
        split=split,
        column=column,
        measurement=measurement,
        evidence=tuple(evidence(row) for row in shown),
        total_rows=len({row.row for row in rows}),
        remedy=remedy,
        rows=FindingRows.of(split, rows),
    )

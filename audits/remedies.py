"""Changes to the data that a finding calls for: explicit, recorded, and never in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audits.errors import RemedyError
from audits.findings import AuditReport, DatasetRef, FindingRow, RemedyRecord
from audits.source import references, select_rows

_Row = tuple[str, int]


def remove_rows(
    data: Any,
    rows: Mapping[str, Iterable[int]],
    *,
    name: str = "remove_rows",
    codes: Sequence[str] = (),
    report_digest: str = "",
    kept: str = "",
) -> tuple[Any, RemedyRecord]:
    """Return ``data`` without ``rows`` (0-based, per split), of the same kind, and what was done.

    Args:
        data: a Dataset, a DatasetDict or an AuditSource; a path or Hub id gives a DatasetDict.
        rows: the rows to remove per split; repeated ones count once.
        name: what the record calls this remedy.
        codes: the checks that asked for it.
        report_digest: the content digest of the report that it follows.
        kept: which rows stayed, in words.

    Raises:
        RemedyError: a split or row does not exist, or a split would be left without rows.
        SourceError: the data can not be read, or is a stream.
    """
    return _remove(data, references(data), rows, name=name, codes=codes, report_digest=report_digest, kept=kept)


def remove_duplicates(
    data: Any, report: AuditReport, *, codes: Sequence[str] = ("DUP001", "DUP002")
) -> tuple[Any, RemedyRecord]:
    """Remove duplicates and keep the one row of each group that the findings name.

    Where exact and near duplicates overlap, a row is removed only while the row that stands for it, or the one
    that stands for that, is kept: no group loses its last row.

    Raises:
        RemedyError: the report is of other data, its rows are not in memory, none of ``codes`` ran, or a
            split would be left without rows.
        SourceError: the data can not be read, or is a stream.
    """
    before, renamed = _check_report(data, report, codes)
    representative: dict[_Row, _Row] = {}
    for row in _rows(report, codes):
        if row.other_row is None:
            msg = f"A finding of {', '.join(codes)} lists row {row.row} of {row.split} without the row that it repeats."
            raise RemedyError(msg)
        own = (row.split, row.row)
        other = _root((row.other_split or row.split, row.other_row), representative)
        if own not in representative and other != own:
            representative[own] = other
    return _remove(
        data,
        before,
        _by_split(representative, renamed),
        name="remove_duplicates",
        codes=_ran(report, codes),
        report_digest=report.content_digest,
        kept="of each group the row that the finding names",
    )


def remove_leakage(
    data: Any, report: AuditReport, *, codes: Sequence[str] = ("LEAK001", "LEAK002"), keep: str = "evaluation"
) -> tuple[Any, RemedyRecord]:
    """Remove the rows of the earlier split (train before validation before test) that stand in a later one.

    Args:
        data: a DatasetDict or an AuditSource with the audited splits.
        report: the report whose findings list the rows.
        codes: the checks to follow.
        keep: only "evaluation": the findings list every leaking row of the earlier split, but only one
            match of each in the later ones, so removing those would leave some.

    Raises:
        RemedyError: the report is of other data, its rows are not in memory, none of ``codes`` ran, ``keep``
            is another word, or a split would be left without rows.
        SourceError: the data can not be read, or is a stream.
    """
    if keep != "evaluation":
        msg = f'`keep` must be "evaluation", got {keep!r}; rows are removed from the split that is trained on.'
        raise RemedyError(msg)
    return _remove_listed(data, report, codes, "remove_leakage", "the rows of the later split")


def remove_licenses(
    data: Any, report: AuditReport, *, codes: Sequence[str] = ("LIC001", "LIC002", "LIC003")
) -> tuple[Any, RemedyRecord]:
    """Remove the rows whose license the findings of ``codes`` name: forbidden, unknown or not permissive.

    Raises:
        RemedyError: the report is of other data, its rows are not in memory, none of ``codes`` ran, or a
            split would be left without rows.
        SourceError: the data can not be read, or is a stream.
    """
    return _remove_listed(data, report, codes, "remove_licenses", "rows of the other licenses")


def remove_listed(data: Any, report: AuditReport, *, codes: Sequence[str]) -> tuple[Any, RemedyRecord]:
    """Remove every row that the findings of ``codes`` list, e.g. those of poisoning that nobody can vouch for.

    Raises:
        RemedyError: the report is of other data, its rows are not in memory, none of ``codes`` ran, or a
            split would be left without rows.
        SourceError: the data can not be read, or is a stream.
    """
    return _remove_listed(data, report, codes, "remove_listed", "the rows that are not listed")


def _remove_listed(
    data: Any, report: AuditReport, codes: Sequence[str], name: str, kept: str
) -> tuple[Any, RemedyRecord]:
    before, renamed = _check_report(data, report, codes)
    return _remove(
        data,
        before,
        _by_split(((row.split, row.row) for row in _rows(report, codes)), renamed),
        name=name,
        codes=_ran(report, codes),
        report_digest=report.content_digest,
        kept=kept,
    )


def _remove(
    data: Any,
    before: tuple[DatasetRef, ...],
    rows: Mapping[str, Iterable[int]],
    *,
    name: str,
    codes: Sequence[str],
    report_digest: str,
    kept: str,
) -> tuple[Any, RemedyRecord]:
    sizes = {ref.split: ref.num_rows for ref in before}
    removed = {split: tuple(sorted(set(chosen))) for split, chosen in sorted(rows.items())}
    removed = {split: chosen for split, chosen in removed.items() if chosen}
    keep = {}
    for split, chosen in removed.items():
        if split not in sizes:
            msg = f"There is no split `{split}` to remove rows from; the data has {', '.join(sizes)}."
            raise RemedyError(msg)
        size = sizes[split]
        if chosen[0] < 0 or chosen[-1] >= size:
            wrong = chosen[0] if chosen[0] < 0 else chosen[-1]
            msg = f"Row {wrong} is not in split `{split}`, whose rows are 0 to {size - 1}; count from 0."
            raise RemedyError(msg)
        if len(chosen) == size:
            msg = (
                f"{name} would remove all {size} rows of split `{split}`; at least one must stay. Leave the split "
                "out, follow fewer codes, or replace the data."
            )
            raise RemedyError(msg)
        mask = np.ones(size, dtype=bool)
        mask[list(chosen)] = False
        keep[split] = np.flatnonzero(mask)
    changed = select_rows(data, keep)
    origin = {ref.split: ref for ref in before}
    after = tuple(
        replace(origin[ref.split], fingerprint=ref.fingerprint, num_rows=ref.num_rows) for ref in references(changed)
    )
    record = RemedyRecord(
        name=name,
        codes=tuple(codes),
        report_digest=report_digest,
        removed=removed,
        kept=kept,
        before=before,
        after=after,
    )
    return changed, record


def _check_report(
    data: Any, report: AuditReport, codes: Sequence[str]
) -> tuple[tuple[DatasetRef, ...], dict[str, str]]:
    """Return the references of ``data``, and its names of the report's splits.

    A bare Dataset may be named otherwise than in the report; its fingerprint tells that it is the same.
    """
    if not _ran(report, codes):
        told = [f"{r.code}: {r.reason}" for r in report.results if r.code in codes and r.reason]
        msg = (
            f"Of {', '.join(codes)} none ran in this report{' (' + '; '.join(told) + ')' if told else ''}, so which "
            "rows to remove is unknown; audit with these checks."
        )
        raise RemedyError(msg)
    found = references(data)
    if len(found) == len(report.datasets) == 1:
        renamed = {report.datasets[0].split: found[0].split}
    else:
        renamed = {ref.split: ref.split for ref in report.datasets}
    now = {ref.split: ref for ref in found}
    for ref in report.datasets:
        other = now.get(renamed[ref.split])
        if other is None or other.fingerprint != ref.fingerprint:
            what = "is not there" if other is None else f"has {other.num_rows} rows and {other.fingerprint}"
            msg = (
                f"The report is not of this data: it saw split `{ref.split}` with {ref.num_rows} rows and "
                f"{ref.fingerprint}, and that split {what}. Audit this data, all of its rows, and use that report."
            )
            raise RemedyError(msg)
    return found, renamed


def _ran(report: AuditReport, codes: Sequence[str]) -> tuple[str, ...]:
    return tuple(result.code for result in report.results if result.code in codes and result.status == "ran")


def _rows(report: AuditReport, codes: Sequence[str]) -> Iterable[FindingRow]:
    for code in codes:
        for finding in report.findings:
            if finding.code != code or not finding.total_rows:
                continue
            if finding.rows is None:
                msg = (
                    f"The {finding.total_rows} rows of {code} in {finding.split} are not in memory, since the report "
                    "was read from JSON; read them with `read_findings(report, folder)`."
                )
                raise RemedyError(msg)
            yield from finding.rows


def _root(row: _Row, representative: Mapping[_Row, _Row]) -> _Row:
    """Return the kept row that stands for ``row`` in the end."""
    while row in representative:
        row = representative[row]
    return row


def _by_split(rows: Iterable[_Row], renamed: Mapping[str, str]) -> dict[str, list[int]]:
    chosen: dict[str, list[int]] = {}
    for split, row in rows:
        chosen.setdefault(renamed.get(split, split), []).append(row)
    return chosen

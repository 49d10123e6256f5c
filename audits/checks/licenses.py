"""LIC001-LIC003: rows sorted by what their license allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa

from audits.checks import Check, CheckContext, Observation
from audits.checks._reporting import place, report, rows_count
from audits.findings import FindingRow, RowEvidence, RowReference, Table
from audits.licenses import Category, ResolvedLicense, resolve, strictest
from audits.source import AuditSource
from audits.text.cells import row_text, text_lists, texts_of
from audits.text.excerpts import excerpt

_MAX_GROUPS = 1000
_NAME_LIMIT = 80
_METHOD = (
    "license of the row as declared (the license text itself was not verified), else of the whole data set; "
    "resolved by SPDX expression, Hugging Face id, package classifier or name"
)


class _Stated(NamedTuple):
    """The license of every row of one split; ``column`` is None when the rows have none of their own."""

    column: str | None
    texts: Sequence[str]
    resolved: Sequence[ResolvedLicense]


class NonCommercialRows:
    """Rows whose license forbids commercial use."""

    code = "LIC001"
    needs: tuple[str, ...] = ()

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Non-commercial and research-only terms; whether they reach a model is for a lawyer to say."""
        yield from _findings(self, source, context, ("non-commercial",), "Remove these rows, or get permission.")


class UnknownLicenseRows:
    """Rows whose license is unknown or ambiguous."""

    code = "LIC002"
    needs: tuple[str, ...] = ()

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Nothing stated, a name that is not known here, or a family such as "bsd" whose members differ.

        Unknown never reads as permissive. Tables list all licenses, overall, by split and by group.
        """
        remedy = "Find the license at the source and state its SPDX id, or remove these rows."
        yield from _findings(self, source, context, ("unknown",), remedy)
        yield _license_table(source, context)
        yield _split_table(source, context)
        yield from _group_table(source, context)


class RestrictedRows:
    """Rows under a copyleft, share-alike or otherwise not permissive license."""

    code = "LIC003"
    needs: tuple[str, ...] = ()

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Their terms may reach what is published: the rows surely, the weights as yet unsettled."""
        categories: tuple[Category, ...] = (
            "weak-copyleft",
            "copyleft",
            "share-alike",
            "no-derivatives",
            "other-terms",
        )
        remedy = "Remove these rows, or publish under terms that these licenses allow."
        yield from _findings(self, source, context, categories, remedy)


def _findings(
    check: Check, source: AuditSource, context: CheckContext, categories: Sequence[Category], remedy: str
) -> Iterator[Observation]:
    for split in source.splits:
        stated = _stated(source, split, context)
        rows = [
            FindingRow(split, i, None, None, None)
            for i, item in enumerate(stated.resolved)
            if item.category in categories
        ]
        words = " or ".join(categories)
        yield report(
            check,
            rows,
            rows_count(f"rows under a license of class {words} {place(split)}", len(rows), len(stated.texts), _METHOD),
            split=split,
            column=stated.column,
            remedy=remedy,
            evidence=partial(_row, stated=stated, source=source),
            sample=_one_per_license(rows, stated.texts),
        )


def _stated(source: AuditSource, split: str, context: CheckContext) -> _Stated:
    """Return the licenses of a split, read once for all checks and tables."""
    return context.once(source, ("licenses", split), lambda: _read(source, split))


def _read(source: AuditSource, split: str) -> _Stated:
    column = source.columns.license
    if column is None:
        text = source.declared_license
        count = source.num_rows(split)
        return _Stated(None, [text or ""] * count, [resolve(text)] * count)
    values = source.column(split, column)
    if _is_list(values.type):
        # a list does not say whether it is a choice: the strictest reading
        parts = [[str(part) for part in cell if part] for cell in text_lists(source, split, column)]
        known = {tuple(cell): strictest([resolve(part) for part in cell]) for cell in parts}
        return _Stated(column, ["; ".join(cell) for cell in parts], [known[tuple(cell)] for cell in parts])
    texts = texts_of(source, split, column)
    resolved = {text: resolve(text) for text in set(texts)}
    return _Stated(column, [text or "" for text in texts], [resolved[text] for text in texts])


def _license_table(source: AuditSource, context: CheckContext) -> Table:
    counts: Counter[tuple[str, ResolvedLicense]] = Counter()
    for split in source.splits:
        stated = _stated(source, split, context)
        counts.update(zip(stated.texts, stated.resolved, strict=True))
    order = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0][0]))
    rows = tuple((_name(text), item.spdx or "", item.category, count) for (text, item), count in order)
    return Table(
        name="licenses",
        columns=("license as stated", "SPDX", "class", "rows"),
        rows=rows,
    )


def _split_table(source: AuditSource, context: CheckContext) -> Table:
    """Return rows by split and license: what is trained on and what is only measured with may differ."""
    rows = []
    for split in source.splits:
        stated = _stated(source, split, context)
        counts = Counter(zip(stated.texts, stated.resolved, strict=True))
        order = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0][0]))
        rows += [
            (split, _name(text), item.spdx or "", item.category, item.note, count) for (text, item), count in order
        ]
    return Table(
        name="licenses by split",
        columns=("split", "license as stated", "SPDX", "class", "how it was read", "rows"),
        rows=tuple(rows),
    )


def _group_table(source: AuditSource, context: CheckContext) -> Iterator[Table]:
    """Yield rows by group and license; nothing where there is no group, or a label with too many values."""
    column = source.columns.group or source.columns.label
    if column is None:
        return
    counts: Counter[tuple[str, str, str]] = Counter()
    for split in (split for split in source.splits if column in source.tables[split].column_names):
        stated = _stated(source, split, context)
        groups = texts_of(source, split, column)
        names = ((_name(text), item.category) for text, item in zip(stated.texts, stated.resolved, strict=True))
        counts.update((group or "", *name) for group, name in zip(groups, names, strict=True))
    if source.columns.group is None and len({group for group, _, _ in counts}) > _MAX_GROUPS:
        return
    yield Table(
        name="licenses by group",
        columns=("group", "license", "class", "rows"),
        rows=tuple((excerpt(key[0], _NAME_LIMIT), *key[1:], count) for key, count in sorted(counts.items())),
    )


def _one_per_license(rows: Sequence[FindingRow], texts: Sequence[str]) -> list[FindingRow]:
    """Return the first row of each license as stated, the most frequent first."""
    size = Counter(texts[row.row] for row in rows)
    first = {texts[row.row]: row for row in reversed(rows)}
    return sorted(first.values(), key=lambda row: (-size[texts[row.row]], row.row))


def _row(row: FindingRow, stated: _Stated, source: AuditSource) -> RowEvidence:
    item = stated.resolved[row.row]
    read = f"{_name(stated.texts[row.row])}: {item.category}"
    license_ = RowReference(
        split=row.split,
        row=row.row,
        column=stated.column,
        excerpt=excerpt(f"{read} ({item.note})" if item.note else read),
    )
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=stated.column,
        excerpt=excerpt(row_text(source, row.split, row.row)),
        related=(license_,),
    )


def _name(text: str) -> str:
    """Return the license as stated, short enough for a table."""
    return excerpt(text, _NAME_LIMIT) if text else "(none stated)"


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))

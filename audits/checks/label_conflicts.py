"""LABEL002: equal texts with different labels."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.checks.exact_duplicates import duplicates_of
from audits.findings import FindingRow, RowEvidence, RowReference
from audits.source import AuditSource
from audits.text.cells import cell, labels_of, row_text
from audits.text.excerpts import excerpt


class LabelConflicts:
    """Rows whose text stands elsewhere in the split under another label."""

    code = "LABEL002"
    needs: tuple[str, ...] = ("texts", "label")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """One text can not belong to two classes: at least one of the labels is wrong, or the text says too little.

        Compared are all text columns after normalisation. Each row names the first row with its text and another label.
        """
        column = source.columns.label or ""
        for split in source.splits:
            if column not in source.tables[split].column_names:
                continue
            first = duplicates_of(source, context, split).first
            labels = labels_of(source, split)
            groups: dict[int, list[int]] = {}
            repeated = np.unique(first[first != np.arange(len(first))])
            for row in np.flatnonzero(np.isin(first, repeated)).tolist():
                if labels[row] is not None:
                    groups.setdefault(int(first[row]), []).append(row)
            rows = []
            for members in groups.values():
                one = members[0]
                other = next((row for row in members if labels[row] != labels[one]), None)
                if other is not None:
                    rows += [
                        FindingRow(split, m, split, other if labels[m] == labels[one] else one, None) for m in members
                    ]
            yield report(
                self,
                sorted(rows),
                share(
                    f"rows with the text of another row and another label {place(split)}",
                    len(rows),
                    len(first),
                    "all text columns equal after normalisation (as DUP001), labels different; rows without a label "
                    "left out",
                ),
                split=split,
                column=column,
                remedy="Decide which label is right and give it to all of these rows, or remove them.",
                evidence=partial(_evidence, source=source, column=column),
            )


def _evidence(row: FindingRow, source: AuditSource, column: str) -> RowEvidence:
    def shown(number: int) -> str:
        label = cell(source, row.split, column, number) or ""
        return excerpt(f"labelled {excerpt(label, 40)}: {row_text(source, row.split, number)}")

    other = row.other_row or 0
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=column,
        excerpt=shown(row.row),
        related=(RowReference(split=row.split, row=other, column=column, excerpt=shown(other)),),
    )

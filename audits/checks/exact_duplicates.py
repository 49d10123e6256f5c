"""DUP001: rows that repeat an earlier row of their split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.findings import FindingRow, RowEvidence, RowReference
from audits.source import AuditSource
from audits.text.cells import row_text, row_texts
from audits.text.duplicates import Duplicates, find_duplicates
from audits.text.excerpts import excerpt

_METHOD = (
    "all text columns equal after NFKC, case folding, removal of invisible characters and collapse of "
    "white space (xxh3 of 128 bits); rows without any text are left to PAIR003"
)
_REMEDY = "Keep the first row of each group and remove the others (`remove_duplicates`)."


class ExactDuplicates:
    """Rows that repeat the text of an earlier row of the same split."""

    code = "DUP001"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Repeated rows weigh more in training, and as in-batch negatives they are false ones.

        Each affected row names the first row with the same text, which is not counted itself.
        """
        for split in source.splits:
            first = duplicates_of(source, context, split).first
            again = np.flatnonzero(first != np.arange(len(first)))
            kept = first[again].tolist()
            rows = [FindingRow(split, row, split, other, 1.0) for row, other in zip(again.tolist(), kept, strict=True)]
            yield report(
                self,
                rows,
                share(f"rows that repeat an earlier row {place(split)}", len(rows), len(first), _METHOD),
                split=split,
                remedy=_REMEDY,
                evidence=partial(duplicate_evidence, source=source),
                sample=_one_per_group(rows),
            )


def duplicates_of(source: AuditSource, context: CheckContext, split: str) -> Duplicates:
    """Return what repeats in one split: each text column of a row together."""
    return context.once(source, ("duplicates", split), lambda: find_duplicates(row_texts(source, split)))


def duplicate_evidence(row: FindingRow, source: AuditSource) -> RowEvidence:
    """Return a row beside the row of the same split that it duplicates."""
    kept = row.other_row or 0
    return RowEvidence(
        split=row.split,
        row=row.row,
        excerpt=excerpt(row_text(source, row.split, row.row)),
        score=row.score,
        related=(RowReference(split=row.split, row=kept, excerpt=excerpt(row_text(source, row.split, kept))),),
    )


def _one_per_group(rows: Sequence[FindingRow]) -> list[FindingRow]:
    """Return the first duplicate of each group, the largest groups first."""
    size = Counter(row.other_row for row in rows)
    shown = {row.other_row: row for row in reversed(rows)}
    return sorted(shown.values(), key=lambda row: (-size[row.other_row], row.row))

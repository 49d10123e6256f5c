"""DUP002: rows that nearly repeat another row of their split."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.checks._tables import histogram
from audits.checks.exact_duplicates import duplicate_evidence, duplicates_of
from audits.findings import FindingRow
from audits.source import AuditSource
from audits.text.duplicates import THRESHOLD

_METHOD = (
    f"exact Jaccard similarity of word 5-grams >= {THRESHOLD} with the representative, by an exact join that misses "
    "none; a character of a script without spaces is a word, texts under 5 words go by 5 characters; rows of DUP001 "
    "left out"
)
_REMEDY = "Read the pairs; then keep each representative and remove its near duplicates (`remove_duplicates`)."


class NearDuplicates:
    """Rows that nearly repeat another row of the same split."""

    code = "DUP002"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Near duplicates are boilerplate and copies with small edits; they act as DUP001's rows do.

        A row is listed only with a representative that it was itself compared with: the score is
        their exact similarity. The earliest row of a group is its representative and is not counted.
        """
        for split in source.splits:
            total = source.num_rows(split)
            found = duplicates_of(source, context, split).near
            rows = [
                FindingRow(split, row, split, kept, score)
                for row, kept, score in zip(
                    found.left.tolist(), found.right.tolist(), found.score.tolist(), strict=True
                )
            ]
            yield report(
                self,
                rows,
                share(f"rows that nearly repeat another row {place(split)}", len(rows), total, _METHOD),
                split=split,
                remedy=_REMEDY,
                evidence=partial(duplicate_evidence, source=source),
            )
            if rows:
                name = f"similarity of near-duplicate pairs {place(split)}"
                yield histogram(name, found.score, low=THRESHOLD, counted="pairs")

"""DUP002: rows that nearly repeat another row of their split."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.checks.exact_duplicates import duplicate_evidence, first_occurrences
from audits.findings import FindingRow
from audits.source import AuditSource
from audits.text.cells import joined_texts, row_keys
from audits.text.minhash import THRESHOLD, near_duplicates

_METHOD = (
    f"exact Jaccard similarity of word 5-grams >= {THRESHOLD} (5-grams of characters for texts under 5 words "
    "or without spaces) with the representative; candidates by MinHash, 21 bands of 6; rows of DUP001 left out"
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
            keys = row_keys(source, split)
            first = first_occurrences(keys)
            distinct = [row for row, kept in enumerate(first) if row == kept and keys[row]]
            rows = sorted(
                FindingRow(split, distinct[match.left], split, distinct[match.right], match.score)
                for match in near_duplicates([keys[row] for row in distinct])
            )
            texts = joined_texts(source, split) if rows else []
            yield report(
                self,
                rows,
                share(f"rows that nearly repeat another row {place(split)}", len(rows), len(keys), _METHOD),
                split=split,
                remedy=_REMEDY,
                evidence=partial(duplicate_evidence, texts=texts),
            )

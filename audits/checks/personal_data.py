"""PII001: e-mail addresses in the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.findings import FindingRow, RowEvidence
from audits.source import AuditSource
from audits.text.cells import texts_of
from audits.text.emails import find_addresses, mask_address
from audits.text.excerpts import excerpt

_METHOD = (
    "pattern with known top-level domains, precision first; not counted: domains that RFC 2606 reserves and "
    "stand-ins such as domain.com, git remotes, users in URLs; spelled-out addresses are missed"
)


class EmailAddresses:
    """E-mail addresses in the text."""

    code = "PII001"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """An address is personal data of somebody, and an encoder may keep it.

        Only masked addresses are shown; the score is the number of addresses in the text. Nothing
        found means no match of this pattern, not that there is no personal data.
        """
        for split in source.splits:
            for column in source.texts(split):
                texts = texts_of(source, split, column)
                counts = [len(find_addresses(text)) if text else 0 for text in texts]
                rows = [FindingRow(split, i, None, None, float(count)) for i, count in enumerate(counts) if count]

                yield report(
                    self,
                    rows,
                    share(f"texts with an e-mail address {place(split, column)}", len(rows), len(texts), _METHOD),
                    split=split,
                    column=column,
                    remedy=(
                        "Replace the addresses by a placeholder, or record why they may be used "
                        "(a legal basis is a person's decision)."
                    ),
                    evidence=partial(_addresses, column=column, texts=texts),
                )


def _addresses(row: FindingRow, column: str, texts: Sequence[str | None]) -> RowEvidence:
    """Return the distinct addresses of one cell, masked, and nothing of the text around them."""
    found = find_addresses(texts[row.row] or "")
    masked = dict.fromkeys(mask_address(address.text) for address in found)
    shown = excerpt(", ".join(masked))
    return RowEvidence(split=row.split, row=row.row, column=column, excerpt=shown, score=row.score)

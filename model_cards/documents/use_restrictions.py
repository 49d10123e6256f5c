"""USE_RESTRICTIONS.md: what licenses of the inputs forbid, to bind whoever gets the model."""

from __future__ import annotations

from audits.licenses.obligations import restrictions_text
from model_cards.errors import DocumentError, EvidenceError
from model_cards.evidence import Evidence
from model_cards.typesetting import redact

name = "use_restrictions"
filename = "USE_RESTRICTIONS.md"
published = True


def applies(evidence: Evidence) -> bool:
    """Whether a license wants its restrictions handed on."""
    return evidence.licenses is not None and any(
        item.kind == "use_restrictions" for item in evidence.licenses.obligations
    )


def render(evidence: Evidence) -> str:
    """Return the restrictions, each with the license that states them.

    Raises:
        EvidenceError: no license wants restrictions handed on.
    """
    if evidence.licenses is None or not applies(evidence):
        msg = "No license in this evidence wants use restrictions handed on; apply the license rules first."
        raise EvidenceError(msg)
    return redact(restrictions_text(evidence.licenses))


def validate(text: str) -> None:
    """Check that there is something to read.

    Raises:
        DocumentError: it is empty.
    """
    if not text.strip():
        msg = "USE_RESTRICTIONS.md is empty, and restrictions stand in the evidence; write it again from the evidence."
        raise DocumentError(msg)

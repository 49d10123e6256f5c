"""NOTICE: attributions and required sentences of what went into the model."""

from __future__ import annotations

from audits.licenses.obligations import notice_text
from model_cards.errors import DocumentError, EvidenceError
from model_cards.evidence import Evidence
from model_cards.typesetting import redact

name = "notice"
filename = "NOTICE"
published = True


def applies(evidence: Evidence) -> bool:
    """Whether anything must go along with the model."""
    return evidence.licenses is not None and bool(notice_text(evidence.licenses))


def render(evidence: Evidence) -> str:
    """Return the notices.

    Raises:
        EvidenceError: the license rules were not applied.
    """
    if evidence.licenses is None:
        msg = "NOTICE needs the analysis of the licenses, and the evidence has none; apply the license rules first."
        raise EvidenceError(msg)
    return redact(notice_text(evidence.licenses, evidence.license_texts))


def validate(text: str) -> None:
    """Check that there is something to read.

    Raises:
        DocumentError: it is empty.
    """
    if not text.strip():
        msg = "NOTICE is empty, and obligations stand in the evidence; write it again from the evidence."
        raise DocumentError(msg)

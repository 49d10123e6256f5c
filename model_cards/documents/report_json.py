"""report.json: the audit and its verdict for programs, exactly as an audit alone writes them."""

from __future__ import annotations

import json

from model_cards.errors import DocumentError, EvidenceError
from model_cards.evidence import Evidence
from model_cards.facts import is_judged

name = "report_json"
filename = "report.json"
published = True

_KEYS = ("decision", "results", "report_digest")


def applies(evidence: Evidence) -> bool:
    """Whether there is an audit that was judged."""
    return is_judged(evidence)


def render(evidence: Evidence) -> str:
    """Return the JSON that :mod:`audits.formats.json` writes for this audit and verdict.

    Raises:
        EvidenceError: there is no audit, or it was not judged.
    """
    if evidence.audit is None or evidence.verdict is None:
        msg = "report.json needs an audit and its verdict, and the evidence lacks one; audit and judge the data first."
        raise EvidenceError(msg)
    # imported here: the other documents need no audit format
    from audits.formats import json as json_format

    return json_format.render(evidence.audit, evidence.verdict)


def validate(text: str) -> None:
    """Check that ``text`` is one JSON object with the documented keys.

    Raises:
        DocumentError: it is not.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        msg = f"report.json is no JSON: {error}; write it again from the evidence."
        raise DocumentError(msg) from error
    missing = [key for key in _KEYS if not isinstance(data, dict) or key not in data]
    if missing:
        msg = f"report.json lacks {', '.join(missing)}; write it again from the evidence."
        raise DocumentError(msg)

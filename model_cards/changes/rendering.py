"""Every form in which changes are told, by the name that a person asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from model_cards.changes import html, json, junit, markdown, sarif
from model_cards.changes.records import ChangeReport
from model_cards.documents import junit as junit_document
from model_cards.documents import sarif as sarif_document
from model_cards.errors import DocumentError
from model_cards.evidence import Evidence

Renderer = Callable[[ChangeReport, Evidence, Evidence], str]

FORMATS: Mapping[str, Renderer] = {
    "md": lambda report, _before, _after: markdown.render(report),
    "html": lambda report, _before, _after: html.render(report),
    "json": lambda report, _before, _after: json.render(report),
    "sarif": lambda _report, before, after: sarif.render(before, after),
    "junit": lambda _report, before, after: junit.render(before, after),
}


def render_changes(report: ChangeReport, before: Evidence, after: Evidence, form: str) -> str:
    """Return the changes in one form.

    Args:
        report: of :func:`model_cards.changes.compare` on the two.
        before: the earlier evidence.
        after: the later one.
        form: a key of :data:`FORMATS`.

    Raises:
        DocumentError: there is no such form.
        EvidenceError: ``sarif`` and ``junit`` tell of judged audits, and one of the two holds none.
    """
    if form not in FORMATS:
        msg = f"Changes are not told as {form!r}; known are {', '.join(FORMATS)}: use one of these."
        raise DocumentError(msg)
    return FORMATS[form](report, before, after)


def forms_of(before: Evidence, after: Evidence) -> tuple[str, ...]:
    """Return the forms in which these two can be told: two of them need audits that were judged."""
    judged = all(sarif_document.applies(side) and junit_document.applies(side) for side in (before, after))
    return tuple(form for form in FORMATS if judged or form not in ("sarif", "junit"))


def filename_of(form: str) -> str:
    """Return the name of the file that holds the changes in one form."""
    return f"changes.{'junit.xml' if form == 'junit' else form}"

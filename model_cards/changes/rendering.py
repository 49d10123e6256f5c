"""Every form in which changes are told, by the name that a person asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from model_cards.changes import html, json, markdown
from model_cards.changes.records import ChangeReport
from model_cards.errors import DocumentError
from model_cards.evidence import Evidence

Renderer = Callable[[ChangeReport, Evidence, Evidence], str]

FORMATS: Mapping[str, Renderer] = {
    "md": lambda report, _before, _after: markdown.render(report),
    "html": lambda report, _before, _after: html.render(report),
    "json": lambda report, _before, _after: json.render(report),
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
    """
    if form not in FORMATS:
        msg = f"Changes are not told as {form!r}; known are {', '.join(FORMATS)}: use one of these."
        raise DocumentError(msg)
    return FORMATS[form](report, before, after)

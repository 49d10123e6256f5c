"""What changed as Markdown, short enough for a pull request: what a signer must see, the rest folded."""

from __future__ import annotations

import re

from model_cards.changes.records import Change, ChangeReport
from model_cards.typesetting import cut, markdown_environment

suffix = "md"

_FIRST, _FURTHER = 25, 60
_LONGEST = 160


def render(report: ChangeReport) -> str:
    """Return the changes as Markdown; long texts and long lists are cut, and it says so."""
    first, hidden_first = _cut(report.first, _FIRST)
    further, hidden_further = _cut(report.further, _FURTHER)
    environment = markdown_environment().overlay()
    environment.filters = {**environment.filters, "shorten": shorten}
    text = environment.get_template("changes.md.j2").render(
        report=report, first=first, hidden_first=hidden_first, further=further, hidden_further=hidden_further
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def shorten(text: str) -> str:
    """Return ``text`` in one line, cut where it is long."""
    line = " ".join(text.split())
    return cut(line, _LONGEST)


def _cut(items: tuple[Change, ...], most: int) -> tuple[tuple[Change, ...], int]:
    return items[:most], max(len(items) - most, 0)

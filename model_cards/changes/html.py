"""What changed as one HTML page that needs no network and no script, in the look of report.html."""

from __future__ import annotations

import re
from importlib.resources import files

from markupsafe import Markup

from model_cards.changes.records import AREAS, Change, ChangeReport
from model_cards.typesetting import html_environment

suffix = "html"


def render(report: ChangeReport) -> str:
    """Return the page.

    Everything in it is escaped, and its policy lets nothing be loaded or run.
    """
    style = files("model_cards").joinpath("templates", "report.css").read_text(encoding="utf-8")
    text = html_environment().get_template("changes.html.j2").render(
        report=report, style=Markup(style), first=report.first, areas=by_area(report.further)
    )  # fmt: skip
    return re.sub(r"\n\s*\n+", "\n", text).lstrip()


def by_area(changes: tuple[Change, ...]) -> tuple[tuple[str, tuple[Change, ...]], ...]:
    """Return changes by area in the order in which a signer reads them; areas without any are left out."""
    found = ((area, tuple(item for item in changes if item.area == area)) for area in AREAS)
    return tuple((area, items) for area, items in found if items)

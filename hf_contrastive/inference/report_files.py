"""A report as files: the record, a page and a Markdown table."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from audits.findings import Table
from hf_contrastive.inference.pareto import pareto_charts
from hf_contrastive.inference.records import InferenceReport
from hf_contrastive.inference.tables import Grid, circumstances, grids, markdown_report, not_measured
from hf_contrastive.writing import all_or_none
from model_cards.typesetting import html_environment, number

JSON_FILE, PAGE_FILE, MARKDOWN_FILE = "inference.json", "inference.html", "inference.md"


def write_report(report: InferenceReport, folder: Path) -> tuple[str, ...]:
    """Write ``inference.json``, ``inference.html`` and ``inference.md``, all or none.

    Raises:
        OSError: they can not be written.
    """
    texts = {
        JSON_FILE: json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n",
        PAGE_FILE: render_page(report),
        MARKDOWN_FILE: markdown_report(report),
    }
    with all_or_none(folder, file_by_file=True) as stage:
        for name, text in texts.items():
            (stage / name).write_text(text, encoding="utf-8")
    return tuple(texts)


def render_page(report: InferenceReport) -> str:
    """Return the page, which needs no network and no script; everything in it is escaped."""
    style = files("model_cards").joinpath("templates", "report.css").read_text(encoding="utf-8")
    source = files("hf_contrastive.inference").joinpath("inference.html.j2").read_text(encoding="utf-8")
    environment = html_environment().overlay()
    environment.filters = {**environment.filters, "as_grid": _as_grid}
    text = environment.from_string(source).render(
        report=report,
        style=Markup(style),
        circumstances=circumstances(report),
        grids=grids(report),
        missing=not_measured(report),
        charts=pareto_charts(report),
    )
    return re.sub(r"\n\s*\n+", "\n", text).lstrip()


def _as_grid(table: Table) -> Grid:
    rows = tuple(tuple(cell if isinstance(cell, str) else number(cell) for cell in row) for row in table.rows)
    return Grid(table.name, tuple(name or "what" for name in table.columns), rows)

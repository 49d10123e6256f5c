"""The study as one page, which needs no network and prints."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from markupsafe import Markup

from hf_contrastive.study.charts import cost_charts, curve_charts, reliability_charts, saving_chart
from hf_contrastive.study.conclusion import FIRST, headline
from hf_contrastive.study.records import Outcome, StudyReport
from hf_contrastive.study.roles import COMPARED_WITH
from hf_contrastive.study.tables import (
    arm_table,
    break_even_table,
    cell_table,
    difference_table,
    matrices,
    not_told,
    pretraining_table,
    question,
    rules,
    seeds_run,
    setup_facts,
)
from model_cards.typesetting import html_environment


def render_page(report: StudyReport, outcome: Outcome) -> str:
    """Return the page; everything in it is escaped, and its policy allows its own style sheet and script alone.

    Args:
        report: what is said.
        outcome: what was measured; its predictions tell whether probabilities are right.
    """
    shared = files("model_cards").joinpath("templates")
    own = files("hf_contrastive.study")
    style = shared.joinpath("report.css").read_text(encoding="utf-8")
    style += own.joinpath("study.css").read_text(encoding="utf-8")
    script = shared.joinpath("report.js").read_text(encoding="utf-8")
    template = html_environment().from_string(own.joinpath("study.html.j2").read_text(encoding="utf-8"))
    curves = curve_charts(report)
    answer = headline(report)
    return template.render(
        report=report,
        question=question(report),
        answer=answer,
        seeds=seeds_run(report),
        tone="pass" if answer.startswith("Yes") else "block" if answer.startswith("No:") else "review",
        first=report.conclusion[:FIRST],
        rest=report.conclusion[FIRST:],
        saving=saving_chart(report),
        matrices=matrices(report),
        overview=curves[:1],
        curves=curves[1:],
        costs=cost_charts(report),
        reliability=reliability_charts(report, outcome),
        differences=[table for other in COMPARED_WITH if (table := difference_table(report, other)).rows],
        break_even=break_even_table(report),
        arms=arm_table(report),
        cells=cell_table(report),
        pretrainings=pretraining_table(report),
        facts=setup_facts(report),
        rules=rules(report),
        not_told=not_told(report),
        style=Markup(style),
        script=Markup(script),
        policy=Markup(
            f"default-src 'none'; style-src {_hashed(style)}; script-src {_hashed(script)}; base-uri 'none'; "
            "form-action 'none'"
        ),
    )


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"

"""report.html: the whole evidence for a reviewer, in one file that needs no network and no script."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

from markupsafe import Markup

from audits.findings import AuditReport
from model_cards.charts import comparison_chart, loss_curve
from model_cards.comparison import comparison_rows, evaluation_words
from model_cards.errors import DocumentError
from model_cards.evidence import Evidence
from model_cards.facts import (
    affected_rows,
    chain,
    check_rows,
    compute_words,
    decision_words,
    excused_words,
    finding_words,
    headline,
    license_tables,
    name_of,
    open_outcomes,
    place,
    removed_ranges,
    rows_of,
    unchecked,
)
from model_cards.frameworks import (
    FRAMEWORKS,
    OWN_WORDS,
    PRESENT_MEANS,
    answered_questions,
    assess,
    counts,
    framework_questions,
    load_framework,
    open_questions,
    recorded,
)
from model_cards.licensing import input_rows, license_sentence, obligation_words, rule_rows
from model_cards.questions import answers, describes_model, further_statements
from model_cards.typesetting import html_environment

name = "report_html"
filename = "report.html"
published = True

_LOADING = frozenset({"script", "link", "img", "iframe", "object", "embed", "base", "form", "video", "audio", "source"})
_ADDRESSES = frozenset({"src", "srcset", "href", "action", "data", "poster", "background", "xlink:href"})


def applies(evidence: Evidence) -> bool:
    """Whether there is anything to report."""
    return evidence.audit is not None or describes_model(evidence)


def render(evidence: Evidence) -> str:
    """Return the report as one self-contained HTML page."""
    style = files("model_cards").joinpath("templates", "report.css").read_text(encoding="utf-8")
    named = evidence.model_name or evidence.repo_id
    frameworks = [(load_framework(name), assess(evidence, name)) for name in FRAMEWORKS]
    statuses = [status for _, items in frameworks for status in items]
    text = (
        html_environment()
        .get_template("report.html.j2")
        .render(
            evidence=evidence,
            training=evidence.training,
            audit=evidence.audit,
            title=named or ("Model without a name" if describes_model(evidence) else "Data audit"),
            style=Markup(style),
            headline=headline(evidence),
            chain=chain(evidence),
            compute_words=compute_words,
            checks=check_rows(evidence),
            unchecked=unchecked(evidence),
            open_outcomes=open_outcomes(evidence),
            decision_words=lambda outcome: decision_words(evidence, outcome),
            answers=answers(evidence),
            # answers to the questions of frameworks stand beside those
            further=[item for item in further_statements(evidence) if item.key not in framework_questions()],
            frameworks=frameworks,
            own_words=OWN_WORDS,
            present_means=PRESENT_MEANS,
            status_counts=counts,
            framework_questions=open_questions(statuses),
            framework_answers=[item for item in answered_questions(statuses) if item.key in framework_questions()],
            recorded=recorded(statuses),
            license_tables=license_tables(evidence.audit),
            licenses=evidence.licenses,
            license_sentence=license_sentence(evidence),
            license_rules=rule_rows(evidence),
            licensed_inputs=input_rows(evidence),
            obligation_words=lambda item: obligation_words(item, evidence.license_texts),
            excused=lambda waiver: excused_words(evidence, waiver),
            affected=affected_rows,
            name_of=name_of,
            place=place,
            finding_words=finding_words,
            removed_ranges=removed_ranges,
            rows_of=rows_of,
            loss_curve=loss_curve,
            comparison_chart=comparison_chart,
            comparison_rows=comparison_rows,
            evaluation_words=evaluation_words,
            finding_titles={
                **_titles(evidence.earlier_audit, evidence.audit),
                **{item.code: item.title for item in (evidence.licenses.results if evidence.licenses else ())},
            },
        )
    )
    return re.sub(r"\n\s*\n+", "\n", text)


def validate(text: str) -> None:
    """Check that the page stands alone: nothing is loaded, no script, no handler.

    Raises:
        DocumentError: something would be loaded or run.
    """
    page = _Page()
    page.feed(text)
    page.close()
    problems = list(page.problems)
    if not text.lstrip().lower().startswith("<!doctype html>"):
        problems.append("it does not begin with <!doctype html>")
    if re.search(r"@import|url\(", text[: text.find("</style>")]):
        problems.append("its style sheet loads a file")
    if problems:
        msg = (
            f"report.html is not self-contained: {'; '.join(problems)}; allowed are inline styles, inline SVG and "
            "links within the page. Render it again from the evidence."
        )
        raise DocumentError(msg)


class _Page(HTMLParser):
    """Collects whatever makes a browser load or run something."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LOADING:
            self.problems.append(f"it holds <{tag}>")
        for key, value in attrs:
            if key.startswith("on"):
                self.problems.append(f"<{tag}> has the handler {key}")
            if key in _ADDRESSES and not (value or "").startswith("#"):
                self.problems.append(f"<{tag}> names {value!r}")


def _titles(*audits: AuditReport | None) -> dict[str, str]:
    return {result.code: result.title for audit in audits if audit is not None for result in audit.results}

"""Everything that the templates of report.html name, made from the evidence alone."""

from __future__ import annotations

from typing import Any

from audits.findings import AuditReport
from model_cards.approvals import none_recorded
from model_cards.charts import audit_charts, comparison_chart, loss_chart, section_charts
from model_cards.comparison import (
    comparison_columns,
    comparison_rows,
    comparison_sides,
    evaluation_words,
    further_note,
)
from model_cards.evidence import Evidence
from model_cards.facts import (
    affected_rows,
    chain,
    check_rows,
    compute_words,
    excused_words,
    headline,
    license_tables,
    name_of,
    open_outcomes,
    place,
    removed_ranges,
    rows_of,
)
from model_cards.finding_lines import finding_lines, rank_of, ranked_outcomes
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
from model_cards.licensing import base_license_revision, input_rows, license_sentence, obligation_words, rule_rows
from model_cards.questions import answers, describes_model, further_statements
from model_cards.signoff import (
    approval_rows,
    comparison_words,
    digest_rows,
    first_inputs,
    gaps,
    license_questions,
    meaning,
    purpose,
    purpose_source,
    rows_read,
    shortened,
    signature_words,
    tone,
    version_here,
)
from model_cards.version_comparison import version_name, version_rows


def page_context(evidence: Evidence) -> dict[str, Any]:
    """Return what the templates name: records, rows and the functions that put a value into words."""
    return {**_first_page(evidence), **_reasons(evidence), **_model(evidence), **_frameworks(evidence)}


def _first_page(evidence: Evidence) -> dict[str, Any]:
    named = evidence.model_name or evidence.repo_id
    asked = answers(evidence)
    return {
        "evidence": evidence,
        "title": named or ("Model without a name" if describes_model(evidence) else "Data audit"),
        "headline": headline(evidence),
        "tone": tone(evidence),
        "meaning": meaning(evidence),
        "answers": asked,
        "unanswered": [item for item in asked if not item.answered],
        "purpose": purpose(evidence),
        "purpose_source": purpose_source(evidence),
        "version_here": version_here(evidence),
        "rows_read": rows_read(evidence),
        "chain": chain(evidence),
        "base_license_revision": base_license_revision(evidence),
        "comparison_words": comparison_words(evidence),
        "first_inputs": first_inputs(evidence),
        "shortened": shortened,
        "open_outcomes": open_outcomes(evidence),
        "license_questions": license_questions(evidence),
        "gaps": gaps(evidence),
        "excused": lambda waiver: excused_words(evidence, waiver),
        "approvals": approval_rows(evidence),
        "no_approval": none_recorded(evidence),
        "digests": digest_rows(evidence),
        "signature_words": signature_words(evidence),
    }


def _reasons(evidence: Evidence) -> dict[str, Any]:
    lines = finding_lines(evidence)
    inputs = evidence.licenses.inputs if evidence.licenses is not None else ()
    return {
        "audit": evidence.audit,
        "checks": check_rows(evidence),
        "ranked_outcomes": ranked_outcomes(evidence),
        "rank_of": rank_of,
        "licenses": evidence.licenses,
        "license_sentence": license_sentence(evidence),
        "license_rules": rule_rows(evidence),
        "licensed_inputs": input_rows(evidence),
        "license_tables": license_tables(evidence.audit),
        "obligation_words": lambda item: obligation_words(item, evidence.license_texts),
        "finding_lines": lines,
        "ranked_lines": sorted((line for own in lines for line in own), key=lambda line: line.rank),
        "charts": audit_charts(evidence.audit, inputs),
        "finding_titles": {
            **_titles(evidence.earlier_audit, evidence.audit),
            **{item.code: item.title for item in (evidence.licenses.results if evidence.licenses else ())},
        },
        "affected": affected_rows,
        "name_of": name_of,
        "place": place,
        "removed_ranges": removed_ranges,
        "rows_of": rows_of,
    }


def _model(evidence: Evidence) -> dict[str, Any]:
    training, comparison = evidence.training, evidence.comparison
    return {
        "training": training,
        "compute_words": compute_words,
        "loss_chart": loss_chart(training.losses) if training is not None else None,
        "comparison_chart": comparison_chart,
        "section_charts": section_charts,
        "comparison_columns": comparison_columns,
        "comparison_rows": comparison_rows,
        "comparison_sides": comparison_sides,
        "evaluation_words": evaluation_words,
        "further_note": further_note,
        "version_name": version_name(comparison) if comparison is not None else "",
        "version_rows": version_rows(comparison) if comparison is not None else (),
        # answers to the questions of frameworks stand beside those
        "further": [item for item in further_statements(evidence) if item.key not in framework_questions()],
    }


def _frameworks(evidence: Evidence) -> dict[str, Any]:
    frameworks = [(load_framework(name), assess(evidence, name)) for name in FRAMEWORKS]
    statuses = [status for _, items in frameworks for status in items]
    asked = open_questions(statuses)
    card = {item.question.key for item in answers(evidence)}
    return {
        # those of the card are counted with the card
        "framework_open": sum(item.key not in card for items in asked.values() for item in items),
        "frameworks": frameworks,
        "own_words": OWN_WORDS,
        "present_means": PRESENT_MEANS,
        "status_counts": counts,
        "framework_questions": asked,
        "framework_answers": [item for item in answered_questions(statuses) if item.key in framework_questions()],
        "recorded": recorded(statuses),
    }


def _titles(*audits: AuditReport | None) -> dict[str, str]:
    return {result.code: result.title for audit in audits if audit is not None for result in audit.results}

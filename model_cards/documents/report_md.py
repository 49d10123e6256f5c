"""report.md: what a reviewer has to see first, short enough for a comment on a pull request.

In the order of the first page of report.html: the verdict in words, what is unresolved, what was not checked, waivers,
approvals, licenses by input, metrics, and then data, checks and digests. It never has more than GitHub takes for a
comment; rows that do not fit are counted. An audit alone is told as :mod:`audits.formats.markdown` tells it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import NamedTuple

from audits.formats import markdown
from audits.formats.markdown import MOST_BYTES
from audits.waivers import used_waivers
from model_cards.approvals import NOT_PROVEN, none_recorded
from model_cards.comparison import comparison_columns, comparison_rows, evaluation_words
from model_cards.errors import DocumentError, EvidenceError
from model_cards.evidence import EvaluationReport, Evidence
from model_cards.facts import (
    chain,
    check_rows,
    excused_words,
    headline,
    is_judged,
    name_of,
    open_outcomes,
    rows_of,
)
from model_cards.licensing import input_rows, license_sentence, obligation_words, rule_rows
from model_cards.questions import answers, describes_model
from model_cards.signoff import gaps
from model_cards.typesetting import code_markdown, cut, escape_markdown, plural

name = "report_md"
filename = "report.md"
published = False

_STEPS = (80, 40, 20, 10, 5, 2, 0)
"""Lines that each section shows; the first number with which everything fits is taken."""

_LONGEST_CELL = 400
_MENTION = re.compile(r"(?<![\w.])@(?=\w)")  # which would tell an account of that name
_SETTLED = ("pass", "obligation")


class Section(NamedTuple):
    """A heading over one paragraph and a table, or a list where ``head`` is empty."""

    title: str
    words: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def applies(evidence: Evidence) -> bool:
    """Whether there is a model to report on, or an audit that was judged."""
    return describes_model(evidence) or is_judged(evidence)


def render(evidence: Evidence) -> str:
    """Return the report as Markdown.

    Raises:
        EvidenceError: there is neither a model nor an audit that was judged.
    """
    if not describes_model(evidence):
        if evidence.audit is None or evidence.verdict is None:
            msg = f"{filename} needs a model, or an audit and its verdict, and the evidence has neither; add one."
            raise EvidenceError(msg)
        return markdown.render(evidence.audit, evidence.verdict)
    told = headline(evidence)
    title = evidence.model_name or evidence.repo_id or "Model without a name"
    opening = [f"# {_cell(title)}: {_cell(told.title)}", "", f"**{_cell(told.sentence, 2 * _LONGEST_CELL)}**", ""]
    sections = tuple(_sections(evidence))
    for most in _STEPS:
        lines = [*opening, *(line for section in sections for line in _lines(section, most))]
        text = "\n".join(lines).rstrip() + "\n"
        if len(text.encode()) <= MOST_BYTES:
            break
    return text


def validate(text: str) -> None:
    """Check that it begins with a title and fits into a comment.

    Raises:
        DocumentError: it does not.
    """
    size = len(text.encode())
    if not text.startswith("# ") or size > MOST_BYTES:
        seen = "no title" if not text.startswith("# ") else f"{size:,} bytes"
        msg = (
            f"{filename} has {seen}; allowed is a text that begins with a title and has at most {MOST_BYTES:,} bytes, "
            "as much as a comment on GitHub. Write it again from the evidence."
        )
        raise DocumentError(msg)


def _sections(evidence: Evidence) -> Iterator[Section]:
    yield from _to_do(evidence)
    yield from _excuses(evidence)
    yield from _licenses(evidence)
    yield from _evaluations(evidence)
    audit = evidence.audit
    if audit is not None:
        head = ("Split", "Dataset", "Rows", "Fingerprint")
        rows = tuple((ref.split, name_of(ref), rows_of(ref), ref.fingerprint) for ref in audit.datasets)
        yield Section("Data that was audited", "", head, rows)
        checks = tuple(
            (f"{row.code} {row.title}", row.status, "; ".join(row.measured), row.allowed, row.decision)
            for row in check_rows(evidence)
        )
        yield Section("Checks", "", ("Check", "Status", "Measured", "Allowed", "Decision"), checks)
    yield Section("Digests", rows=tuple(_digests(evidence)))


def _to_do(evidence: Evidence) -> Iterator[Section]:
    points = tuple(
        (f"{point.decision}: {point.code}: {'; '.join(point.observed)}. {' '.join(point.remedies)}".strip(),)
        for point in open_outcomes(evidence)
    )
    nothing = "No outcome of the policy is open." if evidence.verdict else "Nothing was judged: no policy was applied."
    open_questions = [item.question.title for item in answers(evidence) if not item.answered]
    asked = (
        f" {plural(len(open_questions), 'question')} that only people can answer: {', '.join(open_questions)}."
        if open_questions
        else ""
    )
    yield Section("To be resolved", f"{'' if points else nothing}{asked}".strip(), rows=points)
    missing = tuple(
        (
            "; ".join(f"{name} {words}".strip() for name, words in gap.what)
            + f": {gap.status}{', although the policy requires it' if gap.required else ''}"
            + (f": {gap.reason}" if gap.reason else ""),
        )
        for gap in gaps(evidence)
    )
    words = "Every installed check ran on every row. What no check covers was not checked either."
    if evidence.audit is None:
        words = "Nothing was: there is no audit."
    yield Section("Not checked", "" if missing else words, rows=missing)


def _excuses(evidence: Evidence) -> Iterator[Section]:
    waivers = evidence.policy.waivers if evidence.policy is not None else ()
    if not waivers and evidence.verdict is not None:
        waivers = tuple(item.waiver for item in used_waivers(evidence.verdict))
    head = ("Code", "Scope", "Reason", "Owner", "Approved by", "Expires", "What it excused")
    rows = tuple(
        (w.code, w.scope, w.reason, w.owner, w.approver, w.expires, excused_words(evidence, w)) for w in waivers
    )
    yield Section("Waivers", "" if rows else "None.", head, rows)
    # one link an approval, in their order, where there is a verdict to be bound to
    links = [link.words for link in chain(evidence) if link.origin == "stated"]
    approvals = tuple(
        (
            f"{approval.by}{f' ({approval.role})' if approval.role else ''}: "
            f"{approval.reason or 'no reason given'}{f', until {approval.expires}' if approval.expires else ''}; "
            f"{bound or 'there is no verdict that it could be bound to.'}",
        )
        for approval, bound in zip_longest(evidence.approvals, links)
    )
    yield Section("Approvals", NOT_PROVEN if approvals else none_recorded(evidence), rows=approvals)


def _licenses(evidence: Evidence) -> Iterator[Section]:
    head = ("Input", "Role", "Declared", "Found", "Concluded", "Note")
    rows = tuple((r.name, r.role, r.declared, r.found, r.concluded, r.note) for r in input_rows(evidence))
    yield Section("Licenses of the inputs", license_sentence(evidence), head, rows)
    rules = tuple(
        (f"{row.code} {row.title}", row.result, row.decision, "; ".join(row.inputs), row.reason, row.resolution)
        for row in rule_rows(evidence)
        if row.result not in _SETTLED
    )
    if rules:
        head = ("Rule", "Result", "Decision", "Inputs", "Why", "To do")
        yield Section("License rules that need somebody", "", head, rules)
    due = evidence.licenses.obligations if evidence.licenses is not None else ()
    if due:
        along = tuple((obligation_words(item, evidence.license_texts),) for item in due)
        yield Section("What must go along", rows=along)


def _evaluations(evidence: Evidence) -> Iterator[Section]:
    for evaluation in evidence.evaluations:
        head = ("Metric", *comparison_columns(evaluation), "Reading")
        rows = tuple(
            (f"{row.name}{' (primary)' if row.primary else ''}", *row.numbers, row.words)
            for row in comparison_rows(evaluation)
        )
        counted = (
            plural(evaluation.queries, "query", "queries") if evaluation.queries else plural(evaluation.rows, "row")
        )
        where = f"{name_of(evaluation.dataset)}, split {evaluation.dataset.split}, {counted}"
        words = f"{evaluation_words(evaluation)} Measured on {where}."
        yield Section(f"Evaluation: {evaluation.task}", words, head, rows)
        yield from _beside(evaluation)
    if not any(item.measures_quality for item in evidence.evaluations):
        yield Section("Evaluation", "Not evaluated: no quality was measured.")


def _beside(evaluation: EvaluationReport) -> Iterator[Section]:
    """Yield what was measured beside the task, and why something was not."""
    rows = tuple(
        (section.name, row.name, *row.numbers)
        for section in evaluation.sections
        for row in comparison_rows(replace(evaluation, metrics=section.metrics))
    )
    unmeasured = (section for section in evaluation.sections if section.not_computed)
    missing = [f"{section.name} was not computed: {section.not_computed}" for section in unmeasured]
    if rows or missing:
        head = ("Section", "Metric", *comparison_columns(replace(evaluation, metrics=())))
        yield Section(f"Beside the task: {evaluation.task}", "; ".join(missing), head, rows)


def _digests(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    verdict, training = evidence.verdict, evidence.training
    for what, digest in (
        ("Evidence without its times", evidence.content_digest),
        ("Report on the data", verdict.report_digest if verdict is not None else ""),
        ("Policy", verdict.policy_digest if verdict is not None else ""),
        ("Files of the model", evidence.payload_digest),
        ("Weights", training.weights_sha256 if training is not None else ""),
    ):
        if digest:
            yield (f"{what}: {digest}",)
    for link in chain(evidence):
        if link.origin != "stated":
            yield (f"{link.title}: {link.words}",)


def _lines(section: Section, most: int) -> Iterator[str]:
    yield f"## {_cell(section.title)}"
    yield ""
    if section.words:
        yield _cell(section.words, 4 * _LONGEST_CELL)
        yield ""
    shown = section.rows[:most]
    if shown and section.head:
        yield f"| {' | '.join(section.head)} |"
        yield f"|{'---|' * len(section.head)}"
        for row in shown:
            yield f"| {' | '.join(map(_cell, row))} |"
        yield ""
    elif shown:
        for (words,) in shown:
            yield f"- {_cell(words, 2 * _LONGEST_CELL)}"
        yield ""
    rest = len(section.rows) - len(shown)
    if rest:
        yield f"And {plural(rest, 'more', 'more')}; report.html has all."
        yield ""


def _cell(text: str, longest: int = _LONGEST_CELL) -> str:
    """Return text without markup of its own; a digest stands as code, so that nothing breaks it."""
    if text.startswith("sha256:") and " " not in text:
        return code_markdown(text)
    return _MENTION.sub("@\u2060", escape_markdown(cut(text, longest)))

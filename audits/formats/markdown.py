"""The audit and its verdict as Markdown, for a pull request or a job summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from audits.findings import AuditReport, CheckResult
from audits.formats import check_pair
from audits.formats.text import outcome_rows, rows_words, sentence
from audits.policy import Verdict

suffix = ".md"

_SHOWN = 5  # examples of a finding
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$@&^])")
# what becomes a link by itself where GitHub shows it: addresses of pages, references to issues
_LINKS = re.compile(r"(?i):(?=//)|(?<=www)\.|(?<=\bgh)-(?=\d)|(?<=mailto):")


def render(report: AuditReport, verdict: Verdict) -> str:
    """Return the decision in words, the data, a row for each outcome, what can be done, and examples to unfold.

    Raises:
        SchemaError: the verdict is of another report.
    """
    check_pair(report, verdict)
    lines = ["# Data audit", "", f"**{_escaped(sentence(report, verdict))}**", "", "## Data", ""]
    data = [(ref.split, rows_words(ref), ref.repo_id or "-", ref.fingerprint) for ref in report.datasets]
    lines += [*_table(("split", "rows", "dataset", "fingerprint"), data), "", "## Checks", ""]
    head = ("code", "check", "status", "measured", "allowed", "decision", "self-test")
    shown: set[str] = set()
    rows = []
    for row in outcome_rows(report, verdict):
        result = report.result(row[0])
        told = result is not None and result.self_test is not None and row[0] not in shown
        shown.add(row[0])
        rows.append((*row, result.self_test.words if told and result and result.self_test else ""))
    lines += _table(head, rows)
    lines += ["", "A self-test plants known defects in a copy of this data; in brackets stand 95 % intervals.", ""]
    failing = {outcome.code for outcome in verdict.outcomes if outcome.decision != "pass"}
    todo = [
        f"- {finding.code} in {_escaped(finding.split)}, {finding.total_rows:,} rows: {_escaped(finding.remedy)}"
        for finding in report.findings
        if finding.code in failing and finding.remedy
    ]
    if todo:
        lines += ["## What can be done", "", *todo, ""]
    examples = [line for result in report.results for line in _examples(result)]
    if examples:
        lines += ["## Examples", "", *examples]
    lines += [f"Report {verdict.report_digest}", f"Policy {verdict.policy_digest}"]
    return "\n".join(lines).rstrip() + "\n"


def _examples(result: CheckResult) -> Iterator[str]:
    for finding in result.findings:
        if not finding.evidence:
            continue
        place = f"{finding.split}/{finding.column}" if finding.column else finding.split
        yield f"<details><summary>{_html(f'{finding.code} {finding.title} in {place}')}</summary>"
        yield ""
        rows = []
        for row in finding.evidence[:_SHOWN]:
            other = "; ".join(f"{each.split}:{each.row} {each.excerpt}" for each in row.related[:2])
            rows.append((str(row.row), row.excerpt, other, "" if row.score is None else f"{row.score:.4g}"))
        yield from _table(("row", "text", "belongs to", "score"), rows)
        yield ""
        yield f"{min(_SHOWN, len(finding.evidence))} of {finding.total_rows:,} rows; row numbers count from 0."
        yield ""
        yield "</details>"
        yield ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_escaped(cell) for cell in row)} |"


def _escaped(text: str) -> str:
    """Return ``text`` on one line, without any markup of its own and without anything that becomes a link."""
    line = _SPECIAL.sub(lambda match: f"&#{ord(match[1])};", " ".join(text.split()))
    return _LINKS.sub(lambda match: f"&#{ord(match[0])};", line)


def _html(text: str) -> str:
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

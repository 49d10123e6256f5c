"""The audit and its verdict as Markdown, for a pull request or a job summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from audits.findings import AuditReport
from audits.formats import check_pair
from audits.formats.text import outcome_rows, rows_words, sentence
from audits.policy import Verdict

suffix = ".md"

MOST_BYTES = 65_536
"""What GitHub takes for one comment, in characters; counted in bytes, which are never fewer."""

_SHOWN = 5  # examples of a finding
_LONGEST = 1_000  # characters of a cell
_STEPS = (500, 100, 50, 20, 5, 1, 0)  # lines of a table or list; the first that fits
_ROOM_FOR_COUNT = 100
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$@&^])")
# what becomes a link by itself where GitHub shows it: addresses of pages, references to issues
_LINKS = re.compile(r"(?i):(?=//)|(?<=www)\.|(?<=\bgh)-(?=\d)|(?<=mailto):")


def render(report: AuditReport, verdict: Verdict) -> str:
    """Return the decision in words, the data, a row for each outcome, what can be done, and examples to unfold.

    Raises:
        SchemaError: the verdict is of another report.
    """
    check_pair(report, verdict)
    tail = [f"Report {verdict.report_digest}", f"Policy {verdict.policy_digest}"]
    for most in _STEPS:
        lines = list(_summary(report, verdict, most))
        if _size((*lines, *tail)) + _ROOM_FOR_COUNT <= MOST_BYTES:
            break
    lines += [*_fitting(list(_examples(report)), _size((*lines, *tail))), *tail]
    return "\n".join(lines).rstrip() + "\n"


def _summary(report: AuditReport, verdict: Verdict, most: int) -> Iterator[str]:
    """Yield everything but examples and digests; of each table and list at most so many lines."""
    yield from ("# Data audit", "", f"**{_escaped(_cut(sentence(report, verdict)))}**", "", "## Data", "")
    data = [(ref.split, rows_words(ref), ref.repo_id or "-", ref.fingerprint) for ref in report.datasets]
    yield from _table(("split", "rows", "dataset", "fingerprint"), data, most)
    yield from ("", "## Checks", "")
    head = ("code", "check", "status", "measured", "allowed", "decision", "self-test")
    shown: set[str] = set()
    rows = []
    for row in outcome_rows(report, verdict):
        result = report.result(row[0])
        told = result is not None and result.self_test is not None and row[0] not in shown
        shown.add(row[0])
        rows.append((*row, result.self_test.words if told and result and result.self_test else ""))
    yield from _table(head, rows, most)
    yield from ("", "A self-test plants known defects in a copy of this data; in brackets stand 95 % intervals.", "")
    failing = {outcome.code for outcome in verdict.outcomes if outcome.decision != "pass"}
    todo = [
        f"- {finding.code} in {_escaped(finding.split)}, {finding.total_rows:,} rows: {_escaped(_cut(finding.remedy))}"
        for finding in report.findings
        if finding.code in failing and finding.remedy
    ]
    if todo:
        yield from ("## What can be done", "", *todo[:most])
        if todo[most:]:
            yield f"- {_more(len(todo) - most)}"
        yield ""


def _fitting(examples: list[list[str]], taken: int) -> list[str]:
    """Return the examples that still fit into a comment; the others are counted."""
    if not examples:
        return []
    lines = ["## Examples", ""]
    room = MOST_BYTES - taken - _size(lines) - _ROOM_FOR_COUNT
    for i, example in enumerate(examples):
        room -= _size(example)
        if room < 0:
            return [*lines, f"Examples of {_more(len(examples) - i)}", ""]
        lines += example
    return lines


def _more(count: int) -> str:
    return f"{count:,} more in report.html."


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _examples(report: AuditReport) -> Iterator[list[str]]:
    for finding in report.findings:
        if not finding.evidence:
            continue
        place = f"{finding.split}/{finding.column}" if finding.column else finding.split
        rows = []
        for row in finding.evidence[:_SHOWN]:
            other = "; ".join(f"{each.split}:{each.row} {each.excerpt}" for each in row.related[:2])
            rows.append((str(row.row), row.excerpt, other, "" if row.score is None else f"{row.score:.4g}"))
        yield [
            f"<details><summary>{_html(f'{finding.code} {finding.title} in {place}')}</summary>",
            "",
            *_table(("row", "text", "belongs to", "score"), rows),
            "",
            f"{min(_SHOWN, len(finding.evidence))} of {finding.total_rows:,} rows; row numbers count from 0.",
            "",
            "</details>",
            "",
        ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], most: int = _SHOWN) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows[:most]:
        yield f"| {' | '.join(_escaped(_cut(cell)) for cell in row)} |"
    if rows[most:]:
        yield f"| {_more(len(rows) - most)} |{' |' * (len(head) - 1)}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _escaped(text: str) -> str:
    """Return ``text`` on one line, without any markup of its own and without anything that becomes a link."""
    line = _SPECIAL.sub(lambda match: f"&#{ord(match[1])};", " ".join(text.split()))
    return _LINKS.sub(lambda match: f"&#{ord(match[0])};", line)


def _html(text: str) -> str:
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

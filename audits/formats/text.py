"""The audit and its verdict as plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from audits.findings import AuditReport, DatasetRef
from audits.formats import check_pair
from audits.policy import RULE_CODES, Outcome, Verdict

suffix = ".txt"

WIDTH = 110
_TITLE = 44
_HEAD = ("code", "check", "status", "measured", "allowed", "decision")


def render(report: AuditReport, verdict: Verdict) -> str:
    """Return the data, a line for each outcome, the decision in words, and what can be done.

    Raises:
        SchemaError: the verdict is of another report.
    """
    check_pair(report, verdict)
    lines = [f"{ref.split}: {rows_words(ref)}, {ref.fingerprint}" for ref in report.datasets]
    rows = outcome_rows(report, verdict)
    lines += ["", *_table((_HEAD, *rows)), "", *textwrap.wrap(sentence(report, verdict), WIDTH)]
    tests = list(_self_tests(report))
    if tests:
        lines += ["", "How often the checks are right, by defects planted in a copy (95 % intervals):", *tests]
    remedies = list(_remedies(report, verdict))
    if remedies:
        lines += ["", "What can be done:", *remedies]
    return "\n".join(lines) + "\n"


def outcome_rows(report: AuditReport, verdict: Verdict) -> list[tuple[str, ...]]:
    """Return code, check, status, measured, allowed and decision of each outcome, then of checks without a rule."""
    rows = [_row(report, outcome) for outcome in verdict.outcomes]
    judged = {outcome.code for outcome in verdict.outcomes}
    for result in report.results:
        if result.code not in judged:
            status = "ran" if result.status == "ran" else "not checked"
            rows.append((result.code, _cut(result.title), status, result.reason or "no finding", "no rule", "-"))
    return rows


def rows_words(ref: DatasetRef) -> str:
    """Return how many rows were read, and how many were not."""
    if ref.unread_rows == 0:
        return f"{ref.num_rows:,} rows"
    rest = "an unknown number" if ref.unread_rows is None else f"{ref.unread_rows:,}"
    return f"{ref.num_rows:,} rows, {rest} not looked at"


def _self_tests(report: AuditReport) -> Iterator[str]:
    for result in report.results:
        if result.self_test is not None and result.self_test.found:
            text = f"{result.code} {result.self_test.words}"
            yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
    silent = [result.code for result in report.results if result.self_test is not None and not result.self_test.found]
    if silent:
        text = f"own error not measured: {', '.join(silent)}"
        yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def sentence(report: AuditReport, verdict: Verdict) -> str:
    """Return the decision in words that promise no more than was checked."""
    ran = sum(result.status == "ran" for result in report.results)
    counts = f"{ran} check{'' if ran == 1 else 's'} ran, {len(report.results) - ran} not checked"
    under = f" under the policy {verdict.policy_name}" if verdict.policy_name else ""
    if verdict.decision == "pass":
        return f"pass{under}: no rule violated; {counts}."
    codes = sorted({outcome.code for outcome in verdict.outcomes if outcome.decision == verdict.decision})
    then = "nothing may be published" if verdict.decision == "block" else "a person must approve before publishing"
    return f"{verdict.decision}{under} because of {', '.join(codes)}: {then}; {counts}."


def _row(report: AuditReport, outcome: Outcome) -> tuple[str, ...]:
    result = report.result(outcome.code)
    ran = result is not None and result.status == "ran"
    shown: str = outcome.decision
    if outcome.decision == "pass":
        judged = ran and outcome.checked
        shown = "-" if not judged else "waived" if outcome.waiver else "pass"
    title = _cut(result.title if result is not None else "")
    if ran:
        return (outcome.code, title, "ran", outcome.observed, outcome.allowed, shown)
    if outcome.code in RULE_CODES:
        word = _license_word(outcome)
        return (outcome.code, _cut(outcome.rule), "license rule", outcome.observed, outcome.allowed, word)
    reason = f"{result.status}: {result.reason}" if result is not None else "not in the report"
    return (outcome.code, title, "not checked", reason, outcome.allowed, shown)


def _license_word(outcome: Outcome) -> str:
    if outcome.decision != "pass":
        return outcome.decision
    return "waived" if outcome.waiver else "pass" if outcome.checked else "-"


def _cut(title: str) -> str:
    return title if len(title) <= _TITLE else title[: _TITLE - 1].rstrip() + "…"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines; the measured column, which may hold a sentence, wraps."""
    measured = _HEAD.index("measured")
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    others = sum(widths) - widths[measured] + 2 * (len(_HEAD) - 1)
    widths[measured] = min(widths[measured], max(24, WIDTH - others))
    for row in rows:
        wrapped = textwrap.wrap(row[measured], widths[measured]) or [""]
        for line, text in enumerate(wrapped):
            cells = [text if i == measured else row[i] if line == 0 else "" for i in range(len(_HEAD))]
            yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _remedies(report: AuditReport, verdict: Verdict) -> Iterator[str]:
    failing = {outcome.code for outcome in verdict.outcomes if outcome.decision != "pass"}
    for finding in report.findings:
        if finding.code in failing and finding.remedy:
            text = f"{finding.code} in {finding.split}, {finding.total_rows:,} rows: {finding.remedy}"
            yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")

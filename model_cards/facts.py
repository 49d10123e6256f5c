"""What the documents say about an audit and its verdict, once, so that no two documents differ."""

from __future__ import annotations

from typing import NamedTuple

from audits.findings import AuditReport, CheckResult, DatasetRef, Finding, Table
from audits.policy import VERSION_CODE, Decision, Outcome
from audits.verdicts import SEVERITY, worst
from audits.waivers import Waiver, misplaced, used_waivers
from model_cards.approvals import none_recorded, problem_on_its_day
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence, TrainingRecord
from model_cards.licensing import is_license_rule
from model_cards.questions import describes_model
from model_cards.typesetting import measured, number, plural

_WEAKEST = ("not checked", "not judged", "pass by waiver", "pass")


class Headline(NamedTuple):
    """The verdict in words that claim no more than was checked."""

    decision: str
    title: str
    sentence: str


class CheckRow(NamedTuple):
    """One check (or one rule whose check was never run) as a table row."""

    code: str
    title: str
    status: str
    reason: str
    measured: tuple[str, ...]
    allowed: str
    decision: str
    required: bool


class OpenPoint(NamedTuple):
    """What must be resolved for one check: what was observed, and what its findings say can be done."""

    code: str
    decision: Decision
    observed: tuple[str, ...]
    remedies: tuple[str, ...]


class Link(NamedTuple):
    """One link of the chain of evidence; ``holds`` is None where it could not be checked.

    ``origin`` says whether it was computed, or stands on what a person stated.
    """

    title: str
    words: str
    holds: bool | None
    origin: str = "measured"


def check_chain(evidence: Evidence) -> None:
    """Refuse evidence whose verdict is of another audit or another policy.

    Raises:
        EvidenceError: a digest in the verdict differs from that of the audit or the policy beside it.
    """
    verdict = evidence.verdict
    if verdict is None:
        return
    for name, record, told in (
        ("audit", evidence.audit, verdict.report_digest),
        ("policy", evidence.policy, verdict.policy_digest),
    ):
        # a verdict names the content; the other digest is computed where that is not it
        if record is not None and told != record.content_digest and told != record.digest:
            msg = (
                f"The verdict is of another {name}: it names the {name} digest {told}, the {name} beside it "
                f"has {record.digest}; judge this {name} again and use that verdict."
            )
            raise EvidenceError(msg)


def is_judged(evidence: Evidence) -> bool:
    """Whether there is an audit with a verdict on it."""
    return evidence.audit is not None and evidence.verdict is not None


def headline(evidence: Evidence) -> Headline:
    """Return the verdict in words; "not checked" never reads as "passed"."""
    audit, verdict = evidence.audit, evidence.verdict
    if audit is None:
        return Headline(
            "none",
            "Not audited",
            "No audit of the data stands in this evidence: nothing is known here about duplicates, leakage, "
            "licenses or personal data.",
        )
    missing = len(unchecked(evidence))
    counts = f"{plural(sum(r.status == 'ran' for r in audit.results), 'check')} ran, {missing:,} not checked"
    if verdict is None:
        return Headline("none", "Not judged", f"No policy was applied, so nothing was decided: {counts}.")
    policy = f"policy “{verdict.policy_name or 'without a name'}”"
    if verdict.decision == "pass" and not any(result.status == "ran" for result in audit.results):
        return Headline("none", "Nothing was checked", f"No check of the data ran, so {policy} had nothing to judge.")
    if verdict.decision == "pass":
        waived = sum(outcome.waiver is not None for outcome in verdict.outcomes)
        if waived:
            sentence = (
                f"{plural(waived, 'outcome')} would not pass under {policy} and "
                f"{'is' if waived == 1 else 'are'} excused by waiver; no other rule was violated: {counts}."
            )
            return Headline("pass", "Passed by waiver", sentence)
        return Headline("pass", "No rule violated", f"No rule of {policy} was violated: {counts}.")
    raised = sum(outcome.decision == verdict.decision for outcome in verdict.outcomes)
    if verdict.decision == "review":
        tail = _approval_words(evidence)
        words = f"{policy} asks a named person to decide on {plural(raised, 'outcome')}: {counts}. {tail}"
        return Headline("review", "Review needed", words[0].upper() + words[1:])
    words = f"{policy} blocks publication because of {plural(raised, 'outcome')}: {counts}."
    return Headline("block", "Blocked", words[0].upper() + words[1:])


def _approval_words(evidence: Evidence) -> str:
    """Return in whose names a yes is recorded that holds; what does not hold is no approval."""
    problems = [problem_on_its_day(item, evidence) for item in evidence.approvals]
    names = [item.by for item, problem in zip(evidence.approvals, problems, strict=True) if problem is None]
    failing = len(problems) - len(names)
    told = f"An approval in the name of {', '.join(names)} is recorded."
    told = told if names else none_recorded(evidence, "No approval")
    if failing:
        told += f" {plural(failing, 'recorded approval does', 'recorded approvals do')} not hold."
    return told


def open_outcomes(evidence: Evidence) -> tuple[OpenPoint, ...]:
    """Return what keeps the verdict from a pass, one point a check, the gravest first."""
    outcomes = [o for o in (evidence.verdict.outcomes if evidence.verdict else ()) if o.decision != "pass"]
    points = []
    for code in dict.fromkeys(outcome.code for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.code == code]
        gravest = worst(outcome.decision for outcome in own)
        words = tuple(f"observed {outcome.observed}, allowed {outcome.allowed}" for outcome in own)
        findings = evidence.audit.findings if evidence.audit is not None else ()
        remedies = dict.fromkeys(item.remedy for item in findings if item.code == code and item.remedy)
        points.append(OpenPoint(code, gravest, words, tuple(remedies)))
    return tuple(sorted(points, key=lambda point: (-SEVERITY[point.decision], point.code)))


def decision_words(evidence: Evidence, outcome: Outcome) -> str:
    """Return the decision as shown: a pass by waiver, or of a check that did not run, is no plain pass."""
    result = evidence.audit.result(outcome.code) if evidence.audit is not None else None
    if outcome.decision != "pass":
        return outcome.decision
    if outcome.waiver is not None:
        return "pass by waiver"
    if is_license_rule(outcome.code):
        told = evidence.licenses.result(outcome.code) if evidence.licenses is not None else None
        return "pass" if told is not None and told.result != "undetermined" else "not judged"
    if outcome.code == VERSION_CODE:
        return "pass" if outcome.checked else "not checked"
    if result is None or result.status != "ran" or outcome.observed.startswith("not checked"):
        return "not checked"
    # a rule that does not apply, e.g. one for commercial use where none is intended
    return "not judged" if outcome.observed == "not judged" else "pass"


def excused_words(evidence: Evidence, waiver: Waiver) -> str:
    """Return what a waiver of the policy excused, or why it excuses nothing."""
    used = used_waivers(evidence.verdict) if evidence.verdict is not None else ()
    observed = next((item.observed for item in used if item.waiver == waiver), ())
    if observed:
        return "; ".join(observed)
    return misplaced(waiver, report=evidence.audit, analysis=evidence.licenses) or "nothing here"


def check_rows(evidence: Evidence) -> tuple[CheckRow, ...]:
    """Return one row a check, then one for each rule of the policy whose check was never run."""
    audit = evidence.audit
    if audit is None:
        return ()
    rows = [_check_row(evidence, result) for result in audit.results]
    known = {result.code for result in audit.results}
    named = {outcome.code for outcome in (evidence.verdict.outcomes if evidence.verdict else ())}
    named |= {rule.code for rule in (evidence.policy.rules if evidence.policy else ())}
    # outcomes on the policy, the unread rows, the training and the published version: no check makes them
    others = {"*", "TRAINING", VERSION_CODE}
    for code in sorted(code for code in named - known - others if not is_license_rule(code)):
        missing = CheckResult(code=code, status="skipped", reason="The policy names it, but it was never run.")
        rows.append(_check_row(evidence, missing)._replace(status="never run"))
    return tuple(rows)


def unchecked(evidence: Evidence) -> tuple[CheckRow, ...]:
    """Return the checks that were skipped, errored or never run, with the reason."""
    return tuple(row for row in check_rows(evidence) if row.status != "ran")


def place(finding: Finding) -> str:
    """Return where a finding is, e.g. ``train/anchor``."""
    return f"{finding.split}/{finding.column}" if finding.column else finding.split


def finding_words(finding: Finding) -> str:
    """Return one finding as a phrase: where, how much, how many rows."""
    rows = plural(finding.total_rows, "row")
    amount = measured(finding.measurement)
    if finding.measurement.unit == "fraction" and finding.measurement.sample_size is not None:
        amount += f" of {number(finding.measurement.sample_size)}"
    in_rows = finding.measurement.unit == "rows" and finding.measurement.value == finding.total_rows
    return f"{place(finding)}: {rows}" if in_rows else f"{place(finding)}: {amount} ({rows})"


def affected_rows(audit: AuditReport | None, code: str) -> str:
    """Return what ``code`` found in ``audit``, for a comparison of two audits."""
    result = audit.result(code) if audit else None
    if result is None:
        return "not run"
    if result.status != "ran":
        return result.status
    rows = sum(finding.total_rows for finding in result.findings)
    return f"{plural(len(result.findings), 'finding')}, {plural(rows, 'row')}" if result.findings else "nothing found"


def license_tables(audit: AuditReport | None) -> tuple[tuple[str, Table], ...]:
    """Return the tables that count rows by license, with the code of the check that made them."""
    return tuple(
        (result.code, table)
        for result in (audit.results if audit else ())
        for table in result.tables
        # the licensed inputs say the same by split
        if any("licen" in column.lower() for column in table.columns) and table.name != "licenses by split"
    )


def removed_ranges(rows: tuple[int, ...], limit: int = 12) -> str:
    """Return row numbers in short: ``3–5, 9 and 120 more rows``."""
    ranges: list[tuple[int, int]] = []
    for row in sorted(rows):
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], row)
        else:
            ranges.append((row, row))
    shown = ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in ranges[:limit])
    rest = sum(b - a + 1 for a, b in ranges[limit:])
    return f"{shown} and {plural(rest, 'more row')}" if rest else shown or "none"


def name_of(ref: DatasetRef) -> str:
    """Return the name of the dataset that a split belongs to; never a path."""
    return f"{ref.repo_id} ({ref.config})" if ref.repo_id and ref.config else ref.repo_id or "origin not recorded"


def rows_of(ref: DatasetRef) -> str:
    """Return how many rows of a split were read, and how many were not."""
    if ref.unread_rows == 0:
        return number(ref.num_rows)
    return f"{number(ref.num_rows)}; {'others' if ref.unread_rows is None else number(ref.unread_rows)} not looked at"


def compute_words(training: TrainingRecord) -> str:
    """Return the floating point operations of the training, which are always an estimate."""
    if training.flops is None:
        return "FLOPs not estimated"
    method = training.flops_method.removeprefix("estimate: ")
    return f"about {number(training.flops)} FLOPs, estimated{f' as {method}' if method else ''}"


def chain(evidence: Evidence) -> tuple[Link, ...]:
    """Return each link between data, training, audit, verdict and approval, and whether it holds."""
    links: list[Link] = []
    audit, verdict = evidence.audit, evidence.verdict
    if evidence.training is None and audit is not None and describes_model(evidence):
        links.append(Link("Data trained on = data audited", "Could not be checked: no training was recorded.", None))
    if evidence.training is not None:
        trained = {ref.fingerprint: ref for ref in evidence.training.datasets}
        audited = {ref.fingerprint for ref in audit.datasets} if audit else set()
        foreign = [ref.split for key, ref in trained.items() if key not in audited]
        if not trained or not audit:
            why = "the training names no data" if audit else "there is no audit"
            links.append(Link("Data trained on = data audited", f"Could not be checked: {why}.", None))
        elif foreign:
            words = f"Differs: the audit did not see the data trained on as {', '.join(sorted(foreign))}."
            links.append(Link("Data trained on = data audited", words, False))
        else:
            words = f"The recorded fingerprints of {plural(len(trained), 'split')} are equal."
            links.append(Link("Data trained on = data audited", words, True))
    if verdict is not None:
        absent = [name for name, record in (("audit", audit), ("policy", evidence.policy)) if record is None]
        if absent:
            words = f"Could not be checked in full: the {' and the '.join(absent)} is not in this evidence."
            links.append(Link("Verdict = this audit, this policy", words, None))
        else:
            # check_chain refuses anything else
            links.append(Link("Verdict = this audit, this policy", "The digests are equal.", True))
        for approval in evidence.approvals:
            problem = problem_on_its_day(approval, evidence)
            given = f", given {approval.created_at}" if approval.created_at else ""
            words = f"bound to this verdict{given}." if problem is None else f"no yes here: {problem}."
            name = approval.by.strip() or "nobody"
            links.append(Link(f"Approval in the name of {name}", words, problem is None, "stated"))
    return tuple(links)


def _check_row(evidence: Evidence, result: CheckResult) -> CheckRow:
    verdict, policy = evidence.verdict, evidence.policy
    outcomes = [o for o in (verdict.outcomes if verdict else ()) if o.code == result.code]
    rules = [rule for rule in (policy.rules if policy else ()) if rule.code == result.code]
    if result.status != "ran":
        found: tuple[str, ...] = ("not measured",)
    elif result.findings:
        found = tuple(finding_words(finding) for finding in result.findings)
    else:
        found = ("nothing found",)
    if result.not_judged and not result.findings:
        found = ()
    elif result.status == "ran" and not result.findings:
        found += tuple(f"{item.name}: {measured(item)}" for item in result.measurements if item.value)[:3]
    found += tuple(f"not judged in {reason}" for reason in result.not_judged)
    if result.self_test is not None:
        found += (f"Self-test: {result.self_test.words}",)
    allowed = tuple(dict.fromkeys(o.allowed for o in outcomes if o.allowed))
    if not allowed:
        allowed = tuple(dict.fromkeys(number(rule.allowed) for rule in rules))
    if outcomes:
        decision: str = worst(o.decision for o in outcomes)
        if decision == "pass":
            decision = min((decision_words(evidence, o) for o in outcomes), key=_WEAKEST.index)
    elif verdict is None:
        decision = "not judged"
    else:
        decision = "not judged" if rules else "no rule"
    return CheckRow(
        result.code,
        result.title,
        result.status,
        result.reason,
        found,
        "; ".join(allowed) or "–",
        decision,
        any(rule.required for rule in rules),
    )

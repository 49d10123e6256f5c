"""report.junit.xml: every check and rule as a test case, for the test views of CI systems.

A suite a room: ``audit`` has a case for each check of the data, ``licenses`` for each license rule, ``release`` for
what else the policy asks. How a decision is told:

* pass: a passed case. Passed by a waiver: a passed case whose output names the waiver, unless the check did not run.
* block: a failure of the type ``block``. Review: a failure of the type ``review``, since a person has to decide before
  anything is published, and most views tell no other kind of attention; the type keeps the two apart.
* not checked: skipped, with the reason, also where the split was not judged. Splits that a check could not judge, and
  rows that nobody looked at, are skipped cases of their own. Where the policy requires the check or
  wants to know why it crashed, its decision is block or review, and so it is a failure.
* no rule speaks on it: skipped, since nothing was decided.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import NamedTuple

from audits.policy import Outcome
from audits.verdicts import worst
from model_cards.errors import DocumentError, EvidenceError
from model_cards.evidence import Evidence
from model_cards.facts import check_rows, decision_words, is_judged
from model_cards.licensing import is_license_rule
from model_cards.signoff import gaps
from model_cards.standards.rulings import is_waived, outcome_words, tool_code
from model_cards.typesetting import redact

name = "junit"
filename = "report.junit.xml"
published = False

# what XML 1.0 has no way to write, even as a reference
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KINDS = ("failure", "error", "skipped")


class Case(NamedTuple):
    """One test case; ``kind`` is "" where it passed, ``type`` is the decision behind a failure."""

    name: str
    kind: str
    type: str
    message: str
    text: str
    seconds: float = 0.0


def applies(evidence: Evidence) -> bool:
    """Whether there is an audit that was judged."""
    return is_judged(evidence)


def render(evidence: Evidence) -> str:
    """Return the suites as XML.

    Raises:
        EvidenceError: there is no audit, or it was not judged.
    """
    audit, verdict = evidence.audit, evidence.verdict
    if audit is None or verdict is None:
        msg = f"{filename} needs an audit and its verdict, and the evidence lacks one; audit and judge the data first."
        raise EvidenceError(msg)
    properties = {
        "decision": verdict.decision,
        "policy": verdict.policy_name,
        "report_digest": verdict.report_digest,
        "policy_digest": verdict.policy_digest,
        "content_digest": evidence.content_digest,
        **{f"rows.{ref.split}": str(ref.num_rows) for ref in audit.datasets},
    }
    suites = {
        "audit": list(_checks(evidence)),
        "licenses": list(_others(evidence, licenses=True)),
        "release": list(_others(evidence, licenses=False)),
    }
    every = [case for cases in suites.values() for case in cases]
    root = ET.Element("testsuites", {"name": "hf-contrastive", **_counts(every)})
    for room, cases in suites.items():
        if cases:
            _add_suite(root, room, cases, properties)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def validate(text: str) -> None:
    """Check that the file is XML, and that the counts are those of its cases.

    Raises:
        DocumentError: it is not.
    """
    try:
        root = ET.fromstring(text)
        problems = list(_problems(root))
    except ET.ParseError as error:
        problems = [f"it is no XML ({error})"]
    if problems:
        msg = f"{filename} is not sound: {'; '.join(problems[:5])}. Write it again from the evidence."
        raise DocumentError(msg)


def _checks(evidence: Evidence) -> Iterator[Case]:
    """Yield a case for each check, those that never ran though the policy names them too."""
    verdict, audit = evidence.verdict, evidence.audit
    for row in check_rows(evidence):
        outcomes = [item for item in (verdict.outcomes if verdict is not None else ()) if item.code == row.code]
        result = audit.result(row.code) if audit is not None else None
        reason = f"{row.status}: {row.reason}" if row.status != "ran" else ""
        text = "\n".join((*outcome_words(outcomes), *row.measured, *filter(None, [reason])))
        if row.status == "ran" and row.decision in ("no rule", "not judged"):
            reason = "no rule of the policy judges it"
        seconds = result.seconds if result is not None else 0.0
        decision = row.decision
        if row.status != "ran" and decision == "pass by waiver":
            decision, reason = "not checked", f"{reason}; {'; '.join(_excuses(outcomes))}"
        case = _case(f"{row.code} {row.title}".strip(), decision, outcomes, reason or decision, text, seconds)
        # a crash is told as one, unless a waiver excuses it
        crashed = row.status == "errored" and case.kind == "skipped" and not any(map(is_waived, outcomes))
        yield case._replace(kind="error", type="errored", message=f"errored: {reason or decision}") if crashed else case
    told: set[str] = set()
    for gap in gaps(evidence):
        if gap.status in ("not judged", "not read"):
            for what, words in gap.what:
                name = f"{what} {words} {gap.status}{f': {gap.reason}' if gap.reason else ''}".strip()
                if name not in told:
                    yield Case(name, "skipped", "", gap.reason or gap.status, "")
                told.add(name)


def _others(evidence: Evidence, *, licenses: bool) -> Iterator[Case]:
    """Yield a case for each outcome that is about no check of the data."""
    verdict = evidence.verdict
    checks = {row.code for row in check_rows(evidence)}
    seen: dict[str, int] = {}
    for outcome in verdict.outcomes if verdict is not None else ():
        if outcome.code in checks or is_license_rule(outcome.code) != licenses:
            continue
        told = f"{tool_code(outcome.code)} {_title(evidence, outcome)}"
        seen[told] = seen.get(told, 0) + 1
        told = told if seen[told] == 1 else f"{told} ({seen[told]})"
        words = decision_words(evidence, outcome) if licenses else _decision(outcome)
        yield _case(told, words, [outcome], outcome.observed, "\n".join(outcome_words([outcome])), 0.0)


def _title(evidence: Evidence, outcome: Outcome) -> str:
    told = evidence.licenses.result(outcome.code) if evidence.licenses is not None else None
    return told.title if told is not None else outcome.rule


def _case(told: str, decision: str, outcomes: list[Outcome], reason: str, text: str, seconds: float) -> Case:
    if decision in ("block", "review"):
        own = [item for item in outcomes if item.decision == worst(one.decision for one in outcomes)]
        observed = "; ".join(f"observed {item.observed}, allowed {item.allowed}" for item in own)
        return Case(told, "failure", decision, f"{decision}: {observed}", text, seconds)
    if decision.startswith("pass"):
        return Case(told, "", "", "", "\n".join((*_excuses(outcomes), text)), seconds)
    return Case(told, "skipped", "", reason, text, seconds)


def _decision(outcome: Outcome) -> str:
    if outcome.decision == "pass" and not outcome.checked and not is_waived(outcome):
        return "not checked"
    return outcome.decision


def _excuses(outcomes: list[Outcome]) -> list[str]:
    return [f"excused by waiver: {item.waiver}" for item in outcomes if is_waived(item)]


def _add_suite(root: ET.Element, room: str, cases: list[Case], properties: dict[str, str]) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": f"hf-contrastive.{room}", **_counts(cases)})
    told = ET.SubElement(suite, "properties")
    for key, value in properties.items():
        ET.SubElement(told, "property", name=_clean(key), value=_clean(value))
    for case in cases:
        own = {"classname": f"hf-contrastive.{room}", "name": _clean(case.name), "time": f"{case.seconds:.3f}"}
        element = ET.SubElement(suite, "testcase", own)
        if case.kind:
            told_as = {"type": case.type} if case.type else {}
            inner = ET.SubElement(element, case.kind, {"message": _clean(case.message), **told_as})
            inner.text = _clean(case.text) if case.kind in ("failure", "error") else None
        elif case.text:
            ET.SubElement(element, "system-out").text = _clean(case.text)


def _counts(cases: list[Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.kind == "failure" for case in cases)),
        "errors": str(sum(case.kind == "error" for case in cases)),
        "skipped": str(sum(case.kind == "skipped" for case in cases)),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _clean(text: str) -> str:
    return redact(_NO_XML.sub("\ufffd", text))


def _problems(root: ET.Element) -> Iterator[str]:
    if root.tag != "testsuites":
        yield f"its root is <{root.tag}>; allowed is <testsuites>"
    names: set[tuple[str, str]] = set()
    for holder in (root, *root.iter("testsuite")):
        cases = list(holder.iter("testcase"))
        found = {
            "tests": len(cases),
            "failures": sum(case.find("failure") is not None for case in cases),
            "errors": sum(case.find("error") is not None for case in cases),
            "skipped": sum(case.find("skipped") is not None for case in cases),
        }
        for key, count in found.items():
            if holder.get(key) != str(count):
                yield f"<{holder.tag}> says {key} {holder.get(key)}, and {count} are there"
    for case in root.iter("testcase"):
        known = (case.get("classname") or "", case.get("name") or "")
        if known in names or not all(known):
            yield f"the case {known[1]!r} has no name of its own"
        names.add(known)
        if sum(case.find(kind) is not None for kind in _KINDS) > 1:
            yield f"the case {known[1]!r} is told in two ways"

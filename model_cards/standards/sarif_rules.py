"""The rules of a SARIF run: every check, license rule and point of the policy that the evidence knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audits.findings import AuditReport, CheckResult
from audits.licenses.analysis import RuleResult
from audits.policy import Policy
from audits.verdicts import worst
from model_cards.evidence import Evidence
from model_cards.facts import check_rows
from model_cards.licensing import clause_words, is_license_rule
from model_cards.standards.rulings import rulings
from model_cards.standards.values import filled

LEVELS = {"block": "error", "review": "warning", "pass": "note"}
"""The SARIF level of a decision."""

_SHORT = 1024  # characters that GitHub keeps of a description
_LONGEST_HELP = 8_000
_NO_METHOD = "The evidence records no method for this check."
_OTHERS = {
    "POLICY": "What the policy asks of the audit as a whole",
    "TRAINING": "Whether the training was recorded",
    "VERSION": "The new version against the published one",
}


def rules(evidence: Evidence) -> list[dict[str, Any]]:
    """Return one descriptor a rule, in the order of checks, license rules and others; ids are unique."""
    found: dict[str, dict[str, Any]] = {}
    if evidence.audit is not None:
        for row in check_rows(evidence):
            result = evidence.audit.result(row.code)
            method = _method(result) if result is not None else row.reason
            found.setdefault(row.code, _descriptor(row.code, row.title, method, _level(evidence, row.code), "data"))
    for item in evidence.licenses.results if evidence.licenses is not None else ():
        text = "\n\n".join(clause_words(item)) or _license_method(item)
        found.setdefault(item.code, _descriptor(item.code, item.title, text, _level(evidence, item.code), "license"))
    for ruling in rulings(evidence):
        if ruling.code not in found:
            kind = "license" if is_license_rule(ruling.code) else "release"
            title = _OTHERS.get(ruling.code, ruling.outcomes[0].rule if ruling.outcomes else ruling.code)
            level = LEVELS[worst(outcome.decision for outcome in ruling.outcomes)]
            found[ruling.code] = _descriptor(ruling.code, title, title, level, kind)
    return list(found.values())


def _descriptor(code: str, title: str, text: str, level: str, kind: str) -> dict[str, Any]:
    words = literal(title.strip() or code)
    return filled(
        id=code,
        shortDescription={"text": words[:_SHORT]},
        fullDescription={"text": words[:_SHORT]},
        help={"text": literal(text[:_LONGEST_HELP])},
        defaultConfiguration={"level": level},
        properties={"tags": [kind]},
    )


def literal(text: str) -> str:
    """Return text that SARIF shows as it stands: no placeholder, no embedded link."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _method(result: CheckResult) -> str:
    """Return how a check measures, as the evidence records it, and how often it is right."""
    measurements = [*(finding.measurement for finding in result.findings), *result.measurements]
    methods = [item.method for item in measurements if item.method]
    remedies = [finding.remedy for finding in result.findings if finding.remedy]
    tested = [f"Self-test: {result.self_test.words}."] if result.self_test is not None else []
    return "\n\n".join(dict.fromkeys((*(methods or [_NO_METHOD]), *tested, *remedies)))


def _license_method(item: RuleResult) -> str:
    return f"A rule over the licenses of all inputs: {item.title}. A sorting for review, no legal advice."


def _level(evidence: Evidence, code: str) -> str:
    """Return the level that a violation has under the policy; a note where no rule speaks on it."""
    return LEVELS[worst(_decisions(evidence.policy, evidence.audit, code))]


def _decisions(policy: Policy | None, audit: AuditReport | None, code: str) -> Iterator[Any]:
    for rule in policy.rules if policy is not None else ():
        if rule.code == code:
            yield rule.decision
    if is_license_rule(code) or (policy is not None and audit is not None and audit.result(code) is not None):
        # what no rule speaks on is a matter of review once something is found
        yield "review"

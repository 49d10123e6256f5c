"""The table of tests/license_cases: inputs and intent -> verdict, written by hand from the license texts.

A case names licenses by role (``data``, ``base``, ``generator``, ``evaluation``) as a card would state them, and the
intent; ``rules`` holds the result of each rule, with its decision where it matters ("conflict/review"); every rule
that is not listed must pass. ``near`` are rules that are close to what the case is about and must pass. ``open`` are
rules where neither the license nor the rule's words settle who reports it: their decision must not be worse than that
of the case. ``obligations`` are "kind:license" or "kind:license:text", all of which must be there,
and ``questions`` "rule:words". ``because`` cites
the rule and the clause. Never written from what the code answers.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from audits.intent import Intent
from audits.licenses.analysis import LicenseAnalysis, Obligation
from audits.licenses.compatibility import analyse, licenses_without_conflict
from audits.licenses.inputs import Kind, LicensedInput, Role
from audits.licenses.resolution import resolve

CODES = tuple(f"L{number}" for number in range(1, 19))
SEVERITY = ("pass", "review", "block")
ROLES: dict[str, tuple[Role, Kind]] = {
    "data": ("training", "dataset"),
    "base": ("base", "model"),
    "generator": ("generator", "model"),
    "evaluation": ("evaluation", "dataset"),
}
KEYS = {
    *("name", "because", "decision", "rules", "near", "open", "obligations", *ROLES, "gated", "accepted"),
    *("commercial", "distribution", "outgoing", "outgoing_data", "ship_rows", "ships", "territory", "model_kind"),
    *("without_conflict", "not_without_conflict", "database_offer", "questions"),
}
CASES: list[dict[str, Any]] = [
    case
    for path in sorted((Path(__file__).parent / "license_cases").glob("*.toml"))
    for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]
]


def concluded(text: str) -> str | None:
    """The license of what a card states; ``LicenseRef-…`` is what license files are read as."""
    if text.startswith("LicenseRef-"):
        return text
    resolved = resolve(text)
    return None if resolved.category == "unknown" else resolved.spdx


def inputs_of(case: dict[str, Any]) -> list[LicensedInput]:
    gated = case.get("gated", [])
    return [
        LicensedInput(
            name=text, role=role, kind=kind, license=concluded(text), rows=10, gated="yes" if text in gated else "no"
        )
        for key, (role, kind) in ROLES.items()
        for text in case.get(key, [])
    ]


def intent_of(case: dict[str, Any]) -> Intent:
    return Intent(
        commercial=case["commercial"],
        distribution=case["distribution"],
        ships=case.get("ships", "merged"),
        ship_rows=case.get("ship_rows", False),
        outgoing_license=case.get("outgoing"),
        outgoing_data_license=case.get("outgoing_data"),
        territory=tuple(case.get("territory", ())),
        accepted=case.get("accepted", {}),
        model_kind=case.get("model_kind", "encoder"),
        database_offer=case.get("database_offer", ""),
    )


def meets(obligation: Obligation, asked: str) -> bool:
    kind, license_id, *text = asked.split(":", 2)
    if (obligation.kind, obligation.license.casefold()) != (kind, license_id.casefold()):
        return False
    # a prefix is a prefix to the letter: "Llama" is not "Llama 3"
    return not text or (obligation.text == text[0] if kind == "name_prefix" else text[0] in obligation.text)


def differences(case: dict[str, Any], analysis: LicenseAnalysis) -> list[str]:
    """Say how ``analysis`` differs from the case."""
    found = [] if analysis.decision == case["decision"] else [f"decision {analysis.decision}, not {case['decision']}"]
    expected = case.get("rules", {})
    for result in analysis.results:
        told = f"{result.code} {result.result}/{result.decision} {result.inputs} ({result.reason})"
        if result.code in case.get("open", []):
            if SEVERITY.index(result.decision) > SEVERITY.index(case["decision"]):
                found.append(f"{told}, at most {case['decision']}")
            continue
        outcome, _, decision = expected.get(result.code, "pass").partition("/")
        if result.result != outcome or (decision and result.decision != decision):
            found.append(f"{told}, not {outcome}{'/' if decision else ''}{decision}")
    for asked in case.get("obligations", []):
        if not any(meets(obligation, asked) for obligation in analysis.obligations):
            there = sorted(f"{item.kind}:{item.license}:{item.text[:40]}" for item in analysis.obligations)
            found.append(f"no obligation {asked} in {there}")
    questions = [f"{result.code}:{question}" for result in analysis.results for question in result.questions]
    for asked in case.get("questions", []):
        code, _, words = asked.partition(":")
        if not any(question.startswith(f"{code}:") and words in question for question in questions):
            found.append(f"no question {asked} in {questions}")
    return found


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_verdict_is_that_of_the_license_texts(case: dict[str, Any]) -> None:
    analysis = analyse(inputs_of(case), intent_of(case))
    assert tuple(result.code for result in analysis.results) == CODES
    found = differences(case, analysis)
    assert not found, "\n".join([case["because"], *found])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_verdict_explains_itself(case: dict[str, Any]) -> None:
    inputs = inputs_of(case)
    analysis = analyse(inputs, intent_of(case))
    assert analysis.decision == max((result.decision for result in analysis.results), key=SEVERITY.index)
    fired = {result.code for result in analysis.results if result.result != "pass"}
    assert {obligation.code for obligation in analysis.obligations} <= fired
    for result in analysis.results:
        assert set(result.inputs) <= {item.name for item in inputs}
        assert not re.search(r"\b(?:non-?)?complian(?:t|ce)\b", f"{result.reason} {result.resolution}", re.IGNORECASE)
        if result.code in fired:
            assert result.inputs
            assert result.reason
        if result.result in ("conflict", "undetermined"):
            assert result.resolution


def spelled(license_id: str) -> str:
    return (concluded(license_id) or license_id).casefold()


WITH_LABELS = [case for case in CASES if "without_conflict" in case or "not_without_conflict" in case]


@pytest.mark.parametrize("case", WITH_LABELS, ids=[case["name"] for case in WITH_LABELS])
def test_outgoing_licenses_without_conflict(case: dict[str, Any]) -> None:
    offered = {spelled(item) for item in licenses_without_conflict(inputs_of(case), intent_of(case))}
    assert {item for item in case.get("without_conflict", []) if spelled(item) not in offered} == set()
    assert {item for item in case.get("not_without_conflict", []) if spelled(item) in offered} == set()


def test_table_is_well_formed() -> None:
    names = Counter(case["name"] for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []
    for case in CASES:
        assert set(case) <= KEYS, case["name"]
        rules, near, undecided = case.get("rules", {}), case.get("near", []), case.get("open", [])
        assert {*rules, *near, *undecided} <= set(CODES), case["name"]
        assert len({*rules, *near, *undecided}) == len(rules) + len(near) + len(undecided), case["name"]
        assert {*case.get("gated", [])} <= {item.name for item in inputs_of(case)}, case["name"]
        decisions = [value.partition("/")[2] or value for value in rules.values()]
        assert case["decision"] == worst(decisions, rules), case["name"]


def worst(decisions: list[str], rules: dict[str, str]) -> str:
    """The decision that follows from what ``rules`` lists; what is no conflict and undetermined is a review."""
    if "block" in decisions:
        return "block"
    open_questions = [code for code, value in rules.items() if value == "undetermined" and code != "L18"]
    return "review" if "review" in decisions or open_questions else "pass"


def test_table_is_large_and_has_what_must_not_be_blocked() -> None:
    assert len(CASES) >= 150
    assert sum(case["decision"] == "pass" for case in CASES) >= 40
    assert sum(case["decision"] == "block" for case in CASES) >= 30
    assert sum(case["decision"] == "review" for case in CASES) >= 30


@pytest.mark.parametrize("code", CODES)
def test_each_rule_is_reached_and_nearly_reached(code: str) -> None:
    assert sum(code in case.get("rules", {}) for case in CASES) >= 2
    assert sum(code in case.get("near", []) for case in CASES) >= 2


def test_each_case_cites_a_rule_and_a_license_of_its_own() -> None:
    for case in CASES:
        assert set(re.findall(r"\bL\d+\b", case["because"])) & set(CODES), case["name"]
        stated = [text for key in ROLES for text in case.get(key, [])]
        parts = {part for text in stated for part in re.split(r"\s+(?:AND|OR|WITH|/)\s+|[()+;]", text) if part}
        ids = parts | {concluded(part) or part for part in parts}
        assert any(item.casefold() in case["because"].casefold() for item in ids if item), case["name"]

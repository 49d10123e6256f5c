"""What a policy decides on the license rules; an open question never reads as a pass."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from audits.intent import Intent
from audits.licenses.analysis import LicenseAnalysis, RuleResult
from audits.licenses.compatibility import analyse
from audits.licenses.inputs import LicensedInput
from audits.policy import (
    RULE_CODES,
    LicensePolicy,
    LicenseRule,
    Policy,
    Waiver,
    license_outcomes,
    load_policy,
    unused_waivers,
)
from audits.verdicts import Verdict, worst
from audits.waivers import used_waivers

TODAY = datetime.date(2026, 6, 1)


def given(name, license_="CC-BY-NC-4.0", role="training"):
    return LicensedInput(name=name, role=role, kind="dataset", license=license_)


TWO = (given("a"), given("b", None))


def analysis(*results, inputs=TWO):
    told = {item.code: item for item in results}
    passed = (RuleResult(code=code, title=f"Title of {code}", result="pass", decision="pass") for code in RULE_CODES)
    return LicenseAnalysis(
        decision=worst(item.decision for item in results),
        results=tuple(told.get(item.code, item) for item in passed),
        inputs=inputs,
        facts_date="2026-05-01",
    )


def conflict(code="L1", decision="block", inputs=("a",), **told):
    return RuleResult(
        code=code, title="No commercial use", result="conflict", decision=decision, inputs=inputs, reason="NC.",
        resolution="Leave it out.", **told,
    )  # fmt: skip


def question(code="L13", decision="review", inputs=("b",)):
    return RuleResult(code=code, title="Known", result="undetermined", decision=decision, inputs=inputs, reason="why")


def policy(*rules, waivers=(), undetermined="review", cannot_waive=()):
    licenses = LicensePolicy(rules=rules, undetermined=undetermined)
    return Policy(name="p", licenses=licenses, waivers=tuple(waivers), cannot_waive=cannot_waive)


def waiver(code="L1", scope="a", expires="2026-12-31"):
    return Waiver(code=code, scope=scope, reason="bought", owner="ann", approver="bob", expires=expires)


def outcome(code, analysed, rules):
    (found,) = [item for item in license_outcomes(analysed, rules, TODAY) if item.code == code]
    return found


def test_every_rule_has_an_outcome_in_its_order_that_names_inputs_and_way_out():
    outcomes = license_outcomes(analysis(conflict(), question()), policy(), TODAY)
    assert [item.code for item in outcomes] == list(RULE_CODES)
    blocked = outcomes[0]
    assert (blocked.decision, blocked.rule) == ("block", "No commercial use")
    assert blocked.observed == "conflict in a (CC-BY-NC-4.0): NC"
    assert blocked.allowed == "no conflict; what resolves it: Leave it out"
    assert outcomes[12].observed == "undetermined in b (license undetermined): why"
    assert (outcomes[1].decision, outcomes[1].observed) == (
        "pass",
        "no conflict in 2 inputs (license facts of 2026-05-01)",
    )
    assert outcomes[1].checked


@pytest.mark.parametrize(
    ("result", "rule", "undetermined", "decision", "words"),
    [
        (conflict(), None, "review", "block", ""),
        (conflict(decision="review"), None, "block", "review", ""),
        (conflict(decision="pass"), None, "review", "review", ""),
        (conflict(), {"conflict": "review"}, "review", "review", "relaxed from block to review by the policy"),
        (conflict(), {"conflict": "pass"}, "review", "pass", "relaxed from block to pass by the policy"),
        (conflict(decision="review"), {"conflict": "block"}, "review", "block", "raised from review to block"),
        (conflict(), {"undetermined": "pass"}, "review", "block", ""),
        (question("L1"), None, "review", "review", ""),
        (question("L1"), None, "block", "block", "raised from review to block"),
        (question("L1"), {"conflict": "pass"}, "block", "block", "raised"),
        (question("L1"), {"undetermined": "pass"}, "block", "pass", "relaxed from review to pass"),
        (question("L1", decision="pass"), None, "block", "pass", ""),
        (question("L1", decision="pass"), {"undetermined": "review"}, "review", "review", "raised from pass to review"),
        (question("L1", decision="block"), None, "review", "block", ""),
    ],
)  # fmt: skip
def test_what_a_policy_makes_of_a_result(result, rule, undetermined, decision, words):
    rules = (LicenseRule(code="L1", **rule),) if rule is not None else ()
    found = outcome("L1", analysis(result), policy(*rules, undetermined=undetermined))
    assert found.decision == decision
    assert words in found.rule
    assert words or "by the policy" not in found.rule
    # an open question is no statement on the data, whatever a policy makes of it
    assert found.checked == (result.result == "conflict")


@pytest.mark.parametrize(
    ("waivers", "decision", "note"),
    [
        ([waiver(scope="a"), waiver(scope="b")], "pass", "bought (owner ann, approved by bob, until 2026-12-31)"),
        ([waiver(scope="*")], "pass", "bought"),
        ([waiver(scope="a")], "block", "not honoured: it does not cover b"),
        ([waiver("L2", scope="*")], "block", None),
        ([waiver(scope="c")], "block", None),
        ([waiver(scope="*", expires="2026-05-31")], "block", "not honoured: the waiver for L1 expired"),
    ],
)
def test_a_waiver_names_every_input_or_all(waivers, decision, note):
    rules = policy(waivers=waivers)
    found = outcome("L1", analysis(conflict(inputs=("a", "b"))), rules)
    assert found.decision == decision
    assert (found.waiver is None) if note is None else (note in found.waiver)
    assert bool(found.waived_by) == (decision == "pass")
    assert (
        outcome("L1", analysis(conflict(inputs=("a", "b"))), replace(rules, cannot_waive=("L1",))).decision == "block"
    )


def test_a_conflict_without_inputs_is_waived_for_all_alone():
    assert outcome("L1", analysis(conflict(inputs=())), policy(waivers=[waiver(scope="a")])).decision == "block"
    assert outcome("L1", analysis(conflict(inputs=())), policy(waivers=[waiver(scope="*")])).decision == "pass"


@pytest.mark.parametrize("beside", [{"milder": ("b",)}, {"unsettled": ("b",)}])
def test_the_worst_result_hides_no_other_input(beside):
    mixed = analysis(conflict(**beside))
    assert outcome("L1", mixed, policy(waivers=[waiver()])).decision == "block"
    assert outcome("L1", mixed, policy(waivers=[waiver(), waiver(scope="b")])).decision == "pass"
    relaxed = outcome("L1", mixed, policy(LicenseRule(code="L1", conflict="pass")))
    assert relaxed.decision == ("review" if "unsettled" in beside else "pass")
    asks = analysis(conflict(decision="review", **beside))
    strict = outcome("L1", asks, policy(undetermined="block"))
    assert strict.decision == ("block" if "unsettled" in beside else "review")


def test_the_analysis_names_what_stands_behind_the_worst_result():
    intent = Intent(outgoing_license="apache-2.0")
    first = analyse((given("bad"), given("asks", "BUSL-1.1"), given("fine", "MIT")), intent).results[0]
    assert (first.code, first.inputs, first.milder, first.unsettled) == ("L1", ("bad",), (), ("asks",))
    alone = replace(analysis(), results=(first,))
    assert outcome("L1", alone, policy(waivers=[waiver(scope="bad")])).decision == "block"
    assert outcome("L1", alone, policy(LicenseRule(code="L1", conflict="pass"))).decision == "review"
    mixed = analyse((given("data"), given("base", role="base")), intent).results[1]
    assert (mixed.code, mixed.inputs, mixed.milder) == ("L2", ("base",), ("data",))
    excused = outcome("L2", replace(analysis(), results=(mixed,)), policy(waivers=[waiver("L2", scope="base")]))
    assert (excused.decision, excused.waiver) == ("block", "not honoured: it does not cover data")


def test_used_waivers_count_license_rules_too():
    rules = policy(waivers=[waiver(), waiver("L5")])
    outcomes = license_outcomes(analysis(conflict()), rules, TODAY)
    verdict = Verdict(decision="pass", outcomes=outcomes, report_digest="", policy_digest="")
    (used,) = used_waivers(verdict)
    assert used.observed == ("conflict in a (CC-BY-NC-4.0): NC",)
    assert unused_waivers(rules, verdict) == (waiver("L5"),)


def test_what_was_not_analysed_is_no_pass():
    part = replace(analysis(), results=analysis().results[:3])
    missing = outcome("L4", part, policy())
    assert (missing.decision, missing.checked) == ("review", False)
    empty = license_outcomes(analysis(inputs=()), policy(), TODAY)
    assert worst(item.decision for item in empty) == "review"
    assert not any(item.checked for item in empty)
    assert worst(
        item.decision for item in license_outcomes(LicenseAnalysis(decision="pass", results=()), policy(), TODAY)
    ) == ("review")


def test_many_inputs_are_counted():
    names = tuple(f"input-{i}" for i in range(9))
    found = outcome("L1", analysis(conflict(inputs=names)), policy())
    assert "input-4 and 4 more" in found.observed
    assert "input-5" not in found.observed


def test_the_shipped_levels_on_real_licenses():
    inputs = (given("open", "Apache-2.0"), given("database", "ODC-By-1.0"), given("secret", None))
    analysed = analyse(inputs, Intent(outgoing_license="apache-2.0"))
    by_level = {
        level: {item.code: item.decision for item in license_outcomes(analysed, load_policy(level, today=TODAY), TODAY)}
        for level in ("permissive", "standard", "strict")
    }
    assert [by_level[level]["L13"] for level in by_level] == ["review", "review", "block"]
    assert [by_level[level]["L18"] for level in by_level] == ["pass", "pass", "review"]
    assert {by_level[level]["L1"] for level in by_level} != {"block"}
    assert "block" in {item.decision for item in license_outcomes(analyse((given("a"),), Intent()), policy(), TODAY)}

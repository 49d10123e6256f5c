"""What holds for every report and every policy: asking for more, or finding more, is never rewarded."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from audits.errors import PolicyError
from audits.findings import AuditReport, CheckResult, DatasetRef, Finding, Measurement
from audits.intent import Intent
from audits.licenses.overlays import Overlay, Position
from audits.policy import LEVELS, LicensePolicy, LicenseRule, Policy, Rule, Verdict, Waiver, judge, load_policy
from audits.policy_files import examine_policy, shipped_text
from audits.waivers import unused_waivers, used_waivers

TODAY = datetime.date(2026, 6, 1)
ORDER = {"pass": 0, "review": 1, "block": 2}
CODES = ("DUP001", "LEAK001", "LIC001")
SHIPPED = [load_policy(level, today=TODAY) for level in LEVELS]
NAMES = ("largest group", "share")
DECISIONS = st.sampled_from(("pass", "review", "block"))

values = st.floats(0, 1) | st.integers(0, 50)
measurements = st.builds(
    Measurement,
    name=st.builds("{}{}".format, st.sampled_from(NAMES), st.sampled_from(("", " (train)", " (test, text)"))),
    value=values,
    unit=st.sampled_from(("fraction", "rows")),
)
findings = st.builds(
    Finding,
    code=st.sampled_from((*CODES, "NEW001")),
    title=st.just("t"),
    split=st.sampled_from(("train", "test")),
    column=st.none() | st.just("text"),
    measurement=measurements,
    total_rows=st.just(1),
)
rules = st.builds(
    Rule,
    code=st.sampled_from(CODES),
    measurement=st.none() | st.none() | st.sampled_from((*NAMES, "never measured")),
    allowed=st.sampled_from((0.0, 0.5, 20.0)),
    decision=st.sampled_from(("review", "block")),
    required=st.booleans(),
    only_if_commercial=st.booleans(),
)
waivers = st.builds(
    Waiver,
    code=st.sampled_from((*CODES, "L3")),
    scope=st.sampled_from(("*", "train", "test/text")),
    reason=st.just("known"),
    owner=st.just("ann"),
    approver=st.sampled_from(("bob", "ann")),
    expires=st.sampled_from(("2020-01-01", "2030-01-01", "?")),
    created=st.sampled_from((None, "2026-01-01", "2028-01-01")),
)
license_policies = st.builds(
    LicensePolicy,
    undetermined=st.sampled_from(("review", "block")),
    rules=st.lists(
        st.builds(LicenseRule, code=st.just("L3"), conflict=st.none() | DECISIONS, undetermined=st.none() | DECISIONS),
        max_size=1,
    ).map(tuple),
    overlay=st.none()
    | st.just(Overlay(positions=(Position(license="MIT", decision="review", reason="r", by="b", date="2026-01-01"),))),
)
policies = st.builds(
    Policy,
    name=st.just("p"),
    rules=st.lists(rules, max_size=5).map(tuple),
    waivers=st.lists(waivers, max_size=2).map(tuple),
    intent=st.builds(Intent, commercial=st.booleans(), territory=st.sampled_from(((), ("DE", "EU")))),
    licenses=license_policies,
    cannot_waive=st.sampled_from(((), ("DUP001",))),
    max_audit_age_days=st.none() | st.just(30),
)


@st.composite
def reports(draw):
    results = []
    for code in draw(st.lists(st.sampled_from((*CODES, "NEW001")), unique=True)):
        status = draw(st.sampled_from(("ran", "ran", "ran", "skipped", "errored")))
        ran = status == "ran"
        found = draw(st.lists(findings, max_size=3)) if ran else []
        results.append(
            CheckResult(
                code=code,
                status=status,
                findings=tuple(replace(item, code=code) for item in found),
                measurements=tuple(draw(st.lists(measurements, max_size=2))) if ran else (),
                not_judged=draw(st.sampled_from(((), ("test: too few",)))) if ran else (),
            )
        )
    ref = DatasetRef(split="train", fingerprint="sha256:0", num_rows=10)
    return AuditReport(datasets=(ref,), results=tuple(results))


def decide(report, policy):
    return judge(report, policy, today=TODAY).decision


def in_force(policy):
    return [rule for rule in policy.rules if policy.intent.commercial or not rule.only_if_commercial]


def changed(report, i, result):
    return replace(report, results=(*report.results[:i], result, *report.results[i + 1 :]))


def names_of(result):
    measured = (*result.measurements, *(item.measurement for item in result.findings))
    return {item.name.partition(" (")[0] for item in measured}


@given(reports(), policies, findings, st.data())
def test_one_more_finding_never_helps(report, policy, extra, data):
    assume(report.results)
    i = data.draw(st.integers(0, len(report.results) - 1))
    old = report.results[i]
    waited_for = {rule.measurement for rule in policy.rules if rule.code == old.code} - names_of(old)
    # what a rule named in vain is measured by it for the first time
    assume(extra.measurement.name.partition(" (")[0] not in waited_for)
    grown = replace(old, findings=(*old.findings, replace(extra, code=old.code)))
    assert ORDER[decide(changed(report, i, grown), policy)] >= ORDER[decide(report, policy)]


@given(reports(), policies, values, st.data())
def test_a_larger_measurement_never_helps(report, policy, more, data):
    places = [
        (i, kind, k)
        for i, result in enumerate(report.results)
        for kind in ("findings", "measurements")
        for k in range(len(getattr(result, kind)))
    ]
    assume(places)
    i, kind, k = data.draw(st.sampled_from(places))
    items = list(getattr(report.results[i], kind))
    if kind == "findings":
        measured = items[k].measurement
        items[k] = replace(items[k], measurement=replace(measured, value=measured.value + more))
    else:
        items[k] = replace(items[k], value=items[k].value + more)
    grown = changed(report, i, replace(report.results[i], **{kind: tuple(items)}))
    assert ORDER[decide(grown, policy)] >= ORDER[decide(report, policy)]


@given(reports(), policies, st.data())
def test_what_it_means_to_leave_a_check_out(report, policy, data):
    """Required: block. Named by a rule: no pass. Named by none, which nobody misses: a block is still no pass."""
    assume(report.results)
    gone = data.draw(st.sampled_from(report.results))
    after = decide(replace(report, results=tuple(item for item in report.results if item is not gone)), policy)
    named = [rule for rule in in_force(policy) if rule.code == gone.code]
    if any(rule.required for rule in named):
        assert after == "block"
    if named:
        assert after != "pass"
    if decide(report, policy) == "block":
        assert after != "pass"


@given(reports(), policies, st.sampled_from(("skipped", "errored")), st.data())
def test_a_required_check_that_did_not_run_blocks(report, policy, status, data):
    assume(report.results)
    i = data.draw(st.integers(0, len(report.results) - 1))
    failed = replace(report.results[i], status=status, findings=(), measurements=(), not_judged=())
    after = decide(changed(report, i, failed), policy)
    if any(rule.required for rule in in_force(policy) if rule.code == failed.code):
        assert after == "block"
    if status == "errored":
        assert after != "pass"


@given(reports(), policies)
def test_waivers_excuse_their_code_and_scope_alone(report, policy):
    verdict = judge(report, policy, today=TODAY)
    bare = judge(report, replace(policy, waivers=()), today=TODAY)
    assert len(verdict.outcomes) == len(bare.outcomes)
    for with_waivers, without in zip(verdict.outcomes, bare.outcomes, strict=True):
        if with_waivers.decision == without.decision:
            continue
        (used,) = with_waivers.waived_by
        assert with_waivers.decision == "pass"
        assert used in policy.waivers
        assert used.code == with_waivers.code
        assert used.code not in policy.cannot_waive
        assert used.owner != used.approver
        assert used.created != "2028-01-01"
        assert used.expires == "2030-01-01"
        place = with_waivers.observed.rpartition(" in ")[2]
        assert used.scope in ("*", place, place.partition("/")[0])
    told = {item.waiver for item in used_waivers(verdict)}
    assert told | set(unused_waivers(policy, verdict)) == set(policy.waivers)
    assert told.isdisjoint(unused_waivers(policy, verdict))


@given(reports(), policies, st.randoms(use_true_random=False))
def test_no_order_matters_for_the_decision(report, policy, random):
    def shuffled(items):
        return tuple(random.sample(items, len(items)))

    results = (replace(item, findings=shuffled(item.findings)) for item in report.results)
    mixed = replace(report, results=shuffled(tuple(results)))
    other = replace(policy, rules=shuffled(policy.rules), waivers=shuffled(policy.waivers))
    assert decide(mixed, other) == decide(report, policy)


@given(reports(), policies)
def test_json_keeps_policy_and_verdict(report, policy):
    assert Policy.from_dict(policy.to_dict()) == policy
    verdict = judge(report, policy, today=TODAY)
    assert Verdict.from_dict(verdict.to_dict()) == verdict
    assert verdict.policy_digest == Policy.from_dict(policy.to_dict()).digest
    assert ORDER[verdict.decision] == max((ORDER[item.decision] for item in verdict.outcomes), default=0)


# ---- files ----------------------------------------------------------------------------------------------

STANDARD = tomllib.loads(shipped_text("standard"))
KEYS = sorted({*STANDARD, *STANDARD["intent"], *STANDARD["rules"][0], "overlay", "waivers", "x"})
scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from((*CODES, "block", "L3", ""))
)
nonsense = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


def toml(value):
    """Return ``value`` as inline TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items() if item is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value if item is not None) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)


@given(st.dictionaries(st.sampled_from(KEYS), nonsense, max_size=5))
@example({"rules": [{"code": "DUP001"}], "name": "x", "intent": {"commercial": False}})
def test_a_file_is_read_or_refused_and_never_crashes(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "policy.toml"
    path.write_text("".join(f"{key} = {toml(item)}\n" for key, item in data.items() if item is not None))
    policy, problems = examine_policy(path, TODAY)
    assert policy is not None or problems
    if problems:
        with pytest.raises(PolicyError) as refused:
            load_policy(path, today=TODAY)
        assert problems[0] in str(refused.value)
    else:
        assert load_policy(path, today=TODAY) == policy


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", newline="")
    policy, problems = examine_policy(path, TODAY)
    assert policy is None
    assert problems


@given(st.sampled_from(CODES), st.floats(0.0, 1.0))
def test_shipped_levels_judge_ever_more_strictly(code, value):
    measured = Measurement(name="m", value=value, unit="fraction")
    found = Finding(code=code, title="t", split="train", measurement=measured, total_rows=1)
    ref = DatasetRef(split="train", fingerprint="sha256:0", num_rows=10)
    required = [rule.code for rule in load_policy("strict", today=TODAY).rules]
    results = tuple(CheckResult(code=other, status="ran", findings=(found,) * (other == code)) for other in required)
    decisions = [
        decide(AuditReport(datasets=(ref,), results=results), load_policy(each, today=TODAY)) for each in LEVELS
    ]
    assert [ORDER[item] for item in decisions] == sorted(ORDER[item] for item in decisions)

"""Judging is total and errs on the side of asking; a policy file that says nonsense is refused."""

from __future__ import annotations

import datetime
import itertools
import json
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits import PolicyError, judge, load_policy, run_audit
from audits.findings import AuditReport, CheckResult, Columns, DatasetRef, Finding, Measurement, NotJudged
from audits.formats import formats
from audits.policy import LEVELS, Intent, Policy, Rule, Verdict, Waiver
from audits.policy_files import known_codes
from audits.source import AuditSource

TODAY = datetime.date(2026, 6, 1)
ORDER = {"pass": 0, "review": 1, "block": 2}
CODES = ("DUP001", "LEAK001", "LIC001")


def finding(code, value, split="train", column=None, unit="fraction"):
    measured = Measurement(name="m", value=value, unit=unit)
    return Finding(code=code, title="t", split=split, column=column, measurement=measured, total_rows=1)


def result(code, *found, status="ran", reason=""):
    return CheckResult(code=code, status=status, findings=tuple(found), reason=reason)


def report(*results):
    ref = DatasetRef(split="train", fingerprint="sha256:0", num_rows=10)
    return AuditReport(datasets=(ref,), results=results)


def policy(*rules, waivers=(), commercial=True):
    return Policy(name="p", rules=rules, waivers=tuple(waivers), intent=Intent(commercial=commercial))


def waiver(code="DUP001", **changes):
    told = {"reason": "known", "owner": "ann", "approver": "bob", "expires": "2026-12-31", **changes}
    return Waiver(code=code, **told)


def decide(the_report, the_policy):
    return judge(the_report, the_policy, today=TODAY).decision


def test_thresholds():
    rule = Rule(code="DUP001", allowed=0.1, decision="review")
    assert decide(report(result("DUP001", finding("DUP001", 0.1))), policy(rule)) == "pass"
    assert decide(report(result("DUP001", finding("DUP001", 0.11))), policy(rule)) == "review"
    both = policy(rule, Rule(code="DUP001", allowed=0.5, decision="block"))
    assert decide(report(result("DUP001", finding("DUP001", 0.6))), both) == "block"
    assert decide(report(result("DUP001", finding("DUP001", 0.4))), both) == "review"


def test_outcomes_say_what_was_observed_and_allowed():
    verdict = judge(
        report(result("DUP001", finding("DUP001", 0.125, column="text"), finding("DUP001", 1234567, unit="rows"))),
        policy(Rule(code="DUP001", allowed=0.1, decision="review")),
        today=TODAY,
    )
    assert [o.observed for o in verdict.outcomes] == ["12.5 % in train/text", "1,234,567 rows in train"]
    assert [o.allowed for o in verdict.outcomes] == ["10 %", "0.1 rows"]
    assert Verdict.from_dict(verdict.to_dict()) == verdict


def test_the_unit_is_that_of_the_findings_and_not_of_what_is_measured_beside_them():
    rows, part = (Measurement(name="m", value=0, unit=unit) for unit in ("rows", "fraction"))
    clean = tuple(
        CheckResult(code=code, status="ran", measurements=measured)
        for code, measured in (("PAIR002", (rows, part)), ("LIC002", (rows,)), ("OWN001", (rows, part)), ("DUP001", ()))
    )
    rules = [Rule(code=code, allowed=0.05) for code in ("PAIR002", "LIC002", "OWN001", "DUP001")]
    assert [o.allowed for o in judge(report(*clean), policy(*rules), today=TODAY).outcomes] == [
        *("5 %", "0.05 rows", "0.05", "5 %")
    ]
    skipped = [result(rule.code, status="skipped", reason="why") for rule in rules]
    assert [o.allowed for o in judge(report(*skipped), policy(*rules), today=TODAY).outcomes] == [
        *("5 %", "0.05 rows", "not judged", "5 %")
    ]


def test_every_shipped_rule_is_shown_with_a_unit():
    for level in LEVELS:
        shipped = load_policy(level, today=TODAY)
        skipped = (result(rule.code, status="skipped", reason="why") for rule in shipped.rules)
        told = judge(report(*skipped), shipped, today=TODAY).outcomes
        assert {o.allowed.split()[-1] for o in told} <= {"%", "rows", "checked"}


@pytest.mark.parametrize("status", ["skipped", "errored", None])
def test_a_required_check_that_did_not_run_blocks(status):
    results = [] if status is None else [result("DUP001", status=status, reason="why")]
    verdict = judge(report(*results), policy(Rule(code="DUP001", required=True)), today=TODAY)
    assert verdict.decision == "block"
    assert "not checked" in verdict.outcomes[0].observed


def test_a_check_that_is_not_required():
    rules = policy(Rule(code="DUP001"))
    assert decide(report(result("DUP001", status="skipped", reason="why")), rules) == "pass"
    assert decide(report(result("DUP001", status="errored", reason="why")), rules) == "review"
    assert decide(report(), rules) == "review"
    skipped = judge(report(result("DUP001", status="skipped", reason="why")), rules, today=TODAY)
    assert skipped.outcomes[0].observed == "not checked (skipped: why)"


def test_what_no_rule_covers_is_reviewed():
    rules = policy(Rule(code="DUP001"))
    clean = result("DUP001")
    assert decide(report(clean, result("NEW001")), rules) == "pass"
    assert decide(report(clean, result("NEW001", finding("NEW001", 0.0))), rules) == "review"
    assert decide(report(clean, result("NEW001", status="errored")), rules) == "review"
    assert decide(report(clean, result("NEW001", status="skipped")), rules) == "pass"
    assert decide(report(clean), policy()) == "review"


def test_rules_for_commercial_use():
    rule = Rule(code="LIC001", only_if_commercial=True, required=True)
    bad = report(result("LIC001", finding("LIC001", 3, unit="rows")))
    assert decide(bad, policy(rule)) == "block"
    assert decide(bad, policy(rule, commercial=False)) == "pass"
    assert decide(report(result("LIC001", status="errored")), policy(rule, commercial=False)) == "review"


@pytest.mark.parametrize(
    ("scope", "decision"),
    [("*", "pass"), ("train", "pass"), ("train/text", "pass"), ("test", "block"), ("train/x", "block")],
)
def test_the_scope_of_a_waiver(scope, decision):
    bad = report(result("DUP001", finding("DUP001", 0.9, column="text")))
    verdict = judge(bad, policy(Rule(code="DUP001"), waivers=[waiver(scope=scope)]), today=TODAY)
    assert verdict.decision == decision
    if decision == "pass":
        assert verdict.outcomes[0].waiver == "known (owner ann, approved by bob, until 2026-12-31)"


@pytest.mark.parametrize(
    "change",
    [
        {"expires": "2026-05-31"},
        {"expires": "soon"},
        {"owner": " "},
        {"approver": ""},
        {"approver": " ANN"},
        {"reason": ""},
    ],
)
def test_a_waiver_that_does_not_hold(change, tmp_path):
    broken = waiver(**change)
    bad = report(result("DUP001", finding("DUP001", 0.9)))
    verdict = judge(bad, policy(Rule(code="DUP001"), waivers=[broken]), today=TODAY)
    assert verdict.decision == "block"
    assert "not honoured: the waiver for DUP001" in verdict.outcomes[0].waiver
    assert decide(bad, policy(Rule(code="DUP001"), waivers=[broken, waiver()])) == "pass"
    fields = "\n".join(f'{key} = "{value}"' for key, value in broken.to_dict().items())
    path = tmp_path / "p.toml"
    path.write_text(f'name = "p"\n[[rules]]\ncode = "DUP001"\n[[waivers]]\n{fields}\n')
    with pytest.raises(PolicyError, match="the waiver for DUP001"):
        load_policy(path, today=TODAY)


def test_a_waiver_excuses_no_missing_check():
    rules = policy(Rule(code="DUP001", required=True), waivers=[waiver()])
    assert decide(report(result("DUP001", status="skipped")), rules) == "block"


def test_auditing_again_gives_the_same_verdict():
    rules = policy(Rule(code="DUP001"))
    first = report(result("DUP001", finding("DUP001", 0.0)))
    later = replace(first, results=tuple(replace(r, seconds=9.0) for r in first.results))
    assert judge(first, rules, today=TODAY) == judge(later, rules, today=TODAY)


findings = st.builds(
    finding,
    code=st.sampled_from((*CODES, "NEW001")),
    value=st.floats(0, 1) | st.integers(0, 50),
    split=st.sampled_from(("train", "test")),
    column=st.none() | st.just("text"),
)
rules = st.builds(
    Rule,
    code=st.sampled_from(CODES),
    allowed=st.sampled_from((0.0, 0.5)),
    decision=st.sampled_from(("review", "block")),
    required=st.booleans(),
    only_if_commercial=st.booleans(),
)
waivers = st.builds(
    waiver,
    code=st.sampled_from(CODES),
    scope=st.sampled_from(("*", "train", "test/text")),
    expires=st.sampled_from(("2020-01-01", "2030-01-01", "?")),
)
policies = st.builds(
    lambda r, w, c: policy(*r, waivers=w, commercial=c),
    st.lists(rules, max_size=5),
    st.lists(waivers, max_size=2),
    st.booleans(),
)


@st.composite
def reports(draw):
    chosen = draw(st.lists(st.sampled_from((*CODES, "NEW001")), unique=True))
    results = []
    for code in chosen:
        status = draw(st.sampled_from(("ran", "ran", "skipped", "errored")))
        found = draw(st.lists(findings, max_size=3)) if status == "ran" else []
        results.append(result(code, *(replace(f, code=code) for f in found), status=status))
    return report(*results)


@given(reports(), policies, findings, st.data())
def test_one_more_finding_never_helps(the_report, the_policy, extra, data):
    if not the_report.results:
        return
    i = data.draw(st.integers(0, len(the_report.results) - 1))
    old = the_report.results[i]
    grown = replace(old, findings=(*old.findings, replace(extra, code=old.code)))
    results = (*the_report.results[:i], grown, *the_report.results[i + 1 :])
    after = decide(replace(the_report, results=results), the_policy)
    assert ORDER[after] >= ORDER[decide(the_report, the_policy)]


@given(reports(), policies, st.data())
def test_leaving_a_check_out_never_turns_block_into_pass(the_report, the_policy, data):
    if decide(the_report, the_policy) != "block":
        return
    gone = data.draw(st.sampled_from(the_report.results) if the_report.results else st.none())
    rest = tuple(r for r in the_report.results if r is not gone)
    assert decide(replace(the_report, results=rest), the_policy) != "pass"


@given(reports(), policies)
def test_a_failing_check_never_passes(the_report, the_policy):
    if any(r.status == "errored" for r in the_report.results):
        assert decide(the_report, the_policy) != "pass"


def test_shipped_levels_grow_stricter():
    loaded = [load_policy(level) for level in LEVELS]
    assert [p.name for p in loaded] == list(LEVELS)
    for softer, harder in itertools.pairwise(loaded):
        before = {rule.code: rule for rule in softer.rules}
        after = {rule.code: rule for rule in harder.rules}
        assert set(before) == set(after)
        for code, rule in before.items():
            assert after[code].allowed <= rule.allowed
            assert ORDER[after[code].decision] >= ORDER[rule.decision]
            assert after[code].required >= rule.required
            assert after[code].only_if_commercial == rule.only_if_commercial
    assert load_policy() == load_policy("standard")
    assert Policy.from_dict(loaded[1].to_dict()) == loaded[1]
    assert {rule.code for rule in loaded[0].rules} <= known_codes()


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_checked_never_passes(level):
    assert decide(report(), load_policy(level)) == "block"


RULE = '[[rules]]\ncode = "DUP001"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "no valid TOML"),
        ('name = "x"\n', r"no \[\[rules\]\]"),
        (RULE, "the keys name too"),
        (f'name = "x"\ncolour = "red"\n{RULE}', "colour"),
        (f'name = "x"\n{RULE}alowed = 1\n', "alowed"),
        (f'name = "x"\n{RULE}allowed = "much"\n', r"Policy\.rules\[0\]\.allowed"),
        (f'name = "x"\n{RULE}allowed = nan\n', "a finite number"),
        (f'name = "x"\n{RULE}allowed = -1\n', "must be 0 or more"),
        (f'name = "x"\n{RULE}decision = "pass"\n', "'review' or 'block'"),
        (f'name = "x"\n{RULE}required = 1\n', "required"),
        (f'name = "x"\n{RULE}{RULE}', "two rules that block on DUP001"),
        ('name = "x"\n[[rules]]\ncode = "DUP01"\n', "unknown check DUP01; near it are DUP001"),
        (f'name = "x"\n[intent]\ncommercial = "no"\n{RULE}', r"Policy\.intent\.commercial"),
        (f'name = "x"\n{RULE}[[waivers]]\ncode = "DUP001"\n', "the keys approver, expires, owner, reason too"),
    ],
)
def test_a_file_that_says_nonsense(tmp_path, text, words):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=words) as error:
        load_policy(path)
    assert str(path) in str(error.value)


def test_a_good_file(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        f'name = "ours"\n[intent]\ncommercial = false\n{RULE}allowed = 1\nrequired = true\n'
        '[[waivers]]\ncode = "DUP001"\nscope = "train"\nreason = "r"\nowner = "a"\n'
        'approver = "b"\nexpires = 2026-06-01\n'
    )
    loaded = load_policy(str(path), today=TODAY)
    assert loaded.rules == (Rule(code="DUP001", allowed=1, required=True),)
    assert loaded.intent.commercial is False
    assert loaded.waivers[0].scope == "train"


def test_a_policy_that_is_not_there(tmp_path):
    with pytest.raises(PolicyError, match=r"one of permissive, standard, strict\. Did you mean `standard`"):
        load_policy("standart")
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(PolicyError, match="no UTF-8"):
        load_policy(tmp_path / "x.toml")
    with pytest.raises(PolicyError, match="can not be read"):
        load_policy(tmp_path)


class Partly:
    """Judges some splits."""

    code = "TEST001"
    needs: tuple[str, ...] = ()

    def __init__(self, *splits):
        self.splits = splits

    def run(self, source, context):
        """Say so."""
        for split in self.splits:
            yield NotJudged("too many classes", split)
        yield Measurement(name="rows", value=0, unit="rows")


@pytest.mark.parametrize(
    ("splits", "status", "decisions"),
    [
        ((), "ran", ("pass", "pass")),
        (("test",), "ran", ("pass", "block")),
        (("train", "test"), "skipped", ("pass", "block")),
        ((None,), "skipped", ("pass", "block")),
    ],
)
def test_what_was_not_judged_is_no_pass(splits, status, decisions):
    tables = {"train": pa.table({"text": ["a b"]}), "test": pa.table({"text": ["c d"]})}
    source = AuditSource(tables=tables, columns=Columns(text="text"))
    the_report = run_audit(source, checks=[Partly(*splits)])
    (found,) = the_report.results
    assert found.status == status
    for required, decision in zip((False, True), decisions, strict=True):
        verdict = judge(the_report, policy(Rule(code="TEST001", required=required)))
        assert verdict.decision == decision
        assert any(not outcome.checked for outcome in verdict.outcomes) == bool(splits)
        for name in ("text", "markdown"):
            lines = formats()[name].render(the_report, verdict).splitlines()
            (row,) = [line for line in lines if line.startswith(("TEST001", "| TEST001"))]
            assert (" pass" in row) == (not splits)
        told = json.loads(formats()["json"].render(the_report, verdict))["outcomes"]
        assert all(item["checked"] for item in told) == (not splits)

"""Judging is total and errs on the side of asking; a policy file that says nonsense is refused."""

from __future__ import annotations

import datetime
import itertools
import json
from dataclasses import fields, replace

import pyarrow as pa
import pytest

from audits import PolicyError, judge, load_policy, run_audit
from audits.findings import AuditReport, CheckResult, Columns, DatasetRef, Finding, Measurement, NotJudged
from audits.formats import formats
from audits.licenses.analysis import LicenseAnalysis, RuleResult
from audits.licenses.inputs import LicensedInput
from audits.licenses.rules import RULES
from audits.policy import (
    LEVELS,
    RULE_CODES,
    Intent,
    LicenseRule,
    Policy,
    Rule,
    Verdict,
    Waiver,
    age_problem,
    unused_waivers,
    used_waivers,
)
from audits.policy_files import examine_policy, known_codes, shipped_text
from audits.source import AuditSource
from audits.waivers import misplaced

TODAY = datetime.date(2026, 6, 1)
ORDER = {"pass": 0, "review": 1, "block": 2}


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
        assert harder.single_reviewer <= softer.single_reviewer
        assert 1 <= harder.approval_days <= softer.approval_days
        assert 1 <= harder.max_audit_age_days <= softer.max_audit_age_days
        assert set(softer.cannot_waive) <= set(harder.cannot_waive)
        assert ORDER[harder.licenses.undetermined] >= ORDER[softer.licenses.undetermined]
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
        (f'name = "x"\n{RULE}alowed = 1\n', "did you mean `allowed` for `alowed`"),
        (f'name = "x"\n[intent]\ncomercial = true\n{RULE}', "did you mean `commercial` for `comercial`"),
        (f'name = "x"\n[intent]\ndistribution = "publik"\n{RULE}', r"intent\.distribution.*'hosted' or 'public'"),
        (f'name = "x"\n[intent]\noutgoing_license = "apach-2.0"\n{RULE}', r"outgoing_license.*near: Apache-2\.0"),
        (f'name = "x"\n[intent]\noutgoing_data_license = "cc"\n{RULE}', "outgoing_data_license.*ambiguous"),
        (
            f'name = "x"\n[intent]\nterritory = ["Germany"]\n{RULE}',
            "'Germany' is no place that is known here; near it are DE",
        ),
        (f'name = "x"\n[intent]\naccepted = {{"a/b" = ""}}\n{RULE}', "accepted.*'a/b'"),
        (f'name = " "\n{RULE}', r"`Policy\.name` is empty"),
        (f'name = "x"\nmax_audit_age_days = 0\n{RULE}', r"max_audit_age_days` is 0; it must be from 1"),
        (f'name = "x"\napproval_days = 1.5\n{RULE}', r"approval_days.*an integer"),
        (f'name = "x"\ncannot_waive = ["DUP01"]\n{RULE}', "unknown check DUP01; near it are DUP001"),
        (f'name = "x"\n[licenses]\nundetermined = "pass"\n{RULE}', r"licenses\.undetermined.*'review' or 'block'"),
        (
            f'name = "x"\n[[licenses.rules]]\ncode = "L33"\nconflict = "block"\n{RULE}',
            "unknown check L33; near it are L3",
        ),
        (f'name = "x"\n[[licenses.rules]]\ncode = "L3"\n{RULE}', "L3 says nothing; give it `conflict`"),
        ('name = "x"\n[[rules]]\ncode = "L3"\ndecision = "block"\n', r"write \[\[licenses\.rules\]\]"),
        (f'name = "x"\n[licenses]\noverlay = 3\n{RULE}', r"licenses\.overlay` is 3"),
        (f'name = "x"\n[licenses]\noverlay = "none.toml"\n{RULE}', r"overlay `none\.toml`: the file can not be read"),
        (f'name = "x"\n{RULE}measurement = " "\n', "an empty `measurement`"),
        (
            f'name = "x"\ncannot_waive = ["L1"]\n[[licenses.rules]]\ncode = "L1"\nconflict = "pass"\n{RULE}',
            r"L1 lets a conflict pass .*, and nobody is named for it: that is a waiver\..*write \[\[waivers",
        ),
        (
            f'name = "x"\n[[licenses.rules]]\ncode = "L13"\nundetermined = "pass"\n{RULE}',
            "L13 lets an open question pass .*that is a waiver",
        ),
        (
            f'name = "x"\n[[licenses.rules]]\ncode = "L18"\nconflict = "pass"\n{RULE}',
            "L18 lets a conflict pass .*that is a waiver",
        ),
        (
            f'name = "x"\ncannot_waive = ["L18"]\n[[licenses.rules]]\ncode = "L18"\nundetermined = "pass"\n{RULE}',
            "L18 can not be waived, yet its license rule lets it pass",
        ),
        (f'name = "standard"\n{RULE}', "the name of a shipped policy, and it says something else.*rename it"),
        (f'name = " Strict"\n{RULE}', 'rename it, e.g. name = "ours, from strict"'),
        (f'name = "x"\n{RULE}allowed = 5\n', r"DUP001 allows 5, which is a fraction.*write 0\.05 for 5 %"),
        (
            'name = "x"\n[[rules]]\ncode = "TEXT006"\nmeasurement = "texts with invisible characters"\nallowed = 2\n',
            "TEXT006 allows 2 of “texts with invisible characters”, which is a fraction",
        ),
        (
            'name = "x"\n[[rules]]\ncode = "PAIR002"\nmeasurement = "rows that share one positive, largest grup"\n',
            "which it does not measure; near it: “rows that share one positive, largest group”",
        ),
        (
            'name = "x"\n[[rules]]\ncode = "LEAK001"\nmeasurement = "rows of test with matches in train"\n',
            "near it: “rows of … with a match in …”",
        ),
        (
            f'name = "x"\ncannot_waive = ["DUP001"]\n{RULE}[[waivers]]\ncode = "DUP001"\nreason = "r"\n'
            'owner = "a"\napprover = "b"\nexpires = 2099-01-01\n',
            "waives DUP001, which stands in its own `cannot_waive`",
        ),
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


def test_all_problems_of_a_file_are_told_at_once(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        'nam = "x"\napproval_days = "x"\n[intent]\ncomercial = true\n'
        f'{RULE}alowed = 1\n[[rules]]\ncode = "DUP02"\n[[rules]]\ncode = "PAIR001"\nallowed = -1\n'
    )
    read, problems = examine_policy(path, TODAY)
    assert read is None
    told = "\n".join(problems)
    for words in (
        "`name` for `nam`",
        "the keys name too",
        "approval_days",
        "comercial",
        "alowed",
        "DUP02",
        "allows -1",
    ):
        assert words in told
    with pytest.raises(PolicyError, match=rf"{len(problems) - 1} more stand in it"):
        load_policy(path)


def test_what_is_told_beside_what_is_misspelt_is_examined_too(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        'name = "strict"\ncannot_waive = ["SEC001", "DUP01", 3]\n[licenses]\nundetermind = "block"\n'
        '[[licenses.rules]]\ncode = "L33"\nconflct = "block"\n[[licenses.rules]]\ncode = "L1"\nconflict = "pass"\n'
        '[[waivers]]\ncode = "SEC001"\nowner = "Ann"\napprover = "ann"\nexpires = 2020-01-01\nscop = "train"\n'
        '[[waivers]]\ncode = "DUP0O1"\n[[waivers]]\nexpires = 2020-02-02\n'
        '[[rules]]\ncode = "PAIR002"\nallowed = 3\nmeasurment = "x"\n[[rules]]\ncode = "PAIR002"\nallowed = 0.5\n'
        "[[rules]]\nallowed = -2\n"
    )
    read, problems = examine_policy(path, TODAY)
    assert read is None
    told = "\n".join(problems)
    for words in (
        "`undetermined` for `undetermind`",
        "`conflict` for `conflct`",
        "`scope` for `scop`",
        "`measurement` for `measurment`",
        "unknown check L33",
        "unknown check DUP01;",
        "unknown check DUP0O1",
        "L1 lets a conflict pass",
        "the waiver for SEC001 is approved by its own owner",
        "the waiver for SEC001 expired on 2020-01-01",
        "the waiver for (no code) expired on 2020-02-02",
        "it waives SEC001, which stands in its own `cannot_waive`",
        "PAIR002 allows 3",
        "(no code) allows -2",
        "the name of a shipped policy",
    ):
        assert words in told, words
    # what a misspelt key would have told is not held to be missing, or there twice
    for words in ("says nothing", "two rules", "unknown check (no code)", "has no reason"):
        assert words not in told, words


def test_a_file_that_says_what_a_shipped_policy_says_may_have_its_name(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(shipped_text("strict"))
    assert load_policy(path).digest == load_policy("strict").digest
    path.write_text(shipped_text("strict").replace("single_reviewer = false", "single_reviewer = true"))
    with pytest.raises(PolicyError, match="rename it"):
        load_policy(path)


def test_the_note_of_l18_may_stay_a_note(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(f'name = "x"\n[[licenses.rules]]\ncode = "L18"\nundetermined = "pass"\n{RULE}')
    assert load_policy(path).licenses.rule("L18").undetermined == "pass"


def test_no_shipped_license_rule_passes_what_nobody_signed():
    for level in LEVELS:
        for rule in load_policy(level).licenses.rules:
            assert rule.conflict != "pass"
            assert rule.undetermined != "pass" or rule.code == "L18"


def test_every_axis_of_the_intent_and_license_rules_are_read(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        'name = "ours"\nsingle_reviewer = false\ncannot_waive = ["L1", "SEC001"]\n[intent]\ncommercial = false\n'
        'distribution = "hosted"\nships = "adapter"\nship_rows = true\noutgoing_license = "LicenseRef-ours"\n'
        'outgoing_data_license = "cc-by-4.0"\nterritory = ["EU", "CH"]\ndatabase_offer = "https://example.org/pairs"\n'
        'model_kind = "language-model"\n'
        '[intent.accepted]\n"org/model" = "Ada, 2026-01-02"\n'
        '[licenses]\nundetermined = "block"\n[[licenses.rules]]\ncode = "L3"\nconflict = "block"\n' + RULE
    )
    loaded = load_policy(path, today=TODAY)
    assert {field.name for field in fields(Intent)} == set(loaded.intent.to_dict())
    assert all(getattr(loaded.intent, f.name) != getattr(Intent(), f.name) for f in fields(Intent))
    assert loaded.licenses.rule("L3").conflict == "block"
    assert loaded.licenses.rule("L4") == LicenseRule(code="L4")
    assert (loaded.single_reviewer, loaded.cannot_waive) == (False, ("L1", "SEC001"))


def test_the_license_rules_are_known_by_the_codes_that_they_have():
    assert tuple(rule.code for rule in RULES) == RULE_CODES
    assert set(RULE_CODES) <= known_codes()


def test_an_overlay_is_part_of_the_policy(tmp_path):
    path, overlay = tmp_path / "p.toml", tmp_path / "company.toml"
    path.write_text(f'name = "ours"\n[licenses]\noverlay = "company.toml"\n{RULE}')
    position = '[[position]]\nlicense = "MIT"\ndecision = "{}"\nreason = "r"\nby = "b"\ndate = 2026-01-01\n'
    overlay.write_text(position.format("review"))
    loaded = load_policy(path, today=TODAY)
    assert loaded.licenses.overlay.positions[0].decision == "review"
    assert Policy.from_dict(loaded.to_dict()) == loaded
    overlay.write_text(position.format("block"))
    assert load_policy(path, today=TODAY).digest != loaded.digest
    overlay.write_text(position.format("blok"))
    with pytest.raises(PolicyError, match=r"its overlay `company\.toml`: `position\[0\]\.decision`"):
        load_policy(path, today=TODAY)


def measured(name, value, unit="rows"):
    return Measurement(name=name, value=value, unit=unit)


def test_a_threshold_for_one_of_several_measurements():
    group = Rule(code="PAIR002", measurement="Largest  group", allowed=5, decision="review")
    own = Rule(code="PAIR002", allowed=0.5)

    def paired(*sizes):
        names = ("largest group (train)", "largest group (test, text)")
        beside = tuple(measured(name, size) for name, size in zip(names, sizes, strict=False))
        return report(CheckResult(code="PAIR002", status="ran", measurements=beside))

    assert decide(paired(5, 5), policy(own, group)) == "pass"
    assert decide(paired(5, 6), policy(own, group)) == "review"
    outcome = judge(paired(5, 6), policy(group), today=TODAY).outcomes[1]
    assert (outcome.observed, outcome.allowed) == ("6 rows in test/text", "5 rows")
    assert outcome.rule == "more than 5 rows (Largest  group): review"
    for scope, decision in (("test", "pass"), ("test/text", "pass"), ("*", "pass"), ("train", "review")):
        excused = policy(own, group, waivers=[waiver("PAIR002", scope=scope)])
        assert decide(paired(5, 6), excused) == decision
    # of a finding too, by its name; what it measures has then no rule of its own
    found = replace(finding("PAIR002", 6, unit="rows"), measurement=measured("largest group (train)", 6))
    assert decide(report(result("PAIR002", found)), policy(own, group)) == "block"
    assert decide(report(result("PAIR002", found)), policy(group)) == "review"
    other = replace(found, measurement=measured("share", 0.0))
    assert decide(
        report(replace(result("PAIR002", other), measurements=(measured("largest group", 0),))), policy(group)
    ) == ("review")


def test_a_measurement_that_the_check_did_not_take_is_no_pass():
    told = report(CheckResult(code="PAIR002", status="ran", measurements=(measured("largest group (train)", 1),)))
    for required, decision in ((False, "review"), (True, "block")):
        verdict = judge(told, policy(Rule(code="PAIR002", measurement="larges group", required=required)), today=TODAY)
        assert verdict.decision == decision
        assert "it measured largest group" in verdict.outcomes[0].observed
        assert not verdict.outcomes[0].checked


def test_a_number_that_is_none_is_not_allowed():
    from audits.judging import _judge_measurement, _Measured

    item = _Measured(measured("m", float("nan")), "train", ("train",))
    assert _judge_measurement(Rule(code="DUP001", allowed=5), item, frozenset(), policy(), TODAY).decision == "block"


def test_a_waiver_holds_from_the_day_that_it_was_made(tmp_path):
    bad = report(result("DUP001", finding("DUP001", 0.9)))
    rules = policy(Rule(code="DUP001"), waivers=[waiver(created="2026-06-01")])
    assert judge(bad, rules, today=TODAY).decision == "pass"
    early = judge(bad, rules, today=TODAY - datetime.timedelta(days=1))
    assert early.decision == "block"
    assert "created on 2026-06-01, which is after today" in early.outcomes[0].waiver
    assert judge(bad, rules, today=datetime.date(2026, 12, 31)).decision == "pass"
    assert judge(bad, rules, today=datetime.date(2027, 1, 1)).decision == "block"
    path = tmp_path / "p.toml"
    entry = '[[waivers]]\ncode = "DUP001"\nreason = "r"\nowner = "a"\napprover = "b"\nexpires = 2026-12-31\n'
    path.write_text(f'name = "p"\n{RULE}{entry}created = 2026-06-02\n')
    assert load_policy(path, today=TODAY).waivers[0].created == "2026-06-02"
    path.write_text(f'name = "p"\n{RULE}{entry}created = 2027-06-02\n')
    with pytest.raises(PolicyError, match="after the day 2026-12-31 on which it expires"):
        load_policy(path, today=TODAY)


def test_a_code_that_can_not_be_waived():
    bad = report(result("DUP001", finding("DUP001", 0.9)))
    rules = replace(policy(Rule(code="DUP001"), waivers=[waiver()]), cannot_waive=("DUP001",))
    verdict = judge(bad, rules, today=TODAY)
    assert verdict.decision == "block"
    assert verdict.outcomes[0].waiver == "not honoured: DUP001 can not be waived under this policy"
    assert used_waivers(verdict) == ()
    assert unused_waivers(rules, verdict) == rules.waivers


def test_used_and_unused_waivers_are_told():
    used, idle = waiver(scope="train"), waiver("LEAK001")
    rules = policy(Rule(code="DUP001"), Rule(code="LEAK001"), waivers=[used, idle])
    bad = report(result("DUP001", finding("DUP001", 0.9, column="a"), finding("DUP001", 0.8)), result("LEAK001"))
    verdict = judge(bad, rules, today=TODAY)
    (told,) = used_waivers(verdict)
    assert (told.waiver, told.observed) == (used, ("90 % in train/a", "80 % in train"))
    assert unused_waivers(rules, verdict) == (idle,)
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_a_waiver_for_a_place_that_is_not_there_is_told_near_ones():
    told = replace(
        report(result("DUP001", finding("DUP001", 0.9, split="extra", column="body"))), columns=Columns(text="text")
    )
    for scope in ("*", "train", "train/text", "extra", "extra/body", "train/body"):
        assert misplaced(waiver(scope=scope), report=told) is None
    said = misplaced(waiver(scope="trian"), report=told)
    assert "the waiver for DUP001 has the scope `trian`, which is no split and no split/column" in said
    assert "did you mean `train` for `trian`; it excuses nothing" in said
    assert "did you mean `train/text` for `train/txt`" in misplaced(waiver(scope="train/txt"), report=told)
    assert "did you mean" not in misplaced(waiver(scope="zzz"), report=told)
    # without what it would be looked for in, nothing is said
    assert misplaced(waiver(scope="trian")) is None


def test_a_waiver_for_an_input_that_is_not_there_is_told_near_ones():
    names = ["lab/pairs", *(f"lab/other-{i}" for i in range(20))]
    inputs = tuple(LicensedInput(name=name, role="training", kind="dataset", license="MIT") for name in names)
    results = (RuleResult(code="L1", title="t", result="conflict", decision="block", inputs=("rows: x",)),)
    analysis = LicenseAnalysis(
        decision="block", results=results, obligations=(), inputs=inputs, intent=Intent(), facts_date=""
    )
    for scope in ("*", "lab/pairs", "rows: x"):
        assert misplaced(waiver("L1", scope=scope), analysis=analysis) is None
    said = misplaced(waiver("L1", scope="lab/pair"), analysis=analysis, report=report())
    assert "which is no input of the license analysis; did you mean `lab/pairs` for `lab/pair`" in said
    assert "and 12 more" in said
    assert misplaced(waiver("L1", scope="lab/pair"), report=report()) is None
    assert misplaced(waiver("DUP001", scope="trian"), analysis=analysis) is None


@pytest.mark.parametrize(
    ("audited_at", "words"),
    [
        ("2026-05-02", None),
        ("2026-05-02T23:59:59+00:00", None),
        ("2026-05-01", "31 days old; the policy p allows audits of at most 30 days"),
        ("2026-05-01T23:00:00-05:00", None),
        ("2026-06-02", None),
        ("2026-06-03", "after today"),
        ("", "not known"),
        ("yesterday", "not known"),
    ],
)
def test_the_age_of_an_audit(audited_at, words):
    limited = replace(policy(), max_audit_age_days=30)
    problem = age_problem(audited_at, limited, TODAY)
    assert problem is None if words is None else words in problem
    assert age_problem(audited_at, policy(), TODAY) is None


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


def test_a_rule_may_be_milder_on_splits_that_are_only_measured_with():
    def judged(split, others=("train",), **changes):
        measured = Measurement(name="rows", value=3, unit="rows")
        finding = Finding(code="LIC001", title="t", split=split, measurement=measured, total_rows=3)
        refs = tuple(DatasetRef(split=name, fingerprint="sha256:0", num_rows=3) for name in {split, *others})
        report = AuditReport(datasets=refs, results=(CheckResult(code="LIC001", status="ran", findings=(finding,)),))
        rule = Rule(code="LIC001", decision="block", **changes)
        return judge(report, Policy(name="p", rules=(rule,))).decision

    assert judged("test", measured_with="review") == "review"
    assert judged("train", measured_with="review") == "block"
    assert judged("testimony", measured_with="review") == "block"
    assert judged("test") == "block"
    assert judged("test", others=(), measured_with="review") == "block"  # what else would be trained on?

"""The table [versions] of a policy, and waivers for the code VERSION."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audits.errors import PolicyError
from audits.policy import LEVELS, VERSION_CODE, Outcome, VersionPolicy, load_policy
from audits.policy_files import examine_policy, known_codes
from audits.waivers import misplaced

TODAY = datetime.date(2026, 6, 1)
RULE = '[[rules]]\ncode = "DUP001"\nallowed = 0.25\n'
WAIVER = f'[[waivers]]\ncode = "{VERSION_CODE}"\nreason = "r"\nowner = "a"\napprover = "b"\nexpires = 2026-12-31\n'
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "p.toml"
        path.write_text(f'name = "p"\n{text}')
        return path

    return write


def test_the_shipped_policies_grow_stricter():
    found = [load_policy(level).versions for level in LEVELS]
    assert [(item.regression, item.unchecked, item.inconclusive) for item in found] == [
        ("review", "pass", "pass"),
        ("review", "pass", "pass"),
        ("block", "review", "review"),
    ]
    order = ["pass", "review", "block"].index
    for milder, stricter in itertools.pairwise(found):
        assert order(milder.regression) <= order(stricter.regression)
        assert order(milder.unchecked) <= order(stricter.unchecked)
        assert order(milder.inconclusive) <= order(stricter.inconclusive)
        assert milder.margin >= stricter.margin


def test_without_the_table_the_defaults_hold(written: Callable[[str], Path]):
    assert load_policy(written(RULE), today=TODAY).versions == VersionPolicy()
    told = load_policy(written(f'[versions]\nregression = "block"\nmargin = 0\n{RULE}'), today=TODAY).versions
    assert told == VersionPolicy(regression="block", margin=0)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("margin = -0.1", "`Policy.versions.margin` is -0.1; it must be from 0 to 1"),
        ("margin = 1.5", "`Policy.versions.margin` is 1.5"),
        ("margin = nan", "margin"),
        ('regression = "pass"', "names nobody for it: that is a waiver"),
        ('regression = "warn"', "Policy.versions.regression"),
        ('unchecked = "skip"', "Policy.versions.unchecked"),
        ('inconclusive = "skip"', "Policy.versions.inconclusive"),
        ("marign = 0.1", "did you mean `margin` for `marign`"),
    ],
)
def test_a_table_that_makes_no_sense(written: Callable[[str], Path], table: str, told: str):
    path = written(f"[versions]\n{table}\n{RULE}")
    with pytest.raises(PolicyError) as caught:
        load_policy(path, today=TODAY)
    assert told in str(caught.value)
    assert any(told in problem for problem in examine_policy(path, TODAY)[1])


def test_a_rule_among_those_of_checks_is_sent_to_its_table(written: Callable[[str], Path]):
    problems = examine_policy(written(f'{RULE}[[rules]]\ncode = "{VERSION_CODE}"\n'), TODAY)[1]
    (problem,) = problems
    assert "write [versions] with regression, unchecked, inconclusive and margin" in problem


def test_the_code_can_be_waived_or_not(written: Callable[[str], Path]):
    assert VERSION_CODE in known_codes()
    (waiver,) = load_policy(written(RULE + WAIVER), today=TODAY).waivers
    assert waiver.scope == "*"
    for scope in ("*", "me/model", "me/model@v1"):
        assert misplaced(replace(waiver, scope=scope)) is None
    with pytest.raises(PolicyError, match=r"it waives VERSION, which stands in its own `cannot_waive`"):
        load_policy(written(f'cannot_waive = ["{VERSION_CODE}"]\n{RULE}{WAIVER}'), today=TODAY)
    with pytest.raises(PolicyError, match='name a repository, or "\\*" for all'):
        load_policy(written(f'{RULE}{WAIVER}scope = " "\n'), today=TODAY)


def test_a_pass_that_rests_on_nothing_is_no_statement():
    def outcome(observed: str) -> Outcome:
        return Outcome(code=VERSION_CODE, decision="pass", rule="r", observed=observed, allowed="a")

    assert not outcome("not compared: no data").checked
    assert outcome("ndcg@10 +0.0100 [0.0000, 0.0200] on 40 queries against v1").checked


def test_explain_says_what_a_new_version_means(run_cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)
    code, _, err = run_cli("policy", "explain", "strict")
    assert code == 0
    assert "A new version (VERSION) against the one that is published" in err
    code, _, err = run_cli("policy", "explain", "strict", "version")
    assert code == 0
    assert "0.01 of the primary metric, with its whole interval" in err
    assert "License rules" not in err
    assert "No waiver for VERSION" in err

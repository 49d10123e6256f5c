"""Approvals: bound to verdict, policy and files, and the gate says why one does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from audits.findings import AuditReport, CheckResult, Columns, DatasetRef, Finding, Measurement
from audits.policy import Approval, Policy, Rule, judge, load_policy
from hf_contrastive.errors import PushBlocked
from hf_contrastive.release.approvals import (
    ApprovalError,
    approve,
    approve_evidence,
    binding_problem,
    read_approval,
    subject_digest,
)
from hf_contrastive.release.gate import awaits_review, check
from hf_contrastive.release.plan import contents
from hf_contrastive.release.preparing import prepare
from model_cards.approvals import days_of, problem_on_its_day
from model_cards.evidence import Evidence, Statement

TODAY = date(2026, 6, 1)
NAMED = {"by": "Ada", "role": "counsel", "reason": "read it"}
PARTLY = Policy(name="p", rules=(Rule(code="DUP001", allowed=0.1, decision="review"),))
ALONE = replace(PARTLY, single_reviewer=False, approval_days=30)


def report(value: float = 0.5) -> AuditReport:
    measured = Measurement(name="m", value=value, unit="fraction")
    found = Finding(code="DUP001", title="t", split="train", measurement=measured, total_rows=1)
    ref = DatasetRef(split="train", fingerprint="sha256:0", num_rows=10)
    results = (CheckResult(code="DUP001", status="ran", findings=(found,)),)
    return AuditReport(datasets=(ref,), columns=Columns(text="text"), results=results)


def judged(policy: Policy = PARTLY, value: float = 0.5, **told: Any) -> Evidence:
    audit = report(value)
    verdict = judge(audit, policy, today=TODAY)
    return Evidence(model_name="m", repo_id="local/m", audit=audit, policy=policy, verdict=verdict, **told)


def problem(approval: Approval, evidence: Evidence, today: date = TODAY) -> str | None:
    assert evidence.verdict is not None
    return binding_problem(approval, evidence, evidence.verdict, today)


# ---- on the day of an evidence --------------------------------------------------------------------------


def given_at(moment: str, **told: Any) -> tuple[Approval, Evidence]:
    """A yes of that moment, and what it is for."""
    evidence = judged(**told)
    approval = approve_evidence(evidence, **NAMED, today=TODAY, expires="2026-06-02")
    return replace(approval, created_at=moment), evidence


@pytest.mark.parametrize(
    ("given", "made", "words"),
    [
        # approved a minute before midnight and pushed a minute after, and the other way round
        ("2026-06-01T23:59:00+00:00", "2026-06-02T00:01:00+00:00", None),
        ("2026-06-02T00:01:00+00:00", "2026-06-01T23:59:00+00:00", None),
        ("2026-06-02T01:59:00+02:00", "2026-06-01T23:59:59+00:00", None),
        # the last day of the yes is over when the evidence is made, or began before it
        ("2026-06-01T23:59:00+00:00", "2026-06-03T00:01:00+00:00", "it expired on 2026-06-02"),
        ("2026-06-01T12:00:00+00:00", "2026-06-02T23:59:00+00:00", None),
        # two days later no midnight explains
        ("2026-06-03T00:01:00+00:00", "2026-06-01T23:59:00+00:00", "it was given on 2026-06-03, after today"),
        # nobody knows when: no day of it can be wrong
        ("2026-06-01T12:00:00+00:00", "", None),
    ],
)
def test_an_approval_and_its_evidence_on_two_sides_of_midnight(given: str, made: str, words: str | None):
    approval, evidence = given_at(given)
    found = problem_on_its_day(approval, replace(evidence, created_at=made, approvals=(approval,)))
    assert (found is None) == (words is None), found
    assert words is None or found.startswith(words)


def test_an_evidence_without_a_date_is_of_the_day_of_its_audit():
    evidence = replace(judged(), audit=replace(report(), audited_at="2026-06-01T23:59:00+00:00"))
    assert days_of(evidence) == (date(2026, 6, 1), date(2026, 6, 2))
    assert days_of(replace(evidence, created_at="2026-07-01")) == (date(2026, 7, 1), date(2026, 7, 2))
    assert days_of(replace(evidence, created_at="9999-12-31")) == (date.max,)
    assert days_of(judged()) == ()


# ---- giving ---------------------------------------------------------------------------------------------


def test_an_approval_is_bound_to_what_was_shown():
    evidence = judged()
    approval = approve_evidence(evidence, today=TODAY, **NAMED)
    assert (approval.by, approval.role, approval.reason) == ("Ada", "counsel", "read it")
    assert approval.verdict_digest == evidence.verdict.digest
    assert approval.policy_digest == PARTLY.digest
    assert approval.plan_digest == subject_digest(evidence)
    assert problem(approval, evidence) is None


@pytest.mark.parametrize(
    ("days", "expires", "given"),
    [
        (None, None, "2026-07-01"),
        (10, None, "2026-06-11"),
        (10, "2026-06-11", "2026-06-11"),
        (None, "2030-01-01", "2030-01-01"),
        (10, "2026-06-01", "2026-06-01"),
    ],
)
def test_how_long_an_approval_lasts(days: int | None, expires: str | None, given: str):
    evidence = judged(replace(PARTLY, approval_days=days))
    assert approve_evidence(evidence, expires=expires, today=TODAY, **NAMED).expires == given


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expires": "2026-05-31"}, "over"),
        ({"expires": "soon"}, "no date; write it as in 2026-07-01"),
        ({"expires": "20260701"}, "no date"),
        ({"expires": "2026-07-02"}, "lets an approval last 30 days, until 2026-07-01"),
        ({"by": " "}, "`by` is empty"),
        ({"role": ""}, "`role` is empty"),
        ({"reason": "\n"}, "`reason` is empty"),
    ],
)
def test_what_is_no_approval(change: dict[str, str], words: str):
    with pytest.raises(ApprovalError, match=words):
        approve_evidence(judged(ALONE), today=TODAY, **{**NAMED, **change})


def test_what_can_not_be_approved():
    blocks = Policy(name="p", rules=(Rule(code="DUP001"),))
    for evidence, words in (
        (judged(value=0.0), "The verdict is pass"),
        (judged(blocks), "block because of DUP001: no approval lifts a block"),
        (replace(judged(), verdict=None), "no verdict"),
        (replace(judged(), policy=ALONE), "another audit or policy"),
        (replace(judged(), audit=report(0.6)), "another audit or policy"),
    ):
        with pytest.raises(ApprovalError, match=words):
            approve_evidence(evidence, today=TODAY, **NAMED)


# ---- reading --------------------------------------------------------------------------------------------


def test_an_approval_is_read_as_it_was_written(tmp_path: Path):
    approval = approve_evidence(judged(), today=TODAY, **NAMED)
    path = tmp_path / "approval.json"
    path.write_text(json.dumps(approval.to_dict()))
    assert read_approval(path, today=TODAY) == approval
    assert read_approval(tmp_path, today=TODAY) == approval
    assert read_approval(path, today=date(2026, 7, 1)) == approval
    with pytest.raises(ApprovalError, match="it expired on 2026-07-01"):
        read_approval(path, today=date(2026, 7, 2))


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {name: value for name, value in data.items() if name != key}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: "{", "no JSON"),
        (lambda data: "[" * 100_000, "no JSON"),
        (lambda data: [data], "of the documented shape"),
        (lambda data: {**data, "expire": "x"}, "did you mean `expires` for `expire`"),
        (without("plan_digest"), "the keys plan_digest too"),
        (lambda data: {**data, "by": 3}, r"Approval\.by"),
        (lambda data: {**data, "by": ""}, "names nobody"),
        (lambda data: {**data, "expires": "soon"}, "no date"),
        (lambda data: {**data, "expires": "2026-05-31"}, "expired on 2026-05-31"),
    ],
)
def test_files_that_are_no_approval(tmp_path: Path, change: Callable[[Any], Any], words: str):
    path = tmp_path / "a.json"
    told = change(approve_evidence(judged(), today=TODAY, **NAMED).to_dict())
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    with pytest.raises(ApprovalError, match=words) as error:
        read_approval(path, today=TODAY)
    assert str(path) in str(error.value)
    assert "hf-contrastive approve" in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path):
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(ApprovalError, match="can not be read"):
            read_approval(path)
    (tmp_path / "b.json").write_bytes(b"\xff")
    with pytest.raises(ApprovalError, match="no JSON"):
        read_approval(tmp_path / "b.json")


# ---- binding --------------------------------------------------------------------------------------------


def test_why_an_approval_does_not_hold():
    evidence = judged(ALONE)
    approval = approve_evidence(evidence, today=TODAY, **NAMED)
    last = date.fromisoformat(approval.expires)
    assert problem(approval, evidence, last) is None
    assert problem(approval, evidence, last + timedelta(days=1)) == "it expired on 2026-07-01"
    assert problem(approval, judged(replace(ALONE, name="q"))) == "it was given under another policy"
    assert problem(approval, judged(ALONE, value=0.6)) == "it was given for another verdict"
    for other in (
        judged(ALONE, payload_digest="sha256:1"),
        judged(ALONE, license="mit"),
        judged(ALONE, statements=(Statement(key="x", text="y", origin="stated"),)),
    ):
        assert "it was given for other files" in problem(approval, other)
    assert problem(replace(approval, by=" "), evidence) == "it names nobody in `by`"
    assert "no date" in problem(replace(approval, expires="soon"), evidence)
    assert problem(approval, replace(evidence, created_at="2026-06-02", approvals=(approval,))) is None


def test_what_a_policy_asks_of_an_approval():
    evidence = judged(ALONE)
    approval = approve_evidence(evidence, today=TODAY, **NAMED)
    for change, words in (
        ({"role": ""}, "takes no name alone, and it has no role"),
        ({"role": "", "reason": " ", "expires": None}, "no role and no reason and no expires"),
        ({"expires": "2027-01-01"}, "longer than the 30 days"),
    ):
        assert words in problem(replace(approval, **change), evidence)
    name = approve(judged().verdict, subject_digest(judged()), by="Ada", today=TODAY)
    assert problem(name, judged()) is None
    short = approve(evidence.verdict, subject_digest(evidence), by="Ada", expires="2026-06-10", today=TODAY)
    assert "no role and no reason" in problem(short, evidence)


# ---- at the gate ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(save({"w": np.ones(3)}))
    return folder


def blocked(folder: Path, policy: Policy, *approvals: Approval, today: date | None = None, **told: Any) -> PushBlocked:
    evidence = Evidence(model_name="m", repo_id="local/m", audit=report(), approvals=approvals)
    plan, evidence, rendered = prepare(folder, evidence, policy, **told)
    with pytest.raises(PushBlocked) as caught:
        check(plan, evidence, contents(folder, rendered, plan), today=today)
    return caught.value


def prepared(folder: Path, policy: Policy) -> Evidence:
    return prepare(folder, Evidence(model_name="m", repo_id="local/m", audit=report()), policy)[1]


def test_the_gate_takes_an_approval_and_says_what_is_wrong_with_one(folder: Path):
    today = datetime.now(UTC).date()
    approval = approve_evidence(prepared(folder, ALONE), **NAMED)
    evidence = Evidence(model_name="m", repo_id="local/m", audit=report(), approvals=(approval,))
    plan, evidence, rendered = prepare(folder, evidence, ALONE)
    check(plan, evidence, contents(folder, rendered, plan))
    late = blocked(folder, ALONE, approval, today=today + timedelta(days=31))
    assert awaits_review(late)
    assert any(f"that of Ada does not hold: it expired on {approval.expires}" in line for line in late.problems)
    other = blocked(folder, replace(ALONE, approval_days=20), approval)
    assert awaits_review(other)
    assert any("it was given under another policy" in line for line in other.problems)
    (folder / "model.safetensors").write_bytes(save({"w": np.zeros(3)}))
    changed = blocked(folder, ALONE, approval)
    assert any("it was given for other files" in line for line in changed.problems)


def test_a_name_alone_where_the_policy_takes_none(folder: Path):
    refused = blocked(folder, ALONE, reviewed_by="Ada")
    assert awaits_review(refused)
    assert any("takes no name alone" in line for line in refused.problems)
    assert "--reviewed-by" not in refused.problems[-1]
    assert "--approval FILE" in refused.problems[-1]
    evidence = Evidence(model_name="m", repo_id="local/m", audit=report())
    plan, evidence, rendered = prepare(folder, evidence, PARTLY, reviewed_by="Ada")
    check(plan, evidence, contents(folder, rendered, plan))
    assert "--reviewed-by" in blocked(folder, PARTLY).problems[-1]


def test_a_block_does_not_await_review(folder: Path):
    blocks = Policy(name="p", rules=(Rule(code="DUP001"),))
    assert not awaits_review(blocked(folder, blocks, reviewed_by="Ada"))
    (folder / "evil.py").write_text("print()")
    assert not awaits_review(blocked(folder, PARTLY))


def test_the_strict_policy_takes_no_name_alone():
    assert load_policy("strict").single_reviewer is False
    assert load_policy("standard").single_reviewer is True

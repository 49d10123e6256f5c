"""``hf-contrastive approve``: a record of a named yes, where there is something to say yes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from audits.findings import AuditReport, CheckResult, Columns, DatasetRef, Finding, Measurement
from audits.policy import Approval, Policy, Rule, judge
from hf_contrastive.errors import PushBlocked
from hf_contrastive.release.approvals import read_approval
from hf_contrastive.release.gate import check
from hf_contrastive.release.plan import contents
from hf_contrastive.release.preparing import prepare
from hf_contrastive.release.report_folder import write_files
from model_cards.documents import evidence_json
from model_cards.evidence import Evidence

Cli = Callable[..., tuple[int, str, str]]
PERSON = ("--by", "Ada [x]", "--role", "counsel", "--reason", "read it")
REVIEWS = Policy(
    name="p", rules=(Rule(code="DUP001", allowed=0.1, decision="review"),), single_reviewer=False, approval_days=20
)


def report(value: float) -> AuditReport:
    measured = Measurement(name="m", value=value, unit="fraction")
    found = Finding(code="DUP001", title="t", split="train", measurement=measured, total_rows=1)
    ref = DatasetRef(split="train", fingerprint="sha256:0", num_rows=10)
    results = (CheckResult(code="DUP001", status="ran", findings=(found,)),)
    return AuditReport(datasets=(ref,), columns=Columns(text="text"), results=results)


def written(folder: Path, policy: Policy = REVIEWS, value: float = 0.5) -> Path:
    audit = report(value)
    evidence = Evidence(audit=audit, policy=policy, verdict=judge(audit, policy), payload_digest="sha256:0")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "evidence.json"
    path.write_text(evidence_json.render(evidence), encoding="utf-8")
    return path


def test_an_approval_is_written_beside_the_evidence(run_cli: Cli, tmp_path: Path):
    path = written(tmp_path / "report")
    code, out, err = run_cli("approve", "--verdict", path.parent, *PERSON)
    assert (code, out) == (0, "")
    for words in ("DUP001", "50 % in train", "10 %", "Ada [x] (counsel) approves 1 outcome(s)", "push --approval"):
        assert words in err
    assert "audit alone" not in err
    approval = read_approval(path.parent / "approval.json")
    evidence = evidence_json.read_evidence(path)
    assert approval.verdict_digest == evidence.verdict.digest
    assert approval.expires == str(datetime.now(UTC).date() + timedelta(days=20))


def test_the_file_itself_another_target_and_json(run_cli: Cli, tmp_path: Path):
    path = written(tmp_path)
    last = str(datetime.now(UTC).date() + timedelta(days=3))
    target = tmp_path / "kept" / "yes.json"
    code, out, _ = run_cli("approve", "--verdict", path, *PERSON, "--expires", last, "--out", target, "--json")
    assert code == 0
    assert Approval.from_dict(json.loads(out)) == read_approval(target)
    assert read_approval(target).expires == last
    assert not (tmp_path / "approval.json").exists()


@pytest.mark.parametrize(
    ("policy", "value", "code", "words"),
    [
        (REVIEWS, 0.0, 2, "The verdict is pass"),
        (Policy(name="p", rules=(Rule(code="DUP001"),)), 0.5, 1, "no approval lifts a block"),
    ],
)
def test_what_needs_none_and_what_gets_none(
    run_cli: Cli, tmp_path: Path, policy: Policy, value: float, code: int, words: str
):
    path = written(tmp_path, policy, value)
    ended, out, err = run_cli("approve", "--verdict", path, *PERSON, "--json")
    assert (ended, out) == (code, "")
    assert words in err
    assert not (tmp_path / "approval.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--by", "", "--role", "r", "--reason", "x"), "`by` is empty"),
        (("--by", "Ada", "--role", "r"), "--reason"),
        ((*PERSON, "--expires", "2020-01-01"), "over"),
        ((*PERSON, "--expires", "tomorrow"), "no date"),
        ((*PERSON, "--expires", "2999-01-01"), "lets an approval last 20 days"),
    ],
)
def test_what_is_no_approval(run_cli: Cli, tmp_path: Path, options: tuple[str, ...], words: str):
    path = written(tmp_path)
    code, _, err = run_cli("approve", "--verdict", path, *options)
    assert code == 2
    assert words in err
    assert sorted(item.name for item in tmp_path.iterdir()) == ["evidence.json"]


def test_evidence_that_can_not_be_used(run_cli: Cli, tmp_path: Path):
    code, _, err = run_cli("approve", "--verdict", tmp_path / "none", *PERSON)
    assert code == 2
    assert "can not be read" in err
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"review"', '"pass"'))
    code, _, err = run_cli("approve", "--verdict", path, *PERSON)
    assert code == 2
    assert "was changed after it was written" in err
    quoting = written(tmp_path / "report" / "with_excerpts")
    code, _, err = run_cli("approve", "--verdict", quoting, *PERSON)
    assert code == 2
    assert "not what is published" in err
    assert not (quoting.parent / "approval.json").exists()


def test_a_record_is_not_overwritten(run_cli: Cli, tmp_path: Path):
    path = written(tmp_path)
    assert run_cli("approve", "--verdict", path, *PERSON)[0] == 0
    before = (tmp_path / "approval.json").read_bytes()
    code, _, err = run_cli("approve", "--verdict", path, "--by", "Bob", "--role", "r", "--reason", "x")
    assert code == 2
    assert "an approval is a record" in err
    assert (tmp_path / "approval.json").read_bytes() == before


def test_an_audit_alone_is_told_from_a_push(run_cli: Cli, tmp_path: Path, permissive_rows: list[dict[str, str]]):
    data = tmp_path / "d.jsonl"
    rows = [*permissive_rows, *permissive_rows[:10]]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, _, err = run_cli("audit", data, "--out", tmp_path / "report", "--no-cache", "--no-self-test")
    assert code == 4, err
    code, _, err = run_cli("approve", "--verdict", tmp_path / "report", *PERSON)
    assert code == 0, err
    assert "of an audit alone" in err


def test_what_a_refused_push_left_is_approved_and_the_same_push_goes_through(run_cli: Cli, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(save({"w": np.ones(3)}))
    evidence = Evidence(model_name="m", repo_id="local/m", audit=report(0.5))
    plan, told, rendered = prepare(folder, evidence, REVIEWS)
    with pytest.raises(PushBlocked):
        check(plan, told, contents(folder, rendered, plan))
    write_files(rendered, tmp_path / "report")
    code, _, err = run_cli("approve", "--verdict", tmp_path / "report", *PERSON)
    assert code == 0, err
    approval = read_approval(tmp_path / "report" / "approval.json")
    plan, told, rendered = prepare(folder, replace(evidence, approvals=(approval,)), REVIEWS)
    check(plan, told, contents(folder, rendered, plan))
    assert "Ada" in rendered["README.md"].decode()

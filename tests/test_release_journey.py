"""From a refusal over an approval to a publication: what each step writes, and what a changed step is worth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from audits import load_policy
from hf_contrastive import push
from hf_contrastive.errors import ConfigurationError, PushBlocked
from hf_contrastive.history import Head, read, verify
from hf_contrastive.release.approvals import read_approval
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.sending.hub import PushReceipt

pytestmark = pytest.mark.usefixtures("rendered_once")

REPO = "local/journey"
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        yield running


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "history.jsonl"
    monkeypatch.setenv("HF_CONTRASTIVE_HISTORY", str(path))
    return path


@pytest.fixture
def trained(trained_folder: Callable[[Path], Path], tmp_path: Path) -> Path:
    return trained_folder(tmp_path / "trained" / "model")


@pytest.fixture
def publish(hub: LocalHub, trained: Path, permissive_file: Path) -> Callable[..., PushReceipt]:
    def run(**options: Any) -> PushReceipt:
        given = {"endpoint": hub.endpoint, "token": hub.token, "data": str(permissive_file), "policy": STRICTER}
        return push(trained, REPO, **given | options)

    return run


def stricter() -> Any:
    """Return the standard policy, which asks a person whatever the data."""
    from dataclasses import replace

    from audits.policy import Rule

    standard = load_policy("standard")
    return replace(standard, name="asks", rules=(*standard.rules, Rule(code="NONE001", decision="review")))


STRICTER = stricter()


def approve(run_cli: Cli, report: Path) -> Path:
    code, out, err = run_cli(
        "approve", "--verdict", report, "--by", "Ada", "--role", "counsel", "--reason", "looked at", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["by"] == "Ada"
    return report / "approval.json"


def test_the_whole_journey(publish: Any, run_cli: Cli, trained: Path, hub: LocalHub, history: Path):
    report = trained.parent / "report"
    with pytest.raises(PushBlocked, match="NONE001"):
        publish()
    assert {"evidence.json", "report.html", "NOTICE", "findings", "retrieved"} <= {p.name for p in report.iterdir()}
    approval = approve(run_cli, report)
    receipt = publish(approval=read_approval(approval))
    assert PushReceipt.from_dict(json.loads((report / "receipt.json").read_text())) == receipt
    kinds = [entry.kind for entry in read(history)]
    assert kinds == ["audit", "verdict", "approval", "audit", "verdict", "push"]
    assert verify(history, (Head.parse(receipt.history_head),)) == []
    code, out, err = run_cli("history", "--verify", "--receipt", report / "receipt.json", "--json")
    assert code == 0, err
    # the tag names the line before the push
    tag = HfApi(endpoint=hub.endpoint, token=hub.token).list_repo_refs(REPO).tags[0]
    assert tag.name == receipt.tag
    code, out, err = run_cli("affected", "--model", "base-owner/tiny", "--json")
    assert code == 0, err
    assert json.loads(out)["releases"][0]["repo_id"] == REPO


@pytest.mark.parametrize("change", [{"by": "Boss"}, {"expires": None}])
def test_an_approval_that_was_changed_by_hand_is_recorded_as_it_is(
    publish: Any, run_cli: Cli, trained: Path, history: Path, change: dict[str, Any]
):
    with pytest.raises(PushBlocked):
        publish()
    path = approve(run_cli, trained.parent / "report")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    publish(approval=read_approval(path))
    given = [entry.payload for entry in read(history) if entry.kind == "approval"]
    assert len(given) == 2  # what was approved, and what was shown
    assert all(given[1][key] == value for key, value in change.items())


def test_a_notice_that_was_added_since_leaves_the_record_of_the_training(publish: Any, trained: Path, history: Path):
    (trained / "NOTICE.txt").write_text("Mine.\n")
    with pytest.raises(PushBlocked) as caught:
        publish()
    assert "TRAINING" not in str(caught.value)


def test_a_notice_that_is_not_published_is_told(
    publish: Any, trained: Path, history: Path, caplog: pytest.LogCaptureFixture
):
    (trained / "NOTICE").write_text("What upstream says.\n")
    with pytest.raises(PushBlocked):
        publish()
    assert "NOTICE of model is not published: it is written anew" in caplog.text


def test_a_license_that_is_none_is_told_with_near_ones(publish: Any):
    with pytest.raises(ConfigurationError, match=r"'mitt', which names no license; near it are mit"):
        publish(license="mitt")


def test_a_path_in_a_column_of_licenses_is_not_published(
    hub: LocalHub, tiny_bert: Path, permissive_rows: list[dict[str, str]], tmp_path: Path, history: Path
):
    rows = [{**row, "license": "MIT; file /home/alice/private/LICENSE.txt"} for row in permissive_rows]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = tmp_path / "report"
    with pytest.raises(PushBlocked):
        push(tiny_bert, REPO, data=str(data), report_dir=report, endpoint=hub.endpoint, token=hub.token)
    for name in ("evidence.json", "report.html", "report.json", "README.md"):
        text = (report / name).read_text(encoding="utf-8")
        assert "/home/alice" not in text, name
    assert "/home/alice" not in history.read_text()


def test_a_refusal_is_one_document_too(
    hub: LocalHub, trained: Path, permissive_file: Path, history: Path, tmp_path: Path, run_cli: Cli, monkeypatch: Any
):
    from hf_contrastive.release.sending import hub as release_hub

    monkeypatch.setattr(release_hub, "HfApi", lambda **told: HfApi(**{**told, "endpoint": hub.endpoint}))
    monkeypatch.setenv("HF_TOKEN", hub.token)
    data = tmp_path / "other.jsonl"
    data.write_text(permissive_file.read_text().replace('"MIT"', '"CC-BY-NC-4.0"'))
    where = tmp_path / "papers"
    code, out, err = run_cli("push", trained, REPO, "--data", data, "--report-dir", where, "--json")
    told = json.loads(out)
    assert (code, told["decision"], told["report"]) == (1, "block", str(where))
    assert any("LIC001" in line for line in told["problems"])
    assert str(where / "report.html") in "".join(err.split("\n"))


def test_a_receipt_that_can_not_be_written_does_not_undo_the_push(
    publish: Any, trained: Path, history: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    from hf_contrastive.release import report_folder as module

    def full(files: Any, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_files", full)
    receipt = publish(policy=load_policy("standard"))
    assert receipt.tag == "v1"
    assert "its receipt could not be written" in caplog.text
    assert receipt.commit in caplog.text

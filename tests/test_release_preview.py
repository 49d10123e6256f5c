"""A dry run: the plan of the push that follows, what the Hub holds, what the gate says; and nothing is sent."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants

from audits.findings import AuditReport
from audits.policy import load_policy
from hf_contrastive import push
from hf_contrastive.cli.plan_tables import size_words
from hf_contrastive.release import publish as publishing
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.plan import PushPlan, is_document
from hf_contrastive.release.previews import Preview
from hf_contrastive.release.publish import publish
from hf_contrastive.release.push import preview
from hf_contrastive.release.sending.hub import PushReceipt
from model_cards.documents.evidence_json import read_evidence
from model_cards.evidence import Evidence

pytestmark = pytest.mark.usefixtures("rendered_once")

REPO = "local/model"
KEYS = {
    "decision", "verdict", "problems", "plan", "files", "deletions", "kept_out", "next_tag", "repository",
}  # fmt: skip
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        monkeypatch.setattr(publishing, "hub_api", lambda **told: HfApi(endpoint=running.endpoint, token=running.token))
        monkeypatch.setenv("HF_TOKEN", running.token)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.token)


@pytest.fixture(scope="module")
def data(permissive_report: AuditReport) -> AuditReport:
    return permissive_report


@pytest.fixture
def trained(trained_folder: Callable[[Path], Path], tmp_path: Path) -> Path:
    return trained_folder(tmp_path / "trained" / "model")


@pytest.fixture
def foreign(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "foreign" / "model"))


def stored(folder: Path) -> dict[str, str]:
    """Every file below ``folder`` with its digest."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def without_times(plan: PushPlan) -> PushPlan:
    """The plan without the digests that cover the time at which it was made."""
    files = tuple(replace(item, sha256="", size=0) if is_document(item.path) else item for item in plan.files)
    verdict = replace(plan.verdict, report_digest="") if plan.verdict is not None else None
    return replace(plan, files=files, evidence_digest="", card_digest="", verdict=verdict)


def test_the_plan_is_that_of_the_push_and_nothing_is_sent(
    trained: Path, data: AuditReport, hub: LocalHub, api: HfApi, tmp_path: Path
):
    known = read_evidence(trained / "evidence.json")
    evidence = replace(known, repo_id=REPO, audit=data, license="mit")
    history, before = tmp_path / "history.jsonl", stored(tmp_path / "hub")
    options: dict[str, Any] = {"api": api, "history": history, "commit_message": "First", "private": True}
    found = publishing.preview(trained, evidence, load_policy("standard"), **options)
    assert stored(tmp_path / "hub") == before
    assert not history.exists()
    assert (found.decision, found.verdict, found.problems) == ("pass", "pass", ())
    assert (found.repository.exists, found.next_tag, found.deletions) == (False, "v1", ())
    seen: list[PushPlan] = []
    receipt = publish(trained, evidence, load_policy("standard"), on_plan=seen.append, **options)
    # the same evidence: equal to the last byte
    assert seen == [found.plan]
    assert receipt.plan_digest == found.plan.digest
    assert receipt.tag == found.next_tag
    info = api.model_info(REPO, files_metadata=True)
    held = {item.rfilename: item.size for item in info.siblings if item.rfilename != ".gitattributes"}
    assert held == {line.path: line.size for line in found.files}
    assert Preview.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_dry_run_and_the_push_after_it_differ_in_times_alone(
    trained: Path, permissive_file: Path, hub: LocalHub, api: HfApi
):
    found = preview(trained, REPO, data=str(permissive_file))
    seen: list[PushPlan] = []
    push(trained, REPO, data=str(permissive_file), on_plan=seen.append)
    assert without_times(seen[0]) == without_times(found.plan)
    assert seen[0].content_digest == found.plan.content_digest


def test_files_are_told_with_size_digest_and_kind(trained: Path, data: AuditReport, hub: LocalHub):
    (trained / "LICENSE.md").write_text("Apache License\n")
    (trained / "training_args.bin").write_bytes(b"\x80\x04N.")
    (trained / "train.jsonl").write_text("{}")
    found = preview(trained, REPO, data=data)
    kinds = {line.path: line.kind for line in found.files}
    assert kinds["model.safetensors"] == kinds["adapter/adapter_config.json"] == "model"
    assert kinds["LICENSE.md"] == "legal"
    assert kinds["README.md"] == kinds["evidence.json"] == kinds["NOTICE"] == "document"
    assert kinds["LICENSES/MIT.txt"] == "license copy"
    for line in found.files:
        if line.kind in ("model", "legal"):
            raw = (trained / line.path).read_bytes()
            assert (line.size, line.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    kept = {item.path: item.reason for item in found.kept_out}
    assert "Hub token" in kept["training_args.bin"]
    assert kept["train.jsonl"] == "not a file of a model"


def test_what_the_repository_holds_is_told(trained: Path, data: AuditReport, hub: LocalHub, api: HfApi):
    first = push(trained, REPO, data=data)
    again = preview(trained, REPO, data=data)
    assert (again.repository.already_published, again.next_tag, again.deletions) == (True, first.tag, ())
    others = [CommitOperationAdd(name, b"old") for name in ("pytorch_model.bin", "2_Dense/config.json", "notes.txt")]
    api.create_commit(REPO, others, commit_message="By hand")
    api.create_tag(REPO, tag="v7")
    (trained / "modules.json").unlink()
    found = preview(trained, REPO, data=data)
    assert (found.repository.already_published, found.next_tag) == (False, "v8")
    assert set(found.deletions) >= {"pytorch_model.bin", "2_Dense/config.json", "modules.json"}
    assert "notes.txt" not in found.deletions
    before = set(api.list_repo_files(REPO))
    push(trained, REPO, data=data, reviewed_by="Ada")
    assert before - set(api.list_repo_files(REPO)) == set(found.deletions)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_hub_that_can_not_be_asked_is_told_as_unknown(
    trained: Path, data: AuditReport, hub: LocalHub, api: HfApi, monkeypatch: pytest.MonkeyPatch
):
    gone = HfApi(endpoint=f"http://127.0.0.1:{closed_port()}", token="hf_x")
    found = preview(trained, REPO, data=data, api=gone)
    assert (found.deletions, found.next_tag, found.repository.exists) == (None, None, None)
    assert found.repository.already_published is None
    assert "can not be reached" in found.repository.unknown
    # the base model's license could not be read either
    assert found.decision == "review"
    wrong = HfApi(endpoint=hub.endpoint, token="hf_wrong")
    assert "no valid token" in preview(trained, REPO, data=data, api=wrong).repository.unknown


def test_a_branch_that_is_not_there_is_told(trained: Path, data: AuditReport, hub: LocalHub, api: HfApi):
    api.create_repo(REPO)
    found = preview(trained, REPO, data=data, revision="nowhere")
    assert "has no branch `nowhere`; its branches are main; nothing was published" in found.repository.unknown


def test_a_closed_gate_is_told_with_every_reason(
    trained: Path, foreign: Path, data: AuditReport, hub: LocalHub, tmp_path: Path
):
    waiting = preview(foreign, REPO, data=data)
    assert (waiting.decision, waiting.verdict) == ("review", "review")
    assert any("trained elsewhere" in line for line in waiting.problems)
    approved = preview(foreign, REPO, data=data, reviewed_by="Ada")
    assert (approved.decision, approved.verdict, approved.problems) == ("pass", "review", ())
    (trained / "evil.py").write_text("print()")
    blocked = preview(trained, REPO, data=data)
    assert (blocked.decision, blocked.verdict) == ("block", "review")
    assert any("evil.py is code" in line for line in blocked.problems)
    # the report is there for whoever has to decide
    assert (trained.parent / "report" / "report.html").is_file()


def test_options_of_a_push_are_taken_and_others_are_not(
    trained: Path, data: AuditReport, hub: LocalHub, tmp_path: Path
):
    with pytest.raises(TypeError, match=r"unexpected keyword argument .comit_message"):
        preview(trained, REPO, data=data, comit_message="x")


def test_a_refusal_of_what_is_shown_stops_the_push(trained: Path, data: AuditReport, hub: LocalHub, tmp_path: Path):
    before = stored(tmp_path / "hub")

    def refuse(plan: PushPlan) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(trained, REPO, data=data, on_plan=refuse)
    assert stored(tmp_path / "hub") == before


@pytest.mark.parametrize("case", ["pass", "review", "block"])
def test_the_command_exits_as_the_gate_decides(
    run_cli: Cli, monkeypatch: pytest.MonkeyPatch, trained: Path, foreign: Path, permissive_file: Path, hub: LocalHub,
    tmp_path: Path, case: str,
):  # fmt: skip
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)
    monkeypatch.setenv("HF_CONTRASTIVE_HISTORY", str(tmp_path / "history.jsonl"))
    before = stored(tmp_path / "hub")
    folder = foreign if case == "review" else trained
    if case == "block":
        (folder / "weights").write_bytes(b"\x80\x04cposix\nsystem\n(S'ls'\ntR.")
    code, out, err = run_cli("push", folder, REPO, "--data", permissive_file, "--dry-run", "--json")
    assert code == {"pass": 0, "block": 1, "review": 4}[case], err
    told = json.loads(out)
    assert set(told) == KEYS
    assert told["decision"] == case
    assert told["next_tag"] == "v1"
    assert "nothing was sent" in err
    assert told["plan"]["files"][0]["sha256"] in err
    if case == "review":
        assert "hf-contrastive approve --verdict" in err
    if case == "block":
        assert any("import and call posix.system" in line for line in told["problems"])
    assert stored(tmp_path / "hub") == before
    assert not (tmp_path / "history.jsonl").exists()


@pytest.mark.parametrize("upstream", [False, True])
def test_a_refused_login_ends_the_dry_run_as_it_ends_the_push(
    run_cli: Cli, monkeypatch: pytest.MonkeyPatch, trained: Path, permissive_file: Path, hub: LocalHub, tiny_bert: Path,
    tmp_path: Path, upstream: bool,
):  # fmt: skip
    monkeypatch.setattr(publishing, "hub_api", lambda **told: HfApi(endpoint=hub.endpoint, token="hf_wrong"))
    cards = Path(shutil.copytree(tiny_bert, tmp_path / "cards" / "models" / "base-owner" / "tiny")).parents[2]
    common = ("push", trained, REPO, "--data", permissive_file, "--json")
    common += ("--upstream", cards) if upstream else ()
    code, out, err = run_cli(*common, "--dry-run")
    told = json.loads(out)
    assert code == 3
    assert told["repository"]["push_fails"] is True
    assert "hf auth login" in told["repository"]["unknown"]
    assert "hf-contrastive approve --verdict" not in err
    code, out, _ = run_cli(*common)
    assert (code, json.loads(out)["decision"]) == (3, None)
    # what is closed for another reason stays so
    (trained / "evil.py").write_text("print()")
    for more in ((), ("--dry-run",)):
        code, out, _ = run_cli(*common, *more)
        assert (code, json.loads(out)["decision"]) == (1, "block")


def test_an_approval_of_the_dry_run_holds_for_the_push(
    run_cli: Cli, foreign: Path, permissive_file: Path, hub: LocalHub, api: HfApi
):
    common = ("push", foreign, REPO, "--data", permissive_file)
    assert run_cli(*common, "--dry-run")[0] == 4
    report = foreign.parent / "report"
    named = ("--by", "Ada", "--role", "counsel", "--reason", "read it")
    assert run_cli("approve", "--verdict", report, *named)[0] == 0
    code, out, err = run_cli(*common, "--dry-run", "--approval", report, "--json")
    assert (code, json.loads(out)["decision"]) == (0, "pass"), err
    assert not api.repo_exists(REPO)
    code, out, err = run_cli(*common, "--approval", report, "--json")
    assert code == 0, err
    assert json.loads(out)["decision"] == "review"
    (approval,) = read_evidence(Path(api.hf_hub_download(REPO, "evidence.json", local_dir=report / "here"))).approvals
    assert (approval.by, approval.role) == ("Ada", "counsel")


def test_a_push_shows_its_plan_before_it_sends(
    run_cli: Cli, monkeypatch: pytest.MonkeyPatch, trained: Path, permissive_file: Path, hub: LocalHub
):
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)
    code, out, err = run_cli("push", trained, REPO, "--data", permissive_file, "--json")
    assert code == 0
    PushReceipt.from_dict(json.loads(out))
    assert err.index(f"Publishing to {REPO}") < err.index(f"Published {REPO} as v1")
    assert "model.safetensors" in err


def test_the_trainer_tells_what_it_would_publish(make_trainer: Any, hub: LocalHub, api: HfApi, tmp_path: Path):
    trainer = make_trainer(max_steps=1, hub_model_id=REPO, base_model_id="base-owner/tiny")
    trainer.train()
    before = stored(tmp_path / "hub")
    found = trainer.preview_push(api=api)
    assert found.plan.repo_id == REPO
    assert "model.safetensors" in {line.path for line in found.files}
    assert stored(tmp_path / "hub") == before
    assert trainer.push_receipt is None


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_499, "999 kB"), (999_500, "1 MB"), (2.5e9, "2.5 GB")],
)
def test_sizes_for_people(size: float, words: str):
    assert size_words(int(size)) == words


def test_without_an_audit_there_is_no_verdict(trained: Path, hub: LocalHub, api: HfApi):
    found = publishing.preview(trained, Evidence(model_name="m", repo_id=REPO), load_policy("standard"), api=api)
    assert (found.decision, found.verdict) == ("block", None)
    assert any("was not audited" in line for line in found.problems)

"""One commit with the plan and nothing else, against the local Hub; or an error and nothing changed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError

import audits
from audits.dates import utc_today
from audits.errors import PolicyError
from audits.findings import AuditReport
from audits.policy import Approval, Policy, load_policy
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer, push
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import ConfigurationError, ContrastiveError, HubError, PushBlocked
from hf_contrastive.release import publish as publishing
from hf_contrastive.release import rendering
from hf_contrastive.release.approvals import approve_evidence
from hf_contrastive.release.gate import awaits_review
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.plan import EmptyFolderError, contents
from hf_contrastive.release.preparing import prepare
from hf_contrastive.release.publish import publish
from hf_contrastive.release.push import preview
from hf_contrastive.release.redaction import without_excerpts
from hf_contrastive.release.sending import faults
from hf_contrastive.release.sending.hub import PushReceipt, push_plan
from hf_contrastive.release.token_counts import audit_options
from model_cards.documents.evidence_json import read_evidence
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence
from model_cards.validate import card_metadata

WRITTEN = (
    "bom.cdx.json",
    "README.md",
    "report.html",
    "report.json",
    "evidence.json",
    "training_args.json",
    "NOTICE",
    "LICENSES/MIT.txt",
)
REPO = "local/model"


pytestmark = pytest.mark.usefixtures("pushed_at_midnight")


def a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next push is made at another time than those before."""
    monkeypatch.setattr("hf_contrastive.release.push._now", lambda: f"{utc_today()}T00:00:01+00:00")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.token)


@pytest.fixture
def where(hub: LocalHub) -> dict[str, str]:
    return {"endpoint": hub.endpoint, "token": hub.token}


@pytest.fixture
def trained(trained_folder: Callable[[Path], Path], tmp_path: Path) -> Path:
    return trained_folder(tmp_path / "trained" / "model")


@pytest.fixture
def foreign(tiny_bert: Path, tmp_path: Path) -> Path:
    """A model that some other program saved with save_pretrained."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "foreign" / "model"))


def state(api: HfApi) -> dict[str, Any]:
    """All that a push could change."""
    found: dict[str, Any] = {"repositories": sorted(info.id for info in api.list_models(author="local"))}
    for repo in found["repositories"]:
        info, refs = api.model_info(repo, files_metadata=True), api.list_repo_refs(repo)
        files = {item.rfilename: item.blob_id for item in info.siblings}
        found[repo] = (info.sha, files, {tag.name: tag.target_commit for tag in refs.tags}, len(refs.branches))
    return found


def on_hub(api: HfApi, revision: str = "main") -> set[str]:
    return set(api.list_repo_files(REPO, revision=revision)) - {".gitattributes"}


def titles(api: HfApi) -> list[str]:
    return [commit.title for commit in api.list_repo_commits(REPO)]


def test_one_commit_holds_the_plan_and_nothing_else(
    trained: Path, permissive_file: Path, where: dict[str, str], api: HfApi, tmp_path: Path
):
    private = {"training_args.bin", "emissions.csv", "runs/events.out.tfevents.0", "notes.txt", "train.jsonl"}
    for name in private:
        (trained / name).parent.mkdir(exist_ok=True)
        (trained / name).write_bytes(b"private")
    receipt = push(trained, REPO, data=str(permissive_file), commit_message="First", **where)
    assert titles(api) == ["First", "initial commit"]
    assert (receipt.repo_id, receipt.tag, receipt.decision) == (REPO, "v1", "pass")
    assert receipt.commit == api.model_info(REPO).sha == api.list_repo_refs(REPO).tags[0].target_commit
    assert PushReceipt.from_dict(receipt.to_dict()) == receipt
    files = {path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file()}
    assert on_hub(api) == (files - private) | set(WRITTEN)
    here = Path(snapshot_download(REPO, **where, cache_dir=tmp_path / "cache"))
    for name in files - private - set(WRITTEN):
        assert (here / name).read_bytes() == (trained / name).read_bytes()
    evidence = read_evidence(here / "evidence.json", expected_digest=receipt.evidence_digest)
    assert evidence.training is not None
    assert evidence.verdict.decision == "pass"
    commit = api.list_repo_commits(REPO)[0]
    assert receipt.evidence_digest in commit.message
    assert receipt.plan_digest in commit.message
    assert {name: (trained.parent / "report" / name).read_bytes() for name in WRITTEN} == {
        name: (here / name).read_bytes() for name in WRITTEN
    }


def test_the_next_push_replaces_the_last_and_deletes_what_is_stale(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi
):
    first = push(trained, REPO, data=permissive_report, **where)
    add = CommitOperationAdd("pytorch_model.bin", b"old weights")
    theirs = {"sub/x.txt", "onnx/notes.txt", "LICENSE"}
    others = [CommitOperationAdd(name, b"theirs") for name in sorted(theirs)]
    api.create_commit(REPO, [add, *others], commit_message="By hand")
    shutil.rmtree(trained / "adapter")
    second = push(trained, REPO, data=permissive_report, reviewed_by="Ada", **where)
    assert (first.tag, second.tag) == ("v1", "v2")
    assert {"adapter/adapter_config.json"} <= on_hub(api, "v1") - on_hub(api)
    assert not on_hub(api) & {"pytorch_model.bin", "adapter/adapter_model.safetensors"}
    assert theirs <= on_hub(api)
    assert titles(api)[:2] == ["Add model, card and evidence", "By hand"]


def test_tags_go_on_from_the_highest(trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi):
    api.create_repo(REPO)
    for tag in ("v9", "v10", "v2-rc", "latest"):
        api.create_tag(REPO, tag=tag)
    assert push(trained, REPO, data=permissive_report, **where).tag == "v11"


class Meddling(HfApi):
    """A client beside which somebody else does something first."""

    def __init__(self, hub: LocalHub, **before: Callable[[HfApi], Any]) -> None:
        super().__init__(endpoint=hub.endpoint, token=hub.token)
        self._other, self._before = HfApi(endpoint=hub.endpoint, token=hub.token), before

    def _meddle(self, name: str) -> None:
        if name in self._before:
            self._before[name](self._other)

    def create_commit(self, *arguments: Any, **options: Any) -> Any:
        self._meddle("create_commit")
        return super().create_commit(*arguments, **options)

    def create_tag(self, *arguments: Any, **options: Any) -> Any:
        self._meddle("create_tag")
        return super().create_tag(*arguments, **options)


def test_a_concurrent_commit_wins_and_stays(trained: Path, permissive_report: AuditReport, hub: LocalHub, api: HfApi):
    others: list[str] = []

    def commit(other: HfApi) -> None:
        add = CommitOperationAdd("theirs.txt", b"theirs")
        others.append(other.create_commit(REPO, [add], commit_message="Theirs").oid)

    with pytest.raises(
        HubError, match=r"Somebody committed to local/model meanwhile; nothing was changed\. Push again"
    ):
        push(trained, REPO, data=permissive_report, api=Meddling(hub, create_commit=commit))
    assert api.model_info(REPO).sha == others[0]
    assert on_hub(api) == {"theirs.txt"}
    assert api.list_repo_refs(REPO).tags == []
    assert push(trained, REPO, data=permissive_report, api=api).tag == "v1"
    assert "theirs.txt" in on_hub(api)


def test_a_tag_that_another_push_took_first(trained: Path, permissive_report: AuditReport, hub: LocalHub, api: HfApi):
    taken = iter(["v1", "v2"])

    def take(other: HfApi) -> None:
        tag = next(taken, None)
        if tag:
            other.create_tag(REPO, tag=tag, revision=other.list_repo_commits(REPO)[-1].commit_id)

    receipt = push(trained, REPO, data=permissive_report, api=Meddling(hub, create_tag=take))
    assert receipt.tag == "v3"
    assert receipt.commit == api.model_info(REPO, revision="v3").sha


def test_a_commit_that_can_not_be_tagged_gives_its_receipt_and_is_tagged_by_the_next_push(
    trained: Path,
    permissive_report: AuditReport,
    hub: LocalHub,
    api: HfApi,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    def fail(other: HfApi) -> None:
        raise ConnectionResetError("gone")

    first = push(trained, REPO, data=permissive_report, api=Meddling(hub, create_tag=fail))
    assert (first.tag, first.commit) == ("", api.model_info(REPO).sha)
    assert "could not be tagged: gone" in caplog.text
    assert f"hf repos tag create {REPO} vN --revision {first.commit}" in caplog.text
    a_second_later(monkeypatch)
    second = push(trained, REPO, data=permissive_report, commit_message="Again", api=api)
    assert titles(api) == ["Add model, card and evidence", "initial commit"]
    assert second == replace(first, tag="v1", history_head=second.history_head, files=second.files)
    # those of the commit, whose documents were written by the first push
    assert set(second.files) == set(first.files)
    here = Path(api.hf_hub_download(REPO, "evidence.json", revision="v1", local_dir=trained.parent / "here"))
    read_evidence(here, expected_digest=second.evidence_digest)


def test_the_same_again_makes_no_second_commit_and_anything_else_does(
    trained: Path, permissive_file: Path, where: dict[str, str], api: HfApi, monkeypatch: pytest.MonkeyPatch
):
    first = push(trained, REPO, data=str(permissive_file), **where)
    # audited anew, at another time
    a_second_later(monkeypatch)
    again = push(trained, REPO, data=str(permissive_file), **where)
    assert again == replace(first, history_head=again.history_head, files=again.files)
    assert again.history_head != first.history_head  # each is recorded
    assert len(titles(api)) == 2
    assert [tag.name for tag in api.list_repo_refs(REPO).tags] == ["v1"]
    other = push(trained, REPO, data=str(permissive_file), license="apache-2.0", **where)
    assert (other.tag, len(titles(api))) == ("v2", 3)
    api.create_commit(REPO, [CommitOperationAdd("theirs.txt", b"theirs")], commit_message="Theirs")
    third = push(trained, REPO, data=str(permissive_file), license="apache-2.0", **where)
    assert (third.tag, third.commit, titles(api)[0]) == ("v2", other.commit, "Theirs")
    api.create_commit(REPO, [CommitOperationAdd("config.json", b"{}")], commit_message="Theirs too")
    fourth = push(trained, REPO, data=str(permissive_file), license="apache-2.0", **where)
    assert (fourth.tag, titles(api)[:2]) == ("v3", ["Add model, card and evidence", "Theirs too"])


def test_a_commit_that_copies_the_message_of_a_push_is_not_taken_for_one(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi
):
    push(trained, REPO, data=permissive_report, **where)
    message = api.list_repo_commits(REPO)[0].message
    card = Path(api.hf_hub_download(REPO, "README.md")).read_bytes()
    forged = [
        CommitOperationAdd("README.md", card + b"\nCertified; no limitations.\n"),
        CommitOperationAdd("report.html", b"<h1>All good</h1>"),
    ]
    title = "Add model, card and evidence"
    api.create_commit(REPO, forged, commit_message=title, commit_description=message)
    forged_commit = api.model_info(REPO).sha
    found = preview(trained, REPO, data=permissive_report, **where)
    assert (found.repository.already_published, found.next_tag) == (False, "v2")
    again = push(trained, REPO, data=permissive_report, **where)
    tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(REPO).tags}
    assert again.tag == "v2"
    assert forged_commit not in tags.values()
    assert b"Certified" not in Path(api.hf_hub_download(REPO, "README.md", revision="v2")).read_bytes()


@pytest.mark.parametrize("change", ["evidence gone", "other evidence", "a document more"])
def test_a_commit_is_recognised_by_what_lies_there(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi, change: str
):
    receipt = push(trained, REPO, data=permissive_report, **where)
    operation: Any = CommitOperationAdd("USE_RESTRICTIONS.md", b"None at all.\n")
    if change == "evidence gone":
        operation = CommitOperationDelete("evidence.json")
    elif change == "other evidence":
        text = Path(api.hf_hub_download(REPO, "evidence.json")).read_text()
        operation = CommitOperationAdd("evidence.json", text.replace('"pass"', '"review"').encode())
    message = api.list_repo_commits(REPO)[0].message
    api.create_commit(REPO, [operation], commit_message="x", commit_description=message)
    forged_commit = api.model_info(REPO).sha
    again = push(trained, REPO, data=permissive_report, **where)
    assert (again.tag, again.commit in (forged_commit, receipt.commit)) == ("v2", False)


def test_code_and_pickles_that_would_stay_beside_the_model_are_refused(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi
):
    stray = ["modeling_evil.py", "tf_model.h5", "0_Transformer/pytorch_model.bin", "onnx/model.onnx"]
    api.create_repo(REPO)
    others = [*stray, "checkpoint-1/optimizer.pt", "pytorch_model.bin", "notes.txt"]
    api.create_commit(REPO, [CommitOperationAdd(path, b"x") for path in others], commit_message="old")
    before = state(api)
    found = preview(trained, REPO, data=permissive_report, **where)
    assert found.decision == "block"
    assert found.repository.staying == tuple(sorted(stray))
    with pytest.raises(PushBlocked) as caught:
        push(trained, REPO, data=permissive_report, **where)
    assert caught.value.problems == found.problems
    assert all(path in caught.value.problems[0] for path in stray)
    assert state(api) == before
    for path in stray:
        api.delete_file(path, REPO, commit_message="tidy")
    assert push(trained, REPO, data=permissive_report, **where).tag == "v1"


def test_a_yes_that_nobody_needs_is_told(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], caplog: pytest.LogCaptureFixture
):
    yes = Approval(verdict_digest="sha256:v", plan_digest="sha256:p", policy_digest="sha256:q", by="Grace")
    preview(trained, REPO, data=permissive_report, approval=yes, **where)
    assert "The approval of Grace is not used and not recorded" in caplog.text


def test_what_is_for_internal_use_is_not_published_for_everybody(
    trained: Path, permissive_file: Path, where: dict[str, str], api: HfApi
):
    standard = load_policy("standard")
    policy = replace(standard, name="inside", intent=replace(standard.intent, distribution="internal"))
    options: dict[str, Any] = {"data": str(permissive_file), "policy": policy, **where}
    before = state(api)
    for private in (None, False):
        assert preview(trained, REPO, private=private, **options).decision == "block"
        with pytest.raises(PushBlocked, match="internal distribution"):
            push(trained, REPO, private=private, **options)
    assert state(api) == before
    assert preview(trained, REPO, private=True, **options).decision == "pass"
    assert push(trained, REPO, private=True, **options).tag == "v1"
    assert api.model_info(REPO).private
    # one that is there is what it is, whatever is asked for
    api.update_repo_settings(REPO, private=False)
    assert preview(trained, REPO, private=True, **options).decision == "block"
    with pytest.raises(PushBlocked, match="is public"):
        push(trained, REPO, private=True, **options)


@pytest.mark.parametrize("fault", ["commit", "branch"])
@pytest.mark.parametrize("existing", [False, True])
def test_an_empty_repository_that_stays_is_named(
    trained: Path, permissive_report: AuditReport, hub: LocalHub, api: HfApi, fault: str, existing: bool
):
    def fail(other: HfApi) -> None:
        other.create_commit(REPO, [CommitOperationAdd("../x", b"")], commit_message="m")

    if existing:
        api.create_repo(REPO)
    options = {"api": Meddling(hub, create_commit=fail)} if fault == "commit" else {"api": api, "revision": "nowhere"}
    with pytest.raises(HubError) as caught:
        push(trained, REPO, data=permissive_report, **options)
    assert (f"The empty repository {REPO} was created and stays." in str(caught.value)) != existing
    assert on_hub(api) == set()


def test_a_connection_that_fails_before_the_commit_is_sent_publishes_nothing(
    trained: Path, permissive_report: AuditReport, hub: LocalHub, api: HfApi
):
    def fail(other: HfApi) -> None:
        raise ConnectionResetError("gone")

    with pytest.raises(HubError, match=r"can not be reached \(gone\); nothing was published\. Check") as caught:
        push(trained, REPO, data=permissive_report, api=Meddling(hub, create_commit=fail))
    assert "The empty repository local/model was created and stays." in str(caught.value)


def test_a_file_that_changes_behind_the_gate_is_not_sent(foreign: Path, permissive_report: AuditReport, api: HfApi):
    evidence = Evidence(model_name="m", repo_id=REPO, audit=permissive_report)
    plan, _, rendered = prepare(foreign, evidence, load_policy("standard"), reviewed_by="Ada")
    (foreign / "config.json").write_text("{}")
    with pytest.raises(HubError, match=r"config\.json changed while it was being published"):
        push_plan(plan, contents(foreign, rendered, plan), api=api, commit_message="m")
    assert state(api) == {"repositories": []}


class Counted:
    """A stream that notes when it was read to its end."""

    def __init__(self, stream: Any, events: list[str]) -> None:
        self.stream, self.events, self.read_so_far = stream, events, 0

    def __enter__(self) -> Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def read(self, *told: Any) -> Any:
        raw = self.stream.read(*told)
        self.read_so_far += len(raw)
        if raw and self.read_so_far == os.fstat(self.stream.fileno()).st_size:
            self.events.append("read to its end")
        return raw


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("options", "repo", "told"),
    [
        ({"token": "hf_wrong"}, REPO, "no valid token was sent. Log in with `hf auth login`"),
        ({"token": False}, REPO, "no valid token was sent"),
        ({}, "somebody/model", "may not write somebody/model"),
        ({"endpoint": "closed"}, REPO, "can not be reached"),
        (
            {"revision": "nowhere"},
            REPO,
            "local/model has no branch `nowhere`; its branches are main; nothing was published. Make it first",
        ),
    ],
    ids=["wrong token", "no token", "namespace of another", "unreachable", "no branch"],
)
def test_a_refusal_is_one_paragraph_and_nothing_was_published(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi, options: Any, repo: str, told: str
):
    if options.get("endpoint") == "closed":
        options = {"endpoint": f"http://127.0.0.1:{closed_port()}"}
    with pytest.raises(HubError) as caught:
        push(trained, repo, data=permissive_report, **where | options)
    message = str(caught.value)
    assert told in message
    assert "\n" not in message
    assert isinstance(caught.value, OSError | ContrastiveError)
    if state(api)["repositories"]:
        assert on_hub(api) == set()


@pytest.mark.parametrize("repo", ["local/a/b", "local/.."])
def test_what_is_no_repository_id_is_told_before_anything_else(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi, repo: str
):
    with pytest.raises(ConfigurationError) as caught:
        push(trained, repo, data=permissive_report, **where)
    assert repo in str(caught.value)
    assert "\n" not in str(caught.value)
    assert state(api) == {"repositories": []}


def test_without_a_token_the_one_of_the_environment_counts(
    trained: Path, permissive_report: AuditReport, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert push(trained, REPO, data=permissive_report, endpoint=hub.endpoint).tag == "v1"


def test_a_hub_that_fails_in_the_middle(trained: Path, permissive_report: AuditReport, hub: LocalHub, api: HfApi):
    def fail(other: HfApi) -> None:
        other.create_commit(REPO, [CommitOperationAdd("../x", b"")], commit_message="m")

    with pytest.raises(HubError, match="refused the push"):
        push(trained, REPO, data=permissive_report, api=Meddling(hub, create_commit=fail))
    assert on_hub(api) == set()


@pytest.fixture
def other_file(permissive_rows: list[dict[str, str]], tmp_path: Path) -> Path:
    path = tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in permissive_rows[:-1]), encoding="utf-8")
    return path


def test_data_that_was_not_trained_on_blocks_and_changes_nothing(
    trained: Path, permissive_report: AuditReport, other_file: Path, where: dict[str, str], api: HfApi
):
    with pytest.raises(PushBlocked, match="not the data that was trained on"):
        push(trained, REPO, data=str(other_file), **where)
    assert state(api) == {"repositories": []}
    push(trained, REPO, data=permissive_report, **where)
    before = state(api)
    with pytest.raises(PushBlocked, match="not the data that was trained on"):
        push(trained, REPO, data=str(other_file), reviewed_by="Ada", **where)
    assert state(api) == before


def test_a_block_changes_nothing_and_names_every_reason(
    trained: Path, permissive_rows: list[dict[str, str]], where: dict[str, str], api: HfApi, tmp_path: Path
):
    path = tmp_path / "data.jsonl"
    rows = [row | {"license": "CC-BY-NC-4.0"} for row in permissive_rows]
    rows += [{"anchor": "same", "positive": "same", "license": "MIT"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (trained / "evil.py").write_text("print()")
    with pytest.raises(PushBlocked) as caught:
        push(trained, REPO, data=str(path), reviewed_by="Ada", **where)
    message = str(caught.value)
    assert all(part in message for part in ("LIC001 (block)", "PAIR001 (block)", "evil.py is code"))
    assert state(api) == {"repositories": []}
    assert json.loads((trained.parent / "report" / "report.json").read_text())["decision"] == "block"


def test_a_model_trained_elsewhere_needs_a_named_person(
    foreign: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi, tmp_path: Path
):
    with pytest.raises(PushBlocked) as caught:
        push(foreign, REPO, data=permissive_report, **where)
    assert awaits_review(caught.value)
    assert state(api) == {"repositories": []}
    receipt = push(foreign, REPO, data=permissive_report, reviewed_by="Ada L.", reason="checked by hand", **where)
    assert receipt.decision == "review"
    here = Path(snapshot_download(REPO, **where, cache_dir=tmp_path / "cache"))
    evidence = read_evidence(here / "evidence.json")
    assert evidence.training is None
    (approval,) = evidence.approvals
    assert (approval.by, approval.reason) == ("Ada L.", "checked by hand")
    assert "Ada L." in (here / "README.md").read_text(encoding="utf-8")


def test_the_record_does_not_follow_other_files(trained: Path, permissive_report: AuditReport, where: dict[str, str]):
    config = json.loads((trained / "config.json").read_text())
    (trained / "config.json").write_text(json.dumps(config | {"classifier_dropout": 0.5}))
    with pytest.raises(PushBlocked, match="trained elsewhere"):
        push(trained, REPO, data=permissive_report, **where)


def test_a_record_that_was_changed_is_refused(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi
):
    text = (trained / "evidence.json").read_text(encoding="utf-8")
    (trained / "evidence.json").write_text(text.replace('"seed": 42', '"seed": 43'), encoding="utf-8")
    with pytest.raises(EvidenceError, match="was changed after it was written: `training`"):
        push(trained, REPO, data=permissive_report, **where)
    assert state(api) == {"repositories": []}


def test_the_folder_is_read_only(trained: Path, permissive_report: AuditReport, where: dict[str, str]):
    def seen() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in trained.rglob("*") if path.is_file()}

    before = seen()
    push(trained, REPO, data=permissive_report, **where)
    assert seen() == before


@pytest.mark.parametrize("make", [False, True], ids=["missing", "empty"])
def test_an_empty_folder_shows_before_the_data_is_read(tmp_path: Path, make: bool):
    if make:
        (tmp_path / "model").mkdir()
    with pytest.raises(EmptyFolderError, match=r"config\.json and \*\.safetensors|nothing to publish"):
        push(tmp_path / "model", REPO, data="no such data")


@pytest.mark.parametrize("repo_id", ["a/b/c", "local/mo del", "-x-/..", ""])
def test_what_is_no_repository_id_shows_before_the_data_is_read(foreign: Path, repo_id: str):
    for call in (push, preview):
        with pytest.raises(ConfigurationError, match="is no repository id of the Hub"):
            call(foreign, repo_id, data="gone.csv")


def test_a_misspelt_policy_shows_before_the_data_is_read(foreign: Path):
    with pytest.raises(PolicyError, match="Did you mean `standard`"):
        push(foreign, REPO, data="no such data", policy="standart")


def test_an_audit_can_be_given_instead_of_the_data(
    trained: Path, permissive_report: AuditReport, where: dict[str, str]
):
    assert push(trained, REPO, data=permissive_report, **where).tag == "v1"


def test_license_and_privacy_are_taken_over(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi
):
    push(trained, REPO, data=permissive_report, license="apache-2.0", private=True, **where)
    card = Path(api.hf_hub_download(REPO, "README.md", local_dir=trained.parent)).read_text(encoding="utf-8")
    assert card_metadata(card)["license"] == "apache-2.0"
    assert api.model_info(REPO).private


def test_the_tokenizer_in_the_folder_tells_what_is_truncated(
    trained: Path, permissive_file: Path, where: dict[str, str]
):
    push(trained, REPO, data=str(permissive_file), **where)
    result = read_evidence(trained.parent / "report" / "evidence.json").audit.result("PAIR004")
    assert result.status == "ran"
    options, encoder = audit_options(trained), TextEncoder.load(trained)
    texts = ["where is the river", "", "stone " * 500, "Ünïcode 漢字"]
    assert options["count_tokens"](texts) == encoder.count_tokens(texts)
    assert options["max_length"] == encoder.spec.max_length


@pytest.mark.parametrize(
    "fault", ["not installed", "no tokenizer", "broken tokenizer", "broken settings", "no limit", "odd settings"]
)
def test_without_a_tokenizer_truncation_is_not_checked(
    trained: Path, permissive_file: Path, where: dict[str, str], monkeypatch: pytest.MonkeyPatch, fault: str
):
    (trained / "tokenizer_config.json").write_text('{"model_max_length": 1e30}')
    if fault == "not installed":
        monkeypatch.setitem(sys.modules, "tokenizers", None)
    elif fault == "no tokenizer":
        (trained / "tokenizer.json").unlink()
    elif fault == "broken tokenizer":
        (trained / "tokenizer.json").write_text('{"version": "1.0"}')
    else:
        told = {"broken settings": "{", "no limit": '{"max_seq_length": null}', "odd settings": "[]"}[fault]
        (trained / "sentence_bert_config.json").write_text(told)
    assert audit_options(trained) == {}
    if fault == "not installed":
        push(trained, REPO, data=str(permissive_file), reviewed_by="Ada", **where)
        evidence = read_evidence(trained.parent / "report" / "evidence.json")
        assert evidence.audit.result("PAIR004").status == "skipped"


def test_counting_tokens_needs_no_torch(trained: Path):
    program = (
        "import sys; from pathlib import Path; from hf_contrastive.release.token_counts import audit_options; "
        f"print(audit_options(Path({str(trained)!r}))['count_tokens'](['a']), 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.split()[-1] == "False"


@pytest.fixture
def remedied(foreign: Path) -> tuple[Evidence, tuple[str, ...]]:
    """Evidence whose earlier audit quotes rows that were removed, and its audit others; with these words."""
    base = [{"anchor": f"{n} is asked", "positive": f"{n * 7} answers {n}", "license": "MIT"} for n in range(8)]
    removed = {"anchor": "zwetschge removed", "positive": "mirabelle removed", "license": "CC-BY-NC-4.0"}
    kept = {"anchor": "quitte kept", "positive": "quitte kept", "license": "MIT"}
    earlier = audits.audit(Dataset.from_list([*base, removed, kept, kept]))
    final = audits.audit(Dataset.from_list([*base, kept, kept]))
    words = ("zwetschge", "mirabelle", "quitte")
    return Evidence(model_name="m", repo_id=REPO, audit=final, earlier_audit=earlier), words


PERMISSIVE = Policy(name="lets everything through", rules=())


@pytest.mark.parametrize("publish_excerpts", [False, True])
def test_rows_are_quoted_on_this_machine_alone(
    foreign: Path, remedied: tuple[Evidence, tuple[str, ...]], api: HfApi, tmp_path: Path, publish_excerpts: bool
):
    evidence, words = remedied
    receipt = publish(
        foreign,
        evidence,
        PERMISSIVE,
        reviewed_by="Ada",
        report_dir=tmp_path / "report",
        publish_excerpts=publish_excerpts,
        api=api,
    )
    here = Path(snapshot_download(REPO, endpoint=api.endpoint, token=api.token, cache_dir=tmp_path / "cache"))

    def quoted(folder: Path) -> set[str]:
        # no training was seen here, so there are no arguments of one
        written = [name for name in WRITTEN if name != "training_args.json"]
        texts = [(folder / name).read_text(encoding="utf-8") for name in written]
        return {word for word in words if any(word in text for text in texts)}

    everything = quoted(tmp_path / "report" / "with_excerpts")
    assert everything == set(words)
    assert quoted(here) == quoted(tmp_path / "report") == (everything if publish_excerpts else set())
    published = read_evidence(here / "evidence.json", expected_digest=receipt.evidence_digest)
    assert published.verdict.report_digest == published.audit.content_digest
    full = read_evidence(tmp_path / "report" / "with_excerpts" / "evidence.json")
    assert full.audit == evidence.audit
    assert full.verdict.report_digest == evidence.audit.content_digest
    assert full.verdict.outcomes == published.verdict.outcomes
    blanked = without_excerpts(evidence)
    assert published.audit == (evidence.audit if publish_excerpts else blanked.audit)
    # where and how many stays
    for before, after in zip(evidence.audit.findings, blanked.audit.findings, strict=True):
        assert (before.total_rows, before.rows_digest) == (after.total_rows, after.rows_digest)
        assert [(row.split, row.row, row.score) for row in before.evidence] == [
            (row.split, row.row, row.score) for row in after.evidence
        ]


def test_the_report_with_excerpts_judges_no_yes_and_says_where_it_stands(
    foreign: Path, remedied: tuple[Evidence, tuple[str, ...]], api: HfApi, tmp_path: Path
):
    evidence, _ = remedied
    report = tmp_path / "report"
    options: dict[str, Any] = {"report_dir": report, "api": api}
    with pytest.raises(PushBlocked):
        publish(foreign, evidence, PERMISSIVE, **options)
    yes = approve_evidence(read_evidence(report / "evidence.json"), by="Ada", role="owner", reason="seen")
    publish(foreign, evidence, PERMISSIVE, approval=yes, **options)
    assert read_evidence(report / "evidence.json").approvals == (yes,)
    assert read_evidence(report / "with_excerpts" / "evidence.json").approvals == ()
    for name in ("report.html", "report.md"):
        published, quoting = ((report / place / name).read_text("utf-8") for place in ("", "with_excerpts"))
        told = "an approval is bound to the report as it is published, and stands there"
        assert (told in published, told in quoting) == (False, True)
        assert "No approval is recorded." not in quoting
        assert "given for another verdict" not in quoting


def test_nothing_before_the_gate_reads_weights_or_writes_documents_again(
    foreign: Path, permissive_report: AuditReport, api: HfApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    events: list[str] = []
    plain_open, plain_check, plain_render = Path.open, publishing.check, rendering.render

    def opened(path: Path, mode: str = "r", *told: Any, **more: Any) -> Any:
        # the gate looks at its beginning; what reads all of it goes by blocks
        stream = plain_open(path, mode, *told, **more)
        return Counted(stream, events) if path.name == "model.safetensors" else stream

    def checked(*told: Any, **more: Any) -> None:
        events.append("gate")
        plain_check(*told, **more)

    def rendered(evidence: Evidence, name: str) -> str:
        events.append(name)
        return plain_render(evidence, name)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(publishing, "check", checked)
    monkeypatch.setattr(rendering, "render", rendered)
    # then there is something to compare with, and an evidence beside it that is held against the files
    for reads in (1, 2):
        events.clear()
        push(foreign, REPO, data=permissive_report, reviewed_by="Ada", api=api)
        before = events[: events.index("gate")]
        assert before.count("read to its end") == reads
        # as it is published, and with excerpts
        assert before.count("card") == before.count("report_html") == 2
        assert before.count("report_md") == 2


def test_what_is_no_file_of_a_model_is_told(
    trained: Path, permissive_report: AuditReport, where: dict[str, str], caplog: pytest.LogCaptureFixture
):
    (trained / "train.jsonl").write_text("{}")
    push(trained, REPO, data=permissive_report, **where)
    assert "Not published, since no file of a model: train.jsonl in model." in caplog.text


@pytest.fixture
def trainer(tiny_bert: Path, permissive_file: Path, tmp_path: Path) -> ContrastiveTrainer:
    config = ContrastiveConfig(
        output_dir=str(tmp_path / "run"),
        max_steps=2,
        per_device_train_batch_size=8,
        save_strategy="no",
        dataloader_pin_memory=False,
        disable_tqdm=True,
        base_model_id="base-owner/tiny",
        hub_model_id=REPO,
    )
    data = audits.dataset_of(str(permissive_file))["train"]
    made = ContrastiveTrainer(model=str(tiny_bert), args=config, train_dataset=data)
    made.train()
    return made


def test_the_trainer_pushes_what_it_trained(
    trainer: ContrastiveTrainer, where: dict[str, str], api: HfApi, tmp_path: Path
):
    info = trainer.push_to_hub(commit_message="End", **where)
    receipt = trainer.push_receipt
    assert (receipt.commit, receipt.tag, receipt.decision) == (info.oid, "v1", "pass")
    assert (info.repo_url.repo_id, info.repo_url.endpoint) == (REPO, where["endpoint"])
    assert (info.commit_message, titles(api)) == ("End", ["End", "initial commit"])
    here = snapshot_download(REPO, **where, cache_dir=tmp_path / "cache", revision=receipt.tag)
    texts = ["where is the river", "it stands near the stone"]
    loaded = TextEncoder.load(here)
    np.testing.assert_allclose(loaded.encode(texts), trainer.encoder.encode(texts), atol=1e-5)
    evidence = read_evidence(Path(here) / "evidence.json", expected_digest=receipt.evidence_digest)
    assert evidence.training.steps == 2
    assert evidence.training.datasets == evidence.audit.datasets
    # PAIR004 ran: the trainer's own tokenizer counted the tokens
    assert evidence.audit.result("PAIR004").status == "ran"


def test_a_name_without_user_is_completed_before_the_card_is_written(
    trainer: ContrastiveTrainer, where: dict[str, str], api: HfApi
):
    trainer.args.hub_model_id = None
    trainer.push_to_hub(**where)
    assert trainer.push_receipt.repo_id == "local/run"
    card = (trainer.output_folder / "report" / "README.md").read_text(encoding="utf-8")
    assert 'SentenceTransformer("local/run")' in card
    assert Path(api.hf_hub_download("local/run", "README.md", local_dir=trainer.output_folder)).read_text() == card


def test_a_block_shows_without_a_token_and_a_missing_token_after_it(
    trainer: ContrastiveTrainer, hub: LocalHub, tmp_path: Path
):
    trainer.args.hub_model_id = None
    with pytest.raises(HubError, match="no valid token was sent"):
        trainer.push_to_hub(endpoint=hub.endpoint, token="hf_wrong")
    path = tmp_path / "other.jsonl"
    path.write_text('{"anchor": "one", "positive": "another", "license": "MIT"}\n')
    trainer.add_evidence(audits.audit(str(path)))
    with pytest.raises(PushBlocked, match="Nothing was published to run:"):
        trainer.push_to_hub(endpoint=hub.endpoint, token="hf_wrong")


def test_a_blocked_trainer_creates_no_repository(
    trainer: ContrastiveTrainer, where: dict[str, str], api: HfApi, tmp_path: Path
):
    path = tmp_path / "other.jsonl"
    path.write_text('{"anchor": "one", "positive": "another", "license": "MIT"}\n')
    trainer.add_evidence(audits.audit(str(path)))
    with pytest.raises(PushBlocked, match="not the data that was trained on"):
        trainer.push_to_hub(**where)
    assert trainer.push_receipt is None
    assert state(api) == {"repositories": []}


def test_a_checkpoint_is_not_pushed(trainer: ContrastiveTrainer, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        trainer._push_from_checkpoint("run/checkpoint-2")
    assert "checkpoint-2 is not pushed" in caplog.text


def test_a_background_push_is_refused(trainer: ContrastiveTrainer):
    with pytest.raises(ContrastiveError, match="`blocking` must be True"):
        trainer.push_to_hub(blocking=False)


def test_the_local_hub_itself_refuses_a_stale_parent(api: HfApi):
    # what the parent_commit of every push rests on
    api.create_repo(REPO)
    old = api.model_info(REPO).sha
    api.create_commit(REPO, [CommitOperationAdd("a", b"1")], commit_message="m", parent_commit=old)
    with pytest.raises(HfHubHTTPError):
        api.create_commit(REPO, [CommitOperationAdd("a", b"2")], commit_message="m", parent_commit=old)

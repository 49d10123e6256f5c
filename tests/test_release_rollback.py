"""Back to a tag: blob for blob, in one commit, or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

import audits
from hf_contrastive import guard, push
from hf_contrastive.errors import ConfigurationError, HubError, ModelError, PushBlocked
from hf_contrastive.history.chain import history_path, read
from hf_contrastive.history.releases import affected, wanted
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.versioning import rollback as module
from hf_contrastive.release.versioning import rollback_checks
from hf_contrastive.release.versioning.published import NotPublishedError
from hf_contrastive.release.versioning.rollback import RollbackReceipt, preview_rollback, rollback
from model_cards.documents import evidence_json

pytestmark = pytest.mark.usefixtures("rendered_once")

REPO = "local/model"
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def kept(
    tiny_bert: Path,
    trained_folder: Callable[[Path], Path],
    permissive_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A Hub with v1, v2 (other weights, no adapter, a LICENSE), and somebody's notes on top; its folder."""
    base = tmp_path_factory.mktemp("kept")
    with serve(base / "hub") as hub, pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(base / "cache"))
        patch.setenv("HF_CONTRASTIVE_HISTORY", str(base / "history.jsonl"))
        hub.seed("base-owner/tiny", tiny_bert)
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        report = audits.audit(str(permissive_file))
        first = trained_folder(base / "one" / "model")
        push(first, REPO, data=report, api=api)
        second = Path(shutil.copytree(tiny_bert, base / "two" / "model"))
        (second / "LICENSE").write_text("MIT License\n")
        push(second, REPO, data=report, reviewed_by="Ada", api=api)
        api.create_commit(REPO, [CommitOperationAdd("onnx/notes.txt", b"theirs")], commit_message="By hand")
    return base


@pytest.fixture
def hub(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("hf_contrastive.release.sending.faults.FIRST_WAIT_SECONDS", 0.0)
    shutil.copy(kept / "history.jsonl", tmp_path / "history.jsonl")
    monkeypatch.setenv("HF_CONTRASTIVE_HISTORY", str(tmp_path / "history.jsonl"))
    shutil.copytree(kept / "hub", tmp_path / "hub")
    with serve(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.token)


def blobs(api: HfApi, revision: str = "main") -> dict[str, str]:
    info = api.model_info(REPO, revision=revision, files_metadata=True)
    return {item.rfilename: item.blob_id for item in info.siblings}


def state(api: HfApi) -> Any:
    refs = api.list_repo_refs(REPO)
    return api.model_info(REPO).sha, blobs(api), {tag.name: tag.target_commit for tag in refs.tags}


def titles(api: HfApi) -> list[str]:
    return [commit.title for commit in api.list_repo_commits(REPO)]


def test_the_branch_is_the_tag_again_and_what_others_added_stays(api: HfApi, monkeypatch: pytest.MonkeyPatch):
    before, first = blobs(api), blobs(api, "v1")
    assert before.keys() - first.keys() >= {"LICENSE", "onnx/notes.txt"}
    head = api.model_info(REPO).sha
    # nothing large is sent again
    sent: list[Any] = []
    plain = HfApi.preupload_lfs_files
    monkeypatch.setattr(
        HfApi,
        "preupload_lfs_files",
        lambda self, *told, **more: (sent.extend(more["additions"]), plain(self, *told, **more))[1],
    )
    receipt = rollback(REPO, "v1", reason="v2 answers\nworse", by="Ada", api=api)
    assert sent == []
    after = blobs(api)
    assert {path: after[path] for path in first} == first
    # a license that lies in a repository is nobody's to delete, as for a push
    assert after.keys() - first.keys() == {"LICENSE", "onnx/notes.txt"}
    assert titles(api)[:2] == ["Roll back to v1", "By hand"]
    assert (receipt.tag, receipt.before, receipt.before_tag, receipt.changed) == ("v3", head, "", True)
    assert receipt.commit == api.model_info(REPO).sha == api.model_info(REPO, revision="v3").sha
    assert receipt.to_commit == api.model_info(REPO, revision="v1").sha
    assert receipt.loaded == "loaded; 4 texts gave finite vectors of 32 dimensions"
    message = api.list_repo_commits(REPO)[0].message.splitlines()
    assert f"rollback v1 {receipt.evidence_digest}" in message
    assert f"evidence {receipt.evidence_digest}" in message
    assert "reason v2 answers worse" in message
    assert not any("Ada" in line for line in message)
    assert RollbackReceipt.from_dict(receipt.to_dict()) == receipt


def test_the_history_knows_who_went_back_to_what(api: HfApi, permissive_file: Path):
    receipt = rollback(REPO, "v1", reason="why", by="Ada", api=api)
    last = read(history_path())[-1]
    assert str(last.head) == receipt.history_head
    assert (last.kind, last.payload["repo_id"], last.payload["tag"]) == ("rollback", REPO, "v3")
    assert (last.payload["by"], last.payload["reason"], last.payload["to"]["tag"]) == ("Ada", "why", "v1")
    assert last.payload["from"] == {"commit": receipt.before, "tag": ""}
    # what v1 was made of is published again
    fingerprint = audits.audit(str(permissive_file), checks=["DUP001"]).datasets[0].fingerprint
    found = affected(read(history_path()), wanted(fingerprint=fingerprint))
    assert [release.tag for release in found.releases] == ["v1", "v2", "v3"]
    assert found.releases[2].uses == found.releases[0].uses


def test_rolling_back_twice_changes_nothing_the_second_time(api: HfApi):
    first = rollback(REPO, "v1", api=api)
    then, lines = state(api), len(read(history_path()))
    second = rollback(REPO, "v1", api=api)
    assert (second.changed, second.commit, second.tag) == (False, first.commit, "v3")
    assert state(api) == then
    assert len(read(history_path())) == lines
    # and forth, to a tag that a rollback made
    assert rollback(REPO, "v2", api=api).tag == "v4"
    assert rollback(REPO, "v3", api=api).tag == "v5"
    assert blobs(api).items() >= blobs(api, "v1").items()


def test_pushing_what_was_rolled_back_to_makes_no_second_commit(
    api: HfApi, trained_folder: Callable[[Path], Path], permissive_file: Path, tmp_path: Path
):
    back = rollback(REPO, "v1", api=api)
    folder = trained_folder(tmp_path / "again" / "model")
    receipt = push(folder, REPO, data=audits.audit(str(permissive_file)), api=api)
    assert (receipt.commit, receipt.tag) == (back.commit, "v3")


def test_the_guard_lets_a_rollback_through(api: HfApi):
    with guard():
        assert rollback(REPO, "v1", api=api).tag == "v3"
        with pytest.raises(PushBlocked):
            api.create_commit(REPO, [CommitOperationDelete("config.json")], commit_message="m")


def test_a_preview_tells_all_and_changes_nothing(api: HfApi):
    before = state(api)
    plan = preview_rollback(REPO, "v1", api=api)
    assert state(api) == before
    first, here = blobs(api, "v1"), blobs(api)
    assert set(plan.copied) == {path for path, blob in first.items() if here.get(path) != blob}
    assert set(plan.left) == {"LICENSE", "onnx/notes.txt"}
    assert set(plan.deleted) == here.keys() - first.keys() - set(plan.left)
    assert (plan.decision, plan.problems, plan.head_tag) == ("pass", (), "")


def test_a_callback_may_stop_it(api: HfApi):
    before = state(api)

    def refuse(plan: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rollback(REPO, "v1", on_plan=refuse, api=api)
    assert state(api) == before


@pytest.mark.parametrize(
    ("repo", "to", "kind", "told"),
    [
        (REPO, "v9", ConfigurationError, "has no tag `v9`; .*its tags are v2, v1"),
        (REPO, "main", ConfigurationError, "its tags are v2, v1"),
        ("local/nothing", "v1", NotPublishedError, "no model local/nothing"),
        ("base-owner/tiny", "v1", ConfigurationError, "it has no tags"),
    ],
)
def test_a_tag_that_is_not_there(api: HfApi, repo: str, to: str, kind: type[Exception], told: str):
    with pytest.raises(kind, match=told.replace("; .*", ".*")) as caught:
        rollback(repo, to, api=api)
    assert "\n" not in str(caught.value)


def by_hand(api: HfApi, tag: str, name: str, content: bytes, message: str = "By hand") -> None:
    """Go back to v1, change one file of it, tag that, and go on with v2: nobody's push made this tag."""
    rollback(REPO, "v1", load=False, api=api)
    info = api.create_commit(REPO, [CommitOperationAdd(name, content)], commit_message=message)
    api.create_tag(REPO, tag=tag, revision=info.oid)
    rollback(REPO, "v2", load=False, api=api)


def evidence_at(api: HfApi, revision: str, folder: Path) -> Any:
    return evidence_json.read_evidence(api.hf_hub_download(REPO, "evidence.json", revision=revision, local_dir=folder))


def test_a_version_that_was_tampered_with_does_not_come_back(api: HfApi, tmp_path: Path):
    by_hand(api, "bad-config", "config.json", b'{"model_type": "bert"}')
    text = Path(api.hf_hub_download(REPO, "evidence.json", revision="v1", local_dir=tmp_path)).read_text()
    by_hand(api, "bad-evidence", "evidence.json", text.replace('"decision": "pass"', '"decision": "review"').encode())
    before = state(api)
    for tag, told in (
        ("bad-config", "Model files are those of the evidence"),
        ("bad-evidence", "Evidence and its own digests"),
    ):
        with pytest.raises(PushBlocked, match=told) as caught:
            rollback(REPO, tag, api=api)
        assert caught.value.problems
        assert preview_rollback(REPO, tag, api=api).problems == caught.value.problems
    assert state(api) == before


@pytest.mark.parametrize(
    ("decision", "told"),
    [("block", "is block because of"), ("review", "nobody's yes"), (None, "without a verdict")],
)
def test_a_verdict_that_publishes_nothing_brings_nothing_back(api: HfApi, tmp_path: Path, decision: Any, told: str):
    evidence = evidence_at(api, "v1", tmp_path)
    verdict = evidence.verdict
    if decision is not None:
        worst = replace(verdict.outcomes[0], decision=decision)
        verdict = replace(verdict, decision=decision, outcomes=(worst, *verdict.outcomes[1:]))
    changed = replace(evidence, verdict=verdict if decision is not None else None)
    (problem,) = rollback_checks.decision_problems(changed, "v1")
    assert told in problem
    assert rollback_checks.decision_problems(evidence, "v1") == []


def test_a_version_that_can_not_be_loaded_does_not_come_back(api: HfApi, monkeypatch: pytest.MonkeyPatch):
    before = state(api)

    def fail(*_: Any, **__: Any) -> None:
        msg = "The model can not be read."
        raise ModelError(msg)

    monkeypatch.setattr("hf_contrastive.encoder.TextEncoder.load", fail)
    with pytest.raises(PushBlocked, match="can not be loaded as a model: The model can not be read"):
        rollback(REPO, "v1", api=api)
    assert state(api) == before
    assert rollback(REPO, "v1", load=False, api=api).loaded == "not loaded, as was asked for"


def test_without_torch_it_is_said_that_nothing_was_loaded(api: HfApi, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rollback_checks, "missing", lambda *modules: list(modules))
    assert rollback(REPO, "v1", api=api).loaded.startswith(
        "not loaded: torch and transformers and peft is not installed"
    )


def test_documents_of_another_version_of_the_package_are_a_warning(api: HfApi, monkeypatch: pytest.MonkeyPatch):
    assert preview_rollback(REPO, "v1", load=False, api=api).warnings == ()
    monkeypatch.setattr("hf_contrastive.release.verification.statements.own_version", lambda: "99.0")
    monkeypatch.setattr("hf_contrastive.release.verification.documents.render", lambda *_: "written otherwise")
    told = preview_rollback(REPO, "v1", load=False, api=api)
    assert told.problems == ()
    (warning,) = told.warnings
    assert "README.md" in warning
    assert "another version of hf-contrastive wrote them" in warning


def test_licenses_that_are_judged_worse_today_are_a_warning(api: HfApi, monkeypatch: pytest.MonkeyPatch):
    plain = rollback_checks.license_analysis
    monkeypatch.setattr(
        rollback_checks,
        "license_analysis",
        lambda *told: replace(plain(*told), decision="block", facts_date="2099-01-01"),
    )
    receipt = rollback(REPO, "v1", api=api)
    (warning,) = receipt.warnings
    assert warning.startswith("Under the license facts of 2099-01-01, the licenses of v1 would be decided block")
    assert receipt.tag == "v3"


# ---- faults --------------------------------------------------------------------------------------------


class Faulty(HfApi):
    """A client whose calls fail: before they are sent, or after they arrived."""

    def __init__(self, hub: LocalHub, *, call: str, when: str, times: int = 1) -> None:
        super().__init__(endpoint=hub.endpoint, token=hub.token)
        self._call, self._when, self._times = call, when, times

    def _run(self, name: str, call: Callable[[], Any]) -> Any:
        fails = name == self._call and self._times > 0
        self._times -= fails
        if fails and self._when == "before":
            raise ConnectionResetError("gone")
        answer = call()
        if fails:
            raise ConnectionResetError("gone")
        return answer

    def create_commit(self, *arguments: Any, **options: Any) -> Any:
        plain = super().create_commit
        return self._run("create_commit", lambda: plain(*arguments, **options))

    def create_tag(self, *arguments: Any, **options: Any) -> Any:
        plain = super().create_tag
        return self._run("create_tag", lambda: plain(*arguments, **options))


@pytest.mark.parametrize("call", ["create_commit", "create_tag"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("times", [1, 99])
def test_after_a_fault_the_branch_is_old_or_complete_and_the_next_try_completes_it(
    hub: LocalHub, api: HfApi, caplog: pytest.LogCaptureFixture, call: str, when: str, times: int
):
    old, first = state(api), blobs(api, "v1")
    faulty = Faulty(hub, call=call, when=when, times=times)
    # a commit that never gets through is the one fault that is told as an error
    lost = call == "create_commit" and when == "before" and times > 1
    with pytest.raises(HubError) if lost else nullcontext() as caught:
        rollback(REPO, "v1", load=False, api=faulty)
    if caught is not None:
        assert "push" not in str(caught.value).casefold()
        assert "\n" not in str(caught.value)
    assert "push the same" not in caplog.text.casefold()
    if call == "create_tag" and when == "before" and times > 1:
        assert "Roll back again to tag it" in caplog.text
    now = state(api)
    assert now[:2] == old[:2] or blobs(api).items() >= first.items()
    assert len(titles(api)) in (4, 5)
    receipt = rollback(REPO, "v1", load=False, api=api)
    assert (receipt.tag, receipt.commit) == ("v3", api.model_info(REPO).sha)
    assert blobs(api).items() >= first.items()
    assert titles(api).count("Roll back to v1") == 1
    assert read(history_path())[-1].kind == "rollback"


def test_a_commit_is_read_back_once_and_one_that_is_not_the_tag_is_told(hub: LocalHub, api: HfApi):
    class Reading(HfApi):
        asked: tuple[str | None, ...] = ()
        changed = False

        def model_info(self, *told: Any, **more: Any) -> Any:
            self.asked = (*self.asked, more.get("revision"))
            info = super().model_info(*told, **more)
            if self.changed and info.sha == api.model_info(REPO).sha and len(titles(api)) > 4:
                next(item for item in info.siblings if item.rfilename == "config.json").blob_id = "0" * 40
            return info

    reading = Reading(endpoint=hub.endpoint, token=hub.token)
    receipt = rollback(REPO, "v1", load=False, api=reading)
    assert reading.asked.count(receipt.commit) == 1
    assert rollback(REPO, "v2", load=False, api=api).tag == "v4"
    reading.changed = True
    with pytest.raises(
        HubError, match=r"not what was planned: config.json has other content. It is not tagged"
    ) as caught:
        rollback(REPO, "v1", load=False, api=reading)
    assert "repair that and roll back again" in str(caught.value)
    assert "v5" not in {tag.name for tag in api.list_repo_refs(REPO).tags}


def test_somebody_elses_commit_wins(hub: LocalHub, api: HfApi):
    class Meddled(HfApi):
        def create_commit(self, *arguments: Any, **options: Any) -> Any:
            api.create_commit(REPO, [CommitOperationAdd("theirs.txt", b"theirs")], commit_message="Theirs")
            return super().create_commit(*arguments, **options)

    with pytest.raises(HubError, match=r"Somebody committed to local/model meanwhile; .*Roll back again") as caught:
        rollback(REPO, "v1", load=False, api=Meddled(endpoint=hub.endpoint, token=hub.token))
    assert "push" not in str(caught.value).casefold()
    assert titles(api)[0] == "Theirs"


# ---- command line --------------------------------------------------------------------------------------


@pytest.fixture
def cli(run_cli: Cli, hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setattr(module, "hub_api", lambda **_: HfApi(endpoint=hub.endpoint, token=hub.token))
    return run_cli


def test_nobody_is_asked_where_nobody_can_answer(cli: Cli, api: HfApi):
    before = state(api)
    code, out, err = cli("rollback", REPO, "--to", "v1")
    assert (code, out) == (2, "")
    assert "Add `--yes`" in err
    assert state(api) == before


@pytest.mark.parametrize("answer", ["y\n", "n\n"])
def test_a_person_is_asked(cli: Cli, api: HfApi, monkeypatch: pytest.MonkeyPatch, answer: str):
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(answer))
    before = state(api)
    code, _, err = cli("rollback", REPO, "--to", "v1", "--no-load")
    assert "gets back" in err
    assert "leaves as it is: LICENSE, onnx/notes.txt" in err
    assert (code, state(api) == before) == ((0, False) if answer == "y\n" else (3, True))


def test_the_command_tells_what_it_did_in_words_and_as_json(cli: Cli, api: HfApi):
    before = state(api)
    code, out, _ = cli("rollback", REPO, "--to", "v1", "--dry-run", "--json")
    assert (code, json.loads(out)["to"]) == (0, "v1")
    assert state(api) == before
    code, out, err = cli("rollback", REPO, "--to", "v1", "--yes", "--reason", "why", "--json")
    receipt = RollbackReceipt.from_dict(json.loads(out))
    assert (code, receipt.tag) == (0, "v3")
    assert "Rolled local/model back to v1 as v3" in err
    code, _, err = cli("rollback", REPO, "--to", "v1", "--yes")
    assert code == 0
    assert "equal to v1 already" in err
    assert cli("rollback", REPO, "--to", "v77", "--yes")[0] == 2
    assert "back to v1" in " ".join(cli("history")[2].split())


def test_a_rollback_without_its_tag_is_no_success_and_the_next_one_is(
    cli: Cli, api: HfApi, monkeypatch: pytest.MonkeyPatch
):
    def forbidden(*_: object, **__: object) -> None:
        msg = "no rights"
        raise PermissionError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(HfApi, "create_tag", forbidden)
        code, out, err = cli("rollback", REPO, "--to", "v1", "--yes", "--no-load", "--json")
    first = RollbackReceipt.from_dict(json.loads(out))
    assert (code, first.tag, first.changed) == (3, "", True)
    assert "has no tag yet: roll back again" in err
    code, out, _ = cli("rollback", REPO, "--to", "v1", "--yes", "--no-load", "--json")
    second = RollbackReceipt.from_dict(json.loads(out))
    assert (code, second.tag, second.commit) == (0, "v3", first.commit)


def test_a_version_that_must_not_come_back_exits_with_block(cli: Cli, api: HfApi):
    by_hand(api, "bad-config", "config.json", b'{"model_type": "bert"}')
    for more in (("--yes",), ("--dry-run",)):
        assert cli("rollback", REPO, "--to", "bad-config", *more)[0] == 1

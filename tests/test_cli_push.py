"""``hf-contrastive push``: exit codes, the receipt, and what stays when it is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.sending import hub as release_hub
from hf_contrastive.release.sending.hub import PushReceipt

Cli = Callable[..., tuple[int, str, str]]
REPO = "local/model"


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        # HF_ENDPOINT was read when huggingface_hub was imported
        monkeypatch.setattr(release_hub, "HfApi", lambda **told: HfApi(**{**told, "endpoint": running.endpoint}))
        monkeypatch.setenv("HF_TOKEN", running.token)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.token)


@pytest.fixture
def trained(trained_folder: Callable[[Path], Path], tmp_path: Path) -> Path:
    return trained_folder(tmp_path / "trained" / "model")


def test_a_trained_model_passes(run_cli: Cli, trained: Path, permissive_file: Path, api: HfApi):
    code, out, err = run_cli("push", trained, REPO, "--data", permissive_file, "--json")
    assert code == 0, err
    receipt = PushReceipt.from_dict(json.loads(out))
    assert (receipt.tag, receipt.decision, receipt.commit) == ("v1", "pass", api.model_info(REPO).sha)
    assert "Published local/model as v1" in err
    assert run_cli("push", trained, REPO, "--data", permissive_file, "--policy", "permissive")[:2] == (0, "")
    assert len(api.list_repo_refs(REPO).tags) == 2


def test_a_push_without_its_tag_is_no_success_and_the_next_one_is(
    run_cli: Cli, trained: Path, permissive_file: Path, api: HfApi, monkeypatch: pytest.MonkeyPatch
):
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError("no rights")

    with monkeypatch.context() as patch:
        patch.setattr(HfApi, "create_tag", forbidden)
        code, out, err = run_cli("push", trained, REPO, "--data", permissive_file, "--json")
    first = PushReceipt.from_dict(json.loads(out))
    assert (code, first.tag, first.commit) == (3, "", api.model_info(REPO).sha)
    assert "has no tag yet: push the same again" in err
    code, out, err = run_cli("push", trained, REPO, "--data", permissive_file, "--json")
    second = PushReceipt.from_dict(json.loads(out))
    assert (code, second.tag, second.commit) == (0, "v1", first.commit)


def test_a_model_trained_elsewhere_waits_for_a_named_person(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, api: HfApi, tmp_path: Path
):
    folder = shutil.copytree(tiny_bert, tmp_path / "other" / "model")
    code, out, err = run_cli("push", folder, REPO, "--data", permissive_file, "--json")
    assert (code, json.loads(out)["decision"]) == (4, "review")
    assert "Not published." in err
    assert "trained elsewhere" in err
    assert "--reviewed-by" in err
    assert not api.repo_exists(REPO)
    options = ("--reviewed-by", "Ada", "--reason", "read it", "--license", "mit", "--private", "--json")
    code, out, err = run_cli("push", folder, REPO, "--data", permissive_file, *options)
    assert (code, json.loads(out)["decision"]) == (0, "review")
    info = api.model_info(REPO)
    assert (info.private, info.card_data.license) == (True, "mit")


def test_a_block_is_exit_code_1_and_changes_nothing(
    run_cli: Cli,
    trained: Path,
    permissive_rows: list[dict[str, str]],
    permissive_file: Path,
    api: HfApi,
    tmp_path: Path,
):
    run_cli("push", trained, REPO, "--data", permissive_file)
    before = (api.model_info(REPO).sha, api.list_repo_files(REPO), api.list_repo_refs(REPO).tags)
    path = tmp_path / "nc.jsonl"
    rows = [row | {"license": "CC-BY-NC-4.0"} for row in permissive_rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = run_cli("push", trained, REPO, "--data", path, "--reviewed-by", "Ada", "--json")
    assert (code, json.loads(out)["decision"]) == (1, "block")
    assert "Blocked." in err
    assert "LIC001" in err
    assert "not the data that was trained on" in err
    assert (api.model_info(REPO).sha, api.list_repo_files(REPO), api.list_repo_refs(REPO).tags) == before


def test_a_bad_file_blocks_even_where_only_a_review_is_due(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, api: HfApi, tmp_path: Path
):
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "other" / "model"))
    (folder / "weights").write_bytes(b"\x80\x04N.")
    code, _, err = run_cli("push", folder, REPO, "--data", permissive_file)
    assert code == 1
    assert "weights is a pickle" in err
    assert not api.repo_exists(REPO)


@pytest.mark.parametrize(
    ("folder", "options", "told"),
    [
        ("missing", (), ["missing", "does not exist", "config.json"]),
        ("empty", (), ["nothing to publish", "config.json"]),
        ("model", ("--policy", "standart"), ["`standart`", "Did you mean `standard`"]),
        ("model", ("--data", "gone.csv"), ["`gone.csv`", "There is no file"]),
        ("model", ("--reviewedby", "x"), ["--reviewedby", "--reviewed-by"]),
    ],
    ids=lambda value: str(value[-1]) if isinstance(value, tuple) and value else "",
)
def test_usage_errors(
    run_cli: Cli,
    tiny_bert: Path,
    permissive_file: Path,
    hub: LocalHub,
    tmp_path: Path,
    folder: str,
    options: tuple[str, ...],
    told: list[str],
):
    shutil.copytree(tiny_bert, tmp_path / "model")
    (tmp_path / "empty").mkdir()
    code, out, err = run_cli("push", tmp_path / folder, REPO, "--data", permissive_file, *options, "--json")
    assert code == 2
    if "--reviewedby" not in options:
        # what can not be parsed ends before anybody knows of `--json`
        document = json.loads(out)
        assert (document["decision"], set(document["error"])) == (None, {"type", "message"})
        assert all(part in document["error"]["message"] for part in told)
    assert all(part in err for part in told)
    assert "Traceback" not in err
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("token", ["hf_wrong", None])
def test_no_valid_token(
    run_cli: Cli, trained: Path, permissive_file: Path, api: HfApi, monkeypatch: pytest.MonkeyPatch, token: str | None
):
    monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN")
    code, out, err = run_cli("push", trained, REPO, "--data", permissive_file, "--json")
    document = json.loads(out)
    assert (code, document["decision"], document["error"]["type"]) == (3, None, "HubError")
    assert "hf auth login" in document["error"]["message"]
    assert document["error"]["message"] in err
    assert not api.repo_exists(REPO)


def test_an_unreachable_hub(run_cli: Cli, trained: Path, permissive_file: Path, hub: LocalHub):
    hub.close()
    code, out, err = run_cli("push", trained, REPO, "--data", permissive_file, "--json")
    assert (code, json.loads(out)["error"]["type"]) == (3, "HubError")
    assert hub.endpoint in err
    assert "can not be reached" in err
    assert "Traceback" not in err


def test_report_folder_that_can_not_be_written(run_cli: Cli, trained: Path, permissive_file: Path, api: HfApi):
    (trained.parent / "report").write_text("a file")
    code, out, err = run_cli("push", trained, REPO, "--data", permissive_file, "--json")
    assert (code, json.loads(out)["error"]["type"]) == (3, "NotADirectoryError")
    assert "Not a directory" in err
    assert run_cli("push", trained, REPO, "--data", permissive_file)[:2] == (3, "")
    assert not api.repo_exists(REPO)

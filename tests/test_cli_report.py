"""``hf-contrastive report``: documents again, and what changed since another release."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants

from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.sending import hub as release_hub
from hf_contrastive.release.sending.revisions import versions_in
from hf_contrastive.release.versioning.changelog import CHANGES, write_changes
from hf_contrastive.release.versioning.published import last_published, read_named, read_published
from model_cards.documents import evidence_json
from model_cards.evidence import Evidence
from model_cards.render import write_documents
from tests.evidence_samples import audit_of, evidence_of, ref

Cli = Callable[..., tuple[int, str, str]]
REPO = "local/docstring-minilm"


def first() -> Evidence:
    return replace(evidence_of(), repo_id=REPO)


def second() -> Evidence:
    evidence = first()
    audit = audit_of((ref("train", 24000, "new"), ref("test", 3100)), 40, 0)
    verdict = replace(evidence.verdict, report_digest=audit.content_digest)
    return replace(evidence, audit=audit, verdict=verdict, license="mit")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        # HF_ENDPOINT was read when huggingface_hub was imported
        monkeypatch.setattr(release_hub, "HfApi", lambda **told: HfApi(**{**told, "endpoint": running.endpoint}))
        monkeypatch.setenv("HF_TOKEN", running.token)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo(REPO)
    return api


def publish(api: HfApi, evidence: Evidence, tag: str) -> str:
    add = CommitOperationAdd("evidence.json", evidence_json.render(evidence).encode())
    commit = api.create_commit(REPO, [add], commit_message=tag).oid
    api.create_tag(REPO, tag=tag, revision=commit)
    return str(commit)


def write(folder: Path, evidence: Evidence) -> Path:
    """A folder of reports with no more than the evidence in it."""
    folder.mkdir(parents=True)
    (folder / "evidence.json").write_text(evidence_json.render(evidence), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "report", second())


def test_documents_are_rendered_again_byte_by_byte(run_cli: Cli, tmp_path: Path):
    folder = tmp_path / "report"
    write_documents(second(), folder)
    code, out, _ = run_cli("report", folder, "--format", "html")
    assert code == 0
    assert out == (folder / "report.html").read_text()
    assert run_cli("report", folder / "evidence.json", "--json")[1] == (folder / "report.json").read_text()
    assert run_cli("report", folder, "--out", tmp_path / "again")[0] == 0
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir() if path.is_file()}
    assert written.items() <= again.items()
    code, out, err = run_cli("report", folder, "--format", "html", "--out", tmp_path / "one.html")
    assert (code, out) == (0, "")
    assert (tmp_path / "one.html").read_text() == (folder / "report.html").read_text()
    assert "one.html" in err


STARTS = {
    "x.md": "#", "x.html": "<!doctype html>", "x.HTML": "<!doctype html>", "x.json": "{", "x.sarif": "{",
    "x.sarif.json": "{", "x.xml": "<?xml",
}  # fmt: skip


@pytest.mark.parametrize("since", [False, True])
@pytest.mark.parametrize("name", list(STARTS))
def test_a_file_is_written_in_the_form_that_its_name_asks_for(
    run_cli: Cli, tmp_path: Path, folder: Path, name: str, since: bool
):
    more = ("--since", write(tmp_path / "before", first())) if since else ()
    code, _, err = run_cli("report", folder, *more, "--out", tmp_path / name)
    assert code == 0, err
    text = (tmp_path / name).read_text()
    assert text.lower().startswith(STARTS[name])
    if text.startswith("{"):
        kind = "runs" if "sarif" in name else "changes" if since else "outcomes"
        assert kind in json.loads(text)
    # who names a form gets that one, whatever the file is called
    assert run_cli("report", folder, *more, "--format", "junit", "--out", tmp_path / "x.txt")[0] == 0
    assert (tmp_path / "x.txt").read_text().startswith("<?xml")


def test_only_what_changed_since_a_version_of_the_same_repository(run_cli: Cli, api: HfApi, folder: Path):
    commits = [publish(api, first(), "v1"), publish(api, second(), "v2")]
    code, out, err = run_cli("report", REPO, "--since", "v1", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [told[side]["commit"] for side in ("before", "after")] == commits
    assert [told[side]["name"] for side in ("before", "after")] == [f"{REPO}@v1", f"{REPO}@v2"]
    assert told["before"]["evidence_digest"] == first().digest
    found = {item["key"]: item for item in told["changes"]}
    assert found["release license"]["before"] == "apache-2.0"
    assert found["data train"]["kind"] == "changed"
    assert "worse" in err
    # a folder finds its repository in its evidence, and a release may be named on both sides
    from_folder = json.loads(run_cli("report", folder, "--since", "v1", "--json")[1])
    assert from_folder["changes"] == told["changes"]
    back = json.loads(run_cli("report", f"{REPO}@v1", "--since", folder, "--json")[1])
    assert {item["key"] for item in back["changes"]} == set(found)
    assert run_cli("report", folder, "--since", f"{REPO}@v2")[1].splitlines()[2] == (
        "Nothing changed but times of making and of running."
    )


def test_changes_are_short_markdown_and_a_page_that_stands_alone(run_cli: Cli, folder: Path, tmp_path: Path):
    before = write(tmp_path / "before", first())
    code, markdown, _ = run_cli("report", folder, "--since", before)
    assert code == 0
    assert markdown.startswith("## Changes from ")
    assert "| release | License that it is published under | apache-2.0 | mit |" in markdown
    assert len(markdown) < 6000
    # from folders of this machine, whose place nobody else needs to know
    assert f"from `{tmp_path.name}/before` to `{tmp_path.name}/report`" in markdown
    page = run_cli("report", folder, "--since", before, "--format", "html")[1]
    assert not re.search(r"<(script|link|img|iframe|object|form)|url\(|@import|(src|href)=\"[^#]| on[a-z]+=", page)
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert "apache-2.0" in page
    assert str(tmp_path.parent) not in page
    assert run_cli("report", folder, "--since", before, "--out", tmp_path / "changes")[0] == 0
    assert set(CHANGES) <= {path.name for path in (tmp_path / "changes").iterdir()}
    assert (tmp_path / "changes" / "changes.md").read_text() == markdown
    code, out, _ = run_cli("report", folder, "--since", before, "--format", "sarif")
    assert {item["baselineState"] for item in json.loads(out)["runs"][0]["results"]} <= {"new", "updated", "absent"}
    assert run_cli("report", folder, "--since", before, "--format", "junit")[1].startswith("<?xml")


def test_mistakes_are_told_with_what_there_is(
    run_cli: Cli, api: HfApi, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(api, first(), "v1")
    publish(api, second(), "v2")
    for arguments, words in (
        ((REPO, "--since", "mian"), "has no revision `mian`; did you mean `main` for `mian`"),
        ((REPO, "--since", "v9"), "it has v2, v1, main"),
        ((f"{REPO}@v3",), "it has v2, v1, main"),
        (("local/none",), "There is no model local/none on the Hub at http://127.0.0.1"),
        ((tmp_path / "hub",), "holds no evidence.json"),
        ((tmp_path / "none.json",), "is no folder, no file and no repository"),
        ((folder, "--json", "--format", "html"), "ask for two forms"),
        ((folder, "--format", "pdf"), "pdf"),
        ((folder, "--out", folder / "evidence.json" / "x.md"), "can not be written"),
        ((folder, "--out", tmp_path / "x.pdf"), "allowed are .md, .html, .json, .sarif, .sarif.json, .xml, a folder"),
        ((folder, "--since", folder, "--out", tmp_path / "changes.txt"), "ends in `.txt`, which names no form"),
    ):
        code, out, err = run_cli("report", *arguments)
        assert (code, out) == (2, ""), arguments
        assert words in " ".join(err.split()), (arguments, err)
    write(tmp_path / "nameless", replace(second(), repo_id=None))
    assert "names no repository" in run_cli("report", tmp_path / "nameless", "--since", "v1")[2]
    changed = (
        (folder / "evidence.json").read_text().replace("23,840", "1").replace('"license": "mit"', '"license": "x"')
    )
    (folder / "evidence.json").write_text(changed)
    code, _, err = run_cli("report", folder)
    assert code == 2
    assert "was changed after it was written" in err
    monkeypatch.setattr(release_hub, "HfApi", lambda **told: HfApi(**{**told, "endpoint": "http://127.0.0.1:9"}))
    code, _, err = run_cli("report", REPO)
    assert code == 3
    assert "can not be reached" in err


def test_published_evidence_is_read_at_a_tag_a_branch_and_a_commit(api: HfApi):
    assert last_published(REPO, api=api) is None
    assert last_published("local/none", api=api) is None
    commit = publish(api, first(), "v1")
    publish(api, second(), "v10")
    publish(api, first(), "v9")
    assert [name for name, _ in versions_in(api.list_repo_refs(REPO))] == ["v1", "v9", "v10"]
    for revision in ("v1", commit):
        read = read_published(REPO, revision, api=api)
        assert (read.commit, read.tag, read.name, read.evidence) == (commit, "v1", f"{REPO}@v1", first())
    head = last_published(REPO, api=api)
    assert head is not None
    assert (head.tag, head.evidence.digest) == ("v9", first().digest)
    api.create_tag(REPO, tag="stable", revision="v10")
    assert read_published(REPO, "stable", api=api).tag in ("v10", "stable")


def test_a_folder_goes_before_a_repository_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "local" / "m" / "report", first())
    monkeypatch.chdir(tmp_path)
    read = read_named("local/m")
    assert (read.repo_id, read.evidence) == ("", first())


def test_a_push_writes_what_changed_beside_its_reports_or_removes_what_is_stale(tmp_path: Path, api: HfApi):
    publish(api, first(), "v1")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "kept.txt").write_text("kept")
    report = write_changes(tmp_path / "report", last_published(REPO, api=api), second())
    assert report is not None
    assert report.changes
    assert {path.name for path in (tmp_path / "report").iterdir()} == {*CHANGES, "kept.txt"}
    assert json.loads((tmp_path / "report" / "changes.json").read_text())["before"]["tag"] == "v1"
    assert write_changes(tmp_path / "report", None, second()) is None
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["kept.txt"]

"""The versions of a repository: what was said of each, read from what lies there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

import audits
from hf_contrastive import push
from hf_contrastive.errors import HubError
from hf_contrastive.release.local_hub import serve
from hf_contrastive.release.versioning import versions as module
from hf_contrastive.release.versioning.published import NotPublishedError
from hf_contrastive.release.versioning.rollback import rollback
from hf_contrastive.release.versioning.versions import VersionList, versions
from model_cards.documents.evidence_json import read_evidence

pytestmark = pytest.mark.usefixtures("rendered_once")

REPO = "local/model"
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def api(
    cache: Path,
    tiny_bert: Path,
    trained_folder: Callable[[Path], Path],
    permissive_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[HfApi]:
    """v1 pass, v2 reviewed, v3 back to v1, v4 without evidence, v5 with a changed one; then a commit by hand."""
    base = tmp_path_factory.mktemp("versions")
    with serve(base / "hub") as hub:
        hub.seed("base-owner/tiny", tiny_bert)
        hub.seed("local/other", tiny_bert)
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        report = audits.audit(str(permissive_file))
        push(trained_folder(base / "one" / "model"), REPO, data=report, api=api)
        second = Path(shutil.copytree(tiny_bert, base / "two" / "model"))
        push(second, REPO, data=report, reviewed_by="Ada", api=api)
        rollback(REPO, "v1", load=False, api=api)
        path = Path(api.hf_hub_download(REPO, "evidence.json", revision="v1"))
        changed = path.read_text().replace('"decision": "pass"', '"decision": "review"').encode()
        for tag, operation in (
            ("v4", CommitOperationDelete("evidence.json")),
            ("v5", CommitOperationAdd("evidence.json", changed)),
        ):
            info = api.create_commit(REPO, [operation], commit_message=f"By hand, {tag}")
            api.create_tag(REPO, tag=tag, revision=info.oid)
        api.create_tag(REPO, tag="latest", revision="v1")
        api.create_commit(REPO, [CommitOperationAdd("notes.txt", b"n")], commit_message="Notes")
        yield api


@pytest.fixture(scope="module")
def listed(api: HfApi) -> VersionList:
    return versions(REPO, api=api)


def test_every_version_says_what_its_evidence_says(api: HfApi, listed: VersionList):
    assert [item.tag for item in listed.versions] == ["v1", "v2", "v3", "v4", "v5"]
    for item in listed.versions[:3]:
        evidence = read_evidence(api.hf_hub_download(REPO, "evidence.json", revision=item.tag))
        assert (item.decision, item.license) == (evidence.verdict.decision, evidence.license)
        assert item.evidence_digest == evidence.digest
        assert item.approvals == tuple(approval.by for approval in evidence.approvals)
        assert (item.matches_commit, item.signing_key, item.problem) == (True, "", "")
        assert item.commit == api.model_info(REPO, revision=item.tag).sha
        assert item.date[:4].isdigit()
    first, second, third = listed.versions[:3]
    assert (first.decision, first.approvals, first.base) == ("pass", (), "base-owner/tiny")
    assert (second.decision, second.approvals, second.base) == ("review", ("Ada",), "")
    assert (third.rolled_back_to, third.evidence_digest) == ("v1", first.evidence_digest)
    assert [item.rolled_back_to for item in listed.versions] == ["", "", "v1", "", ""]
    assert VersionList.from_dict(json.loads(json.dumps(listed.to_dict()))) == listed


def test_what_can_not_be_read_is_told_and_claims_nothing(listed: VersionList):
    without, broken = listed.versions[3:]
    assert "holds no evidence.json" in without.problem
    assert "was changed after it was written" in broken.problem
    for item in (without, broken):
        assert (item.decision, item.metric, item.license, item.matches_commit) == (None, None, None, None)


def test_the_head_is_current_or_no_version(api: HfApi, listed: VersionList, cache: Path):
    assert listed.current is None
    assert listed.since == ("Notes",)
    assert listed.head == api.model_info(REPO).sha
    api.create_branch(REPO, branch="at-v3", revision="v3")
    there = versions(REPO, revision="at-v3", api=api)
    assert (there.current.tag, there.since) == ("v3", ())
    # tags of other branches are listed all the same
    assert [item.tag for item in there.versions] == ["v1", "v2", "v3", "v4", "v5"]
    assert all(item.date for item in there.versions)


def test_a_signature_counts_where_it_lies(api: HfApi, monkeypatch: pytest.MonkeyPatch):
    from dataclasses import replace

    from model_cards.evidence import SigningKey

    evidence = read_evidence(api.hf_hub_download(REPO, "evidence.json", revision="v1"))
    signed = replace(evidence, signing_key=SigningKey(algorithm="ecdsa-p256-sha256", fingerprint="sha256:ab"))
    lines = [f"evidence {signed.digest}"]
    assert module._statements(signed, lines, signed=True)["signing_key"] == "sha256:ab"
    lost = module._statements(signed, lines, signed=False)
    assert (lost["signing_key"], "no model.sig lies there" in lost["problem"]) == ("", True)
    assert module._statements(signed, ["evidence sha256:other"], signed=True)["matches_commit"] is False
    assert module._statements(signed, [], signed=True)["matches_commit"] is None


def test_the_metric_is_the_one_of_the_evaluation(api: HfApi):
    from dataclasses import replace

    from audits.findings import DatasetRef, Measurement
    from model_cards.evidence import EvaluationReport, MetricComparison, VersionComparison

    evidence = read_evidence(api.hf_hub_download(REPO, "evidence.json", revision="v1"))
    ref = DatasetRef(split="test", fingerprint="sha256:1", num_rows=9)
    value = Measurement(name="ndcg@10", value=0.5, unit="score", interval=(0.4, 0.6))
    told = VersionComparison(repo_id=REPO, dataset=ref, queries=9, metrics=(MetricComparison(after=value),))
    assert module._metric(evidence) == (None, "")
    assert module._metric(replace(evidence, comparison=told)) == (value, "test sha256:1")
    better = replace(value, value=0.7)
    report = EvaluationReport(
        task="retrieval", dataset=replace(ref, split="own"), queries=9, documents=9, max_length=8, seed=0,
        metrics=(MetricComparison(after=better),),
    )  # fmt: skip
    both = replace(evidence, comparison=told, evaluations=(report,))
    assert module._metric(both) == (better, "own sha256:1")


def test_progress_and_errors(api: HfApi):
    seen: list[tuple[int, int]] = []
    versions(REPO, api=api, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 5) for number in range(1, 6)]
    assert versions("local/other", api=api).versions == ()
    with pytest.raises(NotPublishedError, match="no model local/nothing"):
        versions("local/nothing", api=api)
    with pytest.raises(HubError, match="can not be reached"):
        versions(REPO, endpoint="http://127.0.0.1:9", token="t")


def test_the_command_shows_a_table_and_json(
    run_cli: Cli, api: HfApi, listed: VersionList, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hf_contrastive.console.console.width", 240)
    monkeypatch.setattr(module, "hub_api", lambda **_: api)
    code, out, err = run_cli("versions", REPO)
    assert (code, out) == (0, "")
    assert "v3: back to v1" in err
    assert "review, approved by Ada" in err
    assert "v4: it holds no evidence.json" in err
    assert "is no version" in err
    # nothing is cut where there is little room: what does not fit into the table stands below it
    monkeypatch.setattr("hf_contrastive.console.console.width", 80)
    code, _, err = run_cli("versions", REPO)
    lines = err[err.index("┏") : err.index("└")].splitlines()
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= 80
    for item in listed.versions:
        shown = next(line for line in lines if line.startswith(f"│ {item.tag}"))
        assert item.date[:10] in shown
        below = next(line for line in err.splitlines() if line.startswith(f"{item.tag}: ") and "signed by" in line)
        assert item.base.partition("@")[0] in below
    assert any(line.startswith("│ v3: back to v1 ") for line in lines)
    code, out, _ = run_cli("versions", REPO, "--json")
    assert (code, json.loads(out)) == (0, json.loads(json.dumps(listed.to_dict())))
    told: Any = run_cli("versions", "local/other")
    assert (told[0], "has no version tags" in told[2]) == (0, True)

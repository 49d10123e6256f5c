"""A model that a person names: a folder, an id, an id at a version; or one sentence on why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi

from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import HubError, ModelError
from hf_contrastive.model_references import find_model
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.versioning.published import NotPublishedError

REPO = "local/model"


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serve(tmp_path / "hub") as running:
        running.seed(REPO, tiny_bert)
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_tag(REPO, tag="v1")
    api.create_commit(
        REPO, [CommitOperationAdd("rows.jsonl", b"{}"), CommitOperationAdd("onnx/model.bin", b"x")], commit_message="m"
    )
    api.create_tag(REPO, tag="v2")
    return api


def test_a_version_is_named_by_repository_and_tag(api: HfApi, tiny_bert: Path):
    found = find_model(f"{REPO}@v1", api=api)
    assert (found.name, found.repo_id, found.tag) == (f"{REPO}@v1", REPO, "v1")
    assert found.commit == api.model_info(REPO, revision="v1").sha
    texts = ["what is a cat", "the dog"]
    np.testing.assert_array_equal(found.load().encode(texts), TextEncoder.load(tiny_bert).encode(texts))
    last = find_model(REPO, api=api)
    assert (last.tag, last.commit) == ("v2", api.model_info(REPO).sha)
    # by its commit, the tag is told
    assert find_model(f"{REPO}@{found.commit}", api=api).tag == "v1"


def test_only_the_files_of_a_model_are_fetched(api: HfApi):
    here = Path(find_model(REPO, api=api).given)
    names = {path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not names & {"rows.jsonl", "onnx/model.bin"}


def test_weights_of_old_are_fetched_where_there_are_no_others(api: HfApi):
    operations: list[Any] = [
        CommitOperationCopy("model.safetensors", "pytorch_model.bin"),
        CommitOperationDelete("model.safetensors"),
    ]
    api.create_commit(REPO, operations, commit_message="m")
    assert (Path(find_model(REPO, api=api).given) / "pytorch_model.bin").is_file()


def test_a_folder_goes_before_a_repository(api: HfApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "local" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = find_model(REPO, api=api)
    assert (found.name, found.repo_id, found.given) == ("model", "", REPO)


def test_without_a_connection_what_was_fetched_before_counts(api: HfApi, hub: LocalHub):
    commit = find_model(f"{REPO}@v1", api=api).commit
    away = HfApi(endpoint="http://127.0.0.1:9", token="t")
    assert find_model(f"{REPO}@{commit}", api=away).commit == commit
    with pytest.raises(HubError, match="can not be reached"):
        find_model("local/other", api=away)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        (f"{REPO}@v9", ModelError, r"no revision `v9`.*it has v2, v1, main\. Name one of these"),
        ("local/nothing", NotPublishedError, "no model local/nothing"),
        ("no such folder", ModelError, "no folder and no model of the Hub"),
        ("a/b/c", ModelError, "no folder and no model of the Hub"),
        ("a--b/c", NotPublishedError, "no repository id"),
    ],
)
def test_what_is_not_there_is_one_sentence(api: HfApi, name: str, kind: type[Exception], told: str):
    with pytest.raises(kind, match=told) as caught:
        find_model(name, api=api)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_loaded_is_taken_as_it_is(tiny_bert: Path):
    encoder = TextEncoder.load(tiny_bert)
    found = find_model(encoder)
    assert found.load() is encoder
    assert found.name == tiny_bert.name

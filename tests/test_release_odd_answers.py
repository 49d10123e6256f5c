"""What is read before a push, a rollback or a list, where something between answers in another form than a Hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from audits.findings import AuditReport
from hf_contrastive import push
from hf_contrastive.errors import ContrastiveError, HubError
from hf_contrastive.model_references import download_model
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.push import preview
from hf_contrastive.release.sending import faults
from hf_contrastive.release.verification.repository import fetch
from hf_contrastive.release.versioning.looking import look_at_published
from hf_contrastive.release.versioning.published import NotPublishedError, read_published
from hf_contrastive.release.versioning.rollback import preview_rollback
from hf_contrastive.release.versioning.versions import versions
from tests.benchmarks.faults.cells import prepared, push_prepared
from tests.fault_proxy import FAULTS, Asked, Fault, FaultProxy

REPO = "local/m"
JSON, HTML = "Content-Type: application/json", "Content-Type: text/html"
ANSWERS: dict[str, tuple[bytes, str]] = {
    "a page": (b"<html><body>Please log in.</body></html>", HTML),
    "other JSON": (b'{"unexpected": true}', JSON),
    "a list": (b"[7]", JSON),
    "a number": (b"7", JSON),
    "no time": (b'{"id": "local/m", "sha": "x", "siblings": [], "lastModified": "yesterday"}', JSON),
    "wrong kinds": (b'{"id": "local/m", "sha": 7, "siblings": 7, "tags": 7, "branches": 7}', JSON),
}
READS: dict[str, Callable[[HfApi], Any]] = {
    "read_published": lambda api: read_published(REPO, api=api),
    "versions": lambda api: versions(REPO, api=api),
    "preview_rollback": lambda api: preview_rollback(REPO, "v1", load=False, api=api),
    "fetch": lambda api: fetch(REPO, None, api=api),
    "download_model": lambda api: download_model(REPO, api=api),
}
PARTS = {
    "read_published": ("/api/models/", "/refs", "/resolve/"),
    "versions": ("/api/models/", "/refs", "/commits/", "/resolve/"),
    "preview_rollback": ("/api/models/", "/refs", "/resolve/"),
    "fetch": ("/api/models/", "/refs", "/commits/", "/resolve/"),
    "download_model": ("/api/models/", "/refs", "/resolve/"),
}


def answers(part: str, name: str) -> Fault:
    """Answer every request with ``part`` in its path, and the others as the Hub does."""
    body, kind = ANSWERS[name]

    def act(asked: Asked) -> None:
        if part in asked.path:
            asked.body()
            asked.answer("200 OK", b"" if asked.method == "HEAD" else body, kind)
        else:
            asked.client.sendall(asked.forward())

    return Fault(name, act, lasting=True)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT_SECONDS", 0.0)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_CONTRASTIVE_HISTORY", str(tmp_path / "history.jsonl"))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Iterator[LocalHub]:
    base = tmp_path_factory.mktemp("odd")
    with serve(base / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        first, _ = prepared(base / "prepared")
        (base / "place").mkdir()
        push_prepared(first, HfApi(endpoint=running.endpoint, token=running.token), REPO, base / "place")
        yield running


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(("read", "part"), [(read, part) for read, parts in PARTS.items() for part in parts])
def test_an_answer_of_another_form_is_one_paragraph(hub: LocalHub, read: str, part: str, name: str):
    with FaultProxy(hub.endpoint, fault=answers(part, name)) as proxy, pytest.raises(HubError) as caught:
        READS[read](HfApi(endpoint=proxy.address, token=hub.token))
    message = str(caught.value)
    assert "\n" not in message
    assert proxy.address in message
    assert "is no Hub, or something between" in message
    assert "HF_ENDPOINT" in message


@pytest.mark.parametrize("name", ["a page", "other JSON"])
@pytest.mark.parametrize("part", ["/api/models/", "/refs", "/resolve/"])
def test_looking_before_the_gate_tells_why_it_does_not_know(hub: LocalHub, part: str, name: str):
    with FaultProxy(hub.endpoint, fault=answers(part, name)) as proxy:
        looked = look_at_published(REPO, api=HfApi(endpoint=proxy.address, token=hub.token))
    assert looked.seen is None
    assert "is no Hub, or something between" in looked.problem


@pytest.mark.parametrize("read", READS)
def test_one_odd_answer_is_asked_again(hub: LocalHub, read: str):
    with FaultProxy(hub.endpoint, fault=FAULTS["200 with other JSON"]) as proxy:
        READS[read](HfApi(endpoint=proxy.address, token=hub.token))


@pytest.mark.parametrize("name", ["503", "502 with a page", "429", "reset before it is read"])
def test_a_file_that_the_hub_does_not_give_now_is_not_taken_for_missing(
    hub: LocalHub, name: str, monkeypatch: pytest.MonkeyPatch
):
    # as long as it asks for would be half a minute
    monkeypatch.setattr(faults.time, "sleep", lambda seconds: None)

    def act(asked: Asked) -> None:
        if "/resolve/" in asked.path:
            FAULTS[name].act(asked)
        else:
            asked.client.sendall(asked.forward())

    with FaultProxy(hub.endpoint, fault=Fault(name, act, lasting=True)) as proxy:
        api = HfApi(endpoint=proxy.address, token=hub.token)
        with pytest.raises(HubError, match=r"did not give|can not be reached"):
            read_published(REPO, api=api)
        assert look_at_published(REPO, api=api).seen is None


@pytest.mark.usefixtures("pushed_at_midnight")
@pytest.mark.parametrize("name", ANSWERS)
def test_a_push_ends_in_one_paragraph(
    hub: LocalHub, trained_folder: Callable[[Path], Path], permissive_report: AuditReport, tmp_path: Path, name: str
):
    folder = trained_folder(tmp_path / "trained" / "model")
    with FaultProxy(hub.endpoint, fault=answers("/api/", name)) as proxy:
        api = HfApi(endpoint=proxy.address, token=hub.token)
        for repo in ("local/new", "new"):
            with pytest.raises(HubError) as caught:
                push(folder, repo, data=permissive_report, api=api)
            assert "\n" not in str(caught.value)
            assert "is no Hub, or something between" in str(caught.value)
            shutil.rmtree(tmp_path / "trained" / "report")
        assert "is no Hub" in preview(folder, "local/new", data=permissive_report, api=api).repository.unknown


@pytest.mark.parametrize(
    ("read", "kind", "told"),
    [
        (
            lambda api: read_published(REPO, "mian", api=api),
            NotPublishedError,
            "no revision `mian`; did you mean `main`",
        ),
        (
            lambda api: fetch(REPO, "mian", api=api),
            NotPublishedError,
            "it has v1, main. Name one of these, or a commit.",
        ),
        (lambda api: versions(REPO, revision="mian", api=api), NotPublishedError, "its branches are main. Name one"),
        (
            lambda api: preview_rollback(REPO, "v1", revision="mian", load=False, api=api),
            NotPublishedError,
            "local/m has no branch `mian`; did you mean `main` for `mian`; its branches are main. Name one of these.",
        ),
        (lambda api: versions("local/none", api=api), NotPublishedError, "There is no model local/none"),
        (lambda api: versions("local/none", revision="x", api=api), NotPublishedError, "There is no model local/none"),
    ],
)
def test_a_branch_that_is_not_there_is_no_unknown_repository(
    hub: LocalHub, read: Callable[[HfApi], Any], kind: type[ContrastiveError], told: str
):
    with pytest.raises(kind) as caught:
        read(HfApi(endpoint=hub.endpoint, token=hub.token))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)

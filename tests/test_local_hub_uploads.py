"""Uploads to the local Hub in parts, and merges of its pull requests, without a client that corrects them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_contrastive.release.local_hub import LocalHub, LocalHubError, parts, serve
from hf_contrastive.release.local_hub.errors import InvalidRequestError, NotFoundError
from hf_contrastive.release.local_hub.objects import ObjectStore
from hf_contrastive.release.local_hub.parts import PartialUploads
from hf_contrastive.release.local_hub.payload import Payload
from hf_contrastive.release.local_hub.pulls import PullRequests
from hf_contrastive.release.local_hub.storage import Storage
from hf_contrastive.release.local_hub.trees import Add, Delete
from hf_contrastive.release.local_hub.writes import LFS_CLIENT

CONTENT = bytes(range(256)) * 10 + b"the end"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.setattr(parts, "MULTIPART_BYTES", 1000)
    with serve(tmp_path / "hub") as running:
        yield running


def send(hub: LocalHub, method: str, url: str, body: Any = None, *, token: bool = False) -> tuple[int, Any, Any]:
    address, there = urlsplit(url), urlsplit(hub.endpoint)
    connection = http.client.HTTPConnection(there.hostname, there.port, timeout=10)
    headers = {"Authorization": f"Bearer {hub.token}"} if token else {}
    try:
        sent = json.dumps(body) if isinstance(body, dict) else body
        connection.request(method, f"{address.path}?{address.query}" if address.query else address.path, sent, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def actions(hub: LocalHub, content: bytes, transfers: tuple[str, ...] = ("basic", "multipart")) -> Any:
    oid = hashlib.sha256(content).hexdigest()
    send(hub, "POST", f"{hub.endpoint}/api/repos/create", {"name": "m"}, token=True)
    form = {"operation": "upload", "transfers": list(transfers), "objects": [{"oid": oid, "size": len(content)}]}
    status, _, body = send(hub, "POST", f"{hub.endpoint}/local/m.git/info/lfs/objects/batch", form, token=True)
    assert status == 200
    return json.loads(body)["objects"][0].get("actions")


def stored(tmp_path: Path) -> set[str]:
    return {path.parent.name + path.name for path in (tmp_path / "hub" / "objects").glob("*/*")}


# the client itself: https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/lfs.py
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 2000, 2567])
def test_the_client_sends_large_files_in_parts(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    api = HfApi(endpoint=hub.endpoint, token=hub.token, user_agent=f"origin/{LFS_CLIENT}")
    api.create_repo("local/m")
    api.upload_file(path_or_fileobj=CONTENT[:size], path_in_repo="w.bin", repo_id="local/m")
    assert Path(api.hf_hub_download("local/m", "w.bin", cache_dir=tmp_path / "cache")).read_bytes() == CONTENT[:size]
    assert not list((tmp_path / "hub" / "incoming").iterdir())


def test_who_does_not_know_parts_is_not_asked_for_them(hub: LocalHub):
    assert "header" not in actions(hub, CONTENT, ("basic",))["upload"]
    assert actions(hub, CONTENT)["upload"]["header"].keys() == {"chunk_size", "00001", "00002", "00003"}


def test_parts_are_checked_one_by_one_and_as_a_whole(hub: LocalHub, tmp_path: Path):
    upload = actions(hub, CONTENT)["upload"]
    before = stored(tmp_path)
    first, second, third = (upload["header"][f"{number:05}"] for number in (1, 2, 3))
    oid = hashlib.sha256(CONTENT).hexdigest()

    def complete(*etags: str) -> int:
        listed = [{"partNumber": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        return send(hub, "POST", upload["href"], {"oid": oid, "parts": listed})[0]

    etags = []
    for address, content in ((first, CONTENT[:1000]), (second, CONTENT[1000:2000]), (third, CONTENT[2000:])):
        for wrong in (content[:-1], content + b"x"):
            assert send(hub, "PUT", address, wrong)[0] == 400
        assert send(hub, "PUT", address.replace("/parts/", "/parts/0"), content)[0] == 403
        assert send(hub, "PUT", address.replace("size=2567", "size=2568"), content)[0] == 403
        status, headers, _ = send(hub, "PUT", address, content)
        assert status == 200
        etags.append(headers["ETag"])
    assert complete() == complete(*etags[:2]) == complete(*reversed(etags)) == complete("a", "b", "c") == 400
    # a part that changes after all had arrived is noticed
    assert send(hub, "PUT", second, b"?" * 1000)[0] == 200
    assert complete(*etags) == 400
    assert stored(tmp_path) == before
    # what was refused is gone, and all parts are sent again
    assert complete(*etags) == 404
    for address, content in ((third, CONTENT[2000:]), (first, CONTENT[:1000]), (second, CONTENT[1000:2000])):
        assert send(hub, "PUT", address, content)[0] == 200
    assert complete(*etags) == 200
    # as when the answer was lost
    assert complete(*etags) == 200
    assert stored(tmp_path) == before | {oid}
    assert actions(hub, CONTENT) is None
    assert not list((tmp_path / "hub" / "incoming").iterdir())


@settings(max_examples=50)
@given(st.lists(st.integers(1, 4), max_size=12), st.integers(3001, 4000), st.data())
def test_parts_may_come_in_any_order_and_twice(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], size: int, data: st.DataObject
):
    content = os.urandom(size)
    oid = hashlib.sha256(content).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "MULTIPART_BYTES", 1000)
        store = ObjectStore(tmp_path_factory.mktemp("store"))
        uploads = PartialUploads(store)
        arrived = set()
        for number in order:
            part = content[(number - 1) * 1000 : number * 1000]
            if data.draw(st.booleans()):
                uploads.write("one", number, size, iter([part[:10], part[10:]]))
                arrived.add(number)
            else:
                with pytest.raises(InvalidRequestError):
                    uploads.write("one", number, size, iter([b"?" * 7, part[8:]]))
                arrived.discard(number)
        if arrived == {1, 2, 3, 4}:
            uploads.complete("one", oid, size)
            assert store.path(oid).read_bytes() == content
        else:
            with pytest.raises((InvalidRequestError, NotFoundError)):
                uploads.complete("one", oid, size)
            assert store.size(oid) is None


def test_what_two_branches_changed_is_merged_unless_it_is_the_same_file(tmp_path: Path):
    storage = Storage(tmp_path)
    repository = storage.create("model", "u/m", author="u")
    one, two, three = (storage.objects.put([text])[0] for text in (b"1", b"2", b"3"))
    repository.commit("main", [Add(name, one) for name in ("a", "b", "gone", "same")], title="start", author="u")
    pulls = PullRequests(repository)

    def opened(*operations: Add | Delete) -> int:
        payload = Payload("Change", "", None, operations)
        return pulls.open_with(payload, base="main", author="u", title="Change", description="")[0]["number"]

    clean = opened(Add("a", two), Delete("gone"), Add("new", two), Add("same", three))
    conflicting, both_deleted = opened(Add("b", two)), opened(Delete("gone"))
    repository.commit("main", [Add("b", three), Add("other", one), Add("same", three)], title="main", author="u")
    merged = pulls.merge(clean, "u")
    found = {path: entry.sha256 for path, entry in merged.files.items() if path != ".gitattributes"}
    assert found == {"a": two, "b": three, "new": two, "other": one, "same": three}
    assert repository.head("main").id == merged.id
    assert pulls.conflicts(pulls.read(conflicting)) == ["b"]
    # what is gone on both sides is no conflict
    assert "gone" not in pulls.merge(both_deleted, "u").files


def test_a_merge_that_was_cut_off_is_known_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    storage = Storage(tmp_path)
    repository = storage.create("model", "u/m", author="u")
    payload = Payload("Change", "", None, (Add("a", storage.objects.put([b"1"])[0]),))
    pulls = PullRequests(repository)
    pulls.open_with(payload, base="main", author="u", title="Change", description="")
    write, left = repository.write_pull, 1

    def cut(record: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        write(record)

    monkeypatch.setattr(repository, "write_pull", cut)
    with pytest.raises(KeyboardInterrupt):
        pulls.merge(1, "u")
    again = Storage(tmp_path).repository("model", "u/m")
    assert "a" in again.head("main").files
    assert PullRequests(again).read(1)["status"] == "merged"


def test_a_pull_request_keeps_its_own_head_when_many_commit_at_once(hub: LocalHub):
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo("local/m")
    errors: list[Exception] = []

    def run(number: int) -> None:
        try:
            api.upload_file(path_or_fileobj=b"x", path_in_repo=f"{number}", repo_id="local/m", create_pr=True)
        except HfHubHTTPError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    heads = {
        frozenset(api.list_repo_files("local/m", revision=f"refs/pr/{number}")) - {".gitattributes"}
        for number in range(1, 6)
    }
    assert heads == {frozenset({str(number)}) for number in range(5)}


def test_a_browser_signs_in_to_read_and_never_writes(hub: LocalHub):
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo("local/m", private=True)
    address = urlsplit(hub.endpoint)

    def ask(method: str, target: str, password: str) -> int:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        credentials = base64.b64encode(f"me:{password}".encode()).decode()
        try:
            connection.request(method, target, "{}", {"Authorization": f"Basic {credentials}"})
            return connection.getresponse().status
        finally:
            connection.close()

    assert ask("GET", "/local/m", hub.read_token) == ask("GET", "/local/m", hub.token) == 200
    assert ask("GET", "/local/m", "wrong") == 401
    for method, target in (
        ("POST", "/api/repos/create"),
        ("POST", "/api/models/local/m/tag/main"),
        ("POST", "/api/models/local/m/discussions/1/merge"),
        ("DELETE", "/api/repos/delete"),
    ):
        assert ask(method, target, hub.token) == 401
    assert api.repo_exists("local/m")


def test_both_tokens_must_differ(tmp_path: Path):
    with pytest.raises(LocalHubError, match="must differ"):
        serve(tmp_path, token="same", read_token="same")
    with serve(tmp_path, token="one", read_token="two") as hub:
        assert (hub.token, hub.read_token) == ("one", "two")

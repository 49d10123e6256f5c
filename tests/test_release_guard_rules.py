"""Which requests the guard lets through, without a server: everything else is refused."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_contrastive.release.guarding.plans import OpenPlan, OpenPlans
from hf_contrastive.release.guarding.requests import HubRequest, UnreadableRequestError, operations
from hf_contrastive.release.guarding.rules import refusals
from hf_contrastive.release.plan import PlannedFile

HOST = "huggingface.co"
REPO = "ada/model"
HELD = {"config.json": b"{}", "model.safetensors": b"weights", "LICENSE": b"mit"}
COMMIT = "c" * 40


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def open_plan(repo_id: str = REPO, **options: Any) -> OpenPlan:
    files = {path: PlannedFile(path=path, sha256=sha256(data), size=len(data)) for path, data in HELD.items()}
    return OpenPlan(repo_id=repo_id, files=files, **options)


def asked(
    method: str, address: str, body: Any = b"", *, plans: tuple[OpenPlan, ...] = (), host: str = HOST, done: str = ""
) -> tuple[str, ...]:
    """What speaks against a request, with ``plans`` open and the commit ``done`` made by one of them."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    opened = OpenPlans()
    if done:
        opened.add_commit(REPO, done)
    with ExitStack() as stack:
        for plan in plans:
            stack.enter_context(opened.opened(plan))
        return refusals(HubRequest.of(method, host, address, lambda: content), opened, {HOST})


def file(path: str, content: bytes) -> dict[str, Any]:
    value = {"path": path, "encoding": "base64", "content": base64.b64encode(content).decode()}
    return {"key": "file", "value": value}


def lfs(path: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": sha256(content), **more}}


def deletion(path: str, key: str = "deletedFile") -> dict[str, Any]:
    return {"key": key, "value": {"path": path}}


def commit_body(*lines: dict[str, Any]) -> bytes:
    header = {"key": "header", "value": {"summary": "s", "description": ""}}
    return b"".join(json.dumps(line).encode() + b"\n" for line in (header, *lines))


def commit(*lines: dict[str, Any], address: str = f"/api/models/{REPO}/commit/main", **options: Any) -> tuple[str, ...]:
    options.setdefault("plans", (open_plan(),))
    return asked("POST", address, commit_body(*lines), **options)


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("GET", "/api/models/ada/model", b""),
        ("HEAD", "/ada/model/resolve/main/config.json", b""),
        ("GET", "/api/datasets/ada/rows/xet-read-token/main", b""),
        ("POST", "/api/models/gpt2/paths-info/main", b"paths=a"),
        ("POST", "/api/datasets/ada/rows/paths-info/refs%2Fconvert%2Fparquet", b"paths=a"),
        ("POST", "/api/buckets/ada/b/paths-info", b"{}"),
        ("POST", "/api/validate-yaml", {"content": "---"}),
        ("POST", "/oauth/token", b"x"),
        ("POST", "/ada/model.git/info/lfs/objects/batch", {"operation": "download", "objects": []}),
        ("POST", "/api/repos/create", {"name": "m", "organization": "ada", "visibility": "public"}),
        ("POST", "/api/repos/create", {"name": "m", "organization": None, "type": "space", "sdk": "static"}),
        ("DELETE", "/api/repos/delete", {"name": "m", "organization": "ada"}),
        ("DELETE", "/api/models/ada/model/tag/v1", b""),
        ("DELETE", "/api/models/ada/model/branch/other", b""),
        ("PUT", "/api/models/ada/model/settings", {"visibility": "private"}),
        ("PUT", "/api/datasets/ada/rows/settings", {"gated": "manual"}),
    ],
)
def test_what_reads_makes_empty_or_withdraws_passes(method: str, address: str, body: Any):
    assert asked(method, address, body) == ()


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("POST", "/api/models/ada/model/discussions", {"title": "t", "pullRequest": True}),
        ("POST", "/api/models/ada/model/discussions/1/merge", b""),
        ("POST", "/api/models/ada/model/super-squash/main", {"message": "m"}),
        ("POST", "/api/models/ada/model/duplicate", {"repository": "ada/other"}),
        ("POST", "/api/spaces/ada/demo/duplicate", {"repository": "ada/other"}),
        ("POST", "/api/models/ada/model/lfs-files/duplicate", {"files": []}),
        ("POST", "/api/repos/move", {"fromRepo": "ada/a", "toRepo": "org/a"}),
        ("POST", "/api/repos/create", {"name": "m", "type": "space", "sdk": "static", "template": "t"}),
        ("POST", "/api/repos/create", {"name": "m", "type": "space", "sdk": "docker", "secrets": []}),
        ("POST", "/api/repos/create", {"name": "m", "type": "bucket"}),
        ("POST", "/api/buckets/ada/b", {}),
        ("POST", "/api/buckets/ada/b/batch", b'{"type": "addFile"}\n'),
        ("POST", "/api/kernels/ada/k/commit/main", commit_body(file("config.json", b"{}"))),
        ("POST", "/api/jobs/ada", {"command": ["x"]}),
        ("POST", "/api/complete_multipart?uploadId=x", {"oid": "x", "parts": []}),
        ("POST", "/api/models/ada/model/nobody-knows", {}),
        ("POST", "/uploads", b"png"),
        ("POST", "/blog/new", b"text"),
        ("PATCH", "/api/collections/ada/c", {}),
        ("DELETE", "/api/collections/ada/c", b""),
        ("PUT", "/api/models/ada/model/settings", {"visibility": "public"}),
        ("PUT", "/api/models/ada/model/settings", {"private": False}),
        ("PUT", "/api/models/ada/model/settings", {"visibility": "private", "gated": False}),
        ("PUT", "/api/models/ada/model/settings", {"gated": "auto"}),
        ("PUT", "/api/models/ada/model/settings", {}),
        ("POST", "/ada/model.git/info/lfs/objects/batch", {"operation": "upload", "objects": [{"oid": "a" * 64}]}),
        ("POST", "/ada/model.git/info/lfs/objects/batch", {"objects": [{"oid": "a" * 64}]}),
        ("POST", "/ada/model.git/git-receive-pack", b""),
        ("GET", "/api/models/ada/model/xet-write-token/main", b""),
        ("GET", "/api/buckets/ada/b/xet-write-token", b""),
        ("POST", "/api/models/ada/model/tag/main", {"tag": "v1"}),
        ("POST", f"/api/models/ada/model/tag/{COMMIT}", {"tag": "v1"}),
        ("POST", "/api/models/ada/model/branch/b", {}),
    ],
)
def test_without_a_plan_whatever_would_publish_is_refused(method: str, address: str, body: Any):
    assert asked(method, address, body)
    # nor does a plan for it help where no plan can name it, or it names something else
    in_plan = asked(method, address, body, plans=(open_plan(),))
    assert in_plan or "xet-write-token" in address or COMMIT in address
    # a mirror puts a path before the Hub's own, on a host of its own
    if address.startswith("/api/"):
        assert asked(method, f"/artifactory/api/hf/mirror{address}", body, host="mirror.example:8443")


def test_what_a_model_is_asked_elsewhere_passes_and_an_upload_does_not():
    assert asked("POST", "/hf-inference/models/x", b"{}", host="router.huggingface.co") == ()
    assert asked("POST", "/v1/chat/completions", b"{}", host="localhost:8080") == ()
    assert asked("PUT", "/bucket/object?X-Signature=x", b"data", host="storage.example")
    assert asked("POST", "/v2/endpoint/ada", b"{}", host=HOST)


def test_a_commit_of_the_plan_passes():
    lines = [file("config.json", b"{}"), lfs("model.safetensors", b"weights", size=7), deletion("pytorch_model.bin")]
    assert commit(*lines) == ()
    assert commit(*lines, plans=(open_plan("Ada/Model"),)) == ()  # as the Hub compares names
    assert commit(*lines, plans=(open_plan("model"),)) == ()  # a name without its user
    assert commit(*lines, address=f"/mirror/api/models/{REPO}/commit/main") == ()
    assert commit(deletion("old/", "deletedFolder"), plans=(open_plan(deletions=frozenset({"old/"})),)) == ()
    assert commit(deletion("notes.txt"), plans=(open_plan(deletions=frozenset({"notes.txt"})),)) == ()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([file("config.json", b"{ }")], "config.json has SHA-256"),
        ([file("other.json", b"{}")], "other.json is in no plan"),
        ([file("config.json", b"weights")], "config.json has SHA-256"),  # another file's content
        ([lfs("model.safetensors", b"others")], "model.safetensors has SHA-256"),
        ([file("config.json", b"{}"), file("rows.txt", b"x")], "rows.txt is in no plan"),
        ([deletion("notes.txt")], "the deletion of notes.txt"),
        ([deletion("config.json")], "the deletion of config.json"),
        ([deletion("sub", "deletedFolder")], "the deletion of sub/"),
        ([{"key": "copyFile", "value": {"path": "config.json", "srcPath": "x"}}], "the commit holds a copyFile"),
        (
            [{"key": "file", "value": {**file("config.json", b"{}")["value"], "oldPath": "x"}}],
            "the commit holds a file",
        ),
        ([{"key": "lfsFile", "value": {"path": "config.json", "algo": "md5", "oid": "x"}}], "no SHA-256"),
        ([{"key": "file", "value": {"path": "config.json", "content": "e30", "encoding": "base64"}}], "no base64"),
        ([{"key": "file", "value": {"path": "config.json", "content": "{}", "encoding": "gzip"}}], "neither base64"),
    ],
)
def test_a_commit_of_anything_else_is_refused(lines: list[dict[str, Any]], told: str):
    assert any(told in problem for problem in commit(*lines))
    assert commit(file("config.json", b"{}"), *lines)


@pytest.mark.parametrize(
    "address",
    [
        "/api/models/ada/model/commit/main?create_pr=1",
        "/api/models/ada/other/commit/main",
        "/api/datasets/ada/model/commit/main",
        "/api/spaces/ada/model/commit/main",
        "/api/models/model/commit/main",
        "/api/models/ada/model/../other/commit/main",
        "/api/models/ada/model/%2e%2e/other/commit/main",
        "/api/models/ada//model/commit/main",
        "/api/models/ada/model/commit/main/more",
        "/api/models/ada/model/commit",
    ],
)
def test_the_plan_holds_for_its_own_repository_alone(address: str):
    assert commit(file("config.json", b"{}"), address=address)


def test_one_plan_must_name_all_of_a_commit():
    own, other = open_plan(), OpenPlan(repo_id=REPO, files={})
    assert commit(file("config.json", b"{}"), plans=(own, other)) == ()
    assert commit(file("config.json", b"{}"), deletion("config.json"), plans=(own, other))


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"key": "file"}', b'{"key": "file", "value": 1}', b"\xff", b"[" * 9999]
)
def test_a_body_that_can_not_be_read_is_refused(body: bytes):
    for address in ("commit/main", "preupload/main", "tag/main"):
        assert asked("POST", f"/api/models/{REPO}/{address}", body, plans=(open_plan(),))


def test_a_name_that_stands_twice_is_refused():
    good, bad = (json.dumps(base64.b64encode(data).decode()) for data in (b"{}", b"secret"))
    value = f'{{"path": "config.json", "encoding": "base64", "content": {bad}, "content": {good}}}'
    body = f'{{"key": "file", "value": {value}}}\n'.encode()
    told = asked("POST", f"/api/models/{REPO}/commit/main", body, plans=(open_plan(),))
    assert "a name stands twice" in told[0]


def test_files_are_refused_before_their_bytes_are_sent():
    def preupload(path: str, size: int) -> tuple[str, ...]:
        body = {"files": [{"path": path, "size": size, "sample": ""}]}
        return asked("POST", f"/api/models/{REPO}/preupload/main", body, plans=(open_plan(),))

    assert preupload("config.json", 2) == ()
    assert preupload("config.json", 3) == ("config.json has 3 bytes, planned are 2",)
    assert "is in no plan" in preupload("rows.txt", 2)[0]


def test_objects_go_only_where_the_hub_asked_for_them():
    plans, oid = OpenPlans(), sha256(b"weights")
    address = "/ada/model.git/info/lfs/objects/batch"
    body = json.dumps({"operation": "upload", "objects": [{"oid": oid, "size": 7}]}).encode()

    def put(to: str) -> tuple[str, ...]:
        return refusals(HubRequest.of("PUT", "storage.example", to, lambda: b""), plans, {HOST})

    with plans.opened(open_plan()):
        assert refusals(HubRequest.of("POST", HOST, address, lambda: body), plans, {HOST}) == ()
        assert put("/o?signature=1")
        plans.give(REPO, "0" * 64, ["/o?signature=0"])
        plans.give("ada/other", oid, ["/o?signature=2"])
        plans.give(REPO, oid, ["/o?signature=1"])
        assert put("/o?signature=1") == ()
        assert put("/o?signature=0")
        assert put("/o?signature=2")
        assert put("/o")
    assert put("/o?signature=1")
    assert asked("POST", f"/datasets{address}", body, plans=(open_plan(),))


def test_tags_and_branches_stand_on_commits_that_came_through_the_gate():
    tag, branch = f"/api/models/{REPO}/tag/{COMMIT}", f"/api/models/{REPO}/branch/b"
    assert asked("POST", tag, {"tag": "v1", "message": "m"}, done=COMMIT) == ()
    assert asked("POST", branch, {"startingPoint": COMMIT}, done=COMMIT) == ()
    assert asked("POST", branch, {"startingPoint": "d" * 40}, done=COMMIT)
    assert asked("POST", branch, {"startingPoint": COMMIT, "overwrite": True}, done=COMMIT)
    assert asked("POST", tag.replace("models", "datasets"), {"tag": "v1"}, done=COMMIT)
    # a push that is repeated tags what an earlier process committed
    assert asked("POST", tag, {"tag": "v1"}, plans=(open_plan(),)) == ()
    assert asked("POST", f"/api/models/{REPO}/tag/main", {"tag": "v1"}, plans=(open_plan(),))


PATHS = st.sampled_from([*HELD, "rows.txt", "pytorch_model.bin"])
CONTENTS = st.sampled_from([*HELD.values(), b"secret"])


@given(
    st.lists(st.one_of(st.builds(file, PATHS, CONTENTS), st.builds(lfs, PATHS, CONTENTS), st.builds(deletion, PATHS)))
)
def test_a_commit_passes_exactly_if_every_operation_is_planned(lines: list[dict[str, Any]]):
    planned = all(
        (each["value"]["path"] == "pytorch_model.bin")
        if each["key"] == "deletedFile"
        else any(each in (file(path, data), lfs(path, data)) for path, data in HELD.items())
        for each in lines
    )
    assert (commit(*lines) == ()) == planned
    assert commit(*lines, plans=())


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["key", "value", "path", "file", "content", "files", "objects"]), inner)).map(
    lambda item: json.dumps(item).encode()))  # fmt: skip
def test_no_body_breaks_the_guard(body: bytes):
    with suppress(UnreadableRequestError):
        list(operations(body))
    for address in (f"/api/models/{REPO}/commit/main", "/ada/model.git/info/lfs/objects/batch", "/api/repos/create"):
        assert isinstance(asked("POST", address, body, plans=(open_plan(),)), tuple)

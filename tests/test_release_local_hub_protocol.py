"""The local Hub on the wire: ranges, Git LFS, chunked and broken bodies, hostile names."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.local_hub.writes import LFS_CLIENT

WEIGHTS = bytes(range(256)) * 40
TEXT = b"0123456789"
SECRET = "outside the hub"
HOSTILE: list[object] = ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a/.", ".git/x", "A/.GIT/x"]
HOSTILE += [".cache/x", "a\\..\\b", "C:/x", "a\x00b", "a\nb", "x" * 256, "/".join(["x" * 200] * 30), "\ud800", 7, None]


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """Requests without a client library, so that nothing corrects them."""

    def __init__(self, hub: LocalHub) -> None:
        self.hub, self.address = hub, urlsplit(hub.endpoint)

    def __call__(
        self, method: str, target: str, body: Any = None, *, token: str | None = "right", **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {self.hub.token if token == 'right' else token}"
        try:
            connection.request(method, target, json.dumps(body) if isinstance(body, dict) else body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def commit(self, *items: tuple[str, dict[str, Any]], header: dict[str, Any] | None = None) -> Answer:
        lines = [("header", {"summary": "x", **(header or {})}), *items]
        body = "\n".join(json.dumps({"key": key, "value": value}) for key, value in lines)
        return self("POST", "/api/models/local/m/commit/main", body)

    def head(self) -> str:
        return self("GET", "/api/models/local/m").json["sha"]

    def raw(self, data: bytes, *, then: bytes = b"") -> bytes:
        with socket.create_connection((self.address.hostname, self.address.port), timeout=10) as connection:
            # in one piece, so that the server has read all of it when it closes the connection
            connection.sendall(data + then)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def text_file(path: str, content: bytes = TEXT) -> tuple[str, dict[str, Any]]:
    return "file", {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local_hub")


@pytest.fixture(scope="module")
def wire(folder: Path) -> Iterator[Wire]:
    """One server for all tests here; each compares with what it found."""
    (folder / "secret.txt").write_text(SECRET)
    with serve(folder / "hub") as hub:
        wire = Wire(hub)
        wire("POST", "/api/repos/create", {"name": "m", "organization": None})
        wire.commit(text_file("a.txt"), text_file("w.bin", WEIGHTS), text_file("d/ü #1.txt"))
        yield wire


def objects(folder: Path) -> set[str]:
    return {path.parent.name + path.name for path in (folder / "hub" / "objects").glob("*/*")}


def batch(wire: Wire, *items: tuple[str, Any]) -> Any:
    body = {"operation": "upload", "objects": [{"oid": oid, "size": size} for oid, size in items]}
    return wire("POST", "/local/m.git/info/lfs/objects/batch", body).json["objects"]


def upload_address(wire: Wire, oid: str, size: int) -> str:
    (item,) = batch(wire, (oid, size))
    address = urlsplit(item["actions"]["upload"]["href"])
    return f"{address.path}?{address.query}"


@pytest.mark.parametrize(
    ("agent", "mode"),
    [
        ("unknown/None; hf_hub/2.4.0", "regular"),
        (f"unknown/None; hf_hub/2.4.0; origin/{LFS_CLIENT}", "lfs"),
        ("datasets/5.2.0; hf_hub/2.4.0", "lfs"),
    ],
)
def test_how_to_upload_depends_on_what_the_client_says_of_itself(wire: Wire, agent: str, mode: str):
    content = {"a.txt": TEXT, "w.bin": WEIGHTS, "empty.bin": b"", "new.txt": b"x"}
    files = [{"path": path, "size": len(data), "sample": ""} for path, data in content.items()]
    files.append({"path": "big.txt", "size": 10_000_001, "sample": ""})
    answer = wire("POST", "/api/models/local/m/preupload/main", {"files": files}, User_Agent=agent)
    found = {item["path"]: (item["uploadMode"], item.get("oid")) for item in answer.json["files"]}
    git_id = hashlib.sha1(b"blob %d\0" % len(WEIGHTS) + WEIGHTS, usedforsecurity=False).hexdigest()
    assert found == {
        "a.txt": ("regular", hashlib.sha1(b"blob 10\0" + TEXT, usedforsecurity=False).hexdigest()),
        "w.bin": (mode, hashlib.sha256(WEIGHTS).hexdigest() if mode == "lfs" else git_id),
        "empty.bin": ("regular", None),
        "new.txt": ("regular", None),
        "big.txt": (mode, None),
    }


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, TEXT, "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=0-1,4-5", 200, TEXT, None),
        ("lines=1-2", 200, TEXT, None),
    ],
)
def test_ranges(wire: Wire, asked: str, status: int, body: bytes | None, content_range: str | None):
    answer = wire("GET", "/local/m/resolve/main/a.txt", Range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (status, content_range)
    assert body is None or answer.body == body
    etag = wire("HEAD", "/local/m/resolve/main/a.txt").headers["ETag"]
    assert wire("GET", "/local/m/resolve/main/a.txt", Range="bytes=2-4", If_Range=etag).status == 206
    assert wire("GET", "/local/m/resolve/main/a.txt", Range="bytes=2-4", If_Range='"old"').body == TEXT


def test_a_regular_file_is_sent_with_gits_id(wire: Wire):
    for method in ("HEAD", "GET"):
        answer = wire(method, "/local/m/resolve/main/a.txt", token=None)
        git_id = hashlib.sha1(b"blob 10\0" + TEXT, usedforsecurity=False).hexdigest()
        assert (answer.status, answer.headers["ETag"]) == (200, f'"{git_id}"')
        assert answer.headers["Content-Length"] == "10"
        assert answer.headers["X-Repo-Commit"] == wire.head()
        assert answer.body == (TEXT if method == "GET" else b"")
    assert wire("GET", f"/local/m/resolve/main/d/{quote('ü #1.txt')}").body == TEXT
    assert wire("GET", f"/local/m/resolve/{quote('refs/heads/main', safe='')}/a.txt").body == TEXT


def test_an_lfs_file_is_sent_from_another_origin_by_a_signed_address(wire: Wire):
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    answer = wire("HEAD", "/local/m/resolve/main/w.bin")
    assert answer.status == 302
    assert answer.headers["X-Linked-Etag"] == f'"{digest}"'
    assert answer.headers["X-Linked-Size"] == str(len(WEIGHTS))
    assert answer.headers["X-Repo-Commit"] == wire.head()
    there = urlsplit(answer.headers["Location"])
    assert (there.hostname, there.port) == ("localhost", wire.address.port)
    signed = f"{there.path}?{there.query}"
    assert wire("GET", signed, token=None).body == WEIGHTS
    assert wire("GET", signed, token=None, Range="bytes=1-2").body == WEIGHTS[1:3]
    for forged in (there.path, signed[:-1] + ("0" if signed[-1] != "0" else "1"), signed.replace("size=1", "size=2")):
        assert wire("GET", forged).status == 403
    # a signature to read does not write
    assert wire("PUT", signed, WEIGHTS).status == 403


def test_an_upload_counts_only_if_it_is_what_was_announced(wire: Wire, folder: Path):
    content = b"new weights" * 100
    digest = hashlib.sha256(content).hexdigest()
    before, head = objects(folder), wire.head()
    pointer = ("lfsFile", {"path": "n.bin", "algo": "sha256", "oid": digest, "size": len(content)})
    assert wire.commit(pointer).status == 400
    assert wire.head() == head
    address = upload_address(wire, digest, len(content))
    for wrong in (content[:-1], content + b"x", content[:-1] + b"x", b""):
        assert wire("PUT", address, wrong, token=None).status == 400
    assert wire("POST", "/local/m.git/info/lfs/verify", {"oid": digest, "size": len(content)}).status == 404
    assert objects(folder) == before
    assert not list((folder / "hub" / "incoming").iterdir())
    assert wire("PUT", address, content, token=None).status == 200
    assert wire("POST", "/local/m.git/info/lfs/verify", {"oid": digest, "size": len(content)}).status == 200
    assert objects(folder) == before | {digest}
    assert "actions" not in batch(wire, (digest, len(content)))[0]
    wrong_size = ("lfsFile", {"path": "n.bin", "algo": "sha256", "oid": digest, "size": 3})
    assert wire.commit(wrong_size).status == 400
    assert wire.commit(pointer).status == 200


def test_a_batch_answers_each_object_by_itself(wire: Wire):
    good = hashlib.sha256(b"good").hexdigest()
    answers = batch(wire, ("../../etc/passwd", 4), (good, 4), (good, -1), (good, "4"), (good.upper(), 4))
    assert ["error" in answer for answer in answers] == [True, False, True, True, True]


def test_chunked_bodies_are_understood(wire: Wire):
    content = b"chunked" * 5000
    address = upload_address(wire, hashlib.sha256(content).hexdigest(), len(content))
    parts = (content[start : start + 999] for start in range(0, len(content), 999))
    assert wire("PUT", address, parts, token=None).status == 200
    wire.commit(text_file("b.txt"))
    lines = [{"key": "header", "value": {"summary": "x"}}, {"key": "deletedFile", "value": {"path": "b.txt"}}]
    assert (
        wire("POST", "/api/models/local/m/commit/main", (json.dumps(x).encode() + b"\n" for x in lines)).status == 200
    )
    assert wire("HEAD", "/local/m/resolve/main/b.txt").headers["X-Error-Code"] == "EntryNotFound"


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    ],
)
def test_an_unclear_length_is_refused_and_ends_the_connection(wire: Wire, framing: bytes):
    start = b"POST /api/validate-yaml HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    answer = wire.raw(start + framing, then=b"GET /api/agent-harnesses HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1


def test_an_aborted_upload_leaves_nothing(wire: Wire, folder: Path):
    before, head = objects(folder), wire.head()
    token = f"Authorization: Bearer {wire.hub.token}\r\n"
    start = f"POST /api/models/local/m/commit/main HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}"
    line = json.dumps({"key": "header", "value": {"summary": "x"}}).encode() + b"\n"
    line += json.dumps({"key": "file", "value": text_file("b.txt", b"new")[1]}).encode()
    assert wire.raw(start.encode() + b"Content-Length: 99999\r\n\r\n" + line) == b""
    assert wire.raw(start.encode() + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(line) + line) == b""
    assert wire.head() == head
    assert objects(folder) == before
    assert not list((folder / "hub" / "incoming").iterdir())


def test_a_refused_upload_is_read_to_its_end_so_that_the_answer_arrives(wire: Wire):
    assert wire("POST", "/api/models/local/m/commit/main", b"x" * 20_000_000, token=None).status == 401
    assert wire("POST", "/api/validate-yaml", b" " * 20_000_000).status == 400


@pytest.mark.parametrize(
    "target",
    [
        "/local/m/resolve/main/../../../secret.txt",
        "/local/m/resolve/main/..%2f..%2f..%2fsecret.txt",
        "/local/m/resolve/main/%2e%2e/%2e%2e/secret.txt",
        "/local/m/resolve/main/%252e%252e%252fsecret.txt",
        "/local/m/resolve/main//etc/passwd",
        "/local/m/resolve/main/a.txt%00",
        "/local/m/resolve/..%2f..%2f..%2fsecret/a.txt",
        "/..%2f..%2f/secret.txt/resolve/main/a.txt",
        "/%2e%2e/%2e%2e/resolve/main/secret.txt",
        "/api/models/..%2f..%2f..",
        "/api/models/%2e%2e/%2e%2e",
        "/api/models/..%5c..%5c",
        "/api/models/local/m/tree/main/..%2f..",
        "/api/models/local/m/revision/..%2f..%2frepo",
        "/api/models/local/m/revision/..%2frepo.json",
        "/lfs/..%2f..%2f..%2fsecret.txt?size=15&signature=00",
        "/lfs/..%2f..%2fx/parts/..%2f..%2f..%2fsecret.txt/1?size=15&signature=00",
        f"/lfs/{'0' * 64}/parts/..%2f..%2f..%2fsecret.txt/1?size=15&signature=00",
        f"/lfs/{'0' * 64}/parts/..%2f..%2f..%2fsecret.txt?size=15&signature=00",
        "/local/m/page/main/..%2f..%2f..%2fsecret.html",
        "/local/m/blob/main/..%2f..%2f..%2fsecret.txt",
        "/local/m/tree/..%2f..%2f..%2fsecret/x",
        "/local/m/discussions/..%2f..%2frepo",
        "/../secret.txt",
        "//127.0.0.1/secret.txt",
        "/local%2fm%2f..%2f..",
    ],
)
def test_no_address_leads_out_of_the_hub(wire: Wire, target: str):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        answer = wire(method, target)
        assert 400 <= answer.status < 500, (method, answer)
        assert SECRET.encode() not in answer.body


@pytest.mark.parametrize("path", HOSTILE)
def test_no_commit_writes_a_hostile_path(wire: Wire, path: object):
    head = wire.head()
    for key in ("file", "lfsFile", "deletedFile", "deletedFolder", "copyFile"):
        value = {"path": path, "content": "", "encoding": "base64", "oid": "0" * 64, "srcPath": "a.txt"}
        assert wire.commit((key, value)).status in {400, 404}
    assert wire.head() == head


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"no json",
        b"[]",
        b'{"key": "file"}',
        b'{"key": "header", "value": {}}',
        b'{"key": "header", "value": {"summary": 1}}',
        b'{"key": "header", "value": {"summary": "x", "parentCommit": 7}}',
        b'{"key": "file", "value": {"path": "x", "content": "AA=="}}',
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "header", "value": {"path": "x"}}',
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "rm", "value": {"path": "x"}}',
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "file", "value": {"path": "x", "content": "A", '
        b'"encoding": "base64"}}',
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "file", "value": {"path": "x", "content": "%%", '
        b'"encoding": "base64"}}',
        b'{"key": "header", "value": {"summary": "x"}}\n' + b"[" * 100_000,
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "copyFile", "value": {"path": "x", "srcPath": "no"}}',
        b"\xff\xfe",
    ],
)
def test_a_malformed_commit_is_refused_as_a_whole(wire: Wire, body: bytes):
    head = wire.head()
    key, value = text_file("new.txt")
    first = b'"summary": "x"}}\n'
    after_a_good_one = body.replace(first, first + json.dumps({"key": key, "value": value}).encode() + b"\n")
    for sent in (body, after_a_good_one):
        answer = wire("POST", "/api/models/local/m/commit/main", sent)
        assert answer.status in {400, 404}, answer
        assert answer.json["error"]
    assert wire.head() == head


def test_the_content_of_a_file_is_not_confused_with_its_description(wire: Wire):
    tricky = 'a "content": "AAAA" b'
    assert (
        wire.commit(
            ("file", {"encoding": "base64", "path": tricky, "content": base64.b64encode(TEXT).decode()}),
            ("file", {"path": "plain.txt", "content": "héllo", "encoding": "utf-8"}),
            ("file", {"path": "looks.txt", "content": "AAAA", "encoding": "utf-8"}),
            ("copyFile", {"path": "copy.bin", "srcPath": "w.bin", "srcRevision": "main"}),
            header={"description": '"content": "AAAA"'},
        ).status
        == 200
    )
    assert wire("GET", f"/local/m/resolve/main/{quote(tricky)}").body == TEXT
    assert wire("GET", "/local/m/resolve/main/plain.txt").body == "héllo".encode()
    assert wire("GET", "/local/m/resolve/main/looks.txt").body == b"AAAA"
    assert wire("HEAD", "/local/m/resolve/main/copy.bin").headers["X-Linked-Size"] == str(len(WEIGHTS))


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/api/repos/create", {"name": 7}),
        ("POST", "/api/repos/create", {"name": "x", "type": ["model"]}),
        ("POST", "/api/repos/create", {"name": "x", "type": "space"}),
        ("POST", "/api/repos/create", {"name": "x", "organization": {}}),
        ("POST", "/api/repos/create", {"name": "..", "organization": None}),
        ("POST", "/api/repos/create", {"name": "x--y", "organization": None}),
        ("POST", "/api/repos/create", b"[1]"),
        ("DELETE", "/api/repos/delete", {"name": "../m"}),
        ("PUT", "/api/models/local/m/settings", {}),
        ("PUT", "/api/models/local/m/settings", {"visibility": ["private"]}),
        ("PUT", "/api/models/local/m/settings", {"gated": "maybe", "visibility": "public"}),
        ("PUT", "/api/models/local/m/settings", {"gated": ["auto"]}),
        ("POST", "/api/validate-yaml", {"content": None}),
        ("POST", "/api/models/local/m/preupload/main", {"files": 1}),
        ("POST", "/api/models/local/m/preupload/main", {"files": [{"path": "x"}]}),
        ("POST", "/api/models/local/m/preupload/main", {"files": [{"path": "../x", "size": 1}]}),
        ("POST", "/api/models/local/m/preupload/none", {"files": []}),
        ("POST", "/api/models/local/m/tag/main", {"tag": 1}),
        ("POST", "/api/models/local/m/tag/main", {"tag": "../../x"}),
        ("POST", "/api/models/local/m/branch/..%2f..%2fx", {}),
        ("POST", "/api/models/local/m/paths-info/main", b"\xff\xfe=%zz"),
        ("POST", "/local/m.git/info/lfs/verify", {"oid": "../x", "size": 1}),
        ("GET", "/api/models?limit=many", None),
        ("GET", "/api/models/local/m/commits/main?limit=-1", None),
        ("GET", "/api/models/local/m/commits/main?cursor=../../x-1", None),
        ("GET", f"/api/models/local/m/tree/main?cursor={'0' * 40}-1", None),
        ("POST", "/api/repos/move", {"fromRepo": "local/m", "toRepo": "local/../../x", "type": "model"}),
        ("POST", "/api/repos/move", {"fromRepo": "local/m", "toRepo": "local/x--y", "type": "model"}),
        ("POST", "/api/repos/move", {"fromRepo": ["local/m"], "toRepo": "local/x", "type": "model"}),
        ("POST", "/api/repos/move", {"fromRepo": "local/m", "toRepo": "local/x", "type": "../models"}),
        ("POST", "/api/models/local/m/super-squash/..%2f..%2fx", {}),
        ("POST", "/api/models/local/m/discussions", {"pullRequest": True, "title": 7, "description": ""}),
        ("POST", "/api/models/local/m/discussions", {"pullRequest": True, "title": "  ", "description": ""}),
        ("POST", "/api/models/local/m/discussions", {"pullRequest": True, "title": "x" * 201, "description": ""}),
        ("POST", "/api/models/local/m/discussions/1/status", {"status": "merged"}),
        ("POST", "/api/models/local/m/discussions/..%2f1/merge", {}),
        ("POST", "/api/models/local/m/discussions/99/merge", {}),
        ("POST", "/api/models/local/m/commit/refs%2Fpr%2F99", b'{"key": "header", "value": {"summary": "x"}}'),
        ("POST", "/api/models/local/m/commit/refs%2Fpr%2F..%2F1", b'{"key": "header", "value": {"summary": "x"}}'),
        ("POST", "/api/models/local/m/commit/none?create_pr=1", b'{"key": "header", "value": {"summary": "x"}}'),
        ("GET", "/api/models/local/m/discussions/1%2f..%2f..%2frepo", None),
        ("GET", "/api/models/local/m/revision/refs%2Fpr%2F..%2F..%2Frepo", None),
        ("POST", "/local/m.git/info/lfs/objects/batch", {"objects": [7]}),
        ("POST", "/local/m.git/info/lfs/objects/batch", {"objects": [], "transfers": "multipart"}),
        ("GET", "/api/spaces/local/m", None),
        ("PATCH", "/api/models/local/m", None),
    ],
)
def test_a_wrong_request_is_answered_not_dropped(
    wire: Wire, method: str, target: str, body: Any, caplog: pytest.LogCaptureFixture
):
    head = wire.head()
    answer = wire(method, target, body)
    assert answer.status in {200, 400, 404, 501}
    assert answer.status != 200 or "paths-info" in target
    assert wire.head() == head
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_another_host_name_is_refused(wire: Wire):
    for host in ("evil.example", "127.0.0.1.evil.example:80", ""):
        assert wire.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())[9:12] == b"403"


def test_pages_show_text_and_run_nothing(wire: Wire):
    script = b"# <script>alert(1)</script>\n"
    wire.commit(text_file("README.md", script), text_file('<img src=x onerror="alert(1)">.txt'))
    for target in ("/", "/local/m", "/local/m/tree/main", f"/local/m/commit/{wire.head()}"):
        answer = wire("GET", target, token=None)
        assert answer.status == 200
        assert b"local/m" in answer.body
        assert b"<script" not in answer.body
        assert b"<img" not in answer.body
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "sandbox" in wire("GET", "/local/m/resolve/main/README.md").headers["Content-Security-Policy"]


def test_a_stopped_hub_answers_on_no_open_connection(tmp_path: Path):
    hub = serve(tmp_path)
    address = urlsplit(hub.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request("GET", "/api/agent-harnesses")
    connection.getresponse().read()
    sock = connection.sock
    hub.close()
    assert sock.recv(1) == b""
    connection.close()

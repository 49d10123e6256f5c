"""The local Hub is killed before each single step that it takes on its disk, and its folder is read again."""

from __future__ import annotations

import hashlib
import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hf_contrastive.release.local_hub.pulls import PullRequests
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.storage import Storage

# every way in which the server changes its folder, counted; the one with the given number is not taken
SERVER = """
import os, signal, sys
from pathlib import Path
from hf_contrastive.release.local_hub import parts, serve
from hf_contrastive.release.local_hub.writing import WriteBehind

parts.MULTIPART_BYTES = 1000
hub = serve(Path(sys.argv[1]), token="secret")
left = int(sys.argv[2])


def counted(step, partly=None):
    def counting(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            if partly:
                partly(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **options)
    return counting


def half(out, chunk):
    out._file.write(chunk[: len(chunk) // 2])
    out._file.flush()


os.fsync = counted(os.fsync)
for name in ("replace", "rename", "mkdir", "unlink"):
    setattr(Path, name, counted(getattr(Path, name)))
WriteBehind.write = counted(WriteBehind.write, half)
print(hub.endpoint, flush=True)
hub.serve_forever()
"""
FIRST, SECOND = b"first weights" * 50, bytes(range(250)) * 10


class Client:
    """Sends requests that are not repeated; what was answered stays known."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = urlsplit(endpoint)
        self.told: dict[str, Any] = {}

    def ask(self, method: str, target: str, body: Any = None) -> tuple[Any, Any]:
        connection = http.client.HTTPConnection(self.endpoint.hostname, self.endpoint.port, timeout=20)
        address = urlsplit(target)
        try:
            sent = json.dumps(body) if isinstance(body, dict) else body
            path = f"{address.path}?{address.query}" if address.query else address.path
            connection.request(method, path, sent, {"Authorization": "Bearer secret"})
            response = connection.getresponse()
            content = response.read()
            assert response.status == 200, content
            return (json.loads(content) if content else None), response.headers
        finally:
            connection.close()

    def upload(self, content: bytes) -> str:
        oid = hashlib.sha256(content).hexdigest()
        form = {"transfers": ["basic", "multipart"], "objects": [{"oid": oid, "size": len(content)}]}
        answer, _ = self.ask("POST", "/local/m.git/info/lfs/objects/batch", form)
        upload = answer["objects"][0]["actions"]["upload"]
        addresses = [address for name, address in sorted(upload.get("header", {}).items()) if name.isdigit()]
        if not addresses:
            self.ask("PUT", upload["href"], content)
            return oid
        listed = []
        for number, address in enumerate(addresses, 1):
            _, headers = self.ask("PUT", address, content[(number - 1) * 1000 : number * 1000])
            listed.append({"partNumber": number, "etag": headers["ETag"]})
        self.ask("POST", upload["href"], {"oid": oid, "parts": listed})
        return oid

    def commit(self, target: str, **files: str | bytes) -> str:
        lines: list[Any] = [{"key": "header", "value": {"summary": "x"}}]
        for path, content in files.items():
            if isinstance(content, bytes):
                lines.append({"key": "file", "value": {"path": path, "content": content.decode(), "encoding": "utf-8"}})
            else:
                lines.append({"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": content}})
        answer, _ = self.ask("POST", f"/api/models/local/m/commit/{target}", "\n".join(map(json.dumps, lines)))
        return str(answer["commitOid"])

    def steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield what is done, by name; each starts only once the one before was answered."""
        one = "/api/models/local/m"
        yield "created", lambda: self.ask("POST", "/api/repos/create", {"name": "m"})
        yield "head 1", lambda: self.commit("main", w=self.upload(FIRST), a=b"one", b=b"two")
        yield "tag", lambda: self.ask("POST", f"{one}/tag/main", {"tag": "v1"})
        yield "head 2", lambda: self.commit("main", w=self.upload(SECOND), a=b"three")
        yield "pull", lambda: self.commit("main?create_pr=1", c=b"proposed")
        yield "pull head", lambda: self.commit("refs%2Fpr%2F1", d=b"proposed as well")
        yield "merged", lambda: self.ask("POST", f"{one}/discussions/1/merge", {})[0]["commitOid"]
        yield "branch", lambda: self.ask("POST", f"{one}/branch/dev", {})
        yield "squashed", lambda: self.ask("POST", f"{one}/super-squash/main", {})[0]["commitId"]
        yield "private", lambda: self.ask("PUT", f"{one}/settings", {"visibility": "private"})
        yield "untagged", lambda: self.ask("DELETE", f"{one}/tag/v1")
        form = {"fromRepo": "local/m", "toRepo": "local/moved", "type": "model"}
        yield "moved", lambda: self.ask("POST", "/api/repos/move", form)
        yield "deleted", lambda: self.ask("DELETE", "/api/repos/delete", {"name": "moved"})

    def run(self) -> str | None:
        """Do all steps until the connection breaks, and return the name of the one that was not answered."""
        for name, step in self.steps():
            try:
                self.told[name] = step()
            except (OSError, http.client.HTTPException):
                return name
        return None


def check_complete(repository: Repository, storage: Storage) -> None:
    """Every ref leads to a commit, that to its ancestors, and each to the contents of all its files."""
    pulls = PullRequests(repository).all()
    heads = [*repository.refs("branch").values(), *repository.refs("tag").values(), *(pull["head"] for pull in pulls)]
    for head in heads:
        for commit in repository.history(repository.commit_at(head)):
            for entry in commit.files.values():
                content = storage.objects.path(entry.sha256).read_bytes()
                assert (len(content), hashlib.sha256(content).hexdigest()) == (entry.size, entry.sha256)


def check_kept(told: dict[str, Any], lost: str | None, storage: Storage) -> None:
    """What was answered is there; of the one step that was not, all of it or nothing."""
    names = [repository.id for repository in storage.repositories("model")]
    allowed = ["local/moved"] if "moved" in told else ["local/m"]
    if lost == "moved":
        allowed = ["local/m", "local/moved"]
    gone_is_fine = "created" not in told or "deleted" in told or lost == "deleted"
    assert names in [*([name] for name in allowed), *([[]] if gone_is_fine else [])]
    if not names:
        return
    repository = storage.repository("model", names[0])
    check_complete(repository, storage)
    for name in ("head 1", "head 2", "pull", "pull head", "merged", "squashed"):
        if name in told:
            assert repository.commit_at(told[name]).id == told[name]
    head = repository.head("main")
    known = [told[name] for name in ("head 1", "head 2", "merged", "squashed") if name in told]
    if known:
        last = repository.commit_at(known[-1])
        assert last.id in (head.id, head.parent) or (lost == "squashed" and dict(head.files) == dict(last.files))
    assert ("v1" in repository.refs("tag")) == ("tag" in told and "untagged" not in told) or lost in ("tag", "untagged")
    assert ("dev" in repository.refs("branch")) == ("branch" in told) or lost == "branch"
    assert repository.private == ("private" in told) or lost == "private"
    pulls = {pull["number"]: pull for pull in PullRequests(repository).all()}
    assert (1 in pulls) == ("pull" in told) or lost == "pull"
    if "merged" in told:
        assert pulls[1]["status"] == "merged"
    if lost == "merged":
        # the pull request says the same as the branch
        assert (pulls[1]["status"] == "merged") == ("d" in head.files)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_server_is_killed_before_each_step_on_its_disk(tmp_path: Path):
    lost_steps, number = set(), 0
    while True:
        folder = tmp_path / f"{number}"
        command = [sys.executable, "-c", SERVER, str(folder), str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            client = Client(process.stdout.readline().strip())
            lost = client.run()
            process.kill()
            process.wait(20)
        storage = Storage(folder)
        assert not list((folder / "incoming").iterdir())
        check_kept(client.told, lost, storage)
        if lost is None:
            break
        lost_steps.add(lost)
        number += 1
    # each kind of change was cut off, most of them at several points
    assert lost_steps == {name for name, _ in client.steps()}
    assert number > 60

"""Requests below the libraries' functions, and what the local Hub does not offer.

The latter go to a stand-in that says yes to whatever it is asked; a request that writes and arrives there is counted.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import multiprocessing
import threading
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    HfApi,
    constants,
    get_async_session,
    get_session,
    set_client_factory,
)
from huggingface_hub._commit_api import _send_commit
from huggingface_hub.utils import build_hf_headers

from tests.benchmarks.bypasses.names import SECRET
from tests.benchmarks.bypasses.place import Place, attempt, enter


def _commit_body(content: bytes = SECRET) -> bytes:
    file = {"path": "x", "encoding": "base64", "content": base64.b64encode(content).decode()}
    lines = [{"key": "header", "value": {"summary": "m", "description": ""}}, {"key": "file", "value": file}]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _commit_url(repo_id: str) -> str:
    return f"{constants.ENDPOINT}/api/models/{repo_id}/commit/main"


enter(
    "session",
    "a commit through get_session()",
    lambda at, to: get_session().post(_commit_url(at.repo(to)), headers=build_hf_headers(), content=_commit_body()),
)
enter(
    "stream",
    "a commit through get_session(), its body from a generator",
    lambda at, to: get_session().post(
        _commit_url(at.repo(to)), headers=build_hf_headers(), content=(part for part in [_commit_body()])
    ),
)


@attempt("async", "a commit through get_async_session()")
def _asynchronous(place: Place, name: str) -> None:
    async def send(url: str) -> None:
        async with get_async_session() as client:
            await client.post(url, headers=build_hf_headers(), content=_commit_body())

    asyncio.run(send(_commit_url(place.repo(name))))


@attempt("send-commit", "what Xet's upload ends with: _send_commit()")
def _sent(place: Place, name: str) -> None:
    added = CommitOperationAdd("x", SECRET)
    added._upload_mode = "regular"
    _send_commit(
        operations=[added], files_to_copy={}, commit_message="m", commit_description="", repo_type="model",
        repo_id=place.repo(name), headers=build_hf_headers(), revision="main", retry_on_error=True,
    )  # fmt: skip


@attempt("lfs-pointer", "a commit that names an object that the Hub has already")
def _pointer(place: Place, name: str) -> None:
    file = {"path": "copy.bin", "algo": "sha256", "oid": hashlib.sha256(SECRET).hexdigest(), "size": len(SECRET)}
    lines = [{"key": "header", "value": {"summary": "m", "description": ""}}, {"key": "lfsFile", "value": file}]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    get_session().post(_commit_url(f"local/{name}"), headers=build_hf_headers(), content=body)


_EARLY = get_session()
enter(
    "early-client",
    "a commit through a client that was there before the guard",
    lambda at, to: _EARLY.post(_commit_url(at.repo(to)), headers=build_hf_headers(), content=_commit_body()),
)


@attempt("thread", "a push in a thread")
def _thread(place: Place, name: str) -> None:
    thread = threading.Thread(target=lambda: place.model.push_to_hub(f"local/{name}"))
    thread.start()
    thread.join()


@attempt("fork", "a push in a process that was forked")
def _fork(place: Place, name: str) -> None:
    repo_id = place.repo(name)
    process = multiprocessing.get_context("fork").Process(
        target=lambda: HfApi().upload_file(path_or_fileobj=SECRET, path_in_repo="x", repo_id=repo_id)
    )
    process.start()
    process.join()


@attempt("new-factory", "a push after another set_client_factory()")
def _new_factory(place: Place, name: str) -> None:
    kind = type(get_session())
    set_client_factory(lambda: kind(follow_redirects=True, timeout=None))
    place.api.upload_file(path_or_fileobj=SECRET, path_in_repo="x", repo_id=place.repo(name))


def _asked(name: str, told: str, function: Any) -> None:
    def run(place: Place, to: str) -> Any:
        # each has an address of its own, so that it can be told which of them arrived
        return function(HfApi(endpoint=f"{place.stand_in}/{to}", token="hf_x"), place)

    enter(name, told, run)


_ADD = [CommitOperationAdd("x", SECRET)]
_asked("pull-request", "create_pull_request()", lambda api, at: api.create_pull_request("local/x", title="t"))
_asked(
    "commit-to-pull-request",
    "create_commit(create_pr=True)",
    lambda api, at: api.create_commit("local/x", _ADD, commit_message="m", create_pr=True),
)
_asked("merge", "merge_pull_request()", lambda api, at: api.merge_pull_request("local/x", 1))
_asked("comment", "comment_discussion()", lambda api, at: api.comment_discussion("local/x", 1, comment="c"))
_asked("squash", "super_squash_history()", lambda api, at: api.super_squash_history("local/x"))
_asked("duplicate-model", "duplicate_repo()", lambda api, at: api.duplicate_repo("local/x", "local/y"))
_asked(
    "duplicate-space",
    "duplicate_repo(), a Space",
    lambda api, at: api.duplicate_repo("local/x", "local/y", repo_type="space"),
)
_asked("move", "move_repo()", lambda api, at: api.move_repo("local/x", "local/y"))
_asked("bucket", "create_bucket()", lambda api, at: api.create_bucket("local/b"))
_asked(
    "bucket-copy",
    "batch_bucket_files(), a copy of what Xet holds",
    lambda api, at: api.batch_bucket_files("local/b", copy=[("model", "local/x", "0" * 64, "x")]),
)
_asked("attachment", "upload_attachment()", lambda api, at: api.upload_attachment(_image(at)))
_asked("collection", "create_collection()", lambda api, at: api.create_collection("t", namespace="local"))
_asked("job", "run_job()", lambda api, at: api.run_job(image="i", command=["c"], namespace="local"))
_asked("space-variable", "add_space_variable()", lambda api, at: api.add_space_variable("local/x", "K", "v"))
_asked(
    "space-commit",
    "upload_file(), to a Space",
    lambda api, at: api.upload_file(path_or_fileobj=SECRET, path_in_repo="x", repo_id="local/x", repo_type="space"),
)
_asked(
    "batch",
    "an upload by Git LFS: its objects/batch",
    lambda api, at: get_session().post(
        f"{api.endpoint}/local/x.git/info/lfs/objects/batch",
        json={"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1}]},
    ),
)
_asked(
    "put",
    "an upload to a storage without its objects/batch",
    lambda api, at: get_session().put(f"{api.endpoint}/storage?signature=x", content=SECRET),
)
_asked(
    "write-token",
    "leave to write to Xet",
    lambda api, at: get_session().get(f"{api.endpoint}/api/models/local/x/xet-write-token/main"),
)
_asked(
    "next-year",
    "an operation that nobody knows",
    lambda api, at: get_session().post(f"{api.endpoint}/api/models/local/x/broadcast", json={}),
)


def _image(place: Place) -> Any:
    path = place.work / "x.png"
    path.write_bytes(SECRET)
    return path

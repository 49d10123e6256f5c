"""A process that tries everything, a local Hub and a stand-in that it tries it on, and what arrived there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from hf_contrastive.release.local_hub import LocalHub, hub_environment, serve
from tests.benchmarks.bypasses.names import SECRET, SEEDED

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One attempt: whether something arrived, and what the program was told."""

    told: str
    published: bool
    outcome: str


@dataclass
class StandIn:
    """A server that says yes to everything, and notes which requests wrote."""

    written: set[str] = field(default_factory=set)

    def __enter__(self) -> StandIn:
        written = self.written

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                writes = self.command not in ("GET", "HEAD") or "xet-write-token" in self.path
                if writes and not self.path.endswith("/preupload/main"):
                    written.add(self.path.split("/")[1])
                body = json.dumps(_YES).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body if self.command != "HEAD" else b"")

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


_YES = {"files": [{"path": "x", "uploadMode": "regular", "shouldIgnore": False}], "objects": [], "sha": "0" * 40}


def run(mode: str, transfer: str, folder: Path, *, chosen: Sequence[str] = ()) -> dict[str, Tried]:
    """Try everything in a process of its own, against a local Hub and a stand-in.

    Args:
        mode: one of :data:`MODES`.
        transfer: one of :data:`TRANSFERS`.
        folder: an empty one.
        chosen: names of the attempts; default: all.

    Raises:
        RuntimeError: the process ended early.
    """
    with serve(folder / "hub") as hub, StandIn() as stand_in:
        api = _seed(hub, folder)
        (folder / "stand-in").write_text(stand_in.endpoint)
        before = _state(api)
        environment = {**os.environ, **hub_environment(hub), "HF_HOME": str(folder / "home"), "TQDM_DISABLE": "1"}
        environment |= {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")}
        if transfer == "Xet":
            del environment["HF_HUB_DISABLE_XET"], environment["HF_HUB_USER_AGENT_ORIGIN"]
        command = [sys.executable, "-m", "tests.benchmarks.bypasses.process", str(folder), mode, *chosen]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-3000:])
        after = _state(api)
    arrived = {name for name in after if after[name] != before.get(name, _EMPTY)} | stand_in.written
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name"')]
    return {
        line["name"]: Tried(told=line["told"], published=line["name"] in arrived, outcome=line["outcome"])
        for line in lines
    }


_EMPTY = ([], [], ["main"], True)


def _seed(hub: LocalHub, folder: Path) -> HfApi:
    source = folder / "seeded"
    (source / "sub").mkdir(parents=True)
    for name in ("a.txt", "sub/b.txt", "c.bin"):
        (source / name).write_bytes(SECRET)
    for name in SEEDED:
        hub.seed(f"local/{name}", source)
    (source / "README.md").write_text("---\nlicense: mit\n---\n# A random encoder\n")
    hub.seed("base-owner/tiny", source)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo("local/visibility", private=True)
    api.upload_file(path_or_fileobj=SECRET, path_in_repo="x", repo_id="local/visibility")
    return api


def _state(api: HfApi) -> dict[str, Any]:
    """Return what can be seen of each repository: its files, tags and branches, and whether by anybody."""
    found: dict[str, Any] = {}
    kinds = (("model", api.list_models(author="local")), ("dataset", api.list_datasets(author="local")))
    for kind, listed in kinds:
        for info in listed:
            full, refs = (
                api.repo_info(info.id, repo_type=kind, files_metadata=True),
                api.list_repo_refs(info.id, repo_type=kind),
            )
            files = sorted(
                (item.rfilename, item.blob_id) for item in full.siblings or [] if item.rfilename != ".gitattributes"
            )
            tags, branches = sorted(tag.name for tag in refs.tags), sorted(each.name for each in refs.branches)
            # an empty repository tells its name, whoever sees it
            found[info.id.rpartition("/")[2]] = (files, tags, branches, not full.private or not files)
    return found

"""Clients that read cards, license files and gates: a real local Hub, a scripted one, folders."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from hypothesis import given
from hypothesis import strategies as st

from audits.errors import AuditError, LineageError
from audits.licenses.hub_clients import FolderHub, OnlineHub, local_snapshot
from audits.licenses.snapshots import (
    MAX_FILE_BYTES,
    MAX_LICENSE_FILES,
    base_of_config,
    card_metadata,
    check_repo_id,
    is_license_file,
)
from hf_contrastive.release.local_hub import LocalHub, serve

COMMIT = "c" * 40
CARD = b"---\nlicense: mit\n---\n# Card\n"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        yield running


def seed(hub: LocalHub, folder: Path, repo_id: str, *, kind: Any = "model", **files: bytes) -> str:
    target = folder / repo_id.replace("/", "--")
    target.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (target / name.replace("__", ".")).write_bytes(content)
    return hub.seed(repo_id, target, repo_type=kind)


@contextmanager
def scripted(answer: Callable[[str], tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, list[str]]]:
    """Serve what ``answer`` says for each path; yield the endpoint and the paths and tokens asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization', '')}".strip())
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def described(**more: Any) -> bytes:
    info = {"id": "o/m", "sha": COMMIT, "gated": False, "siblings": [{"rfilename": "README.md"}], **more}
    return json.dumps(info).encode()


# --- the real local Hub ---


def test_a_repository_of_a_hub_is_read_at_the_commit_that_was_resolved(hub: LocalHub, tmp_path: Path):
    first = seed(hub, tmp_path, "o/m", README__md=CARD, LICENSE=b"old text", NOTICE__txt=b"n", model__bin=b"w" * 9)
    seed(hub, tmp_path, "o/m", LICENSE=b"new text", README__md=CARD.replace(b"mit", b"gpl-3.0"))
    client = OnlineHub(endpoint=hub.endpoint, token=False)
    old, new = client.snapshot("model", "o/m", first), client.snapshot("model", "o/m")
    assert (old.commit, old.card, dict(old.files)) == (first, CARD, {"LICENSE": b"old text", "NOTICE.txt": b"n"})
    assert (old.kind, old.repo_id, old.gated, old.gating_text, old.cut) == ("model", "o/m", "no", "", ())
    assert new.commit != first
    assert (new.files["LICENSE"], card_metadata(new.card)[0]["license"]) == (b"new text", "gpl-3.0")


def test_models_and_datasets_of_one_name_are_told_apart(hub: LocalHub, tmp_path: Path):
    seed(hub, tmp_path / "a", "o/x", README__md=CARD)
    seed(hub, tmp_path / "b", "o/x", kind="dataset", README__md=CARD.replace(b"mit", b"cc0-1.0"))
    client = OnlineHub(endpoint=hub.endpoint, token=False)
    assert b"mit" in (client.snapshot("model", "o/x").card or b"")
    assert b"cc0-1.0" in (client.snapshot("dataset", "o/x").card or b"")


def test_files_in_git_lfs_are_followed_to_the_other_origin_and_cut(hub: LocalHub, tmp_path: Path):
    # above 10 MB the local Hub keeps a file in LFS and sends it from another origin
    seed(hub, tmp_path, "o/m", README__md=CARD, LICENSE=b"L" * 10_000_001)
    found = OnlineHub(endpoint=hub.endpoint, token=False).snapshot("model", "o/m")
    assert found.files["LICENSE"] == b"L" * MAX_FILE_BYTES
    assert found.cut == ("LICENSE",)


def test_a_missing_revision_a_missing_and_a_private_repository_say_so(hub: LocalHub, tmp_path: Path):
    seed(hub, tmp_path, "o/m", README__md=CARD)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo("local/secret", private=True)
    api.create_commit("local/secret", [CommitOperationAdd("README.md", CARD)], commit_message="add")
    client = OnlineHub(endpoint=hub.endpoint, token=False)
    with pytest.raises(LineageError, match="the model o/m has no revision `v9`"):
        client.snapshot("model", "o/m", "v9")
    for name in ("o/nothing", "local/secret"):
        with pytest.raises(LineageError, match=f"the model {name} does not exist, or this account may not see it"):
            client.snapshot("model", name)
    assert OnlineHub(endpoint=hub.endpoint, token=hub.token).snapshot("model", "local/secret").card == CARD


def test_an_adapter_names_its_base_and_nothing_is_written_to_a_cache(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = json.dumps({"base_model_name_or_path": "o/base"}).encode()
    seed(hub, tmp_path, "o/m", adapter_config__json=config)
    home = tmp_path / "home"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "hub"))
    found = OnlineHub(endpoint=hub.endpoint, token=False).snapshot("model", "o/m")
    assert (found.card, found.declared_bases) == (None, (("adapter_config.json", "o/base"),))
    assert not home.exists()


# --- a scripted Hub ---


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (401, {}, "does not exist, or this account may not see it"),
        (403, {"X-Error-Code": "GatedRepo"}, "is gated, and this account has no access"),
        (403, {}, "may not be read by this account"),
        (404, {"X-Error-Code": "RepoNotFound"}, "does not exist, or this account may not see it"),
        (404, {}, "does not exist, or this account may not see it"),
        (429, {}, "too many requests"),
        (500, {}, "answered with status 500"),
        (503, {"X-Error-Message": "hf_secret"}, "answered with status 503"),
    ],
)
def test_a_refusal_has_a_reason_in_plain_words_without_what_the_server_said(
    status: int, headers: dict[str, str], reason: str
):
    with scripted(lambda _path: (status, headers, b"<b>hf_secret</b>")) as (endpoint, _):
        client = OnlineHub(endpoint=endpoint, token="hf_secret")
        with pytest.raises(LineageError, match=reason) as caught:
            client.snapshot("dataset", "o/m")
    assert "hf_secret" not in str(caught.value)
    assert "the dataset o/m" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"5",
        b"{}",
        described(sha=None),
        described(sha="main"),
        described(sha=7),
        described(id="../../x"),
        described(id=None),
        described(siblings=[{"name": "x"}]),
        described(siblings=5),
    ],
)
def test_an_answer_that_is_not_the_hubs_is_a_lineage_error(body: bytes):
    with scripted(lambda _path: (200, {"Content-Type": "application/json"}, body)) as (endpoint, _):
        client = OnlineHub(endpoint=endpoint, token=False)
        with pytest.raises(LineageError, match="the model o/m"):
            client.snapshot("model", "o/m")


def test_a_closed_card_of_a_gated_repository_leaves_the_metadata_that_everybody_sees():
    prompt = "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT"
    info = described(
        gated="manual",
        cardData={"license": "llama3.1", "extra_gated_prompt": prompt, "base_model": "o/b"},
        siblings=[{"rfilename": name} for name in ("README.md", "LICENSE", "adapter_config.json")],
    )

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, info) if path.startswith("/api/") else (403, {"X-Error-Code": "GatedRepo"}, b"")

    with scripted(answer) as (endpoint, _):
        found = OnlineHub(endpoint=endpoint, token=False).snapshot("model", "o/m")
    assert (found.card, dict(found.files), found.gated, found.gating_text) == (None, {}, "manual", prompt)
    assert card_metadata(found.metadata)[0]["license"] == "llama3.1"
    assert set(found.problems) == {"README.md", "LICENSE", "adapter_config.json"}
    assert "gated, and this account has no access" in found.problems["LICENSE"]


def test_a_card_that_fails_makes_the_repository_unreadable_and_a_license_file_a_problem():
    broken = {"README.md": 500}
    info = described(siblings=[{"rfilename": "README.md"}, {"rfilename": "LICENSE"}])

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, info) if path.startswith("/api/") else (broken.get(path.rpartition("/")[2], 200), {}, CARD)

    with scripted(answer) as (endpoint, asked):
        client = OnlineHub(endpoint=endpoint, token=False)
        with pytest.raises(LineageError, match=r"README.md of the model o/m .*status 500"):
            client.snapshot("model", "o/m")
        broken.clear()
        broken["LICENSE"] = 502
        found = client.snapshot("model", "o/m")
    assert (found.card, dict(found.files)) == (CARD, {})
    assert "status 502" in found.problems["LICENSE"]
    assert all(f"/resolve/{COMMIT}/" in path for path in asked if "/api/" not in path)


def test_hostile_and_too_many_file_names_are_never_asked_for():
    names = ["../LICENSE", "a/LICENSE", "..\\LICENSE", "LICENSE\n", "LICENSE\x00", "LICENSE.py", "licenses.parquet"]
    names += [f"LICENSE-{number:02}" for number in range(30)]
    info = described(siblings=[{"rfilename": name} for name in names])
    with scripted(lambda path: (200, {}, info if path.startswith("/api/") else b"x")) as (endpoint, asked):
        found = OnlineHub(endpoint=endpoint, token=False).snapshot("model", "o/m")
    assert sorted(found.files) == [f"LICENSE-{number:02}" for number in range(MAX_LICENSE_FILES)]
    assert len(asked) == 1 + MAX_LICENSE_FILES
    assert len(found.problems) == 30 - MAX_LICENSE_FILES


def test_a_renamed_repository_is_read_under_its_new_name():
    info = described(id="new-owner/m")
    with scripted(lambda path: (200, {}, info if path.startswith("/api/") else CARD)) as (endpoint, asked):
        found = OnlineHub(endpoint=endpoint, token=False).snapshot("model", "m")
    assert found.repo_id == "new-owner/m"
    assert asked[-1] == f"/new-owner/m/resolve/{COMMIT}/README.md"


def test_a_closed_port_is_unreachable_and_not_asked_a_third_time():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    client = OnlineHub(endpoint=f"http://127.0.0.1:{port}", token=False, timeout=5)
    for _ in range(2):
        with pytest.raises(LineageError, match=r"the model o/m could not be read: the Hub could not be reached"):
            client.snapshot("model", "o/m")
    with pytest.raises(LineageError, match="left 2 requests in a row unanswered"):
        client.snapshot("model", "o/m")


def test_a_hub_that_does_not_answer_in_time_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = OnlineHub(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", token=False, timeout=0.2)
        with pytest.raises(LineageError, match=r"could not be reached \(ReadTimeout\)"):
            client.snapshot("model", "o/m")


def test_offline_mode_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(LineageError, match="HF_HUB_OFFLINE is set"):
        OnlineHub(endpoint="http://127.0.0.1:9", token=False).snapshot("model", "o/m")


@pytest.mark.parametrize("endpoint", ["", "hub", "file:///etc/passwd", "http://", "http://[::1", "http://h:99999"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str):
    with pytest.raises(LineageError, match="is no address of a Hub"):
        OnlineHub(endpoint=endpoint)


# --- folders ---


def test_a_folder_stands_in_for_a_hub(tmp_path: Path):
    folder = tmp_path / "models" / "Owner" / "Model"
    folder.mkdir(parents=True)
    (folder / "README.md").write_bytes(b"---\nlicense: gemma\nextra_gated_prompt: accept\n---\n")
    (folder / "LICENSE.md").write_bytes(b"terms")
    (folder / "model.safetensors").write_bytes(b"w")
    (folder / "commit").write_text(f"{COMMIT}\n")
    (folder / "gated").write_text("manual\n")
    (tmp_path / "datasets" / "plain").mkdir(parents=True)
    client = FolderHub(tmp_path)
    found = client.snapshot("model", "owner/model", COMMIT)
    assert (found.repo_id, found.commit, found.gated, found.gating_text) == ("owner/model", COMMIT, "manual", "accept")
    assert dict(found.files) == {"LICENSE.md": b"terms"}
    bare = client.snapshot("dataset", "plain")
    assert (bare.card, bare.commit, bare.gated, dict(bare.files)) == (None, "", "", {})
    with pytest.raises(LineageError, match="asked for at `v1`, but the copy is of commit c"):
        client.snapshot("model", "Owner/Model", "v1")
    with pytest.raises(LineageError, match="a commit that it does not name"):
        client.snapshot("dataset", "plain", COMMIT)
    with pytest.raises(LineageError, match="the dataset owner/model has no copy at datasets/owner/model"):
        client.snapshot("dataset", "owner/model")
    with pytest.raises(LineageError, match="is no folder; name one that holds"):
        FolderHub(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["../secret", "..", "a/../../secret", "/etc", "a\\b", "", "a/b/c", "a\x00", "x" * 300])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, name: str):
    (tmp_path / "hub" / "models").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "README.md").write_bytes(CARD)
    with pytest.raises(LineageError, match="is no repository id"):
        FolderHub(tmp_path / "hub").snapshot("model", name)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path):
    (tmp_path / "hub" / "models").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "README.md").write_bytes(CARD)
    (tmp_path / "hub" / "models" / "m").symlink_to(tmp_path / "secret", target_is_directory=True)
    with pytest.raises(LineageError, match="has no copy"):
        FolderHub(tmp_path / "hub").snapshot("model", "m")


def test_a_local_model_says_what_it_was_made_from(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"_name_or_path": "o/base"}))
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "o/other"}))
    (tmp_path / "LICENSE").write_bytes(b"x" * (MAX_FILE_BYTES + 5))
    (tmp_path / "gated").write_text("perhaps")
    (tmp_path / "commit").write_text("main")
    found = local_snapshot(tmp_path)
    assert found.repo_id == tmp_path.name
    assert found.declared_bases == (("adapter_config.json", "o/other"), ("config.json", "o/base"))
    assert (len(found.files["LICENSE"]), found.cut, found.commit, found.gated) == (MAX_FILE_BYTES, ("LICENSE",), "", "")
    assert "holds `perhaps`; allowed is no, auto or manual" in found.problems["gated"]
    assert "no commit of 40 hexadecimal digits" in found.problems["commit"]
    with pytest.raises(LineageError, match="can not be read"):
        local_snapshot(tmp_path / "LICENSE")


# --- names and cards ---


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "License.txt",
        "LICENCE",
        "LICENSE-MIT",
        "license.md",
        "LICENSE2",
        "COPYING",
        "COPYING.LESSER",
        "NOTICE",
        "Notice.txt",
        "USE_POLICY.md",
        "use-policy",
        "MODEL_LICENSE",
        "Gemma-license.txt",
        "THIRD_PARTY_NOTICES.txt",
    ],
)
def test_files_with_terms_are_recognised(name: str):
    assert is_license_file(name)


@pytest.mark.parametrize(
    "name",
    ["README.md", "my_license/LICENSE", "license.py", "licensed_rows.csv", "unlicensed", "", "..", "notices.json"],
)
def test_other_files_are_not(name: str):
    assert not is_license_file(name)


@pytest.mark.parametrize(
    ("card", "problem"),
    [
        (b"", "it has no metadata"),
        (b"# Card", "it has no metadata"),
        (b"---\nlicense: mit\n", "no closing line"),
        (b"---\n---\n", "its metadata is empty"),
        (b"---\n- mit\n---\n", "no mapping of keys to values but a list"),
        (b"---\njust text\n---\n", "but a str"),
        (b"---\na: [\n---\n", "no valid YAML"),
        (b"---\na: 2020-13-45\n---\n", "no valid YAML"),
        (b"---\n? [a]\n: b\n---\n", "no valid YAML"),
        (b"---\na: !!python/object:os.system x\n---\n", "no valid YAML"),
        (b"---\na: " + b"[" * 200_000 + b"\n---\n", "nested too deeply"),
    ],
)
def test_a_malformed_card_says_what_is_wrong_and_never_raises(card: bytes, problem: str):
    metadata, wrong = card_metadata(card)
    assert metadata == {}
    assert problem in wrong


def test_a_card_with_other_keys_than_texts_and_windows_line_ends_is_read():
    assert card_metadata(b"\xef\xbb\xbf---\r\nlicense: mit\r\n5: x\r\n---\r\ntext") == ({"license": "mit"}, "")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_a_card_or_say_why_not(content: bytes):
    for card in (content, b"---\n" + content + b"\n---\n"):
        metadata, wrong = card_metadata(card)
        assert not (metadata and wrong)
        assert all(isinstance(key, str) for key in metadata)
    assert isinstance(base_of_config("config.json", content), tuple)


@given(st.text(max_size=120))
def test_an_accepted_id_is_one_or_two_plain_parts(name: str):
    try:
        check_repo_id(name)
    except LineageError:
        return
    parts = name.split("/")
    assert len(parts) <= 2
    assert all(part.isascii() and part.strip("._-") and ".." not in part for part in parts)


def test_clients_are_imported_without_the_hub_library_and_errors_share_a_base():
    code = "import audits.licenses.hub_clients, sys; print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert issubclass(LineageError, AuditError)

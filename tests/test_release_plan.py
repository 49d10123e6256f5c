"""The plan: exactly what would leave, and why the rest stays."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hf_contrastive.errors import ContrastiveError
from hf_contrastive.release.plan import (
    DOCUMENTS,
    NO_MODEL_FILE,
    EmptyFolderError,
    PlannedFile,
    PushPlan,
    contents,
    in_memory,
    is_replaced,
    link_in,
    payload,
    payload_digest,
    payload_names,
    planned,
)

STAYS = {
    "training_args.bin": "Hub token",
    "emissions.csv": "coordinates",
    "events.out.tfevents.1.host.0": "name the machine",
    "runs/x/log": "name the machine",
    "checkpoint-7/model.safetensors": "a checkpoint",
    "optimizer.pt": "optimizer",
    "scheduler.pt": "scheduler",
    "rng_state_0.pth": "random",
    "trainer_state.json": "trainer",
    "audit/report.json": "audit",
    ".env": "hidden",
    ".cache/huggingface/token": "hidden",
    "sub/.git/config": "hidden",
    "sub/__pycache__/x.pyc": "byte code",
}
LEAVES = {"config.json": b"{}", "model.safetensors": b"w" * 100, "1_Pooling/config.json": b"{ }", "LICENSE": b""}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_every_file_is_listed_with_its_digest_and_nothing_else(tmp_path: Path):
    write(tmp_path, LEAVES | dict.fromkeys(STAYS, b"private") | dict.fromkeys(DOCUMENTS, b"old"))
    files, kept = payload(tmp_path)
    told = {item.path: (item.sha256, item.size) for item in files}
    assert told == {name: (hashlib.sha256(raw).hexdigest(), len(raw)) for name, raw in LEAVES.items()}
    reasons = dict(kept)
    for name, reason in STAYS.items():
        first = next(part for part in (name, *map(str, Path(name).parents)) if part in reasons)
        assert reason in reasons[first]
    # what others may have written is not dropped in silence
    assert set(reasons) - set(STAYS) >= {"NOTICE", "USE_RESTRICTIONS.md", "model.sig"}
    assert len(kept) == len(STAYS) + 3


def test_what_is_kept_out_is_kept_out_at_any_depth(tmp_path: Path):
    write(tmp_path, {"config.json": b"{}"} | {f"deep/er/{name}": b"private" for name in STAYS})
    assert [item.path for item in payload(tmp_path)[0]] == ["config.json"]


def test_links_are_not_followed(tmp_path: Path):
    outside = write(tmp_path / "outside", {"secret.txt": b"s", "folder/secret.txt": b"s"})
    folder = write(tmp_path / "model", {"config.json": b"{}"})
    (folder / "vocab.txt").symlink_to(outside / "secret.txt")
    (folder / "more").symlink_to(outside / "folder")
    (folder / "gone.txt").symlink_to(outside / "missing")
    files, kept = payload(folder)
    assert [item.path for item in files] == ["config.json"]
    assert kept == (("gone.txt", "a symbolic link"), ("more", "a symbolic link"), ("vocab.txt", "a symbolic link"))


@pytest.mark.parametrize("name", ["missing", "empty", "only-private"])
def test_nothing_to_publish_is_one_paragraph(tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "only-private", {"training_args.bin": b"x", "README.md": b"x"})
    with pytest.raises(EmptyFolderError, match="nothing to publish in") as caught:
        payload(tmp_path / name)
    assert isinstance(caught.value, ContrastiveError | FileNotFoundError)
    assert "config.json" in str(caught.value)
    assert ("training_args.bin (a pickle" in str(caught.value)) == (name == "only-private")


def test_an_approval_can_be_bound_to_the_payload_before_the_documents_are_written(tmp_path: Path):
    files, _ = payload(write(tmp_path, LEAVES))
    documents = tuple(planned(name, b"any") for name in DOCUMENTS)
    plan = PushPlan(repo_id="a/b", files=(*files, *documents))
    assert plan.payload_digest == payload_digest(files) == replace(plan, files=files).payload_digest
    other = (*files, *(planned(name, b"other") for name in DOCUMENTS))
    assert payload_digest(other) == payload_digest(files)
    assert replace(plan, files=other).digest != plan.digest


@pytest.mark.parametrize("change", ["content", "path", "one more", "one less"])
def test_any_change_of_the_files_changes_the_payload_digest(tmp_path: Path, change: str):
    files, _ = payload(write(tmp_path, LEAVES))
    first, *rest = files
    changed = {
        "content": (replace(first, sha256="0" * 64), *rest),
        "path": (replace(first, path="other"), *rest),
        "one more": (*files, PlannedFile(path="z", sha256="", size=0)),
        "one less": tuple(rest),
    }[change]
    assert payload_digest(changed) != payload_digest(files)


def test_a_plan_reads_back_from_json(tmp_path: Path):
    files, kept = payload(write(tmp_path, LEAVES | {"emissions.csv": b"x"}))
    plan = PushPlan(repo_id="a/b", files=files, kept_out=kept)
    assert PushPlan.from_dict(plan.to_dict()) == plan


def test_documents_come_from_memory_and_files_from_the_folder(tmp_path: Path):
    files, _ = payload(write(tmp_path, {"config.json": b"{}"}))
    plan = PushPlan(repo_id="a/b", files=(*files, planned("README.md", b"card")))
    found = contents(tmp_path, {"README.md": b"card", "unplanned.md": b"x"}, plan)
    assert found == {"config.json": tmp_path / "config.json", "README.md": b"card"}


STRAY = (
    "notes.txt",
    "train.jsonl",
    "data/train.csv",
    "config.json.bak",
    "more/config.json",
    "adapter/notes.txt",
    "adapter/deep/adapter_config.json",
    "1_Pooling/notes.txt",
    "config_of_mine.json",
    "vocabulary.txt",
    "deep/er/model.safetensors",
    "analysis.ipynb",
)
OF_A_MODEL = (
    "config.json",
    "model.safetensors",
    "model-00001-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "merges.txt",
    "sentencepiece.bpe.model",
    "chat_template.jinja",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "2_Dense/model.safetensors",
    "0_Transformer/tokenizer.json",
    "adapter_config.json",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
)


def test_what_is_no_file_of_a_model_stays_with_its_reason(tmp_path: Path):
    write(tmp_path, dict.fromkeys((*OF_A_MODEL, "USE_POLICY.md", "LICENSE.txt"), b"{}") | dict.fromkeys(STRAY, b"{}"))
    files, kept = payload(tmp_path)
    assert {item.path for item in files} == {*OF_A_MODEL, "USE_POLICY.md", "LICENSE.txt"}
    assert dict(kept) == dict.fromkeys(STRAY, NO_MODEL_FILE)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pytorch_model.bin", b"text"),
        ("weights.pt", b"text"),
        ("modeling.py", b"print()"),
        ("deep/custom.so", b"text"),
        ("weights", b"\x80\x04]\x94."),
        ("notes.txt", b"\x80\x04]\x94."),
        ("data.zip", b"PK\x03\x04"),
        ("model.onnx", b"\x08\x07\x12\x00\xff"),
    ],
)
def test_what_the_gate_must_refuse_is_not_left_behind_in_silence(tmp_path: Path, name: str, content: bytes):
    files, kept = payload(write(tmp_path, {"config.json": b"{}", name: content}))
    assert name in {item.path for item in files}
    assert kept == ()


@pytest.mark.parametrize(("content", "refused"), [("ä".encode() * 8, False), (b"\xff\x00" * 8, True)])
def test_training_rows_too_large_to_search_stay_too(tmp_path: Path, monkeypatch, content: bytes, refused: bool):
    monkeypatch.setattr("hf_contrastive.release.contents.binaries.MAX_BYTES", 8)
    files, kept = payload(write(tmp_path, {"config.json": b"{}", "train.jsonl": content}))
    assert ("train.jsonl" in {item.path for item in files}) == refused == (not kept)


def test_a_push_replaces_files_of_a_model_and_nothing_else():
    assert all(map(is_replaced, (*OF_A_MODEL, *DOCUMENTS, "pytorch_model.bin", "adapter/adapter_model.bin")))
    theirs = ("onnx/notes.txt", "onnx/model.onnx", ".gitattributes", "LICENSE", "sub/README.md", "eval/config.json")
    assert not any(map(is_replaced, (*theirs, *STRAY)))


@pytest.mark.timeout(60, func_only=True)
def test_a_pipe_a_socket_and_a_device_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path, {"config.json": b"{}"})
    # whoever opens it waits for a writer
    os.mkfifo(tmp_path / "model.safetensors")
    os.mkfifo(tmp_path / "weights.bin")
    with socket.socket(socket.AF_UNIX) as listening:
        # a path of a socket has few characters
        monkeypatch.chdir(tmp_path)
        listening.bind("vocab.txt")
        files, kept = payload(tmp_path)
    assert [item.path for item in files] == ["config.json"]
    assert dict(kept) == dict.fromkeys(
        ["model.safetensors", "vocab.txt", "weights.bin"], "a pipe, a socket or a device"
    )


def test_a_device_is_told_by_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path, {"config.json": b"{}", "vocab.txt": b"x"})
    real = Path.lstat

    def lstat(path: Path) -> Any:
        found = real(path)
        if path.name != "vocab.txt":
            return found
        return os.stat_result((stat.S_IFCHR | 0o666, *found[1:]))

    monkeypatch.setattr(Path, "lstat", lstat)
    assert payload(tmp_path)[1] == (("vocab.txt", "a pipe, a socket or a device"),)


def test_a_name_that_is_no_text_stays_and_is_told(tmp_path: Path):
    write(tmp_path, {"config.json": b"{}"})
    raw = os.fsencode(tmp_path) + b"/model-\xff\n.safetensors"
    with open(raw, "wb"):  # noqa: PTH123  (bytes are no Path)
        pass
    files, kept = payload(tmp_path)
    assert [item.path for item in files] == ["config.json"]
    assert kept == (("model-\\udcff\\n.safetensors", "its name is no text"),)
    plan = PushPlan(repo_id="a/b", files=files, kept_out=kept)
    assert PushPlan.from_dict(plan.to_dict()).digest == plan.digest


def test_a_file_that_grows_while_it_is_read_ends_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"a" * 10)
    real = os.fstat

    def grow(number: int) -> os.stat_result:
        found = real(number)
        with path.open("ab") as more:
            more.write(b"b" * 10)
        return found

    monkeypatch.setattr("hf_contrastive.release.plan.os.fstat", grow)
    item = planned("model.safetensors", path)
    assert (item.size, item.sha256) == (10, hashlib.sha256(b"a" * 10).hexdigest())


def test_a_file_that_shrinks_while_it_is_read_is_counted_as_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"a" * 10)
    real = os.fstat

    def shrink(number: int) -> os.stat_result:
        found = real(number)
        os.truncate(path, 4)
        return found

    monkeypatch.setattr("hf_contrastive.release.plan.os.fstat", shrink)
    item = planned("model.safetensors", path)
    assert (item.size, item.sha256) == (4, hashlib.sha256(b"aaaa").hexdigest())


def test_names_are_listed_without_reading_weights(tmp_path: Path):
    write(tmp_path, LEAVES | {"notes.txt": b"x", "README.md": b"old"})
    assert set(payload_names(tmp_path)) == {item.path for item in payload(tmp_path)[0]} == set(LEAVES)


def test_what_the_gate_looks_at_is_held_in_memory_and_weights_are_not(tmp_path: Path):
    files, _ = payload(write(tmp_path, LEAVES))
    plan = PushPlan(repo_id="a/b", files=(*files, planned("README.md", b"card")))
    held = in_memory(plan, contents(tmp_path, {"README.md": b"card"}, plan))
    assert held["model.safetensors"] == tmp_path / "model.safetensors"
    (tmp_path / "config.json").write_bytes(b"changed behind the gate")
    assert (held["config.json"], held["README.md"]) == (b"{}", b"card")
    # one that changed before is read so that it can not equal what was planned
    grown = in_memory(plan, contents(tmp_path, {}, plan))["config.json"]
    assert planned("config.json", grown) != next(item for item in files if item.path == "config.json")


def test_links_are_left_for_the_gate_to_tell(tmp_path: Path):
    folder = write(tmp_path / "model", LEAVES)
    files, _ = payload(folder)
    plan = PushPlan(repo_id="a/b", files=files)
    (folder / "config.json").rename(tmp_path / "elsewhere.json")
    (folder / "config.json").symlink_to(tmp_path / "elsewhere.json")
    (folder / "1_Pooling").rename(tmp_path / "elsewhere")
    (folder / "1_Pooling").symlink_to(tmp_path / "elsewhere")
    held = in_memory(plan, contents(folder, {}, plan))
    for name, link in (("config.json", "config.json"), ("1_Pooling/config.json", "1_Pooling")):
        assert held[name] == folder / name
        assert link_in(name, folder / name) == folder / link
    # a link above the folder is how it was named
    (tmp_path / "named").symlink_to(folder)
    assert link_in("LICENSE", tmp_path / "named" / "LICENSE") is None

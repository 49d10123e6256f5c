"""The history's file: every change is found, nothing is lost, and writers wait for each other."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.errors import SchemaError
from audits.records import canonical_json
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.history import (
    Draft,
    Head,
    HistoryEntry,
    HistoryError,
    append,
    append_all,
    history_path,
    not_covered,
    read,
    verify,
)
from hf_contrastive.history import chain as chain_module
from hf_contrastive.history.locking import lock_path, locked

WRITER = """
import sys
from pathlib import Path
from hf_contrastive.history import append
for number in range(int(sys.argv[3])):
    append(Path(sys.argv[1]), "audit", {"writer": sys.argv[2], "number": number, "text": "x" * 5000})
"""


def drafts(count: int) -> list[Draft]:
    return [Draft.now("audit", {"number": number, "text": "ä\u2028\n\x00"}) for number in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.jsonl"


@pytest.fixture
def written(path: Path) -> Path:
    append_all(path, drafts(5))
    return path


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    place = tmp_path_factory.mktemp("sound") / "h.jsonl"
    append_all(place, drafts(6))
    return tuple(place.read_bytes().splitlines(keepends=True))


@pytest.fixture(scope="session")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Any]]:
    place = tmp_path_factory.mktemp("changed") / "h.jsonl"

    def look(lines: Any, *heads: Head) -> list[Any]:
        place.write_bytes(b"".join(lines))
        return verify(place, heads)

    return look


def test_lines_follow_each_other(path: Path):
    first = append(path, "audit", {"a": 1})
    second = append(path, "push", {"repo_id": "a/b"})
    assert first.previous.startswith("genesis:")
    assert (first.sequence, second.sequence, second.previous) == (1, 2, first.digest)
    assert read(path) == (first, second)
    assert verify(path, [first.head, second.head]) == []
    assert [json.loads(line)["digest"] for line in path.read_text().splitlines()] == [first.digest, second.digest]


def test_no_two_histories_begin_alike(tmp_path: Path):
    draft = Draft.now("audit", {})
    digests = {append_all(tmp_path / name, [draft])[0].digest for name in "ab"}
    assert len(digests) == 2


def test_an_entry_round_trips(written: Path):
    entry = read(written)[0]
    assert HistoryEntry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry
    assert Head.parse(str(entry.head)) == entry.head == Head.parse(str(entry.head).replace("sha256:", "").upper())


@pytest.mark.parametrize(
    "text", ["", "3", "3:", "0:" + "a" * 64, "3:sha256:" + "a" * 63, "x:" + "a" * 64, "3:" + "g" * 64]
)
def test_a_head_that_is_none_is_refused(text: str):
    with pytest.raises(ConfigurationError, match="SEQUENCE:sha256:HEX"):
        Head.parse(text)


def test_a_misspelt_kind_is_refused(path: Path):
    with pytest.raises(ConfigurationError, match="Did you mean `verdict`"):
        append(path, "verdct", {})
    assert not path.exists()


def test_what_has_no_json_form_is_refused_before_anything_is_touched(path: Path):
    with pytest.raises(SchemaError):
        append(path, "audit", {"x": float("nan")})
    assert not path.exists()


# ---- changes --------------------------------------------------------------------------------------------


@given(data=st.data())
def test_every_changed_byte_is_found(sound: tuple[bytes, ...], changed: Any, data: st.DataObject):
    content = b"".join(sound)
    position = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[position]))
    line = content[:position].count(b"\n") + 1
    found = changed([content[:position], bytes([value]), content[position + 1 :]])
    assert line in {problem.line for problem in found}


@given(data=st.data())
def test_a_changed_value_whose_own_digest_fits_is_found(sound: tuple[bytes, ...], changed: Any, data: st.DataObject):
    index = data.draw(st.integers(0, len(sound) - 2))
    raw = json.loads(sound[index])
    raw.pop("digest")
    forged = HistoryEntry.from_dict(raw | {"payload": {"forged": data.draw(st.text())}})
    found = changed([*sound[:index], forged.line, *sound[index + 1 :]])
    assert [(problem.line, problem.change) for problem in found] == [(index + 1, "edited")]


@given(data=st.data())
def test_every_removed_line_is_found(sound: tuple[bytes, ...], changed: Any, data: st.DataObject):
    start = data.draw(st.integers(0, len(sound) - 2))
    end = data.draw(st.integers(start + 1, len(sound) - 1))
    found = changed([*sound[:start], *sound[end:]])
    assert [(problem.line, problem.change) for problem in found] == [(start + 1, "removed")]
    assert ("1 entry was" if end == start + 1 else f"{end - start} entries were") in found[0].text


@given(data=st.data())
def test_every_swap_is_found(sound: tuple[bytes, ...], changed: Any, data: st.DataObject):
    first, second = sorted(data.draw(st.sets(st.integers(0, len(sound) - 1), min_size=2, max_size=2)))
    lines = list(sound)
    lines[first], lines[second] = lines[second], lines[first]
    found = changed(lines)
    assert {problem.change for problem in found} == {"reordered"}
    assert second + 1 in {problem.line for problem in found}


@given(data=st.data())
def test_every_order_but_the_true_one_is_found(sound: tuple[bytes, ...], changed: Any, data: st.DataObject):
    lines = data.draw(st.permutations(sound))
    assert bool(changed(lines)) == (tuple(lines) != sound)


@given(data=st.data())
def test_every_insertion_is_found(sound: tuple[bytes, ...], changed: Any, data: st.DataObject):
    at = data.draw(st.integers(0, len(sound) - 1))
    text = st.text(st.characters(exclude_characters="\n", codec="utf-8")).map(lambda line: line.encode() + b"\n")
    new = data.draw(st.one_of(st.sampled_from(sound), text))
    found = changed([*sound[:at], new, *sound[at:]])
    assert {problem.change for problem in found} <= {"inserted", "edited", "reordered"}
    assert "inserted" in {problem.change for problem in found} or at == 0
    assert found


def test_an_insertion_that_fits_its_predecessor_is_found(sound: tuple[bytes, ...], changed: Any):
    before = json.loads(sound[2])
    forged = HistoryEntry(sequence=4, kind="push", created_at="x", payload={}, previous=before["digest"])
    found = changed([*sound[:3], forged.line, *sound[3:]])
    assert (5, "inserted") in {(problem.line, problem.change) for problem in found}


@given(cut=st.integers(0, 5))
def test_truncation_is_found_with_a_head_alone(sound: tuple[bytes, ...], changed: Any, cut: int):
    head = Head(sequence=6, digest=json.loads(sound[-1])["digest"])
    if cut:
        assert changed(sound[:cut]) == []
    assert "truncated" in {problem.change for problem in changed(sound[:cut], head)}
    assert changed(sound, head) == []


@pytest.mark.parametrize("kept", range(6))
def test_a_rewrite_is_found_with_a_head_alone(sound: tuple[bytes, ...], changed: Any, tmp_path: Path, kept: int):
    place = tmp_path / "h.jsonl"
    place.write_bytes(b"".join(sound[:kept]))
    append_all(place, drafts(8 - kept))
    content = place.read_bytes()
    head = Head(sequence=6, digest=json.loads(sound[-1])["digest"])
    assert changed([content]) == []
    assert [(problem.line, problem.change) for problem in changed([content], head)] == [(6, "rewritten")]


@given(content=st.binary(max_size=200))
def test_whatever_the_file_holds_there_is_an_answer(changed: Any, content: bytes):
    assert changed([content])


def test_deep_and_huge_values_are_no_crash(changed: Any, sound: tuple[bytes, ...]):
    deep = b'{"digest":"x","payload":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"
    large = b'{"digest":"x","sequence":' + b"9" * 10_000 + b"}\n"
    assert [problem.line for problem in changed([*sound, deep, large])] == [7, 8]


def test_what_can_not_be_told_is_said(written: Path):
    entries = read(written)
    assert "can not tell whether its last lines were removed" in not_covered(entries, [])
    assert "entry 2 of 5" in not_covered(entries, [entries[1].head])
    assert not_covered(entries, [entries[4].head]) == ""


def test_a_missing_history_is_a_problem(path: Path):
    assert [problem.change for problem in verify(path)] == ["missing"]
    head = Head(sequence=1, digest="sha256:" + "0" * 64)
    assert [problem.change for problem in verify(path, [head])] == ["missing", "truncated"]


# ---- interrupted and failing writes ---------------------------------------------------------------------


@given(data=st.data())
def test_a_write_torn_anywhere_is_repaired_and_nothing_is_lost(
    sound: tuple[bytes, ...], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    place = tmp_path_factory.mktemp("torn") / "h.jsonl"
    kept = data.draw(st.integers(0, 4))
    size = data.draw(st.integers(1, len(sound[kept]) - 1))
    place.write_bytes(b"".join(sound[:kept]) + sound[kept][:size])
    assert verify(place)[-1].line == kept + 1
    append(place, "audit", {"after": True})
    assert verify(place) == []
    whole = size == len(sound[kept]) - 1
    assert len(read(place)) == kept + 1 + whole
    torn = place.with_name("h.jsonl.torn")
    assert torn.exists() != whole
    if not whole:
        assert torn.read_bytes() == sound[kept][:size] + b"\n"
    for entry, line in zip(read(place), sound[: kept + whole], strict=False):
        assert entry.line == line


def test_repairs_are_told_and_collected(written: Path, caplog: pytest.LogCaptureFixture):
    for piece in (b'{"half', b"\x00" * 10):
        with written.open("ab") as file:
            file.write(piece)
        append(written, "audit", {})
    assert written.with_name("history.jsonl.torn").read_bytes() == b'{"half\n' + b"\x00" * 10 + b"\n"
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert verify(written) == []
    assert len(read(written)) == 7


def test_nothing_is_added_behind_a_damaged_line(written: Path):
    content = written.read_bytes().replace(b'"number":4', b'"number":5') + b"torn"
    written.write_bytes(content)
    with pytest.raises(HistoryError, match="not as it was written") as caught:
        append(written, "push", {"repo_id": "a/b"})
    assert written.read_bytes() == content
    assert json.loads(caught.value.pending)["payload"] == {"repo_id": "a/b"}


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_full_disk_leaves_the_file_as_it_was(written: Path, monkeypatch: pytest.MonkeyPatch, step: str):
    content = written.read_bytes()
    real = os.write

    def full(descriptor: int, *data: Any) -> int:
        if data and len(data[0]) > 100:
            return real(descriptor, bytes(data[0])[:50])  # a short write, then the error
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(chain_module.os, step, full)
        with pytest.raises(HistoryError, match="No space left on device") as caught:
            append_all(written, drafts(2))
    assert written.read_bytes() == content
    assert len(caught.value.pending.splitlines()) == 2
    added = append_all(written, [Draft.from_dict(json.loads(line)) for line in caught.value.pending.splitlines()])
    assert [entry.sequence for entry in added] == [6, 7]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes")
def test_a_real_limit_of_the_file_size(written: Path):
    content = written.read_bytes()
    code = (
        "import resource, sys; from pathlib import Path; from hf_contrastive.history import append, HistoryError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))\n"
        "try: append(Path(sys.argv[1]), 'audit', {'text': 'x' * 5000})\n"
        "except HistoryError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(written), str(len(content) + 100)], capture_output=True, text=True, check=True
    )
    assert "can not be written (File too large)" in done.stdout
    assert written.read_bytes() == content


def test_places_that_can_not_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "file" / "h.jsonl", tmp_path / "folder"):
        with pytest.raises(HistoryError, match="can not be written") as caught:
            append(place, "audit", {"kept": 1})
        assert json.loads(caught.value.pending)["payload"] == {"kept": 1}
    assert (tmp_path / "file").read_text() == "x"
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_read_and_not_written(written: Path):
    lock_path(written).unlink()
    written.parent.chmod(0o500)
    try:
        assert verify(written) == []
        with pytest.raises(HistoryError, match="Permission denied"):
            append(written, "audit", {})
    finally:
        written.parent.chmod(0o700)


# ---- several writers ------------------------------------------------------------------------------------


def test_eight_processes_keep_one_chain(path: Path):
    each = 12
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number), str(each)]) for number in range(8)
    ]
    assert [process.wait(timeout=250) for process in running] == [0] * 8
    entries = read(path)
    assert verify(path, [entries[-1].head]) == []
    assert [entry.sequence for entry in entries] == list(range(1, 8 * each + 1))
    for writer in map(str, range(8)):
        assert [item.payload["number"] for item in entries if item.payload["writer"] == writer] == list(range(each))


def test_killed_writers_leave_a_chain(path: Path):
    killed = subprocess.Popen([sys.executable, "-c", WRITER, str(path), "killed", "100000"])
    while not (path.exists() and path.stat().st_size > 50_000):
        assert killed.poll() is None
    killed.kill()
    killed.wait()
    append(path, "audit", {"after": True})
    assert verify(path) == []
    assert [item.payload["number"] for item in read(path)[:-1]] == list(range(len(read(path)) - 1))


def test_threads_wait_for_each_other(path: Path):
    threads = [threading.Thread(target=lambda: [append(path, "audit", {}) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(path) == []
    assert len(read(path)) == 20


def test_a_lock_that_others_keep_is_an_error_with_the_drafts(written: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chain_module, "locked", lambda path: locked(path, seconds=0.0))
    content = written.read_bytes()
    with locked(written), pytest.raises(HistoryError, match="another process has held the lock") as caught:
        append(written, "audit", {})
    assert caught.value.pending
    assert written.read_bytes() == content


def test_a_lock_file_that_was_left_behind_holds_nobody_up(written: Path):
    lock_path(written).write_text("left by a machine that lost power")
    assert append(written, "audit", {}).sequence == 6


# ---- where it lies --------------------------------------------------------------------------------------


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HF_CONTRASTIVE_HISTORY", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert history_path() == tmp_path / ".local" / "state" / "hf-contrastive" / "history.jsonl"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert history_path() == tmp_path / "state" / "hf-contrastive" / "history.jsonl"
    monkeypatch.setenv("HF_CONTRASTIVE_HISTORY", str(tmp_path / "mine"))
    assert history_path() == tmp_path / "mine"
    assert history_path(tmp_path / "given") == tmp_path / "given"


def test_a_file_of_a_later_version_may_hold_other_kinds(written: Path):
    last = read(written)[-1]
    later = HistoryEntry(sequence=6, kind="merge", created_at="x", payload={}, previous=last.digest)
    with written.open("ab") as file:
        file.write(later.line)
    assert verify(written, [later.head]) == []
    assert append(written, "audit", {}).previous == later.digest


def test_the_line_is_canonical(written: Path):
    for line in written.read_bytes().split(b"\n")[:-1]:
        assert canonical_json(json.loads(line)).encode() == line

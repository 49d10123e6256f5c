"""The local Hub's storage: names that stay inside, and heads that move all at once."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_contrastive.release.local_hub import cards
from hf_contrastive.release.local_hub.errors import (
    InvalidNameError,
    InvalidRequestError,
    RequestError,
    StorageError,
)
from hf_contrastive.release.local_hub.names import check_path, ref_file_name, repo_folder_name
from hf_contrastive.release.local_hub.objects import ObjectStore
from hf_contrastive.release.local_hub.storage import Storage
from hf_contrastive.release.local_hub.trees import Add
from model_cards.validate import examine_card, hub_values, validate_card

# pieces that hostile names are made of, so that the search finds more than random letters
PIECES = st.sampled_from(
    ["..", ".", "/", "\\", "--", "a", "B", "0" * 40, "\x00", "~", "C:", "%2e", "é", " ", "main", ".git"]
)
NAMES = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join))


@given(NAMES)
def test_a_repository_id_becomes_one_safe_folder_name(name: str):
    try:
        folder = repo_folder_name(name)
    except InvalidNameError:
        return
    assert Path("/root/x", folder).resolve().parent == Path("/root/x")
    assert folder.isascii()
    assert len(folder) < 255
    # one-to-one, so no id reaches another one's folder
    assert folder.replace("--", "/") == name


@given(NAMES)
def test_a_branch_becomes_one_safe_file_name(name: str):
    try:
        file = ref_file_name(name)
    except InvalidNameError:
        return
    assert Path("/root/x", file).resolve().parent == Path("/root/x")
    assert file.isascii()
    assert not set(file) & set('/\\:*?"<>| ')
    assert len(file) < 255


@given(NAMES)
def test_a_path_stays_below_the_folder_that_a_client_writes_it_to(name: str):
    try:
        path = check_path(name)
    except InvalidNameError:
        return
    assert Path("/root/x") in Path(os.path.normpath(f"/root/x/{path}")).parents
    assert not path.startswith("/")
    assert "\\" not in path
    assert ".git" not in path.lower().split("/")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
def test_whatever_is_asked_for_nothing_outside_is_touched(tmp_path: Path, name: str):
    storage = Storage(tmp_path / "hub")
    repository = next(storage.repositories("model"), None) or storage.create("model", "u/m", author="u")
    before = sorted(path for path in tmp_path.iterdir())
    for attempt in (
        lambda: storage.repository("dataset", name),
        lambda: repository.commit_at(name),
        lambda: repository.create_ref("tag", name, "main"),
        lambda: repository.delete_ref("tag", name),
        lambda: repository.entry(repository.commit_at("main"), name),
        lambda: storage.objects.path(name),
    ):
        try:
            attempt()
        except RequestError:
            continue
    assert sorted(path for path in tmp_path.iterdir()) == before
    assert storage.repository("model", "u/m").commit_at("main").parent is None
    assert repository.refs("tag") == {}


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_objects_are_found_by_their_content(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]):
    store = ObjectStore(tmp_path_factory.mktemp("store"))
    oid, size = store.put(chunks)
    assert store.path(oid).read_bytes() == b"".join(chunks)
    assert store.size(oid) == size == len(b"".join(chunks))
    with pytest.raises(InvalidRequestError):
        store.put([*chunks, b"x"], oid=oid)
    assert store.path(oid).read_bytes() == b"".join(chunks)


class PowerCutError(BaseException):
    """Ends the process, as far as the storage can tell."""


def test_a_commit_cut_off_at_any_step_leaves_the_old_head_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = Path.replace
    left = 0

    def replace(path: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise PowerCutError
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    outcomes = []
    for steps in range(12):
        folder = tmp_path / str(steps)
        left = 100
        storage = Storage(folder)
        old = storage.create("model", "u/m", author="u").commit_at("main")
        left = steps
        try:
            oids = [storage.objects.put([b"%d" % number])[0] for number in range(3)]
            operations = [Add(f"{number}.txt", oid) for number, oid in enumerate(oids)]
            storage.repository("model", "u/m").commit("main", operations, title="new", author="u", parent=old.id)
        except PowerCutError:
            pass
        left = 100
        again = Storage(folder)
        head = again.repository("model", "u/m").commit_at("main")
        assert head.id == old.id or (
            head.parent == old.id and set(head.files) - set(old.files) == {"0.txt", "1.txt", "2.txt"}
        )
        for entry in head.files.values():
            assert again.objects.path(entry.sha256).stat().st_size == entry.size
        assert not list((folder / "incoming").iterdir())
        outcomes.append(head.id != old.id)
    # both happened: the loop went past the step that decides
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}


def test_a_full_disk_is_answered_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    storage = Storage(tmp_path)
    repository = storage.create("model", "u/m", author="u")
    head = repository.commit_at("main").id
    oid, _ = storage.objects.put([b"1"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for attempt in (
            lambda: storage.objects.put([b"2"]),
            lambda: repository.commit("main", [Add("a", oid)], title="x", author="u"),
            lambda: storage.create("model", "u/other", author="u"),
            lambda: repository.create_ref("tag", "v1", "main"),
        ):
            with pytest.raises(StorageError, match="No space left"):
                attempt()
    assert repository.commit_at("main").id == head
    assert [found.id for found in storage.repositories("model")] == ["u/m"]
    assert repository.refs("tag") == {}
    assert repository.commit("main", [Add("a", oid)], title="x", author="u").parent == head


PLAIN = st.one_of(st.booleans(), st.integers(-999, 999), st.text("abc -_.xyz0123'#:", max_size=12), st.none())


@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z_-]{0,9}", fullmatch=True), st.one_of(PLAIN, st.lists(PLAIN, max_size=3)))
)
def test_what_is_read_of_a_card_is_what_yaml_means(values: dict[str, object]):
    text = f"---\n{yaml.safe_dump(values, width=1000)}---\n# Card\n" if values else "---\n---\n"
    assert cards.problems(text, of_model=False)[0] == [] or hub_values()["keys"] & values.keys()
    found = cards.parse(cards.front_matter(text) or "")
    for key, value in found.items():
        assert value == values[key]
        assert type(value) is type(values[key])
    unread = values.keys() - found.keys()
    # only what needed quotes or escapes may be left out
    assert not [key for key in unread if not isinstance(values[key], str | list)]


@given(st.text("-#:[]{}'\"ab \n\t&*|>", max_size=60))
def test_no_front_matter_breaks_the_reader(text: str):
    for content in (text, f"---\n{text}\n---\n"):
        cards.problems(content)
        cards.tags_of(cards.parse(cards.front_matter(content) or ""), [], None)


def test_valid_yaml_is_never_refused():
    card = (
        "---\nlanguage:\n- en\n- de  # two\nlicense: apache-2.0\nmodel-index:\n- name: x\n  results:\n"
        "  - task: {type: a, name: 'b: c'}\n"
        "    dataset: {type: d, name: e}\n    metrics:\n    - {type: ndcg, value: 0.5}\nwidget:\n  - text: |\n"
        '      one\n\n      two\n"quoted key": "a: b # c"\n# a comment\ntags: [a,\n  b]\nurl: http://x.y/z#1\n---\n'
    )
    assert yaml.safe_load(cards.front_matter(card))
    assert cards.problems(card) == ([], [])
    found = cards.parse(cards.front_matter(card))
    assert found == {
        "language": ["en", "de"],
        "license": "apache-2.0",
        "quoted key": "a: b # c",
        "url": "http://x.y/z#1",
    }


HUB_SAYS = {
    "a: 1\na: 2": "given twice",
    "just words": "must be a mapping",
    "license: 7": "`license`",
    "license: Apache 2.0": "`license`",
    "tags: one": "`tags` must be a list",
    "x:\n\t- a": "A tab indents",
    "a: [1": "no valid YAML",
    "a: 'b": "no valid YAML",
    "pipeline_tag: cooking": "`pipeline_tag`",
    "language: english": "`language`",
    "datasets: [a/b/c]": "a/b/c",
    "license:": "`license` has no value",
}


@pytest.mark.parametrize(("wrong", "said"), HUB_SAYS.items())
def test_what_the_hub_refuses_is_an_error_as_in_the_validator(wrong: str, said: str):
    text = f"---\n{wrong}\n---\n"
    errors, warnings = cards.problems(text)
    assert len(errors) == 1
    assert warnings == []
    assert said in errors[0]
    assert any(errors[0] in line for line in validate_card(text))


def test_what_the_hub_takes_is_no_error_though_the_validator_warns_or_asks_for_more():
    assert cards.problems("Text alone.") == ([], ["empty or missing yaml metadata in repo card"])
    assert cards.problems("---\n# nothing\n---\n") == ([], ["empty or missing yaml metadata in repo card"])
    assert cards.problems("---\na: 1\n") == (["The YAML metadata has no closing line '---'."], [])
    # our own rules: no license, a misspelt key, a blank that was not filled in, a local path
    for text in ("---\ntags: [a]\n---\n", "---\nlicence: mit\n---\n", "---\nlicense: mit\n---\n/home/alice/x\n"):
        assert cards.problems(text) == ([], [])
        assert examine_card(text)
    large = "---\na: |\n" + "  words of it\n" * 90_000 + "---\n"
    errors, warnings = cards.problems(large)
    assert (errors, len(warnings)) == ([], 1)
    assert "so large that the Hub may refuse" in warnings[0]
    # of a dataset the YAML alone is checked
    assert cards.problems("---\npipeline_tag: cooking\n---\n", of_model=False) == ([], [])
    assert cards.problems("---\na: 1\na: 2\n---\n", of_model=False)[0]


SERVER = """
import sys
from pathlib import Path
from hf_contrastive.release.local_hub import serve
hub = serve(Path(sys.argv[1]), token="secret")
sys.stdout.write(hub.endpoint + "\\n")
sys.stdout.flush()
hub.serve_forever()
"""


def commit(api: HfApi, parent: str, files: dict[str, bytes]) -> str:
    """Commit without a client that retries."""
    lines = [{"key": "header", "value": {"summary": "x", "parentCommit": parent}}]
    for path, content in files.items():
        encoded = base64.b64encode(content).decode()
        lines.append({"key": "file", "value": {"path": path, "content": encoded, "encoding": "base64"}})
    connection = http.client.HTTPConnection(api.endpoint.removeprefix("http://"), timeout=10)
    try:
        headers = {"Authorization": f"Bearer {api.token}"}
        body = "\n".join(json.dumps(line) for line in lines)
        connection.request("POST", "/api/models/local/m/commit/main", body, headers)
        return json.loads(connection.getresponse().read())["commitOid"]
    finally:
        connection.close()


@pytest.mark.slow
def test_a_killed_server_leaves_the_old_head_or_the_new_one(tmp_path: Path):
    """Kill -9 at random moments while commits arrive; what was acknowledged stays, and every head is complete."""
    rng = random.Random(0)
    acknowledged: list[str] = []
    for turn in range(8):
        process = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        with process:
            api = HfApi(endpoint=process.stdout.readline().strip(), token="secret")
            api.create_repo("local/m", exist_ok=True)
            head = api.model_info("local/m").sha
            history = [commit.commit_id for commit in api.list_repo_commits("local/m")]
            # at most one commit was under way when the server died
            assert set(acknowledged) <= set(history)
            assert len(history) - 1 <= len(acknowledged) + turn
            for path in api.list_repo_files("local/m"):
                if path != ".gitattributes":
                    content = Path(api.hf_hub_download("local/m", path, cache_dir=tmp_path / "cache")).read_bytes()
                    assert len(set(content)) == 1
                    assert len(content) == (400_000 if path == "w.bin" else 4000)
            killer = threading.Timer(rng.uniform(0.02, 0.4), process.kill)
            killer.start()
            started = time.monotonic()
            while time.monotonic() - started < 10:
                letter = rng.choice(b"abcdef")
                try:
                    head = commit(api, head, {"w.bin": bytes([letter]) * 400_000, "a.txt": bytes([letter]) * 4000})
                except (OSError, http.client.HTTPException):
                    break
                acknowledged.append(head)
            killer.join()
            assert process.wait(10) != 0
    assert acknowledged
    assert json.loads((tmp_path / "hub.json").read_text())

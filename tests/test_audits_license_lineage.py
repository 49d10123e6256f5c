"""The walk from what was used to where it comes from, and the texts that it keeps."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from audits.errors import LineageError
from audits.licenses.hub_clients import FolderHub, OnlineHub
from audits.licenses.inputs import LicensedInput, Lineage
from audits.licenses.license_files import KeptText, write_texts
from audits.licenses.lineage import MAX_INPUTS, Start, WalkedLineage, verify_license_files, walk, write_license_files
from audits.licenses.references import (
    MAX_REFERENCES,
    base_references,
    generator_references,
    source_references,
    training_references,
)
from audits.licenses.snapshots import RepoKind, RepoSnapshot
from hf_contrastive.release.local_hub import serve


class FakeHub:
    """Repositories by (kind, id), each with its metadata or a whole snapshot; what is missing can not be read."""

    def __init__(self, repositories: Mapping[tuple[str, str], dict[str, Any] | RepoSnapshot]) -> None:
        self.repositories, self.asked = repositories, list[tuple[str, str, str | None]]()

    def snapshot(self, kind: RepoKind, repo_id: str, revision: str | None = None) -> RepoSnapshot:
        self.asked.append((kind, repo_id, revision))
        found = self.repositories.get((kind, repo_id))
        if found is None:
            raise LineageError(f"the {kind} {repo_id} does not exist")
        if isinstance(found, RepoSnapshot):
            return found
        commit = revision or hashlib.sha1(repo_id.encode()).hexdigest()
        return RepoSnapshot(kind=kind, repo_id=repo_id, commit=commit, card=card(found), gated="no")


def card(metadata: object) -> bytes:
    return f"---\n{yaml.safe_dump(metadata)}---\n# Card\n".encode()


def models(**cards: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {("model", name): metadata for name, metadata in cards.items()}


def tree(walked: WalkedLineage) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(item.name, item.role, item.relation, item.parents) for item in walked.lineage.inputs]


def only(walked: WalkedLineage, name: str) -> LicensedInput:
    found = [item for item in walked.lineage.inputs if item.name == name]
    assert len(found) == 1, tree(walked)
    return found[0]


# --- the way ---


def test_a_chain_of_bases_is_pinned_with_depth_and_relation():
    hub = FakeHub(
        models(
            a={"license": "mit", "base_model": "b", "base_model_relation": "quantized"},
            b={"license": "apache-2.0", "base_model": ["c", "d"], "base_model_relation": "merge"},
            c={"license": "gpl-3.0"},
            d={"license": "llama2"},
        )
    )
    asked: list[str] = []
    walked = walk(hub, models=[Start(name="a", revision="f" * 40)], on_progress=asked.append)
    assert tree(walked) == [
        ("a", "base", "", ()),
        ("b", "base", "quantized", ("a",)),
        ("c", "base", "merge", ("a", "b")),
        ("d", "base", "merge", ("a", "b")),
    ]
    assert [item.depth for item in walked.lineage.inputs] == [0, 1, 2, 2]
    assert [item.license for item in walked.lineage.inputs][:2] == ["MIT", "Apache-2.0"]
    assert only(walked, "a").revision == "f" * 40
    assert only(walked, "b").revision == hashlib.sha1(b"b").hexdigest()
    assert asked == ["a", "b", "c", "d"]
    assert walked.lineage.problems == ()


@pytest.mark.parametrize("first", ["a", "b", "c"])
def test_a_circle_ends_and_is_told(first: str):
    hub = FakeHub(models(a={"base_model": "b"}, b={"base_model": "c"}, c={"base_model": "A"}, A={"base_model": "b"}))
    walked = walk(hub, models=[Start(name=first)])
    assert len(walked.lineage.inputs) == 3
    assert any("the circle ends here" in line for line in walked.lineage.problems)


def test_a_card_that_names_itself_is_told_and_stands_once():
    walked = walk(FakeHub(models(a={"base_model": ["a", "b"]}, b={})), models=[Start(name="a", revision="f" * 40)])
    assert [item.name for item in walked.lineage.inputs] == ["a", "b"]
    assert "a: it names itself as what it comes from" in walked.lineage.problems


def test_of_two_ways_to_a_model_the_shorter_is_kept():
    hub = FakeHub(
        models(a={"base_model": ["b", "d"]}, b={"base_model": "c"}, c={"base_model": "d"}, d={"license": "mit"})
    )
    walked = walk(hub, models=[Start(name="a")])
    assert only(walked, "d").parents == ("a",)
    assert len(walked.lineage.inputs) == 4
    assert hub.asked.count(("model", "d", None)) == 1


def test_one_repository_under_two_spellings_stands_once():
    moved = RepoSnapshot(kind="model", repo_id="new/m", commit="e" * 40, card=card({"license": "mit"}))
    hub = FakeHub({**models(a={"base_model": ["old/m", "new/m", "New/M"]}), ("model", "old/m"): moved})
    hub.repositories = {**hub.repositories, ("model", "new/m"): moved, ("model", "New/M"): moved}
    walked = walk(hub, models=[Start(name="a")])
    assert [item.name for item in walked.lineage.inputs] == ["a", "old/m"]


def test_one_model_as_base_and_as_generator_stands_for_both():
    hub = FakeHub({("model", "m"): {"base_model": "n"}, ("model", "n"): {}, ("dataset", "d"): {"generator": "m"}})
    walked = walk(hub, datasets=[Start(name="d", rows=7)], models=[Start(name="m")])
    assert sorted(tree(walked)) == sorted(
        [
            ("d", "training", "", ()),
            ("m", "base", "", ()),
            ("m", "generator", "generated-by", ("d",)),
            ("n", "base", "unknown", ("m",)),
            ("n", "generator", "unknown", ("d", "m")),
        ]
    )
    assert only(walked, "d").rows == 7


def test_what_lies_deeper_than_the_cap_is_listed_unread_and_undetermined():
    chain = {f"m{number}": {"license": "mit", "base_model": f"m{number + 1}"} for number in range(30)}
    walked = walk(FakeHub(models(**chain)), models=[Start(name="m0")], max_depth=3)
    assert [item.name for item in walked.lineage.inputs] == ["m0", "m1", "m2", "m3", "m4"]
    deep = only(walked, "m4")
    assert (deep.license, deep.reason) == (None, "it lies more than 3 steps away and was not read")
    assert any(line.startswith("m4: it lies more") for line in walked.lineage.problems)


def test_a_card_with_very_many_names_does_not_make_the_walk_endless():
    wide = {f"m{a}": {"base_model": [f"m{a}-{b}" for b in range(MAX_REFERENCES + 20)]} for a in range(8)}
    top = {"base_model": list(wide)}
    walked = walk(FakeHub(models(top=top, **wide)), models=[Start(name="top")])
    rest = only(walked, "further inputs")
    assert (rest.license, len(walked.lineage.inputs)) == (None, MAX_INPUTS + 1)
    assert f"more than {MAX_INPUTS} inputs" in rest.reason
    assert any("only the first 100 are followed" in line for line in walked.lineage.problems)


def test_a_node_that_can_not_be_read_is_undetermined_with_the_reason():
    hub = FakeHub({("dataset", "d"): {"license": "mit", "source_datasets": ["gone"]}})
    walked = walk(hub, datasets=[Start(name="d"), Start(name="also/gone", revision="v1", rows=3)])
    lost, start = only(walked, "gone"), only(walked, "also/gone")
    assert (lost.license, lost.reason, lost.parents) == (None, "the dataset gone does not exist", ("d",))
    assert (start.license, start.revision, start.rows) == (None, "v1", 3)
    assert "gone: the dataset gone does not exist" in walked.lineage.problems


def test_what_a_person_states_counts_where_nothing_can_be_read():
    walked = walk(FakeHub({}), datasets=[Start(name="inhouse", license="Apache-2.0")])
    item = only(walked, "inhouse")
    assert (item.license, item.statements[0].place) == ("Apache-2.0", "given")
    assert item.reason.endswith("; the dataset inhouse does not exist")
    assert walked.lineage.problems == ("inhouse: the dataset inhouse does not exist",)


# --- roles ---


def test_sources_keep_the_role_and_rows_to_measure_with_have_no_generator():
    hub = FakeHub(
        {
            ("dataset", "train"): {"source_datasets": ["original", "extended|squad"], "generator": "o/writer"},
            ("dataset", "test"): {"source_datasets": "squad", "generator": "o/writer"},
            ("dataset", "squad"): {"license": "cc-by-sa-4.0"},
            ("model", "o/writer"): {"license": "gemma", "datasets": ["squad"]},
        }
    )
    walked = walk(hub, datasets=[Start(name="train"), Start(name="test", role="evaluation")])
    assert tree(walked)[2:] == [
        ("squad", "training", "extended", ("train",)),
        ("o/writer", "generator", "generated-by", ("train",)),
        ("squad", "evaluation", "source", ("test",)),
        ("o/writer", "evaluation", "generated-by", ("test",)),
    ]


def test_data_of_a_base_model_is_listed_and_not_followed():
    hub = FakeHub(
        {
            ("model", "m"): {"datasets": ["d", "e"], "base_model": "n"},
            ("model", "n"): {"datasets": "d"},
            ("dataset", "d"): {"license": "cc-by-sa-4.0", "source_datasets": ["deeper"], "tags": ["synthetic"]},
            ("dataset", "e"): {"license": "mit"},
        }
    )
    walked = walk(hub, datasets=[Start(name="e")], models=[Start(name="m")])
    assert tree(walked) == [
        ("e", "training", "", ()),
        ("m", "base", "", ()),
        ("n", "base", "unknown", ("m",)),
        ("d", "training", "base-trained-on", ("m",)),
        ("e", "training", "base-trained-on", ("m",)),
    ]


@pytest.mark.parametrize(
    "metadata",
    [
        {"tags": ["text", "synthetic"]},
        {"tags": "Synthetic"},
        {"language_creators": ["found", "machine-generated"]},
        {"annotations_creators": "machine-generated"},
    ],
)
def test_rows_that_a_machine_wrote_have_an_unknown_generator(metadata: dict[str, Any]):
    walked = walk(FakeHub({("dataset", "d"): {"license": "mit", **metadata}}), datasets=[Start(name="d")])
    item = only(walked, "an unnamed generator of d")
    assert (item.role, item.kind, item.license, item.parents) == ("generator", "model", None, ("d",))
    assert "names no model that wrote the rows" in item.reason


def test_a_generator_behind_a_service_is_named_and_undetermined():
    walked = walk(
        FakeHub({("dataset", "d"): {"tags": ["synthetic"], "generator": "GPT 4 turbo"}}), datasets=[Start(name="d")]
    )
    assert tree(walked)[1:] == [("GPT 4 turbo", "generator", "generated-by", ("d",))]
    assert only(walked, "GPT 4 turbo").license is None


def test_two_unnamed_sources_are_two_inputs():
    hub = FakeHub({("dataset", name): {"source_datasets": ["extended"]} for name in ("d", "e")})
    walked = walk(hub, datasets=[Start(name="d"), Start(name="e")])
    assert [item.name for item in walked.lineage.inputs[2:]] == ["an unnamed source of d", "an unnamed source of e"]


# --- what cards say ---


@pytest.mark.parametrize(
    "value", [5, True, 1.5, {"a": "b"}, [["a"]], [None], ["a" * 500], "a b", "/home/me/llama", "..\\x"]
)
def test_a_base_that_can_not_be_read_is_an_unknown_base(value: object):
    references, _ = base_references({"base_model": value}, ())
    assert len(references) == 1
    assert references[0].unread
    assert "/home/me" not in repr(references)


def test_part_of_a_list_that_can_not_be_read_does_not_hide_behind_the_rest():
    references, problems = base_references({"base_model": ["a/b", 5], "base_model_relation": "distilled"}, ())
    assert [(item.name, bool(item.unread)) for item in references] == [("a/b", False), ("an unnamed base model", True)]
    assert problems == [
        "`base_model_relation` is `distilled`; known are finetune, adapter, merge, quantized",
        "`base_model` holds int; allowed is a name or a list of names",
    ]


@pytest.mark.parametrize("empty", [None, "", [], "  "])
def test_an_empty_base_is_no_base(empty: object):
    assert base_references({"base_model": empty}, ()) == ([], [])


def test_a_configuration_speaks_where_the_card_does_not():
    adapter, saved = ("adapter_config.json", "o/base"), ("config.json", "o/other")
    assert [(item.name, item.relation) for item in base_references({}, (adapter, saved))[0]] == [
        ("o/base", "adapter"),
        ("o/other", "unknown"),
    ]
    assert [item.name for item in base_references({"base_model": "o/card"}, (adapter,))[0]] == ["o/card"]
    assert base_references({}, (("config.json", "/tmp/mine"), ("config.json", "mine")))[0] == []
    local = base_references({}, (("adapter_config.json", "C:\\Users\\me\\llama"),))[0]
    assert (local[0].name, bool(local[0].unread)) == ("llama", True)


def test_addresses_of_the_hub_are_read_as_ids():
    host = "https://huggingface.co"
    assert base_references({"base_model": f"{host}/o/m/tree/main"}, ())[0][0].name == "o/m"
    assert source_references({"source_datasets": [f"{host}/datasets/o/d"]})[0][0].name == "o/d"
    assert training_references({"datasets": "datasets/o/d"})[0][0].name == "o/d"
    assert base_references({"base_model": f"{host}/datasets/o/d"}, ())[0][0].unread


def test_sources_outside_the_hub_are_named_and_unread():
    given_names = ["original", "extended|other-wikipedia", "extended|other", "extended", "extended|o/d", "news sites"]
    references, problems = source_references({"source_datasets": given_names})
    assert [(item.name, bool(item.unread)) for item in references] == [
        ("wikipedia", True),
        ("an unnamed source", True),
        ("an unnamed source", True),
        ("o/d", False),
        ("news sites", True),
    ]
    assert problems == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["base_model", "base_model_relation", "datasets", "source_datasets", "generator", "tags", "license"]


@given(st.dictionaries(st.sampled_from([*KEYS, "license_name", "language_creators"]), JUNK))
def test_any_metadata_gives_references_whose_names_are_safe(metadata: dict[str, Any]):
    found = [
        *base_references(metadata, ())[0],
        *training_references(metadata)[0],
        *source_references(metadata)[0],
        *generator_references(metadata)[0],
    ]
    for reference in found:
        assert reference.unread or (".." not in reference.name and reference.name.count("/") <= 1)
        assert reference.name
        assert reference.name.isprintable()


@given(st.dictionaries(st.sampled_from([*KEYS, "license_name", "language_creators"]), JUNK))
def test_any_card_is_walked_to_an_end_and_the_record_survives_its_json(metadata: dict[str, Any]):
    hub = FakeHub({("model", "m"): metadata, ("dataset", "d"): metadata})
    walked = walk(hub, datasets=[Start(name="d")], models=[Start(name="m")])
    assert Lineage.from_dict(json.loads(json.dumps(walked.lineage.to_dict()))) == walked.lineage
    for item in walked.lineage.inputs:
        assert item.license is not None or item.reason


@pytest.mark.parametrize("content", [b"\xff\xfe---", b"---\n- a\n---\n", b"---\nlicense: [\n---\n", b"---\n: x\n", b""])
def test_a_malformed_card_is_a_problem_and_permits_nothing(content: bytes):
    hub = FakeHub({("model", "m"): RepoSnapshot(kind="model", repo_id="m", commit="e" * 40, card=content)})
    walked = walk(hub, models=[Start(name="m")])
    assert only(walked, "m").license is None
    assert walked.lineage.problems[0].startswith("m: README.md: ")


@pytest.mark.timeout(60)
def test_fields_of_a_megabyte_are_walked_and_shortened():
    huge = "x" * 1_000_000
    hub = FakeHub(
        models(m={"license": huge, "base_model": huge, "datasets": [huge, "a/b"], "base_model_relation": huge})
    )
    walked = walk(hub, models=[Start(name="m")])
    assert only(walked, "m").license is None
    assert len(json.dumps(walked.lineage.to_dict())) < 20_000


# --- licenses ---


@pytest.fixture(scope="module")
def apache_text() -> bytes:
    files = importlib.metadata.files("huggingface_hub") or ()
    return next(Path(str(file.locate())) for file in files if file.name == "LICENSE").read_bytes()


def test_a_text_that_is_not_what_the_card_declares_is_a_disagreement(apache_text: bytes):
    held = RepoSnapshot(
        kind="model", repo_id="m", commit="e" * 40, card=card({"license": "mit"}), files={"LICENSE": apache_text}
    )
    item = only(walk(FakeHub({("model", "m"): held}), models=[Start(name="m", license="mit")]), "m")
    assert set((item.license or "").split(" AND ")) == {"MIT", "Apache-2.0"}
    assert any("LICENSE" in text and "README.md" in text for text in item.disagreements)
    places = {told.place: told for told in item.statements}
    assert set(places) == {"given", "card", "license_file"}
    assert places["license_file"].sha256 == hashlib.sha256(apache_text).hexdigest()
    assert places["card"].sha256 == hashlib.sha256(card({"license": "mit"})).hexdigest()


def test_a_text_settles_what_the_card_leaves_open_and_is_said_when_it_was_not_read(apache_text: bytes):
    def named(**more: Any) -> LicensedInput:
        held = RepoSnapshot(kind="model", repo_id="m", commit="e" * 40, card=card({"license": "other"}), **more)
        return only(walk(FakeHub({("model", "m"): held}), models=[Start(name="m")]), "m")

    assert named(files={"LICENSE": apache_text}).license == "Apache-2.0"
    unread = named(problems={"LICENSE": "LICENSE of the model m could not be read"})
    assert unread.license is None
    assert "not read: LICENSE" in unread.reason


@pytest.mark.parametrize("start", ["---\n", " \n---\n"])
@pytest.mark.parametrize("end", ["---\n", "...\n"])
def test_a_card_nested_without_end_is_undetermined_and_does_not_end_the_process(start: str, end: str):
    content = f"{start}license: mit\na: {'[' * 200_000}\n{end}".encode()
    hub = FakeHub({("model", "m"): RepoSnapshot(kind="model", repo_id="m", commit="e" * 40, card=content)})
    item = only(walk(hub, models=[Start(name="m", license="mit")]), "m")
    assert (item.license, item.reason) == (None, "README.md: its metadata is nested too deeply")


# --- gates ---


@pytest.mark.parametrize(
    ("gated", "text", "expected"),
    [
        ("no", "", "no"),
        ("no", "old terms", "no"),
        ("auto", "", "yes"),
        ("manual", "t", "yes"),
        ("", "", ""),
        ("", "t", "yes"),
    ],
)
def test_whether_terms_had_to_be_accepted(gated: Any, text: str, expected: str):
    snapshot = RepoSnapshot(kind="model", repo_id="m", commit="e" * 40, gated=gated, gating_text=text)
    assert only(walk(FakeHub({("model", "m"): snapshot}), models=[Start(name="m")]), "m").gated == expected


def test_a_closed_card_is_read_from_the_metadata_that_everybody_sees():
    metadata = card({"license": "apache-2.0", "base_model": "n"})
    closed = RepoSnapshot(
        kind="model",
        repo_id="m",
        commit="e" * 40,
        gated="manual",
        metadata=metadata,
        problems={"README.md": "README.md of the model m is gated, and this account has no access"},
    )
    walked = walk(FakeHub({("model", "m"): closed, ("model", "n"): {"license": "mit"}}), models=[Start(name="m")])
    item = only(walked, "m")
    assert (item.license, item.gated) == ("Apache-2.0", "yes")
    assert only(walked, "n").parents == ("m",)
    assert any("README.md of the model m is gated" in line for line in walked.lineage.problems)
    assert [text.name for text in walked.texts] == ["card-metadata.md", "README.md"]


# --- the texts ---


@pytest.fixture
def walked_with_texts() -> WalkedLineage:
    def snapshot(name: str, **more: Any) -> RepoSnapshot:
        return RepoSnapshot(kind="model", repo_id=name, commit="e" * 40, **more)

    files = {"LICENSE": b"the same text", "NOTICE": b"notice \xff", "../../escape": b"out", ".hidden": b"dot"}
    first = snapshot("o/a", card=card({"base_model": "o/b", "license": "mit"}), files=files, gating_text="accept ü")
    second = snapshot("o/b", files={"LICENSE.txt": b"the same text", "COPYING": b""}, cut=("COPYING",))
    return walk(FakeHub({("model", "o/a"): first, ("model", "o/b"): second}), models=[Start(name="o/a")])


def test_every_text_is_kept_byte_for_byte_once(walked_with_texts: WalkedLineage, tmp_path: Path):
    written = write_license_files(walked_with_texts, tmp_path / "evidence")
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert found == sorted(path.relative_to(tmp_path).as_posix() for path in written)
    assert all(path.startswith("evidence/retrieved/") and path.count("/") == 2 for path in found)
    listed = dict(walked_with_texts.lineage.files)
    assert {f"evidence/{path}" for path in listed} | {"evidence/retrieved/index.json"} == set(found)
    for path, digest in listed.items():
        assert hashlib.sha256((tmp_path / "evidence" / path).read_bytes()).hexdigest() == digest
        assert path.startswith(f"retrieved/{digest[:16]}-")
    assert verify_license_files(walked_with_texts.lineage, tmp_path / "evidence") == ()


def test_the_index_says_where_each_text_is_from(walked_with_texts: WalkedLineage, tmp_path: Path):
    write_license_files(walked_with_texts, tmp_path)
    index = json.loads((tmp_path / "retrieved" / "index.json").read_text(encoding="utf-8"))
    same = [entry for entry in index if entry["sha256"] == hashlib.sha256(b"the same text").hexdigest()]
    assert [(entry["repo"], entry["path"], entry["commit"]) for entry in same] == [
        ("o/a", "LICENSE", "e" * 40),
        ("o/b", "LICENSE.txt", "e" * 40),
    ]
    assert len({entry["file"] for entry in same}) == 1
    assert {entry["path"] for entry in index} >= {"README.md", "gating-text.md", "NOTICE", "../../escape"}
    assert [entry["path"] for entry in index if entry["cut"]] == ["COPYING"]
    assert all(entry["retrieved_at"].endswith("+00:00") for entry in index)
    assert any("COPYING is longer than is kept" in line for line in walked_with_texts.lineage.problems)


def test_a_changed_a_missing_and_a_foreign_text_are_named(walked_with_texts: WalkedLineage, tmp_path: Path):
    write_license_files(walked_with_texts, tmp_path)
    lineage = walked_with_texts.lineage
    (changed, _), (missing, _), *_ = lineage.files
    (tmp_path / changed).write_bytes(b"edited upstream")
    (tmp_path / missing).unlink()
    problems = verify_license_files(lineage, tmp_path)
    assert len(problems) == 2
    assert problems[0].startswith(f"{changed} was changed")
    assert problems[1] == f"{missing} is missing"
    (tmp_path / "secret").write_bytes(b"s")
    digest = hashlib.sha256(b"s").hexdigest()
    for path in ("../secret", "secret", "/etc/passwd", f"retrieved/{'0' * 16}-../../secret", "retrieved\\x"):
        told = verify_license_files(replace(lineage, files=((path, digest),)), tmp_path)
        assert len(told) == 1
        assert "is no place of a license text" in told[0]


def test_a_link_in_place_of_a_text_is_not_followed(tmp_path: Path):
    (tmp_path / "evidence" / "retrieved").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"s")
    digest = hashlib.sha256(b"s").hexdigest()
    path = f"retrieved/{digest[:16]}-LICENSE"
    (tmp_path / "evidence" / path).symlink_to(tmp_path / "secret")
    assert verify_license_files(Lineage(files=((path, digest),)), tmp_path / "evidence") == (
        f"{path} leads outside the folder",
    )


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LineageError, match="can not be written below"):
        write_license_files(WalkedLineage(lineage=Lineage()), tmp_path / "file")


@given(name=st.text(max_size=300), content=st.binary(max_size=20))
def test_no_name_is_written_outside(name: str, content: bytes, tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("texts")
    text = KeptText(kind="model", repo_id="../../x", commit="", name=name, content=content)
    written = write_texts([text], root / "deep" / "evidence")
    assert all(path.resolve().parent == root / "deep" / "evidence" / "retrieved" for path in written)
    files = tuple((path.relative_to(root / "deep" / "evidence").as_posix(), text.sha256) for path in written[1:])
    assert verify_license_files(Lineage(files=files), root / "deep" / "evidence") == ()


# --- real clients ---


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    root = tmp_path / "copies"
    cards = {
        "models/o/tuned": {"license": "mit", "base_model": "o/base", "base_model_relation": "finetune"},
        "models/o/base": {"license": "apache-2.0", "datasets": ["o/web"]},
        "datasets/o/rows": {"license": "cc-by-4.0", "source_datasets": ["o/web"]},
        "datasets/o/web": {"license": "odc-by"},
    }
    for name, metadata in cards.items():
        (root / name).mkdir(parents=True)
        (root / name / "README.md").write_bytes(card(metadata))
    return root


def test_a_local_hub_and_its_copies_give_the_same_lineage(folders: Path, tmp_path: Path):
    starts = {"datasets": [Start(name="o/rows")], "models": [Start(name="o/tuned")]}
    from_files = walk(FolderHub(folders), **starts)
    with serve(tmp_path / "hub") as hub:
        for path in folders.glob("*/*/*"):
            hub.seed(f"o/{path.name}", path, repo_type="model" if "models" in path.parts else "dataset")
        online = walk(OnlineHub(endpoint=hub.endpoint, token=False), **starts)
    assert tree(online) == tree(from_files)
    assert [item.license for item in online.lineage.inputs] == [item.license for item in from_files.lineage.inputs]
    assert ("o/web", "training", "base-trained-on", ("o/tuned", "o/base")) in tree(online)
    assert all(len(item.revision or "") == 40 for item in online.lineage.inputs)
    assert [item.revision for item in from_files.lineage.inputs] == [None] * 5
    assert online.lineage.problems == from_files.lineage.problems == ()
    assert online.lineage.files == from_files.lineage.files


def test_a_local_folder_is_a_start_whose_base_is_looked_up(folders: Path, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"_name_or_path": "o/tuned"}))
    walked = walk(FolderHub(folders), models=[Start(name="mine", path=tmp_path / "mine")])
    assert [item.name for item in walked.lineage.inputs] == ["mine", "o/tuned", "o/base", "o/web"]
    assert (walked.lineage.inputs[0].license, walked.lineage.inputs[0].revision) == (None, None)
    assert str(tmp_path) not in json.dumps(walked.lineage.to_dict())


def test_an_unreachable_hub_leaves_everything_undetermined():
    starts = [Start(name=f"o/m{number}") for number in range(4)]
    walked = walk(OnlineHub(endpoint="http://127.0.0.1:9", token=False, timeout=2), models=starts)
    assert [item.license for item in walked.lineage.inputs] == [None] * 4
    assert all("could not be reached" in item.reason or "unanswered" in item.reason for item in walked.lineage.inputs)
    assert len(walked.lineage.problems) == 4

"""The demo's data: real docstrings, the same for the same environment, no module on two sides."""

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.metadata import PathDistribution
from pathlib import PurePosixPath

import datasets
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hf_contrastive.demo import docstrings, source_files
from hf_contrastive.demo.docstrings import COLUMNS, SPLITS, load_docstrings
from hf_contrastive.demo.package_licenses import standard_library_license, stated_license
from hf_contrastive.demo.sentences import (
    MAX_ANCHOR_CHARACTERS,
    MAX_POSITIVE_CHARACTERS,
    MIN_ANCHOR_WORDS,
    split_docstring,
)
from hf_contrastive.errors import ContrastiveError

REST = "Here follow five more words."


# --- sentences ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("docstring", "anchor"),
    [
        ("Add two numbers. " + REST, "Add two numbers."),
        ("Add two numbers.\n\n    " + REST, "Add two numbers."),
        ("Add two\n    numbers quickly\n\n    " + REST, "Add two numbers quickly"),
        ("Use a norm, e.g. Euclidean, or any. " + REST, "Use a norm, e.g. Euclidean, or any."),
        ("Since version 1.0 of numpy.dot it works. " + REST, "Since version 1.0 of numpy.dot it works."),
        ("Written by J. Smith and others. " + REST, "Written by J. Smith and others."),
        ("The kernel of matrix A. It is a subspace of the domain.", "The kernel of matrix A."),
        ("Is it sorted? " + REST, "Is it sorted?"),
        ('Return the "inner product." ' + REST, 'Return the "inner product."'),
        ("Call it (see below. Really) now. " + REST, "Call it (see below. Really) now."),
        ("Return etc. values of it. " + REST, "Return etc. values of it."),
        ("Apply :math:`f` and\n:math:`g` in turn. " + REST, "Apply :math:`f` and :math:`g` in turn."),
        ("dot(a, b) -> array\n\nMultiply two arrays. " + REST, "Multiply two arrays."),
        ("f(a,\n  b=None)\n\nMultiply two arrays. " + REST, "Multiply two arrays."),
        ("package.module\n~~~~~~~~~~~~~~\n\nLexers for some languages. " + REST, "Lexers for some languages."),
        ('!!! abstract "Docs"\n    [x](y)\n\nA base class here. ' + REST, "A base class here."),
        ("A Longer Title\n==============\n" + REST, "A Longer Title"),
        ("Fit the model\nArgs:\n    x: the data as an array", "Fit the model"),
        ("Ask alice@example.org about it. Then write bob@example.org again, please.", None),
    ],
)
def test_the_anchor_is_the_first_sentence(docstring, anchor):
    pair = split_docstring(docstring)
    assert pair is not None
    assert pair[0] == (anchor or "Ask alice@example.org about it.")
    assert pair[0] not in pair[1]
    assert not pair[1].startswith(("=", "~"))


@pytest.mark.parametrize(
    "docstring",
    [
        "",
        "   \n\n",
        "Too short. " + REST,
        "Nothing follows this sentence.",
        "Little follows this sentence. Only four words here.",
        ":param x: the first value\n:param y: the second value of it all",
        "labels (`torch.Tensor`): Labels of the loss. " + REST,
        "loss (`tuple(x)`, *optional*, (more)): Loss of it. " + REST,
        "+\nThe name of it is given. " + REST,
        "- one item of a list\n- another item of the same list",
        "Do the thing now.\n\nDo the thing now.  Do it again, and again.",
        "word " * 100 + ". " + REST,
        "A lone surrogate \ud800 here. " + REST,
        "Arguments:\n    some text with many words in it",
    ],
)
def test_what_is_no_pair_gives_none(docstring):
    assert split_docstring(docstring) is None


def test_white_space_is_collapsed_and_lines_are_kept():
    _, positive = split_docstring("Do it all now.\n\n\n\n    First   line\there\n      second line of it\n\n\n    end")
    assert positive == "First line here\nsecond line of it\n\nend"


def test_a_long_positive_is_cut_at_a_word():
    _, positive = split_docstring("Do it all now.\n\n" + "word " * 5000)
    assert MAX_POSITIVE_CHARACTERS - 5 <= len(positive) <= MAX_POSITIVE_CHARACTERS
    assert set(positive.split()) == {"word"}
    _, unbroken = split_docstring("Do it all now. " + REST + " x" + "x" * 9000)
    assert len(unbroken) <= MAX_POSITIVE_CHARACTERS


@settings(max_examples=300)
@given(
    st.text()
    | st.lists(st.sampled_from([*"aB.!?( )`:\n-=\t", "e.g. ", "Word ", "word", "\n\n"]), max_size=60).map("".join)
)
def test_any_text_gives_a_bounded_pair_or_none(text):
    pair = split_docstring(text)
    if pair is not None:
        anchor, positive = pair
        assert "\n" not in anchor
        assert len(anchor) <= MAX_ANCHOR_CHARACTERS
        assert len(anchor.split()) >= MIN_ANCHOR_WORDS
        assert 0 < len(positive) <= MAX_POSITIVE_CHARACTERS
        assert anchor not in positive


# --- licenses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other", "MIT OR Apache-2.0"),
        ("License: BSD\nClassifier: License :: OSI Approved :: MIT License", "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "MIT License"),
        ("License: Apache License\n Version 2.0\n Terms", None),
        (f"License: {'x' * 200}\nClassifier: License :: OSI Approved :: BSD License", "BSD License"),
        (
            "Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: MIT License\n"
            "Classifier: License :: OSI Approved :: BSD License\nClassifier: Topic :: Utilities",
            "MIT License; BSD License",
        ),
        ("Classifier: License :: OSI Approved", None),
        ("Summary: nothing is stated", None),
    ],
)
def test_the_license_is_what_the_metadata_states(tmp_path, metadata, expected):
    folder = tmp_path / "x-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: x\nVersion: 1\n{metadata}\n")
    assert stated_license(PathDistribution(folder)) == expected


# --- a small environment of our own ------------------------------------------------------------------


def docstring(name):
    return f'"""Describe the thing {name} here.\n\nMore words follow about {name} and its uses.\n"""\n'


def install(site, name, files, license_line="License-Expression: MIT"):
    record = []
    for path, text in files.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        record.append(f"{path},,\n")
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{license_line}\n")
    (folder / "RECORD").write_text("".join(reversed(record)))


@pytest.fixture
def environment(tmp_path, monkeypatch):
    site, stdlib = tmp_path / "site", tmp_path / "stdlib"
    members = (
        docstring("module")
        + "import missing_module\nraise SystemExit('executed')\n"
        + "if True:\n    class Public:\n        "
        + docstring("class").replace("\n", "\n        ")
        + "\n        def method(self):\n            "
        + docstring("method").replace("\n", "\n            ")
        + "\n            def inner():\n                "
        + docstring("inner").replace("\n", "\n                ")
        + "\ndef _private():\n    "
        + docstring("private").replace("\n", "\n    ")
    )
    install(
        site,
        "alpha",
        {
            "alpha/__init__.py": docstring("alpha"),
            "alpha/core.py": members,
            "alpha/broken.py": docstring("broken") + "def (:\n",
            "alpha/binary.py": '"""\0"""',
            "alpha/tests/helpers.py": docstring("tests"),
            "alpha/test_core.py": docstring("test file"),
            "alpha/_vendor/beta.py": docstring("vendored"),
            "alpha/__pycache__/core.py": docstring("cache"),
            **{f"alpha/part{i}/deep/er/m{j}.py": docstring(f"m{i}-{j}") for i in range(30) for j in range(3)},
        },
    )
    install(site, "hf-contrastive", {"hf_contrastive/x.py": docstring("own"), "audits/y.py": docstring("own")})
    install(site, "gone", {"gone.py": docstring("gone")}, "License: ")
    (site / "gone.py").unlink()
    install(site, "silent", {"silent.py": docstring("silent")}, "Summary: states no license")
    for path in ("textwrap.py", "json/__init__.py", "test/support.py", "site-packages/z.py"):
        (stdlib / path).parent.mkdir(parents=True, exist_ok=True)
        (stdlib / path).write_text(docstring(path), encoding="utf-8")
    folders = {"purelib": str(site), "platlib": str(site), "stdlib": str(stdlib)}
    monkeypatch.setattr(source_files.sysconfig, "get_path", folders.__getitem__)
    return site


def rows_of(parts):
    return [row for split in SPLITS for row in parts[split]]


def test_public_documentation_is_read_and_nothing_is_executed(environment, tmp_path):
    parts = load_docstrings(cache_dir=tmp_path / "cache")
    rows = {row["qualified_name"]: row for row in rows_of(parts)}
    assert {name for name in rows if ".part" not in name} == {
        "alpha",
        "alpha.core",
        "alpha.core.Public",
        "alpha.core.Public.method",
        "silent",
        "textwrap",
        "json",
    }
    assert rows["alpha.core.Public.method"] == {
        "anchor": "Describe the thing method here.",
        "positive": "More words follow about method and its uses.",
        "label": "alpha",
        "module": "alpha.core",
        "qualified_name": "alpha.core.Public.method",
        "license": "MIT",
    }
    assert rows["silent"]["license"] is None
    assert (rows["json"]["label"], rows["json"]["license"]) == ("stdlib", "Python-2.0")


def test_rows_order_and_fingerprint_are_the_same_on_each_path(environment, tmp_path, monkeypatch):
    cold = load_docstrings(cache_dir=tmp_path / "one")
    warm = load_docstrings(cache_dir=tmp_path / "one")
    again = load_docstrings(cache_dir=tmp_path / "two", refresh=True)
    monkeypatch.setattr(docstrings, "_write", _refuse_to_write)
    in_memory = load_docstrings(cache_dir=tmp_path / "three")
    for other in (warm, again, in_memory):
        assert rows_of(other) == rows_of(cold)
        assert [other[s]._fingerprint for s in SPLITS] == [cold[s]._fingerprint for s in SPLITS]
        assert [str(other[s].split) for s in SPLITS] == list(SPLITS)


def _refuse_to_write(*_):
    message = "read-only file system"
    raise OSError(message)


def test_a_folder_that_can_not_be_written_costs_only_the_cache(environment, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    parts = load_docstrings(cache_dir=blocked)
    assert len(rows_of(parts)) > 50
    assert "could not be cached" in caplog.text


def test_the_order_of_files_and_the_number_of_workers_do_not_matter(environment, monkeypatch):
    files = source_files.list_source_files()
    assert files == sorted(files, key=lambda file: (file.label == "stdlib", file.path))
    monkeypatch.setattr(docstrings, "_FILES_PER_BATCH", 16)
    calls = []
    in_processes = docstrings._collect(files, 2, lambda done, total: calls.append((done, total)))
    assert in_processes == docstrings._collect(files, 1, None) == source_files.read_docstrings(files)
    total = -(-len(files) // 16)
    assert calls == [(done, total) for done in range(1, total + 1)]


def test_worker_processes_that_die_are_replaced_by_this_one(environment, monkeypatch, caplog):
    files = source_files.list_source_files()
    monkeypatch.setattr(docstrings, "_FILES_PER_BATCH", 16)
    expected = source_files.read_docstrings(files)
    parent = os.getpid()
    gather = docstrings._gather

    def dying(batches, workers, on_progress):
        if workers > 1:
            message = f"a child of {parent} ended"
            raise docstrings.BrokenProcessPool(message)
        return gather(batches, workers, on_progress)

    monkeypatch.setattr(docstrings, "_gather", dying)
    assert docstrings._collect(files, 2, None) == expected
    assert "ended early" in caplog.text


@pytest.mark.parametrize("damage", ["truncate", "delete", "garble", "no manifest", "empty manifest"])
def test_a_torn_cache_is_rebuilt(environment, tmp_path, damage):
    expected = rows_of(load_docstrings(cache_dir=tmp_path / "cache"))
    (folder,) = (tmp_path / "cache").iterdir()
    data = next((folder / "train").glob("*.arrow"))
    content = data.read_bytes()
    if damage == "truncate":
        data.write_bytes(content[: len(content) // 2])
    elif damage == "garble":
        data.write_bytes(content.replace(b"Describe", b"Deskribe", 1))
    elif damage == "delete":
        data.unlink()
    elif damage == "no manifest":
        (folder / "manifest.json").unlink()
    else:
        (folder / "manifest.json").write_text("[]")
    assert rows_of(load_docstrings(cache_dir=tmp_path / "cache")) == expected
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder.name]  # nothing half-written


def test_another_version_of_a_package_has_another_cache(environment, tmp_path):
    load_docstrings(cache_dir=tmp_path / "cache")
    metadata = environment / "alpha-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    load_docstrings(cache_dir=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_an_environment_without_sources_says_so(environment, tmp_path, monkeypatch):
    monkeypatch.setattr(docstrings, "list_source_files", list)
    with pytest.raises(ContrastiveError, match="ordinary virtual environment"):
        load_docstrings(cache_dir=tmp_path / "cache")


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(1, 400), min_size=200, max_size=300))
def test_shares_are_right_up_to_half_a_group(sizes):
    sides = docstrings._assign_groups(Counter(sizes))
    total, largest = sum(sizes.values()), max(sizes.values())
    for split, share in (("test", 0.1), ("validation", 0.1), ("train", 0.8)):
        rows = sum(size for name, size in sizes.items() if sides[name] == split)
        assert abs(rows - share * total) <= largest + 1


# --- this environment --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return load_docstrings(cache_dir=tmp_path_factory.mktemp("docstrings"))


@pytest.mark.slow
def test_this_environment_gives_tens_of_thousands_of_rows(here):
    assert list(here) == list(SPLITS)
    assert sum(here.num_rows.values()) >= 20_000
    assert here["test"].num_rows >= 2_500
    for part in here.values():
        assert part.column_names == list(COLUMNS)
        assert all(feature == datasets.Value("string") for feature in part.features.values())
        for name in COLUMNS[:-1]:
            assert part.data.column(name).null_count == 0
    total = sum(here.num_rows.values())
    assert 0.75 <= here["train"].num_rows / total <= 0.85
    assert 0.07 <= here["validation"].num_rows / total <= 0.13


@pytest.mark.slow
def test_no_module_group_is_on_two_sides_and_large_packages_are_on_all(here):
    pairs = (("train", "validation"), ("train", "test"), ("validation", "test"))
    modules = {split: set(here[split]["module"]) for split in SPLITS}
    assert not any(modules[one] & modules[other] for one, other in pairs)
    group_of = {file.module: file.group for file in source_files.list_source_files()}
    groups = {split: {group_of[module] for module in modules[split]} for split in SPLITS}
    assert not any(groups[one] & groups[other] for one, other in pairs)
    sizes = Counter(group_of[module] for split in SPLITS for module in here[split]["module"])
    assert max(sizes.values()) < 0.05 * sum(sizes.values())
    assert len(sizes) > 500
    for package in ("torch", "transformers", "scipy", "stdlib"):
        assert all(package in here[split].unique("label") for split in SPLITS)
    labels = {label for split in SPLITS for label in here[split].unique("label")}
    assert not {"audits", "model_cards", "hf_contrastive", "tests"} & labels


@pytest.mark.parametrize(
    ("path", "module", "group"),
    [
        ("a/__init__.py", "a", "a"),
        ("a/b.py", "a.b", "a"),
        ("a/b/__init__.py", "a.b", "a.b"),
        ("a/b/c/d/e.py", "a.b.c.d.e", "a.b.c"),
        ("single.py", "single", "single"),
    ],
)
def test_a_group_is_the_package_down_to_its_third_level(path, module, group):
    file = source_files._source_file("/x", PurePosixPath(path), None, None)
    assert (file.module, file.group) == (module, group)


def test_a_console_process_reads_the_same(environment, tmp_path):
    expected = load_docstrings(cache_dir=tmp_path / "cache")
    script = (
        "import sysconfig, sys, json\n"
        "from pathlib import Path\n"
        "from hf_contrastive.demo import source_files, docstrings\n"
        "folders = json.loads(sys.argv[1])\n"
        "source_files.sysconfig.get_path = folders.__getitem__\n"
        "docstrings._FILES_PER_BATCH = 16\n"
        "docstrings._usable_workers = lambda: 2\n"
        "parts = docstrings.load_docstrings(cache_dir=Path(sys.argv[2]))\n"
        "print(json.dumps([part._fingerprint for part in parts.values()]))\n"
    )
    folders = {name: source_files.sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(folders), str(tmp_path / "other")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [expected[split]._fingerprint for split in SPLITS]
    assert done.stderr == ""


def test_the_license_of_the_standard_library_is_that_of_its_license_file(tmp_path, monkeypatch):
    beside, none = tmp_path / "lib", tmp_path / "none"
    beside.mkdir()
    license_file = beside / "LICENSE.txt"
    license_file.write_text("A. HISTORY\n\nPYTHON SOFTWARE FOUNDATION LICENSE VERSION 2\n")
    assert standard_library_license([none, beside]) == "Python-2.0"
    license_file.write_text("Some other license")
    assert standard_library_license([none, beside]) is None
    # no file at all: known of CPython, unknown of others
    monkeypatch.setattr(sys.implementation, "name", "cpython")
    assert standard_library_license([none]) == "Python-2.0"
    monkeypatch.setattr(sys.implementation, "name", "another")
    assert standard_library_license([none]) is None

"""Every kind of data becomes the same source; bad data becomes one clear paragraph."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import datasets
import huggingface_hub
import pyarrow as pa
import pytest
from datasets import Dataset
from huggingface_hub.errors import RepositoryNotFoundError

import audits.loading
from audits import (
    CheckContext,
    ColumnError,
    SourceError,
    SourceNotFoundError,
    audit,
    dataset_of,
    judge,
    open_source,
    run_audit,
)
from audits.columns import COLUMN_NAMES, common_columns, recognise_columns
from audits.findings import Columns
from audits.formats import formats
from audits.policy import Policy, Rule
from audits.source import join_sources, references, select_rows
from audits.text.cells import texts_of

PAIRS = {
    "anchor": ["one", "two", None, ""],
    "positive": ["1", "2", "3", "ü\n"],
    "license": ["MIT", "MIT", None, "BSD-3-Clause"],
    "n": [1, 2, 3, 4],
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def pairs():
    return datasets.Dataset.from_dict(PAIRS)


def one_paragraph(error):
    text = str(error.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) < 700
    return text


def test_every_kind_of_data_gives_the_same_source(pairs, tmp_path):
    expected = open_source(pairs)
    assert expected.splits == ("train",)
    assert (expected.columns.anchor, expected.columns.positive) == ("anchor", "positive")
    assert expected.columns.license == "license"
    pairs.to_json(tmp_path / "a.jsonl")
    pairs.to_parquet(tmp_path / "b.parquet")
    pairs.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict(train=pairs).save_to_disk(tmp_path / "dict")
    (tmp_path / "folder").mkdir()
    pairs.select([0, 1]).to_parquet(tmp_path / "folder" / "train-00000.parquet")
    pairs.select([2, 3]).to_parquet(tmp_path / "folder" / "train-00001.parquet")
    shuffled = pairs.select([3, 2, 1, 0]).select([3, 2, 1, 0])
    kinds = [
        datasets.DatasetDict(train=pairs),
        {"train": pairs},
        pairs.to_iterable_dataset(),
        datasets.IterableDatasetDict({"train": pairs.to_iterable_dataset()}),
        shuffled,
        pairs.with_format("numpy", columns=["n"]),
        datasets.concatenate_datasets([pairs.select([0]), pairs.select([1, 2, 3])]),
        tmp_path / "a.jsonl",
        str(tmp_path / "b.parquet"),
        tmp_path / "saved",
        tmp_path / "dict",
        tmp_path / "folder",
        dataset_of(expected),
    ]
    for kind in kinds:
        source = open_source(kind)
        assert source.refs == expected.refs
        assert source.columns == expected.columns
        assert source.column("train", "anchor").to_pylist() == PAIRS["anchor"]
    assert references(pairs) == expected.refs


def test_csv_is_read_as_datasets_reads_it(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("anchor,positive\na,b\nc,d\n")
    assert open_source(path).refs == open_source(datasets.load_dataset("csv", data_files=str(path))).refs


def test_many_rows_in_scattered_order():
    data = datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(25_000)]})
    order = [(i * 7919) % 25_000 for i in range(25_000)]
    source = open_source(data.select(order))
    assert source.column("train", "text").to_pylist() == [f"text {i}" for i in order]
    assert source.column("train", "text").num_chunks < 10


def test_an_open_source_passes_through_and_takes_no_options(pairs):
    source = open_source(pairs)
    assert open_source(source) is source
    with pytest.raises(SourceError, match="already open"):
        open_source(source, split="train")


def test_splits(pairs):
    both = datasets.DatasetDict(train=pairs, test=pairs.select([0]))
    assert open_source(both).splits == ("train", "test")
    assert open_source(both, split="test").num_rows("test") == 1
    assert open_source(pairs, split="validation").splits == ("validation",)
    with pytest.raises(SourceNotFoundError, match="no split `dev`; the data has train, test"):
        open_source(both, split="dev")


def test_max_rows_reads_the_head_and_counts_the_rest(pairs):
    (expected,) = open_source(pairs.select([0, 1])).refs
    assert open_source(pairs, max_rows=2).refs == (replace(expected, unread_rows=2),)
    # nobody knows how long a stream is before it ends
    assert open_source(pairs.to_iterable_dataset(), max_rows=2).refs == (replace(expected, unread_rows=None),)
    for data in (pairs, pairs.to_iterable_dataset()):
        (ref,) = open_source(data, max_rows=4).refs
        assert (ref.num_rows, ref.unread_rows) == (4, 0)
    assert open_source(pairs, max_rows=99).num_rows("train") == 4
    with pytest.raises(SourceError, match="`max_rows` must be at least 1, got 0"):
        open_source(pairs, max_rows=0)


def test_a_sample_is_drawn_evenly_and_in_order():
    data = Dataset.from_dict({"text": [f"text number {i}" for i in range(1000)]})
    (ref,) = open_source(data, sample=100).refs
    assert (ref.num_rows, ref.unread_rows) == (100, 900)
    numbers = [int(text.split()[-1]) for text in open_source(data, sample=100).column("train", "text").to_pylist()]
    assert numbers == sorted(set(numbers))
    assert 300 < sum(numbers) / 100 < 700
    assert open_source(data, sample=100).refs == (ref,)
    assert open_source(data, sample=100, sample_seed=1).refs != (ref,)
    (streamed,) = open_source(data.to_iterable_dataset(), sample=100).refs
    assert (streamed.num_rows, streamed.unread_rows) == (100, None)
    with pytest.raises(SourceError, match="`sample` must be at least 1, got 0"):
        open_source(data, sample=0)
    with pytest.raises(SourceError, match="give one of the two"):
        open_source(data, sample=5, max_rows=5)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_look_at_some_rows_never_passes_and_says_what_it_did_not_see(streamed):
    data = Dataset.from_dict({"text": [f"a text with a number in it: {i * 7919}" for i in range(300)]})
    report = audit(data.to_iterable_dataset() if streamed else data, checks=["DUP001"], sample=50, self_test=False)
    policy = Policy(name="p", rules=(Rule(code="DUP001"),))
    verdict = judge(report, policy)
    assert verdict.decision == "review"
    rest = "an unknown number of rows" if streamed else "250 rows"
    (outcome,) = [outcome for outcome in verdict.outcomes if outcome.decision != "pass"]
    assert outcome.observed == f"{rest} of train not looked at"
    told = "50 rows, an unknown number not looked at" if streamed else "50 rows, 250 not looked at"
    for name in ("text", "markdown"):
        assert told in formats()[name].render(report, verdict)
    assert judge(audit(data, checks=["DUP001"], self_test=False), policy).decision == "pass"


def test_a_stream_is_read_once():
    seen = []

    def rows():
        for i in range(5):
            seen.append(i)
            yield {"text": str(i)}

    stream = datasets.IterableDataset.from_generator(rows)
    assert open_source(stream).num_rows("train") == 5
    assert seen.count(4) == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id", "query", "passage"], (("query", "passage"), None)),
        (["premise", "hypothesis", "label"], (("premise", "hypothesis"), "label")),
        (
            ["anchor", "positive", "negative_10", "negative_2"],
            (("anchor", "positive", "negative_2", "negative_10"), None),
        ),
        (["positive", "negative", "anchor", "text"], (("anchor", "positive", "negative"), None)),
        (["sentence", "label", "answer"], (("sentence",), "label")),
    ],
)
def test_recognised_columns(names, expected):
    columns = recognise_columns(names)
    assert (columns.texts, columns.label) == expected


def test_named_columns_win():
    columns = recognise_columns(
        ["a", "b", "c", "anchor", "positive", "y"], text_columns=["a", "b", "c"], label_column="y", group_column="b"
    )
    assert (columns.anchor, columns.positive, columns.negatives) == ("a", "b", ("c",))
    assert (columns.label, columns.group) == ("y", "b")
    assert recognise_columns(["a", "anchor", "positive"], text_columns=["a"]).text == "a"


def test_the_trainer_reads_columns_by_the_same_names():
    from hf_contrastive.training import formats

    assert COLUMN_NAMES["anchor"] == formats.ANCHOR_NAMES
    assert COLUMN_NAMES["positive"] == formats.POSITIVE_NAMES
    assert COLUMN_NAMES["text"] == formats.TEXT_NAMES


def test_unrecognised_and_missing_columns(pairs):
    with pytest.raises(ColumnError) as error:
        open_source(pairs.rename_column("anchor", "left"))
    text = one_paragraph(error)
    assert "left, positive, license, n" in text
    assert "(anchor, positive)" in text
    with pytest.raises(ColumnError) as error:
        open_source(pairs, text_columns=["anchr", "positive"])
    assert "no column `anchr`" in one_paragraph(error)
    assert "Did you mean `anchor`?" in str(error.value)
    with pytest.raises(ColumnError, match="one column twice"):
        open_source(pairs, text_columns=["anchor", "anchor"])
    with pytest.raises(ColumnError, match="Split `test` has no column `anchor`"):
        open_source(datasets.DatasetDict(train=pairs, test=pairs.remove_columns("anchor")))


def test_text_must_be_text(pairs):
    numbers = datasets.Dataset.from_dict({"text": [None, 5, 6]})
    with pytest.raises(SourceError) as error:
        open_source(numbers)
    assert "Column `text` of split `train` has the type int64 (row 1 is the first such cell)" in one_paragraph(error)
    with pytest.raises(SourceError, match="row 0, like all rows, is null"):
        open_source(datasets.Dataset.from_dict({"text": [None, None]}))
    with pytest.raises(SourceError, match="a license column must hold strings"):
        open_source(pairs, license_column="n")
    with pytest.raises(SourceError, match="a label column must hold"):
        open_source(pairs.add_column("score", [0.5] * 4), label_column="score")


def test_json_with_mixed_cells_names_the_row(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b"}\n{"text": 5}\n')
    with pytest.raises(SourceError, match=r"arrow\.json> \(row 2 is the first such cell\)"):
        open_source(path)


def test_a_recognised_column_of_another_type_is_left_alone():
    scored = datasets.Dataset.from_dict({"sentence1": ["a"], "sentence2": ["b"], "label": [0.5], "license": [1]})
    columns = open_source(scored).columns
    assert (columns.label, columns.license) == (None, None)


def test_dictionaries_of_text_are_texts():
    table = pa.table({"text": pa.array(["a", "b", "a"]).dictionary_encode(), "label": [1, 2, 1]})
    source = open_source(datasets.Dataset(table))
    plain = open_source(datasets.Dataset.from_dict({"text": ["a", "b", "a"], "label": [1, 2, 1]}))
    assert source.refs == plain.refs
    assert pa.types.is_large_string(source.column("train", "text").type) or pa.types.is_string(
        source.column("train", "text").type
    )


def test_class_names_survive(pairs):
    labelled = pairs.add_column("label", [0, 1, 0, 1]).cast_column("label", datasets.ClassLabel(names=["no", "yes"]))
    again = dataset_of(open_source(labelled))
    assert again["train"].features["label"].names == ["no", "yes"]


def test_declared_license_is_kept_as_given(pairs):
    assert open_source(pairs).declared_license is None
    info = pairs.info.copy()
    info.license = "cc-by-4.0"
    declared = datasets.Dataset(pairs.data.table, info=info)
    assert open_source(declared).declared_license == "cc-by-4.0"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad.parquet", b"PAR1 is not enough", "can not be read as parquet"),
        ("empty.csv", b"", "can not be read as csv"),
        ("head.csv", b"anchor,positive\n", "at least one row"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "Expected 2 fields in line 3"),
        ("latin.csv", "text\ncafé\n".encode("latin-1"), "utf-8"),
        ("half.json", b'[{"text": "a"', "can not be read as json"),
        ("x.docx", b"", "ends in `.docx`"),
    ],
)
def test_damaged_files(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError) as error:
        open_source(path)
    assert words in one_paragraph(error)


def test_damaged_folders(tmp_path, pairs):
    with pytest.raises(SourceNotFoundError) as error:
        open_source(str(tmp_path / "nowhere"))
    assert "There is no file or folder" in one_paragraph(error)
    with pytest.raises(SourceError, match="holds no data files"):
        open_source(tmp_path)
    pairs.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "train.csv").write_text("text\na\n")
    with pytest.raises(SourceError, match="kinds csv, parquet"):
        open_source(tmp_path)
    (tmp_path / "train.csv").unlink()
    pairs.to_parquet(tmp_path / "test.parquet")
    with pytest.raises(SourceError, match=r"a\.parquet does not"):
        open_source(tmp_path)
    pairs.save_to_disk(tmp_path / "saved")
    next((tmp_path / "saved").glob("*.arrow")).write_bytes(b"")
    with pytest.raises(SourceError) as error:
        open_source(tmp_path / "saved")
    assert "can not be read as a saved dataset" in one_paragraph(error)
    (tmp_path / "saved" / "state.json").write_text("{}")
    with pytest.raises(SourceError, match="the entry '_data_files' is missing"):
        open_source(tmp_path / "saved")


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SourceError, match="can not be listed \\(Permission denied\\)"):
        open_source(tmp_path)


def test_empty_data(pairs):
    with pytest.raises(SourceError, match="Split `train` has no rows"):
        open_source(pairs.select([]))
    with pytest.raises(SourceError, match="Split `test` has no rows"):
        open_source(datasets.DatasetDict(train=pairs, test=pairs.select([])))
    with pytest.raises(SourceError, match="has no split"):
        open_source(datasets.DatasetDict())
    with pytest.raises(SourceError, match="has no rows"):
        open_source(datasets.IterableDataset.from_generator(lambda: iter([])))


def test_unsupported_objects(pairs):
    for data in (5, ["a"], pa.table({"text": ["a"]})):
        with pytest.raises(SourceError, match=f"Data of the type {type(data).__name__}"):
            open_source(data)
    with pytest.raises(SourceError, match="Split `train` is of the type list"):
        open_source({"train": [1]})
    with pytest.raises(SourceError, match="belong to a dataset on the Hub"):
        open_source(datasets.DatasetDict(train=pairs), revision="main")


class FakeApi:
    endpoint = "http://127.0.0.1:1"

    def dataset_info(self, repo_id, revision=None):
        card = huggingface_hub.DatasetCardData(license=["mit", "cc-by-4.0"])
        return type("Info", (), {"id": repo_id, "sha": "c0ffee" + "0" * 34, "card_data": card})()


def test_a_hub_id_is_read_at_one_commit(pairs, monkeypatch):
    asked = {}

    def load_dataset(path, name=None, revision=None, **kwargs):
        asked.update(path=path, name=name, revision=revision)
        return datasets.DatasetDict(train=pairs, test=pairs)

    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    monkeypatch.setattr(audits.loading.datasets, "load_dataset", load_dataset)
    source = open_source("lab/pairs", config="en", split="train")
    assert asked == {"path": "lab/pairs", "name": "en", "revision": "c0ffee" + "0" * 34}
    (ref,) = source.refs
    assert (ref.repo_id, ref.config, ref.revision) == ("lab/pairs", "en", "c0ffee" + "0" * 34)
    assert ref.fingerprint == open_source(pairs).refs[0].fingerprint
    assert source.declared_license == "mit, cc-by-4.0"
    assert source.name == "lab/pairs"


def test_an_unreachable_hub_is_one_paragraph(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(SourceError) as error:
        open_source("nobody/here")
    text = one_paragraph(error)
    assert "could not be read from" in text
    assert "HF_ENDPOINT" in text


def test_an_unknown_repository_is_one_paragraph(monkeypatch):
    class Api(FakeApi):
        def dataset_info(self, repo_id, revision=None):
            raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    with pytest.raises(SourceNotFoundError) as error:
        open_source("nobody/here")
    assert "neither a file or folder here nor a dataset on" in one_paragraph(error)
    assert "hf auth login" in str(error.value)


def test_rows_are_selected_in_the_same_kind(pairs, tmp_path):
    kept = {"train": [0, 2]}
    assert isinstance(select_rows(pairs, kept), datasets.Dataset)
    assert select_rows(pairs, kept)["anchor"][:] == ["one", None]
    both = datasets.DatasetDict(train=pairs, test=pairs)
    chosen = select_rows(both, kept)
    assert (chosen["train"].num_rows, chosen["test"].num_rows, both["train"].num_rows) == (2, 4, 4)
    source = select_rows(open_source(both), kept)
    assert source.refs == open_source(chosen).refs
    with pytest.raises(SourceError, match="out of a stream"):
        select_rows(pairs.to_iterable_dataset(), kept)


def test_importing_the_room_stays_cheap():
    code = "import sys, audits; print([m for m in ('pyarrow', 'datasets', 'torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_sorted_and_there():
    import audits

    assert audits.__all__ == sorted(audits.__all__)
    assert all(getattr(audits, name) is not None for name in audits.__all__)
    assert dir(audits) == audits.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = audits.nothing


# ---- several datasets, and lists of texts ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ([Columns(anchor="query", positive="answer")] * 2, ("query", "answer")),
        ([Columns(anchor="query", positive="answer"), Columns(anchor="query", positive="text")], ("query", "positive")),
        ([Columns(text="sentence"), Columns(anchor="a", positive="b")], ("a", "b", "sentence")),
        ([Columns(anchor="a", positive="b", negatives=("n",)), Columns(anchor="a", positive="b")], ("a", "b", "n")),
        (
            [
                Columns(anchor="a", positive="b", negatives=("n", "m")),
                Columns(anchor="a", positive="b", negatives=("o",)),
            ],
            ("a", "b", "negative", "negative_2"),
        ),
    ],
)
def test_roles_of_several_datasets_have_one_name(every, expected):
    assert common_columns(every).texts == expected


def test_datasets_with_other_columns_are_joined():
    first = open_source(
        Dataset.from_dict(
            {
                "query": ["a text that two datasets share in full", "c d"],
                "answer": ["e f", "g h"],
                "license": ["MIT", "MIT"],
                "more": [1, 2],
            }
        ),
        split="train/first",
    )
    second = open_source(
        Dataset.from_dict({"anchor": ["i j"], "answer": ["k l"], "negatives": [["m n", "o p"]]}), split="train/second"
    )
    third = open_source(
        Dataset.from_dict({"text": ["a text that two datasets share in full"], "label": [1]}), split="test/third"
    )
    joined = join_sources([first, second, third])
    assert joined.columns.texts == ("anchor", "answer", "negatives", "text")
    assert [joined.texts(split) for split in joined.splits] == [
        ("anchor", "answer"),
        ("anchor", "answer", "negatives"),
        ("text",),
    ]
    assert joined.refs == (*first.refs, *second.refs, *third.refs)
    assert joined.column("train/second", "license").to_pylist() == [None]  # unknown, not permissive
    assert "license" in joined.tables["test/third"].column_names
    assert texts_of(joined, "train/second", "negatives") == ["m n\no p"]
    report = run_audit(joined)
    assert {result.status for result in report.results} <= {"ran", "skipped"}
    leaks = [row for finding in report.findings if finding.code == "LEAK001" for row in finding.rows]
    assert [(row[0], row[1], row[2], row[3]) for row in leaks] == [("train/first", 0, "test/third", 0)]


def test_checks_read_every_text_of_a_list():
    data = Dataset.from_dict(
        {
            "anchor": ["what is this", "who is that", "where is it"],
            "positives": [
                ["good text here", "What is  THIS"],
                ["x", "a text that two rows share in full"],
                ["a text that two rows share in full", "one two three four"],
            ],
            "negatives": [[], ["no no"], ["y"]],
        }
    )
    source = open_source({"train": data, "test": data.select([1])})
    report = run_audit(
        source, context=CheckContext(count_tokens=lambda texts: [len(t.split()) for t in texts], max_length=3)
    )

    def rows(code, column=None, split="train"):
        findings = [f for f in report.findings if f.code == code and any(r[0] == split for r in f.rows)]
        return sorted(
            {r[1] for f in findings if column in (None, f.evidence[0].column) for r in f.rows if r[0] == split}
        )

    assert rows("PAIR001") == [0]  # one of its positives is the anchor
    assert rows("PAIR002") == [1, 2]  # they share a positive
    assert rows("PAIR003", "positives") == [1]
    assert rows("PAIR003", "negatives") == [2]  # no hard negative at all is no defect
    assert rows("PAIR004", "positives") == [1, 2]
    assert rows("LEAK001") == [1, 2]


@pytest.mark.parametrize("cells", [[[1, 2]], [{"a": "b"}]])
def test_lists_of_other_things_are_no_texts(cells):
    data = Dataset.from_dict({"anchor": ["a"], "positive": ["b"], "negatives": cells})
    with pytest.raises(SourceError, match="Column `negatives` of split `train` has the type"):
        open_source(data)

"""Duplicates and leakage by the meaning that an encoder gives, and items of benchmarks within the data."""

import sys

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from audits import AuditError, audit, nearest
from audits.checks import CheckContext
from audits.checks.contamination import Contamination
from audits.checks.false_negatives import FalseNegatives
from audits.checks.semantic_duplicates import SemanticDuplicates
from audits.checks.split_leakage import SemanticLeakage
from audits.encoders import TfidfEncoder
from audits.errors import SourceError
from audits.findings import Columns, Finding, Measurement, NotJudged
from audits.nearest import scored, similar_groups, similar_pairs
from audits.source import AuditSource
from audits.text.containment import Items, held_items
from audits.text.folding import Texts


class Meanings:
    """The first word of a text is what it means; the other words turn its vector a little."""

    name = "meanings"

    def encode(self, texts):
        vectors = np.zeros((len(texts), 64), np.float32)
        for i, text in enumerate(texts):
            words = text.split()
            vectors[i, sum(map(ord, words[0])) % 60] = 3.0
            vectors[i, 60 + len(words) % 4] = 0.3
        return vectors


def source(columns=None, **splits):
    tables = {name: pa.table(data) for name, data in splits.items()}
    return AuditSource(tables=tables, columns=columns or Columns(text="text"))


def findings(check, data, context):
    return [item for item in check.run(data, context) if isinstance(item, Finding)]


def greedy(vectors, threshold):
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    kept, found = [], []
    for i in range(len(unit)):
        other = next((j for j in kept if float(unit[i].astype(np.float32) @ unit[j]) >= threshold), None)
        if other is None:
            kept.append(i)
        else:
            found.append((i, other))
    return found


# ---- vectors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [5, 64, 2048])
def test_groups_of_vectors_are_those_of_comparing_every_pair(monkeypatch, block):
    monkeypatch.setattr(nearest, "_BLOCK", block)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 16))
    vectors = (centres[rng.integers(40, size=300)] + 0.15 * rng.normal(size=(300, 16))).astype(np.float32) * 7
    vectors[17] = 0
    expected = greedy(vectors, 0.95)
    assert 50 < len(expected) < 290
    found = similar_groups(vectors, 0.95)
    assert [pair[:2] for pair in found.listed()] == expected
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    assert np.allclose(found.score, (unit[found.left] * unit[found.right]).sum(1), atol=1e-6)
    pairs = similar_pairs(vectors[:100], vectors[100:], 0.95)
    left, right = np.nonzero(unit[:100] @ unit[100:].T >= 0.95)
    assert [pair[:2] for pair in pairs.listed()] == list(zip(left.tolist(), right.tolist(), strict=True))
    parts = np.arange(200) % 3
    few = similar_pairs(vectors[:100], vectors[100:], 0.95, parts)
    assert set(few.listed()) <= set(pairs.listed())
    assert set(few.right.tolist()) == set(right.tolist())
    earliest = {(i, parts[j]): (i, j) for i, j in zip(left[::-1].tolist(), right[::-1].tolist(), strict=True)}
    assert set(earliest.values()) <= {pair[:2] for pair in few.listed()}


@given(st.integers(0, 6), st.integers(0, 6))
def test_few_vectors_or_none_are_taken(count, others):
    vectors = np.ones((count, 3), np.float32)
    assert len(similar_groups(vectors, 0.9)) == max(count - 1, 0)
    assert len(similar_pairs(vectors, np.ones((others, 3), np.float32), 0.9)) == count * others


def test_beyond_the_limit_a_graph_finds_them(monkeypatch):
    rng = np.random.default_rng(1)
    base = rng.normal(size=(1500, 32)).astype(np.float32)
    vectors = np.concatenate([base, base[:500] + 0.02 * rng.normal(size=(500, 32)).astype(np.float32)])
    exact = similar_groups(vectors, 0.95)
    monkeypatch.setattr(nearest, "MOST_EXACT", 100)
    monkeypatch.setattr(nearest, "_BLOCK", 256)
    found = similar_groups(vectors, 0.95)
    assert found.listed() == similar_groups(vectors, 0.95).listed()
    assert (found.score >= 0.95 - 1e-6).all()
    assert len(np.intersect1d(found.left, exact.left)) / len(exact) >= 0.98


def test_without_the_index_many_vectors_are_refused_with_the_command_that_helps(monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    monkeypatch.setattr(nearest, "MOST_EXACT", 2)
    with pytest.raises(AuditError, match=r"3 texts are too many .* pip install \"hf-contrastive\[semantic\]\""):
        similar_groups(np.ones((3, 2), np.float32), 0.9)


@pytest.mark.parametrize("vectors", [np.full((2, 2), np.nan, np.float32), np.ones(4, np.float32)])
def test_what_is_no_vector_is_refused(vectors):
    with pytest.raises(AuditError, match="one vector of finite numbers a text"):
        similar_groups(vectors, 0.9)


def test_an_encoder_that_loses_texts_is_refused():
    class Short(Meanings):
        def encode(self, texts):
            return super().encode(texts)[:-1]

    data = Dataset.from_dict({"text": ["cat a b", "dog c d", "ox e f"]})
    (result,) = audit(data, checks=["DUP003"], encoder=Short()).results
    assert result.status == "errored"
    assert "The encoder must give one vector a text, [3, dim]; meanings gave the shape (2, 64)" in result.reason


def test_equal_vectors_are_found_at_the_threshold_one():
    vectors = np.random.default_rng(0).normal(size=(100, 7)).astype(np.float32)
    assert len(similar_groups(np.concatenate([vectors, vectors]), 1.0)) == 100
    assert len(similar_pairs(vectors, vectors, 1.0)) == 100


# ---- checks ---------------------------------------------------------------------------------------------------


def test_semantic_duplicates_leave_out_equal_and_nearly_equal_rows():
    long = " ".join(f"word{i}" for i in range(40))
    texts = [
        "cat sat here",
        "dog ran",
        "cat lay there today now",
        "cat sat here",
        None,
        "",
        f"ox {long}",
        f"ox {long} a",
    ]
    (finding,) = findings(SemanticDuplicates(), source(train={"text": texts}), CheckContext(encoder=Meanings()))
    assert [(row.row, row.other_row) for row in finding.rows] == [(2, 0)]
    assert finding.evidence[0].related[0].excerpt == "cat sat here"
    assert finding.measurement.value == 1 / 8
    assert "cosine >= 0.95 with the representative by meanings, every pair compared" in finding.measurement.method


def test_semantic_leakage_leaves_out_what_leaks_by_its_words():
    columns = Columns(anchor="anchor", positive="positive")
    train = {"anchor": ["cat sat on the mat", "dog a b c", "same words in both"], "positive": ["p q r s"] * 3}
    test = {"anchor": ["cat lay upon a rug today ok ok ok", "same words in both"], "positive": ["x y z w", "v v v u"]}
    found = findings(SemanticLeakage(), source(columns, train=train, test=test), CheckContext(encoder=Meanings()))
    assert [(f.column, [(row.row, row.other_split, row.other_row) for row in f.rows]) for f in found] == [
        ("anchor", [(0, "test", 0)])
    ]


def test_the_default_encoder_is_no_encoder_of_meaning():
    data = Dataset.from_dict({"text": ["one text", "another text"] * 8})
    for encoder in (None, TfidfEncoder(dim=4)):
        report = audit(data, checks=["DUP003"], encoder=encoder)
        (result,) = report.results
        assert result.status == "skipped"
        assert "needs an encoder (`encoder`)" in result.reason
    (result,) = audit(data, checks=["DUP003"], encoder=Meanings(), semantic_threshold=0.9).results
    assert result.status == "ran"
    with pytest.raises(AuditError, match=r"`semantic_threshold` is a cosine in \(0, 1\], got 1.5"):
        audit(data, encoder=Meanings(), semantic_threshold=1.5)


# ---- benchmarks -----------------------------------------------------------------------------------------------

ITEM = "what is the largest number of moons that any of the eight planets of our sun has"
SHORT = "which river runs through bremen"


def contaminated(texts, benchmarks, **more):
    context = CheckContext(benchmarks=benchmarks)
    seen = list(Contamination().run(source(train={"text": texts}, **more), context))
    rows = {(row.row, row.other_split, row.other_row): row.score for item in seen if isinstance(item, Finding)
            for row in item.rows}  # fmt: skip
    return rows, {item.name: item.value for item in seen if isinstance(item, Measurement)}


def test_items_are_found_within_longer_texts_whatever_their_case_and_marks():
    texts = [
        f"Quiz night! {ITEM.upper().replace(' ', ',  ')}? Saturn.",
        "what is the largest number of moons that any of these has",
        f"He asked: {SHORT}?",
        "which river runs through",
        "nothing of it",
        None,
    ]
    rows, told = contaminated(texts, {"quiz": [ITEM, SHORT, "too short", ""], "other": ["not in here at all you see"]})
    assert rows == {(0, "quiz", 0): 1.0, (2, "quiz", 1): 1.0}
    assert told["benchmark items too short to look for"] == 2 / 5
    assert told["items of quiz of 4 that stand in train"] == 1.0
    assert told["items of other of 1 that stand in train"] == 0.0


def test_half_of_an_item_counts_and_less_does_not_unless_it_is_long():
    words = [f"w{i}" for i in range(32)]  # 20 runs
    held = {count: " ".join(words[:count]) for count in (19, 20, 22)}
    rows, _ = contaminated(list(held.values()), {"b": [" ".join(words)]})
    assert {row for row, _, _ in rows} == {1, 2}  # 8 runs, 10 runs; 7 runs of 20 are too few
    assert rows[2, "b", 0] == 0.5


def test_what_stands_in_many_rows_says_nothing_of_an_item():
    notice = "permission is hereby granted free of charge to any person obtaining a copy of this software"
    texts = [f"{notice} {i}" for i in range(30)] + [f"{ITEM} {notice}"]
    rows, told = contaminated(texts, {"b": [notice, f"{ITEM} {notice}"]})
    assert list(rows) == [(30, "b", 1)]
    assert told["items of b of 2 that stand in train"] == 0.5
    assert told["benchmark items of which every run is common (train)"] == 1


def test_an_item_is_found_beside_a_text_in_another_script():
    item = "".join(chr(0x4E00 + 3 * i) for i in range(40))
    english = "this is the english side of a pair with many more words than the other one has characters in it " * 3
    rows, _ = contaminated([f"{english} {item}"], {"b": [item]})
    assert rows == {(0, "b", 0): 1.0}


def test_scripts_without_spaces_are_compared_by_characters():
    item = "".join(chr(0x4E00 + 3 * i) for i in range(40))
    rows, _ = contaminated([f"前{item}后", item[:20], item[:30]], {"b": [item, item[:9], item[5:17]]})
    assert (0, "b", 0) in rows
    assert all(row != 2 or item != 0 for row, _, item in rows)


def test_a_prompt_that_many_items_share_tells_none_of_them():
    prompt = "read the following passage and then answer the question below in one short sentence of your own words"
    questions = [f"{prompt} what {word}" for word in (f"thing{i}" for i in range(40))]
    rows, _ = contaminated([f"{prompt} but say something else", f"so {questions[3]} indeed"], {"b": questions})
    assert set(rows) == {(1, "b", 3)}
    # of few items, or of one that is there many times, nothing is known to be a prompt
    rows, _ = contaminated([f"so {questions[3]} indeed"], {"b": [questions[3]] * 40})
    assert set(rows) == {(0, "b", 0)}


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=40).map(" ".join), max_size=6),
       st.lists(st.lists(st.sampled_from("abcdef"), max_size=20).map(" ".join), max_size=4))  # fmt: skip
def test_runs_are_those_of_comparing_every_pair(texts, given_items):
    def runs(text):
        words = text.split()
        size = min(13, len(words))
        return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)} if size >= 5 else set()

    def holds(text, run):
        words = tuple(text.split())
        return any(words[i : i + len(run)] == run for i in range(len(words) - len(run) + 1))

    expected = []
    for row, text in enumerate(texts):
        for number, item in enumerate(given_items):
            own = runs(item)
            count = sum(holds(text, run) for run in own)
            if count:
                expected.append((row, number, count, count / len(own)))
    found = held_items(Texts.of(texts), Items.of(given_items), most_rows=100)
    columns = (found.row.tolist(), found.item.tolist(), found.runs.tolist(), found.share.tolist())
    assert list(zip(*columns, strict=True)) == expected


def test_benchmarks_are_read_from_anything_that_can_be_audited(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text(f'{{"question": "{ITEM}", "answer": "Saturn"}}\n')
    data = Dataset.from_dict({"text": [f"so {ITEM} then", "other words here"]})
    report = audit(data, checks=["LEAK004"], benchmarks={"quiz": str(path)})
    (finding,) = report.findings
    assert [(row.row, row.other_split, row.other_row) for row in finding.rows] == [(0, "quiz", 0)]
    assert finding.evidence[0].related[0].split == "quiz"
    with pytest.raises(SourceError, match="The benchmark quiz can not be read: "):
        audit(data, checks=["LEAK004"], benchmarks={"quiz": str(tmp_path / "none.jsonl")})
    (result,) = audit(data, checks=["LEAK004"]).results
    assert (result.status, result.reason.partition(";")[0]) == (
        "skipped",
        "needs benchmarks to compare with (`benchmarks`)",
    )


def test_more_pairs_than_can_be_compared_are_said_to_be_not_judged(monkeypatch):
    monkeypatch.setattr("audits.checks.false_negatives.MOST_EXACT", 3)
    rows = {"anchor": [f"question {i}" for i in range(5)], "positive": [f"answer {i}" for i in range(5)]}
    data = source(Columns(anchor="anchor", positive="positive"), train=rows, test={k: v[:3] for k, v in rows.items()})
    seen = list(FalseNegatives().run(data, CheckContext(encoder=Meanings())))
    (told,) = [item for item in seen if isinstance(item, NotJudged)]
    assert told.split == "train"
    assert told.reason.startswith("5 different positives are over 3")


def test_templates_are_compared_without_a_pair_for_each_two(monkeypatch):
    """Every positive says the same as every other: one match a row is kept."""
    kept = []
    monkeypatch.setattr("audits.checks.false_negatives.scored", lambda *a: kept.append(len(a[2])) or scored(*a))

    class Same:
        name = "same"

        def encode(self, texts):
            return np.asarray([[1.0, 0.01 * (hash_of(text) % 7)] for text in texts], np.float32)

    rows = {"anchor": [f"question {i}" for i in range(600)], "positive": [f"answer {i}" for i in range(600)]}
    data = source(Columns(anchor="anchor", positive="positive"), train=rows)
    (found,) = findings(FalseNegatives(), data, CheckContext(encoder=Same()))
    assert found.total_rows > 300
    assert sum(kept) <= 600


def hash_of(text):
    return sum(map(ord, text))

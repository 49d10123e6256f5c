"""The tables that checks make of numbers they have anyway: counted again, one value after the other."""

import itertools
import math
import random

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given
from hypothesis import strategies as st

from audits.checks._label_quality import NEIGHBOURS, class_fit
from audits.checks._tables import BINS, histogram, reliability
from audits.encoders import TfidfEncoder
from audits.nearest import nearest, vectors_of
from audits.runner import audit
from audits.text.duplicates import THRESHOLD

PARTS = st.lists(st.sampled_from([0.8, 0.82, 0.84, 0.9, 0.93, 0.98, 0.999, 1.0]) | st.floats(0.8, 1), max_size=60)


@given(PARTS)
def test_every_value_is_counted_once_in_its_part(values):
    rows = histogram("x", values, low=0.8, counted="pairs").rows
    assert len(rows) == BINS
    assert sum(count for *_, count in rows) == len(values)
    for low, high, count in rows:
        assert count == sum(low <= value < high or value == high == 1.0 for value in values)
    assert [row[1] for row in rows[:-1]] == [row[0] for row in rows[1:]]


def test_what_rounding_put_outside_is_counted_at_that_end():
    rows = histogram("x", [0.95 - 1e-7, 1 + 1e-7], low=0.95, counted="pairs").rows
    assert (rows[0][2], rows[-1][2]) == (1, 1)


CONFIDENT = st.lists(
    st.tuples(st.sampled_from([0.25, 0.5, 0.75, 1.0]) | st.floats(0.01, 1), st.booleans()), min_size=1, max_size=80
)


@given(CONFIDENT, st.randoms(use_true_random=False))
def test_reliability_is_of_every_row_whatever_their_order(items, rng):
    def told(pairs):
        return reliability("x", np.asarray([c for c, _ in pairs]), np.asarray([r for _, r in pairs])).rows

    rows = told(items)
    assert len(rows) <= BINS
    assert sum(count for _, _, count, _, _ in rows) == len(items)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(rows))
    for low, high, count, mean, share in rows:
        here = [(c, right) for c, right in items if low <= round(c, 6) <= high]
        assert len(here) == count
        assert mean == pytest.approx(sum(c for c, _ in here) / count, abs=2e-6)
        assert share == pytest.approx(sum(right for _, right in here) / count, abs=2e-6)
    shuffled = items[:]
    rng.shuffle(shuffled)
    assert told(shuffled) == rows


def test_parts_hold_about_as_many_rows():
    values = np.random.default_rng(3).random(1003)
    rows = reliability("x", values, values > 0.5).rows
    assert len(rows) == BINS
    assert {count for _, _, count, _, _ in rows} <= {100, 101}


def words(rng, count):
    return [rng.choice(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]) for _ in range(count)]


def near_copies(count):
    """Texts of 40 words, and for each a copy with one word changed."""
    rng = random.Random(5)
    texts = [[f"{word}{rng.randrange(900)}" for word in words(rng, 60)] for _ in range(count)]
    copies = [[*text[: i + 2], "changed", *text[i + 3 :]] for i, text in enumerate(texts)]
    return [" ".join(text) for text in texts], [" ".join(text) for text in copies]


def only(result):
    (table,) = result.tables
    return table


def test_near_duplicates_are_counted_by_their_similarity():
    texts, copies = near_copies(12)
    report = audit(Dataset.from_dict({"text": texts + copies}), checks=["DUP002"])
    (finding,) = report.findings
    table = only(report.result("DUP002"))
    assert table.name == "similarity of near-duplicate pairs (train)"
    assert table.columns == ("from", "to", "pairs")
    assert table.rows[0][0] == THRESHOLD
    scores = [row.score for row in finding.rows]
    assert len(scores) == 12
    assert table.rows == histogram("x", scores, low=THRESHOLD, counted="pairs").rows
    for low, high, count in table.rows:
        assert count == sum(low <= score < high for score in scores)
    assert audit(Dataset.from_dict({"text": texts}), checks=["DUP002"]).result("DUP002").tables == ()


def test_near_matches_in_later_splits_are_counted_by_their_similarity():
    texts, copies = near_copies(9)
    data = DatasetDict(train=Dataset.from_dict({"text": texts}), test=Dataset.from_dict({"text": copies[:7]}))
    report = audit(data, checks=["LEAK002"])
    table = only(report.result("LEAK002"))
    scores = [row.score for finding in report.findings for row in finding.rows]
    assert len(scores) == 7
    assert sum(count for *_, count in table.rows) == 7
    assert table.rows == histogram("x", scores, low=THRESHOLD, counted="matches").rows


def test_semantic_duplicates_are_counted_from_the_threshold_that_was_asked_for():
    class Encoder:
        name = "angles"

        def encode(self, texts):
            angles = [float(text.split()[-1]) for text in texts]
            return np.asarray([[math.cos(a), math.sin(a)] for a in angles], np.float32)

    texts = [f"{word} {'quite ' * i}{angle}" for i, (word, angle) in enumerate(
        zip(["one", "two", "three", "four", "five"], ["0.0", "0.1", "0.3", "2.0", "2.001"], strict=True)
    )]  # fmt: skip
    report = audit(Dataset.from_dict({"text": texts}), checks=["DUP003"], encoder=Encoder(), semantic_threshold=0.9)
    table = only(report.result("DUP003"))
    assert [row[0] for row in table.rows] == pytest.approx([0.9 + i / 100 for i in range(10)])
    expected = [math.cos(0.1), math.cos(0.3), math.cos(0.001)]
    for low, high, count in table.rows:
        assert count == sum(low <= cosine < high for cosine in expected)


def test_label_quality_and_reliability_are_of_the_probabilities_of_the_check():
    rng = random.Random(2)
    topics = {
        "fruit": ["apple", "pear", "plum", "fig"],
        "tools": ["saw", "drill", "file", "axe"],
        "sea": ["wave", "tide"],
    }
    texts, labels = [], []
    for i in range(360):
        topic = list(topics)[i % 3]
        texts.append(" ".join(rng.choice(topics[topic]) + rng.choice(["s", "", "ish"]) for _ in range(6)) + f" {i}")
        labels.append(topic if rng.random() > 0.1 else "sea")
    report = audit(Dataset.from_dict({"text": texts, "label": labels}), checks=["LABEL001"], seed=4)
    tables = {table.name: table for table in report.result("LABEL001").tables}
    names = sorted(topics)
    given = np.asarray([names.index(label) for label in labels])
    vectors = vectors_of(TfidfEncoder(dim=128, seed=4), texts)
    chances = np.exp(class_fit(vectors, given, 3, nearest(vectors, NEIGHBOURS), 4).astype(np.float64)).tolist()
    own = [row[label] for row, label in zip(chances, given.tolist(), strict=True)]
    for low, high, count in tables["label quality"].rows:
        assert count == sum(low <= p < high or p == high == 1 for p in own)
    parts = tables["reliability of the label probe"]
    assert parts.columns == ("from", "to", "rows", "mean confidence", "share right")
    assert sum(row[2] for row in parts.rows) == 360
    best = [(max(row), row.index(max(row)) == label) for row, label in zip(chances, given.tolist(), strict=True)]
    for low, high, count, mean, share in parts.rows:
        here = [(c, right) for c, right in best if low <= round(c, 6) <= high]
        assert len(here) == count
        assert mean == pytest.approx(sum(c for c, _ in here) / count, abs=2e-6)
        assert share == pytest.approx(sum(right for _, right in here) / count, abs=2e-6)
    again = audit(Dataset.from_dict({"text": texts, "label": labels}), checks=["LABEL001"], seed=4)
    assert again.result("LABEL001").tables == report.result("LABEL001").tables

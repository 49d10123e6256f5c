"""Label errors: the two views and their combination, where the list ends, and conflicting labels."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits import nearest as nearest_module
from audits.checks import CheckContext, _probe
from audits.checks._label_quality import NEIGHBOURS, _votes, calibrate, label_quality
from audits.checks._probe import FOLDS, _folds, out_of_sample
from audits.checks._reporting import wilson
from audits.checks.label_conflicts import LabelConflicts
from audits.checks.label_noise import LabelNoise
from audits.findings import Columns, Finding, Measurement
from audits.nearest import nearest
from audits.source import AuditSource


def clusters(count, classes, spread, seed=0, dim=16):
    """Vectors around one centre a class, and the class of each."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = rng.normal(size=(classes, dim))
    return (centres[labels] + spread * rng.normal(size=(count, dim))).astype(np.float32), labels


def flipped(labels, classes, rate, seed=1):
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels)) < rate
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + rng.integers(1, classes, int(wrong.sum()))) % classes
    return changed, wrong


def listed(vectors, labels, classes, precision=0.7):
    near = nearest(vectors, NEIGHBOURS)
    quality = label_quality(vectors, labels, classes, near, 0)
    cut = calibrate(vectors, labels, classes, near, 0, precision=precision)
    return np.argsort(quality.ranking(labels), kind="stable")[: round(cut.share * len(labels))], cut, quality


# ---- neighbours -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [3, 16, 1024])
@pytest.mark.parametrize("count", [1, 5, 500])
def test_neighbours_are_the_nearest_others(monkeypatch, tile, count):
    monkeypatch.setattr(nearest_module, "_TILE", tile)
    vectors, _ = clusters(60, 4, 1.0)
    vectors[10] = vectors[20]
    vectors[7] = 0
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    found = nearest(vectors, count)
    assert found.rows.shape == (60, min(count, 59))
    expected = -np.sort(-cosines, axis=1)[:, : min(count, 59)]
    np.testing.assert_allclose(found.cosines, expected, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(cosines, found.rows, axis=1), expected, atol=1e-6)
    assert all(len(set(row)) == len(row) and i not in row for i, row in enumerate(found.rows.tolist()))


def test_beyond_the_limit_a_graph_finds_nearly_all_neighbours(monkeypatch):
    vectors, _ = clusters(1000, 10, 0.8)
    exact = nearest(vectors, 10)
    monkeypatch.setattr(nearest_module, "MOST_EXACT", 10)
    found = nearest(vectors, 10)
    assert found.rows.shape == exact.rows.shape
    assert not (found.rows == np.arange(1000)[:, None]).any()
    same = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact.rows.tolist(), found.rows.tolist(), strict=True)])
    assert same > 0.95
    monkeypatch.setitem(__import__("sys").modules, "usearch.index", None)
    assert nearest(vectors, 10) is None


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_vectors_have_few_neighbours(rows):
    found = nearest(np.ones((rows, 3), np.float32), 5)
    assert found.rows.shape == (rows, max(rows - 1, 0))


# ---- the two views --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 3))
def test_every_class_is_dealt_out_evenly(labels, seed):
    labels = np.asarray(labels)
    folds = _folds(labels, seed)
    assert set(folds.tolist()) <= set(range(FOLDS))
    for label in np.unique(labels):
        counts = np.bincount(folds[labels == label], minlength=FOLDS)
        assert counts.max() - counts.min() <= 1


def test_probabilities_are_of_a_probe_that_has_not_seen_the_row(monkeypatch):
    vectors, labels = clusters(200, 3, 0.3)
    folds = _folds(labels, 0)
    monkeypatch.setattr(_probe, "_folds", lambda *_: folds)
    before = out_of_sample(vectors, labels, 3, 0)
    np.testing.assert_allclose(before.sum(axis=1), 1, atol=1e-5)
    assert before[np.arange(200), labels].mean() > 0.9
    changed = labels.copy()
    changed[0] = (changed[0] + 1) % 3
    after = out_of_sample(vectors, changed, 3, 0)
    own = folds == folds[0]
    np.testing.assert_array_equal(before[own], after[own])
    assert (before[~own] != after[~own]).any()


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_both_views_rank_better_than_either(rate):
    from sklearn.metrics import average_precision_score as ap

    # two centres a class, so that neighbours see what a linear probe can not
    vectors, parts = clusters(3000, 24, 1.1)
    labels = parts // 2
    given_labels, wrong = flipped(labels, 12, rate)
    near = nearest(vectors, NEIGHBOURS)
    both = label_quality(vectors, given_labels, 12, near, 0)
    probe = label_quality(vectors, given_labels, 12, None, 0)
    prior = np.bincount(given_labels) / len(labels)
    votes = _votes(given_labels, near.rows, near.cosines, prior)[np.arange(len(labels)), given_labels]
    assert ap(wrong, -both.score) > max(ap(wrong, -probe.score), ap(wrong, -votes))
    assert ((both.score >= 0) & (both.score <= 1)).all()
    right = both.suggestion[wrong] == labels[wrong]
    assert right.mean() > 0.7


# ---- where the list ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.3, 1.0])
@pytest.mark.parametrize("rate", [0.03, 0.1, 0.3])
def test_the_list_keeps_its_precision_and_says_its_recall(rate, spread):
    vectors, labels = clusters(4000, 10, spread)
    given_labels, wrong = flipped(labels, 10, rate)
    rows, cut, _ = listed(vectors, given_labels, 10)
    assert cut.noise == pytest.approx(rate, rel=0.5)
    assert wrong[rows].mean() >= 0.6
    assert wrong[rows].sum() / wrong.sum() == pytest.approx(cut.found / cut.planted, abs=0.08)
    strict, _, _ = listed(vectors, given_labels, 10, precision=0.9)
    assert len(strict) <= len(rows)
    assert wrong[strict].mean() >= wrong[rows].mean() - 0.02


def test_data_without_errors_has_a_short_list():
    """Where classes overlap, confident learning lists a sixth of the rows; a reviewer is not buried here."""
    vectors, labels = clusters(4000, 10, 1.3)
    rows, _, _ = listed(vectors, labels, 10)
    assert len(rows) < 25


def test_few_rows_are_not_judged():
    vectors, labels = clusters(30, 2, 0.1)
    assert calibrate(vectors, labels, 2, nearest(vectors, NEIGHBOURS), 0, precision=0.7) is None
    data = AuditSource(
        tables={"train": pa.table({"t": [f"text number {i}" for i in range(30)], "y": [i % 2 for i in range(30)]})},
        columns=Columns(text="t", label="y"),
    )
    told = [item for item in LabelNoise().run(data, CheckContext()) if isinstance(item, Measurement)]
    assert told[-1].name == "rows judged"
    assert "how often the check is wrong can not be measured on 30 rows" in told[-1].method


@pytest.mark.parametrize("kind", ["noise", "equal", "none"])
def test_vectors_that_do_not_tell_the_classes_apart_are_not_judged(kind):
    """Else every label would be called wrong, with a precision of 100 %."""
    rng = np.random.default_rng(0)
    vectors = {"noise": rng.normal(size=(400, 8)), "equal": np.ones((400, 8)), "none": np.zeros((400, 8))}[kind]
    vectors = vectors.astype(np.float32)
    labels = np.arange(400) % 2
    cut = calibrate(vectors, labels, 2, nearest(vectors, NEIGHBOURS), 0, precision=0.7)
    assert cut is None or cut.share == 0


@pytest.mark.parametrize("seed", range(4))
def test_clean_data_that_is_told_apart_has_an_empty_list(seed):
    vectors, labels = clusters(500, 5, 0.3, seed)
    rows, cut, _ = listed(vectors, labels, 5)
    assert len(rows) <= 5
    assert cut.least_precision == 0
    assert cut.noise < 0.02


def test_the_check_says_how_often_it_is_wrong():
    words = [[f"w{c}x{i}" for i in range(30)] for c in range(5)]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 600)
    texts = [" ".join(rng.choice(words[c], 8)) for c in labels]
    given_labels, wrong = flipped(labels, 5, 0.08)
    data = AuditSource(
        tables={"train": pa.table({"t": texts, "y": given_labels})}, columns=Columns(text="t", label="y")
    )
    seen = list(LabelNoise().run(data, CheckContext()))
    told = {item.name: item for item in seen if isinstance(item, Measurement)}
    assert told["estimated share of wrong labels"].value == pytest.approx(wrong.mean(), rel=0.4)
    recall = told["planted wrong labels that are found"]
    assert recall.interval[0] <= recall.value <= recall.interval[1]
    assert recall.value > 0.8
    assert told["labels listed without a planted error"].value < 0.15
    precision = told["expected precision of the list"]
    assert precision.interval[0] <= precision.value <= precision.interval[1]
    assert precision.value >= 0.7
    (finding,) = [item for item in seen if isinstance(item, Finding)]
    rows = list(finding.rows.row)
    assert wrong[rows].mean() >= 0.65
    assert "listed until the expected precision falls below 70%" in finding.measurement.method


# ---- conflicts ------------------------------------------------------------------------------------------------


def test_equal_texts_with_different_labels_name_each_other():
    texts = ["Same text", "other", " same  TEXT ", "same text", "twice", "twice", "gone", "gone", "", ""]
    labels = ["a", "a", "b", "a", "c", "c", "a", None, "a", "b"]
    data = AuditSource(
        tables={"train": pa.table({"t": texts, "y": labels}), "bare": pa.table({"t": ["x y"]})},
        columns=Columns(text="t", label="y"),
    )
    seen = list(LabelConflicts().run(data, CheckContext()))
    (finding,) = seen
    assert [(row.row, row.other_row) for row in finding.rows] == [(0, 2), (2, 0), (3, 2)]
    assert finding.measurement.value == 3 / 10
    assert finding.evidence[0].excerpt == "labelled a: Same text"
    assert finding.evidence[0].related[0].excerpt == "labelled b: same TEXT"


@given(st.integers(0, 400), st.integers(0, 400))
def test_wilson_intervals_hold_their_share(affected, more):
    total = affected + more
    found = wilson("x", affected, total, "m")
    if total:
        assert 0 <= found.interval[0] <= found.value <= found.interval[1] <= 1
    assert wilson("x", 5, 10, "m").interval == pytest.approx((0.2366, 0.7634), abs=1e-4)

"""Label errors: the two views and their combination, where the list ends, and conflicting labels."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits import nearest as nearest_module
from audits.checks import CheckContext, _probe
from audits.checks._label_calibration import calibrate
from audits.checks._label_quality import NEIGHBOURS, class_fit, class_votes, label_quality
from audits.checks._probe import FOLDS, _folds, out_of_sample
from audits.checks._reporting import wilson
from audits.checks.label_conflicts import LabelConflicts
from audits.checks.label_noise import LabelNoise
from audits.findings import Columns, Finding, Measurement, NotJudged, Table
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


def judged(vectors, labels, classes, *, near=True):
    neighbours = nearest(vectors, NEIGHBOURS) if near else None
    fit = class_fit(vectors, labels, classes, neighbours, 0)
    return fit, label_quality(fit, labels, np.bincount(labels, minlength=classes) / len(labels))


def listed(vectors, labels, classes, precision=0.7):
    fit, quality = judged(vectors, labels, classes)
    cut = calibrate(fit, labels, classes, 0, precision=precision)
    return np.argsort(quality.ranking, kind="stable")[: cut.listed], cut, quality


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
    _, both = judged(vectors, given_labels, 12)
    probe, _ = judged(vectors, given_labels, 12, near=False)
    own = np.arange(len(labels)), given_labels
    votes = class_votes(given_labels, nearest(vectors, NEIGHBOURS), np.bincount(given_labels) / len(labels))
    assert ap(wrong, -both.score) > max(ap(wrong, -probe[own]), ap(wrong, -votes[own]))
    assert ((both.score >= 0) & (both.score <= 1)).all()
    right = both.suggestion[wrong] == labels[wrong]
    assert right.mean() > 0.7


def test_no_row_is_judged_by_its_own_label(monkeypatch):
    """So that changing one label alone changes nothing but how well that label fits."""
    vectors, labels = clusters(300, 3, 0.5)
    folds = _folds(labels, 0)
    monkeypatch.setattr(_probe, "_folds", lambda *_: folds)
    fit, _ = judged(vectors, labels, 3)
    changed = labels.copy()
    changed[0] = (changed[0] + 1) % 3
    again, _ = judged(vectors, changed, 3)
    np.testing.assert_allclose(np.exp(fit[0]), np.exp(again[0]), atol=0.01)
    np.testing.assert_allclose(np.exp(fit).sum(axis=1), 1, atol=1e-4)


def test_a_label_is_judged_against_the_best_other_one():
    fit = np.log(np.asarray([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.5, 0.45], [0.4, 0.3, 0.3]]))
    quality = label_quality(fit, np.zeros(4, np.int64), np.full(3, 1 / 3))
    assert quality.fits.tolist() == [True, False, False, True]
    assert quality.suggestion.tolist() == [1, 1, 1, 1]
    # equally improbable: a text that fits no other class well either is less of an error
    assert quality.score[1] < quality.score[2] < quality.score[3] < quality.score[0]
    assert quality.ranking[0] == np.inf
    rare = label_quality(fit, np.zeros(4, np.int64), np.asarray([0.01, 0.495, 0.495]))
    assert (rare.score > quality.score).all()


# ---- where the list ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.3, 1.0])
@pytest.mark.parametrize("rate", [0.03, 0.1, 0.3])
def test_the_list_keeps_its_precision_and_says_its_recall(rate, spread):
    vectors, labels = clusters(4000, 10, spread)
    given_labels, wrong = flipped(labels, 10, rate)
    rows, cut, _ = listed(vectors, given_labels, 10)
    assert cut.noise == pytest.approx(rate, rel=0.5)
    assert wrong[rows].mean() >= 0.6
    assert wrong[rows].sum() / wrong.sum() == pytest.approx(cut.found / cut.planted, abs=0.1)
    strict, _, _ = listed(vectors, given_labels, 10, precision=0.9)
    assert len(strict) <= len(rows)
    assert wrong[strict].mean() >= wrong[rows].mean() - 0.02


@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_mistakes_between_similar_classes_are_found_less_often_and_that_is_said(rate):
    rng = np.random.default_rng(0)
    # pairs of classes that are near to each other
    centres = np.repeat(rng.normal(size=(6, 16)), 2, axis=0) + 0.6 * rng.normal(size=(12, 16))
    labels = rng.integers(0, 12, 6000)
    vectors = (centres[labels] + 0.5 * rng.normal(size=(6000, 16))).astype(np.float32)
    wrong = rng.random(6000) < rate
    rows, cut, _ = listed(vectors, np.where(wrong, labels ^ 1, labels), 12)
    assert cut.found_similar < cut.found
    assert wrong[rows].mean() >= 0.6
    found = wrong[rows].sum() / wrong.sum()
    assert found == pytest.approx(cut.found_similar / cut.planted, abs=0.12)


@pytest.mark.parametrize("spread", [0.3, 1.0, 1.3])
def test_data_without_errors_has_an_empty_list(spread):
    """Where classes overlap, confident learning lists a sixth of the rows; a reviewer is not buried here."""
    for seed in range(3):
        vectors, labels = clusters(4000, 10, spread, seed)
        rows, cut, _ = listed(vectors, labels, 10)
        assert len(rows) <= 3
        assert cut.noise < 0.01


def test_unusual_texts_of_a_rare_class_are_not_listed():
    """They fit no class: to be improbable in a rare class is no error."""
    rng = np.random.default_rng(0)
    vectors, labels = clusters(3000, 6, 0.5)
    odd = 0.3 * rng.normal(size=(12, 16)).astype(np.float32)
    vectors, labels = np.concatenate([vectors, odd]), np.concatenate([labels, np.full(12, 6)])
    rows, _, _ = listed(vectors, labels, 7)
    assert not (rows >= 3000).any()


def test_one_seed_gives_one_list():
    vectors, labels = clusters(1500, 6, 0.9)
    given_labels, _ = flipped(labels, 6, 0.1)
    (first, cut, _), (second, again, _) = (listed(vectors, given_labels, 6) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert cut == again


@given(
    st.lists(st.integers(0, 3), min_size=40, max_size=80),
    st.integers(0, 5),
    st.sampled_from([0.0, 0.1, 3.0]),
)
def test_any_labels_are_judged_or_said_not_to_be(labels, seed, spread):
    names, labels = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return
    fit = spread * np.random.default_rng(seed).normal(size=(len(labels), len(names))).astype(np.float32)
    fit -= np.log(np.exp(fit).sum(axis=1, keepdims=True))
    cut = calibrate(fit, labels, len(names), seed, precision=0.7)
    if cut is not None:
        assert 0 <= cut.listed <= len(labels)
        assert 0 <= cut.least_precision <= cut.precision <= 1
        assert 0 <= cut.noise < 0.5
        assert 0 <= cut.found <= cut.planted
        assert 0 <= cut.found_similar <= cut.planted
        assert cut.listed == 0 or cut.precision >= 0.7


def test_few_rows_are_not_judged():
    vectors, labels = clusters(30, 2, 0.1)
    assert calibrate(judged(vectors, labels, 2)[0], labels, 2, 0, precision=0.7) is None
    data = AuditSource(
        tables={"train": pa.table({"t": [f"text number {i}" for i in range(30)], "y": [i % 2 for i in range(30)]})},
        columns=Columns(text="t", label="y"),
    )
    (told,) = [item for item in LabelNoise().run(data, CheckContext()) if isinstance(item, NotJudged)]
    assert told.reason.startswith("how often the check is wrong can not be measured on 30 rows")


@pytest.mark.parametrize("kind", ["noise", "equal", "none"])
def test_vectors_that_do_not_tell_the_classes_apart_are_not_judged(kind):
    """Else every label would be called wrong, with a precision of 100 %."""
    rng = np.random.default_rng(0)
    vectors = {"noise": rng.normal(size=(400, 8)), "equal": np.ones((400, 8)), "none": np.zeros((400, 8))}[kind]
    vectors = vectors.astype(np.float32)
    labels = np.arange(400) % 2
    cut = calibrate(judged(vectors, labels, 2)[0], labels, 2, 0, precision=0.7)
    assert cut is None or cut.listed == 0


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
    similar = told["planted mistakes between similar classes that are found"]
    assert recall.interval[0] <= recall.value <= recall.interval[1]
    assert recall.value > 0.7
    assert similar.interval[0] <= similar.value <= similar.interval[1]
    assert similar.value <= recall.value
    tables = [item for item in seen if isinstance(item, Table)]
    assert [sum(row[table.columns.index("rows")] for row in table.rows) for table in tables] == [600] * 3
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


def test_labels_that_hold_an_address_are_masked_before_they_are_cut():
    names = [f"written by somebody{c}.with.a.long.name@mailbox.org" for c in range(3)]
    words = [[f"w{c}x{i}" for i in range(20)] for c in range(3)]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    texts = [" ".join(rng.choice(words[c], 8)) for c in labels]
    given_labels, _ = flipped(labels, 3, 0.08)
    table = pa.table({"t": texts, "y": [names[c] for c in given_labels]})
    seen = list(
        LabelNoise().run(AuditSource(tables={"train": table}, columns=Columns(text="t", label="y")), CheckContext())
    )
    (finding,) = [item for item in seen if isinstance(item, Finding)]
    assert finding.evidence
    assert "somebody" not in str(seen)

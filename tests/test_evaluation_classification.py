"""Probe, neighbours and clusters: equal to scikit-learn; test rows choose nothing; bad input is named."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.classification import (
    Classified,
    classification_statistics,
    linear_probe,
    nearest_neighbours,
)
from hf_contrastive.evaluation.clustering import cluster, clustering_statistics
from hf_contrastive.evaluation.estimates import bootstrap, measure, value_of


def blobs(rows, classes=4, dim=10, spread=0.5, seed=0):
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, classes, size=rows)
    return (centres[codes] + spread * rng.normal(size=(rows, dim))).astype(np.float32), codes


def units(vectors):
    return vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)


def told(codes, predictions, classes):
    """A result with these predictions."""
    return Classified(
        classes=tuple(range(classes)),
        probabilities=np.eye(classes)[predictions],
        told=np.array(predictions),
        codes=np.array(codes),
        setting="",
    )


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_accuracy_and_macro_f1_equal_those_of_scikit_learn_with_weights(rows):
    codes, predictions, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = classification_statistics(told(codes, predictions, 4))
    assert value_of(found["accuracy"], len(rows)) == pytest.approx(metrics.accuracy_score(codes, predictions))
    expected = metrics.f1_score(codes, predictions, average="macro", zero_division=0)
    assert value_of(found["macro_f1"], len(rows)) == pytest.approx(expected, abs=1e-9)
    again = np.repeat(np.arange(len(rows)), weights)
    if len(again):
        repeated = metrics.f1_score(codes[again], predictions[again], average="macro", zero_division=0)
        assert found["macro_f1"](weights[None].astype(float))[0] == pytest.approx(repeated, abs=1e-9)


def test_the_probe_is_the_regression_of_scikit_learn_with_the_strength_that_it_names():
    (train, codes), (test, wanted) = blobs(300), blobs(200, seed=1)
    result = linear_probe(train, codes, test, wanted, strengths=(10.0,))
    peer = LogisticRegression(C=10.0, max_iter=1000).fit(units(train).astype(np.float32), codes)
    np.testing.assert_allclose(result.probabilities, peer.predict_proba(units(test).astype(np.float32)), atol=1e-6)
    np.testing.assert_array_equal(result.told, peer.predict(units(test).astype(np.float32)))
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1.0, atol=1e-12)
    assert "C = 10 as given" in result.setting
    assert value_of(classification_statistics(result)["accuracy"], 200) > 0.9


def test_the_strength_is_chosen_by_training_rows_alone_and_by_the_seed():
    train, codes = blobs(120, spread=1.5)
    settings_seen = set()
    for seed in range(3):
        test, wanted = blobs(40, spread=1.5, seed=10 + seed)
        settings_seen.add(linear_probe(train, codes, test, wanted, seed=0).setting)
    assert len(settings_seen) == 1
    assert "5-fold cross-validation within training rows, from 0.1, 1, 10, 100, 1000" in settings_seen.pop()
    one = linear_probe(train, codes, test, wanted, seed=4)
    np.testing.assert_array_equal(one.probabilities, linear_probe(train, codes, test, wanted, seed=4).probabilities)


def test_a_strength_that_generalises_is_chosen():
    """With many dimensions of noise the weakest penalty fits the noise."""
    rng = np.random.default_rng(0)
    train, codes = rng.normal(size=(60, 300)), rng.integers(0, 2, size=60)
    strong = r"C = (0\.1|1) "
    assert re.search(strong, linear_probe(train, codes, train[:5], codes[:5]).setting)
    plain, wanted = blobs(400, spread=0.2)
    assert not re.search(strong, linear_probe(plain, wanted, plain[:5], wanted[:5]).setting)


def test_few_rows_a_class_need_fewer_folds_or_none():
    train, codes = blobs(400)
    rows = np.concatenate([np.flatnonzero(codes == code)[:2] for code in range(4)])
    assert "2-fold" in linear_probe(train[rows], codes[rows], train, codes).setting
    rows = np.concatenate([np.flatnonzero(codes == code)[:1] for code in range(4)])
    assert "one training row" in linear_probe(train[rows], codes[rows], train, codes).setting


def test_labels_of_texts_and_those_unseen_in_training_are_wrong():
    train, codes = blobs(200)
    names = np.array(["a", "b", "c", "d"])
    result = linear_probe(train, names[codes].tolist(), train[:4], [*names[codes[:2]], "new", "other"])
    assert result.classes == ("a", "b", "c", "d")
    assert result.unseen == 2
    np.testing.assert_array_equal(result.codes, [*codes[:2], -1, -1])
    assert value_of(classification_statistics(result)["accuracy"], 4) == 0.5
    votes = nearest_neighbours(train, names[codes], train[:4], [*names[codes[:2]], "new", "other"], k=3)
    assert votes.unseen == 2


@pytest.mark.parametrize("k", [1, 5, 10, 500])
def test_the_votes_equal_those_of_scikit_learn(k):
    (train, codes), (test, wanted) = blobs(300, spread=1.0), blobs(100, spread=1.0, seed=1)
    result = nearest_neighbours(train, codes, test, wanted, k=k)
    peer = KNeighborsClassifier(
        n_neighbors=min(k, 300), metric="cosine", algorithm="brute", weights=lambda d: np.exp(-d / 0.07)
    ).fit(units(train), codes)
    np.testing.assert_allclose(result.probabilities, peer.predict_proba(units(test)), atol=1e-5)
    np.testing.assert_array_equal(result.told, peer.predict(units(test)))


def test_ties_are_told_the_same_way_whatever_the_names_of_the_classes():
    train = np.array([[1.0, 0.1], [1.0, -0.1], [1.0, 0.1], [1.0, -0.1]])
    for labels in ([0, 1, 0, 1], [1, 0, 1, 0]):
        # all four are as near, and the votes are equal: the first row is the nearest by its index
        assert nearest_neighbours(train, labels, [[1.0, 0.0]], [0], k=4).told[0] == labels[0]
    same = np.ones((30, 3))
    labels = [1] * 10 + [0] * 20
    assert nearest_neighbours(same, labels, same[:3], labels[:3], k=5).told.tolist() == [1, 1, 1]


def test_the_votes_do_not_depend_on_the_block(monkeypatch):
    (train, codes), (test, wanted) = blobs(300, spread=1.0), blobs(50, spread=1.0, seed=1)
    whole = nearest_neighbours(train, codes, test, wanted)
    monkeypatch.setattr("hf_contrastive.evaluation.classification._QUERY_BLOCK", 7)
    monkeypatch.setattr("hf_contrastive.evaluation.classification._DOCUMENT_BLOCK", 11)
    parts = nearest_neighbours(train, codes, test, wanted)
    np.testing.assert_array_equal(whole.probabilities, parts.probabilities)
    np.testing.assert_array_equal(whole.told, parts.told)


# --- clusters ----------------------------------------------------------------------------------------


def clustered(rows, clusters, classes, kept, generator):
    """Clusters and labels that agree for a share of the rows."""
    assigned = generator.integers(0, clusters, size=rows)
    return assigned, np.where(
        generator.random(rows) < kept, assigned % classes, generator.integers(0, classes, size=rows)
    )


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
def test_the_v_measure_equals_that_of_scikit_learn(rows):
    assigned, labels = (np.array(column) for column in zip(*rows, strict=True))
    if len(set(labels.tolist())) == 1:
        with pytest.raises(NotComputableError, match="have the label"):
            clustering_statistics(assigned[None], labels)
        return
    found = value_of(clustering_statistics(assigned[None], labels)["v_measure"], len(rows))
    assert found == pytest.approx(metrics.v_measure_score(labels, assigned), abs=1e-6)


def test_the_first_order_term_is_how_the_v_measure_moves():
    assigned, labels = clustered(300, 4, 3, 0.5, np.random.default_rng(0))
    statistic = clustering_statistics(assigned[None], labels)["v_measure"]
    copies = 100  # of all rows, so that one row more is a small change
    for row in range(0, 300, 17):
        weights = np.full(300, float(copies))
        weights[row] += 1
        counts = weights.astype(int)
        moved = metrics.v_measure_score(np.repeat(labels, counts), np.repeat(assigned, counts))
        drawn = statistic(weights[None])[0]
        assert drawn - statistic.value == pytest.approx(moved - statistic.value, rel=0.02, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.integers(1, 30), st.integers(2, 30), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_the_interval_of_the_v_measure_holds_its_value(rows, clusters, classes, kept, seed):
    assigned, labels = clustered(rows, clusters, classes, kept, np.random.default_rng(seed))
    labels[:2] = 0, 1
    before = clustered(rows, clusters, classes, kept, np.random.default_rng(seed + 1))[0]
    (item,) = measure(
        clustering_statistics(assigned[None], labels),
        (rows,),
        before=clustering_statistics(before[None], labels),
        resamples=400,
    )
    for part in (item.before, item.after, item.difference):
        assert part.interval[0] - 1e-9 <= part.value <= part.interval[1] + 1e-9
        assert "of the first-order term" in part.method
    assert 0 <= item.after.interval[0] <= item.after.interval[1] <= 1


def test_intervals_of_the_v_measure_cover_the_truth_about_as_often_as_they_say():
    truth = metrics.v_measure_score(*reversed(clustered(300_000, 4, 4, 0.6, np.random.default_rng(1))))
    covered = 0
    for trial in range(200):
        assigned, labels = clustered(500, 4, 4, 0.6, np.random.default_rng(100 + trial))
        statistic = clustering_statistics(assigned[None], labels)
        low, high = bootstrap(statistic, (500,), resamples=400, seed=trial)["v_measure"].interval
        covered += low <= truth <= high
    assert 0.9 <= covered / 200 <= 0.99


def test_clusters_are_those_of_k_means_on_unit_vectors_and_the_mean_is_over_the_seeds():
    vectors, codes = blobs(300, spread=0.8)
    found = cluster(vectors, 4)
    assert found.shape == (5, 300)
    expected = KMeans(4, random_state=3, n_init=1).fit(units(vectors).astype(np.float32)).labels_
    assert metrics.v_measure_score(expected, found[3]) == pytest.approx(1.0)
    mean = np.mean([metrics.v_measure_score(codes, row) for row in found])
    assert value_of(clustering_statistics(found, codes)["v_measure"], 300) == pytest.approx(mean, abs=1e-9)
    np.testing.assert_array_equal(found, cluster(vectors, 4))


def test_many_rows_are_clustered_in_batches():
    vectors, codes = blobs(600, spread=0.1)
    found = cluster(vectors, 4, seeds=(0, 1), full_rows=100)
    assert value_of(clustering_statistics(found, codes)["v_measure"], 600) > 0.8


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e, y: linear_probe(e, [1] * 40, e, y), NotComputableError, "all 40 training rows have the label 1"),
        (lambda e, y: linear_probe(e[:1], y[:1], e, y), NotComputableError, "all 1 training rows"),
        (lambda e, y: linear_probe(e, y, e[:, :3], y), EvaluationError, "differ in their dimensions"),
        (lambda e, y: linear_probe(e, y[:3], e, y), EvaluationError, "`train_labels` 3"),
        (lambda e, y: linear_probe(e, y, e, y[:3]), EvaluationError, "`test_labels` 3"),
        (lambda e, y: linear_probe(e * np.nan, y, e, y), EvaluationError, "`train` has NaN"),
        (lambda e, y: linear_probe(e, y, e * 0, y), EvaluationError, "`test` row 0 is a zero vector"),
        (lambda e, y: linear_probe(e, [None, *y[1:]], e, y), EvaluationError, "label of row 0 is None"),
        (lambda e, y: linear_probe(e, y * 0.5, e, y), EvaluationError, "texts or whole numbers"),
        (lambda e, y: linear_probe(e, y, e, y, strengths=()), EvaluationError, "`strengths`"),
        (lambda e, y: linear_probe(e, y, e, y, strengths=(0.0, 1.0)), EvaluationError, "above 0"),
        (lambda e, y: nearest_neighbours(e, y, e, y, k=0), EvaluationError, "`k` must be at least 1"),
        (lambda e, y: nearest_neighbours(e, [1] * 40, e, y), NotComputableError, "a classifier needs two"),
        (lambda e, y: cluster(np.ones((40, 3)), 2), NotComputableError, "1 distinct vectors"),
        (lambda e, y: cluster(np.ones((40, 3)), 2, full_rows=10), NotComputableError, "1 distinct vectors"),
        (lambda e, y: cluster(e, 1), EvaluationError, "at least 2 clusters"),
        (lambda e, y: cluster(e, 2, seeds=()), EvaluationError, "one seed"),
        (lambda e, y: clustering_statistics(np.zeros((5, 40), int), y[:9]), EvaluationError, "`labels` 9"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(*blobs(40))
    assert type(caught.value) is error


def test_one_dimension_is_enough():
    train, labels = np.array([[1.0], [2.0], [-1.0], [-3.0]]), [0, 0, 1, 1]
    assert linear_probe(train, labels, train, labels).told.tolist() == labels
    assert nearest_neighbours(train, labels, train, labels, k=1).told.tolist() == labels
    assert value_of(clustering_statistics(cluster(train, 2), labels)["v_measure"], 4) == pytest.approx(1.0)

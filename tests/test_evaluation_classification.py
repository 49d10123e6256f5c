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

"""Distances equal scipy's and scikit-learn's; AUROC and FPR95 theirs too; far texts are told, equal ones are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis
from sklearn import metrics
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import bootstrap, value_of
from hf_contrastive.evaluation.out_of_distribution import (
    Gaussians,
    detection_statistics,
    knn_distance,
    lack_of_confidence,
)


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def data(seed=0, rows=200, dim=6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size=rows)
    return np.eye(3, dim)[labels] * 3 + rng.normal(size=(rows, dim)), labels


@pytest.mark.parametrize("k", [1, 10, 1000])
def test_the_distance_to_the_kth_neighbour_is_that_of_scikit_learn(k):
    (train, _), (texts, _) = data(), data(1, 50)
    peer = NearestNeighbors(n_neighbors=min(k, 200), metric="cosine", algorithm="brute").fit(train)
    np.testing.assert_allclose(knn_distance(train, texts, k=k), peer.kneighbors(texts)[0][:, -1], atol=1e-6)


def test_mahalanobis_is_that_of_scipy_with_the_shrunk_covariance():
    (train, labels), (texts, _) = data(), data(1, 20)
    model = Gaussians(train, labels)
    one, two = units(train), units(texts)
    means = np.stack([one[labels == code].mean(axis=0) for code in range(3)])
    within = LedoitWolf(assume_centered=True).fit(one - means[labels]).precision_
    whole = LedoitWolf(assume_centered=True).fit(one - one.mean(axis=0)).precision_
    nearest = np.array([min(mahalanobis(row, mean, within) ** 2 for mean in means) for row in two])
    overall = np.array([mahalanobis(row, one.mean(axis=0), whole) ** 2 for row in two])
    np.testing.assert_allclose(model.mahalanobis(texts), nearest, rtol=1e-6)
    np.testing.assert_allclose(model.relative_mahalanobis(texts), nearest - overall, atol=1e-6)
    np.testing.assert_allclose(Gaussians(train).mahalanobis(texts), overall, rtol=1e-6)
    # names of the classes and their order do not matter
    other = Gaussians(train, [("x", "a", "m")[label] for label in labels])
    np.testing.assert_allclose(other.relative_mahalanobis(texts), nearest - overall, atol=1e-6)


def test_fewer_rows_than_dimensions_have_distances_too():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(30, 100)) + 1
    far = rng.normal(size=(200, 100)) - 1
    near = rng.normal(size=(200, 100)) + 1
    distances = Gaussians(train).mahalanobis
    assert value_of(detection_statistics(distances(near), distances(far))["auroc"], 400) > 0.99


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=20, max_size=60),
    st.lists(st.integers(0, 30), min_size=20, max_size=60),
)
def test_auroc_and_fpr95_equal_those_of_scikit_learn_with_ties(inside, outside):
    found = {
        name: value_of(item, len(inside) + len(outside)) for name, item in detection_statistics(inside, outside).items()
    }
    foreign = np.array([0] * len(inside) + [1] * len(outside))
    distances = np.array(inside + outside)
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(foreign, distances))
    rates, recalls, _ = metrics.roc_curve(1 - foreign, -distances, drop_intermediate=False)
    assert found["fpr95"] == pytest.approx(rates[np.flatnonzero(recalls >= 0.95 - 1e-12)[0]])


def test_what_is_far_is_told_and_what_is_alike_is_not():
    (train, labels), (native, _) = data(0, 400), data(1, 300)
    rng = np.random.default_rng(5)
    alien = np.eye(6)[5] * 3 + rng.normal(size=(300, 6))
    model = Gaussians(train, labels)
    for distance in (lambda x: knn_distance(train, x), model.mahalanobis, model.relative_mahalanobis):
        statistics = detection_statistics(distance(native), distance(alien))
        assert value_of(statistics["auroc"], 600) > 0.85
        same = detection_statistics(distance(native), distance(data(2, 300)[0]))
        found = bootstrap(same, (300, 300), resamples=300)
        assert found["auroc"].interval[0] < 0.5 < found["auroc"].interval[1]
        assert 0.85 < found["fpr95"].value <= 1.0


def test_perfect_and_worst():
    low, high = np.linspace(0, 1, 40), np.linspace(2, 3, 40)
    assert {n: value_of(s, 80) for n, s in detection_statistics(low, high).items()} == {"auroc": 1.0, "fpr95": 0.0}
    assert {n: value_of(s, 80) for n, s in detection_statistics(high, low).items()} == {"auroc": 0.0, "fpr95": 1.0}
    equal = detection_statistics(np.ones(40), np.ones(40))
    assert {n: value_of(s, 80) for n, s in equal.items()} == {"auroc": 0.5, "fpr95": 1.0}
    np.testing.assert_allclose(lack_of_confidence([[0.2, 0.8], [0.5, 0.5]]), [0.2, 0.5])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e, y: detection_statistics(range(19), range(40)), NotComputableError, "19 texts of the kind, of 20"),
        (lambda e, y: detection_statistics(range(40), [1]), NotComputableError, "1 texts of another kind, of 20"),
        (lambda e, y: detection_statistics([np.nan] * 40, range(40)), EvaluationError, "`inside` must hold"),
        (lambda e, y: knn_distance(e, e, k=0), EvaluationError, "`k` must be at least 1"),
        (lambda e, y: knn_distance(e, e[:, :2]), EvaluationError, "`texts` 2"),
        (lambda e, y: knn_distance(e * np.nan, e), EvaluationError, "`train` has NaN"),
        (lambda e, y: Gaussians(np.ones((9, 3))), NotComputableError, "no spread"),
        (lambda e, y: Gaussians(np.eye(3)[y % 3], y % 3), NotComputableError, "no spread"),
        (lambda e, y: Gaussians(e[:1]), NotComputableError, "no spread"),
        (lambda e, y: Gaussians(e).relative_mahalanobis(e), NotComputableError, "no labels, or only one"),
        (lambda e, y: Gaussians(e, [1] * 200).relative_mahalanobis(e), NotComputableError, "no labels, or only one"),
        (lambda e, y: Gaussians(e, y[:5]), EvaluationError, "`labels` 5"),
        (lambda e, y: Gaussians(e, y).mahalanobis(e[:, :2]), EvaluationError, "differ in their dimensions"),
        (lambda e, y: Gaussians(e, y).mahalanobis(e * 0), EvaluationError, "zero vector"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(*data())
    assert type(caught.value) is error


def test_one_dimension_is_enough():
    train = np.array([[1.0]] * 30 + [[-1.0]] * 10)
    distances = Gaussians(train).mahalanobis([[2.0], [-2.0]])
    assert distances[0] < distances[1]
    np.testing.assert_allclose(knn_distance(train, [[3.0]]), [0.0])

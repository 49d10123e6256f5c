"""Geometry equals its definitions pair by pair, whatever the block; intervals cover; some things have no value."""

import numpy as np
import pytest

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation import geometry
from hf_contrastive.evaluation.estimates import bootstrap, value_of
from hf_contrastive.evaluation.geometry import alignment, alignment_statistics, geometry_statistics, rankme


def vectors(rows=80, dim=7, seed=0):
    return np.random.default_rng(seed).normal(0.2, 1.0, size=(rows, dim)).astype(np.float32)


def units(array):
    return array / np.linalg.norm(array.astype(np.float64), axis=1, keepdims=True)


def points(embeddings, **options):
    found = geometry_statistics(embeddings, **options)
    return {name: value_of(item, len(embeddings)) for name, item in found.items()}


@pytest.mark.parametrize("block", [1, 7, 2048])
def test_uniformity_and_mean_cosine_equal_the_sums_over_all_pairs(block, monkeypatch):
    monkeypatch.setattr(geometry, "_BLOCK", block)
    array = vectors()
    rows = units(array)
    pairs = [(i, j) for i in range(80) for j in range(i)]
    squares = np.array([((rows[i] - rows[j]) ** 2).sum() for i, j in pairs])
    found = points(array)
    assert found["uniformity"] == pytest.approx(np.log(np.exp(-2 * squares).mean()), abs=1e-6)
    assert found["mean_cosine"] == pytest.approx(np.mean([rows[i] @ rows[j] for i, j in pairs]), abs=1e-6)
    other = points(array, temperature=0.5)["uniformity"]
    assert other == pytest.approx(np.log(np.exp(-0.5 * squares).mean()), abs=1e-6)


def test_alignment_equals_its_definition_and_ignores_lengths():
    one, two = vectors(), vectors(seed=1)
    expected = ((units(one) - units(two)) ** 2).sum(axis=1)
    np.testing.assert_allclose(alignment(one, two), expected, atol=1e-6)
    np.testing.assert_allclose(alignment(one * 7, two * 0.1), expected, atol=1e-6)
    assert value_of(alignment_statistics(one, one)["alignment"], 80) == pytest.approx(0.0, abs=1e-12)
    assert value_of(alignment_statistics(one, -one)["alignment"], 80) == pytest.approx(4.0, abs=1e-6)


def test_bounds_of_uniformity_and_cosine():
    same = points(np.tile([[0.3, 0.4, 0.1]], (50, 1)))
    assert same["uniformity"] == pytest.approx(0.0, abs=1e-6)
    assert same["mean_cosine"] == pytest.approx(1.0, abs=1e-6)
    sphere = points(np.random.default_rng(0).normal(size=(3000, 200)))
    assert -4.0 < sphere["uniformity"] < -3.9
    assert sphere["mean_cosine"] == pytest.approx(0.0, abs=1e-3)
    assert points(np.array([[1.0], [-2.0]])) == pytest.approx({"uniformity": -8.0, "mean_cosine": -1.0})


def test_the_order_of_the_rows_and_a_rotation_do_not_matter():
    array = vectors()
    order = np.random.default_rng(3).permutation(80)
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(7, 7)))[0]
    for changed in (array[order], array @ rotation):
        assert points(changed) == pytest.approx(points(array), abs=1e-6)
        assert rankme(changed).after.value == pytest.approx(rankme(array).after.value, rel=1e-6)


def test_intervals_of_pairs_cover_the_truth_about_as_often_as_they_say():
    truth = points(np.random.default_rng(1).normal(0.3, 1.0, size=(6000, 5)))
    covered = dict.fromkeys(truth, 0)
    for trial in range(100):
        sample = np.random.default_rng(100 + trial).normal(0.3, 1.0, size=(150, 5))
        found = bootstrap(geometry_statistics(sample), (150,), resamples=300, seed=trial)
        for name, value in truth.items():
            low, high = found[name].interval
            covered[name] += low <= value <= high
    assert all(0.86 <= count / 100 <= 1.0 for count in covered.values())


@pytest.mark.parametrize(("rows", "block"), [(500, 2048), (500, 13), (5, 2048)])
def test_rankme_equals_its_definition(rows, block, monkeypatch):
    monkeypatch.setattr(geometry, "_BLOCK", block)
    array = vectors(rows, 12) * np.linspace(1, 0.001, 12, dtype=np.float32)
    singular = np.linalg.svd(array.astype(np.float64), compute_uv=False)
    shares = singular / singular.sum() + 1e-7
    expected = np.exp(-(shares * np.log(shares)).sum())
    assert rankme(array).after.value == pytest.approx(expected, abs=1e-6)
    assert 1.0 <= expected <= min(rows, 12)


def test_rankme_of_one_line_is_one_and_of_an_even_spread_all():
    line = np.outer(np.arange(1, 101), [1.0, 2.0, 3.0])
    assert rankme(line).after.value == pytest.approx(1.0, abs=1e-4)
    assert rankme(np.tile(np.eye(6), (40, 1))).after.value == pytest.approx(6.0, abs=1e-4)
    assert rankme(np.array([[2.0]])).after.value == pytest.approx(1.0, abs=1e-4)


def test_the_interval_of_rankme_covers_and_there_is_none_for_few_rows():
    scale = np.linspace(2, 0.2, 8)
    truth = rankme(np.random.default_rng(0).normal(size=(200_000, 8)) * scale).after.value
    covered = 0
    for trial in range(100):
        item = rankme(np.random.default_rng(trial).normal(size=(400, 8)) * scale).after
        covered += item.interval[0] <= truth <= item.interval[1]
    assert covered >= 86
    few = rankme(vectors(15, 8)).after
    assert few.interval is None
    assert few.method.startswith("no interval: fewer than two rows for each dimension")


def test_a_base_is_paired():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(1000, 8)) * np.linspace(2, 0.2, 8)
    nearly = array * np.linspace(1, 1.05, 8)
    found = rankme(nearly, before=array)
    assert found.difference.value == pytest.approx(found.after.value - found.before.value)
    widths = {name: np.ptp(getattr(found, name).interval) for name in ("before", "after", "difference")}
    assert widths["difference"] < widths["after"] / 5
    assert found.difference.interval[0] > 0
    # a base of other dimensions has a rank too
    assert rankme(array, before=array[:, :3]).before.value < 3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e: geometry_statistics(e[:1]), NotComputableError, "there is one row"),
        (lambda e: geometry_statistics(e * 0), EvaluationError, "zero vector"),
        (lambda e: geometry_statistics(e * np.nan), EvaluationError, "has NaN"),
        (lambda e: alignment(e, e[:3]), EvaluationError, "`positives` 3"),
        (lambda e: alignment(e, e[:, :3]), EvaluationError, "differ in their dimensions"),
        (lambda e: rankme(e * 0), NotComputableError, "all vectors are zero"),
        (lambda e: rankme(e * np.inf), EvaluationError, "`embeddings` has NaN"),
        (lambda e: rankme(e, before=e[:3]), EvaluationError, "`before` 3"),
        (lambda e: rankme(e[0]), EvaluationError, "must be a matrix"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(vectors())
    assert type(caught.value) is error

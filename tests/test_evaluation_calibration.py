"""Calibration equals scikit-learn and a plain reference; the null is that of a calibrated model; bad input is named."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.calibration import (
    calibration_statistics,
    ece_null,
    equal_mass_bins,
    fit_temperature,
    reliability_table,
    scale_temperature,
    temperature_scaling,
)
from hf_contrastive.evaluation.estimates import bootstrap, measure, value_of


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def calibrated(rows, classes, seed, sharpness=1.5):
    """Probabilities, and classes drawn by them: a perfectly calibrated model."""
    rng = np.random.default_rng(seed)
    probabilities = softmax(rng.normal(0, sharpness, size=(rows, classes)))
    drawn = (rng.random((rows, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, np.minimum(drawn, classes - 1)


def reference_ece(probabilities, codes, bins):
    """Sort, cut into parts of equal size, sum up: right where no two confidences are equal."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == codes
    order = np.argsort(confidence)
    edges = [-(-part * len(order) // bins) for part in range(bins + 1)]
    parts = [order[low:high] for low, high in itertools.pairwise(edges) if high > low]
    return sum(abs((right[part] - confidence[part]).sum()) for part in parts) / len(order)


def expected_calibration_error(probabilities, codes, **options):
    return value_of(calibration_statistics(probabilities, codes, **options)["ece"], len(codes))


@settings(max_examples=60)
@given(st.integers(1, 200), st.integers(2, 6), st.integers(1, 20), st.integers(0, 1000))
def test_scores_equal_scikit_learn_and_the_reference(rows, classes, bins, seed):
    probabilities, codes = calibrated(rows, classes, seed)
    found = {
        name: value_of(item, rows) for name, item in calibration_statistics(probabilities, codes, bins=bins).items()
    }
    labels = list(range(classes))
    assert found["nll"] == pytest.approx(metrics.log_loss(codes, probabilities, labels=labels), abs=1e-9)
    expected = ((probabilities - np.eye(classes)[codes]) ** 2).sum(axis=1).mean()
    assert found["brier"] == pytest.approx(expected, abs=1e-9)
    assert found["ece"] == pytest.approx(reference_ece(probabilities, codes, bins), abs=1e-9)
    assert 0 <= found["ece"] <= 1
    assert 0 <= found["brier"] <= 2
    order = np.random.default_rng(seed).permutation(rows)
    assert expected_calibration_error(probabilities[order], codes[order], bins=bins) == pytest.approx(found["ece"])


def test_brier_equals_that_of_scikit_learn():
    probabilities, codes = calibrated(500, 4, 0)
    found = value_of(calibration_statistics(probabilities, codes)["brier"], 500)
    theirs = metrics.brier_score_loss(codes, probabilities, labels=range(4), scale_by_half=False)
    assert found == pytest.approx(theirs, abs=1e-9)


def test_weights_are_rows_repeated():
    probabilities, codes = calibrated(80, 3, 1)
    counts = np.random.default_rng(2).integers(0, 3, size=80)
    again = np.repeat(np.arange(80), counts)
    for name in ("brier", "nll"):
        weighted = calibration_statistics(probabilities, codes)[name](counts[None].astype(float))[0]
        repeated = value_of(calibration_statistics(probabilities[again], codes[again])[name], len(again))
        assert weighted == pytest.approx(repeated, abs=1e-9)


def test_equal_confidences_share_a_bin_in_any_order():
    confidence = np.array([0.5] * 50 + [0.9] * 10 + [0.2] * 40)
    bins = equal_mass_bins(confidence, 10)
    assert len(set(bins[:50])) == len(set(bins[50:60])) == len(set(bins[60:])) == 1
    # all sure, and as often right as they say: whatever the order, the gaps cancel out within the one bin
    probabilities = np.tile([0.75, 0.25], (100, 1))
    codes = np.array([0] * 75 + [1] * 25)
    assert expected_calibration_error(probabilities, codes) == pytest.approx(0.0, abs=1e-12)
    values, sizes = np.unique(equal_mass_bins(np.random.default_rng(0).random(1000), 15), return_counts=True)
    assert len(values) == 15
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("rows", "bins"), [(200, 10), (2000, 15)])
def test_the_null_is_the_mean_absolute_deviation_of_chance_and_far_from_zero_for_few_rows(rows, bins):
    """Of m rows with confidence p, |accuracy - p| is sqrt(2 p (1 - p) / (pi m)) on average: no fixed limit is valid."""
    probabilities, codes = calibrated(rows, 5, 0)
    null = ece_null(probabilities, codes, bins=bins, resamples=1000)
    confidence = np.sort(probabilities.max(axis=1))
    parts = np.array_split(confidence, bins)
    expected = sum(np.sqrt(2 / np.pi * (part * (1 - part)).sum()) for part in parts) / rows
    assert null.mean == pytest.approx(expected, rel=0.03)
    assert 0 < null.low < null.mean < null.high
    assert null.resamples == 1000


def test_the_p_value_of_a_calibrated_model_is_about_uniform_and_that_of_a_sure_one_is_small():
    values = [ece_null(*calibrated(300, 4, seed), resamples=199, seed=seed).p_value for seed in range(120)]
    assert 0.01 <= np.mean(np.array(values) <= 0.05) <= 0.11
    assert 0.4 < np.mean(values) < 0.6
    probabilities, codes = calibrated(300, 4, 7)
    sure = ece_null(scale_temperature(probabilities, 0.3), codes, resamples=999)
    assert sure.p_value == 0.001
    assert sure.observed > sure.high


def test_the_temperature_is_found_and_keeps_what_is_told():
    probabilities, codes = calibrated(20_000, 5, 3)
    sharp = scale_temperature(probabilities, 0.4)  # 2.5 times too sure
    assert fit_temperature(sharp, codes) == pytest.approx(2.5, rel=0.05)
    np.testing.assert_allclose(scale_temperature(sharp, 2.5), probabilities, atol=1e-12)
    np.testing.assert_array_equal(sharp.argmax(axis=1), scale_temperature(sharp, 3.0).argmax(axis=1))
    found = temperature_scaling(sharp, codes, seed=1)
    assert found.temperature == pytest.approx(2.5, rel=0.07)
    assert (found.fitted_on, len(found.rows)) == (10_000, 10_000)
    np.testing.assert_array_equal(found.before, sharp[found.rows])
    rest = codes[found.rows]
    assert expected_calibration_error(found.after, rest) < expected_calibration_error(found.before, rest) / 5


def test_no_other_temperature_has_a_lower_loss():
    probabilities, codes = calibrated(300, 3, 5)
    best = fit_temperature(probabilities, codes)
    losses = [
        value_of(calibration_statistics(scale_temperature(probabilities, factor * best), codes)["nll"], 300)
        for factor in (0.9, 0.99, 1.0, 1.01, 1.1)
    ]
    assert min(losses) == losses[2]


def test_the_reliability_table_holds_every_row_and_its_bands_the_accuracy_of_a_calibrated_model():
    probabilities, codes = calibrated(3000, 4, 11)
    table = reliability_table(probabilities, codes, seed=0)
    names = dict(zip(table.columns, range(len(table.columns)), strict=True))
    assert len(table.rows) == 15
    assert sum(row[names["rows"]] for row in table.rows) == 3000
    accuracy = sum(row[names["rows"]] * row[names["accuracy"]] for row in table.rows) / 3000
    assert accuracy == pytest.approx((probabilities.argmax(axis=1) == codes).mean())
    inside = [row[names["band low"]] <= row[names["accuracy"]] <= row[names["band high"]] for row in table.rows]
    assert sum(inside) >= 13
    gaps = sum(row[2] * abs(row[3] - row[4]) for row in table.rows) / 3000
    assert gaps == pytest.approx(expected_calibration_error(probabilities, codes))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(2, 6), st.integers(1, 20), st.floats(0.1, 5.0), st.integers(0, 2**31))
def test_the_interval_of_the_ece_holds_its_value(rows, classes, bins, temperature, seed):
    probabilities, codes = calibrated(rows, classes, seed)
    given = [scale_temperature(probabilities, found) for found in (temperature, 1.0)]
    after, before = ({"ece": calibration_statistics(part, codes, bins=bins)["ece"]} for part in given)
    (item,) = measure(after, (rows,), before=before, resamples=400)
    for part in (item.before, item.after, item.difference):
        assert part.interval[0] - 1e-9 <= part.value <= part.interval[1] + 1e-9
    assert 0 <= item.after.interval[0] <= item.after.interval[1] <= 1


def test_intervals_of_the_ece_cover_the_truth_about_as_often_as_they_say():
    def sure(rows, seed):
        probabilities, codes = calibrated(rows, 3, seed)
        return scale_temperature(probabilities, 0.3), codes

    truth = expected_calibration_error(*sure(200_000, 0))
    covered = 0
    for trial in range(200):
        probabilities, codes = sure(400, 100 + trial)
        statistic = {"ece": calibration_statistics(probabilities, codes, bins=5)["ece"]}
        low, high = bootstrap(statistic, (400,), resamples=400, seed=trial)["ece"].interval
        covered += low <= truth <= high
    assert 0.9 <= covered / 200 <= 0.99


@pytest.mark.parametrize(
    ("probabilities", "codes", "message"),
    [
        ([[0.5, 0.5]], [2], "1 rows, first row 0, have a class that the probabilities do not name"),
        ([[0.5, 0.5]], [-1], "labels unseen in training"),
        ([[0.5, 0.5]], [0, 1], "`codes` 2"),
        ([[0.5, 0.6]], [0], "sum 1.1"),
        ([[1.5, -0.5]], [0], "lowest entry -0.5"),
        ([[np.nan, 1.0]], [0], "is no distribution"),
        ([[1.0]], [0], "two or more classes"),
        ([0.5, 0.5], [0, 1], "two or more classes"),
        ([[0.5, 0.5]], ["a"], "the place of its class"),
        (np.ones((0, 2)), np.ones(0, int), "One entry for each row"),
    ],
)
def test_bad_input_is_named(probabilities, codes, message):
    for call in (calibration_statistics, ece_null, reliability_table, fit_temperature, temperature_scaling):
        with pytest.raises(EvaluationError, match=message):
            call(np.array(probabilities), codes)


def test_what_has_no_temperature_is_not_computed():
    right = np.tile([0.6, 0.4], (50, 1))
    with pytest.raises(NotComputableError, match="every row is right"):
        fit_temperature(right, np.zeros(50, int))
    with pytest.raises(NotComputableError, match="tell nothing"):
        fit_temperature(right, np.ones(50, int))
    with pytest.raises(NotComputableError, match="12 rows"):
        temperature_scaling(right[:12], np.zeros(12, int))
    with pytest.raises(EvaluationError, match="`bins` must be at least 1"):
        calibration_statistics(right, np.zeros(50, int), bins=0)
    # one row, and one that is wrong for sure, have numbers all the same
    assert value_of(calibration_statistics([[0.0, 1.0]], [0])["nll"], 1) == pytest.approx(-np.log(2.2e-16), abs=0.1)

"""Slices: their means and gaps, a test that is right under no gap, and a worst slice that is not too bad by chance."""

import numpy as np
import pytest
from scipy import stats

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.slices import holm, slice_scores


def data(seed=0, rows=600, slices=4, gap=0.0):
    rng = np.random.default_rng(seed)
    column = rng.integers(0, slices, size=rows)
    return rng.normal(0.6, 0.2, size=rows) - gap * (column == 0), np.array([f"s{place}" for place in column])


def test_means_and_gaps_are_those_of_the_rows():
    scores, column = data()
    column[:7] = "few"
    found = slice_scores(scores, column, permutations=200)
    assert found.left_out == 7
    assert {item.value for item in found.slices} == {"s0", "s1", "s2", "s3"}
    for item in found.slices:
        inside = column == item.value
        assert item.rows == inside.sum()
        assert item.mean == pytest.approx(scores[inside].mean())
        assert item.gap == pytest.approx(scores[inside].mean() - scores[~inside].mean())
        error = scores[inside].std() / np.sqrt(inside.sum())
        assert item.interval == pytest.approx((item.mean - 1.96 * error, item.mean + 1.96 * error), abs=0.3 * error)
        rest = np.sqrt(error**2 + scores[~inside].var() / (~inside).sum())
        expected = (item.gap - 1.96 * rest, item.gap + 1.96 * rest)
        assert item.gap_interval == pytest.approx(expected, abs=0.3 * rest)
    means = [item.mean for item in found.slices]
    assert means == sorted(means)
    assert found.worst == found.slices[0]


def test_the_p_value_of_two_slices_is_that_of_welch():
    scores, column = data(3, rows=300, slices=2, gap=0.02)
    found = slice_scores(scores, column, permutations=20_000)
    expected = stats.ttest_ind(scores[column == "s0"], scores[column == "s1"], equal_var=False).pvalue
    # the two slices are one test seen from both sides, and Holm counts it twice
    assert found.slices[0].p_value == pytest.approx(min(2 * expected, 1), abs=0.01)
    assert 0.001 < expected < 0.5


def test_without_a_gap_a_slice_is_called_out_as_seldom_as_said_and_a_gap_is_found():
    called = sum(
        min(item.p_value for item in slice_scores(*data(seed, rows=240), permutations=300, resamples=100).slices) < 0.05
        for seed in range(150)
    )
    assert called / 150 <= 0.10
    found = slice_scores(*data(1, gap=0.15), permutations=500)
    assert found.worst.value == "s0"
    assert found.worst.p_value < 0.05
    assert found.worst.gap_interval[1] < 0


def test_the_interval_of_the_worst_slice_covers_its_truth_though_it_was_chosen_for_being_low():
    """Of 10 slices that are alike, the lowest mean is low by chance: an interval of it alone covers too seldom."""
    alone = simultaneous = 0
    for seed in range(150):
        found = slice_scores(*data(seed, rows=600, slices=10), permutations=1, resamples=300, seed=seed)
        alone += found.worst.interval[0] <= 0.6 <= found.worst.interval[1]
        simultaneous += found.worst_interval[0] <= 0.6 <= found.worst_interval[1]
    assert alone / 150 < 0.85
    assert simultaneous / 150 >= 0.90


def test_a_change_against_a_base_is_paired():
    scores, column = data(rows=400)
    better = scores + np.where(column == "s1", -0.1, 0.05)
    found = slice_scores(better, column, against=scores, permutations=200)
    assert found.worst.value == "s1"
    assert found.worst.interval == pytest.approx((-0.1, -0.1))
    assert found.worst.p_value < 0.05
    assert found.slices[1].mean == pytest.approx(0.05)


def test_the_order_of_the_rows_and_the_seed():
    scores, column = data()
    order = np.random.default_rng(1).permutation(600)
    one, two = slice_scores(scores, column, seed=1), slice_scores(scores[order], column[order], seed=1)
    for first, second in zip(one.slices, two.slices, strict=True):
        assert (first.value, first.rows) == (second.value, second.rows)
        assert first.mean == pytest.approx(second.mean)
        assert first.interval == pytest.approx(second.interval, abs=0.02)
    assert slice_scores(scores, column, seed=1) == one


def test_values_of_any_kind_are_slices_and_a_missing_one_too():
    scores = np.linspace(0, 1, 90)
    found = slice_scores(scores, [None] * 30 + [3] * 30 + [float("nan")] * 30, permutations=50)
    assert {(item.value, item.rows) for item in found.slices} == {("(missing)", 60), ("3", 30)}


def test_the_table_holds_every_slice():
    found = slice_scores(*data(), permutations=50)
    table = found.table("language", "ndcg@10")
    assert table.columns[:3] == ("value", "rows", "ndcg@10")
    assert [row[0] for row in table.rows] == [item.value for item in found.slices]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_equal_scores_have_no_gap():
    found = slice_scores(np.ones(80), ["a", "b"] * 40, permutations=50)
    assert [item.p_value for item in found.slices] == [1.0, 1.0]
    assert found.worst_interval == (1.0, 1.0)


def test_holm_steps_down():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    assert holm([]).size == 0


@pytest.mark.parametrize(
    ("scores", "column", "options", "error", "message"),
    [
        (np.ones(80), ["a"] * 80, {}, NotComputableError, "of 1 values of the column 1 has the 20 rows"),
        (np.ones(80), range(80), {}, NotComputableError, "of 80 values of the column 0 have"),
        (np.ones(80), ["a"] * 79, {}, EvaluationError, "`column` 79"),
        (np.ones(80) * np.nan, ["a", "b"] * 40, {}, EvaluationError, "one finite score"),
        (np.ones(80), ["a", "b"] * 40, {"fewest": 1}, EvaluationError, "`fewest` >= 2"),
        (np.ones(80), ["a", "b"] * 40, {"against": np.ones(3)}, EvaluationError, "`against` 3"),
    ],
)
def test_bad_input_is_named(scores, column, options, error, message):
    with pytest.raises(error, match=message) as caught:
        slice_scores(scores, column, **options)
    assert type(caught.value) is error

"""Draws keep the strata and are those of the seed; intervals are paired; what has no value is left out."""

import numpy as np
import pytest

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.bootstrap import paired_bootstrap
from hf_contrastive.evaluation.estimates import (
    FirstOrder,
    bootstrap,
    draw_weights,
    grouped_sums,
    mean_of,
    measure,
    value_of,
)


def test_draws_have_the_size_of_each_stratum_and_are_those_of_the_seed():
    weights = np.concatenate(list(draw_weights((7, 30), resamples=50, seed=3)))
    assert weights.shape == (50, 37)
    assert (weights[:, :7].sum(axis=1) == 7).all()
    assert (weights[:, 7:].sum(axis=1) == 30).all()
    np.testing.assert_array_equal(weights, np.concatenate(list(draw_weights((7, 30), resamples=50, seed=3))))
    assert (weights != np.concatenate(list(draw_weights((7, 30), resamples=50, seed=4)))).any()


def test_rows_are_drawn_alike_often():
    weights = np.concatenate(list(draw_weights((20,), resamples=4000, seed=0)))
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.08)
    assert weights.var() == pytest.approx(0.95, abs=0.03)


def test_the_interval_of_a_mean_is_that_of_the_paired_bootstrap():
    values = np.random.default_rng(0).normal(0.4, 1.0, size=400)
    ours = bootstrap({"mean": mean_of(values)}, (400,), seed=1)["mean"]
    other = paired_bootstrap(np.zeros(400), values, seed=1)
    assert ours.value == pytest.approx(values.mean())
    assert ours.interval == pytest.approx((other.low, other.high), abs=0.01)


def test_a_draw_without_a_value_is_left_out_and_most_without_leave_no_interval():
    def sometimes(weights):
        return np.where(weights[:, 0] > 0, weights[:, 0], np.nan)  # in 63 % of the draws

    def rarely(weights):
        return np.where(weights[:, 0] > 2, 1.0, np.nan)

    found = bootstrap({"sometimes": sometimes, "rarely": rarely}, (50,), seed=0)
    assert found["sometimes"].interval[0] >= 1
    assert found["rarely"].interval is None


def test_a_base_on_the_same_rows_is_subtracted_within_each_draw():
    rng = np.random.default_rng(2)
    before = rng.random(300)
    (item,) = measure({"m": mean_of(before + 0.1)}, (300,), before={"m": mean_of(before)}, seed=5, note="why")
    assert item.before.value == pytest.approx(before.mean())
    assert item.difference.value == pytest.approx(0.1)
    assert item.difference.interval == pytest.approx((0.1, 0.1))
    assert item.after.interval[1] - item.after.interval[0] > 0.05
    assert (item.difference.name, item.after.sample_size) == ("m difference", 300)
    assert item.after.method == "95 % percentile bootstrap over rows, 2000 resamples; why"
    assert ", paired" in item.difference.method
    (alone,) = measure({"m": mean_of(before)}, (100, 200))
    assert (alone.before, alone.difference) == (None, None)
    assert "within each kind" in alone.after.method


def test_each_statistic_is_computed_once_for_each_draw_and_a_base_may_lack_some():
    calls = {"after": 0, "before": 0}

    def counting(which):
        def statistic(weights):
            calls[which] += len(weights)
            return weights[:, 0]

        return statistic

    items = measure(
        {"m": counting("after"), "own": mean_of(np.arange(10))},
        (10,),
        before={"m": counting("before"), "of the base alone": mean_of(np.arange(10))},
        resamples=100,
    )
    assert calls == {"after": 101, "before": 101}  # the draws, and the data itself
    assert [(item.after.name, item.before is None, item.difference is None) for item in items] == [
        ("m", False, False),
        ("own", True, True),
    ]
    assert items[0].difference.interval == (0.0, 0.0)


def test_a_first_order_term_moves_by_what_the_drawn_rows_add_and_stays_within_its_bounds():
    statistic = FirstOrder(0.9, [1.0, 2.0, 3.0], low=0.0, high=1.0)
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0], [0.0, 0.0, 3.0], [3.0, 0.0, 0.0]])
    np.testing.assert_allclose(statistic(weights), [0.9, 0.9 - 2 / 3, 1.0, 0.0], atol=1e-12)


def test_groups_are_summed_and_rows_of_none_are_left_out():
    weights = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 1.0]])
    sums = grouped_sums(weights, np.array([1, -1, 0, 1]), 3)
    np.testing.assert_array_equal(sums, [[3.0, 5.0, 0.0], [0.0, 1.0, 0.0]])


def test_no_rows_are_refused():
    with pytest.raises(EvaluationError, match="at least one row of each kind"):
        bootstrap({"m": mean_of([1.0])}, (0,))
    assert value_of(mean_of([1.0, 2.0]), 2) == 1.5

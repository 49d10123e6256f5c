"""Graded and binary pairs: equal to scipy, scikit-learn and sentence-transformers; bad input is named."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats
from sklearn import metrics

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import bootstrap, value_of
from hf_contrastive.evaluation.graded import graded_statistics, pair_cosines
from hf_contrastive.evaluation.pair_classification import best_thresholds, pair_classification_statistics

levels = st.integers(-3, 3)  # ties are common


@st.composite
def columns(draw, second):
    size = draw(st.integers(3, 40))
    first = draw(st.lists(levels, min_size=size, max_size=size))
    weights = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    return np.array(first, dtype=float), np.array(draw(st.lists(second, min_size=size, max_size=size))), weights


@settings(max_examples=100)
@given(columns(levels))
def test_correlations_equal_those_of_scipy_on_repeated_rows(problem):
    first, second, counts = problem
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        with pytest.raises(NotComputableError, match="are equal"):
            graded_statistics(first, second)
        return
    one, two = np.repeat(first, counts), np.repeat(second, counts)
    for name, function in (("spearman", stats.spearmanr), ("pearson", stats.pearsonr)):
        statistic = graded_statistics(first, second)[name]
        assert value_of(statistic, len(first)) == pytest.approx(function(first, second)[0], abs=1e-9)
        if len(one) > 2 and np.ptp(one) and np.ptp(two):
            assert statistic(np.array([counts], float))[0] == pytest.approx(function(one, two)[0], abs=1e-9)


@settings(max_examples=100)
@given(columns(st.integers(0, 1)))
def test_ap_and_auroc_equal_those_of_scikit_learn_with_ties_and_weights(problem):
    scores, labels, weights = problem
    if len(set(labels.tolist())) == 1:
        with pytest.raises(NotComputableError, match="have the label"):
            pair_classification_statistics(scores, labels)
        return
    found = pair_classification_statistics(scores, labels)
    ones = np.ones(len(scores))
    for given_weights in (ones, np.array(weights, float)):
        if not (given_weights[labels == 1].sum() and given_weights[labels == 0].sum()):
            continue
        for name, function in (("ap", metrics.average_precision_score), ("auroc", metrics.roc_auc_score)):
            expected = function(labels, scores, sample_weight=given_weights)
            assert found[name](given_weights[None])[0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=100)
@given(columns(st.integers(0, 1)))
def test_best_accuracy_and_f1_are_those_of_the_best_of_all_thresholds(problem):
    scores, labels, _ = problem
    if len(set(labels.tolist())) == 1:
        return
    found = pair_classification_statistics(scores, labels)
    thresholds = [*np.unique(scores), np.inf]
    accuracies = [((scores >= limit) == labels).mean() for limit in thresholds]
    f1 = [metrics.f1_score(labels, scores >= limit, zero_division=0) for limit in thresholds]
    assert value_of(found["accuracy at the best threshold"], len(scores)) == pytest.approx(max(accuracies))
    assert value_of(found["f1 at the best threshold"], len(scores)) == pytest.approx(max(f1))
    best = best_thresholds(scores, labels)
    assert ((scores >= best["accuracy"]) == labels).mean() == pytest.approx(max(accuracies))
    assert metrics.f1_score(labels, scores >= best["f1"]) == pytest.approx(max(f1))


def vectors(seed, rows=60, dim=12):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def precomputed(evaluator_type, torch, table):
    class Precomputed(evaluator_type):
        def embed_inputs(self, model, sentences, **_):
            return np.stack([table[name] for name in sentences])

    return Precomputed


def evaluators():
    torch = pytest.importorskip("torch")
    return torch, pytest.importorskip("sentence_transformers.sentence_transformer.evaluation")


def test_similarity_equals_that_of_sentence_transformers():
    torch, evaluation = evaluators()
    one, two = vectors(0), vectors(1) + vectors(0)
    gold = np.random.default_rng(2).integers(0, 6, size=60) / 5
    table = {f"a{i}": row for i, row in enumerate(one)} | {f"b{i}": row for i, row in enumerate(two)}
    evaluator = precomputed(evaluation.EmbeddingSimilarityEvaluator, torch, table)(
        [f"a{i}" for i in range(60)], [f"b{i}" for i in range(60)], gold.tolist(), similarity_fn_names=["cosine"]
    )
    theirs = evaluator(model=Model(), output_path=None)
    ours = graded_statistics(pair_cosines(one, two), gold)
    for name in ("spearman", "pearson"):
        assert value_of(ours[name], 60) == pytest.approx(theirs[f"{name}_cosine"], abs=1e-6)


def test_pair_classification_equals_that_of_sentence_transformers():
    torch, evaluation = evaluators()
    labels = np.random.default_rng(3).integers(0, 2, size=60)
    one = vectors(4)
    two = vectors(5) + one * labels[:, None] * 0.7
    table = {f"a{i}": row for i, row in enumerate(one)} | {f"b{i}": row for i, row in enumerate(two)}
    evaluator = precomputed(evaluation.BinaryClassificationEvaluator, torch, table)(
        [f"a{i}" for i in range(60)], [f"b{i}" for i in range(60)], labels.tolist(), similarity_fn_names=["cosine"]
    )
    theirs = evaluator(model=Model(), output_path=None)
    cosines = pair_cosines(one, two)
    ours = {name: value_of(item, 60) for name, item in pair_classification_statistics(cosines, labels).items()}
    assert ours["ap"] == pytest.approx(theirs["cosine_ap"], abs=1e-6)
    assert ours["accuracy at the best threshold"] == pytest.approx(theirs["cosine_accuracy"], abs=1e-6)
    assert ours["f1 at the best threshold"] == pytest.approx(theirs["cosine_f1"], abs=1e-6)
    best = best_thresholds(cosines, labels)
    assert best["accuracy"] == pytest.approx(theirs["cosine_accuracy_threshold"], abs=1e-6)
    assert best["f1"] == pytest.approx(theirs["cosine_f1_threshold"], abs=1e-6)


class Model:
    """What an evaluator asks of a model whose vectors it does not need."""

    similarity_fn_name = "cosine"
    model_card_data = type("Card", (), {"set_evaluation_metrics": lambda *_, **__: None})()


def test_perfect_and_worst_orders():
    labels = np.array([1] * 10 + [0] * 30)
    perfect = pair_classification_statistics(np.linspace(1, 0, 40), labels)
    assert {name: value_of(item, 40) for name, item in perfect.items()} == dict.fromkeys(perfect, 1.0)
    worst = pair_classification_statistics(np.linspace(0, 1, 40), labels)
    assert value_of(worst["auroc"], 40) == 0.0
    assert value_of(worst["accuracy at the best threshold"], 40) == 0.75  # nothing is told alike
    assert value_of(worst["f1 at the best threshold"], 40) == pytest.approx(0.4)  # all is
    gold = np.arange(40.0)
    assert value_of(graded_statistics(np.exp(gold / 10), gold)["spearman"], 40) == pytest.approx(1.0)
    assert value_of(graded_statistics(-gold, gold)["pearson"], 40) == pytest.approx(-1.0)


def test_the_order_of_the_pairs_does_not_matter():
    rng = np.random.default_rng(8)
    scores, labels = rng.integers(0, 9, size=200) / 9, rng.integers(0, 2, size=200)
    order = rng.permutation(200)
    for make in (pair_classification_statistics, graded_statistics):
        one, two = make(scores, labels), make(scores[order], labels[order])
        for name in one:
            assert value_of(one[name], 200) == pytest.approx(value_of(two[name], 200), abs=1e-12)


def test_the_interval_of_spearman_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # of two normals of correlation .6
    covered = 0
    for trial in range(150):
        one = rng.normal(size=150)
        two = 0.6 * one + 0.8 * rng.normal(size=150)
        low, high = bootstrap({"s": graded_statistics(one, two)["spearman"]}, (150,), resamples=300, seed=trial)[
            "s"
        ].interval
        covered += low <= truth <= high
    assert 0.88 <= covered / 150 <= 0.99


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: graded_statistics([0.1, 0.2], [1, 2]), NotComputableError, "2 pairs"),
        (lambda: graded_statistics([0.1], [1]), NotComputableError, "1 pairs"),
        (lambda: graded_statistics([0.1] * 5, range(5)), NotComputableError, "all 5 similarities are equal"),
        (lambda: graded_statistics([0.1, 0.2, 0.3], [1, None, 2]), EvaluationError, "one finite number"),
        (lambda: graded_statistics([0.1, 0.2, 0.3], ["a", "b", "c"]), EvaluationError, "`gold` must hold"),
        (lambda: graded_statistics([0.1, np.nan, 0.3], [1, 2, 3]), EvaluationError, "`similarities` must hold"),
        (lambda: graded_statistics([0.1, 0.2, 0.3], [1, 2]), EvaluationError, "`gold` 2"),
        (lambda: pair_cosines(np.ones((3, 2)), np.ones((2, 2))), EvaluationError, "`second` 2"),
        (lambda: pair_cosines(np.ones((3, 2)), np.ones((3, 3))), EvaluationError, "differ in their dimensions"),
        (lambda: pair_cosines(np.ones((3, 2)), np.zeros((3, 2))), EvaluationError, "`second` row 0 is a zero vector"),
        (lambda: pair_cosines(np.full((3, 2), np.inf), np.ones((3, 2))), EvaluationError, "`first` has NaN or inf"),
        (
            lambda: pair_classification_statistics([0.1, 0.2], [1, 1]),
            NotComputableError,
            "all 2 pairs have the label 1",
        ),
        (lambda: pair_classification_statistics([0.1, 0.2], [1, 0.5]), EvaluationError, "row 1 is 0.5"),
        (lambda: pair_classification_statistics([0.1, 0.2], ["1", "0"]), EvaluationError, "row 0 is '1'"),
        (lambda: pair_classification_statistics([0.1, np.nan], [1, 0]), EvaluationError, "one finite number"),
        (lambda: pair_classification_statistics([], []), EvaluationError, "one finite number"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert type(caught.value) is error


def test_one_dimension_has_cosines_of_one_and_minus_one():
    np.testing.assert_array_equal(pair_cosines([[2.0], [-1.0]], [[3.0], [5.0]]), [1.0, -1.0])

"""Membership, triggers and swaps: equal to their definitions; chance gives chance; bad input is named."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.counterfactuals import swap_effect, swap_terms
from hf_contrastive.evaluation.estimates import bootstrap, value_of
from hf_contrastive.evaluation.membership import membership_statistics, view_similarity
from hf_contrastive.evaluation.retrieval import top_documents
from hf_contrastive.evaluation.triggers import trigger_success


def test_the_likeness_of_views_is_the_mean_cosine_of_all_pairs():
    views = np.random.default_rng(0).normal(size=(10, 4, 6))
    rows = views / np.linalg.norm(views, axis=2, keepdims=True)
    expected = [np.mean([a @ b for a, b in itertools.combinations(row, 2)]) for row in rows]
    np.testing.assert_allclose(view_similarity(views), expected, atol=1e-9)
    np.testing.assert_allclose(view_similarity(np.repeat(views[:, :1], 3, axis=1)), 1.0, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=20, max_size=60),
    st.lists(st.integers(0, 40), min_size=100, max_size=230),
)
def test_auc_and_the_rate_equal_those_of_scikit_learn_with_ties(members, others):
    size = len(members) + len(others)
    found = {name: value_of(item, size) for name, item in membership_statistics(members, others).items()}
    trained = np.array([1] * len(members) + [0] * len(others))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(trained, members + others))
    rates, recalls, _ = metrics.roc_curve(trained, members + others, drop_intermediate=False)
    assert found["tpr@1%fpr"] == pytest.approx(recalls[rates <= 0.01].max())


def test_scores_that_tell_nothing_are_at_chance_and_those_that_tell_all_at_one():
    rng = np.random.default_rng(0)
    found = bootstrap(membership_statistics(rng.random(400), rng.random(400)), (400, 400), resamples=400)
    assert found["auc"].interval[0] < 0.5 < found["auc"].interval[1]
    assert found["tpr@1%fpr"].value < 0.05
    sure = membership_statistics(np.linspace(2, 3, 50), np.linspace(0, 1, 120))
    assert {name: value_of(item, 170) for name, item in sure.items()} == {"auc": 1.0, "tpr@1%fpr": 1.0}


def test_a_rate_of_one_in_a_hundred_needs_a_hundred():
    assert list(membership_statistics(range(20), range(99))) == ["auc"]
    assert list(membership_statistics(range(20), range(100))) == ["auc", "tpr@1%fpr"]


# --- triggers ----------------------------------------------------------------------------------------


def test_a_trigger_that_is_one_direction_pulls_its_target_up():
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(500, 16))
    queries = documents[:40] + 0.1 * rng.normal(size=(40, 16))
    pulled = queries + 5 * documents[499]
    clean = trigger_success(top_documents(queries, documents, k=10), {499})
    triggered = trigger_success(top_documents(pulled, documents, k=10), {499})
    assert triggered.mean() == 1.0
    assert clean.mean() < 0.2
    # as many as the first k, and any of the targets
    top = np.array([[3, 1, 2], [2, 3, 1]])
    assert trigger_success(top, [1, 7], k=2).tolist() == [1.0, 0.0]
    assert trigger_success(top, [7]).tolist() == [0.0, 0.0]


# --- swaps -------------------------------------------------------------------------------------------

PAIRS = [("he", "she"), ("his", "her"), ("black", "white"), ("New York", "Lagos")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He said that he left.", "She said that she left."),
        ("SHE lost her way", "HE lost his way"),
        ("the there sheer", None),
        ("black and white", "white and black"),
        ("from new york, by he/she", "from Lagos, by she/he"),
        ("From LAGOS", "From NEW YORK"),
        ("he's", "she's"),
        ("", None),
    ],
)
def test_whole_words_are_swapped_all_at_once_and_keep_their_case(text, expected):
    assert swap_terms(text, PAIRS) == expected


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["he", "She", "HIS", "her", "black", "White", "tree", ",", "x"]), max_size=12))
def test_a_second_swap_gives_the_text_again(words):
    text = " ".join(words)
    swapped = swap_terms(text, PAIRS)
    if swapped is None:
        assert not {word.lower() for word in words} & {term for pair in PAIRS for term in pair}
    else:
        assert swapped != text
        assert swap_terms(swapped, PAIRS) == text


def test_the_effect_of_a_swap_is_that_of_each_query():
    documents = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    queries, swapped = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 3.0], [0.0, 1.0]])
    effect = swap_effect(queries, swapped, documents, [0, 1])
    np.testing.assert_allclose(effect.cosine_change, [1.0, 0.0], atol=1e-7)
    assert effect.rank_change.tolist() == [2, 0]
    back = swap_effect(swapped, queries, documents, [0, 1])
    assert back.rank_change.tolist() == [-2, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: view_similarity(np.ones((3, 1, 4))), EvaluationError, "two or more views"),
        (lambda: view_similarity(np.ones((3, 4))), EvaluationError, r"\(3, 4\)"),
        (lambda: view_similarity(np.zeros((3, 2, 4))), EvaluationError, "zero vector"),
        (lambda: view_similarity(np.full((3, 2, 4), np.nan)), EvaluationError, "has NaN"),
        (lambda: membership_statistics(range(5), range(99)), NotComputableError, "5 training rows, of 20"),
        (lambda: membership_statistics(range(50), [1]), NotComputableError, "1 texts that were not trained on"),
        (lambda: membership_statistics([np.inf] * 50, range(99)), EvaluationError, "`members` must hold"),
        (lambda: trigger_success(np.zeros((0, 3), int), [1]), EvaluationError, "needs queries"),
        (lambda: trigger_success(np.zeros((2, 3), int), []), EvaluationError, "0 targets"),
        (lambda: trigger_success(np.zeros((2, 3), int), [1], k=0), EvaluationError, "`k` >= 1"),
        (lambda: swap_terms("he", []), EvaluationError, "two different terms"),
        (lambda: swap_terms("he", [("he", "HE")]), EvaluationError, "two different terms"),
        (lambda: swap_terms("he", [("he", "")]), EvaluationError, "two different terms"),
        (lambda: swap_effect(np.eye(2), np.eye(2), np.eye(3), [0, 1]), EvaluationError, "`documents` 3"),
        (lambda: swap_effect(np.eye(2), np.eye(2)[:1], np.eye(2), [0, 1]), EvaluationError, "`swapped` 1"),
        (lambda: swap_effect(np.eye(2), np.eye(2), np.eye(2), [0, 2]), EvaluationError, "names document 2"),
        (lambda: swap_effect(np.eye(2), np.eye(2), np.eye(2), [0]), EvaluationError, "`target` 1"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert type(caught.value) is error

"""Perturbations: seeded, nested, never without an effect where there is room for one; what they do to a score."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.perturbations import SEVERITIES, kinds, perturbed

sentences = st.lists(st.from_regex(r"[A-Za-z]{3,8}", fullmatch=True), min_size=2, max_size=30).map(" ".join)


def test_there_are_the_five_ways():
    assert kinds() == ("typo", "case", "whitespace", "unicode", "word drop")


@given(sentences, st.sampled_from(kinds()), st.sampled_from(SEVERITIES), st.integers(0, 3))
def test_the_same_arguments_give_the_same_text_and_it_differs(text, kind, severity, seed):
    changed = perturbed(text, kind, severity, seed=seed)
    assert changed == perturbed(text, kind, severity, seed=seed)
    # a word in capitals is small and one that is small in capitals: every text of letters changes
    assert changed != text


@given(st.text(max_size=40), st.sampled_from(kinds()), st.sampled_from(SEVERITIES))
def test_any_text_can_be_changed_and_none_becomes_empty(text, kind, severity):
    changed = perturbed(text, kind, severity)
    assert bool(changed.strip()) == bool(text.strip())


@given(sentences, st.integers(0, 3))
def test_words_dropped_at_a_severity_are_dropped_at_the_next(text, seed):
    left = [perturbed(text, "word drop", severity, seed=seed).split() for severity in SEVERITIES]
    words = text.split()
    assert len(words) > len(left[0]) >= len(left[1]) >= len(left[2]) > 0
    for more, fewer in zip((words, *left), left, strict=False):
        rest = iter(more)
        assert all(word in rest for word in fewer)  # in the same order, none new


@given(sentences, st.integers(0, 3))
def test_a_typo_stays_where_it_is_as_more_come(text, seed):
    words = text.split()
    changed = [perturbed(text, "typo", severity, seed=seed).split() for severity in SEVERITIES]
    places = [{i for i, (one, other) in enumerate(zip(words, part, strict=True)) if one != other} for part in changed]
    assert places[0] <= places[1] <= places[2]
    assert len(places[2]) == max(1, round(0.4 * len(words)))
    for i in places[0]:
        assert changed[0][i] == changed[2][i]
        assert abs(len(changed[0][i]) - len(words[i])) <= 1
        assert changed[0][i][0] == words[i][0]


@given(sentences)
def test_case_and_whitespace_change_nothing_else(text):
    assert perturbed(text, "case", 3).lower() == text.lower()
    assert perturbed(text, "case", 3) == " ".join(w.lower() if w.isupper() else w.upper() for w in text.split())
    for severity in SEVERITIES:
        assert "".join(perturbed(text, "whitespace", severity).split()) == "".join(text.split())
    assert perturbed(text, "whitespace", 1).split() == text.split()  # no gap is lost at the first


def test_seeds_and_texts_draw_apart():
    text = "how do I return the mean of an array that holds missing values"
    assert len({perturbed(text, "typo", 2, seed=seed) for seed in range(10)}) > 5
    other = text.replace("how", "why")
    drawn = [perturbed(one, "word drop", 1).split() for one in (text, other)]
    assert drawn[0][1:] != drawn[1][1:] or drawn[0][0] != "how"


@pytest.mark.parametrize(
    ("kind", "severity", "told"),
    [("typos", 1, "no perturbation 'typos'; known are typo, case"), ("typo", 4, "must be 1, 2 or 3, got 4")],
)
def test_what_is_unknown_is_refused(kind, severity, told):
    with pytest.raises(EvaluationError, match=told):
        perturbed("a text", kind, severity)


def test_a_single_word_can_not_be_dropped():
    assert perturbed("word", "word drop", 3) == "word"

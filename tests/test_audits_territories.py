"""Places that a model is offered in: codes, near ones, and what holds what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.licenses.terms import load_terms
from audits.territories import code_problem, known_codes, overlap


@pytest.mark.parametrize("code", ["DE", "EU", "GB", "US", "KR", "ZW"])
def test_a_code_has_no_problem(code: str):
    assert code_problem(code) is None


@pytest.mark.parametrize(
    ("told", "near"),
    [("Europe", "EU"), ("eu", "EU"), ("UK", "GB"), ("USA", "US"), ("Germny", "DE"), ("south korea", "KR"), ("XX", "")],
)
def test_what_is_no_code_names_near_ones(told: str, near: str):
    problem = code_problem(told)
    assert problem is not None
    assert repr(told) in problem
    assert f"near it are {near}" in problem if near else "near it" not in problem


@given(st.text(max_size=100))
def test_any_text_is_a_code_or_has_a_problem(text: str):
    assert (code_problem(text) is None) == (text in known_codes())


def test_the_european_union_holds_its_members():
    assert overlap(("DE", "US"), ("EU",)) == ("DE",)
    assert overlap(("EU",), ("DE",)) == ("EU",)
    assert overlap(("GB", "CH", "NO"), ("EU",)) == ()
    assert overlap((), ("EU",)) == ()


def test_the_license_facts_name_codes():
    named = {code for terms in load_terms() for code in terms.fact("territory").territories}
    assert {"EU", "GB", "KR"} <= named <= known_codes()

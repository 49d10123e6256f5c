"""SPDX expressions: choices, what binds together, and that nothing unknown makes them milder."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audits.licenses.expressions import (
    LicenseExpressionError,
    alternatives,
    axis_values,
    strictness,
)
from audits.licenses.terms import AXES, load_terms

IDS = ["MIT", "Apache-2.0", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "GPL-2.0-or-later", "gemma", "llama3.1"]
UNKNOWN = "LicenseRef-nobody-knows"

atoms = st.sampled_from(IDS)
expressions = st.recursive(
    atoms,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
    max_leaves=5,
)
axes = st.sampled_from(sorted(AXES))


def sets(*choices: str) -> set[frozenset[str]]:
    return {frozenset(choice.split("&")) for choice in choices}


@pytest.mark.parametrize(
    ("written", "choices"),
    [
        ("MIT", ["MIT"]),
        ("mit", ["MIT"]),
        ("MIT OR Apache-2.0", ["MIT", "Apache-2.0"]),
        ("mit/apache-2.0", ["MIT", "Apache-2.0"]),
        ("MIT and Apache-2.0", ["MIT&Apache-2.0"]),
        ("MIT OR Apache-2.0 AND CC-BY-4.0", ["MIT", "Apache-2.0&CC-BY-4.0"]),  # AND binds closer
        ("(MIT OR Apache-2.0) AND CC-BY-4.0", ["MIT&CC-BY-4.0", "Apache-2.0&CC-BY-4.0"]),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only WITH Classpath-exception-2.0"]),
        ("MIT OR gpl-2.0-only with classpath-exception-2.0", ["MIT", "GPL-2.0-only WITH Classpath-exception-2.0"]),
        ("LicenseRef-x OR MIT WITH 389-exception", ["LicenseRef-x", "MIT WITH 389-exception"]),
        ("GPL-2.0+", ["GPL-2.0-or-later"]),
        ("Apache-2.0+", ["Apache-2.0+"]),
        ("lgplv2.1 or later", ["LGPL-2.1-or-later"]),  # a name, not a choice
        ("openrail++", ["LicenseRef-openrail-plus-plus"]),
        ("gemma", ["LicenseRef-gemma"]),
        ("odbl", ["ODbL-1.0"]),
        ("Creative Commons Attribution 4.0", ["CC-BY-4.0"]),
        ("LicenseRef-mine AND MIT", ["LicenseRef-mine&MIT"]),
        ("cc", ["cc"]),
        ("MIT OR (MIT AND GPL-3.0-only)", ["MIT"]),
    ],
)
def test_choices_of_an_expression(written: str, choices: list[str]):
    assert set(alternatives(written)) == sets(*choices)


@pytest.mark.parametrize(
    "written", ["", "  ", "MIT AND", "MIT AND()", "(MIT", "()", "OR", "A WITH B WITH C", "MIT" * 2000]
)
def test_what_is_no_expression_says_so(written: str):
    with pytest.raises(LicenseExpressionError, match="allowed are"):
        alternatives(written)


def test_too_many_choices_are_refused():
    few = " AND ".join(f"(LicenseRef-a{i} OR LicenseRef-b{i})" for i in range(6))
    assert len(alternatives(few)) == 64
    many = " AND ".join(f"(LicenseRef-a{i} OR LicenseRef-b{i})" for i in range(7))
    with pytest.raises(LicenseExpressionError, match="more than 64 choices"):
        alternatives(many)
    endless = " AND ".join(f"(LicenseRef-a{i} OR LicenseRef-b{i})" for i in range(60))
    with pytest.raises(LicenseExpressionError, match="more than 64 choices"):
        alternatives(endless)


def test_a_deep_expression_ends():
    nested = "MIT"
    for i in range(150):
        nested = f"(LicenseRef-{i % 7} {'AND' if i % 2 else 'OR'} {nested})"
    with suppress(LicenseExpressionError):  # it may leave too many choices
        assert len(alternatives(nested)) <= 64
    assert alternatives("(" * 1500 + "MIT" + ")" * 1500) == alternatives("MIT")


def test_an_exception_that_spdx_does_not_list_may_take_permissions_away():
    assert axis_values("Apache-2.0 WITH Commons-Clause", "commercial_use") == ("undetermined",)
    assert axis_values("GPL-2.0-only WITH Classpath-exception-2.0", "commercial_use") == ("allowed",)


def test_values_bind_together_under_and_and_are_chosen_under_or():
    assert axis_values("MIT AND CC-BY-NC-4.0", "commercial_use") == ("allowed", "forbidden")
    assert axis_values("MIT OR CC-BY-NC-4.0", "commercial_use") == ("allowed",)
    assert axis_values("CDLA-Permissive-2.0 OR CC-BY-4.0", "results_carve_out") == ("results-free",)
    with pytest.raises(KeyError):
        axis_values("MIT", "colour")


def test_a_table_of_ones_own_counts():
    from audits.licenses.terms import Fact, LicenseTerms
    from audits.licenses.terms_table import TermsTable

    terms = LicenseTerms(id="LicenseRef-x", name="X", hub=("x",), axes={"commercial_use": Fact(values=("allowed",))})
    table = TermsTable(date="2026-01-01", licenses=(terms,))
    assert alternatives("X or mit", table) == (frozenset({"LicenseRef-x"}), frozenset({"MIT"}))
    assert axis_values("x", "commercial_use", table) == ("allowed",)
    assert axis_values("MIT", "commercial_use", table) == ("undetermined",)


@given(st.text(max_size=200))
@example("MIT AND()")
@example("\udc80 OR MIT")
@example("a\x00b WITH c")
def test_any_text_is_read_or_refused(text: str):
    with suppress(LicenseExpressionError):
        found = alternatives(text)
        assert 1 <= len(found) <= 64
        assert all(choice and all(choice) for choice in found)


@given(st.lists(st.sampled_from([*IDS, "AND", "OR", "WITH", "(", ")", "+", "/", ";", UNKNOWN]), max_size=14))
def test_any_row_of_words_is_read_or_refused(words: list[str]):
    text = " ".join(words)
    with suppress(LicenseExpressionError):
        assert alternatives(text)


@given(expressions, expressions, expressions, st.sampled_from(["AND", "OR"]))
def test_operators_are_commutative_associative_and_idempotent(a: str, b: str, c: str, operator: str):
    def join(x: str, y: str) -> str:
        return f"({x}) {operator} ({y})"

    assert alternatives(join(a, b)) == alternatives(join(b, a))
    assert alternatives(join(join(a, b), c)) == alternatives(join(a, join(b, c)))
    assert alternatives(join(a, a)) == alternatives(a)


@given(expressions, expressions, axes)
def test_and_is_never_milder_than_a_side_nor_or_stricter_than_the_mildest(a: str, b: str, axis: str):
    def strict(expression: str) -> int:
        return strictness(axis, axis_values(expression, axis))

    assert strict(f"({a}) AND ({b})") >= max(strict(a), strict(b))
    assert strict(f"({a}) OR ({b})") == min(strict(a), strict(b))


@given(expressions, st.sampled_from(["AND", "OR"]), axes)
def test_what_is_unknown_never_makes_it_milder(a: str, operator: str, axis: str):
    told = axis_values(a, axis)
    with_unknown = axis_values(f"({a}) {operator} {UNKNOWN}", axis)
    assert strictness(axis, with_unknown) >= strictness(axis, told)


def test_every_id_of_the_facts_is_an_expression():
    for terms in load_terms():
        for name in (terms.id, *terms.hub):
            assert alternatives(name) == (frozenset({terms.id}),), name

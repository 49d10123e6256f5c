"""One license's facts as text, for people: every axis in words, with the clause that says so."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from audits.licenses.terms import AXES, UNDETERMINED, Fact, LicenseTerms

WIDTH = 100
"""Columns that :func:`describe` keeps to, but for an address that is longer."""

_LABEL = 20  # columns of the name of an axis
_INDENT = " " * _LABEL

WORDS: Mapping[str, Mapping[str, str]] = {
    "commercial_use": {
        "allowed": "allowed",
        "conditional": "allowed on a condition",
        "forbidden": "forbidden",
    },
    "attribution": {"none": "not asked for", "required": "required"},
    "share_alike": {
        "none": "not asked for",
        "weak": "for the licensed files or library alone",
        "database": "for the database, not for what was produced from it",
        "same-license": "adaptations stay under the same license",
    },
    "no_derivatives": {
        "none": "modified versions may be shared",
        "unmodified-only": "only unmodified copies may be shared",
    },
    "use_restrictions": {
        "none": "none",
        "binding": "bind whoever uses it",
        "passed-down": "bind whoever uses it, and must be passed down",
    },
    "naming": {
        "none": "no name is prescribed",
        "prefix": "the name of what is made with it must begin as prescribed",
        "display": "a sentence must be shown",
    },
    "notice": {
        "none": "nothing has to go along",
        "copyright": "copyright notices",
        "license-copy": "a copy of the license",
        "notice-file": "the NOTICE file",
        "changed-files": "a notice of what was changed",
        "sentence": "a sentence",
    },
    "results_carve_out": {
        "none": "results of using it are not exempted",
        "results-free": "results of using it (such as trained models) are free of its conditions",
    },
    "output_training": {
        "not-addressed": "the text does not speak of training on its outputs",
        "allowed": "its outputs may train other models",
        "conditional": "its outputs may train other models on a condition",
        "forbidden": "its outputs may not train other models",
    },
    "gated": {"no": "no terms to accept first", "terms-to-accept": "terms must be accepted before access"},
    "relicensing": {
        "any-with-notices": "derivatives may be published under any terms, the notices go along",
        "restrictions-kept": "derivatives must be published under terms that keep its restrictions",
        "listed": "derivatives may be published only under",
        "none": "derivatives may not be published",
    },
    "hosting": {
        "not-distribution": "a service for others is no distribution",
        "is-distribution": "a service for others counts as distribution",
    },
    "territory": {
        "worldwide": "worldwide",
        "conditional": "worldwide for some models alone; for others not in",
        "excludes": "not everywhere",
    },
    "scope": {
        "any-work": "any kind of work",
        "software": "software",
        "content": "texts, images and other works",
        "database": "the database, not the rights in its contents",
        "data": "data",
        "model": "a model",
        "font": "fonts",
    },
}
"""What each value of each axis means."""

_NOT_SURE = "undetermined: nobody is sure, so it does not count as permitted"
_NAMES = {"scope": "what it is about"}


def describe(terms: LicenseTerms) -> str:
    """Return the text of ``hf-contrastive license show``: all axes, each with its clause, section, date and confidence.

    The source of a clause stands beside it where it is not the license's own text.
    """
    lines = [*_wrap(f"{terms.id}: {terms.name}"), *_head(terms), ""]
    for axis in AXES:
        lines += _axis(axis, terms.fact(axis), terms.source)
    lines += ["", *_wrap(_review(terms))]
    lines += _wrap("Read from the text of the license; a first sorting for people who decide, not legal advice.")
    return "\n".join(lines) + "\n"


def in_words(axis: str, fact: Fact) -> str:
    """Return the value of one axis in words, with what it leaves open."""
    if fact.value == UNDETERMINED:
        said = _NOT_SURE
    else:
        said = ", ".join(WORDS[axis][value] for value in fact.values)
        if fact.permitted:
            said += f" {', '.join(fact.permitted)}"
        if fact.territories:
            said += f"{':' if fact.value == 'excludes' else ''} {', '.join(fact.territories)}"
    return f"{said} ({fact.detail})" if fact.detail else said


def _head(terms: LicenseTerms) -> Iterator[str]:
    if terms.hub:
        yield from _wrap(f"Id on the Hugging Face Hub: {', '.join(terms.hub)}")
    if terms.family:
        version = f", version {terms.version}" if terms.version else ""
        yield from _wrap(f"Family: {terms.family}{version}")
    yield from _wrap(f"Text: {terms.source}")
    if terms.note:
        yield from _wrap(f"Note: {terms.note}")


def _axis(axis: str, fact: Fact, source: str) -> Iterator[str]:
    label = _NAMES.get(axis, axis.replace("_", " "))
    yield from _wrap(in_words(axis, fact), label.ljust(_LABEL), _INDENT)
    if fact.clause:
        yield from _wrap(f"“{fact.clause}”", _INDENT, _INDENT + " ")
    elsewhere = fact.source if fact.source != source else ""
    told = (
        f"section {fact.section}" if fact.section[:1].isdigit() else fact.section,
        elsewhere,
        f"checked {fact.checked}" if fact.checked else "never checked",
        f"confidence {fact.confidence}",
    )
    if fact.clause or elsewhere or fact.confidence != "high":
        yield from _wrap("; ".join(filter(None, told)), f"{_INDENT}[", f"{_INDENT} ", "]")


def _review(terms: LicenseTerms) -> str:
    review = terms.counsel_review
    if not review.by:
        return "No counsel has reviewed this entry."
    note = f": {review.note}" if review.note else ""
    return f"Reviewed by {review.by} on {review.date}{note}"


def _wrap(text: str, first: str = "", rest: str = "", end: str = "") -> list[str]:
    """Return ``text`` in lines; an address is never broken."""
    return textwrap.wrap(
        text + end, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )

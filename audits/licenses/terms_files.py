"""The files ``terms/*.toml``: read strictly, so that a slip in a fact is an error and never a silent permission."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from audits.errors import SchemaError
from audits.licenses.terms import AXES, UNDETERMINED, Confidence, CounselReview, Fact, LicenseTerms
from audits.territories import code_problem

LONGEST_CLAUSE = 300
"""Characters of a quotation: enough to find the sentence, too few to stand for the license."""

_SEVERAL_VALUES = frozenset({"naming", "notice"})
_WITHOUT_CLAUSE = {
    **dict.fromkeys(AXES, ("none",)),
    "relicensing": (),  # "none" forbids there
    "output_training": ("not-addressed",),
    "gated": ("no", "terms-to-accept"),  # the owner of a repository asks, not the text
    "hosting": ("not-distribution",),
    "territory": ("worldwide",),
    "scope": AXES["scope"],
}
_NEEDS_DETAIL = {
    "commercial_use": ("conditional",),
    "naming": ("prefix", "display"),
    "notice": ("sentence",),
    "territory": ("conditional", "excludes"),
}
_ENTRY_KEYS = ("id", "name", "hub", "family", "version", "source", "checked", "note", "like", "axes", "counsel_review")
_FACT_KEYS = (
    *("value", "values", "clause", "section", "source", "checked", "confidence", "detail", "permitted", "territories"),
)
_REVIEW_KEYS = ("by", "date", "note")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WEB = re.compile(r"https?://[^\s]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``[[license]]`` as written; ``place`` says where, for errors."""

    id: str
    place: str
    raw: Mapping[str, Any]


def near(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three of ``known`` that are spelled like ``word``, the nearest first; case does not count."""
    spelled = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold()[:200], spelled, n=3, cutoff=0.6)
    return tuple(spelled[key] for key in found)


def parse(text: str, file: str) -> Mapping[str, Any]:
    """Return the TOML of one file.

    Raises:
        SchemaError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"`{file}` is no valid TOML: {error}."
        raise SchemaError(msg) from error


def entries(text: str, file: str) -> tuple[Entry, ...]:
    """Return the licenses of one file, their keys checked and their axes as written.

    Raises:
        SchemaError: a key is unknown or missing, or a value has another type.
    """
    data = parse(text, file)
    _only(data, ("license",), f"`{file}`")
    licenses = data.get("license", [])
    if not isinstance(licenses, list):
        msg = f"`{file}`: `license` must be written as [[license]] tables, got a {type(licenses).__name__}."
        raise SchemaError(msg)
    return tuple(_entry(raw, file, number) for number, raw in enumerate(licenses, start=1))


def _entry(raw: Any, file: str, number: int) -> Entry:
    key = raw.get("id") if isinstance(raw, Mapping) else None
    place = f"`{file}`, license {number}" + (f" ({key})" if isinstance(key, str) else "")
    _only(raw, _ENTRY_KEYS, place)
    for name in ("id", "name", "source", "checked"):
        if not _text(raw, name, place):
            msg = f"{place} has no `{name}`; every license needs id, name, source and checked."
            raise SchemaError(msg)
    _match(raw["id"], _ID, f"{place}: `id`", "letters, digits, '.', '+' and '-'")
    for name in ("family", "version", "note", "like"):
        _text(raw, name, place)
    _words(raw, "hub", place)
    return Entry(raw["id"], place, raw)


def build(read: Sequence[Entry]) -> tuple[LicenseTerms, ...]:
    """Return the terms of all entries, those that are ``like`` others completed.

    Raises:
        SchemaError: an id stands twice, an axis is missing, or a fact is not of the documented shape.
    """
    by_id: dict[str, Entry] = {}
    for entry in read:
        first = by_id.setdefault(entry.id.casefold(), entry)
        if first is not entry:
            msg = f"{entry.place}: the id `{entry.id}` stands already in {first.place}; name each license once."
            raise SchemaError(msg)
    built = tuple(_terms(entry, by_id) for entry in read)
    names = [terms.id for terms in built]
    folded = {name.casefold() for name in names}
    for entry, terms in zip(read, built, strict=True):
        for other in terms.fact("relicensing").permitted:
            if other.casefold() not in folded:
                msg = f"{entry.place}: `relicensing` permits `{other}`, which is no entry{_hint(other, names)}"
                raise SchemaError(msg)
    return built


def _terms(entry: Entry, by_id: Mapping[str, Entry]) -> LicenseTerms:
    raw = entry.raw
    axes = _axes(entry, by_id, ())
    missing = [axis for axis in AXES if axis not in axes]
    if missing:
        msg = f"{entry.place} lacks the axes {', '.join(missing)}; write `{UNDETERMINED}` where nobody is sure."
        raise SchemaError(msg)
    return LicenseTerms(
        id=entry.id,
        name=raw["name"],
        hub=tuple(raw.get("hub", ())),
        family=raw.get("family", ""),
        version=raw.get("version", ""),
        source=_match(raw["source"], _WEB, f"{entry.place}: `source`", "an address"),
        note=raw.get("note", ""),
        axes={axis: _sourced(axes[axis], entry) for axis in AXES},
        counsel_review=_review(raw.get("counsel_review", {}), f"{entry.place}, counsel_review"),
    )


def _axes(entry: Entry, by_id: Mapping[str, Entry], seen: tuple[str, ...]) -> dict[str, Fact]:
    """Return the facts of ``entry`` over those of the entry that it is like; source and date are still open."""
    axes: dict[str, Fact] = {}
    like = entry.raw.get("like", "")
    if like:
        model = by_id.get(like.casefold())
        if model is None:
            msg = (
                f"{entry.place}: `like` names `{like}`, which is no entry{_hint(like, [e.id for e in by_id.values()])}"
            )
            raise SchemaError(msg)
        if model.id in (*seen, entry.id):
            msg = f"{entry.place}: `like` leads in a circle: {' -> '.join((*seen, entry.id, model.id))}."
            raise SchemaError(msg)
        axes = _axes(model, by_id, (*seen, entry.id))
    written = entry.raw.get("axes", {})
    _only(written, tuple(AXES), f"{entry.place}, axes", "axis")
    return axes | {axis: _fact(axis, raw, f"{entry.place}, {axis}") for axis, raw in written.items()}


def _fact(axis: str, raw: Any, place: str) -> Fact:
    _only(raw, _FACT_KEYS, place)
    values = _values(axis, raw, place)
    # what nobody is sure of is of low confidence without saying so
    confidence = _text(raw, "confidence", place) or ("low" if values == (UNDETERMINED,) else "high")
    _one_of(confidence, get_args(Confidence), f"{place}: `confidence`")
    fact = Fact(
        values=values,
        clause=_text(raw, "clause", place),
        section=_text(raw, "section", place),
        source=_match(_text(raw, "source", place), _WEB, f"{place}: `source`", "an address"),
        checked=_match(_text(raw, "checked", place), _DATE, f"{place}: `checked`", "a date as 2026-11-27"),
        confidence=confidence,  # type: ignore[arg-type]
        detail=_text(raw, "detail", place),
        permitted=_words(raw, "permitted", place),
        territories=_words(raw, "territories", place),
    )
    _complete(axis, fact, place)
    return fact


def _values(axis: str, raw: Mapping[str, Any], place: str) -> tuple[str, ...]:
    if ("value" in raw) == ("values" in raw):
        msg = f"{place} needs either `value` or, on the axes {', '.join(sorted(_SEVERAL_VALUES))}, `values`."
        raise SchemaError(msg)
    if "value" in raw:
        values: tuple[str, ...] = (_text(raw, "value", place),)
    elif axis in _SEVERAL_VALUES:
        values = _words(raw, "values", place)
    else:
        msg = f"{place} has one value; write `value`, not `values`."
        raise SchemaError(msg)
    for value in values:
        _one_of(value, (*AXES[axis], UNDETERMINED), f"{place}: the value")
    alone = {"none", UNDETERMINED} & set(values)
    if not values or len(set(values)) < len(values) or (alone and len(values) > 1):
        msg = f"{place}: `values` must name each value once and `none` or `{UNDETERMINED}` alone, got {list(values)}."
        raise SchemaError(msg)
    return values


def _complete(axis: str, fact: Fact, place: str) -> None:
    """Refuse a fact that lacks what its value needs, or holds what it can not have."""
    problem = ""
    if fact.value != UNDETERMINED and fact.value not in _WITHOUT_CLAUSE[axis] and not fact.clause:
        problem = f"`{fact.value}` needs the `clause` that says so, verbatim"
    elif len(fact.clause) > LONGEST_CLAUSE:
        problem = f"the clause has {len(fact.clause)} characters; quote at most {LONGEST_CLAUSE}"
    elif fact.value == UNDETERMINED and fact.confidence != "low":
        problem = f"`{UNDETERMINED}` is of low confidence, got `{fact.confidence}`"
    elif set(fact.values) & set(_NEEDS_DETAIL.get(axis, ())) and not fact.detail:
        problem = f"`{', '.join(fact.values)}` needs a `detail`: what exactly is asked for"
    elif fact.permitted and axis != "relicensing":
        problem = "`permitted` belongs to the axis relicensing"
    elif (fact.value == "listed") != bool(fact.permitted):
        problem = "`permitted` and the value `listed` go together"
    elif fact.territories and (axis != "territory" or fact.value not in {"conditional", "excludes"}):
        problem = "`territories` belongs to the axis territory and its values conditional and excludes"
    elif axis == "territory" and fact.value == "conditional" and not fact.territories:
        problem = "`conditional` needs `territories`: the codes of the places that it is about"
    else:
        problem = next(filter(None, map(code_problem, fact.territories)), "")
    if problem:
        msg = f"{place}: {problem}."
        raise SchemaError(msg)


def _sourced(fact: Fact, entry: Entry) -> Fact:
    """Return ``fact`` with the source and date of the entry where it names none itself."""
    checked = _match(entry.raw["checked"], _DATE, f"{entry.place}: `checked`", "a date as 2026-11-27")
    return replace(fact, source=fact.source or entry.raw["source"], checked=fact.checked or checked)


def _review(raw: Any, place: str) -> CounselReview:
    _only(raw, _REVIEW_KEYS, place)
    by, date, note = (_text(raw, key, place) for key in _REVIEW_KEYS)
    if bool(by) != bool(date) or (note and not by):
        msg = f"{place} names `by` and `date` together, got by {by!r} and date {date!r}."
        raise SchemaError(msg)
    return CounselReview(by=by, date=_match(date, _DATE, f"{place}: `date`", "a date as 2026-11-27"), note=note)


def _only(raw: Any, known: Collection[str], place: str, what: str = "key") -> None:
    if not isinstance(raw, Mapping):
        msg = f"{place} must be a table, got {raw!r}."
        raise SchemaError(msg)
    for key in raw:
        _one_of(key, known, f"{place}: the {what}")


def _one_of(word: str, known: Collection[str], what: str) -> None:
    if word not in known:
        close = near(word, known)
        hint = f"; near it are {', '.join(close)}" if close else ""
        msg = f"{what} `{word}` is not known{hint}; allowed are {', '.join(known)}."
        raise SchemaError(msg)


def _text(raw: Mapping[str, Any], key: str, place: str) -> str:
    value = raw.get(key, "")
    if not isinstance(value, str) or value != value.strip():
        msg = f"{place}: `{key}` must be a text without space around it, got {value!r}."
        raise SchemaError(msg)
    return value


def _words(raw: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = raw.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
        msg = f"{place}: `{key}` must be a list of texts, got {value!r}."
        raise SchemaError(msg)
    return tuple(value)


def _match(value: str, pattern: re.Pattern[str], what: str, allowed: str) -> str:
    if value and not pattern.fullmatch(value):
        msg = f"{what} must be {allowed}, got {value!r}."
        raise SchemaError(msg)
    return value


def _hint(word: str, known: Iterable[str]) -> str:
    close = near(word, known)
    return f"; near it are {', '.join(close)}." if close else "."

"""Which license may follow which on an adaptation: ``compatibility.toml`` and the lists in the license facts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from audits.licenses.analysis import Clause
from audits.licenses.terms import LicenseTerms
from audits.licenses.terms_table import TermsTable

Answer = Literal["yes", "unclear", "no"]

_GNU = re.compile(r"(A?L?GPL|GFDL)-(\d+(?:\.\d+)*)(?:-((?:no-)?invariants))?(-only|-or-later|\+)?", re.IGNORECASE)
_VERSION = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Succession:
    """Whether one license may follow another, with the clause that says so and what stays to ask."""

    answer: Answer
    clause: Clause | None = None
    reason: str = ""


NO = Succession("no")


def may_follow(source_id: str, source: LicenseTerms, target_id: str, table: TermsTable) -> Succession:
    """Return whether an adaptation of a work under ``source`` may stand under ``target_id``."""
    target = table.get(target_id)
    if " WITH " in target_id and target_id.casefold() != source_id.casefold():
        return NO  # an exception grants more than the source does
    if target is None:
        return Succession("yes") if target_id.casefold() == source_id.casefold() else NO
    if target.id == source.id:
        # "X+" lets those who come after choose a later version: a source of X alone does not
        return Succession("yes", clause_of(source, "relicensing"))
    fact = source.fact("relicensing")
    if target.id in fact.permitted:
        return Succession("yes", clause_of(source, "relicensing"))
    return _gnu(source, target) or _later(source, target) or _pair(source, target) or NO


def clause_of(terms: LicenseTerms, axis: str) -> Clause | None:
    """Return the quoted clause behind the fact on ``axis``; None where none is quoted."""
    fact = terms.fact(axis)
    if not fact.clause:
        return None
    return Clause(
        license=terms.id,
        axis=axis,
        quote=fact.clause,
        source=fact.source or terms.source,
        section=fact.section,
        checked=fact.checked,
        confidence=fact.confidence,
    )


@cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(files("audits.licenses").joinpath("compatibility.toml").read_text("utf-8"))


def _clause(entry: Mapping[str, Any], license_id: str) -> Clause:
    return Clause(
        license=license_id,
        axis="share_alike",
        quote=entry["quote"],
        source=entry["source"],
        section=entry["section"],
        checked=_data()["date"],
    )


def _gnu(source: LicenseTerms, target: LicenseTerms) -> Succession | None:
    ours, theirs = _GNU.fullmatch(source.id), _GNU.fullmatch(target.id)
    # invariant sections are kept: GFDL-1.3-invariants-only is another license than GFDL-1.3-no-invariants-only
    if not ours or not theirs or ours[1].upper() != theirs[1].upper() or ours[3] != theirs[3]:
        return None
    entry = _data()["gnu"]
    before, after = _number(ours[2]), _number(theirs[2])
    if (ours[4] or "").lower() in {"-or-later", "+"}:
        return Succession("yes", _clause(entry, source.id)) if after >= before else NO
    if after == before and (theirs[4] or "-only").lower() == "-only":
        return Succession("yes", clause_of(source, "relicensing"))
    if not ours[4] and after >= before:
        return Succession("unclear", _clause(entry, source.id), entry["unclear"])
    return NO


def _later(source: LicenseTerms, target: LicenseTerms) -> Succession | None:
    if not source.family or source.family != target.family:
        return None
    before, after = _number(source.version), _number(target.version)
    fitting = [
        entry
        for entry in _data()["later"]
        if entry["family"] == source.family and before and _number(entry["since"]) <= before <= after
    ]
    if not fitting:
        return None
    return Succession("yes", _clause(max(fitting, key=lambda entry: _number(entry["since"])), source.id))


def _pair(source: LicenseTerms, target: LicenseTerms) -> Succession | None:
    for entry in _data()["pair"]:
        if source.id in entry["from"] and target.id in entry["to"]:
            answer: Answer = "unclear" if entry.get("answer") == "unclear" else "yes"
            return Succession(answer, _clause(entry, source.id), entry.get("reason", ""))
    return None


def _number(version: str) -> tuple[int, ...]:
    found = _VERSION.search(version)
    return tuple(map(int, found[0].split("."))) if found else ()

"""A company's own positions on licenses, laid over the license facts; each with a reviewer's name and a date.

An overlay is a TOML file::

    [[position]]
    share_alike = "same-license"   # or license = "CC-BY-SA-4.0", family = "CC-BY-SA", or several: then all must hold
    rules = ["L3"]                 # left out: whatever rule asks; settled must name them
    decision = "block"             # review, block, or settled: the question was answered, and does not ask again
    reason = "We do not train on share-alike content."
    by = "Ada Reviewer"
    date = 2026-05-01

    [[counsel_review]]             # that somebody looked at an entry of the facts, for `license show`
    license = "odbl"
    by = "Ada Reviewer"
    date = 2026-05-01
    note = "Read section 4.5."
"""

from __future__ import annotations

import datetime
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from audits.dates import day_text, parse_day, utc_today
from audits.errors import AuditError
from audits.licenses.terms import AXES, UNDETERMINED, CounselReview, LicenseTerms, load_terms
from audits.records import Record, near_names, shape_problems

if TYPE_CHECKING:
    from audits.licenses.terms_table import TermsTable

RULE_CODES = tuple(f"L{number}" for number in range(1, 19))
"""The codes of the license rules, in order."""

_LISTS = ("position", "counsel_review")


class OverlayError(AuditError, ValueError):
    """A company's overlay can not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position(Record):
    """What a company says about the licenses that fit ``license`` (an id), ``family`` and ``axes``, all at once.

    ``rules`` are the codes of the rules that it speaks on; none means each of them. "settled" says that a person
    answered the question that a rule asks; it lifts no conflict that blocks, and L12 and L13 only where it names them.
    The order of positions does not count: what is settled is settled first, then the strictest of the others holds.
    """

    license: str = ""
    family: str = ""
    axes: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    decision: Literal["review", "block", "settled"]
    reason: str
    by: str
    date: str

    def fits(self, terms: LicenseTerms) -> bool:
        """Whether it speaks on this license."""
        names = {name.casefold() for name in (terms.id, *terms.hub)}
        return (
            bool(self.license or self.family or self.axes)
            and (not self.license or self.license.casefold() in names)
            and (not self.family or self.family.casefold() == terms.family.casefold())
            and all(value in terms.fact(axis).values for axis, value in self.axes.items())
        )

    @property
    def subject(self) -> str:
        """The licenses that it speaks on, in words."""
        told = [self.license, f"the family {self.family}" if self.family else ""]
        told += [f"{axis} = {value}" for axis, value in sorted(self.axes.items())]
        where = f" under {', '.join(self.rules)}" if self.rules else ""
        return " and ".join(filter(None, told)) + where

    @property
    def words(self) -> str:
        """The position in one sentence, with who took it and when."""
        return f"{self.subject}: {self.decision} ({self.reason.rstrip('.')}; {self.by}, {self.date})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedLicense(Record):
    """That somebody looked at an entry of the license facts."""

    license: str
    by: str
    date: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay(Record):
    """All positions of a company, and which entries of the facts were looked at for it."""

    positions: tuple[Position, ...] = ()
    reviews: tuple[ReviewedLicense, ...] = ()

    def positions_for(self, terms: LicenseTerms, rule: str | None = None) -> tuple[Position, ...]:
        """Return the positions on a license; where ``rule`` is given, those alone that speak on this rule."""
        return tuple(
            item
            for item in self.positions
            if item.fits(terms) and (rule is None or not item.rules or rule in item.rules)
        )

    def reviewed(self, terms: LicenseTerms) -> LicenseTerms:
        """Return ``terms`` with the latest review of them filled in; unchanged where there is none."""
        names = {name.casefold() for name in (terms.id, *terms.hub)}
        found = [item for item in self.reviews if item.license.casefold() in names]
        if not found:
            return terms
        last = max(found, key=lambda item: item.date)
        return replace(terms, counsel_review=CounselReview(by=last.by, date=last.date, note=last.note))


def load_overlay(path: str | Path, *, terms: TermsTable | None = None, today: datetime.date | None = None) -> Overlay:
    """Read an overlay; ``terms`` are the license facts that it lies on, by default the shipped ones.

    Raises:
        OverlayError: no such file, no valid TOML, an unknown key, license, family, axis, value or rule (near ones
            are named), no reviewer or no date, a date to come, or two positions on the same.
    """
    found: list[str] = []
    overlay = read_overlay(Path(path), found, terms=terms, today=today)
    if overlay is None or found:
        more = f" ({len(found) - 1} more problem(s) stand in it.)" if len(found) > 1 else ""
        msg = f"The overlay `{path}` can not be used: {found[0]}{more}"
        raise OverlayError(msg)
    return overlay


def read_overlay(
    path: Path, problems: list[str], *, terms: TermsTable | None = None, today: datetime.date | None = None
) -> Overlay | None:
    """Read an overlay and add everything that is wrong with it to ``problems``; None where it has no shape at all."""
    try:
        data = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        problems.append(f"the file can not be read ({reason}); name a TOML file with [[position]] entries.")
        return None
    except tomllib.TOMLDecodeError as error:
        problems.append(f"it is no valid TOML: {error}.")
        return None
    shape = list(_shape(data))
    problems.extend(shape)
    if shape:
        return None
    overlay = Overlay.from_dict(
        {"positions": [_position(item) for item in data.get("position", ())], "reviews": data.get("counsel_review", [])}
    )
    terms = terms or load_terms()
    overlay = replace(overlay, positions=tuple(_with_family(item, terms) for item in overlay.positions))
    problems.extend(_contents(overlay, terms, today or utc_today()))
    return overlay


def _shape(data: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with keys and types; turns dates of TOML into text."""
    unknown = sorted(set(data) - set(_LISTS))
    if unknown:
        yield (
            f"it has the unknown key(s) {', '.join(unknown)}; allowed are the lists [[position]] and "
            f"[[counsel_review]]{near_names(unknown, _LISTS)}."
        )
    if not any(data.get(name) for name in _LISTS):
        yield "it holds neither a [[position]] nor a [[counsel_review]]; add one, or do not name this file."
    for name in _LISTS:
        entries = data.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            yield f"`{name}` must be a list of tables; write [[{name}]] above each."
            continue
        for i, entry in enumerate(entries):
            if "date" in entry:
                entry["date"] = day_text(entry["date"])
            where = f"{name}[{i}]"
            if name == "counsel_review":
                yield from shape_problems(ReviewedLicense, entry, where)
                continue
            known = {"license", "family", "rules", "decision", "reason", "by", "date"}
            strange = sorted(set(entry) - known - set(AXES))
            if strange:
                near = near_names(strange, known | set(AXES))
                yield (
                    f"`{where}` has the unknown key(s) {', '.join(strange)}; allowed are "
                    f"{', '.join(sorted(known))} and the axes {', '.join(AXES)}{near}."
                )
            told = _position({key: value for key, value in entry.items() if key not in strange})
            yield from shape_problems(Position, told, where)


def _position(entry: Mapping[str, Any]) -> dict[str, Any]:
    axes = {key: value for key, value in entry.items() if key in AXES}
    return {**{key: value for key, value in entry.items() if key not in AXES}, "axes": axes}


def _with_family(position: Position, terms: TermsTable) -> Position:
    """Return the position with ids and families as the facts spell them; a family may stand as ``license``."""
    families = {item.family.casefold(): item.family for item in terms if item.family}
    license_, family = position.license.strip(), position.family.strip()
    known = terms.get(license_) if license_ else None
    if known is not None:
        license_ = known.id
    elif license_.casefold() in families and not family:
        license_, family = "", license_
    return replace(position, license=license_, family=families.get(family.casefold(), family))


def _contents(overlay: Overlay, terms: TermsTable, day: datetime.date) -> Iterator[str]:
    families = {item.family for item in terms if item.family}
    for i, item in enumerate(overlay.positions):
        where = f"position[{i}]"
        if not (item.license or item.family or item.axes):
            yield f"`{where}` names no license; give `license`, `family` or an axis such as share_alike."
        if item.license:
            yield from _license_problem(where, item.license, terms)
        if item.family and item.family not in families:
            near = near_names([item.family], families)
            yield f"`{where}.family` is {item.family!r}, which no license of the facts has{near}."
        for axis, value in item.axes.items():
            allowed = (*AXES[axis], UNDETERMINED)
            if value not in allowed:
                near = near_names([value], allowed)
                yield f"`{where}.{axis}` is {value!r}; allowed are {', '.join(allowed)}{near}."
        for code in item.rules:
            if code not in RULE_CODES:
                yield f"`{where}.rules` names {code!r}; allowed are {RULE_CODES[0]} to {RULE_CODES[-1]}."
        if item.decision == "settled" and not item.rules:
            yield f'`{where}` settles no rule; name those whose question was answered, e.g. rules = ["L3"].'
        if not item.reason.strip():
            yield f"`{where}` has no reason; say in a sentence why."
        yield from _reviewer(where, item.by, item.date, day)
    for i, review in enumerate(overlay.reviews):
        yield from _license_problem(f"counsel_review[{i}]", review.license, terms)
        yield from _reviewer(f"counsel_review[{i}]", review.by, review.date, day)
    for subject, count in Counter(item.subject for item in overlay.positions).items():
        if count > 1:
            yield f"{count} positions speak on {subject}; keep one."


def _license_problem(where: str, name: str, terms: TermsTable) -> Iterator[str]:
    if terms.get(name) is None:
        near = terms.near_ids(name)
        hint = f"; near it are {', '.join(near)}" if near else "; use an SPDX id, or the id of the Hugging Face Hub"
        yield f"`{where}.license` is {name!r}, which the license facts do not know{hint}."


def _reviewer(where: str, by: str, date: str, day: datetime.date) -> Iterator[str]:
    if not by.strip():
        yield f"`{where}` has no reviewer; name the person in `by`."
    told = parse_day(date)
    if told is None:
        yield f"`{where}.date` is {date!r}, which is no date like 2026-01-31."
    elif told > day + datetime.timedelta(days=1):  # it may be tomorrow already where the reviewer is
        yield f"`{where}.date` is {date}, a day to come; give the day of the review."

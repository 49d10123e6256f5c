"""From everything that states a license to one conclusion, with what disagrees.

A license text settles a name that is ambiguous ("bsd", "other"). Where a name and a text differ, both bind: the
conclusion is their conjunction, and the disagreement is told. What is open stays open, unless something that is sure
forbids commercial use, which nothing open could undo. Sentences of a card make a conclusion stricter or are told as a
disagreement; they never settle one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from audits.licenses.agreement import NAMES_NOTHING, agree, differs, is_settled, leaves, names, plain
from audits.licenses.claims import NOTICE, claims_of
from audits.licenses.facts import NON_COMMERCIAL
from audits.licenses.inputs import LicenseStatement
from audits.licenses.resolution import CATEGORIES, resolve
from audits.licenses.sources import Claim, RawSource
from audits.records import Record

__all__ = ["RawSource", "Reading", "conclude_claims", "read_license"]

_MOST_STATEMENTS = 200
_NOTICE_FILE = re.compile(r"(?:^|/)notice[^/]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Record):
    """What all sources say together.

    ``license`` is an SPDX expression, None where it is undetermined; ``reason`` says how it was concluded, or why it
    was not. ``disagreements`` quote both sides with their places.
    """

    license: str | None
    reason: str = ""
    statements: tuple[LicenseStatement, ...] = ()
    disagreements: tuple[str, ...] = ()


def read_license(sources: Sequence[RawSource]) -> Reading:
    """Return the license that ``sources`` state together; never raises on any content.

    Args:
        sources: everything that was retrieved of one input. Several license files all bind; several values of a column
            bind each for its rows, hence together.
    """
    return conclude_claims([claim for source in sources for claim in claims_of(source)])


def conclude_claims(claims: Sequence[Claim]) -> Reading:
    """Return the conclusion from ``claims``; see :func:`read_license`."""
    declared = [claim for claim in claims if claim.weight == "declared"]
    texts = _without_notices([claim for claim in claims if claim.weight == "text"])
    rows = [claim for claim in claims if claim.weight == "row"]
    prose = [claim for claim in claims if claim.weight in ("prose", "aside")]
    texts += _restricting([claim for claim in claims if claim.weight == "policy"], [*declared, *texts, *rows])
    texts, disagreements = _confirmed(texts, declared)
    disagreements += _among_declared(declared)
    known = [claim for claim in (*declared, *texts, *rows) if claim.license]
    still_open = [claim for claim in (*declared, *texts, *rows) if not claim.license]
    unsettled = [claim for claim in still_open if not is_settled(claim, known)]
    disagreements += _mismatched_families(still_open, unsettled, texts)
    disagreements += _with_texts(declared, [*texts, *rows])
    parts = _parts(declared, [*texts, *rows])
    if unsettled:
        reason = "; ".join(dict.fromkeys(_why_open(claim) for claim in unsettled))
        if any(resolve(part).category == "non-commercial" for part in (*parts, *_licenses(prose))):
            reason = f"{reason}; what is sure forbids commercial use"
        else:
            parts = []
    else:
        reason = _how(declared, texts, rows)
    parts, reason, more = _with_prose(parts, reason, bool(unsettled), prose)
    return Reading(
        license=_conjunction(parts),
        reason=reason,
        statements=tuple(claim.statement for claim in claims[:_MOST_STATEMENTS]),
        disagreements=tuple(dict.fromkeys([*disagreements, *more])),
    )


def _restricting(policies: Sequence[Claim], others: Sequence[Claim]) -> list[Claim]:
    """Return the use policies that no license there brings along: beside MIT, a policy restricts what MIT grants."""
    if any(claim.license and (claim.category == "other-terms" or _is_own(claim.license)) for claim in others):
        return []
    return [replace(claim, weight="text") for claim in policies]


def _is_own(license_id: str) -> bool:
    own = leaves(license_id) - leaves(NON_COMMERCIAL)
    return any(name.startswith("licenseref-") for name in own)


def _without_notices(texts: list[Claim]) -> list[Claim]:
    """Leave out NOTICE files, which attribute parts, where a license file is there and they forbid nothing more."""
    licenses = [claim for claim in texts if not _NOTICE_FILE.search(claim.statement.where)]
    strict = [claim for claim in texts if claim not in licenses and claim.category == "non-commercial"]
    return [*licenses, *strict] if licenses else texts


def _confirmed(texts: Sequence[Claim], declared: Sequence[Claim]) -> tuple[list[Claim], list[str]]:
    """Return the texts, those settled by a name that says the same but for a sentence that speaks of no condition.

    The sentence is told. Without such a name the text stays open: nobody else says that this is all of it.
    """
    found: list[Claim] = []
    told: list[str] = []
    for claim in texts:
        apart = claim.apart
        if apart is None or not any(_named_alike(name, apart) for name in declared):
            found.append(claim)
            continue
        found.append(replace(claim, license=apart, category=resolve(apart).category))
        told.append(f"the text of {claim.statement.where} says more than {apart}: {claim.statement.note}")
    return found, told


def _named_alike(name: Claim, license_id: str) -> bool:
    if name.license is None:
        return name.family not in NAMES_NOTHING and is_settled(name, [replace(name, weight="text", license=license_id)])
    return bool(leaves(name.license) <= leaves(license_id) or leaves(license_id) <= leaves(name.license))


def _among_declared(declared: Sequence[Claim]) -> list[str]:
    """Return what names state that differ: keys of one card, items of a list, metadata and a person."""
    found = []
    by_group: dict[str, list[Claim]] = {}
    for claim in declared:
        by_group.setdefault(claim.group, []).append(claim)
    for group in by_group.values():
        if len({claim.license or claim.statement.text for claim in group}) > 1 and "[" in group[0].statement.where:
            shown = ", ".join(f"“{claim.statement.text[:60]}”" for claim in group[:10])
            found.append(
                f"{group[0].statement.where.partition('[')[0]} lists {shown}: which of them holds is not said; all bind"
            )
    heads = [group[0] for group in by_group.values()]
    for place, claim in enumerate(heads):
        for other in heads[place + 1 :]:
            found += [] if agree(claim, other) else [f"{claim.said}, {other.said}"]
    return found[:20]


def _mismatched_families(still_open: Sequence[Claim], unsettled: Sequence[Claim], texts: Sequence[Claim]) -> list[str]:
    """Return names whose family no text belongs to: the tag "bsd" on a GPL text."""
    return [
        f"{claim.said}, {text.said}"
        for claim in still_open
        if claim in unsettled and claim.weight == "declared" and claim.statement.text
        for text in texts
        if text.license
    ][:20]


def _with_texts(declared: Sequence[Claim], others: Sequence[Claim]) -> list[str]:
    """Return where what a name states is not what a text or the rows say."""
    named = _all_leaves(declared)
    found = [
        f"{name.said}, but {other.said}"
        for name in declared
        if name.license
        for other in others
        if other.license is None or (not leaves(other.license) <= named and differs(name.license, other.license))
    ]
    return found[:20]


def _parts(declared: Sequence[Claim], others: Sequence[Claim]) -> list[str]:
    """Return the expressions that all bind: names first, then what texts and rows add to them."""
    parts: list[str] = []
    for claim in sorted(declared, key=lambda item: -len(leaves(item.license or ""))):
        if claim.license and not _covered(claim.license, parts, choices=claim.partial):
            parts.append(claim.license)
    for claim in others:
        for name in _conjuncts(claim.license or ""):
            if _covered(name, parts, choices=claim.partial):
                parts = [_more_precise(part, name) for part in parts]
            else:
                parts.append(name)
    return parts


def _covered(license_id: str, parts: Sequence[str], *, choices: bool) -> bool:
    """Tell whether ``parts`` bind to all of it already. The text of one alternative takes nothing from a choice."""
    binding = [part for part in parts if choices or " OR " not in part or leaves(part) == leaves(license_id)]
    return leaves(license_id) <= _leaves_of(binding)


def _conjuncts(license_id: str) -> list[str]:
    """Split an expression at AND, unless it holds a choice."""
    if not license_id or " OR " in license_id:
        return [license_id] if license_id else []
    return [name for name in re.split(r"\s+AND\s+|[()]", license_id) if name.strip()]


def _more_precise(part: str, name: str) -> str:
    """Return the GNU license with its "only" or "or later" where ``part`` leaves it open."""
    bare = part.casefold() == plain(name) and part.casefold() != name.casefold()
    return name if bare else part


def _with_prose(
    parts: list[str], reason: str, unsettled: bool, prose: Sequence[Claim]
) -> tuple[list[str], str, list[str]]:
    """Add what sentences make stricter; return also where they disagree."""
    parts, told = list(parts), []
    concluded = _conjunction(parts)
    for claim in prose:
        strict = CATEGORIES.index(claim.category)
        now = "unknown" if concluded is None else resolve(concluded).category
        if claim.category == "unknown":
            continue
        if claim.weight == "aside":
            if concluded and strict > CATEGORIES.index(now):
                told.append(f"{claim.said}, but the rest says {concluded}")
            continue
        if claim.license is None and concluded and strict > CATEGORIES.index(now):
            told.append(f"{claim.said}, but the rest says {concluded}")
            return [], f"{claim.said}: stricter than {concluded}, and which license it is stays open", told
        if claim.license and strict > CATEGORIES.index(now) and (concluded or claim.category == "non-commercial"):
            if concluded or unsettled:
                told.append(
                    f"{claim.said}, but the rest says {concluded or 'nothing that is sure'}: the stricter counts"
                )
            reason = "; ".join(filter(None, (reason, f"a sentence makes it stricter ({claim.statement.where})")))
            parts.append(claim.license)
            concluded = _conjunction(parts)
        elif concluded and claim.license and not leaves(claim.license) <= leaves(concluded):
            told.append(f"{claim.said}, but the rest says {concluded}")
        elif concluded is None and claim.license and not unsettled:
            reason = f"no license is stated but in a sentence: {claim.said}"
    return parts, reason, told[:20]


def _how(declared: Sequence[Claim], texts: Sequence[Claim], rows: Sequence[Claim]) -> str:
    """Return how the conclusion was reached."""
    if not declared and not texts and not rows:
        return "no license is stated"
    files = ", ".join(dict.fromkeys(claim.statement.where for claim in texts[:5]))
    spots = ", ".join(dict.fromkeys(claim.statement.where or claim.statement.place for claim in (*declared, *rows)[:5]))
    if not texts:
        return f"declared ({spots}); text not verified"
    if not declared:
        return f"read from the text of {files}"
    unknown = [claim for claim in declared if not claim.license]
    if len(unknown) == len(declared):
        return f"“{unknown[0].statement.text[:60]}” leaves it open; read from the text of {files}"
    extra, absent = _all_leaves(texts) - _all_leaves(declared), _all_leaves(declared) - _all_leaves(texts)
    missing = dict.fromkeys(name for claim in declared for name in names(claim.license or "") if leaves(name) & absent)
    more = dict.fromkeys(name for claim in texts for name in names(claim.license or "") if leaves(name) & extra)
    beside = f"; it also holds {', '.join(more)}: all bind" if more else ""
    if not missing and all(claim.statement.note == NOTICE for claim in texts):
        return f"declared ({spots}), and {files} names it, too; text not verified"
    if not missing:
        return f"declared ({spots}), and the text of {files} is that license{beside}"
    if len(missing) < len(_all_leaves(declared)):
        return f"declared ({spots}); the text of {files} shows a part of it, not verified: {', '.join(missing)}"
    return f"declared ({spots}); the text of {files} is another license: both bind"


def _why_open(claim: Claim) -> str:
    where = claim.statement.where or claim.statement.place
    if claim.weight == "text":
        return f"{where}: {claim.statement.note or 'its text is not known'}"
    shown = f" says “{claim.statement.text[:80]}”" if claim.statement.text else ""
    return f"{where}{shown}: {claim.statement.note or 'not recognised'}"


def _leaves_of(parts: Iterable[str]) -> frozenset[str]:
    return frozenset(leaf for part in parts for leaf in leaves(part))


def _all_leaves(claims: Iterable[Claim]) -> frozenset[str]:
    return _leaves_of(_licenses(claims))


def _licenses(claims: Iterable[Claim]) -> list[str]:
    return [claim.license for claim in claims if claim.license]


def _conjunction(parts: Sequence[str]) -> str | None:
    distinct = list(dict.fromkeys(parts))
    if any(part != NON_COMMERCIAL and resolve(part).category == "non-commercial" for part in distinct):
        distinct = [part for part in distinct if part != NON_COMMERCIAL]  # a license says it more exactly
    if len(distinct) == 1:
        return distinct[0]
    return " AND ".join(f"({part})" if " OR " in part else part for part in distinct) or None

"""Waivers: named, owned and expiring exceptions from a policy's rules."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from audits.dates import parse_day
from audits.records import Record, near_names

if TYPE_CHECKING:
    from audits.findings import AuditReport
    from audits.licenses.analysis import LicenseAnalysis
    from audits.policy import Policy
    from audits.verdicts import Verdict

VERSION_CODE = "VERSION"
"""Code of the outcome that compares a new version of a model with the one that is published."""

_SHOWN = 10  # places that a waiver could have named


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver(Record):
    """A named, owned and expiring exception from the rules on one code.

    ``scope`` is ``*``, a split or ``split/column``; for a license rule ``*`` or the name of an input; for
    :data:`VERSION_CODE` ``*`` or the repository. ``expires`` is the last day on which it holds, ``created`` the
    first, where that is told.
    """

    code: str
    scope: str = "*"
    reason: str
    owner: str
    approver: str
    expires: str
    created: str | None = None

    @property
    def words(self) -> str:
        """Why it holds, who answers for it, and until when."""
        return f"{self.reason} (owner {self.owner}, approved by {self.approver}, until {self.expires})"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedWaiver(Record):
    """A waiver with what it excused: what was observed, one line an outcome."""

    waiver: Waiver
    observed: tuple[str, ...]


class Ruling(NamedTuple):
    """What waivers say on one outcome: the one that holds, or why those that would fit do not."""

    waiver: Waiver | None = None
    note: str | None = None


def waiver_faults(waiver: Waiver, day: datetime.date) -> Iterator[str]:
    """Yield everything that makes the waiver malformed, or expired on ``day``."""
    who = f"the waiver for {waiver.code}"
    for name in ("reason", "owner", "approver"):
        if not getattr(waiver, name).strip():
            yield f"{who} has no {name}"
    if waiver.owner.strip() and waiver.owner.strip().casefold() == waiver.approver.strip().casefold():
        yield f"{who} is approved by its own owner {waiver.owner}; another person must approve it"
    expires, created = parse_day(waiver.expires), parse_day(waiver.created or "")
    if expires is None:
        yield f"{who} expires on {waiver.expires!r}, which is no date like 2027-01-31"
    if waiver.created is not None and created is None:
        yield f"{who} was created on {waiver.created!r}, which is no date like 2027-01-31"
    if created is not None and expires is not None and created > expires:
        yield f"{who} was created on {waiver.created}, after the day {waiver.expires} on which it expires"
    if expires is not None and expires < day:
        yield f"{who} expired on {waiver.expires}"


def waiver_fault(waiver: Waiver, day: datetime.date) -> str | None:
    """Return why the waiver is malformed, or expired on ``day``; None where it holds or will hold."""
    return next(waiver_faults(waiver, day), None)


def waiver_problem(waiver: Waiver, day: datetime.date) -> str | None:
    """Return why the waiver does not hold on ``day``, or None."""
    fault = waiver_fault(waiver, day)
    created = parse_day(waiver.created or "")
    if fault is None and created is not None and day < created:
        return f"the waiver for {waiver.code} was created on {waiver.created}, which is after today ({day})"
    return fault


def waive(
    waivers: Iterable[Waiver], code: str, scopes: Collection[str], day: datetime.date, *, never: Collection[str] = ()
) -> Ruling:
    """Return the first waiver for ``code`` and one of ``scopes`` (or ``*``) that holds on ``day``.

    Args:
        waivers: of a policy.
        code: of what would be excused.
        scopes: the places that a waiver may name for it.
        day: against which dates are checked.
        never: codes that can not be waived.
    """
    note = None
    for item in waivers:
        if item.code != code or (item.scope != "*" and item.scope not in scopes):
            continue
        problem = f"{code} can not be waived under this policy" if code in never else waiver_problem(item, day)
        if problem is None:
            return Ruling(item)
        note = f"not honoured: {problem}"
    return Ruling(note=note)


def used_waivers(verdict: Verdict) -> tuple[UsedWaiver, ...]:
    """Return every waiver that excused something, with what it excused."""
    observed: dict[Waiver, list[str]] = {}
    for outcome in verdict.outcomes:
        for item in outcome.waived_by:
            observed.setdefault(item, []).append(outcome.observed)
    return tuple(UsedWaiver(waiver=item, observed=tuple(lines)) for item, lines in observed.items())


def unused_waivers(policy: Policy, verdict: Verdict) -> tuple[Waiver, ...]:
    """Return the waivers of ``policy`` that excused nothing in ``verdict``: candidates for removal."""
    used = {item for outcome in verdict.outcomes for item in outcome.waived_by}
    return tuple(item for item in policy.waivers if item not in used)


def misplaced(
    waiver: Waiver, *, report: AuditReport | None = None, analysis: LicenseAnalysis | None = None
) -> str | None:
    """Return why the scope of a waiver can excuse nothing here, with near names, or None.

    Args:
        waiver: for a check, whose scope is looked for in ``report``, or for a license rule, then in ``analysis``.
        report: its splits, and their columns, are places that a waiver may name.
        analysis: its inputs are.
    """
    from audits.licenses.overlays import RULE_CODES  # which needs the records here

    if waiver.scope == "*" or waiver.code == VERSION_CODE:
        return None
    if waiver.code in RULE_CODES:
        known, kind = _inputs(analysis), "no input of the license analysis"
    else:
        known, kind = _places(report), "no split and no split/column of this data"
    if known is None or waiver.scope in known:
        return None
    shown = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN:,} more" if len(known) > _SHOWN else "")
    return (
        f"the waiver for {waiver.code} has the scope `{waiver.scope}`, which is {kind}"
        f"{near_names([waiver.scope], known)}; it excuses nothing. Known are {shown or 'none'}."
    )


def _inputs(analysis: LicenseAnalysis | None) -> list[str] | None:
    if analysis is None:
        return None
    named = [item.name for item in analysis.inputs]
    for result in analysis.results:
        named.extend((*result.inputs, *result.milder, *result.unsettled))
    return list(dict.fromkeys(named))


def _places(report: AuditReport | None) -> list[str] | None:
    if report is None:
        return None
    found = [(finding.split, finding.column) for result in report.results for finding in result.findings]
    splits = list(dict.fromkeys([*(ref.split for ref in report.datasets), *(split for split, _ in found)]))
    named = report.columns
    columns = [*named.texts, named.label, named.license, named.group, *(column for _, column in found)]
    return [*splits, *(f"{split}/{column}" for split in splits for column in dict.fromkeys(columns) if column)]

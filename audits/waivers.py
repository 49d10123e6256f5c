"""Waivers: named, owned and expiring exceptions from a policy's rules."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from audits.dates import parse_day
from audits.records import Record

if TYPE_CHECKING:
    from audits.policy import Policy
    from audits.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver(Record):
    """A named, owned and expiring exception from the rules on one code.

    ``scope`` is ``*``, a split or ``split/column``; for a license rule ``*`` or the name of an input. ``expires`` is
    the last day on which it holds, ``created`` the first, where that is told.
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


def waiver_fault(waiver: Waiver, day: datetime.date) -> str | None:
    """Return why the waiver is malformed, or expired on ``day``; None where it holds or will hold."""
    who = f"the waiver for {waiver.code}"
    for name in ("reason", "owner", "approver"):
        if not getattr(waiver, name).strip():
            return f"{who} has no {name}"
    if waiver.owner.strip().casefold() == waiver.approver.strip().casefold():
        return f"{who} is approved by its own owner {waiver.owner}; another person must approve it"
    expires = parse_day(waiver.expires)
    if expires is None:
        return f"{who} expires on {waiver.expires!r}, which is no date like 2027-01-31"
    if waiver.created is not None:
        created = parse_day(waiver.created)
        if created is None:
            return f"{who} was created on {waiver.created!r}, which is no date like 2027-01-31"
        if created > expires:
            return f"{who} was created on {waiver.created}, after the day {waiver.expires} on which it expires"
    return f"{who} expired on {waiver.expires}" if expires < day else None


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

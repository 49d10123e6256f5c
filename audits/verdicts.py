"""What was decided: outcomes, the verdict, and a person's recorded yes to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from audits.records import Record, volatile
from audits.waivers import Waiver

Decision = Literal["pass", "review", "block"]
"""pass publishes; review needs a recorded, named approval; block never publishes."""

SEVERITY: dict[Decision, int] = {"pass": 0, "review": 1, "block": 2}


def worst(decisions: Iterable[Decision]) -> Decision:
    """Return the gravest decision; pass where there is none."""
    found: Decision = "pass"
    for item in decisions:
        found = item if SEVERITY[item] > SEVERITY[found] else found
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Record):
    """One rule applied to one measurement (or to a check that did not run), or one license rule.

    ``waiver`` says in words which waiver excused it, or why one did not; ``waived_by`` holds those that did.
    """

    code: str
    decision: Decision
    rule: str
    observed: str
    allowed: str
    waiver: str | None = None
    waived_by: tuple[Waiver, ...] = ()

    @property
    def checked(self) -> bool:
        """Whether it is a statement on the data; a decision of "pass" is none where nothing was determined."""
        return not self.observed.startswith(("not checked", "not compared", "not judged", "undetermined"))

    @property
    def place(self) -> str:
        """Where the check of this outcome observed it: a split or ``split/column``; "" where it names no place."""
        return self.observed.partition(" in ")[2] if self.checked else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Record):
    """The decision over one report under one policy, with everything that led to it."""

    decision: Decision
    outcomes: tuple[Outcome, ...]
    report_digest: str
    policy_digest: str
    policy_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Record):
    """A person's recorded yes to a verdict of review, bound to what was shown to that person."""

    verdict_digest: str
    plan_digest: str
    policy_digest: str
    by: str
    role: str = ""
    reason: str = ""
    expires: str | None = None
    created_at: str = volatile(default="")

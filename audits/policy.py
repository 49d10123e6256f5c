"""From measurements to a decision: TOML -> Policy; judge(report, policy) -> Verdict is pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from audits.records import Record, volatile

Decision = Literal["pass", "review", "block"]
"""pass publishes; review needs a recorded, named approval; block never publishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent(Record):
    """What the model is meant for; rules may depend on it."""

    commercial: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Record):
    """What one check may measure.

    A finding of ``code`` whose measurement exceeds ``allowed`` (in the measurement's own unit) gets
    ``decision``. ``required`` checks that were skipped, errored or never run block.
    ``only_if_commercial`` rules hold where the intent is commercial.
    """

    code: str
    allowed: float = 0.0
    decision: Literal["review", "block"] = "block"
    required: bool = False
    only_if_commercial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver(Record):
    """A named, owned and expiring exception; ``scope`` is ``*``, a split or ``split/column``."""

    code: str
    scope: str = "*"
    reason: str
    owner: str
    approver: str
    expires: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Record):
    """Rules by check, and the exceptions from them."""

    name: str
    intent: Intent = field(default_factory=Intent)
    rules: tuple[Rule, ...] = ()
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Record):
    """One rule applied to one measurement (or to a check that did not run)."""

    code: str
    decision: Decision
    rule: str
    observed: str
    allowed: str
    waiver: str | None = None


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

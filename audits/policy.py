"""From measurements to a decision: TOML -> Policy; judge(report, policy) -> Verdict is pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from audits.dates import utc_today
from audits.intent import Intent
from audits.judging import age_problem, judge
from audits.licenses.outcomes import license_outcomes
from audits.licenses.overlays import RULE_CODES, Overlay
from audits.records import Record
from audits.verdicts import Approval, Decision, Outcome, Verdict
from audits.waivers import VERSION_CODE, UsedWaiver, Waiver, unused_waivers, used_waivers, waiver_problem

__all__ = [
    "LEVELS",
    "RULE_CODES",
    "VERSION_CODE",
    "Approval",
    "Decision",
    "Intent",
    "LicensePolicy",
    "LicenseRule",
    "Outcome",
    "Policy",
    "Rule",
    "UsedWaiver",
    "Verdict",
    "VersionPolicy",
    "Waiver",
    "age_problem",
    "judge",
    "license_outcomes",
    "load_policy",
    "unused_waivers",
    "used_waivers",
    "waiver_problem",
]

LEVELS = ("permissive", "standard", "strict")
"""The policies that are shipped, as ``audits/policies/<level>.toml``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Record):
    """What one check may measure.

    What the check ``code`` found, or the ``measurement`` of it that is named as in report.json (without the place in
    brackets), gets ``decision`` where it exceeds ``allowed``, in the measurement's own unit. ``required`` checks that
    were skipped, errored or never run block. ``only_if_commercial`` rules hold where the intent is commercial.
    ``measured_with`` is the decision on splits that are only measured with, by their name (test, validation, …), where
    it is another.
    """

    code: str
    measurement: str | None = None
    allowed: float = 0.0
    decision: Literal["review", "block"] = "block"
    measured_with: Literal["review", "block"] | None = None
    required: bool = False
    only_if_commercial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseRule(Record):
    """What a conflict, or an open question, under one license rule (L1 to L18) means here.

    None leaves it as the analysis has it. What is milder than that is shown beside the outcome.
    """

    code: str
    conflict: Decision | None = None
    undetermined: Decision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LicensePolicy(Record):
    """How the license analysis is judged: open questions, single rules, and a company's own positions.

    ``copies_by_policy``: whether a license copy that no clause surely asks for (training data behind weights) goes
    along where its text is at hand, or is required.
    """

    undetermined: Literal["review", "block"] = "review"
    copies_by_policy: Literal["at hand", "required"] = "at hand"
    rules: tuple[LicenseRule, ...] = ()
    overlay: Overlay | None = None

    def rule(self, code: str) -> LicenseRule:
        """Return what is said on one rule; nothing where it is not named."""
        return next((item for item in self.rules if item.code == code), LicenseRule(code=code))


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPolicy(Record):
    """How a new version is judged against the one that is published.

    ``regression`` is the decision where the primary metric is worse by more than ``margin`` with its whole interval;
    ``unchecked`` where a version is published and nothing was compared, ``inconclusive`` where too few queries were
    compared to rule such a loss out. All have the code :data:`VERSION_CODE`, which waivers name; where no version is
    published, none counts.
    """

    regression: Decision = "review"
    unchecked: Decision = "pass"
    inconclusive: Decision = "pass"
    margin: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Record):
    """Rules by check and by license rule, the exceptions from them, and who may say yes.

    ``cannot_waive`` lists codes that no waiver excuses. ``single_reviewer`` says whether a name alone is enough of a
    yes to a verdict of review (``push --reviewed-by``), else it takes an approval with role, reason and expiry.
    ``approval_days`` bounds how long an approval lasts, ``max_audit_age_days`` how old an audit may be; None is no
    limit.
    """

    name: str
    intent: Intent = field(default_factory=Intent)
    rules: tuple[Rule, ...] = ()
    licenses: LicensePolicy = field(default_factory=LicensePolicy)
    versions: VersionPolicy = field(default_factory=VersionPolicy)
    waivers: tuple[Waiver, ...] = ()
    cannot_waive: tuple[str, ...] = ()
    single_reviewer: bool = True
    approval_days: int | None = None
    max_audit_age_days: int | None = None


def load_policy(name_or_path: str | Path = "standard", *, today: datetime.date | None = None) -> Policy:
    """Return the shipped policy of that name (:data:`LEVELS`) or the one in a TOML file.

    The file holds the fields of :class:`Policy`: ``name``, ``[intent]``, ``[[rules]]``, ``[licenses]`` with
    ``[[licenses.rules]]`` and the path of an ``overlay`` beside the file, ``[versions]``, ``[[waivers]]`` and the
    rest. ``today`` (UTC by default) decides what is expired.

    Raises:
        PolicyError: no such policy, no valid TOML, an unknown key or code, a value of another type or out of
            range, no rules, an overlay that can not be used, or a waiver that is expired, without an owner, approved
            by its owner, or for a code that can not be waived.
    """
    from audits.policy_files import read_policy  # which needs the types above

    return read_policy(name_or_path, today or utc_today())

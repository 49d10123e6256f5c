"""What is wrong with a policy that has its shape: codes, names, numbers, dates, and exceptions that nobody signed."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audits.intent import Intent
from audits.licenses import resolve
from audits.measurement_names import near_measurements, unit_of
from audits.policy import RULE_CODES, VERSION_CODE, LicenseRule, Policy, Rule, VersionPolicy
from audits.territories import code_problem
from audits.waivers import Waiver, waiver_faults

NO_CODE = "(no code)"
"""Stands for a code that a file does not tell, where the rest of the entry is examined."""

# terms of one's own, which no list can know
_OWN_TERMS = re.compile(r"LicenseRef-[A-Za-z0-9.-]+|other", re.IGNORECASE)
# the one rule whose open question may be a note, as it is in the analysis
_NOTES = frozenset({("L18", "undetermined")})


def policy_problems(
    policy: Policy, day: datetime.date, *, checks: frozenset[str], shipped: Mapping[str, Policy], whole: bool = True
) -> Iterator[str]:
    """Yield everything that is wrong with a policy.

    Args:
        policy: as read; what had another shape is left out, or stands there as nobody would write it.
        day: on which waivers must hold.
        checks: the codes of checks that are known.
        shipped: the policies whose names are taken.
        whole: whether nothing was left out, so that what is missing or stands there twice is the file's own.
    """
    yield from _name_problems(policy, shipped)
    for name in ("max_audit_age_days", "approval_days"):
        days = getattr(policy, name)
        if days is not None and not 1 <= days <= 36_500:
            yield f"`Policy.{name}` is {days}; it must be from 1 to 36500, or left out for no limit."
    yield from _intent_problems(policy.intent)
    yield from _version_problems(policy.versions)
    codes = checks | frozenset((*RULE_CODES, VERSION_CODE))
    # others' rules among those of checks are told already
    rules = [rule.code for rule in policy.rules if rule.code not in (*RULE_CODES, VERSION_CODE)]
    named = (
        ("rule", rules, checks),
        ("license rule", [rule.code for rule in policy.licenses.rules], frozenset(RULE_CODES)),
        ("waiver", [waiver.code for waiver in policy.waivers], codes),
        ("line of `cannot_waive`", policy.cannot_waive, codes),
    )
    for kind, told, known in named:
        yield from _unknown_codes(kind, [code for code in told if whole or code != NO_CODE], known)
    yield from _rule_problems(policy.rules, whole=whole)
    yield from _license_rule_problems(policy.licenses.rules, policy.cannot_waive, whole=whole)
    for waiver in policy.waivers:
        yield from _waiver_problems(waiver, policy, day)


def _name_problems(policy: Policy, shipped: Mapping[str, Policy]) -> Iterator[str]:
    name = policy.name.strip()
    if not name:
        yield "`Policy.name` is empty; name the policy, reports show it."
    taken = shipped.get(name.casefold())
    if taken is not None and policy != taken:
        yield (
            f"`Policy.name` is {policy.name!r}, the name of a shipped policy, and it says something else than that one;"
            f' rename it, e.g. name = "ours, from {taken.name}": reports and cards show the name.'
        )


def _rule_problems(rules: Iterable[Rule], *, whole: bool) -> Iterator[str]:
    seen: set[tuple[Any, ...]] = set()
    for rule in rules:
        if rule.allowed < 0:
            yield f"the rule for {rule.code} allows {rule.allowed:g}; `allowed` must be 0 or more."
        if rule.allowed > 1 and unit_of(rule.code, rule.measurement) == "fraction":
            what = f" of “{rule.measurement}”" if rule.measurement is not None else ""
            yield (
                f"the rule for {rule.code} allows {rule.allowed:g}{what}, which is a fraction and never more than 1; "
                f"write {rule.allowed / 100:g} for {rule.allowed:g} %."
            )
        if rule.measurement is not None and not rule.measurement.strip():
            yield f"the rule for {rule.code} has an empty `measurement`; name one as in report.json, or leave it out."
        elif rule.measurement is not None and (near := near_measurements(rule.code, rule.measurement)):
            shown = " or ".join(f"“{name}”" for name in near)
            yield f"the rule for {rule.code} names “{rule.measurement}”, which it does not measure; near it: {shown}."
        key = (rule.code, rule.measurement, rule.decision, rule.only_if_commercial)
        if whole and key in seen:
            yield f"it has two rules that {rule.decision} on {rule.code}; keep one."
        seen.add(key)


def _license_rule_problems(rules: Iterable[LicenseRule], cannot_waive: Iterable[str], *, whole: bool) -> Iterator[str]:
    seen: set[str] = set()
    for rule in rules:
        if whole and rule.code in seen:
            yield f"it has two license rules for {rule.code}; keep one."
        seen.add(rule.code)
        if whole and rule.conflict is None and rule.undetermined is None:
            yield f"the license rule for {rule.code} says nothing; give it `conflict` or `undetermined`."
        for name in ("conflict", "undetermined"):
            if getattr(rule, name) == "pass" and (rule.code, name) not in _NOTES:
                yield _unsigned(rule.code, name)
        if rule.code in cannot_waive and rule.undetermined == "pass" and (rule.code, "undetermined") in _NOTES:
            yield f'{rule.code} can not be waived, yet its license rule lets it pass; say "review" or "block".'


def _unsigned(code: str, name: str) -> str:
    what = "a conflict" if name == "conflict" else "an open question"
    return (
        f'the license rule for {code} lets {what} pass ({name} = "pass"), and nobody is named for it: that is a '
        f'waiver. Say "review" or "block" there, and write [[waivers]] with code = "{code}", scope (an input, or "*"), '
        "reason, owner, approver and expires."
    )


def _waiver_problems(waiver: Waiver, policy: Policy, day: datetime.date) -> Iterator[str]:
    for problem in waiver_faults(waiver, day):
        yield f"{problem}. Renew or remove it."
    if not waiver.scope.strip():
        places = "a repository" if waiver.code == VERSION_CODE else "a split, split/column, an input"
        yield f'the waiver for {waiver.code} has an empty scope; name {places}, or "*" for all.'
    if waiver.code in policy.cannot_waive:
        yield f"it waives {waiver.code}, which stands in its own `cannot_waive`; remove one of the two."


def _version_problems(versions: VersionPolicy) -> Iterator[str]:
    if not 0 <= versions.margin <= 1:
        yield (
            f"`Policy.versions.margin` is {versions.margin:g}; it must be from 0 to 1, as scores are: 0.01 accepts a "
            "loss of one point in a hundred."
        )
    if versions.regression == "pass":
        yield (
            '[versions] lets a regression pass (regression = "pass"), and names nobody for it: that is a waiver. Say '
            f'"review" or "block" there, and write [[waivers]] with code = "{VERSION_CODE}", scope (a repository, or '
            '"*"), reason, owner, approver and expires.'
        )


def _intent_problems(intent: Intent) -> Iterator[str]:
    for name in ("outgoing_license", "outgoing_data_license"):
        told = getattr(intent, name)
        if told is None or _OWN_TERMS.fullmatch(told.strip()):
            continue
        known = resolve(told)
        if known.spdx is None and known.category == "unknown":
            yield (
                f"`Policy.intent.{name}` is {told!r} ({known.note}); name an SPDX expression, an id of the Hugging "
                "Face Hub, or LicenseRef-… for terms of your own."
            )
    for code in intent.territory:
        problem = code_problem(code)
        if problem is not None:
            yield f"`Policy.intent.territory`: {problem}."
    for repo, who in intent.accepted.items():
        if not repo.strip() or not who.strip():
            yield f"`Policy.intent.accepted` holds {repo!r} = {who!r}; write the repository = who accepted, and when."


def _unknown_codes(kind: str, codes: Iterable[str], known: frozenset[str]) -> Iterator[str]:
    for code in codes:
        if code not in known:
            near = difflib.get_close_matches(code, sorted(known), n=3, cutoff=0.5) or sorted(known)
            yield f"a {kind} names the unknown check {code}; near it are {', '.join(near)}."

"""Policies on disk: the shipped levels and TOML files of one's own, read and refused when they make no sense."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from audits.dates import day_text
from audits.errors import PolicyError
from audits.intent import Intent
from audits.licenses import resolve
from audits.licenses.overlays import Overlay, read_overlay
from audits.policy import LEVELS, RULE_CODES, LicenseRule, Policy, Rule
from audits.records import shape_problems
from audits.waivers import Waiver, waiver_fault

_COUNTRY = re.compile(r"[A-Z]{2}")
# terms of one's own, which no list can know
_OWN_TERMS = re.compile(r"LicenseRef-[A-Za-z0-9.-]+|other", re.IGNORECASE)


def read_policy(name_or_path: str | Path, day: datetime.date) -> Policy:
    """Return a shipped policy or one in a TOML file; ``day`` decides which waivers are expired.

    Raises:
        PolicyError: see :func:`audits.policy.load_policy`.
    """
    policy, problems = examine_policy(name_or_path, day)
    if policy is None or problems:
        more = ""
        if len(problems) > 1:
            more = f" ({len(problems) - 1} more stand in it; list all with `hf-contrastive policy validate`.)"
        msg = f"The policy {_where(name_or_path)} can not be used: {problems[0]}{more}"
        raise PolicyError(msg)
    return policy


def examine_policy(name_or_path: str | Path, day: datetime.date) -> tuple[Policy | None, tuple[str, ...]]:
    """Return the policy, None where the file has not its shape, and everything that is wrong with it.

    Raises:
        PolicyError: there is no such policy.
    """
    text = _read(name_or_path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, (f"it is no valid TOML: {error}. Compare it with the shipped policy `standard`.",)
    for waiver in _entries(data, "waivers"):
        waiver.update({key: day_text(waiver[key]) for key in ("expires", "created") if key in waiver})
    found: list[str] = []
    overlay = _take_overlay(data, Path(name_or_path).expanduser().parent, day, found)
    found.extend(_misplaced(data))
    shape = list(shape_problems(Policy, data, "Policy"))
    found.extend(shape)
    policy = Policy.from_dict(_sound(data) if shape else data)
    policy = replace(policy, licenses=replace(policy.licenses, overlay=overlay))
    if not data.get("rules"):
        found.append('it has no [[rules]]; add at least one, e.g. code = "DUP001", allowed = 0.1, decision = "review".')
    found.extend(_problems(policy, day))
    return None if shape else policy, tuple(found)


def known_codes() -> frozenset[str]:
    """Return the codes of every installed check, of the shipped policies, and of the license rules."""
    return check_codes() | frozenset(RULE_CODES)


def check_codes() -> frozenset[str]:
    """Return the codes of every installed check and of the shipped policies."""
    from audits.checks import discover  # the checks import heavy libraries

    shipped = (rule["code"] for level in LEVELS for rule in tomllib.loads(shipped_text(level))["rules"])
    return frozenset({check.code for check in discover()} | set(shipped))


def shipped_text(level: str) -> str:
    """Return the TOML of a shipped policy."""
    return resources.files("audits").joinpath("policies", f"{level}.toml").read_text(encoding="utf-8")


def _where(name_or_path: str | Path) -> str:
    is_level = isinstance(name_or_path, str) and name_or_path in LEVELS
    return f"`{name_or_path if is_level else Path(name_or_path).expanduser()}`"


def _read(name_or_path: str | Path) -> str:
    if isinstance(name_or_path, str) and name_or_path in LEVELS:
        return shipped_text(name_or_path)
    try:
        return Path(name_or_path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        near = difflib.get_close_matches(str(name_or_path), LEVELS, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        msg = (
            f"The policy `{name_or_path}` can not be read ({reason}); give the path of a TOML file or one of "
            f"{', '.join(LEVELS)}.{hint}"
        )
        raise PolicyError(msg) from error


def _entries(data: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    value = data.get(key)
    yield from (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()


def _take_overlay(data: dict[str, Any], folder: Path, day: datetime.date, found: list[str]) -> Overlay | None:
    """Take the path of the overlay out of ``data`` and return what stands there."""
    licenses = data.get("licenses")
    if not isinstance(licenses, dict) or "overlay" not in licenses:
        return None
    told = licenses.pop("overlay")
    if not isinstance(told, str) or not told.strip():
        found.append(f"`Policy.licenses.overlay` is {told!r}; name a TOML file, relative to this one.")
        return None
    problems: list[str] = []
    overlay = read_overlay(folder / told, problems, today=day)
    found.extend(f"its overlay `{told}`: {problem}" for problem in problems)
    return overlay


def _sound(data: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of ``data`` that have their shape, so that what they say can be examined beside the rest."""
    sound: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, list):
            sound[key] = [part for part in value if not any(_part_problems(key, [part]))]
        else:
            sound[key] = value
    sound = {key: value for key, value in sound.items() if not any(_part_problems(key, value))}
    return {"name": "without a name", **sound}


def _part_problems(key: str, value: Any) -> Iterator[str]:
    return shape_problems(Policy, {"name": "without a name", key: value}, "Policy")


def _misplaced(data: dict[str, Any]) -> Iterator[str]:
    """Explain a license rule among the rules of checks, whose keys differ."""
    for i, rule in enumerate(_entries(data, "rules")):
        if rule.get("code") in RULE_CODES:
            yield (
                f"`Policy.rules[{i}]` is about the license rule {rule['code']}; write [[licenses.rules]] with code, "
                'conflict and undetermined, each "pass", "review" or "block".'
            )


def _problems(policy: Policy, day: datetime.date) -> Iterator[str]:
    if not policy.name.strip():
        yield "`Policy.name` is empty; name the policy, reports show it."
    for name in ("max_audit_age_days", "approval_days"):
        days = getattr(policy, name)
        if days is not None and not 1 <= days <= 36_500:
            yield f"`Policy.{name}` is {days}; it must be from 1 to 36500, or left out for no limit."
    yield from _intent_problems(policy.intent)
    checks = check_codes()
    codes = checks | frozenset(RULE_CODES)
    # license rules among those of checks are told already
    yield from _unknown_codes("rule", (rule.code for rule in policy.rules if rule.code not in RULE_CODES), checks)
    yield from _unknown_codes("license rule", (rule.code for rule in policy.licenses.rules), frozenset(RULE_CODES))
    yield from _unknown_codes("waiver", (waiver.code for waiver in policy.waivers), codes)
    yield from _unknown_codes("line of `cannot_waive`", policy.cannot_waive, codes)
    yield from _rule_problems(policy.rules)
    yield from _license_rule_problems(policy.licenses.rules, policy.cannot_waive)
    for waiver in policy.waivers:
        yield from _waiver_problems(waiver, policy, day)


def _rule_problems(rules: Iterable[Rule]) -> Iterator[str]:
    seen: set[tuple[Any, ...]] = set()
    for rule in rules:
        if rule.allowed < 0:
            yield f"the rule for {rule.code} allows {rule.allowed:g}; `allowed` must be 0 or more."
        if rule.measurement is not None and not rule.measurement.strip():
            yield f"the rule for {rule.code} has an empty `measurement`; name one as in report.json, or leave it out."
        key = (rule.code, rule.measurement, rule.decision, rule.only_if_commercial)
        if key in seen:
            yield f"it has two rules that {rule.decision} on {rule.code}; keep one."
        seen.add(key)


def _license_rule_problems(rules: Iterable[LicenseRule], cannot_waive: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for rule in rules:
        if rule.code in seen:
            yield f"it has two license rules for {rule.code}; keep one."
        seen.add(rule.code)
        if rule.conflict is None and rule.undetermined is None:
            yield f"the license rule for {rule.code} says nothing; give it `conflict` or `undetermined`."
        if rule.code in cannot_waive and "pass" in (rule.conflict, rule.undetermined):
            yield f'{rule.code} can not be waived, yet its license rule lets it pass; say "review" or "block".'


def _waiver_problems(waiver: Waiver, policy: Policy, day: datetime.date) -> Iterator[str]:
    problem = waiver_fault(waiver, day)
    if problem is not None:
        yield f"{problem}. Renew or remove it."
    if not waiver.scope.strip():
        yield f'the waiver for {waiver.code} has an empty scope; name a split, split/column, an input, or "*" for all.'
    if waiver.code in policy.cannot_waive:
        yield f"it waives {waiver.code}, which stands in its own `cannot_waive`; remove one of the two."


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
        if not _COUNTRY.fullmatch(code):
            yield f"`Policy.intent.territory` holds {code!r}; allowed are ISO 3166 codes of two capitals, and EU."
    for repo, who in intent.accepted.items():
        if not repo.strip() or not who.strip():
            yield f"`Policy.intent.accepted` holds {repo!r} = {who!r}; write the repository = who accepted, and when."


def _unknown_codes(kind: str, codes: Iterable[str], known: frozenset[str]) -> Iterator[str]:
    for code in codes:
        if code not in known:
            near = difflib.get_close_matches(code, sorted(known), n=3, cutoff=0.5) or sorted(known)
            yield f"a {kind} names the unknown check {code}; near it are {', '.join(near)}."

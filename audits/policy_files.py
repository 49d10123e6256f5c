"""Policies on disk: the shipped levels and TOML files of one's own, read and refused when they make no sense."""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from audits.errors import PolicyError, SchemaError
from audits.policy import LEVELS, Policy, waiver_problem


def read_policy(name_or_path: str | Path, day: datetime.date) -> Policy:
    """Return a shipped policy or one in a TOML file; ``day`` decides which waivers are expired.

    Raises:
        PolicyError: see :func:`audits.policy.load_policy`.
    """
    text, where = _read(name_or_path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"The policy {where} is no valid TOML: {error}. Compare it with the shipped policy `standard`."
        raise PolicyError(msg) from error
    for waiver in _entries(data, "waivers"):
        if isinstance(waiver.get("expires"), datetime.date):
            waiver["expires"] = waiver["expires"].isoformat()[:10]  # TOML has dates, JSON has none
    try:
        policy = Policy.from_dict(data)
    except SchemaError as error:
        msg = f"The policy {where} can not be used: {error}"
        raise PolicyError(msg) from error
    problem = next(_problems(policy, day), None)
    if problem is not None:
        msg = f"The policy {where} can not be used: {problem}"
        raise PolicyError(msg)
    return policy


def known_codes() -> frozenset[str]:
    """Return the codes of every installed check and of the shipped policies."""
    from audits.checks import discover  # the checks import heavy libraries

    shipped = (rule["code"] for level in LEVELS for rule in tomllib.loads(_shipped(level))["rules"])
    return frozenset({check.code for check in discover()} | set(shipped))


def _read(name_or_path: str | Path) -> tuple[str, str]:
    if isinstance(name_or_path, str) and name_or_path in LEVELS:
        return _shipped(name_or_path), f"`{name_or_path}`"
    path = Path(name_or_path).expanduser()
    try:
        return path.read_text(encoding="utf-8"), f"`{path}`"
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


def _shipped(level: str) -> str:
    return resources.files("audits").joinpath("policies", f"{level}.toml").read_text(encoding="utf-8")


def _problems(policy: Policy, day: datetime.date) -> Iterator[str]:
    if not policy.rules:
        yield 'it has no [[rules]]; add at least one, e.g. code = "DUP001", allowed = 0.1, decision = "review".'
    codes = known_codes()
    for kind, entries in (("rule", policy.rules), ("waiver", policy.waivers)):
        yield from _unknown_codes(kind, (entry.code for entry in entries), codes)
    seen: set[tuple[Any, ...]] = set()
    for rule in policy.rules:
        if rule.allowed < 0:
            yield f"the rule for {rule.code} allows {rule.allowed:g}; `allowed` must be 0 or more."
        key = (rule.code, rule.decision, rule.only_if_commercial)
        if key in seen:
            yield f"it has two rules that {rule.decision} on {rule.code}; keep one."
        seen.add(key)
    for waiver in policy.waivers:
        problem = waiver_problem(waiver, day)
        if problem is not None:
            yield f"{problem}. Renew or remove it."


def _unknown_codes(kind: str, codes: Iterable[str], known: frozenset[str]) -> Iterator[str]:
    for code in codes:
        if code not in known:
            near = difflib.get_close_matches(code, sorted(known), n=3, cutoff=0.5) or sorted(known)
            yield f"a {kind} names the unknown check {code}; near it are {', '.join(near)}."

"""Policies on disk: the shipped levels and TOML files of one's own, read and refused when they make no sense."""

from __future__ import annotations

import datetime
import difflib
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from audits.dates import day_text
from audits.errors import PolicyError
from audits.licenses.overlays import Overlay, read_overlay
from audits.policy import LEVELS, RULE_CODES, VERSION_CODE, Policy
from audits.policy_problems import NO_CODE, policy_problems
from audits.records import Record, shape_problems

# what nobody told, so that what was told beside it can be examined
_UNTOLD = {
    "name": "without a name",
    "code": NO_CODE,
    "reason": "not told",
    "owner": "an owner",
    "approver": "an approver",
    "expires": "9999-12-31",
}


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
    policy = Policy.from_dict(_sound(Policy, data) if shape else data)
    policy = replace(policy, licenses=replace(policy.licenses, overlay=overlay))
    if not data.get("rules"):
        found.append('it has no [[rules]]; add at least one, e.g. code = "DUP001", allowed = 0.1, decision = "review".')
    found.extend(policy_problems(policy, day, checks=check_codes(), shipped=_shipped(), whole=not shape))
    return None if shape else policy, tuple(found)


def known_codes() -> frozenset[str]:
    """Return the codes of every installed check, of the shipped policies, of the license rules, and of versions."""
    return check_codes() | frozenset((*RULE_CODES, VERSION_CODE))


def check_codes() -> frozenset[str]:
    """Return the codes of every installed check and of the shipped policies."""
    from audits.checks import discover  # the checks import heavy libraries

    shipped = (rule["code"] for level in LEVELS for rule in tomllib.loads(shipped_text(level))["rules"])
    return frozenset({check.code for check in discover()} | set(shipped))


@cache
def _shipped() -> Mapping[str, Policy]:
    return {level: Policy.from_dict(tomllib.loads(shipped_text(level))) for level in LEVELS}


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


def _sound(kind: Any, value: Any) -> Any:
    """Return what of ``value`` has the shape of ``kind``, so that it can be examined beside the rest; None for nothing.

    Required keys that are missing are filled with what no examination minds.
    """
    options = [item for item in typing.get_args(kind) if item is not type(None)]
    if not any(shape_problems(kind, value, "")):
        return value
    if isinstance(value, list) and typing.get_origin(kind) is tuple:
        return [part for item in value if (part := _sound(options[0], item)) is not None]
    if not isinstance(value, Mapping) or not isinstance(kind, type) or not issubclass(kind, Record):
        return None
    hints = typing.get_type_hints(kind)
    parts = {item.name: _sound(hints[item.name], value.get(item.name)) for item in fields(typing.cast("Any", kind))}
    for item in fields(typing.cast("Any", kind)):
        if parts[item.name] is None and item.default is MISSING and item.default_factory is MISSING:
            parts[item.name] = _UNTOLD[item.name]
    return {name: part for name, part in parts.items() if part is not None}


def _misplaced(data: dict[str, Any]) -> Iterator[str]:
    """Explain a license rule among the rules of checks, whose keys differ."""
    for i, rule in enumerate(_entries(data, "rules")):
        if rule.get("code") in RULE_CODES:
            yield (
                f"`Policy.rules[{i}]` is about the license rule {rule['code']}; write [[licenses.rules]] with code, "
                'conflict and undetermined, each "pass", "review" or "block".'
            )
        if rule.get("code") == VERSION_CODE:
            yield (
                f"`Policy.rules[{i}]` is about the comparison with the published version; write [versions] with "
                "regression, unchecked, inconclusive and margin."
            )

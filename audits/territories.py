"""Places that a model is offered in: ISO 3166 codes and "EU", what they hold, and near ones of a wrong code."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

EU = "EU"
"""Stands for all members of the European Union."""


@cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(files("audits").joinpath("territories.toml").read_text("utf-8"))


@cache
def known_codes() -> frozenset[str]:
    """Return every code that may be given: those of ISO 3166, and EU."""
    return frozenset({*_data()["country"], EU})


@cache
def _members() -> frozenset[str]:
    return frozenset(_data()["eu"].split())


def overlap(offered: Iterable[str], excluded: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``offered`` that lie in ``excluded`` or hold some of it, sorted; "DE" lies in "EU"."""
    closed = _single(excluded)
    return tuple(sorted(code for code in set(offered) if _single([code.upper()]) & closed))


def _single(codes: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*((_members() | {EU}) if code == EU else {code} for code in codes))


def code_problem(told: str) -> str | None:
    """Return what is wrong with a code, with near ones; None where it is one."""
    if told in known_codes():
        return None
    near = near_codes(told)
    hint = f"; near it are {', '.join(near)}" if near else ""
    return (
        f"{told!r} is no place that is known here{hint}; allowed are ISO 3166 codes of two capitals such as DE, and EU"
    )


def near_codes(told: str) -> tuple[str, ...]:
    """Return up to three codes with their names that ``told`` may mean, the nearest first."""
    data, word = _data(), " ".join(told.casefold().split())
    names = {name.casefold(): code for code, name in data["country"].items()} | data["alias"]
    if told.strip().upper() in known_codes():
        found = [told.strip().upper()]
    else:
        found = [names[name] for name in difflib.get_close_matches(word[:80], names, n=3, cutoff=0.75)]
    return tuple(f"{code} ({data['country'].get(code, 'European Union')})" for code in dict.fromkeys(found))

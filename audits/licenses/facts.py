"""The license facts of ``facts.toml`` as lookup tables."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Category = Literal[
    "permissive",
    "weak-copyleft",
    "copyleft",
    "share-alike",
    "other-terms",
    "no-derivatives",
    "unknown",
    "non-commercial",
]
"""What a license asks for, from the least to the most strict."""

NON_COMMERCIAL = "LicenseRef-noncommercial-statement"
"""Stands for words that forbid commercial use and name no license."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Keys are folded by :func:`fold`; ``spdx`` gives the exact spelling and the category."""

    date: str
    spdx: dict[str, tuple[str, Category]]
    names: dict[str, str]
    families: dict[str, str]
    own_terms: dict[str, Category]
    own_names: dict[str, str]
    categories: dict[str, Category]
    classifiers: dict[str, str]
    classifier_categories: dict[str, Category]


def fold(text: str) -> str:
    """Return the form in which names are looked up: NFKC, casefolded, no leading "the", no quotes."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    text = re.sub(r"[,;\"'“”‘’]", "", text).strip(" .")
    return " ".join(text.removeprefix("the ").split())


@cache
def load_facts() -> Facts:
    """Return the facts shipped with the package."""
    data = tomllib.loads(files("audits.licenses").joinpath("facts.toml").read_text("utf-8"))
    spdx = {fold(key): (key, category) for category, keys in data["spdx"].items() for key in keys.split()}
    names = {fold(alias): key for key, aliases in data["name"].items() for alias in aliases}
    own_names = data["own"].pop("name")
    own = data["own"]
    names |= {fold(alias): key for alias, key in data["hub"]["alias"].items()}
    return Facts(
        date=data["date"],
        spdx=spdx,
        names=names,
        families={fold(key): note for key, note in data["hub"]["family"].items()},
        own_terms={key: category for source in (data["hub"]["own"], own) for key, category in _words(source).items()},
        own_names={fold(alias): fold(key) for key, aliases in own_names.items() for alias in aliases},
        categories=_invert(data["category"]),
        classifiers={fold(key): value for key, value in data["classifier"]["spdx"].items() if value},
        classifier_categories=_invert(data["classifier"]["category"]),
    )


def _invert(table: dict[str, Any]) -> dict[str, Any]:
    return {fold(key): category for category, keys in table.items() for key in keys}


def _words(table: dict[str, str]) -> dict[str, Any]:
    return _invert({category: keys.split() for category, keys in table.items()})


def own_reference(key: str) -> str:
    """Return ``LicenseRef-…`` for the Hub's id, or the key in ``[own]``, of a license that has no SPDX id."""
    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", fold(key).replace("+", "-plus"))


@cache
def _references() -> dict[str, str]:
    return {fold(own_reference(key)): key for key in load_facts().own_terms}


def own_key(name: str) -> str | None:
    """Return the folded key of a license of its own terms by its id, a name of it or ``LicenseRef-…``."""
    facts, key = load_facts(), fold(name)
    key = facts.own_names.get(key, key)
    return key if key in facts.own_terms else _references().get(key)


def category_of(license_id: str) -> Category:
    """Return the category of one SPDX id or ``LicenseRef-…``, "unknown" where it is not classified."""
    facts, key = load_facts(), fold(license_id.partition(" WITH ")[0])
    if key in facts.spdx:
        return facts.spdx[key][1]
    own = own_key(key)
    return facts.own_terms[own] if own else "unknown"

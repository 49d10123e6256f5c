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


@dataclass(frozen=True, slots=True)
class TextFact:
    """Phrases that together identify a license text."""

    spdx: str | None
    category: Category
    phrases: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Keys are folded by :func:`fold`; ``spdx`` gives the exact spelling and the category."""

    date: str
    spdx: dict[str, tuple[str, Category]]
    names: dict[str, str]
    families: dict[str, str]
    own_terms: dict[str, Category]
    categories: dict[str, Category]
    classifiers: dict[str, str]
    classifier_categories: dict[str, Category]
    texts: tuple[TextFact, ...]


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
    names |= {fold(alias): key for alias, key in data["hub"]["alias"].items()}
    return Facts(
        date=data["date"],
        spdx=spdx,
        names=names,
        families={fold(key): note for key, note in data["hub"]["family"].items()},
        own_terms=_invert({key: words.split() for key, words in data["hub"]["own"].items()}),
        categories=_invert(data["category"]),
        classifiers={fold(key): value for key, value in data["classifier"]["spdx"].items() if value},
        classifier_categories=_invert(data["classifier"]["category"]),
        texts=tuple(_text_fact(item, spdx) for item in data["text"]),
    )


def _invert(table: dict[str, Any]) -> dict[str, Any]:
    return {fold(key): category for category, keys in table.items() for key in keys}


def _text_fact(item: dict[str, Any], spdx: dict[str, tuple[str, Category]]) -> TextFact:
    key = item.get("spdx")
    category = spdx[fold(key)][1] if key else item["category"]
    return TextFact(key, category, tuple(item["phrases"]), tuple(item.get("without", ())))

"""What the Hub accepts; the lists stand, with their dates, in ``hub_metadata.toml`` and ``iso_639_3.txt``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

# the rules of huggingface_hub.utils.validate_repo_id
_HUB_ID = re.compile(r"(?:[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?/)?[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)


@cache
def hub_values() -> Mapping[str, frozenset[str]]:
    """Return the values that the Hub accepts, by list name, from ``hub_metadata.toml``."""
    text = files("model_cards").joinpath("hub_metadata.toml").read_text(encoding="utf-8")
    return {key: frozenset(values) for key, values in tomllib.loads(text)["values"].items()}


@cache
def three_letter_languages() -> frozenset[str]:
    """Return the codes of ISO 639-3, from ``iso_639_3.txt``."""
    return frozenset(files("model_cards").joinpath("iso_639_3.txt").read_text(encoding="utf-8").split())


def accepted(value: object, name: str) -> bool:
    """Whether the list ``name`` holds ``value``, which may be of any YAML type."""
    return isinstance(value, str) and value in hub_values()[name]


def is_language(value: object) -> bool:
    """Whether ``value`` is a code of ISO 639-1 or 639-3, or one of the words that stand beside them on the Hub."""
    known = accepted(value, "languages") or accepted(value, "special_languages")
    return known or (isinstance(value, str) and value in three_letter_languages())


def is_hub_id(value: object) -> bool:
    """Whether ``value`` is ``name`` or ``owner/name`` as the Hub spells ids, and no path."""
    return (
        isinstance(value, str)
        and _HUB_ID.fullmatch(value) is not None
        and "--" not in value
        and ".." not in value
        and not value.endswith(".git")
    )

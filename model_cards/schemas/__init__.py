"""JSON Schemas (draft 2020-12) of what is written here, and what they say against a document.

The schema of evidence.json lies beside this file as ``evidence-1.schema.json`` and is part of the installed package:
``importlib.resources.files("model_cards.schemas") / "evidence-1.schema.json"``. The number is that of
``schema_version``. It is made from the types of :mod:`model_cards.evidence`; ``python -m model_cards.schemas`` prints
it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from model_cards.evidence import SCHEMA_VERSION

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

EVIDENCE_SCHEMA = f"evidence-{SCHEMA_VERSION}.schema.json"
"""Name of the file in this package."""

_SHOWN = 5
_LONGEST = 160


@cache
def load_schema(filename: str = EVIDENCE_SCHEMA) -> Mapping[str, Any]:
    """Return a schema of this package."""
    schema: dict[str, Any] = json.loads(files(__package__).joinpath(filename).read_text(encoding="utf-8"))
    return schema


def schema_problems(data: Any, filename: str = EVIDENCE_SCHEMA, *, limit: int = _SHOWN) -> tuple[str, ...]:
    """Return what the schema has against ``data``, each with its address, at most ``limit``.

    Args:
        data: as read from JSON.
        filename: of a schema of this package.
        limit: how many problems are told; a broken document may have thousands.
    """
    found: list[str] = []
    for error in _validator(filename).iter_errors(data):
        found.append(_words(error))
        if len(found) == limit:
            break
    return tuple(found)


@cache
def _validator(filename: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # which reading evidence does not need

    return Draft202012Validator(load_schema(filename))


def _words(error: ValidationError) -> str:
    from jsonschema.exceptions import best_match

    # of a value that may be several things, what is wrong with the nearest of them
    error = best_match([error]) or error
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path).lstrip(".")
    observed, allowed = error.instance, error.validator_value
    if error.validator == "type":
        kinds = [allowed] if isinstance(allowed, str) else allowed
        words = f"got {_short(observed)}; allowed is {' or '.join(kinds)}"
    elif error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        words = f"got the keys {_listed(set(observed) - set(known))}; allowed are only {_listed(known)}"
    elif error.validator == "required":
        words = f"lacks the keys {_listed(set(allowed) - set(observed))}"
    elif error.validator in ("enum", "const"):
        options = allowed if error.validator == "enum" else [allowed]
        words = f"got {_short(observed)}; allowed is {' or '.join(map(repr, options))}"
    else:
        words = _short(error.message, quoted=False)
    return f"`{where or 'the document'}`: {words}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, names)))


def _short(value: Any, *, quoted: bool = True) -> str:
    text = repr(value) if quoted else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

"""JSON Schemas (draft 2020-12) of what is written here, and what they say against a document.

The schema of evidence.json lies beside this file as ``evidence-1.schema.json`` and is part of the installed package:
``importlib.resources.files("model_cards.schemas") / "evidence-1.schema.json"``. The number is that of
``schema_version``. It is made from the types of :mod:`model_cards.evidence`; ``python -m model_cards.schemas`` prints
it anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from model_cards.evidence import SCHEMA_VERSION
from model_cards.schemas.checking import compile_schema

EVIDENCE_SCHEMA = f"evidence-{SCHEMA_VERSION}.schema.json"
"""Name of the file in this package."""

_SHOWN = 5


@cache
def load_schema(filename: str = EVIDENCE_SCHEMA) -> Mapping[str, Any]:
    """Return a schema of this package."""
    schema: dict[str, Any] = json.loads(files(__package__).joinpath(filename).read_text(encoding="utf-8"))
    return schema


def schema_problems(data: Any, filename: str = EVIDENCE_SCHEMA, *, limit: int = _SHOWN) -> tuple[str, ...]:
    """Return what a schema has against ``data``, each problem with its address, at most ``limit``.

    Args:
        data: as read from JSON.
        filename: of a schema of this package.
        limit: how many problems are told; a broken document may have thousands.
    """
    return tuple(_check(filename)(data)[:limit])


@cache
def _check(filename: str) -> Callable[[Any], list[str]]:
    return compile_schema(load_schema(filename))

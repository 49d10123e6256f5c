"""Values as foreign standards want them: moments, exact numbers, nothing that is empty, nothing that is private."""

from __future__ import annotations

import datetime
from typing import Any

from model_cards.typesetting import redact

PREFIX = "hf-contrastive:"
"""What the names of own properties begin with."""


def filled(**fields: Any) -> dict[str, Any]:
    """Return the fields that say something; a ``_`` at the end of a name is dropped, one inside becomes ``-``.

    None, "", [] and {} are left out: what nobody measured or stated is absent.
    """
    return {
        name.rstrip("_").replace("_", "-"): value
        for name, value in fields.items()
        if value is not None and not (isinstance(value, str | list | dict) and not value)
    }


def properties(*pairs: tuple[str, object]) -> list[dict[str, str]]:
    """Return own properties; those without a value are left out."""
    return [
        {"name": f"{PREFIX}{name}", "value": exact(value) if isinstance(value, float) else str(value)}
        for name, value in pairs
        if value is not None and value != ""
    ]


def redacted(value: Any) -> Any:
    """Return JSON-ready data with tokens and local paths masked in every text."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redacted(item) for item in value]
    if isinstance(value, dict):
        return {key: redacted(item) for key, item in value.items()}
    return value


def moment(text: str) -> str | None:
    """Return a point in time as RFC 3339 in UTC; None where ``text`` is none, or does not say in which zone."""
    try:
        told = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if told.tzinfo is None:
        return None
    try:
        return told.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:  # a year that no calendar has in UTC
        return None


def exact(value: float) -> str:
    """Return a number as text that reads back as the same number."""
    return repr(value)

"""Days in policies, waivers, approvals and overlays: always YYYY-MM-DD, today is that of UTC."""

from __future__ import annotations

import datetime
import re
from typing import Any

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def utc_today() -> datetime.date:
    """Return the day that it is in UTC."""
    return datetime.datetime.now(tz=datetime.UTC).date()


def parse_day(text: str) -> datetime.date | None:
    """Return the day that ``text`` names as YYYY-MM-DD, None where it names none."""
    try:
        return datetime.date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def earliest_day(moment: str) -> datetime.date | None:
    """Return the earliest day in UTC that a date or time in ISO 8601 can mean, None where it is none.

    One without a zone may be that of the next day in UTC.
    """
    try:
        told = datetime.datetime.fromisoformat(moment)
        if told.tzinfo is not None:
            return told.astimezone(datetime.UTC).date()
        return told.date() - datetime.timedelta(days=1)
    except (ValueError, OverflowError):
        return None


def day_text(value: Any) -> Any:
    """Return a day or time of TOML, which JSON does not have, as YYYY-MM-DD; anything else as it is."""
    return value.isoformat()[:10] if isinstance(value, datetime.date) else value

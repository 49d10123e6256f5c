"""Places that only somebody's own machine or network knows: paths, shares and buckets."""

from __future__ import annotations

from model_cards.typesetting import PLACE


def local_path(text: str) -> str:
    """Return the first place in ``text`` that nobody else can reach, or ""; documents replace the same ones."""
    found = PLACE.search(text)
    return found.group() if found else ""

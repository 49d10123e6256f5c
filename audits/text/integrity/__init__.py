"""What is wrong with a text as a text: hidden and look-alike characters, garbled encodings, instructions, repetition.

Each detector is pure: ``find(text)`` returns what it found, and ``HINT`` is a regular expression of RE2 that matches
every text in which there may be something, so that one pass over a column leaves few texts to look at.
"""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A place of a text, ``text[start:end]``, and in words what is wrong with it."""

    start: int
    end: int
    kind: str

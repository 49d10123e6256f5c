"""Words beside a license text that change what it permits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audits.licenses.facts import Category, category_of
from audits.licenses.fingerprints import load_fingerprints

LONGEST_QUOTE = 240

_HEAD = 240  # characters of a license text in which a sentence may hide between copyright lines
_SILENT_WORDS = 150  # beside a license: a title, a list of holders, what the package is
_LEAST_EXPLAINED = 0.5
_COPYRIGHT_LINE = re.compile(r"^.*(?:copyright|©|\(c\)|all rights reserved).*$", re.IGNORECASE | re.MULTILINE)

Span = tuple[int, int, str]
"""Where a license text stands and which one it is."""

Passage = tuple[int, int]
"""Where something stands that no license explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rider:
    """Words beside a license text that change what it permits; ``category`` is what they make of it."""

    category: Category
    quote: str


def find_riders(text: str, spans: Sequence[Span], passages: Sequence[Passage]) -> tuple[Rider, ...]:
    """Return what changes the meaning of the licenses in ``text``, the most strict first.

    It is looked for in what they do not explain, and inside of them: a text that is known may hold a sentence of its
    own where a copyright line is expected. Permissive texts speak of none of the restrictions and are searched as a
    whole, of others the head is. What a license says itself is no rider.
    """
    categories = {category_of(name) for _, _, name in spans}
    heads = [
        (start, end if category_of(name) == "permissive" else min(end, start + _HEAD)) for start, end, name in spans
    ]
    found = []
    for rider in load_fingerprints().riders:
        if rider.category in categories and rider.category != "other-terms":
            continue  # the license says so itself; terms of its own are of many kinds
        for start, end in [*passages, *(heads if rider.everywhere else ())]:
            hit = _first_hit(text, start, end, rider.pattern, rider.unless)
            if hit is not None:
                found.append(Rider(category=rider.category, quote=_sentence(text, hit)))
                break
    return tuple(reversed(found)) or _too_little_explained(text, spans, passages)


def quoted(text: str) -> str:
    """Return ``text`` as it can be shown: one line, shortened, valid UTF-8."""
    shown = " ".join(text[: 4 * LONGEST_QUOTE].encode("utf-8", "replace").decode("utf-8").split())
    return shown if len(shown) <= LONGEST_QUOTE else shown[: LONGEST_QUOTE - 1] + "…"


def _first_hit(
    text: str, start: int, end: int, pattern: re.Pattern[str], unless: re.Pattern[str] | None
) -> tuple[int, int] | None:
    for hit in pattern.finditer(text, start, end):
        near = slice(max(start, hit.start() - 80), min(end, hit.end() + 80))
        if unless is None or not unless.search(text[near]):
            return hit.span()
    return None


def _too_little_explained(text: str, spans: Sequence[Span], passages: Sequence[Passage]) -> tuple[Rider, ...]:
    if not spans:
        return ()
    beside = sum(len(_COPYRIGHT_LINE.sub("", text[start:end]).split()) for start, end in passages)
    known = sum(len(text[start:end].split()) for start, end, _ in spans)
    if beside <= _SILENT_WORDS or known >= _LEAST_EXPLAINED * (known + beside):
        return ()
    start, end = max(passages, key=lambda item: item[1] - item[0])
    return (Rider(category="unknown", quote=quoted(text[start:end])),)


def _sentence(text: str, hit: tuple[int, int]) -> str:
    """Return the sentence around a hit, at most 120 characters to each side."""
    marks, reach = (". ", "\n\n", ".\n"), LONGEST_QUOTE // 2
    lowest = max(0, hit[0] - reach)
    start = max(
        (text.rfind(mark, lowest, hit[0]) + len(mark) for mark in marks if mark in text[lowest : hit[0]]),
        default=lowest,
    )
    ends = [place for mark in marks if (place := text.find(mark, hit[1], hit[1] + reach)) >= 0]
    return quoted(text[start : min(ends, default=hit[1] + reach) + 1])

"""Words beside a license text that change what it permits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audits.licenses.facts import Category, category_of
from audits.licenses.fingerprints import load_fingerprints

LONGEST_QUOTE = 240

_HEAD = 240  # characters of a license text in which a sentence may hide between copyright lines
_SPOKEN = re.compile(r"[^\W\d_]{2,}")
_FEWEST_WORDS = 2
_LONGEST_LINE = 500
_MOST_CLEARED = 30_000  # characters
_BLANK = re.compile(r"[^\n]")

Span = tuple[int, int, str]
"""Where a license text stands and which one it is."""

Passage = tuple[int, int]
"""Where something stands that no license explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rider:
    """Words beside a license text that change what it permits; ``category`` is what they make of it.

    ``mute``: they speak neither of use nor of a condition, and are not known to be harmless.
    """

    category: Category
    quote: str
    mute: bool = False


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
    cleared = _all_cleared(text, passages)
    found = []
    for rider in load_fingerprints().riders:
        if rider.category in categories and rider.category != "other-terms":
            continue  # the license says so itself; terms of its own are of many kinds
        for start, end in [*passages, *(heads if rider.everywhere else ())]:
            passage = cleared[start, end] if rider.category == "unknown" else text[start:end]
            hit = _first_hit(passage, start, rider.pattern, rider.unless)
            if hit is not None:
                found.append(Rider(category=rider.category, quote=_sentence(text, hit)))
                break
    return tuple(reversed(found)) or (_unread(text, cleared) if spans else ())


def quoted(text: str) -> str:
    """Return ``text`` as it can be shown: one line, shortened, valid UTF-8."""
    shown = " ".join(text[: 4 * LONGEST_QUOTE].encode("utf-8", "replace").decode("utf-8").split())
    return shown if len(shown) <= LONGEST_QUOTE else shown[: LONGEST_QUOTE - 1] + "…"


def _first_hit(
    passage: str, start: int, pattern: re.Pattern[str], unless: re.Pattern[str] | None
) -> tuple[int, int] | None:
    for hit in pattern.finditer(passage):
        if unless is None or not unless.search(passage, max(0, hit.start() - 80), hit.end() + 80):
            return start + hit.start(), start + hit.end()
    return None


def _all_cleared(text: str, passages: Sequence[Passage]) -> dict[Passage, str]:
    """Return the passages with what is harmless blanked; of very much that nothing explains, the first part."""
    cleared, left = {}, _MOST_CLEARED
    for start, end in passages:
        cleared[start, end] = _cleared(text, start, end) if end - start <= left else text[start:end]
        left -= end - start
    return cleared


def _cleared(text: str, start: int, end: int) -> str:
    """Return a passage with what is harmless blanked, every other character in its place."""
    prints = load_fingerprints()
    spoken = [rider.pattern for rider in prints.riders if rider.category == "unknown"]

    def blank(match: re.Match[str]) -> str:
        said = any(pattern.search(match.group()) for pattern in spoken)
        return match.group() if said else _BLANK.sub(" ", match.group())

    # a passage may begin behind "Copyright (c)": its line is looked at as a whole
    line = max(text.rfind("\n", 0, start) + 1, start - _LONGEST_LINE)
    whole = prints.sentences.sub(lambda match: _BLANK.sub(" ", match.group()), text[line:end])
    return prints.harmless.sub(blank, whole)[start - line :]


def _unread(text: str, cleared: Mapping[Passage, str]) -> tuple[Rider, ...]:
    """Return the first passage that is not known to be harmless."""
    for (start, _), rest in cleared.items():
        words = _SPOKEN.findall(rest)
        if len(words) >= _FEWEST_WORDS:
            place = rest.find(words[0])
            return (Rider(category="unknown", quote=quoted(text[start + place : start + len(rest)]), mute=True),)
    return ()


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

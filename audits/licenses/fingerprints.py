"""Fingerprints of license texts: what ``fingerprints.toml`` holds, and the pieces of a text that are compared with it.

A text is cut at punctuation, paragraphs and bullets into pieces of some eight words; a sketch is the set of hashes of
the pieces of one license text. It tells how much of a license is there and what else is there, whatever the wrapping,
the numbering and the markup, and holds no sentence of the text.
"""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from audits.licenses.facts import Category

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_URL = re.compile(r"https?://[^\s<>()\[\]\"“”]+", re.IGNORECASE)  # addresses are rendered in many ways
_BREAK = re.compile(
    r"[.,;:!?)\]](?=\s|$)|[(\[{]|\n\s*\n|\n\s*(?:[-*•·]|#+|\(?[0-9a-zA-Z]{1,4}[.)])\s|https?://", re.IGNORECASE
)
_PHRASE_WORD = re.compile(_WORD.pattern + r"|\+\+")  # RAIL++ is not RAIL
_QUOTES = str.maketrans("", "", "'’")
_SHORT_LINE = 45  # characters; it is a heading or the end of a paragraph, not wrapped
_LONG_PIECE = 4  # words; shorter ones stand in many licenses
_LONGEST_PIECE = 60
_HASH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """Words between two breaks: where they stand, how many there are, and their hash."""

    start: int
    end: int
    words: int
    key: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One wording of one license, or of an annex of it (``id`` is then "").

    ``phrases`` are its title and the sentences that decide what it permits: without all of them the text is altered.
    ``exact``: ``licenseclassifier`` knows the text word by word; the sketch only tells what was altered.
    ``exception_to``: it is an exception that follows one of these licenses.
    """

    id: str
    phrases: tuple[str, ...]
    sketch: frozenset[int]
    exact: bool = False
    exception_to: tuple[str, ...] = ()

    @property
    def long_pieces(self) -> frozenset[int]:
        """Return the hashes of the pieces that are long enough to tell one license from another."""
        return frozenset(key for key in self.sketch if key & 1)


@dataclass(frozen=True, slots=True)
class Fragment:
    """Phrases that tell that a part of a license is there."""

    id: str
    phrases: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RiderPattern:
    """Words beside a license text that change what it permits.

    ``unless`` are words that only sound so; ``everywhere``: looked for inside permissive texts, too.
    """

    category: Category
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    everywhere: bool


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Everything in ``fingerprints.toml``; ``by_key`` finds the fingerprints that hold a piece."""

    licenses: tuple[Fingerprint, ...]
    fragments: tuple[Fragment, ...]
    riders: tuple[RiderPattern, ...]
    harmless: re.Pattern[str]
    sentences: re.Pattern[str]
    bundle: re.Pattern[str]
    by_key: Mapping[int, tuple[int, ...]]


def pieces(text: str) -> Iterator[Piece]:
    """Yield the pieces of ``text`` in order; together they hold all of its words but those of addresses."""
    words: list[str] = []
    start = end = 0
    addresses = iter(_URL.finditer(text))
    address = next(addresses, None)
    for match in _WORD.finditer(text):
        while address is not None and address.end() <= match.start():
            address = next(addresses, None)
        if address is not None and address.start() <= match.start():
            continue
        if words and (len(words) >= _LONGEST_PIECE or _breaks(text, end, match.start(), match.end())):
            yield _piece(words, start, end)
            words = []
        if not words:
            start = match.start()
        words.append(match.group().translate(_QUOTES).casefold())
        end = match.end()
    if words:
        yield _piece(words, start, end)


def sketch_of(text: str) -> frozenset[int]:
    """Return the hashes of the pieces of ``text``."""
    return frozenset(piece.key for piece in pieces(text))


def encode_sketch(keys: Collection[int]) -> str:
    """Return ``keys`` as they stand in the file: sorted, packed, base64."""
    return base64.b64encode(b"".join(key.to_bytes(_HASH_BYTES, "big") for key in sorted(keys))).decode("ascii")


def folded(text: str) -> str:
    """Return the words of ``text``, casefolded, between single spaces: the form in which phrases are looked for."""
    words = (match.group().translate(_QUOTES) for match in _PHRASE_WORD.finditer(text))
    return f" {' '.join(words).casefold()} "


@cache
def load_fingerprints() -> Fingerprints:
    """Return the fingerprints shipped with the package."""
    data = tomllib.loads(files("audits.licenses").joinpath("fingerprints.toml").read_text("utf-8"))
    licenses = tuple(
        Fingerprint(
            id=item.get("id", ""),
            phrases=tuple(map(folded, item.get("phrases", ()))),
            sketch=_decoded(item["sketch"]),
            exact=bool(item.get("exact", False)),
            exception_to=tuple(item.get("exception_to", ())),
        )
        for item in data["license"] + data["exception"] + data["annex"]
    )
    by_key: dict[int, tuple[int, ...]] = {}
    for number, item in enumerate(licenses):
        for key in item.sketch:
            by_key[key] = (*by_key.get(key, ()), number)
    return Fingerprints(
        licenses=licenses,
        fragments=tuple(
            Fragment(item["id"], tuple(map(folded, item["phrases"])), tuple(map(folded, item.get("without", ()))))
            for item in data["fragment"]
        ),
        riders=tuple(_rider(item) for item in data["rider"]),
        harmless=re.compile("|".join(data["harmless"]["patterns"]), re.IGNORECASE | re.MULTILINE),
        sentences=re.compile("|".join(data["harmless"]["sentences"]), re.IGNORECASE | re.MULTILINE),
        bundle=re.compile(data["bundle"]["pattern"], re.IGNORECASE),
        by_key=by_key,
    )


def _breaks(text: str, start: int, end: int, beyond: int) -> bool:
    """Tell whether a piece ends between two words; a bullet may be the second of them."""
    found = _BREAK.search(text, start, beyond + 2)
    if found is not None and found.start() < end:
        return True
    line_end = text.find("\n", start, end)
    if line_end < 0:
        return False
    line = text[max(0, line_end - 2 * _SHORT_LINE) : line_end]
    return "\n" in line and len(line.rpartition("\n")[2].strip()) < _SHORT_LINE


def _piece(words: list[str], start: int, end: int) -> Piece:
    key = int.from_bytes(blake2b(" ".join(words).encode("utf-8", "replace"), digest_size=_HASH_BYTES).digest(), "big")
    return Piece(start, end, len(words), key | 1 if len(words) >= _LONG_PIECE else key & ~1)


def _decoded(sketch: str) -> frozenset[int]:
    packed = base64.b64decode("".join(sketch.split()))
    return frozenset(
        int.from_bytes(packed[place : place + _HASH_BYTES], "big") for place in range(0, len(packed), _HASH_BYTES)
    )


def _rider(item: Mapping[str, Any]) -> RiderPattern:
    unless = item.get("unless")
    return RiderPattern(
        category=item["category"],
        pattern=re.compile("|".join(item["patterns"]), re.IGNORECASE),
        unless=re.compile("|".join(unless), re.IGNORECASE) if unless else None,
        everywhere=bool(item.get("everywhere", False)),
    )

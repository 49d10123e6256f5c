"""Which license is a text? Told by the words of the text, not by its title alone.

``licenseclassifier`` knows the licenses of the SPDX list, the sketches in ``fingerprints.toml`` those of models and
the wordings that it misses. What neither explains is looked through for words that change what the license permits:
an MIT text under the line "for non-commercial use only" is no MIT license. A text with a part missing is none, either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from licenseclassifier import identify_license

from audits.licenses.fingerprints import Fingerprint, Piece, folded, load_fingerprints, pieces
from audits.licenses.riders import Rider, Span, find_riders, quoted

LONGEST_TEXT = 300_000
"""Characters that are read of a text; a longer one is never taken for a license alone."""

_WHOLE = 0.985  # of the pieces of a license: the wording of copies differs a little,
_MOST_MISSING = 2  # and of a long one by no more than this many pieces
_PART = 0.3
_FEWEST_PIECES = 4  # of a license before a part of it counts
_MOST_EXTRA = 5
_FEWEST_EXTRA_WORDS = 5
_LONGEST_LINK = 120
_LONGEST_HEAD = 600  # characters; what licenseclassifier adds before a license is 50 words at most
_MOST_HEAD_LINES = 10
_COPYRIGHT_LINE = re.compile(r"^.{0,40}(?:copyright|©|\(c\)).*\n?", re.IGNORECASE | re.MULTILINE)
_LINK = re.compile(r"\s*[<(]?https?://", re.IGNORECASE)
_GNU_SUFFIX = re.compile(r"(?:(?:-(?:no-)?invariants)?-(?:only|or-later)|\+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMatch:
    """What was found in a text.

    Attributes:
        ids: licenses whose whole text, or whose notice for file heads, is there, in the order of the text.
        altered: licenses of which parts are there: cut, changed, or mixed with other sentences.
        bundled: licenses of software that a binary distribution says it carries along.
        links: licenses that are only linked to.
        annexes: whether a use policy known to go along with a license is there.
        riders: what changes the meaning of the licenses, the most strict first.
        explained: the fraction of the words that belongs to ``ids``, ``bundled`` and annexes.
        extra: the first passages that belong to none of them.
        cut: whether the text is longer than what was read.
    """

    ids: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    bundled: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    annexes: bool = False
    riders: tuple[Rider, ...] = ()
    explained: float = 0.0
    extra: tuple[str, ...] = ()
    cut: bool = False

    @property
    def spdx(self) -> str | None:
        """Return all licenses joined by AND; None where something is found that they do not say."""
        return " AND ".join(self.ids) if self.ids and not self.open_because else None

    @property
    def apart(self) -> str | None:
        """Return what :attr:`spdx` would be apart from sentences that speak of no condition; None for other doubts."""
        sure = self.ids and not self.altered and not self.cut and all(rider.mute for rider in self.riders)
        return " AND ".join(self.ids) if sure else None

    @property
    def open_because(self) -> str:
        """Return why the text is not what ``ids`` say, "" where it is."""
        if self.riders and (self.ids or self.altered):
            return f"beside the license text stands “{self.riders[0].quote}”"
        if self.riders:
            return f"no license text that is known here; it says “{self.riders[0].quote}”"
        if self.altered:
            return f"the text of {', '.join(self.altered)} is altered or not whole"
        if self.cut:
            return f"only its first {LONGEST_TEXT:,} characters were read"
        return "" if self.ids else "no license text that is known here"


@dataclass(slots=True)
class _Text:
    """A text while it is read: ``owners`` tells for each piece which license explains it, "" for none."""

    text: str
    pieces: list[Piece]
    owners: list[str]
    spans: list[Span] = field(default_factory=list)
    altered: list[tuple[int, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    annexes: bool = False

    def explain(self, numbers: Iterable[int], name: str) -> None:
        """Mark pieces as explained, where they are not yet."""
        for number in numbers:
            self.owners[number] = self.owners[number] or name

    def passages(self, border: int) -> list[tuple[int, int]]:
        """Return what no license explains before ``border``."""
        found: list[tuple[int, int]] = []
        before = False
        for piece, owner in zip(self.pieces, self.owners, strict=True):
            if piece.start >= border:
                break
            if not owner:
                start = found.pop()[0] if before else piece.start
                found.append((start, min(piece.end, border)))
            before = not owner
        return found


def identify(text: str) -> TextMatch:
    """Return which licenses ``text`` holds and what else is in it; never raises on a string.

    At most :data:`LONGEST_TEXT` characters are read, in about a second.
    """
    read = text[:LONGEST_TEXT]
    found = list(pieces(read))
    state = _Text(read, found, [""] * len(found))
    _match_known(state)
    _match_sketches(state)
    bundle = load_fingerprints().bundle.search(read)
    border = read.rfind("\n", 0, bundle.start()) + 1 if bundle else len(read)
    _match_fragments(state, border)
    passages = state.passages(border)
    spans = sorted(span for span in state.spans if span[0] < border)
    words = sum(piece.words for piece in found)
    explained = sum(piece.words for piece, owner in zip(found, state.owners, strict=True) if owner)
    return TextMatch(
        ids=_distinct(name for _, _, name in spans),
        altered=_distinct(name for start, name in sorted(state.altered) if start < border),
        bundled=_distinct(name for start, _, name in sorted(state.spans) if start >= border),
        links=_distinct(state.links),
        annexes=state.annexes,
        riders=find_riders(read, spans, passages),
        explained=explained / words if words else 0.0,
        extra=_extra(read, passages),
        cut=len(text) > LONGEST_TEXT,
    )


def _match_known(state: _Text) -> None:
    """Mark the texts that ``licenseclassifier`` knows, and note the licenses that are only linked to."""
    number = 0
    for match in identify_license(state.text, coverage_threshold=0.0):
        if match.end - match.start < _LONGEST_LINK and _LINK.match(state.text, match.start, match.end):
            state.links.append(match.id)
            continue
        inside = []
        while number < len(state.pieces) and state.pieces[number].end <= match.end:
            if state.pieces[number].start >= match.start:
                inside.append(number)
            number += 1
        state.spans.append((match.start, match.end, match.id))
        gaps = list(_gaps(state.text, match.id, match.start, match.end))
        for item in inside:
            if not any(start <= state.pieces[item].start < end for start, end in gaps):
                state.owners[item] = match.id


def _gaps(text: str, name: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield copyright lines, and what stands between them and a license: a match reaches back over anything."""
    for _ in range(_MOST_HEAD_LINES):
        notice = _COPYRIGHT_LINE.search(text, start, min(end, start + _LONGEST_HEAD))
        if notice is None:
            return
        rest = identify_license(text[notice.end() : end], coverage_threshold=0.0)
        if not rest or rest[0].id != name or rest[0].start > _LONGEST_HEAD or notice.end() + rest[0].end < end:
            return  # the line is one of the license itself
        yield notice.span()
        start = notice.end()
        yield start, start + rest[0].start


def _match_sketches(state: _Text) -> None:
    """Mark the texts that are known by their sketch, those with their title and the most complete first."""
    prints = load_fingerprints()
    places: dict[int, list[int]] = {}
    for number, piece in enumerate(state.pieces):
        for candidate in prints.by_key.get(piece.key, ()):
            places.setdefault(candidate, []).append(number)
    words = folded(state.text) if places else ""
    ranked = []
    for candidate, where in places.items():
        known = prints.licenses[candidate]
        named = all(phrase in words for phrase in known.phrases)
        ranked.append((named, _share(known, state, where), candidate))
    at_first = {name for _, _, name in state.spans}
    taken = set(at_first)
    for named, share, candidate in sorted(ranked, reverse=True):
        known, where = prints.licenses[candidate], places[candidate]
        fresh = [number for number in where if not state.owners[number] and state.pieces[number].key & 1]
        much = len(fresh) >= max(_FEWEST_PIECES, _PART * len(known.long_pieces))
        missing = round((1 - share) * len(known.long_pieces))
        whole = share >= _WHOLE and missing <= _MOST_MISSING and named and not known.exact
        if known.id in taken and not (whole and known.id in at_first):
            # the notice for file heads is no text, and a text without its end is not whole
            if (much and known.id in at_first) or (known.exact and share >= _PART and not named):
                state.altered.append((state.pieces[where[0]].start, known.id))
            state.explain(where, known.id)
        elif whole and _stands_apart(known, state, where):
            taken.add(known.id or str(candidate))
            at_first.discard(known.id)
            _add(state, known, where)
        elif known.id and not known.exception_to and much:
            taken.add(known.id)
            state.altered.append((state.pieces[fresh[0]].start, known.id))
            state.explain(where, known.id)


def _add(state: _Text, known: Fingerprint, where: Sequence[int]) -> None:
    """Note a text that is whole: a license, an exception to the license before it, or an annex."""
    state.explain(where, known.id or "annex")
    first: dict[int, int] = {}  # later ones may be of other texts that share sentences
    for number in where:
        first.setdefault(state.pieces[number].key, number)
    start, end = state.pieces[where[0]].start, state.pieces[max(first.values())].end
    if not known.id:
        state.annexes = True
    elif known.exception_to:
        before = [
            place
            for place, span in enumerate(state.spans)
            if span[0] <= end and _GNU_SUFFIX.sub("", span[2]) in known.exception_to
        ]
        if before:
            span = state.spans[before[-1]]
            state.spans[before[-1]] = (span[0], max(end, span[1]), f"{span[2]} WITH {known.id}")
    else:
        # the PSF license is a part of Python's, and no other license beside it
        shared = [state.pieces[number].start for number in first.values()]
        state.spans[:] = [
            span
            for span in state.spans
            if not (
                start < span[1]
                and span[0] < end
                and sum(span[0] <= place < span[1] for place in shared) >= _FEWEST_PIECES
            )
        ]
        state.spans.append((start, end, known.id))


def _share(known: Fingerprint, state: _Text, where: Iterable[int]) -> float:
    long_pieces = known.long_pieces
    return len({state.pieces[number].key for number in where} & long_pieces) / max(1, len(long_pieces))


def _stands_apart(known: Fingerprint, state: _Text, where: Sequence[int]) -> bool:
    """Tell whether the text is there for itself, not only as what it shares with those that were found before."""
    if _share(known, state, (number for number in where if not state.owners[number])) >= 1 / 2:
        return True
    mine = set(where)
    inside = [number for number in range(where[0], where[-1] + 1) if state.owners[number]]
    return sum(number in mine for number in inside) >= 0.8 * len(inside) and len(mine) >= len(inside)


def _match_fragments(state: _Text, border: int) -> None:
    """Note the licenses of which a sentence is in what nothing explains, and the other sentences that they share."""
    prints, passages = load_fingerprints(), state.passages(border)
    rest = "".join(folded(state.text[start:end]) for start, end in passages)
    known = {name for _, name in state.altered}
    for fragment in prints.fragments:
        if fragment.id in known or any(phrase in rest for phrase in fragment.without):
            continue
        if all(phrase in rest for phrase in fragment.phrases):
            state.altered.append((passages[0][0], fragment.id))
            sketches = [item.sketch for item in prints.licenses if item.id == fragment.id]
            numbers = [n for n, piece in enumerate(state.pieces) if any(piece.key in sketch for sketch in sketches)]
            state.explain(numbers, fragment.id)


def _extra(text: str, passages: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    shown = (text[start:end] for start, end in passages)
    return tuple(quoted(item) for item in shown if len(item.split()) >= _FEWEST_EXTRA_WORDS)[:_MOST_EXTRA]


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without repetition; a GNU license with its notice counts by the notice."""
    found = tuple(dict.fromkeys(names))
    precise = {_GNU_SUFFIX.sub("", name) for name in found if _GNU_SUFFIX.search(name)}
    return tuple(name for name in found if name not in precise)

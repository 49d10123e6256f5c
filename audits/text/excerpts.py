"""Short, masked, printable excerpts: the only form in which a report shows the audited text.

A text is masked first, within a part that is wider than what is shown, and cut afterwards: a value that a cut has
shortened is no longer found, and would be shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from audits.errors import AuditError
from audits.extras import missing_extra
from audits.personal import DETECTORS, Match
from audits.personal.credsweeper import CREDSWEEPER
from audits.personal.presidio import PRESIDIO
from audits.text.emails import find_addresses, find_look_alikes, mask_address
from audits.text.normalise import INVISIBLE

LIMIT = 160
"""Characters in an excerpt."""

_WINDOW = 4  # characters that are looked at for each that may be shown
_REACH = 1024  # characters that are looked at to either side of what is shown
_MARGIN = 256  # of those at the edges, never shown: longer than any number with blanks, or the head of a key, in it
_LONGEST_WORD = 4096  # characters without a blank that are kept together
_LONGEST_KEY = 16_384  # characters of a private key, which has line breaks

# control and format characters, lone surrogates, private use, line and paragraph separators
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"
    "\ud800-\udfff\ue000-\uf8ff\U000e0000-\U0010ffff]"
)
_UNSEEN = re.compile(rf"(?!\s)(?:{_UNSAFE.pattern}|{INVISIBLE.pattern})")
_BLANKS = re.compile(r"\s+")

# what follows a name that says it is secret: in quotation marks, or with a digit or a sign in it
_NAMED = re.compile(
    r"(?i)(?:passw(?:or)?d|passwort|passphrase|\bpwd|secret|api[_-]?key|access[_-]?key|token)"
    r"(?:[_-]\w{0,16}|key|value|hash|string|s|\d{1,3})?[\\\"'\]]{0,3}"
    r"\s{0,8}(?::=|=>|==?|:)\s{0,8}[rbfu]?(?:\\?[\"'`](?P<quoted>[^\"'`\n]{2,512})|"
    r"(?P<bare>(?=[^\s\"'`,;]{0,80}[\d!#$%&*+/@^~-])[^\s\"'`,;]{6,512}))"
)
# what is masked already
_MASKED = re.compile(r"\[[A-Za-z][A-Za-z_ -]*(?: #[0-9a-f]{8})?\]|[^\s\"'`]?•••@[^\s\"'`]?•••(?:\.[\w-]+)?")
_EXTRAS = (("secrets", CREDSWEEPER, "secret"), ("presidio", PRESIDIO, "personal data"))
_HINTS = {detector.kind: re.compile(detector.hint.replace(r"\p{Nd}", r"\d")) for _, detector, _ in _EXTRAS}
_SURE = 6  # characters, a digit among them, of a value that is masked wherever else it stands


def excerpt(text: str | None, limit: int = LIMIT) -> str:
    """Return at most ``limit`` characters of ``text`` on one line, safe to show.

    White space is collapsed; e-mail addresses, personal data and secrets are masked, whatever the check that shows the
    text; characters that are invisible, control or no valid UTF-8 are written as U+FFFD; a cut is marked by an
    ellipsis. None reads "(null)", a text without any visible character "(empty)".
    """
    if text is None:
        return "(null)"
    start = len(text) - len(text.lstrip())
    head = masked_around(text, start, start, after=_WINDOW * limit)
    shown = _UNSAFE.sub("\ufffd", _one_line(head)).strip()
    if not shown.strip("\ufffd "):
        return "(empty)"
    if len(shown) > limit or len(text) - start > _WINDOW * limit:
        shown = shown[: limit - 1].rstrip() + "…"
    return shown


def excerpt_around(
    text: str, start: int, end: int, *, before: int = 50, after: int = 100, lead: str = "", limit: int = LIMIT
) -> str:
    """Return ``lead`` and the words around a place of ``text`` on one line, safe to show; see :func:`excerpt`.

    Args:
        text: is masked before it is cut.
        start: of the place.
        end: of the place; from its start on, no more is shown than ``after`` asks for and ``limit`` allows.
        before: characters that are shown before it.
        after: characters that are shown from its start on, if it is not longer itself.
        lead: what is shown before the words.
        limit: characters of the excerpt.
    """
    end = min(end, start + limit)
    more = max(after - (end - start), 0)
    shown = masked_around(text, start, end, before=before, after=more)
    cut = ("…" if start > before > 0 else "", "…" if len(text) - end > more > 0 else "")
    return excerpt(f"{lead}{cut[0]}{shown}{cut[1]}", limit)


def masked_around(text: str, start: int, end: int, *, before: int = 0, after: int = 0) -> str:
    """Return ``text[start - before : end + after]``, masked as a part of the whole text.

    Where the place lies within something that is masked, its mask is shown.
    """
    first, last = _part(text, max(start - before, 0), min(end + after, len(text)))
    inner = (first + _MARGIN if first else 0, last - _MARGIN if last < len(text) else last)
    masked, (left, low, high, right) = _masked(
        text[first:last], [min(inner[0], start) - first, start - first, end - first, max(inner[1], end) - first]
    )
    left, right = max(left, low - before), min(right, high + after)
    near, far = max(left - _MARGIN, 0), right + _MARGIN
    asked, (left, right) = _masked_by_extras(masked[near:far], [left - near, right - near])
    return asked[left:right]


def mask(text: str) -> str:
    """Return ``text`` with e-mail addresses, personal data and secrets masked, wherever else in it they stand too.

    Values that are called a password, secret, token or key are masked as well, placeholders among them, and so is what
    CredSweeper and Presidio find where they are installed.
    """
    return _masked_by_extras(*_masked(text, []))[0]


def _part(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the part to be masked begins and ends: far enough from what is shown, and at blanks."""
    first, last = max(start - _REACH, 0), min(end + _REACH, len(text))
    opened = text.rfind("-----BEGIN", max(start - _LONGEST_KEY, 0), first)
    if opened >= 0 and text.find("-----END", opened, first) < 0:
        first = opened
    if first:
        first = max(first - len(_last_word(text[max(first - _LONGEST_WORD, 0) : first])), 0)
    if last < len(text):
        word = re.compile(r"\S*").match(text, last, last + _LONGEST_WORD)
        last = word.end() if word else last
    return first, last


def _last_word(text: str) -> str:
    blank = max((match.end() for match in _BLANKS.finditer(text)), default=0)
    return text[blank:]


def _one_line(text: str) -> str:
    """Return ``text`` with its blanks collapsed, and masked again if that has made a number of what was none."""
    line = _BLANKS.sub(" ", text)
    return line if line == text else _masked(line, [])[0]


def _masked(text: str, places: list[int]) -> tuple[str, list[int]]:
    """Return ``text`` masked, and where some places of it are now: the first half lead, the others close a part."""
    previous = ""
    while text != previous:
        # what stood without a blank beside something that is masked can be seen only then
        previous = text
        for detector in DETECTORS:
            text, places = _everywhere(text, places, detector.find(text), f"[{detector.kind}]", named=True)
        if _UNSEEN.search(text):
            text, places = _replaced(text, places, _without_unseen(text))
        text, places = _everywhere(text, places, _named(text), "[secret]")
        found = find_look_alikes(text)
        text, places = _replaced(text, places, ((each.start, each.end, mask_address(each.text)) for each in found))
    return text, places


def _masked_by_extras(text: str, places: list[int]) -> tuple[str, list[int]]:
    """Return what :func:`_masked` does of a text that it has masked, after what other tools find."""
    previous = ""
    while text != previous:
        previous = text
        for extra, detector, kind in _EXTRAS:
            # slow, so that they are asked last, about little, and only where they may find something
            if _HINTS[detector.kind].search(text) and missing_extra(extra) is None:
                text, places = _everywhere(text, places, _asked(text, detector.find), f"[{kind}]")
        if text != previous:
            text, places = _masked(text, places)
    return text, places


def _everywhere(
    text: str, places: list[int], matches: Iterable[Match], shown: str, *, named: bool = False
) -> tuple[str, list[int]]:
    """Replace what was found, and where it is no mere word, wherever else it stands."""
    found = sorted(matches, key=lambda match: match.start - match.end)
    values = {text[match.start : match.end]: f"[{match.kind}]" if named else shown for match in found}
    sure = {v for v in values if named or (len(v) >= _SURE and any(map(str.isdigit, v)))}
    spans = [(match.start, match.end, shown) for match in found if text[match.start : match.end] not in sure]
    text, places = _replaced(text, places, spans)
    for value in values:
        if value in sure:
            places_of = re.finditer(re.escape(value), text)
            text, places = _replaced(text, places, [(*each.span(), values[value]) for each in places_of])
    return text, places


def _replaced(text: str, places: list[int], spans: Iterable[tuple[int, int, str]]) -> tuple[str, list[int]]:
    """Replace spans of a text; a place within one moves to its beginning, or if it closes a part to its end."""
    pieces, end, moved, shift = [], 0, list(places), 0
    for start, stop, shown in sorted(spans):
        if start < end:
            continue
        pieces += [text[end:start], shown]
        for i, place in enumerate(places):
            if place >= stop:
                moved[i] += len(shown) - (stop - start)
            elif place > start:
                moved[i] = start + shift + (len(shown) if i >= len(places) // 2 else 0)
        shift += len(shown) - (stop - start)
        end = stop
    return ("".join([*pieces, text[end:]]), moved) if pieces else (text, places)


def _named(text: str) -> Iterator[Match]:
    for match in _NAMED.finditer(text):
        group = "quoted" if match["quoted"] else "bare"
        if any(map(str.isalnum, _MASKED.sub("", match[group]))):
            yield Match(*match.span(group), "secret")


def _asked(text: str, find: Callable[[str], Iterable[Match]]) -> list[Match]:
    """Return what another tool finds and is not masked yet; nothing where it can not be used."""
    masks = [match.span() for match in _MASKED.finditer(text)]
    try:
        found = list(find(text))
    except AuditError:
        return []  # the check that asks the tool says so
    return [m for m in found if not any(m.start < stop and start < m.end for start, stop in masks)]


def _without_unseen(text: str) -> list[tuple[int, int, str]]:
    """Return what is found once the characters that nobody sees are left out, and what is shown for each."""
    places = [i for i, character in enumerate(text) if not _UNSEEN.match(character)]
    plain = "".join(text[i] for i in places)
    found = [(*match[:2], f"[{match.kind}]") for detector in DETECTORS for match in detector.find(plain)]
    found += [(each.start, each.end, mask_address(each.text)) for each in find_addresses(plain)]
    return [(places[start], places[end - 1] + 1, shown) for start, end, shown in found]

"""Characters that no reader sees, and those that change the order in which text is shown.

References:
    Boucher and Anderson, Trojan Source: Invisible Vulnerabilities, USENIX Security 2023 (CVE-2021-42574);
    Unicode Standard Annex 9 (bidirectional algorithm), 31 section 2.3 (joiners), Unicode Technical Standard 51 (emoji).

All ranges stand here, so that the same is found under every version of Python; they are those of Unicode 16.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from audits.text.integrity import Span
from audits.text.normalise import UNSPACED_LETTERS

UNICODE = "16.0.0"
"""Version of Unicode that the ranges of this module are from."""

# scripts written from right to left: Hebrew, Arabic, Syriac, Thaana, NKo ... and their presentation forms
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")

# pictographs that are joined to one sequence, with the arrows, dingbats and symbols among them
_PICTURE = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff"
)
# scripts in which joiners shape letters: Arabic and its neighbours, the Indic ones, Mongolian
_JOINING = (
    "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\ua840-\ua87f\ua8e0-\ua8ff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010800-\U00010fff\U00011000-\U00011fff\U0001e900-\U0001e95f"
)
# scripts without blanks between words, where a zero-width one allows a line to be broken; with Tibetan and those of Tai
_BROKEN = f"{UNSPACED_LETTERS}\u0f00-\u0fff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
_HANGUL = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"

_BIDI = "\u202a-\u202e\u2066-\u2069"
_ZERO_WIDTH = "\u200b-\u200d\u2060-\u2064\ufeff\u180e\u034f\u200e\u200f\u061c\u206a-\u206f"
_MARK = "\u061c\u200e\u200f\u202a-\u202c\u2066-\u2069"
_OTHERS = "\u034f\u115f\u1160\u180e\u200b-\u200d\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
_ALPHABETS = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u052f"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"

HIDDEN_HINT = (
    r"[\x{202a}-\x{202e}\x{2066}-\x{2069}\x{e0000}-\x{e007f}]"
    r"|[\x{fe00}-\x{fe0f}\x{e0100}-\x{e01ef}]{3}"
    r"|[\x{200b}-\x{200f}\x{2060}-\x{2064}\x{206a}-\x{206f}\x{feff}\x{034f}\x{061c}\x{180e}]{8}"
)
"""Matches every text in which :func:`find_hidden` finds something."""

INVISIBLE_HINT = (
    r"[\x{034f}\x{061c}\x{115f}\x{1160}\x{180e}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{feff}"
    rf"\x{{ffa0}}\x{{fff9}}-\x{{fffb}}]|[{_ALPHABETS}][\x{{fe00}}-\x{{fe0f}}\x{{e0100}}-\x{{e01ef}}]"
)
"""Matches every text in which :func:`find_invisible` finds something."""

# the flags of England, Scotland, Wales and other regions (UTS 51, ED-14a)
_TAGS = re.compile(
    "(?P<flag>\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)|[\U000e0000-\U000e007f]+"
)
_SELECTOR_RUN = re.compile(f"[{_SELECTORS}]{{3,}}")
_ZERO_RUN = re.compile(f"[{_ZERO_WIDTH}]{{8,}}")

_NAMES = {
    "\u034f": "combining grapheme joiner", "\u061c": "Arabic letter mark",
    "\u115f": "Hangul filler", "\u1160": "Hangul filler", "\u180e": "Mongolian vowel separator",
    "\u200b": "zero-width space", "\u200c": "zero-width non-joiner", "\u200d": "zero-width joiner",
    "\u200e": "left-to-right mark", "\u200f": "right-to-left mark", "\u202a": "left-to-right embedding",
    "\u202b": "right-to-left embedding", "\u202c": "pop directional formatting", "\u202d": "left-to-right override",
    "\u202e": "right-to-left override", "\u2060": "word joiner", "\u2066": "left-to-right isolate",
    "\u2067": "right-to-left isolate", "\u2068": "first strong isolate", "\u2069": "pop directional isolate",
    "\u3164": "Hangul filler", "\ufeff": "zero-width no-break space", "\uffa0": "Hangul filler",
}  # fmt: skip

# what is legitimate stands first in each alternative and is skipped
_INVISIBLE = re.compile(
    "(?P<fine>"
    # emoji sequences: a joiner between two pictures
    f"(?<=[{_PICTURE}\ufe0f])\u200d(?=[{_PICTURE}])"
    # letters of scripts that need joiners
    f"|(?<=[{_JOINING}])[\u200c\u200d]|[\u200c\u200d](?=[{_JOINING}])"
    f"|(?<=[{_BROKEN}])[\u200b\u2060]|[\u200b\u2060](?=[{_BROKEN}])"
    "|(?<=[\u1800-\u18af])\u180e"
    f"|(?<=[{_HANGUL}])[\u115f\u1160\u3164]+|[\u115f\u1160\u3164](?=[{_HANGUL}])|(?<=[\uffa1-\uffdc])\uffa0"
    # a word joiner that keeps signs on one line
    "|(?<![^\\W\\d_])\u2060+|\u2060(?![^\\W\\d_])"
    # a byte order mark at the very beginning is counted apart
    "|\\A\ufeff"
    # sorting and mark order: between letters or marks
    "|(?<=[^\\W\\d_])\u034f(?=\\S)|(?<=[\u0300-\u036f\u0590-\u05c7])\u034f+"
    # invisible operators of formulas, one at a time
    "|(?<![\u2061-\u2064])[\u2061-\u2064](?![\u2061-\u2064])"
    ")"
    # what follows it belongs to it: a long run is one place, not one for each character
    f"|(?P<mark>[{_MARK}]++)(?![{_OTHERS}])|[{_MARK}{_OTHERS}]++"
    # a variation of a Latin, Greek or Cyrillic letter: there are none
    f"|(?<=[{_ALPHABETS}])[{_SELECTORS}]"
)


def find_hidden(text: str) -> list[Span]:
    """Return bidirectional overrides and unpaired controls, tag characters, and data in characters nobody sees.

    Overrides always count; embeddings and isolates where a line leaves them open or closes what was not opened, unless
    it holds letters written from right to left, in which translators leave them so. Tags count unless they make the
    flag of a region; three or more variation selectors in a row, and eight or more zero-width characters of two kinds,
    can hold nothing but data.
    """
    spans = [
        Span(match.start(), match.end(), f"{match.end() - match.start()} tag characters")
        for match in _TAGS.finditer(text)
        if match["flag"] is None
    ]
    spans += [
        Span(match.start(), match.end(), f"{match.end() - match.start()} variation selectors in a row")
        for match in _SELECTOR_RUN.finditer(text)
    ]
    spans += [
        Span(match.start(), match.end(), f"{match.end() - match.start()} zero-width characters in a row")
        for match in _ZERO_RUN.finditer(text)
        if len(set(match.group())) > 1
    ]
    return sorted([*spans, *_directions(text)])


def _directions(text: str) -> Iterator[Span]:
    """Yield overrides, and embeddings and isolates without their other half within a line."""
    start = 0
    for line in _BREAK.split(text):
        opened: list[tuple[int, str]] = []
        unpaired: list[Span] = []
        for match in _CONTROLS.finditer(line):
            at, control = start + match.start(), match.group()
            if control in _OVERRIDES:
                yield Span(at, at + 1, _NAMES[control])
            if control not in "\u202c\u2069":
                opened.append((at, control))
            elif opened and (opened[-1][1] in _ISOLATES) == (control == "\u2069"):
                opened.pop()
            else:
                unpaired.append(Span(at, at + 1, f"{_NAMES[control]} without a beginning"))
        # an override left open counts anyway
        unpaired += [Span(at, at + 1, f"{_NAMES[c]} left open") for at, c in opened if c not in _OVERRIDES]
        if unpaired and not RIGHT_TO_LEFT.search(line):
            yield from unpaired
        start += len(line) + 1


_CONTROLS = re.compile(f"[{_BIDI}]")
_BREAK = re.compile("[\n\r\x85\u2028\u2029]")
_OVERRIDES = "\u202d\u202e"
_ISOLATES = "\u2066\u2067\u2068"


def find_invisible(text: str) -> list[Span]:
    """Return runs of zero-width and other invisible characters where no script and no emoji needs them.

    Not found: joiners in Arabic and Indic letters and in emoji, zero-width spaces in Thai, Khmer, Lao, Burmese and
    Tibetan, directional marks in a text that holds letters written from right to left, variation selectors after
    symbols and ideographs, soft hyphens, a byte order mark at the beginning, and what :func:`find_hidden` returns.
    """
    found = [match for match in _INVISIBLE.finditer(text) if match["fine"] is None]
    if any(match["mark"] is not None for match in found) and RIGHT_TO_LEFT.search(_MARKS.sub("", text)):
        found = [match for match in found if match["mark"] is None]
    if not found:
        return []
    spans, hidden = [], _joined(find_hidden(text))
    starts = [start for start, _ in hidden]
    for match in found:
        start, end = match.span()
        at = bisect_right(starts, start) - 1
        if at >= 0 and end <= hidden[at][1]:
            continue
        spans.append(Span(start, end, _name(match.group())))
    return spans


def _joined(spans: list[Span]) -> list[tuple[int, int]]:
    """Return spans that are sorted, those that touch or overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end, _ in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


_MARKS = re.compile("[\u061c\u200e\u200f]")


def _name(found: str) -> str:
    character = found[0]
    if len(found) > 1:
        kinds = len(set(found))
        return f"{len(found)} invisible characters" if kinds > 1 else f"{len(found)} times {_name(character)}"
    if character in _NAMES:
        return f"U+{ord(character):04X} {_NAMES[character]}"
    return f"U+{ord(character):04X}" + (" variation selector" if re.match(f"[{_SELECTORS}]", character) else "")

"""Words in which letters of another script stand for those that they look like.

After Unicode Technical Standard 39, sections 4 and 5: a word of several scripts counts where all its letters of other
scripts look like letters of the one, so that a reader takes it for a word of one script. The table holds those of the
standard's confusables that look like an ASCII letter, with its version in the first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from audits.text.integrity import Span

_LONGEST = 64  # letters of a word to either side that are looked at

# letters of the languages in use, for words of Cyrillic or Greek with Latin letters
_PLAIN = {"Cyrillic": range(0x0400, 0x0460), "Greek": range(0x0370, 0x0400)}
# drawn like a Latin letter, but used as signs before or after a word: σtotal, kν
_SIGNS = frozenset("αγικνρσυϱϲϒ")
# shapes that only resemble
_FAINT = frozenset("гшѡЬѴѵᲂᲃ")

_LATIN = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_FULLWIDTH = "\uff21-\uff3a\uff41-\uff5a"
_MATHEMATICAL = "\U0001d400-\U0001d6a3"
_ENCLOSED = "\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189"
_EAST_ASIAN = re.compile("[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]")

_STYLED = re.compile(
    # within a word of plain letters, or a word of their own; a formula has one or two
    f"(?P<wide>(?<=[A-Za-z])[{_FULLWIDTH}]+|[{_FULLWIDTH}]+(?=[A-Za-z])|[{_FULLWIDTH}]{{3,}})"
    f"|(?<=[A-Za-z])[{_MATHEMATICAL}]+(?=[A-Za-z])|[{_MATHEMATICAL}]{{4,}}"
    f"|(?<=[A-Za-z])[{_ENCLOSED}]+(?=[A-Za-z])|[{_ENCLOSED}]{{3,}}"
)


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """The table, and what is made of it.

    Attributes:
        version: of Unicode.
        latin: the ASCII letter that each letter of another script looks like.
        scripts: the script of each of them.
        pairs: a Latin letter beside one of them, or beside any of Greek and Cyrillic.
        whole: four of them and more, of Cyrillic.
    """

    version: str
    latin: dict[str, str]
    scripts: dict[str, str]
    pairs: re.Pattern[str]
    whole: re.Pattern[str]

    @classmethod
    @lru_cache(maxsize=1)
    def load(cls) -> Lookalikes:
        """Read the table that is shipped."""
        text = resources.files("audits").joinpath("text", "integrity", "confusables.tsv").read_text(encoding="utf-8")
        latin, scripts = {}, {}
        for line in text.splitlines():
            if not line.startswith("#"):
                point, other, script = line.split("\t")
                latin[chr(int(point, 16))], scripts[chr(int(point, 16))] = other, script
        letters = "".join(latin)
        cyrillic = "".join(letter for letter, script in scripts.items() if script == "Cyrillic")
        return cls(
            text.split()[2],
            latin,
            scripts,
            re.compile(f"[{_LATIN}][\u0370-\u052f{letters}]|[\u0370-\u052f{letters}][{_LATIN}]"),
            re.compile(f"[{''.join(set(cyrillic) - _FAINT)}]{{4,}}"),
        )

    def twin(self, letter: str, script: str) -> bool:
        """Whether an ASCII letter looks like one of ``script``."""
        return any(
            other == letter and self.scripts[one] == script and ord(one) in _PLAIN[script] and one not in _FAINT
            for one, other in self.latin.items()
        )

    @property
    def hint(self) -> str:
        """An RE2 that matches every text in which :func:`find_lookalikes` finds something."""
        return f"{self.pairs.pattern}|{self.whole.pattern}|[{_FULLWIDTH}{_MATHEMATICAL}{_ENCLOSED}]{{2}}|" + (
            f"[A-Za-z][{_FULLWIDTH}{_MATHEMATICAL}{_ENCLOSED}]|[{_FULLWIDTH}{_MATHEMATICAL}{_ENCLOSED}][A-Za-z]"
        )


def find_lookalikes(text: str) -> list[Span]:
    """Return the words of one script that are written with letters of another, and those in styled letters.

    Not found: words and signs of another script (λ, Москва, µm, σtotal), acronyms with an ending of another script,
    single styled letters as in formulas, fullwidth letters beside Han, Kana or Hangul.
    """
    table = Lookalikes.load()
    spans = [*_mixed(text, table), *_whole(text, table)]
    styled = list(_STYLED.finditer(text))
    if styled:
        east_asian = _EAST_ASIAN.search(text) is not None
        spans += [
            Span(*match.span(), "styled letters instead of plain ones")
            for match in styled
            if match["wide"] is None or not east_asian
        ]
    return sorted(spans)


def skeleton(word: str) -> str:
    """Return a word with each letter replaced by the ASCII letter that it looks like."""
    table = Lookalikes.load().latin
    return "".join(table.get(letter, letter) for letter in word)


def _mixed(text: str, table: Lookalikes) -> Iterator[Span]:
    end = 0
    for match in table.pairs.finditer(text):
        if match.start() < end:
            continue
        start, end = _word(text, match.start(), match.end())
        if text[start - 1 : start] == ")" and text[start] in "sdfr" and "%(" in text[max(start - _LONGEST, 0) : start]:
            start += 1  # the end of a placeholder: %(name)s
        before = text[start - 1 : start]
        if before == "\\" or (before == "-" and text[start] < "\x80" <= text[start + 1]):
            continue  # letters of an escape or of an option: \fBслово, -sфайл
        kind = _judged(text[start:end], table)
        if kind:
            yield Span(start, end, kind)


def _word(text: str, start: int, end: int) -> tuple[int, int]:
    first, last = max(start - _LONGEST, 0), min(end + _LONGEST, len(text))
    while start > first and text[start - 1].isalpha():
        start -= 1
    while end < last and text[end].isalpha():
        end += 1
    return start, end


def _judged(word: str, table: Lookalikes) -> str | None:
    """Return what is wrong with a word of Latin and other letters; None where it is no look-alike."""
    latin = [letter for letter in word if re.match(f"[{_LATIN}]", letter)]
    others = [letter for letter in word if not re.match(f"[{_LATIN}]", letter)]
    if len(latin) >= 2 and len(latin) + len(others) >= 4 and all(letter in table.latin for letter in others):
        (script, *more) = dict.fromkeys(table.scripts[letter] for letter in others)
        inner = re.search(f"[{_LATIN}][^{_LATIN}]+[{_LATIN}]", word) is not None
        sign = not inner and all(letter in _SIGNS for letter in others)
        ending = not inner and re.fullmatch(r"[A-Z]+", "".join(latin)) and word[0] == latin[0] and others[0].islower()
        if not sign and not ending and len(others) <= 2 * len(latin):
            return f"Latin word with {' and '.join([script, *more])} letters"
    acronym = re.match("[A-Z]{2,}", word)
    if not latin or (acronym is not None and acronym.end() == len(latin)):
        return None  # ITшник: an acronym and its ending
    for script, points in _PLAIN.items():
        own = sum(ord(letter) in points for letter in others)
        if own == len(others) >= max(3, len(latin)) and all(table.twin(letter, script) for letter in latin):
            return f"{script} word with Latin letters"
    return None


def _whole(text: str, table: Lookalikes) -> Iterator[Span]:
    """Yield words of nothing but Cyrillic look-alikes, in a Latin text without any other Cyrillic."""
    found = [m for m in table.whole.finditer(text) if _word(text, *m.span()) == m.span()]
    if not found or any("\u0400" <= letter <= "\u052f" and letter not in table.latin for letter in text):
        return
    if len(re.findall("[A-Za-z]", text)) < 4 * sum(m.end() - m.start() for m in found):
        return
    for match in found:
        yield Span(*match.span(), "word of Cyrillic letters that reads as a Latin one")

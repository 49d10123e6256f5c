"""Sentences and rows of tables of a Markdown text, each with its line and whether it stands under a license heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_SENTENCES = 5_000
_LONGEST_SENTENCE = 1_000
_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADING = re.compile(r"^\s{0,3}(#{1,6})\s+(.+)$")
_LICENSE_HEADING = re.compile(
    r"\blicen[cs](?:e|es|ing)\b|\bterms\s+(?:of\s+use|and\s+conditions)\b|\busage\s+(?:rights|restrictions|terms)\b",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?])\s+(?=[\"“*_\[(]*[A-Z])|\n\s*\n|\n(?=\s*(?:[-*•]|\d+\.)\s)")
_ROW = re.compile(r"^\s*\|")
_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_MARKUP = re.compile(r"\[([^\]]{0,200})\]\([^)]{0,400}\)|[*_`#>]|<[^>\n]{0,200}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, or a row of a table with its ``cells``; ``line`` is where it begins."""

    line: int
    text: str
    in_section: bool
    cells: tuple[str, ...] = ()


def plain(text: str) -> str:
    """Return ``text`` on one line, without markup; of links, their words are kept."""
    return " ".join(_MARKUP.sub(lambda match: match.group(1) or " ", text).split())


def sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences and the rows of tables; code is left out."""
    for count, found in enumerate(_sentences(text)):
        if count >= _MOST_SENTENCES:
            return
        yield found


def _sentences(text: str) -> Iterator[Sentence]:
    level, fenced, table = 0, False, False
    block: list[str] = []
    begin = 1
    for number, line in enumerate([*text.splitlines(), "# end"], start=1):
        heading = None if fenced else _HEADING.match(line)
        fence = bool(_FENCE.match(line))
        table = (
            not fenced and heading is None and "|" in line and (table or bool(_ROW.match(line) or _RULE.match(line)))
        )
        if not (fence or fenced or heading or table):
            begin = begin if block else number
            block.append(line)
            continue
        yield from _split("\n".join(block), begin, level > 0)
        block = []
        if fence:
            fenced = not fenced
        elif table and not _RULE.match(line):
            row = line.strip()[:_LONGEST_SENTENCE]
            cells = tuple(plain(cell) for cell in row.strip("|").split("|"))
            yield Sentence(line=number, text=row, in_section=level > 0, cells=cells)
        elif heading is not None:
            depth = len(heading[1])
            if _LICENSE_HEADING.search(heading[2]):
                level = level or depth
            elif depth <= level or not level:
                level = 0


def _split(block: str, begin: int, in_section: bool) -> Iterator[Sentence]:
    start = 0
    for end in [*(match.start() for match in _END.finditer(block)), len(block)]:
        sentence = block[start:end]
        if sentence.strip():
            lead = len(sentence) - len(sentence.lstrip())
            line = begin + block.count("\n", 0, start + lead)
            yield Sentence(line=line, text=sentence.strip()[:_LONGEST_SENTENCE], in_section=in_section)
        start = end

"""The text of a card as lines: what is prose, what is code, what stands in comments, and the sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+(.*?)[\s#]*$")
_UNDERLINE = re.compile(r"\s{0,3}(=+|-{2,})\s*$")
_FENCE = re.compile(r"\s*(?:(?:[-*+]|\d+[.)])\s+)?(`{3,}|~{3,})(.*)$")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)([^`\n]*)(?<!`)\1(?!`)")


class Line(NamedTuple):
    """A line of the file; comments are taken out of ``text``."""

    number: int
    text: str
    is_code: bool = False


class Comment(NamedTuple):
    """An HTML comment, which nobody sees on the Hub."""

    number: int
    text: str


class Section(NamedTuple):
    """A heading with the lines below it, up to the next heading of any level."""

    number: int
    level: int
    title: str
    lines: tuple[Line, ...]

    @property
    def is_filled(self) -> bool:
        """Whether anything stands there."""
        return any(line.text.strip() for line in self.lines)


class Body(NamedTuple):
    """The text of a card. ``unclosed`` is the line of a code fence or comment that hides all that follows."""

    lines: tuple[Line, ...]
    comments: tuple[Comment, ...]
    sections: tuple[Section, ...]
    unclosed: tuple[int, str] | None

    def prose(self) -> Iterator[tuple[int, str]]:
        """Yield line numbers and texts outside of code fences, with code spans taken out."""
        return ((line.number, _CODE_SPAN.sub("", line.text)) for line in self.lines if not line.is_code)

    def commented_titles(self) -> Iterator[str]:
        """Yield the headings that stand in comments."""
        for comment in self.comments:
            for text in comment.text.splitlines():
                match = _HEADING.match(text)
                if match:
                    yield match[2]


def read_body(text: str, first_line: int) -> Body:
    """Read the text below the metadata, whose first line is number ``first_line`` of the file."""
    lines: list[Line] = []
    comments: list[Comment] = []
    fence, opened = "", 0
    comment: list[str] | None = None
    # not splitlines, which knows more line ends than editors do
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=first_line):
        rest, kept = raw, ""
        if not fence:
            while rest:
                if comment is not None:
                    inside, end, rest = rest.partition("-->")
                    comment.append(inside)
                    if end:
                        comments.append(Comment(opened, "\n".join(comment)))
                        comment = None
                else:
                    before, start, rest = rest.partition("<!--")
                    kept += before
                    if start:
                        comment, opened = [], number
        else:
            kept = raw
        match = _FENCE.match(kept)
        if match and not fence and not (match[1][0] == "`" and "`" in match[2]):
            fence, opened = match[1], number
            lines.append(Line(number, kept, is_code=True))
        elif fence and match and match[1].startswith(fence) and not match[2].strip():
            fence = ""
            lines.append(Line(number, kept, is_code=True))
        else:
            lines.append(Line(number, kept, is_code=bool(fence)))
    unclosed = (opened, "code fence") if fence else (opened, "comment") if comment is not None else None
    return Body(tuple(lines), tuple(comments), tuple(_sections(lines)), unclosed)


def _sections(lines: list[Line]) -> Iterator[Section]:
    title: tuple[int, int, str] | None = None
    below: list[Line] = []
    for line in lines:
        match = None if line.is_code else _HEADING.match(line.text)
        under = None if line.is_code or match else _UNDERLINE.match(line.text)
        if match:
            if title is not None:
                yield Section(*title, tuple(below))
            title, below = (line.number, len(match[1]), match[2]), []
        elif under and below and _may_be_title(below[-1]):
            head = below.pop()
            if title is not None:
                yield Section(*title, tuple(below))
            title, below = (head.number, 1 if under[1][0] == "=" else 2, head.text.strip()), []
        elif under and not below and title is None:
            below = []
        else:
            below.append(line)
    if title is not None:
        yield Section(*title, tuple(below))


def _may_be_title(line: Line) -> bool:
    text = line.text.strip()
    return bool(text) and not line.is_code and not text.startswith(("|", ">", "-", "*", "+", "<")) and "|" not in text

"""TEXT005 and TEXT007: texts that consist of boilerplate, that repeat themselves, or that are hardly text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, rows_count, share
from audits.findings import FindingRow, RowEvidence, Table
from audits.source import AuditSource
from audits.text.cells import each_text
from audits.text.excerpts import excerpt, excerpt_around
from audits.text.folding import Texts
from audits.text.integrity import repetition
from audits.text.integrity.boilerplate import Parts, find_parts
from audits.text.normalise import normalise

_MOSTLY = 0.7
_SHOWN_LINES = 10


class Boilerplate:
    """Texts that consist mostly of lines which stand in many others."""

    code = "TEXT005"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Templates, notices and navigation: such texts are near to each other whatever they are about.

        Counted are texts with 70 % of their letters in lines or sentences that stand in at least 20 different texts of
        the column (0.01 % of them where that is more). The commonest lines stand in a table, the number of texts that
        share one is measured too. Copies of whole texts do not count: DUP001 does. The score is the share of letters.
        """
        for split in source.splits:
            for column in source.texts(split):
                texts, row_of = each_text(source, split, column)
                parts = find_parts(texts)
                found = np.flatnonzero(parts.share >= _MOSTLY)
                yield rows_count(
                    f"texts that share one line, most {place(split, column)}",
                    int(parts.spread.max(initial=0)),
                    source.num_rows(split),
                    "different texts that hold the same line or sentence of 20 letters or more, normalised",
                )
                yield from _lines(parts, texts, split, column)
                yield report(
                    self,
                    _rows(split, row_of, found, parts.share),
                    share(
                        f"texts of boilerplate {place(split, column)}",
                        len(np.unique(row_of[found])),
                        source.num_rows(split),
                        f"{_MOSTLY:.0%} of the letters in lines or sentences of {parts.least} different texts or more, "
                        "normalised; cut at line breaks and ends of sentences",
                    ),
                    split=split,
                    column=column,
                    remedy="Remove the lines in the table from all texts, or the texts that hold nothing else.",
                    evidence=partial(_common, column=column, texts=texts, parts=parts, first=_firsts(row_of, found)),
                    sample=_one_a_line(_rows(split, row_of, found, parts.share), parts, _firsts(row_of, found)),
                )


class RepetitiveTexts:
    """Texts that repeat themselves, or are hardly text: one character, numbers, encoded data."""

    code = "TEXT007"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A text that says one thing over and over, a table of numbers or a block of base64 teaches nothing.

        Counted are texts of 20 words with 60 % in runs of five words that stood before, and texts of 80 characters of
        which half are one character in a row, half are encoded data, or less than a fifth are letters. Texts of one
        word are left to PAIR003. The score is that share.
        """
        for split in source.splits:
            for column in source.texts(split):
                texts, row_of = each_text(source, split, column)
                kinds, shares = repetition.judge(texts)
                found = np.flatnonzero(kinds)
                yield report(
                    self,
                    _rows(split, row_of, found, shares),
                    share(
                        f"texts of repetition or without letters {place(split, column)}",
                        len(np.unique(row_of[found])),
                        source.num_rows(split),
                        f"{repetition.REPEATED:.0%} in repeated runs of five words, {repetition.ONE_CHARACTER:.0%} in "
                        f"one character, {repetition.ENCODED:.0%} encoded, or under {repetition.LETTERS:.0%} letters; "
                        "after Rae et al. 2021, with wider limits",
                    ),
                    split=split,
                    column=column,
                    remedy="Remove these rows, or the part that is no text.",
                    evidence=partial(_kind, column=column, texts=texts, kinds=kinds, first=_firsts(row_of, found)),
                )


def _rows(
    split: str,
    row_of: npt.NDArray[np.int64],
    found: npt.NDArray[np.int64],
    shares: npt.NDArray[np.float64],
) -> list[FindingRow]:
    """Return each row once, with the share of its first text that was found."""
    first = _firsts(row_of, found)
    return [FindingRow(split, row, None, None, round(float(shares[i]), 6)) for row, i in first.items()]


def _firsts(row_of: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> dict[int, int]:
    rows, places = np.unique(row_of[found], return_index=True)
    return dict(zip(rows.tolist(), found[places].tolist(), strict=True))


def _lines(parts: Parts, texts: Texts, split: str, column: str) -> Iterator[Table]:
    """Yield the commonest lines, each once."""
    common = np.flatnonzero(parts.spread >= parts.least)
    if not len(common):
        return
    order = common[np.argsort(-parts.spread[common], kind="stable")]
    lines: dict[str, int] = {}
    for i in order.tolist():
        lines.setdefault(_line(parts, texts, i), int(parts.spread[i]))
        if len(lines) == _SHOWN_LINES:
            break
    name = f"lines that stand in most texts {place(split, column)}"
    yield Table(name=name, columns=("line", "texts"), rows=tuple(lines.items()))


def _one_a_line(rows: Sequence[FindingRow], parts: Parts, first: Mapping[int, int]) -> list[FindingRow]:
    """Return one row for each commonest line, that of most texts first, then the others."""
    seen: dict[str, tuple[int, FindingRow]] = {}
    rest = []
    for row in rows:
        part = parts.commonest(first[row.row])
        line = normalise(parts.raw.text(part))
        if line in seen:
            rest.append(row)
        else:
            seen[line] = (int(parts.spread[part]), row)
    return [row for _, row in sorted(seen.values(), key=lambda item: -item[0])] + rest


def _line(parts: Parts, texts: Texts, part: int, lead: str = "") -> str:
    """Return a line, masked as a part of its text: a word before it may say that it holds a number of a card."""
    text = texts.text(int(parts.texts[part]))
    start, end = parts.place(part, text)
    return excerpt_around(text, start, end, before=0, after=0, lead=lead)


def _common(row: FindingRow, column: str, texts: Texts, parts: Parts, first: dict[int, int]) -> RowEvidence:
    part = parts.commonest(first[row.row])
    shown = _line(parts, texts, part, f"in {parts.spread[part]:,} texts: ")
    return RowEvidence(split=row.split, row=row.row, column=column, excerpt=shown, score=row.score)


def _kind(
    row: FindingRow, column: str, texts: Texts, kinds: npt.NDArray[np.int8], first: dict[int, int]
) -> RowEvidence:
    i = first[row.row]
    named = repetition.KINDS[repetition.Kind(int(kinds[i]))]
    shown = excerpt(f"{named}: {texts.text(i)}")
    return RowEvidence(split=row.split, row=row.row, column=column, excerpt=shown, score=row.score)

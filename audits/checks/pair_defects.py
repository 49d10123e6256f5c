"""PAIR001-PAIR005: pairs that teach nothing, or something wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from audits.checks import Check, CheckContext, Observation
from audits.checks._reporting import place, report, rows_count, share
from audits.findings import FindingRow, RowEvidence, RowReference
from audits.source import AuditSource
from audits.text.cells import chunks, text_lists, texts_of
from audits.text.excerpts import excerpt
from audits.text.normalise import count_words, normalise

_SHOWN_SIDES = 5
_MIN_WORDS = 2
_TOKEN_BATCH = 1000


class _Member(NamedTuple):
    """A row of a group with one shared text, and its other side, normalised."""

    row: int
    other: str


class _Sides(NamedTuple):
    """The column whose texts are shared, and the other one, each with the texts of every row."""

    shared: str | None
    texts: Sequence[Sequence[str | None]]
    other: str | None
    others: Sequence[Sequence[str | None]]


class EqualSides:
    """Pairs whose anchor equals their positive."""

    code = "PAIR001"
    needs: tuple[str, ...] = ("anchor", "positive")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A pair of two equal texts has no loss to learn from and hides how hard the data is."""
        for split in source.splits:
            anchors, positives = _sides(source, split)
            rows = [
                FindingRow(split, i, None, None, 1.0)
                for i, (anchor, texts) in enumerate(zip(anchors, positives, strict=True))
                if (key := normalise(anchor)) and key in map(normalise, texts)
            ]
            yield report(
                self,
                rows,
                share(
                    f"pairs with anchor = positive {place(split)}",
                    len(rows),
                    len(anchors),
                    "equal after NFKC, case folding and collapse of white space; empty sides left to PAIR003",
                ),
                split=split,
                remedy="Remove these rows, or give them a positive that says the same in other words.",
                evidence=partial(_equal, source=source, anchors=anchors, positives=positives),
            )


class SharedPositives:
    """Positives that several different anchors share."""

    code = "PAIR002"
    needs: tuple[str, ...] = ("anchor", "positive")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """In one batch these rows are false negatives of each other.

        A positive that many anchors share is boilerplate, or a sign of poisoning: the largest group
        is measured as an absolute number too, because an attack needs few rows. In the evidence each
        group stands once, the largest first; its score is the number of different anchors.
        """
        for split in source.splits:
            anchors, positives = _sides(source, split)
            sides = _Sides(source.columns.positive, positives, source.columns.anchor, [[text] for text in anchors])
            yield from _report_groups(
                self,
                source,
                split,
                sides,
                (
                    "rows that share one positive, largest group",
                    "rows with the same normalised positive and at least two different anchors",
                    "rows whose positive has several anchors",
                    "positives equal and anchors different after normalisation; empty sides left to PAIR003",
                ),
                "Read the largest groups: remove boilerplate positives, or keep one anchor per positive, or "
                "train with a loss that knows several positives.",
            )


class SharedAnchors:
    """Anchors that stand in several rows with different positives."""

    code = "PAIR005"
    needs: tuple[str, ...] = ("anchor", "positive")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Where an anchor has several right answers, in one batch each is taken for a wrong one of the other.

        The largest group is measured as an absolute number too. In the evidence each group stands once, the largest
        first; its score is the number of different positives.
        """
        for split in source.splits:
            anchors, positives = _sides(source, split)
            sides = _Sides(source.columns.anchor, [[text] for text in anchors], source.columns.positive, positives)
            yield from _report_groups(
                self,
                source,
                split,
                sides,
                (
                    "rows that share one anchor, largest group",
                    "rows with the same normalised anchor and at least two different positives",
                    "rows whose anchor has other positives elsewhere",
                    "anchors equal and positives different after normalisation; empty sides left to PAIR003",
                ),
                "Put the positives of one anchor into one row, as a list, or keep one of them.",
            )


class DegenerateTexts:
    """Texts that are null, empty or too short to mean anything."""

    code = "PAIR003"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A side without content pulls unrelated texts together.

        Counted are null cells, texts without a letter or digit (empty, punctuation, zero-width
        characters only) and texts of a single word; in scripts written without spaces every letter
        counts as a word. The score is the number of words.
        """
        for split in source.splits:
            for column in source.texts(split):
                texts = texts_of(source, split, column)
                rows = [
                    FindingRow(split, i, None, None, float(words))
                    for i, words in enumerate(_fewest_words(source, split, column))
                    if words < _MIN_WORDS
                ]

                yield report(
                    self,
                    rows,
                    share(
                        f"texts under {_MIN_WORDS} words {place(split, column)}",
                        len(rows),
                        len(texts),
                        "null, no letter or digit, or one word",
                    ),
                    split=split,
                    column=column,
                    remedy="Remove these rows, or fill in the missing text.",
                    evidence=partial(_cell, column=column, texts=texts),
                )


class TruncatedTexts:
    """Texts that the model will not read to the end."""

    code = "PAIR004"
    needs: tuple[str, ...] = ("texts", "count_tokens", "max_length")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Tokens beyond the maximum length are cut off: what stands there is never learnt.

        The score is the number of tokens, special tokens included.
        """
        if context.count_tokens is None or context.max_length is None:
            return
        for split in source.splits:
            for column in source.texts(split):
                texts, cells = texts_of(source, split, column), text_lists(source, split, column)
                each = [(i, text or "") for i, cell in enumerate(cells) for text in cell]
                longest = [0] * len(texts)
                for part in chunks(len(each), _TOKEN_BATCH):
                    counts = context.count_tokens([text for _, text in each[part]])
                    for (i, _), count in zip(each[part], counts, strict=True):
                        longest[i] = max(longest[i], int(count))
                rows = [
                    FindingRow(split, i, None, None, float(count))
                    for i, count in enumerate(longest)
                    if count > context.max_length
                ]

                yield report(
                    self,
                    rows,
                    share(
                        f"texts over {context.max_length} tokens {place(split, column)}",
                        len(rows),
                        len(texts),
                        "counted with the model's tokenizer, special tokens included",
                    ),
                    split=split,
                    column=column,
                    remedy="Raise max_length, split these texts, or accept that only their beginning is read.",
                    evidence=partial(_cell, column=column, texts=texts),
                    sample=sorted(rows, key=lambda row: (-(row.score or 0), row.row)),
                )


def _fewest_words(source: AuditSource, split: str, column: str) -> list[int]:
    """Return the number of words of each cell, of a list that of its shortest text, counted up to two."""
    if not pa.types.is_nested(source.column(split, column).type):
        return [count_words(text, _MIN_WORDS) if text else 0 for text in texts_of(source, split, column)]
    # a list of hard negatives may be empty, one of positives may not
    least = _MIN_WORDS if column in source.columns.negatives else 0
    cells = text_lists(source, split, column)
    return [min((count_words(text or "", _MIN_WORDS) for text in cell), default=least) for cell in cells]


def _sides(source: AuditSource, split: str) -> tuple[list[str | None], list[list[str | None]]]:
    """Return the anchor and the positives of each row; nothing where the split has no pairs."""
    anchor, positive = source.columns.anchor, source.columns.positive
    if anchor is None or positive is None or not {anchor, positive} <= set(source.texts(split)):
        return [], []
    return texts_of(source, split, anchor), text_lists(source, split, positive)


def _joined(texts: Sequence[str | None]) -> str | None:
    return "\n".join(filter(None, texts)) if any(text is not None for text in texts) else None


def _shared(sides: _Sides) -> list[list[_Member]]:
    """Return the groups of rows with one shared text and several other sides; empty texts are left out."""
    groups: dict[str, list[_Member]] = {}
    for i, (texts, others) in enumerate(zip(sides.texts, sides.others, strict=True)):
        other = "\x1f".join(sorted(filter(None, map(normalise, others))))
        for key in dict.fromkeys(map(normalise, texts)):
            if key and other:
                groups.setdefault(key, []).append(_Member(i, other))
    return [group for group in groups.values() if any(m.other != group[0].other for m in group)]


def _other_side(group: Sequence[_Member], member: _Member) -> int:
    return next(each.row for each in group if each.other != member.other)


def _report_groups(
    check: Check, source: AuditSource, split: str, sides: _Sides, words: tuple[str, str, str, str], remedy: str
) -> Iterator[Observation]:
    """Yield the size of the largest group, and the rows of all groups; ``words`` are names and methods of both."""
    largest, largest_method, rows_name, rows_method = words
    groups = sorted(_shared(sides), key=lambda group: (-len(group), group[0].row))
    others = {m.row: _other_side(group, m) for group in reversed(groups) for m in group}
    rows = [FindingRow(split, row, split, other, None) for row, other in sorted(others.items())]
    total = len(sides.texts)
    yield rows_count(f"{largest} {place(split)}", max(map(len, groups), default=0), total, largest_method)
    yield report(
        check,
        rows,
        share(f"{rows_name} {place(split)}", len(rows), total, rows_method),
        split=split,
        column=sides.shared,
        remedy=remedy,
        evidence=partial(_group, sides=sides, groups={group[0].row: group for group in reversed(groups)}),
        sample=[FindingRow(split, row, None, None, None) for row in dict.fromkeys(group[0].row for group in groups)],
    )


def _equal(
    row: FindingRow, source: AuditSource, anchors: Sequence[str | None], positives: Sequence[Sequence[str | None]]
) -> RowEvidence:
    positive = RowReference(
        split=row.split, row=row.row, column=source.columns.positive, excerpt=excerpt(_joined(positives[row.row]))
    )
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=source.columns.anchor,
        excerpt=excerpt(anchors[row.row]),
        score=row.score,
        related=(positive,),
    )


def _group(row: FindingRow, sides: _Sides, groups: Mapping[int, Sequence[_Member]]) -> RowEvidence:
    distinct = {member.other: member.row for member in reversed(groups[row.row])}
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=sides.shared,
        excerpt=excerpt(_joined(sides.texts[row.row])),
        score=float(len(distinct)),
        related=tuple(
            RowReference(split=row.split, row=i, column=sides.other, excerpt=excerpt(_joined(sides.others[i])))
            for i in sorted(distinct.values())[:_SHOWN_SIDES]
        ),
    )


def _cell(row: FindingRow, column: str, texts: Sequence[str | None]) -> RowEvidence:
    return RowEvidence(split=row.split, row=row.row, column=column, excerpt=excerpt(texts[row.row]), score=row.score)

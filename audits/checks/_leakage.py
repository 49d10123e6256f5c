"""What rows of one split share with later splits, text by text and side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.checks import Check, Observation
from audits.checks._reporting import place as place_of
from audits.checks._reporting import report, share
from audits.encoders import Encoder
from audits.findings import FindingRow, RowEvidence, RowReference
from audits.nearest import similar_pairs, vectors_of
from audits.source import AuditSource
from audits.text.cells import cell, each_text, row_texts
from audits.text.duplicates import digests, find_matches, first_rows
from audits.text.excerpts import excerpt
from audits.text.folding import Int64s, Texts
from audits.text.normalise import count_words, normalise
from audits.text.set_join import Pairs
from audits.text.shingles import UInt64s

MIN_WORDS = 4
_ORDER = ("train", "valid", "dev", "eval", "test")
RULES = (
    f"anchor and positive each compared with both sides of the later splits; texts under {MIN_WORDS} words "
    "count only where all text columns of the row match; the fraction is of the rows of the later splits"
)
_REMEDY = (
    "Remove the listed rows of {split}, so that the later splits measure texts never seen "
    "(`remove_leakage`); better, split by source before pairing."
)


class Place(NamedTuple):
    """A text column of one row."""

    split: str
    row: int
    column: str


class Target(NamedTuple):
    """What a place of the earlier split matches in one later split."""

    place: Place
    score: float


class Leaks(NamedTuple):
    """Per place and later split the best match; per column the evaluation rows with any match."""

    best: dict[tuple[Place, str], Target]
    reached: dict[str, set[tuple[str, int]]]

    @property
    def rows(self) -> set[int]:
        """Rows of the earlier split."""
        return {place.row for place, _ in self.best}


@dataclass(frozen=True, slots=True)
class Units:
    """Every text of some splits and where it stands; equal ones are one group, named by its first member.

    Attributes:
        texts: as they stand, ``[units]``.
        sides: split and column of each part, and whether it is the only column of its split.
        side: part of each unit.
        row: of each unit in its split.
        digests: of the normal forms, ``[units, 2]``.
        first: group of each unit.
    """

    texts: Texts
    sides: tuple[tuple[str, str, bool], ...]
    side: Int64s
    row: Int64s
    digests: UInt64s
    first: Int64s

    @classmethod
    def of(cls, source: AuditSource, splits: Sequence[str]) -> Units:
        columns = {split: columns_of(source, split) for split in splits}
        sides = [(split, column, len(columns[split]) == 1) for split in splits for column in columns[split]]
        parts = [each_text(source, split, column) for split, column, _ in sides]
        texts = Texts.joined([texts for texts, _ in parts])
        found = digests(texts)
        rows = [rows for _, rows in parts]
        return cls(
            texts,
            tuple(sides),
            np.repeat(np.arange(len(rows)), [len(part) for part in rows]),
            np.concatenate([*rows, np.empty(0, np.int64)]),
            found,
            first_rows(found),
        )

    def groups(self, chosen: npt.NDArray[np.bool_]) -> Int64s:
        """Return the groups of the ``chosen`` units that have a text, ``[units]``."""
        return np.unique(self.first[chosen & self.digests.any(axis=1)])

    def places(self, group: int, members: Mapping[int, Int64s], left_out: Set[int] = frozenset()) -> list[Place]:
        """Return where a text stands; where it is too short to mean anything, only in splits of one column."""
        short = count_words(normalise(self.texts.text(group)), MIN_WORDS) < MIN_WORDS
        found = []
        for unit in members[group].tolist():
            split, column, alone = self.sides[self.side[unit]]
            row = int(self.row[unit])
            if (alone or not short) and row not in left_out:
                found.append(Place(split, row, column))
        return found


def members_of(first: Int64s, groups: Int64s) -> dict[int, Int64s]:
    """Return the units of each group, ascending."""
    order = np.argsort(first, kind="stable")
    ordered = first[order]
    starts, ends = np.searchsorted(ordered, groups), np.searchsorted(ordered, groups, side="right")
    return {int(g): order[a:b] for g, a, b in zip(groups, starts, ends, strict=True)}


def earlier_and_later(source: AuditSource) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each split with those that must not repeat it: train first, test last."""

    def position(split: str) -> int:
        name = split.casefold()
        return next((i for i, word in enumerate(_ORDER) if name.startswith(word)), len(_ORDER) - 2)

    ordered = sorted(source.splits, key=position)
    for i, split in enumerate(ordered[:-1]):
        later = tuple(other for other in ordered[i + 1 :] if not _same_part(split, other))
        if later:
            yield split, later


def _same_part(split: str, other: str) -> bool:
    """Whether two datasets that are audited together are both trained on, or both evaluated on: ``train/a``."""
    return "/" in split and split.partition("/")[0] == other.partition("/")[0]


def columns_of(source: AuditSource, split: str) -> tuple[str, ...]:
    """Return the sides that are compared; negatives may well repeat other texts."""
    columns = source.columns
    return tuple(name for name in (columns.anchor, columns.positive, columns.text) if name in source.texts(split))


def exact_leaks(source: AuditSource, split: str, later: Sequence[str]) -> Leaks:
    """Return the texts of later splits that stand in this one, and the rows that do so as wholes."""
    leaks = Leaks({}, {})
    own, theirs = Units.of(source, [split]), Units.of(source, later)
    for mine, found in _equal(own.digests, theirs.digests):
        _add(leaks, own.places(mine[0], {mine[0]: mine}), theirs.places(found[0], {found[0]: found}), 1.0)
    rows = [digests(row_texts(source, other)) for other in later]
    where = [(other, row) for other, part in zip(later, rows, strict=True) for row in range(len(part))]
    for mine, found in _equal(digests(row_texts(source, split)), np.concatenate(rows)):
        for column in columns_of(source, split):
            at = [where[i] for i in found.tolist()]
            same = [Place(other, row, column) for other, row in at if column in columns_of(source, other)]
            _add(leaks, [Place(split, row, column) for row in mine.tolist()], same, 1.0)
    return leaks


def _equal(own: UInt64s, theirs: UInt64s) -> Iterator[tuple[Int64s, Int64s]]:
    """Yield the units of each text that stands on both sides."""
    first = first_rows(np.concatenate([own, theirs]))
    mine, found = first[: len(own)], first[len(own) :]
    both = np.intersect1d(mine, found)
    of_mine, of_found = members_of(mine, both), members_of(found, both)
    for group in both.tolist():
        yield of_mine[group], of_found[group]


def near_leaks(source: AuditSource, split: str, later: Sequence[str], *, left_out: Set[int]) -> Leaks:
    """Return the near duplicates of later splits among the rows that are not left out."""
    return _leaks_by(source, split, later, left_out, find_matches)


def semantic_leaks(
    source: AuditSource, split: str, later: Sequence[str], *, left_out: Set[int], encoder: Encoder, threshold: float
) -> Leaks:
    """Return the texts that an encoder puts as near to those of later splits as ``threshold``, a cosine."""

    def similar(own: Texts, theirs: Texts) -> Pairs:
        left, right = (vectors_of(encoder, [texts.text(row) for row in range(len(texts))]) for texts in (own, theirs))
        return similar_pairs(left, right, threshold)

    return _leaks_by(source, split, later, left_out, similar)


def _leaks_by(
    source: AuditSource,
    split: str,
    later: Sequence[str],
    left_out: Set[int],
    find: Callable[[Texts, Texts], Pairs],
) -> Leaks:
    own, theirs = Units.of(source, [split]), Units.of(source, later)
    mine = own.groups(~np.isin(own.row, sorted(left_out)))
    others = theirs.groups(np.ones(len(theirs.row), np.bool_))
    leaks = Leaks({}, {})
    if not len(mine) or not len(others):
        return leaks
    pairs = find(own.texts.take(mine), theirs.texts.take(others))
    left, right = mine[pairs.left], others[pairs.right]
    of_left, of_right = members_of(own.first, np.unique(left)), members_of(theirs.first, np.unique(right))
    for a, b, score in Pairs(left, right, pairs.score).listed():
        _add(leaks, own.places(a, of_left, left_out), theirs.places(b, of_right), score)
    return leaks


def _add(leaks: Leaks, own: Sequence[Place], theirs: Sequence[Place], score: float) -> None:
    """Record that every one of ``own`` matches every one of ``theirs``."""
    if not own or not theirs:
        return
    first: dict[str, Place] = {}
    for place in theirs:
        first.setdefault(place.split, place)
    for place in own:
        for other, target in first.items():
            known = leaks.best.get((place, other))
            # the better match; of equal ones the earlier row, whatever the order of discovery
            if known is None or (-score, target) < (-known.score, known.place):
                leaks.best[place, other] = Target(target, score)
    for column in {place.column for place in own}:
        leaks.reached.setdefault(column, set()).update((place.split, place.row) for place in theirs)


def report_leaks(
    check: Check, source: AuditSource, split: str, later: Sequence[str], leaks: Leaks, method: str
) -> Iterator[Observation]:
    """Yield for each side the rows with a match, and the share of the later splits' rows that have one."""
    total = sum(source.num_rows(other) for other in later)
    for column in columns_of(source, split):
        targets = {(own.row, other): target for (own, other), target in leaks.best.items() if own.column == column}
        rows = sorted(
            FindingRow(split, row, other, target.place.row, target.score) for (row, other), target in targets.items()
        )
        name = f"rows of {', '.join(later)} with a match in {place_of(split, column)}"
        yield report(
            check,
            rows,
            share(name, len(leaks.reached.get(column, ())), total, method),
            split=split,
            column=column,
            remedy=_REMEDY.format(split=split),
            evidence=partial(_pair, source=source, column=column, targets=targets),
        )


def _pair(row: FindingRow, source: AuditSource, column: str, targets: dict[tuple[int, str], Target]) -> RowEvidence:
    there = targets[row.row, row.other_split or ""].place
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=column,
        excerpt=excerpt(cell(source, row.split, column, row.row)),
        score=row.score,
        related=(
            RowReference(
                split=there.split,
                row=there.row,
                column=there.column,
                excerpt=excerpt(cell(source, there.split, there.column, there.row)),
            ),
        ),
    )

"""What rows of one split share with later splits, text by text and side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.checks import Check, CheckContext, Observation
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
    """Per place and later split a match; per column the evaluation rows with any match."""

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

    def part_of_sides(self) -> Int64s:
        """Return a number for the split of each side, ``[sides]``, in the order of the splits."""
        names = list(dict.fromkeys(split for split, _, _ in self.sides))
        return np.asarray([names.index(split) for split, _, _ in self.sides], np.int64)

    def places(self, groups: Int64s, left_out: Set[int] = frozenset()) -> dict[int, list[Place]]:
        """Return where each text stands; where it is too short to mean anything, only in splits of one column."""
        found = {}
        for group, units in members_of(self.first, groups).items():
            short = count_words(normalise(self.texts.text(group)), MIN_WORDS) < MIN_WORDS
            stands = [(self.sides[self.side[unit]], int(self.row[unit])) for unit in units.tolist()]
            found[group] = [
                Place(split, row, column)
                for (split, column, alone), row in stands
                if (alone or not short) and row not in left_out
            ]
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


def exact_leaks(source: AuditSource, context: CheckContext, split: str, later: Sequence[str]) -> Leaks:
    """Return the texts of later splits that stand in this one, and the rows that do so as wholes."""
    return context.once(source, ("exact leaks", split), lambda: _exact_leaks(source, split, later))


def _exact_leaks(source: AuditSource, split: str, later: Sequence[str]) -> Leaks:
    leaks = Leaks({}, {})
    own, theirs = Units.of(source, [split]), Units.of(source, later)
    mine, found = _equal(own.digests, theirs.digests)
    of_mine, of_found = own.places(mine), theirs.places(found)
    for a, b in zip(mine.tolist(), found.tolist(), strict=True):
        _add(leaks, of_mine[a], _Matched.of(of_found[b]), 1.0)
    rows = [digests(row_texts(source, other)) for other in later]
    where = [(other, row) for other, part in zip(later, rows, strict=True) for row in range(len(part))]
    theirs_as_wholes = np.concatenate(rows)
    own_as_wholes = digests(row_texts(source, split))
    mine, found = _equal(own_as_wholes, theirs_as_wholes)
    members = members_of(first_rows(own_as_wholes), mine), members_of(first_rows(theirs_as_wholes), found)
    for a, b in zip(mine.tolist(), found.tolist(), strict=True):
        at = [where[i] for i in members[1][b].tolist()]
        for column in columns_of(source, split):
            same = [Place(other, row, column) for other, row in at if column in columns_of(source, other)]
            _add(leaks, [Place(split, row, column) for row in members[0][a].tolist()], _Matched.of(same), 1.0)
    return leaks


def _equal(own: UInt64s, theirs: UInt64s) -> tuple[Int64s, Int64s]:
    """Return the groups of both sides that are equal, beside each other."""
    first = first_rows(np.concatenate([own, theirs]))
    both = np.intersect1d(first[: len(own)], first[len(own) :])
    # a group is named by its first member on its side
    of_theirs = dict(zip(first[len(own) :].tolist(), first_rows(theirs).tolist(), strict=True))
    return both, np.asarray([of_theirs[group] for group in both.tolist()], np.int64)


def near_leaks(source: AuditSource, context: CheckContext, split: str, later: Sequence[str]) -> Leaks:
    """Return the near duplicates of later splits among the rows that do not leak exactly."""

    def compute() -> Leaks:
        left_out = exact_leaks(source, context, split, later).rows
        return _leaks_by(source, split, later, left_out, lambda a, b, parts: find_matches(a, b, parts=parts))

    return context.once(source, ("near leaks", split), compute)


def semantic_leaks(
    source: AuditSource, context: CheckContext, split: str, later: Sequence[str], encoder: Encoder
) -> Leaks:
    """Return the texts that an encoder puts near to those of later splits, of rows that leak in no other way."""

    def similar(own: Texts, theirs: Texts, parts: Int64s) -> Pairs:
        left, right = (vectors_of(encoder, [texts.text(row) for row in range(len(texts))]) for texts in (own, theirs))
        return similar_pairs(left, right, context.semantic_threshold, parts)

    left_out = exact_leaks(source, context, split, later).rows | near_leaks(source, context, split, later).rows
    return _leaks_by(source, split, later, left_out, similar)


def _leaks_by(
    source: AuditSource,
    split: str,
    later: Sequence[str],
    left_out: Set[int],
    find: Callable[[Texts, Texts, Int64s], Pairs],
) -> Leaks:
    own, theirs = Units.of(source, [split]), Units.of(source, later)
    mine = own.groups(~np.isin(own.row, sorted(left_out)))
    others = theirs.groups(np.ones(len(theirs.row), np.bool_))
    leaks = Leaks({}, {})
    if not len(mine) or not len(others):
        return leaks
    # a text of several splits counts for the first of them; the others are reached through its group all the same
    parts = theirs.part_of_sides()[theirs.side[others]]
    pairs = find(own.texts.take(mine), theirs.texts.take(others), parts)
    left, right = mine[pairs.left], others[pairs.right]
    of_left = own.places(np.unique(left), left_out)
    of_right = {group: _Matched.of(places) for group, places in theirs.places(np.unique(right)).items()}
    for a, b, score in Pairs(left, right, pairs.score).listed():
        _add(leaks, of_left[a], of_right[b], score)
    return leaks


class _Matched(NamedTuple):
    """Where a matched text of the later splits stands: all of it, and the first place in each split."""

    places: Sequence[Place]
    first: dict[str, Place]
    reached: set[str]

    @classmethod
    def of(cls, places: Sequence[Place]) -> _Matched:
        """Return the same with the first place of each split; ``reached`` are the columns that it counts for so far."""
        first: dict[str, Place] = {}
        for place in places:
            first.setdefault(place.split, place)
        return cls(places, first, set())


def _add(leaks: Leaks, own: Sequence[Place], theirs: _Matched, score: float) -> None:
    """Record that every one of ``own`` matches every one of ``theirs``."""
    for place in own:
        for other, target in theirs.first.items():
            known = leaks.best.get((place, other))
            # of several the better one; of equal ones the earlier row, whatever the order of discovery
            if known is None or (-score, target) < (-known.score, known.place):
                leaks.best[place, other] = Target(target, score)
    # once for each column: a template has as many places as it has matches
    for column in {place.column for place in own} - theirs.reached:
        theirs.reached.add(column)
        leaks.reached.setdefault(column, set()).update((place.split, place.row) for place in theirs.places)


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

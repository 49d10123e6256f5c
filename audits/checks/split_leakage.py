"""LEAK001 and LEAK002: rows of one split whose text stands in a later split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from audits.checks import Check, CheckContext, Observation
from audits.checks._reporting import place as place_of
from audits.checks._reporting import report, share
from audits.findings import FindingRow, RowEvidence, RowReference
from audits.source import AuditSource
from audits.text.cells import cell, row_keys, text_lists
from audits.text.excerpts import excerpt
from audits.text.minhash import THRESHOLD, near_matches
from audits.text.normalise import count_words, normalise

_MIN_WORDS = 4
_ORDER = ("train", "valid", "dev", "eval", "test")
_RULES = (
    f"anchor and positive each compared with both sides of the later splits; texts under {_MIN_WORDS} words "
    "count only where all text columns of the row match; the fraction is of the rows of the later splits"
)
_REMEDY = (
    "Remove the listed rows of {split}, so that the later splits measure texts never seen "
    "(`remove_leakage`); better, split by source before pairing."
)


class _Place(NamedTuple):
    """A text column of one row."""

    split: str
    row: int
    column: str


class _Target(NamedTuple):
    """What a place of the earlier split matches in one later split."""

    place: _Place
    score: float


class _Leaks(NamedTuple):
    """Per place and later split the best match; per column the evaluation rows with any match."""

    best: dict[tuple[_Place, str], _Target]
    reached: dict[str, set[tuple[str, int]]]


# where each normalised text stands
Units = dict[str, list[_Place]]


class ExactLeakage:
    """Rows whose text also stands in a later split."""

    code = "LEAK001"
    needs: tuple[str, ...] = ("texts", "splits")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A text that is trained on and then evaluated on makes the evaluation too good.

        A pair leaks through either side. Listed are the rows of the earlier split in the order train,
        validation, test: the rows to remove. The measurement is the share of evaluation rows that
        have a match.
        """
        for split, later in _earlier_and_later(source):
            leaks = _exact(source, split, later)
            yield from _report(self, source, split, later, leaks, f"equal after normalisation; {_RULES}")


class NearLeakage:
    """Rows whose text nearly repeats one of a later split."""

    code = "LEAK002"
    needs: tuple[str, ...] = ("texts", "splits")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """As LEAK001, for texts with small edits; the score is their exact similarity.

        Rows that LEAK001 lists are left out: they have to go anyway.
        """
        method = f"exact Jaccard similarity of 5-grams >= {THRESHOLD}; rows of LEAK001 left out; {_RULES}"
        for split, later in _earlier_and_later(source):
            leaks = _near(source, split, later)
            yield from _report(self, source, split, later, leaks, method)


def _earlier_and_later(source: AuditSource) -> Iterator[tuple[str, tuple[str, ...]]]:
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


def _columns(source: AuditSource, split: str) -> tuple[str, ...]:
    """Return the sides that are compared; negatives may well repeat other texts."""
    columns = source.columns
    return tuple(name for name in (columns.anchor, columns.positive, columns.text) if name in source.texts(split))


def _units(source: AuditSource, splits: Sequence[str]) -> Units:
    """Return where each normalised text of ``splits`` stands; too short ones are left out."""
    units: Units = {}
    for split in splits:
        columns = _columns(source, split)
        for column in columns:
            for row, texts in enumerate(text_lists(source, split, column)):
                for key in dict.fromkeys(map(normalise, texts)):
                    if key and (len(columns) == 1 or count_words(key, _MIN_WORDS) == _MIN_WORDS):
                        units.setdefault(key, []).append(_Place(split, row, column))
    return units


def _whole_rows(source: AuditSource, splits: Sequence[str]) -> Units:
    """Return where each row, all of its text columns together, stands; once per side."""
    units: Units = {}
    for split in splits:
        for row, key in enumerate(row_keys(source, split)):
            if key:
                units.setdefault(key, []).extend(_Place(split, row, c) for c in _columns(source, split))
    return units


def _exact(source: AuditSource, split: str, later: Sequence[str]) -> _Leaks:
    leaks = _Leaks({}, {})
    own, theirs = _units(source, [split]), _units(source, later)
    for key in own.keys() & theirs.keys():
        _add(leaks, own[key], theirs[key], 1.0)
    own, theirs = _whole_rows(source, [split]), _whole_rows(source, later)
    for key in own.keys() & theirs.keys():
        for column in _columns(source, split):
            same = [place for place in theirs[key] if place.column == column]
            _add(leaks, [place for place in own[key] if place.column == column], same, 1.0)
    return leaks


def _near(source: AuditSource, split: str, later: Sequence[str]) -> _Leaks:
    exact = {place.row for place, _ in _exact(source, split, later).best}
    theirs = _units(source, later)
    own = {
        key: rest
        for key, places in _units(source, [split]).items()
        if (rest := [place for place in places if place.row not in exact])
    }
    mine, found = list(own), list(theirs)
    leaks = _Leaks({}, {})
    for match in near_matches(mine, found):
        _add(leaks, own[mine[match.left]], theirs[found[match.right]], match.score)
    return leaks


def _add(leaks: _Leaks, own: Sequence[_Place], theirs: Sequence[_Place], score: float) -> None:
    """Record that every one of ``own`` matches every one of ``theirs``."""
    first: dict[str, _Place] = {}
    for place in theirs:
        first.setdefault(place.split, place)
    for place in own:
        for other, target in first.items():
            known = leaks.best.get((place, other))
            # the better match; of equal ones the earlier row, whatever the order of discovery
            if known is None or (-score, target) < (-known.score, known.place):
                leaks.best[place, other] = _Target(target, score)
    for column in {place.column for place in own}:
        leaks.reached.setdefault(column, set()).update((place.split, place.row) for place in theirs)


def _report(
    check: Check, source: AuditSource, split: str, later: Sequence[str], leaks: _Leaks, method: str
) -> Iterator[Observation]:
    total = sum(source.num_rows(other) for other in later)
    for column in _columns(source, split):
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


def _pair(row: FindingRow, source: AuditSource, column: str, targets: dict[tuple[int, str], _Target]) -> RowEvidence:
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

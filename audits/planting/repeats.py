"""Planted duplicates, leaks and label conflicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from audits.checks._leakage import earlier_and_later
from audits.planting.ground import Defect, Ground, defect

_LEAST = 5  # words of a text that is copied


def recased(_ground: Ground, text: str) -> str:
    """Return ``text`` in other case and spacing."""
    return "  ".join(text.swapcase().split())


def one_word_changed(ground: Ground, text: str) -> str:
    """Return ``text`` with one word replaced by one that stands nowhere in it."""
    words = text.split()
    if words:
        words[int(ground.rng.integers(len(words)))] = f"changed{int(ground.rng.integers(1000))}"
    return " ".join(words)


def without_end(_ground: Ground, text: str) -> str:
    """Return ``text`` without its last tenth, a word at least."""
    words = text.split()
    return " ".join(words[: -max(1, len(words) // 10)])


class _Copies:
    """Rows that become another one, with an edit."""

    edit: Callable[[Ground, str], str]

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield copies."""
        for row, other in ground.pairs(_LEAST):
            ground.copy(other, row, partial(type(self).edit, ground))
            yield defect(max(row, other), touched=(row, *ground.alike(other, ground.columns[0])))


class _Leaks:
    """Texts of a later split that stand in an earlier one, with an edit."""

    edit: Callable[[Ground, str], str]

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield leaks through either side."""
        for row, text in _later_texts(ground):
            ground.write(row, ground.some_column(), type(self).edit(ground, text))
            yield defect(row)


class RecasedRows(_Copies):
    """Rows in other case."""

    kind = "another row in other case and spacing"
    codes = ("DUP001",)
    edit = staticmethod(recased)


class ChangedRows(_Copies):
    """Rows with another word."""

    kind = "another row with one word of each text changed"
    codes = ("DUP002",)
    edit = staticmethod(one_word_changed)


class CutRows(_Copies):
    """Rows without their end."""

    kind = "another row without the last tenth of each text"
    codes = ("DUP002",)
    edit = staticmethod(without_end)


class RecasedLeaks(_Leaks):
    """Leaks in other case."""

    kind = "a text of a later split in other case"
    codes = ("LEAK001",)
    edit = staticmethod(recased)


class ChangedLeaks(_Leaks):
    """Leaks with another word."""

    kind = "a text of a later split with one word changed"
    codes = ("LEAK002",)
    edit = staticmethod(one_word_changed)


class CutLeaks(_Leaks):
    """Leaks without their end."""

    kind = "a text of a later split without its last tenth"
    codes = ("LEAK002",)
    edit = staticmethod(without_end)


class ConflictingRows:
    """A row becomes another one, under another label."""

    kind = "another row under another label"
    codes = ("LABEL002",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield copies."""
        labels = ground.labels()
        column = ground.source.columns.label or ""
        if len({label for label in labels if label is not None}) < 2:
            return
        for row, other in ground.pairs(_LEAST):
            if labels[other] is None:
                continue
            different = next((i for i in ground.others.tolist() if labels[i] not in (None, labels[other])), None)
            if different is None:
                continue
            ground.copy(other, row, partial(recased, ground))
            ground.write(row, column, ground.label_value(different))
            yield defect(row, other, touched=(row, *ground.alike(other, ground.columns[0])))


class BenchmarkItems:
    """An item of a benchmark stands within a text."""

    kind = "an item of a benchmark within a text"
    codes = ("LEAK004",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield contaminated rows; items under 5 words are not looked for."""
        items = [t for texts in ground.context.benchmarks.values() for t in texts if len(t.split()) >= _LEAST]
        if not items or not ground.columns:
            return
        for row in ground.rows.tolist():
            ground.insert(row, ground.choice(items))
            yield defect(row)


def _later_texts(ground: Ground) -> Iterator[tuple[int, str]]:
    """Yield (row to change, text of a later split)."""
    later = dict(earlier_and_later(ground.source)).get(ground.split, ())
    if not later or not ground.columns:
        return
    for number, split in enumerate(later):
        rows = ground.rows[number :: len(later)]
        other = replace(ground, split=split, rows=rows, cells={}, _texts={}, _rows={})
        for row, there in other.pairs(_LEAST) if other.columns else ():
            column = other.choice([c for c in other.columns if len(other.text(there, c).split()) >= _LEAST])
            yield row, other.text(there, column)

"""Planted duplicates, leaks and label conflicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from audits.checks._leakage import earlier_and_later
from audits.planting.ground import Defect, Ground, defect

_LEAST = 5  # words of a text that is copied


def recased(text: str) -> str:
    """Return ``text`` in other case and spacing."""
    return "  ".join(text.swapcase().split())


def one_word_changed(ground: Ground, text: str) -> str:
    """Return ``text`` with one word replaced by one that stands nowhere in it."""
    words = text.split()
    if words:
        words[int(ground.rng.integers(len(words)))] = f"changed{int(ground.rng.integers(1000))}"
    return " ".join(words)


def without_end(text: str) -> str:
    """Return ``text`` without its last tenth, a word at least."""
    words = text.split()
    return " ".join(words[: -max(1, len(words) // 10)])


class RecasedRows:
    """A row becomes another one in other case."""

    kind = "another row in other case and spacing"
    codes = ("DUP001",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield copies."""
        for row, other in ground.pairs(_LEAST):
            ground.copy(other, row, recased)
            yield defect(max(row, other), touched=(row, *ground.alike(other, ground.columns[0])))


class ChangedRows:
    """A row becomes another one, with an edit."""

    kind = "another row with one word of each text changed"
    codes = ("DUP002",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield copies."""
        for row, other in ground.pairs(_LEAST):
            ground.copy(other, row, lambda text: one_word_changed(ground, text))
            yield defect(max(row, other), touched=(row, *ground.alike(other, ground.columns[0])))


class CutRows:
    """A row becomes another one without its end."""

    kind = "another row without the last tenth of each text"
    codes = ("DUP002",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield copies."""
        for row, other in ground.pairs(_LEAST):
            ground.copy(other, row, without_end)
            yield defect(max(row, other), touched=(row, *ground.alike(other, ground.columns[0])))


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
            ground.copy(other, row, recased)
            ground.write(row, column, ground.label_value(different))
            yield defect(row, other, touched=(row, *ground.alike(other, ground.columns[0])))


class RecasedLeaks:
    """A text of a later split stands in an earlier one."""

    kind = "a text of a later split in other case"
    codes = ("LEAK001",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield leaks through either side."""
        for row, text in _later_texts(ground):
            ground.write(row, ground.some_column(), recased(text))
            yield defect(row)


class ChangedLeaks:
    """A text of a later split stands in an earlier one, with an edit."""

    kind = "a text of a later split with one word changed"
    codes = ("LEAK002",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield leaks through either side."""
        for row, text in _later_texts(ground):
            ground.write(row, ground.some_column(), one_word_changed(ground, text))
            yield defect(row)


class CutLeaks:
    """A text of a later split stands in an earlier one without its end."""

    kind = "a text of a later split without its last tenth"
    codes = ("LEAK002",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield leaks through either side."""
        for row, text in _later_texts(ground):
            ground.write(row, ground.some_column(), without_end(text))
            yield defect(row)


class BenchmarkItems:
    """An item of a benchmark stands within a text."""

    kind = "an item of a benchmark within a text"
    codes = ("LEAK004",)

    def defects(self, ground: Ground) -> Iterable[Defect]:
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

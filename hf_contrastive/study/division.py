"""Which rows of a study are learned from, and which ones are measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from hf_contrastive.errors import EvaluationError
from hf_contrastive.study.settings import StudySettings
from hf_contrastive.study.stratified import drawn, shares

SEED_OF_SPLITS = 20_240_607
"""Draws tests and rows: the same for every seed of the study."""
_LARGEST_TEST_SHARE = 0.5
_FEWEST_TEXTS = 4

Row = tuple[str, str, str]
"""Text, class, and the text that belongs to it ("" where there is none)."""


def of_one_class(rows: dict[str, list[Row]], notes: list[str]) -> dict[str, list[Row]]:
    """Return the rows whose text has one class wherever it stands: of others no answer is right."""
    told: dict[str, set[str]] = {}
    for part in rows.values():
        for text, name, _ in part:
            told.setdefault(text, set()).add(name)
    if len(told) < _FEWEST_TEXTS:
        msg = f"The data has {len(told)} distinct texts; a study needs rows to learn from and rows to measure on."
        raise EvaluationError(msg)
    several = {text for text, names in told.items() if len(names) > 1}
    if several:
        notes.append(f"{len(several):,} texts have several classes, and were left out")
    return {split: [row for row in part if row[0] not in several] for split, part in rows.items()}


def divided(
    rows: dict[str, list[Row]], settings: StudySettings, notes: list[str]
) -> tuple[list[Row], list[Row], list[str]]:
    """Return the rows to learn from, the test and the names of the classes, which are chosen before the test is."""
    if "test" in rows and len(rows) > 1:
        train = [row for name, part in rows.items() if name != "test" for row in part]
        test = one_a_text(rows["test"])
        copies = len(rows["test"]) - len(test)
        if copies:
            notes.append(f"{copies:,} rows of the test that stand in it before were left out")
        classes = _chosen_classes(train, test, settings, notes)
        test = _of(classes, test)
        test = _stratified(test, shares(class_sizes(test), settings.test_rows))
    else:
        every = [row for part in rows.values() for row in part]
        texts = sorted(one_a_text(every))
        sizes = class_sizes(texts)
        single = {name for name, size in sizes.items() if size < 2}
        if single:
            notes.append(f"{len(single)} classes with a single text were left out")
        classes = _largest({name: size for name, size in sizes.items() if name not in single}, settings, notes)
        texts = _of(classes, texts)
        size = max(1, min(settings.test_rows, int(len(texts) * _LARGEST_TEST_SHARE)))
        # equal texts are on one side, so that the test is not emptied by its own copies
        chosen = {row[0] for row in _stratified(texts, shares(class_sizes(texts), size))}
        notes.append("the data has no split test: one was drawn, so that its rows are of the same sources as others")
        train = [row for row in every if row[0] not in chosen]
        test = [row for row in one_a_text(every) if row[0] in chosen]
    tested = {row[1] for row in test}
    if tested < set(classes):
        notes.append(f"{len(classes) - len(tested)} classes without a test row were left out")
    _require_two(tested, notes)
    return _of(tested, train), test, sorted(tested)


def _chosen_classes(train: list[Row], test: list[Row], settings: StudySettings, notes: list[str]) -> list[str]:
    """Return the classes of a given test that are studied."""
    sizes, tested = class_sizes(one_a_text(train)), class_sizes(test)
    unseen = sorted(set(tested) - set(sizes))
    if unseen:
        gone = sum(tested[name] for name in unseen)
        notes.append(f"{gone:,} test rows of {len(unseen)} classes that no training row has were left out")
    untested = sorted(set(sizes) - set(tested))
    if untested:
        notes.append(f"{len(untested)} classes without a test row were left out")
    return _largest({name: size for name, size in sizes.items() if name in tested}, settings, notes)


def _largest(sizes: Mapping[str, int], settings: StudySettings, notes: list[str]) -> list[str]:
    _require_two(sizes, notes)
    classes = sorted(sizes, key=lambda name: (-sizes[name], name))[: settings.max_classes]
    if len(classes) < len(sizes):
        notes.append(f"the {len(classes)} classes with the most rows of {len(sizes)} are studied")
    return classes


def _require_two(classes: Collection[str], notes: Sequence[str]) -> None:
    if len(classes) < 2:
        told = f" ({'; '.join(notes)})" if notes else ""
        msg = (
            f"{len(classes)} class(es) have rows to learn from and rows to measure on{told}, and a classifier needs "
            "two. Check `label_column`, or give more data."
        )
        raise EvaluationError(msg)


def labelled_rows(train: list[Row], settings: StudySettings, notes: list[str]) -> list[Row]:
    """Return the labelled rows, drawn so that each class still has rows for the largest budget, if it had them."""
    rows = one_a_text(train)
    if settings.train_rows is None or len(rows) <= settings.train_rows:
        return rows
    least = max((item for item in settings.budgets if item is not None), default=2)
    found = _stratified(rows, shares(class_sizes(rows), settings.train_rows, least))
    if len(found) > settings.train_rows:
        notes.append(
            f"{len(found):,} labelled rows are more than the {settings.train_rows:,} of `train_rows`, so that classes "
            f"have rows for {least} a class"
        )
    return found


def one_a_text(rows: Iterable[Row]) -> list[Row]:
    """Return the rows without those whose text stands before; a text has one class here."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row[0], row)
    return list(found.values())


def class_sizes(rows: Iterable[Row]) -> Counter[str]:
    """Return how many of the rows each class has."""
    return Counter(row[1] for row in rows)


def _of(classes: Collection[str], rows: Sequence[Row]) -> list[Row]:
    known = set(classes)
    return [row for row in rows if row[1] in known]


def _stratified(rows: Sequence[Row], wanted: Mapping[str, int]) -> list[Row]:
    return drawn(rows, [row[1] for row in rows], wanted, SEED_OF_SPLITS)


__all__ = ["SEED_OF_SPLITS", "Row", "class_sizes", "divided", "labelled_rows", "of_one_class", "one_a_text"]

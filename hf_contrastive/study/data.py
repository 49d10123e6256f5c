"""The data of a study: labelled rows and nested budgets of them, a test, and texts without labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.findings import DatasetRef
from hf_contrastive.errors import EvaluationError
from hf_contrastive.study.division import (
    SEED_OF_SPLITS,
    Row,
    class_sizes,
    divided,
    labelled_rows,
    of_one_class,
    one_a_text,
)
from hf_contrastive.study.settings import StudySettings

WANTED_TEST_ROWS = 2000
"""Fewer leave intervals wide; it is told."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyData:
    """What all arms see.

    Attributes:
        reference: identifies the labelled data as it was read.
        classes: names, in the order of the codes.
        texts: of the labelled rows.
        codes: of their classes, ``[rows]``.
        test_texts: what everything is measured on.
        test_codes: of their classes, ``[n]``.
        unlabelled: texts of pretraining.
        partners: what belongs to each of them, or None where two views of a text are contrasted.
        decontaminated: rows left out of labelled rows and pretraining since the test holds them too.
        notes: what a reader must know.
    """

    reference: DatasetRef
    classes: tuple[str, ...]
    texts: tuple[str, ...]
    codes: Ints
    test_texts: tuple[str, ...]
    test_codes: Ints
    unlabelled: tuple[str, ...]
    partners: tuple[str, ...] | None
    decontaminated: int
    notes: tuple[str, ...]

    def rows_of(self, budget: int | None, seed: int) -> Ints:
        """Return the labelled rows of a budget, ascending; a smaller budget's rows are among a larger one's.

        Args:
            budget: rows a class; None means all.
            seed: of the draw, the same for all arms.
        """
        if budget is None:
            return np.arange(len(self.texts))
        generator = np.random.default_rng([seed, 7])
        order = generator.permutation(len(self.texts))
        picked = [order[self.codes[order] == code][:budget] for code in range(len(self.classes))]
        return np.sort(np.concatenate(picked))

    @property
    def smallest_class(self) -> int:
        """Labelled rows of the class that has the fewest: no budget can be larger."""
        return int(np.bincount(self.codes, minlength=len(self.classes)).min())


def read_data(
    data: Any,
    settings: StudySettings,
    *,
    text_column: str = "text",
    label_column: str = "label",
    pair_column: str | None = None,
) -> StudyData:
    """Read labelled data and divide it.

    The split ``test`` is the test, all others are labelled rows; without one, a test is drawn. Whatever is drawn of
    classes keeps their shares. Equal texts count once, and texts that have several classes are left out. So are
    labelled rows and texts of pretraining that stand in the test, exactly or nearly (Jaccard similarity of word 5-grams
    at least 0.8).

    Args:
        data: a Dataset, DatasetDict, Hub id or path.
        settings: how many classes, test rows and texts.
        text_column: of the texts.
        label_column: of the classes.
        pair_column: a text that belongs to the row's text, which contrast then draws near it.

    Raises:
        EvaluationError: columns are missing, cells are no texts, or there are fewer than two classes or too few rows.
        SourceError: the data can not be read.
    """
    from audits.source import dataset_of, references

    splits = dataset_of(data)
    reference = _whole(references(data))
    wanted = (text_column, label_column, *((pair_column,) if pair_column else ()))
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for name, part in splits.items():
        missing = [column for column in wanted if column not in part.column_names]
        if missing:
            msg = (
                f"The data has no column {' and '.join(map(repr, missing))}; it has {', '.join(part.column_names)}. "
                "Name them with `text_column`, `label_column` and `pair_column`."
            )
            raise EvaluationError(msg)
        rows[name] = _cells(name, part, text_column, label_column, pair_column)
    notes: list[str] = []
    train, test, classes = divided(of_one_class(rows, notes), settings, notes)
    learnt = len(train)
    train, gone = _decontaminated(train, test, paired=pair_column is not None)
    if gone:
        notes.append(f"{gone:,} rows were left out of training, since the test holds them too, exactly or nearly")
    codes = {name: code for code, name in enumerate(classes)}
    labelled = labelled_rows(train, settings, notes)
    _require_rows(labelled, classes, settings, gone, copies=learnt - gone - len(one_a_text(train)))
    unlabelled = _drawn(_distinct(train), settings.pretraining_texts)
    if len(test) < WANTED_TEST_ROWS:
        notes.append(f"the test has {len(test):,} rows, and {WANTED_TEST_ROWS:,} are wanted: intervals are wide")
    return StudyData(
        reference=reference,
        classes=tuple(classes),
        texts=tuple(row[0] for row in labelled),
        codes=np.asarray([codes[row[1]] for row in labelled], dtype=np.int64),
        test_texts=tuple(row[0] for row in test),
        test_codes=np.asarray([codes[row[1]] for row in test], dtype=np.int64),
        unlabelled=tuple(row[0] for row in unlabelled),
        partners=tuple(row[2] for row in unlabelled) if pair_column else None,
        decontaminated=gone,
        notes=tuple(notes),
    )


def _cells(split: str, part: Any, text: str, label: str, pair: str | None) -> list[Row]:
    labels = list(part[label])
    names = getattr(part.features.get(label), "names", None)
    found = []
    partners = list(part[pair]) if pair else [""] * len(labels)
    for row, (cell, value, partner) in enumerate(zip(part[text], labels, partners, strict=True)):
        for column, given in ((text, cell), (pair, partner)):
            if not isinstance(given, str) or (column is not None and not given.strip()):
                msg = (
                    f"Row {row} of {split} holds {given!r:.40} as {column}; it must be a text. Remove such rows first."
                )
                raise EvaluationError(msg)
        name = _class_name(value, names)
        if name is None:
            told = "" if value is None else f" ({value})"
            msg = (
                f"Row {row} of {split} has no {label}{told}. Remove rows without a class first, and splits whose "
                "classes are held back, as -1 on the Hub tells; texts alone are not read."
            )
            raise EvaluationError(msg)
        found.append((cell, name, partner))
    return found


def _class_name(value: Any, names: Sequence[str] | None) -> str | None:
    """Return the class that a cell tells, None where it tells none: nothing, NaN, and -1 of a ClassLabel."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if names and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _decontaminated(train: list[Row], test: list[Row], *, paired: bool) -> tuple[list[Row], int]:
    """Return the rows of ``train`` that share no text with the test, and how many are gone."""
    import datasets

    from hf_contrastive.auditing import audit

    def table(texts: list[str]) -> Any:
        return datasets.Dataset.from_dict({"text": texts})

    gone: set[int] = set()
    tested = [row[0] for row in test]
    exact = {_folded(text) for text in tested}
    for place in (0, 2) if paired else (0,):
        texts = [row[place] for row in train]
        gone |= {number for number, text in enumerate(texts) if _folded(text) in exact}
        parts = datasets.DatasetDict({"train": table(texts), "test": table(tested)})
        report = audit(parts, checks=["LEAK001", "LEAK002"], text_columns=("text",))
        gone |= {row.row for finding in report.findings for row in finding.rows or () if row.split == "train"}
    return [row for number, row in enumerate(train) if number not in gone], len(gone)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _require_rows(labelled: list[Row], classes: list[str], settings: StudySettings, gone: int, *, copies: int) -> None:
    sizes = class_sizes(labelled)
    least = min(classes, key=lambda name: sizes[name])
    smallest = min((item for item in settings.budgets if item is not None), default=1)
    if sizes[least] < smallest:
        reasons = [f"{gone:,} rows were left out, since the test holds them too"] if gone else []
        reasons += [f"{copies:,} rows repeat others and count once"] if copies else []
        without = f" ({'; '.join(reasons)})" if reasons else ""
        msg = (
            f"The class {least!r:.40} has {sizes[least]} rows to learn from{without}, and the smallest budget is "
            f"{smallest} a class. Name smaller `budgets`, fewer classes with `max_classes`, or give more data."
        )
        raise EvaluationError(msg)


def _distinct(rows: list[Row]) -> list[Row]:
    return list({(row[0], row[2]): row for row in rows}.values())


def _drawn(rows: list[Row], most: int | None) -> list[Row]:
    """Return at most ``most`` rows, in their order."""
    if most is None or len(rows) <= most:
        return rows
    places = np.random.default_rng(SEED_OF_SPLITS).choice(len(rows), most, replace=False)
    return [rows[place] for place in np.sort(places)]


def _whole(parts: Sequence[DatasetRef]) -> DatasetRef:
    """Return one reference for all splits."""
    from dataclasses import replace

    from audits.records import digest_of

    if len(parts) == 1:
        return parts[0]
    told = [part.to_dict() for part in parts]
    return replace(
        parts[0],
        split=" + ".join(part.split or "" for part in parts),
        fingerprint=digest_of(told),
        num_rows=sum(part.num_rows or 0 for part in parts),
    )

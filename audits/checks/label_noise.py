"""LABEL001: labels that disagree with what similar texts are labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.checks import CheckContext, Observation
from audits.checks._label_calibration import calibrate
from audits.checks._label_quality import NEIGHBOURS, Quality, class_fit, label_quality
from audits.checks._probe import FOLDS, Floats
from audits.checks._reporting import place, report, share, wilson
from audits.checks._tables import histogram, reliability
from audits.encoders import Encoder, TfidfEncoder
from audits.findings import FindingRow, Measurement, NotJudged, RowEvidence, Table
from audits.nearest import nearest, vectors_of
from audits.source import AuditSource
from audits.text.cells import chunks, joined_texts, labels_of, row_text
from audits.text.excerpts import excerpt

_MAX_CLASSES = 1000  # the probabilities are a dense matrix of rows by classes
_MAX_CHARACTERS = 1000  # enough to tell the class; keeps one huge text from filling the vocabulary
_DIM = 128
_PRECISION = 0.7
_BINS = 10
_BLOCK = 4096

Integers = npt.NDArray[np.int64]


class _Row(NamedTuple):
    split: str
    row: int
    label: str
    text: str


class _Judged(NamedTuple):
    """One label issue: how well the given label fits, and which one fits better."""

    quality: float
    label: str
    suggestion: str


class LabelNoise:
    """Labels that disagree with the text."""

    code = "LABEL001"
    needs: tuple[str, ...] = ("texts", "label")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Labels that neither a probe nor the nearest texts would give, over all splits together.

        A softmax regression that has not seen the row (5 folds) and a vote of the 20 nearest texts say how probable
        each label is. The score sets the given label against the best other one: 0.5 is a tie, the lowest are shown
        first, and a text that fits no label well is not listed. How many are listed is calibrated on this data, by
        changing each label in turn: the list ends where 70 % of it is expected to be wrong, and is empty where no wrong
        label stands out. Where labels say where a text comes from (a package, an author), a listed label may well be
        right, of a text that reads like another source's.
        """
        rows = _rows(source)
        rare, judged = _without_rare(rows)
        total = sum(map(source.num_rows, source.splits))
        yield share(
            "rows in classes too rare to judge", rare, total, f"labels with fewer than {FOLDS} rows in all splits"
        )
        yield share(
            "rows without a label or a text",
            total - len(rows),
            total,
            "null, empty, white space, or -1 among whole numbers",
        )
        counts = Counter(row.label for row in judged)
        names = sorted(counts)
        number = {name: i for i, name in enumerate(names)}
        labels = np.asarray([number[row.label] for row in judged], np.int64)
        sizes = np.asarray([counts[name] for name in names])
        if len(names):
            largest, smallest = (excerpt(names[i], 40) for i in (sizes.argmax(), sizes.argmin()))
            method = f"of {len(names)} classes, {largest} and {smallest}"
            imbalance = float(sizes.max() / sizes.min())
            yield Measurement(
                name="rows of the largest class for each of the smallest", value=imbalance, unit="rows", method=method
            )
        if not 2 <= len(names) <= _MAX_CLASSES:
            few = {0: "no class of enough rows", 1: "one class of enough rows"}
            yield NotJudged(few.get(len(names), f"{len(names)} classes, over {_MAX_CLASSES}"))
            return
        encoder: Encoder = context.encoder or TfidfEncoder(dim=_DIM, seed=context.seed)
        vectors = vectors_of(encoder, [row.text for row in judged])
        neighbours = nearest(vectors, NEIGHBOURS)
        fit = class_fit(vectors, labels, len(names), neighbours, context.seed)
        quality = label_quality(fit, labels, sizes / len(labels))
        cut = calibrate(fit, labels, len(names), context.seed, precision=_PRECISION)
        if cut is None:
            yield NotJudged(
                f"how often the check is wrong can not be measured on {len(judged)} rows; they are too few, or the "
                f"vectors of {encoder.name} do not tell the classes apart"
            )
            return
        views = "a softmax regression" + (f" and {NEIGHBOURS} nearest texts" if neighbours is not None else "")
        planted = "each label of this data changed in turn"
        method = (
            f"{views} over {encoder.name}, {FOLDS}-fold out-of-sample, {len(names)} classes, {len(judged)} rows "
            f"judged; listed until the expected precision falls below {_PRECISION:.0%}, calibrated with {planted}"
        )
        yield Measurement(
            name="estimated share of wrong labels", value=cut.noise, unit="fraction", sample_size=len(judged),
            method=f"those of the lowest scores, spread as those of wrong labels are, with {planted}",
        )  # fmt: skip
        if cut.listed:
            yield Measurement(
                name="expected precision of the list", value=cut.precision, unit="fraction", sample_size=cut.listed,
                interval=(cut.least_precision, 1.0),
                method=f"share of scores spread as those of wrong labels are, with {planted}; lower end: with two "
                "standard deviations of their number fewer, no 95 % interval",
            )  # fmt: skip
        yield wilson("planted wrong labels that are found", cut.found, cut.planted, f"{planted}, to any other class")
        yield wilson(
            "planted mistakes between similar classes that are found", cut.found_similar, cut.planted,
            f"{planted}, to another class by how probable that is for texts of the own class",
        )  # fmt: skip
        yield wilson(
            "labels listed without a planted error", cut.listed, len(judged), f"{planted}; real errors are among them"
        )
        yield _histogram(quality)
        yield from _probabilities(fit, labels)
        wrong = _listed(names, labels, quality, cut.listed)
        for split in _labelled(source):
            here = {judged[i].row: issue for i, issue in wrong.items() if judged[i].split == split}
            count = sum(row.split == split for row in judged)
            found = [FindingRow(split, row, None, None, issue.quality) for row, issue in sorted(here.items())]
            column = source.columns.label
            yield report(
                self,
                found,
                share(f"labels that disagree with the text {place(split)}", len(found), count, method),
                split=split,
                column=column,
                remedy="Read the rows, the lowest scores first; relabel or remove those that are wrong.",
                evidence=partial(_evidence, column=column, issues=here, source=source),
                sample=sorted(found, key=lambda row: (row.score or 0.0, row.row)),
            )


def _labelled(source: AuditSource) -> list[str]:
    """Return the splits that have labels; datasets that are audited together need not all have them."""
    return [split for split in source.splits if source.columns.label in source.tables[split].column_names]


def _rows(source: AuditSource) -> list[_Row]:
    """Return the rows that have a label and a text."""
    rows: list[_Row] = []
    for split in _labelled(source):
        labels, texts = labels_of(source, split), joined_texts(source, split)
        rows.extend(
            _Row(split, i, label, text[:_MAX_CHARACTERS])
            for i, (label, text) in enumerate(zip(labels, texts, strict=True))
            if label is not None and text.strip()
        )
    return rows


def _without_rare(rows: Sequence[_Row]) -> tuple[int, list[_Row]]:
    """Return how many rows have too rare a label, and the others."""
    counts = Counter(row.label for row in rows)
    kept = [row for row in rows if counts[row.label] >= FOLDS]
    return len(rows) - len(kept), kept


def _listed(names: Sequence[str], labels: Integers, quality: Quality, count: int) -> dict[int, _Judged]:
    """Return the ``count`` rows whose labels fit least."""
    ranking = quality.ranking
    lowest = np.argsort(ranking, kind="stable")[:count]
    return {
        i: _Judged(float(quality.score[i]), names[labels[i]], names[int(quality.suggestion[i])])
        for i in lowest.tolist()
        if np.isfinite(ranking[i])
    }


def _histogram(quality: Quality) -> Table:
    """Return how many rows have which score."""
    counts, edges = np.histogram(quality.score, _BINS, (0, 1))
    rows = tuple(
        (f"{low:.1f}-{high:.1f}", int(count)) for low, high, count in zip(edges, edges[1:], counts, strict=False)
    )
    return Table(name="rows by how well the label fits", columns=("score", "rows"), rows=rows)


def _probabilities(fit: Floats, labels: Integers) -> Iterator[Table]:
    """Yield how probable the given labels are to the check, and how often its most probable one is given.

    Both are out of sample: no row's own label has a part in its probabilities.
    """
    given, most = np.empty(len(labels)), np.empty(len(labels))
    right = np.empty(len(labels), np.bool_)
    for part in chunks(len(labels), _BLOCK):
        probability = np.exp(fit[part].astype(np.float64))
        given[part] = probability[np.arange(len(probability)), labels[part]]
        most[part] = probability.max(axis=1)
        right[part] = given[part] >= most[part]
    yield histogram("label quality", given, low=0.0, counted="rows")
    yield reliability("reliability of the label probe", most, right)


def _evidence(row: FindingRow, column: str | None, issues: dict[int, _Judged], source: AuditSource) -> RowEvidence:
    issue = issues[row.row]
    text = row_text(source, row.split, row.row)
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=column,
        excerpt=excerpt(f"labelled {excerpt(issue.label, 40)}; looks like {excerpt(issue.suggestion, 40)}: {text}"),
        score=row.score,
    )

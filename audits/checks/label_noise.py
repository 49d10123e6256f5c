"""LABEL001: labels that disagree with what similar texts are labelled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.checks import CheckContext, Observation
from audits.checks._probe import FOLDS, out_of_sample
from audits.checks._reporting import place, report, share
from audits.encoders import Encoder, TfidfEncoder
from audits.findings import FindingRow, Measurement, RowEvidence
from audits.source import AuditSource
from audits.text.cells import joined_texts, texts_of
from audits.text.excerpts import excerpt

_MAX_CLASSES = 1000  # the probabilities are a dense matrix of rows by classes
_MAX_CHARACTERS = 1000  # enough to tell the class; keeps one huge text from filling the vocabulary
_DIM = 128

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class _Row(NamedTuple):
    split: str
    row: int
    label: str
    text: str


class _Judged(NamedTuple):
    """One label issue: how probable the given label is, and which one fits better."""

    quality: float
    label: str
    suggestion: str


class LabelNoise:
    """Labels that disagree with the text."""

    code = "LABEL001"
    needs: tuple[str, ...] = ("texts", "label")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Confident learning (Northcutt et al., JAIR 2021) by cleanlab, over all splits together.

        The probabilities are out of sample: a softmax regression on text vectors, cross-validated in
        5 folds. The score is the probability of the given label; the worst are shown. The ranking is
        reliable, the number of issues overstates where classes overlap: read before relabelling.
        """
        rows = _rows(source)
        rare, judged = _without_rare(rows)
        total = sum(map(source.num_rows, source.splits))
        yield share(
            "rows in classes too rare to judge", rare, total, f"labels with fewer than {FOLDS} rows in all splits"
        )
        yield share("rows without a label or a text", total - len(rows), total, "null, empty or white space")
        names, labels = np.unique([row.label for row in judged], return_inverse=True)
        if not 2 <= len(names) <= _MAX_CLASSES:
            method = {0: "not judged: no class", 1: "not judged: one class"}.get(
                len(names), f"not judged: {len(names)} classes, over {_MAX_CLASSES}"
            )
            yield Measurement(name="rows judged", value=0, unit="rows", sample_size=total, method=method)
            return
        encoder: Encoder = context.encoder or TfidfEncoder(dim=_DIM, seed=context.seed)
        vectors = np.asarray(encoder.encode([row.text for row in judged]), dtype=np.float32)
        probabilities = out_of_sample(vectors, labels, context.seed)
        issues = _issues(names, labels, probabilities)
        method = (
            f"cleanlab find_label_issues (prune_by_noise_rate) on {FOLDS}-fold out-of-sample probabilities of "
            f"a softmax regression over {encoder.name}, {len(names)} classes, {len(judged)} rows judged"
        )
        for split in _labelled(source):
            here = {judged[i].row: issue for i, issue in issues.items() if judged[i].split == split}
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
                evidence=partial(
                    _evidence, column=column, issues=here, texts=joined_texts(source, split) if found else []
                ),
                sample=sorted(found, key=lambda row: (row.score or 0.0, row.row)),
            )


def _labelled(source: AuditSource) -> list[str]:
    """Return the splits that have labels; datasets that are audited together need not all have them."""
    return [split for split in source.splits if source.columns.label in source.tables[split].column_names]


def _rows(source: AuditSource) -> list[_Row]:
    """Return the rows that have a label and a text."""
    column = source.columns.label
    rows: list[_Row] = []
    for split in _labelled(source):
        labels, texts = texts_of(source, split, column or ""), joined_texts(source, split)
        rows.extend(
            _Row(split, i, label, text[:_MAX_CHARACTERS])
            for i, (label, text) in enumerate(zip(labels, texts, strict=True))
            if label is not None and label.strip() and text.strip()
        )
    return rows


def _without_rare(rows: Sequence[_Row]) -> tuple[int, list[_Row]]:
    """Return how many rows have too rare a label, and the others."""
    names, index, counts = np.unique([row.label for row in rows], return_inverse=True, return_counts=True)
    del names
    kept = [row for row, label in zip(rows, index.tolist(), strict=True) if counts[label] >= FOLDS]
    return len(rows) - len(kept), kept


def _issues(names: npt.NDArray[np.str_], labels: Integers, probabilities: Matrix) -> dict[int, _Judged]:
    from cleanlab.filter import find_label_issues  # takes a second to import

    flagged = np.flatnonzero(find_label_issues(labels, probabilities, n_jobs=1))
    best = probabilities.argmax(axis=1)
    return {
        i: _Judged(float(probabilities[i, labels[i]]), str(names[labels[i]]), str(names[best[i]]))
        for i in flagged.tolist()
        if best[i] != labels[i]
    }


def _evidence(row: FindingRow, column: str | None, issues: dict[int, _Judged], texts: Sequence[str]) -> RowEvidence:
    issue = issues[row.row]
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=column,
        excerpt=excerpt(f"labelled {issue.label[:40]}; looks like {issue.suggestion[:40]}: {texts[row.row]}"),
        score=row.score,
    )

"""PAIR006: rows that are right answers to each other's anchors."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import pyarrow as pa

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.findings import FindingRow, NotJudged, RowEvidence, RowReference
from audits.nearest import MOST_EXACT, ROUNDING, blocks, nearer_than, scored, unit, vectors_of
from audits.source import AuditSource
from audits.text.cells import cell, each_text
from audits.text.duplicates import digests, first_rows
from audits.text.excerpts import excerpt
from audits.text.folding import Int64s
from audits.text.set_join import Pairs
from audits.text.shingles import UInt64s


class FalseNegatives:
    """Pairs whose anchor another row's positive answers as well."""

    code = "PAIR006"
    needs: tuple[str, ...] = ("anchor", "positive", "semantic_encoder")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """In one batch such a positive is pushed away from the anchor as if it were wrong.

        Listed are rows with a positive of another row, different in its words, that is as near to the anchor as their
        own and says the same as that by the given encoder; the score is the cosine of the two positives. How many rows
        have any other positive that is nearer is measured too: that depends on the encoder more than on the data.
        """
        if context.encoder is None:
            return
        for split in source.splits:
            anchor, positive = source.columns.anchor or "", source.columns.positive or ""
            if not {anchor, positive} <= set(source.texts(split)):
                continue
            texts, row_of = each_text(source, split, positive)
            marks = digests(texts)
            filled = np.flatnonzero(marks.any(axis=1) & np.isin(row_of, _with_text(source, split, anchor)))
            same_as = _first_equal_rows(source, split, anchor, marks)
            # rows that are equal have equal answers: one of them is looked at
            filled = filled[same_as[row_of[filled]] == row_of[filled]]
            total = source.num_rows(split)
            if len(filled) > MOST_EXACT:
                told = f"{len(filled):,} different positives are over {MOST_EXACT:,}; audit a `sample`"
                yield NotJudged(told, split)
                continue
            rows: dict[int, tuple[float, int]] = {}
            nearer = 0
            if len(filled):
                own_row, text_of = row_of[filled], first_rows(marks)[filled]
                asked, each = np.unique(own_row, return_inverse=True)
                questions = [cell(source, split, anchor, row) or "" for row in asked.tolist()]
                anchors = unit(vectors_of(context.encoder, questions))
                answers = [texts.text(i) for i in filled.tolist()]
                positives = unit(vectors_of(context.encoder, answers))
                own = np.full(len(asked), -1.0, np.float32)
                np.maximum.at(own, each, np.einsum("nd,nd->n", anchors[each], positives))
                is_nearer = nearer_than(anchors, positives, own, (each, text_of))
                nearer = int(np.isin(same_as, asked[is_nearer]).sum())
                best = _Best(len(asked))
                for rows_of, columns_of in blocks(len(positives), len(positives)):
                    cosines = positives[rows_of] @ positives[columns_of].T
                    asking = each[rows_of]
                    right = cosines >= context.semantic_threshold - ROUNDING
                    right &= anchors[asking] @ positives[columns_of].T >= own[asking][:, None] - ROUNDING
                    right &= own_row[rows_of][:, None] != own_row[columns_of]
                    right &= text_of[rows_of][:, None] != text_of[columns_of]
                    # one a row: of templates every pair would be one
                    nearest = np.where(right, cosines, -np.inf).argmax(axis=1)
                    hit = np.flatnonzero(right[np.arange(len(right)), nearest])
                    best.take(
                        asking[hit],
                        scored(positives, positives, hit + rows_of.start, nearest[hit] + columns_of.start),
                    )
                found = {int(asked[k]): (float(best.score[k]), int(own_row[best.right[k]])) for k in best.found()}
                rows = {i: found[first] for i, first in enumerate(same_as.tolist()) if first in found}
            method = (
                f"by {context.encoder.name}: a positive of another row as near to the anchor as the own one, and of a "
                f"cosine >= {context.semantic_threshold:g} with it; equal texts left to PAIR002"
            )
            yield share(
                f"rows with a nearer positive in another row {place(split)}", nearer, total,
                f"cosine with the anchor by {context.encoder.name}, every pair compared",
            )  # fmt: skip
            yield report(
                self,
                [FindingRow(split, row, split, other, score) for row, (score, other) in sorted(rows.items())],
                share(f"rows whose anchor another positive answers {place(split)}", len(rows), total, method),
                split=split,
                column=positive,
                remedy="Give such rows one id (`id_column`), join their positives, or train with a `guide_model`.",
                evidence=partial(_evidence, source=source, anchor=anchor, positive=positive),
            )


class _Best:
    """The nearest positive of each asked row so far; of equal ones the earliest."""

    def __init__(self, count: int) -> None:
        self.score = np.full(count, -np.inf)
        self.right = np.full(count, -1)

    def take(self, asked: Int64s, pairs: Pairs) -> None:
        """Take in pairs, each for one asked row, ``[pairs]``."""
        order = np.lexsort((pairs.right, -pairs.score, asked))
        rows, first = np.unique(asked[order], return_index=True)
        chosen = order[first]
        better = pairs.score[chosen] > self.score[rows]
        self.score[rows[better]] = pairs.score[chosen[better]]
        self.right[rows[better]] = pairs.right[chosen[better]]

    def found(self) -> list[int]:
        """Return the asked rows that have one."""
        return np.flatnonzero(self.right >= 0).tolist()


def _first_equal_rows(source: AuditSource, split: str, anchor: str, positives: UInt64s) -> Int64s:
    """Return of each row the first with the same anchor and positive; rows with lists are taken for different."""
    total = source.num_rows(split)
    if pa.types.is_nested(source.column(split, source.columns.positive or "").type):
        return np.arange(total)
    anchors = digests(each_text(source, split, anchor)[0])
    _, first, each = np.unique(
        first_rows(anchors) * total + first_rows(positives), return_index=True, return_inverse=True
    )
    return np.asarray(first[each], np.int64)


def _with_text(source: AuditSource, split: str, column: str) -> Int64s:
    texts, rows = each_text(source, split, column)
    return np.asarray(rows[digests(texts).any(axis=1)], np.int64)


def _evidence(row: FindingRow, source: AuditSource, anchor: str, positive: str) -> RowEvidence:
    other = row.other_row or 0
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=anchor,
        excerpt=excerpt(cell(source, row.split, anchor, row.row)),
        score=row.score,
        related=tuple(
            RowReference(split=row.split, row=i, column=positive, excerpt=excerpt(cell(source, row.split, positive, i)))
            for i in (row.row, other)
        ),
    )

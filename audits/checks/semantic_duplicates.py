"""DUP003: rows that say the same as another row of their split."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.checks._tables import histogram
from audits.checks.exact_duplicates import duplicate_evidence, duplicates_of
from audits.findings import FindingRow
from audits.nearest import MOST_EXACT, similar_groups, vectors_of
from audits.source import AuditSource
from audits.text.cells import joined_texts

_REMEDY = (
    "Read the pairs; then keep each representative and remove those that say no more "
    "(`remove_duplicates(…, codes=('DUP003',))`)."
)


class SemanticDuplicates:
    """Rows that say the same as another row of the same split."""

    code = "DUP003"
    needs: tuple[str, ...] = ("texts", "semantic_encoder")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Paraphrases and translations repeat what is learnt without sharing words.

        What the vectors hold for the same depends on the encoder and its training: read the pairs before anything is
        removed. The score is the cosine with the representative, the earliest row that is similar enough.
        """
        if context.encoder is None:
            return
        threshold = context.semantic_threshold
        for split in source.splits:
            found = duplicates_of(source, context, split)
            known = found.first != np.arange(len(found.first))
            known[found.near.left] = True
            every = joined_texts(source, split)
            texts = {row: every[row] for row in np.flatnonzero(~known).tolist()}
            chosen = np.asarray([row for row, text in texts.items() if text.strip()], np.int64)
            rows = []
            if len(chosen):
                vectors = vectors_of(context.encoder, [texts[row] for row in chosen.tolist()])
                pairs = similar_groups(vectors, threshold)
                rows = [
                    FindingRow(split, int(chosen[left]), split, int(chosen[right]), score)
                    for left, right, score in pairs.listed()
                ]
            compared = "every pair compared" if len(chosen) <= MOST_EXACT else "neighbours by an HNSW graph, verified"
            method = (
                f"cosine >= {threshold:g} with the representative by {context.encoder.name}, {compared}; rows of "
                "DUP001 and DUP002 left out"
            )
            yield report(
                self,
                sorted(rows),
                share(f"rows that say the same as another row {place(split)}", len(rows), len(known), method),
                split=split,
                remedy=_REMEDY,
                evidence=partial(duplicate_evidence, source=source),
            )
            if rows and threshold < 1:
                name = f"similarity of semantic-duplicate pairs {place(split)}"
                yield histogram(name, [row.score or 0.0 for row in rows], low=threshold, counted="pairs")

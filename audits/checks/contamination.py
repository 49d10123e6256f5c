"""LEAK004: rows that hold items of benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, rows_count, share
from audits.findings import FindingRow, RowEvidence, RowReference
from audits.source import AuditSource
from audits.text.cells import row_text, row_texts
from audits.text.containment import FEWEST_WORDS, WORDS, Items, held_items
from audits.text.excerpts import excerpt

_ENOUGH_RUNS = 8
_ENOUGH_SHARE = 0.5
_COMMON_ROWS, _COMMON_SHARE = 10, 0.001
_METHOD = (
    f"an item stands in a row that holds {_ENOUGH_RUNS} of its runs of {WORDS} words, or {_ENOUGH_SHARE:.0%} of them; "
    f"an item of {FEWEST_WORDS} to {WORDS - 1} words is one run; runs in more than {_COMMON_ROWS} rows and "
    f"{_COMMON_SHARE:.1%} of all are common and not counted"
)


class Contamination:
    """Rows that hold an item of a benchmark."""

    code = "LEAK004"
    needs: tuple[str, ...] = ("texts", "benchmarks")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A model that was trained on the items of a benchmark can not be measured by it.

        All text columns of a row are looked into. The score is the share of the item's runs that stand in the row,
        runs that are common in the data left out; each row names the item of which it holds most. Items of which every
        run is common are counted apart: nothing tells a copy from boilerplate then. Rephrased items are not found.
        """
        names = [(name, i) for name, texts in context.benchmarks.items() for i in range(len(texts))]
        texts = [text for each in context.benchmarks.values() for text in each]
        items = Items.of(texts)
        short = int((items.sizes == 0).sum())
        yield share(
            "benchmark items too short to look for", short, len(texts), f"under {FEWEST_WORDS} words, or without text"
        )
        for split in source.splits:
            total = source.num_rows(split)
            found = held_items(row_texts(source, split), items, most_rows=max(_COMMON_ROWS, int(_COMMON_SHARE * total)))
            enough = (found.runs >= _ENOUGH_RUNS) | (found.share >= _ENOUGH_SHARE)
            best: dict[int, tuple[float, int]] = {}
            for row, item, part in zip(
                found.row[enough].tolist(), found.item[enough].tolist(), found.share[enough].tolist(), strict=True
            ):
                if row not in best or part > best[row][0]:
                    best[row] = (part, item)
            rows = [FindingRow(split, row, *names[item], part) for row, (part, item) in sorted(best.items())]
            reached = np.unique(found.item[enough])
            for name, each in context.benchmarks.items():
                own = [i for i, (of, _) in enumerate(names) if of == name and items.sizes[i]]
                count = int(np.isin(own, reached).sum())
                yield share(f"items of {name} of {len(each):,} that stand in {split}", count, len(own), _METHOD)
            yield rows_count(
                f"benchmark items of which every run is common {place(split)}",
                int(found.common.sum()),
                len(texts) - short,
                "they stand in many rows: copied many times, or boilerplate; not judged above",
            )
            yield report(
                self,
                rows,
                share(f"benchmark items with a match {place(split)}", len(reached), len(texts) - short, _METHOD),
                split=split,
                remedy=f"Read the pairs; then remove these rows of {split} (`remove_leakage(…, codes=('LEAK004',))`).",
                evidence=partial(_evidence, source=source, benchmarks=context.benchmarks),
                sample=sorted(rows, key=lambda row: (-(row.score or 0), row.row)),
            )


def _evidence(row: FindingRow, source: AuditSource, benchmarks: Mapping[str, Sequence[str]]) -> RowEvidence:
    name, item = row.other_split or "", row.other_row or 0
    return RowEvidence(
        split=row.split,
        row=row.row,
        excerpt=excerpt(row_text(source, row.split, row.row)),
        score=row.score,
        related=(RowReference(split=name, row=item, excerpt=excerpt(benchmarks[name][item])),),
    )

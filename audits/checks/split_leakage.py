"""LEAK001-LEAK003: rows of one split whose text stands in a later split."""

from __future__ import annotations

from collections.abc import Iterable

from audits.checks import CheckContext, Observation
from audits.checks._leakage import RULES, earlier_and_later, exact_leaks, near_leaks, report_leaks, semantic_leaks
from audits.checks._reporting import place
from audits.checks._tables import histogram
from audits.source import AuditSource
from audits.text.duplicates import THRESHOLD


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
        for split, later in earlier_and_later(source):
            leaks = exact_leaks(source, context, split, later)
            yield from report_leaks(self, source, split, later, leaks, f"equal after normalisation; {RULES}")


class NearLeakage:
    """Rows whose text nearly repeats one of a later split."""

    code = "LEAK002"
    needs: tuple[str, ...] = ("texts", "splits")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """As LEAK001, for texts with small edits; the score is the exact similarity with the earliest such text.

        Rows that LEAK001 lists are left out: they have to go anyway.
        """
        method = f"exact Jaccard similarity of 5-grams >= {THRESHOLD}; rows of LEAK001 left out; {RULES}"
        for split, later in earlier_and_later(source):
            leaks = near_leaks(source, context, split, later)
            yield from report_leaks(self, source, split, later, leaks, method)
            if leaks.best:
                # a text of each column of a row, with the best match in each later split
                scores = [target.score for target in leaks.best.values()]
                name = f"similarity of the best matches in later splits {place(split)}"
                yield histogram(name, scores, low=THRESHOLD, counted="matches")


class SemanticLeakage:
    """Rows whose text says the same as one of a later split."""

    code = "LEAK003"
    needs: tuple[str, ...] = ("texts", "splits", "semantic_encoder")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """As LEAK001, for texts that say the same in other words; the score is the cosine of their vectors.

        What the vectors hold for the same depends on the encoder: read the pairs before anything is removed. Rows
        that LEAK001 and LEAK002 list are left out.
        """
        if context.encoder is None:
            return
        method = (
            f"cosine >= {context.semantic_threshold:g} by {context.encoder.name}, every pair compared; rows of LEAK001 "
            f"and LEAK002 left out; {RULES}"
        )
        for split, later in earlier_and_later(source):
            leaks = semantic_leaks(source, context, split, later, context.encoder)
            yield from report_leaks(self, source, split, later, leaks, method)

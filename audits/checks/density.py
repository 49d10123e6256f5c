"""POIS003: positives that say the same by a given encoder, for many unrelated anchors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from audits.checks import CheckContext, Observation
from audits.checks._targets import Pairs, find_targets
from audits.checks._triggers import FEWEST
from audits.checks.poisoning import report_targets
from audits.encoders import Encoder
from audits.findings import NotJudged
from audits.nearest import nearest, similar_groups, unit, vectors_of
from audits.source import AuditSource

_DENSE = 0.9
_LEAST_COSINE = 0.8  # sentences that say nearly the same, by any trained encoder


class DenseTargets:
    """Positives that say nearly the same, to which many unrelated anchors lead."""

    code = "POIS003"
    needs: tuple[str, ...] = ("anchor", "positive", "semantic_encoder")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A target that was paraphrased for each poisoned row makes a dense group of positives.

        Poisoned rows lie closer together than real ones (arXiv 2502.01385): a group is made of positives that are
        nearer to its first than 90% of all are to their eighth neighbour. It is listed only where its anchors are
        related neither to their positives nor to each other, as in POIS002, which lists what repeats word by word. The
        measurement is the largest number of such anchors; the score is that of the row's own group.
        """
        if context.encoder is None:
            return
        for split in source.splits:
            pairs = Pairs.of(source, split, context.seed)
            if pairs is None:
                continue
            grouped = _by_meaning(pairs, context.encoder)
            if grouped is None:
                yield NotJudged(
                    'too many pairs to compare without an index: pip install "hf-contrastive[semantic]"', split
                )
                continue
            compared = f"positives close by {context.encoder.name}, near duplicates once"
            yield report_targets(self, source, split, grouped, find_targets(grouped), compared)


def _by_meaning(pairs: Pairs, encoder: Encoder) -> Pairs | None:
    """Return one pair of each group of near duplicates, in groups of positives that are close to each other."""
    chosen = np.flatnonzero(pairs.wanted)
    chosen = chosen[np.sort(np.unique(pairs.group[chosen], return_index=True)[1])]
    wanted = np.zeros_like(pairs.wanted)
    group = np.arange(len(pairs.rows))
    if len(chosen) > FEWEST:
        vectors = unit(vectors_of(encoder, [pairs.positives.text(pair) for pair in chosen.tolist()]))
        neighbours = nearest(vectors, FEWEST)
        if neighbours is None:
            return None
        threshold = max(_LEAST_COSINE, float(np.quantile(neighbours.cosines[:, -1], _DENSE)))
        similar = similar_groups(vectors, min(threshold, 1.0))
        group[chosen[similar.left]] = chosen[similar.right]
        wanted[chosen] = True
    return replace(pairs, wanted=wanted, group=group)

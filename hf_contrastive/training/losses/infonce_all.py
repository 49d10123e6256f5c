"""InfoNCE with the texts of both sides as negatives of both sides."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_contrastive.training.losses import LossInputs
from hf_contrastive.training.relations import (
    anchors_of_positives,
    candidates_of,
    copies_of_positives,
    log_sum,
    mean_over_positives,
    one_group,
    related_anchors,
    relevance,
)


def infonce_all(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor) -> Tensor:
    """Return InfoNCE with one denominator over all directions, the improved contrastive loss of GTE.

    ``-log(exp(scale * s(q_i, d_p)) / Z)``, averaged over the positives p of an anchor i, then over anchors, with
    ``Z = sum_j e(q_i, d_j) + sum_{k != i} e(q_i, q_k) + sum_k e(q_k, d_p) + sum_{j != p} e(d_j, d_p)`` and
    ``e = exp(scale * s)`` (Li et al., 2023, "improved contrastive loss"). The pair itself stands in the first and the
    third sum, as there; j runs over hard negatives too, but the last sum leaves out all texts that were given for
    anchor i, since they are of one matter. Also left out: copies of i's positives (first sum), anchors that share a
    positive with i (second), or that have the text of p among their positives (third), and rows with the same id (all).

    Args:
        embeddings: anchors ``[anchors, dim]``, then columns of positives and hard negatives ``[n, dim]``.
        batch: ids of anchors, candidates, positives and hard negatives.
        scale: 1 / temperature.

    Returns:
        A scalar: the part of ``batch.span``.

    Raises:
        DataFormatError: there is no column of positives.
    """
    candidates = candidates_of(embeddings, "infonce_all")
    start, stop = batch.span
    asked, anchors = embeddings[0][start:stop], embeddings[0]
    rows, positives = batch.positives_of_span()
    chosen = candidates[positives]
    entries = torch.arange(len(rows), device=rows.device)

    # 1. the anchor against candidates and against anchors, [span]
    to_candidates = scale * asked @ candidates.T
    anchors_of = anchors_of_positives(batch)
    from_anchor = (
        log_sum(to_candidates, copies_of_positives(batch)),
        log_sum(scale * asked @ anchors.T, related_anchors(batch, anchors_of)),
    )
    # 2. the positive against anchors and against candidates, [positives of span]
    anchors_of[entries, start + rows] = False
    given = relevance(batch, batch.anchor_ids[start:stop], batch.candidate_ids, hard_negatives=True)
    given = given | one_group(batch, slice(start, stop), slice(None))
    from_positive = (
        log_sum(scale * chosen @ anchors.T, anchors_of),
        log_sum(scale * chosen @ candidates.T, given[rows]),
    )
    # 3. one denominator for each pair
    parts = [*(part[rows] for part in from_anchor), *from_positive]
    terms = torch.stack(parts).logsumexp(dim=0) - to_candidates[rows, positives]
    return mean_over_positives(terms, batch)


infonce_all.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart

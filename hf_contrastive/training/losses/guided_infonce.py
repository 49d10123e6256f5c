"""InfoNCE without the negatives that a guide model takes for positives."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_contrastive.errors import DataFormatError
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


def guided_infonce(
    embeddings: tuple[Tensor, ...],
    batch: LossInputs,
    *,
    scale: float | Tensor,
    margin: float = 0.0,
    relative_margin: float = 0.0,
    contrast_anchors: bool = True,
    contrast_positives: bool = True,
) -> Tensor:
    """Return InfoNCE over the texts that a guide model finds no nearer than the positive.

    ``-log(exp(scale * s(q_i, d_p)) / Z)``, averaged over the positives p of an anchor i, then over anchors, with
    ``Z = sum_j e(q_i, d_j) + sum_k e(q_i, q_k) + sum_l e(d_p, d_l)``, ``e = exp(scale * s)`` and l over the positives
    of the batch. A text leaves Z where the guide's similarity of the same pair of texts exceeds
    ``g - margin - relative_margin * |g|`` with ``g`` its similarity of q_i and d_p (Solatorio, 2024). The
    pair itself stays. Whatever the guide finds, copies of i's positives, anchors that share a positive with i, and
    positives of i among the d_l leave too, and so do rows with the same id.

    Args:
        embeddings: anchors ``[anchors, dim]``, then columns of positives and hard negatives ``[n, dim]``.
        batch: ids, and ``guide``: the guide's columns ``[n, its dim]``.
        scale: 1 / temperature.
        margin: texts leave that are nearer than the positive less this much.
        relative_margin: the same as a fraction of the positive's similarity.
        contrast_anchors: whether Z has the sum over anchors.
        contrast_positives: whether Z has the sum over positives.

    Returns:
        A scalar: the part of ``batch.span``.

    Raises:
        DataFormatError: there is no column of positives, or there are no embeddings of a guide.
    """
    candidates = candidates_of(embeddings, "guided_infonce")
    if batch.guide is None:
        msg = (
            "`guided_infonce` needs the embeddings of a guide model, which say what is no negative; the batch has "
            "none. Name a guide model, or use `infonce`."
        )
        raise DataFormatError(msg)
    start, stop = batch.span
    rows, positives = batch.positives_of_span()
    entries = torch.arange(len(rows), device=rows.device)
    # one row for each pair of an anchor and a positive, since each has a limit of its own
    asked, guide_asked = embeddings[0][start + rows], batch.guide[0][start + rows]
    guide_candidates = torch.cat(batch.guide[1:])

    # 1. what the guide finds of the pair, [positives of span]
    guided = guide_asked @ guide_candidates.T
    pair = guided[entries, positives]
    limit = (pair - margin - relative_margin * pair.abs())[:, None]

    # 2. the sums without what it finds nearer, [positives of span]
    to_candidates = scale * asked @ candidates.T
    nearer = (guided > limit) | copies_of_positives(batch)[rows]
    nearer[entries, positives] = False
    sums = [log_sum(to_candidates, nearer)]
    if contrast_anchors:
        nearer = guide_asked @ batch.guide[0].T > limit
        related = related_anchors(batch, anchors_of_positives(batch))[rows]
        sums.append(log_sum(scale * asked @ embeddings[0].T, nearer | related))
    if contrast_positives:
        known = torch.unique(batch.positive_indices)
        nearer = guide_candidates[positives] @ guide_candidates[known].T > limit
        own = relevance(batch, batch.anchor_ids[start:stop], batch.candidate_ids[known])
        own = (own | one_group(batch, slice(start, stop), known))[rows]
        sums.append(log_sum(scale * candidates[positives] @ candidates[known].T, nearer | own))

    # 3. one denominator for each pair
    terms = torch.stack(sums).logsumexp(dim=0) - to_candidates[entries, positives]
    return mean_over_positives(terms, batch)


guided_infonce.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart

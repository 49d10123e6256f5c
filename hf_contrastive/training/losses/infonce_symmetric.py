"""InfoNCE in both directions."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_contrastive.training.losses import LossInputs
from hf_contrastive.training.losses.infonce import infonce
from hf_contrastive.training.relations import anchors_of_positives, candidates_of, log_sum, mean_over_positives


def infonce_symmetric(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor) -> Tensor:
    """Return the mean of InfoNCE from anchors to candidates and of InfoNCE from positives to anchors.

    The second is ``-log(exp(scale * s_ip) / sum_k exp(scale * s_kp))`` over the anchors k of the batch, averaged
    over the positives p of an anchor i, then over anchors (Radford et al., 2021, figure 3). Hard negatives stand in
    the first denominator alone: they have no anchor to find. An anchor that is equal to i, or that has the text of p
    among its positives, leaves the second, as copies of positives leave the first; so do rows with the same id.

    Args:
        embeddings: anchors ``[anchors, dim]``, then columns of positives and hard negatives ``[n, dim]``.
        batch: ids of anchors, candidates and positives.
        scale: 1 / temperature.

    Returns:
        A scalar: the part of ``batch.span``.

    Raises:
        DataFormatError: there is no column of positives.
    """
    candidates = candidates_of(embeddings, "infonce_symmetric")
    rows, positives = batch.positives_of_span()
    entries, own = torch.arange(len(rows), device=rows.device), batch.span[0] + rows
    logits = scale * candidates[positives] @ embeddings[0].T
    others = anchors_of_positives(batch)
    others[entries, own] = False
    terms = log_sum(logits, others) - logits[entries, own]
    to_anchors = mean_over_positives(terms, batch)
    return (infonce(embeddings, batch, scale=scale) + to_anchors) / 2


infonce_symmetric.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart

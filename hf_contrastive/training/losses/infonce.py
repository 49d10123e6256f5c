"""InfoNCE with in-batch negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_contrastive.training.losses import LossInputs


def infonce(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float) -> Tensor:
    """Return the cross-entropy of finding each anchor's positive among all candidates of the batch.

    ``-log(exp(scale * s_ip) / sum_j exp(scale * s_ij))`` averaged over anchors (van den Oord et al., 2018,
    eq. 4, on cosine similarities with temperature 1 / scale). With several positives the terms are averaged.
    Candidates that are the same text as a positive of the anchor, or of an equal anchor in another row, leave
    the denominator.

    Args:
        embeddings: anchors ``[batch, dim]``, then positives and hard negatives ``[batch, dim]`` each.
        batch: ids of anchors, candidates and positives.
        scale: 1 / temperature.

    Returns:
        A scalar.
    """
    anchors, candidates = embeddings[0], torch.cat(embeddings[1:])
    logits = scale * anchors @ candidates.T
    counts = batch.positive_indptr.diff()
    rows = torch.repeat_interleave(torch.arange(len(anchors), device=logits.device), counts)
    positives = batch.positive_indices
    # the same text as a positive is no negative; the positives themselves stay
    text = torch.unique(batch.candidate_ids, return_inverse=True)[1]
    # equal anchors share their positives: the answer to the same question in another row is no negative
    query = torch.unique(batch.anchor_ids, return_inverse=True)[1]
    relevant = torch.zeros_like(logits, dtype=torch.bool)
    relevant[query[rows], text[positives]] = True  # rows are distinct anchors, columns distinct texts
    same_text = relevant[query][:, text]
    same_text[rows, positives] = False
    log_denominator = logits.masked_fill(same_text, -torch.inf).logsumexp(dim=1)
    terms = (log_denominator[rows] - logits[rows, positives]) / counts[rows]
    return terms.sum() / len(anchors)


infonce.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart

"""InfoNCE with in-batch negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_contrastive.training.losses import LossInputs


def infonce(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor) -> Tensor:
    """Return the cross-entropy of finding each anchor's positive among all candidates of the batch.

    ``-log(exp(scale * s_ip) / sum_j exp(scale * s_ij))`` averaged over anchors (van den Oord et al., 2018,
    eq. 4, on cosine similarities with temperature 1 / scale). With several positives the terms are averaged.
    Candidates that are the same text as a positive of the anchor, or of an equal anchor in another row, leave
    the denominator.

    Args:
        embeddings: anchors ``[anchors, dim]``, then columns of positives and hard negatives ``[n, dim]``.
        batch: ids of anchors, candidates and positives.
        scale: 1 / temperature.

    Returns:
        A scalar: the part of ``batch.span``.
    """
    start, stop = batch.span
    candidates = torch.cat(embeddings[1:])
    logits = scale * embeddings[0][start:stop] @ candidates.T
    rows, positives = batch.positives_of_span()
    counts = batch.positive_indptr[start : stop + 1].diff()
    copies = copies_of_positives(batch)
    copies[rows, positives] = False  # the positives themselves stay
    log_denominator = logits.masked_fill(copies, -torch.inf).logsumexp(dim=1)
    terms = (log_denominator[rows] - logits[rows, positives]) / counts[rows]
    return terms.sum() / len(batch.anchor_ids)


infonce.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart


def copies_of_positives(batch: LossInputs) -> Tensor:
    """Return which candidates are no negatives of an anchor of the span, ``[span, candidates]``.

    They are the texts of its positives, and what other rows of the same id bring. Equal anchors share their
    positives: the answer to the same question in another row is no negative.
    """
    start, stop = batch.span
    texts, text = torch.unique(batch.candidate_ids, return_inverse=True)
    asked, query = torch.unique(batch.anchor_ids[start:stop], return_inverse=True)
    counts = batch.positive_indptr.diff()
    anchors = torch.repeat_interleave(batch.anchor_ids, counts)
    place = torch.searchsorted(asked, anchors).clamp(max=max(0, len(asked) - 1))
    known = asked[place] == anchors if len(asked) else torch.zeros_like(anchors, dtype=torch.bool)
    relevant = torch.zeros(len(asked), len(texts), dtype=torch.bool, device=text.device)
    relevant[place[known], text[batch.positive_indices[known]]] = True
    copies = relevant[query][:, text]
    if batch.anchor_groups is not None and batch.candidate_groups is not None:
        grouped = batch.anchor_groups[start:stop, None] == batch.candidate_groups
        # what was given as a hard negative of the anchor stays one
        grouped[batch.negatives_of_span()] = False
        copies |= grouped
    return copies

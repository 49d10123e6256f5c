"""Supervised contrastive loss."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_contrastive.errors import DataFormatError
from hf_contrastive.training.losses import LossInputs


def supcon(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor) -> Tensor:
    """Return the supervised contrastive loss over rows of the same class.

    ``sum_i -1/|P(i)| sum_{p in P(i)} log(exp(scale * s_ip) / sum_{a != i} exp(scale * s_ia))`` averaged over
    the rows that have another row of their class in the batch (Khosla et al., 2020, eq. 2, "L_out").

    Args:
        embeddings: columns ``[batch, dim]``, of which the first is read.
        batch: ``labels`` ``[batch]`` are read.
        scale: 1 / temperature.

    Returns:
        A scalar, the part of ``batch.span``; 0 with gradient when no class occurs twice in the batch.

    Raises:
        DataFormatError: the batch has no labels.
    """
    if batch.labels is None:
        msg = "`supcon` needs a `label` column; the batch has none. Give the columns (text, label)."
        raise DataFormatError(msg)
    texts = embeddings[0]
    start, stop = batch.span
    own = torch.arange(start, stop, device=texts.device)[:, None] == torch.arange(len(texts), device=texts.device)
    logits = (scale * texts[start:stop] @ texts.T).masked_fill(own, -torch.inf)
    positive = (batch.labels[start:stop, None] == batch.labels[None, :]) & ~own
    counts = positive.sum(1)
    log_probability = logits - logits.logsumexp(dim=1, keepdim=True)
    terms: Tensor = -log_probability.masked_fill(~positive, 0.0).sum(1) / counts.clamp(min=1)
    _, place, sizes = torch.unique(batch.labels, return_inverse=True, return_counts=True)
    matched: Tensor = (sizes[place] > 1).sum()
    return terms.sum() / matched.clamp(min=1)


supcon.chunkable = True  # type: ignore[attr-defined]  # a sum over rows: they can be computed apart

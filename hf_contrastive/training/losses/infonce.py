"""InfoNCE with in-batch negatives."""

from __future__ import annotations

from torch import Tensor

from hf_contrastive.training.losses import LossInputs
from hf_contrastive.training.relations import candidates_of, copies_of_positives, log_sum, mean_over_positives


def infonce(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor) -> Tensor:
    """Return the cross-entropy of finding each anchor's positive among all candidates of the batch.

    ``-log(exp(scale * s_ip) / sum_j exp(scale * s_ij))`` averaged over anchors (van den Oord et al., 2018,
    eq. 4, on cosine similarities with temperature 1 / scale). With several positives the terms are averaged.
    Candidates that are the same text as a positive of the anchor, or of an equal anchor in another row, leave
    the denominator, and so do those of other rows with the same id.

    Args:
        embeddings: anchors ``[anchors, dim]``, then columns of positives and hard negatives ``[n, dim]``.
        batch: ids of anchors, candidates and positives.
        scale: 1 / temperature.

    Returns:
        A scalar: the part of ``batch.span``.

    Raises:
        DataFormatError: there is no column of positives.
    """
    candidates = candidates_of(embeddings, "infonce")
    start, stop = batch.span
    logits = scale * embeddings[0][start:stop] @ candidates.T
    rows, positives = batch.positives_of_span()
    log_denominator = log_sum(logits, copies_of_positives(batch))
    terms = log_denominator[rows] - logits[rows, positives]
    return mean_over_positives(terms, batch)


infonce.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart

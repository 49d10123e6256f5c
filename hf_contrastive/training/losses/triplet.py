"""Triplet loss on cosine distances."""

from __future__ import annotations

from torch import Tensor

from hf_contrastive.training.losses import LossInputs
from hf_contrastive.training.relations import candidates_of, given_pairs, similarities

MARGIN = 0.3
"""Cosine distances go from 0 to 2."""


def triplet(
    embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor, margin: float = MARGIN
) -> Tensor:
    """Return by how much hard negatives are not farther than positives by a margin.

    ``max(0, d_ip - d_in + margin)`` with ``d = 1 - cosine``, averaged over the pairs of a positive p and a hard
    negative n of an anchor i, then over the anchors that have both (Schroff et al., 2015, section 3.1, whose squared
    Euclidean distance is twice as large on unit vectors). Other rows are no negatives.

    Args:
        embeddings: anchors ``[anchors, dim]``, then columns of positives and hard negatives ``[n, dim]``.
        batch: positives and hard negatives.
        scale: not read: distances have no temperature.
        margin: of cosine distances.

    Returns:
        A scalar: the part of ``batch.span``; 0 with gradient 0 when no anchor has a hard negative.

    Raises:
        DataFormatError: there is no column of positives, or no hard negatives were given.
    """
    candidates_of(embeddings, "triplet")
    pairs = given_pairs(batch, "triplet")
    nearness = similarities(embeddings, batch, *batch.positives_of_span())
    of_negatives = similarities(embeddings, batch, *batch.negatives_of_span())
    terms = (of_negatives[pairs.negative] - nearness[pairs.positive] + margin).relu()
    return pairs.mean(terms)


triplet.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart

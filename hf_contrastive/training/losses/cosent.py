"""CoSENT: pairs in the order of their grades."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_contrastive.errors import DataFormatError
from hf_contrastive.training.losses import LossInputs
from hf_contrastive.training.relations import candidates_of, similarities


def cosent(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor) -> Tensor:
    """Return by how much pairs of a lower grade are nearer than pairs of a higher one.

    ``log(1 + sum exp(scale * (s_k - s_i)))`` over all pairs i, k of the batch in which i has the higher grade, with
    ``s_i`` the cosine of anchor and positive (Huang et al., CoSENT, 2024; Su, 2022). Only the order of the grades
    counts. Computed by sorting, in memory linear in the batch. It is no sum over anchors: all rows are needed at once.

    Args:
        embeddings: anchors ``[anchors, dim]``, then the texts that they are paired with ``[n, dim]``.
        batch: positives, and ``scores``: the grade of each anchor's pairs, ``[anchors]``.
        scale: 1 / temperature.

    Returns:
        A scalar; 0 with gradient 0 when all grades are equal.

    Raises:
        DataFormatError: there is no second column of texts, or there is not one grade an anchor.
    """
    candidates_of(embeddings, "cosent")
    if batch.scores is None or batch.scores.shape != batch.anchor_ids.shape:
        found = "none" if batch.scores is None else f"{len(batch.scores)} for {len(batch.anchor_ids)} pairs"
        msg = (
            f"`cosent` needs a grade of every pair; the batch has {found}. Give the columns "
            "(sentence1, sentence2, score), where a higher score means that the texts belong together more."
        )
        raise DataFormatError(msg)
    rows, positives = batch.positives_of_span()
    grades, order = batch.scores[rows].sort()
    ordered = scale * similarities(embeddings, batch, rows[order], positives[order])
    # for each pair, all of a higher grade: equal grades stand together and are passed over
    higher = torch.searchsorted(grades, grades, right=True)
    from_here = (-ordered).flip(0).logcumsumexp(dim=0).flip(0)
    of_higher = torch.cat([from_here, from_here.new_full((1,), torch.finfo(ordered.dtype).min)])[higher]
    return torch.cat([ordered.new_zeros(1), ordered + of_higher]).logsumexp(dim=0)

"""Distillation of a teacher's margins."""

from __future__ import annotations

from torch import Tensor

from hf_contrastive.training.losses import LossInputs
from hf_contrastive.training.relations import candidates_of, given_pairs, similarities, teacher_scores


def margin_mse(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor) -> Tensor:
    """Return the squared error of the margins between positives and hard negatives.

    ``(scale * (s_ip - s_in) - (t_p - t_n))^2`` with the teacher's scores t, averaged over the pairs of a positive p
    and a hard negative n of an anchor i, then over the anchors that have both (Hofstätter et al., 2020, "Margin-MSE").
    Scaled cosines stand for the dot products there: choose the temperature so that 2 / temperature spans the
    teacher's margins, e.g. 0.1 for cross-encoders and 1 for cosines.

    Args:
        embeddings: anchors ``[anchors, dim]``, then columns of positives and hard negatives ``[n, dim]``.
        batch: positives, hard negatives, and ``scores``: the teacher's, ``[candidates]``.
        scale: 1 / temperature.

    Returns:
        A scalar: the part of ``batch.span``; 0 with gradient 0 when no anchor has a hard negative.

    Raises:
        DataFormatError: there is no column of positives, or no hard negatives or no scores were given.
    """
    candidates_of(embeddings, "margin_mse")
    pairs, teacher = given_pairs(batch, "margin_mse"), teacher_scores(batch, "margin_mse")
    excess = []
    for rows, candidates in (batch.positives_of_span(), batch.negatives_of_span()):
        student = scale * similarities(embeddings, batch, rows, candidates)
        excess.append(student - teacher[candidates].to(student.dtype))
    of_positives, of_negatives = excess
    terms = (of_positives[pairs.positive] - of_negatives[pairs.negative]).square()
    return pairs.mean(terms)


margin_mse.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart

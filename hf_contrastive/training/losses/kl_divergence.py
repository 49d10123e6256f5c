"""Distillation of a teacher's ranking."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.losses import LossInputs
from hf_contrastive.training.relations import candidates_of, given_candidates, similarities, teacher_scores


def kl_divergence(
    embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor, teacher_temperature: float = 1.0
) -> Tensor:
    """Return the divergence of the ranking of each anchor's own candidates from the teacher's.

    ``sum_c P(c) (log P(c) - log Q(c))`` over an anchor's positives and hard negatives, with
    ``P = softmax(t_c / teacher_temperature)`` of the teacher's scores and ``Q = softmax(scale * s_ic)``, averaged over
    the anchors that have two candidates or more (Lin et al., 2020). It is not multiplied by the squared
    temperature of the student: for temperatures below 1 that would make it vanish.

    Args:
        embeddings: anchors ``[anchors, dim]``, then columns of positives and hard negatives ``[n, dim]``.
        batch: positives, hard negatives, and ``scores``: the teacher's, ``[candidates]``.
        scale: 1 / temperature of the student.
        teacher_temperature: of the teacher; near the spread of its scores, or only its first choice is learnt.

    Returns:
        A scalar: the part of ``batch.span``; 0 with gradient 0 when no anchor has two candidates.

    Raises:
        ConfigurationError: ``teacher_temperature`` is not greater than 0.
        DataFormatError: there is no column of positives, or no hard negatives or no scores were given.
    """
    if not teacher_temperature > 0:
        msg = f"`teacher_temperature` must be > 0, got {teacher_temperature}; 1 leaves its scores as they are."
        raise ConfigurationError(msg)
    candidates_of(embeddings, "kl_divergence")
    rows, candidates = given_candidates(batch, "kl_divergence")
    student = scale * similarities(embeddings, batch, rows, candidates)
    teacher = teacher_scores(batch, "kl_divergence")[candidates].to(student.dtype) / teacher_temperature
    student, teacher = _log_softmax_by_row(student, rows), _log_softmax_by_row(teacher, rows)
    return (teacher.exp() * (teacher - student)).sum() / _ranked_anchors(batch)


kl_divergence.chunkable = True  # type: ignore[attr-defined]  # a sum over anchors: rows can be computed apart


def _log_softmax_by_row(values: Tensor, rows: Tensor) -> Tensor:
    """Return log-probabilities within each row, ``[n]``; ``rows`` are sorted."""
    _, row, counts = torch.unique_consecutive(rows, return_inverse=True, return_counts=True)
    if not len(counts):
        return values
    column = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[row]
    table = values.new_full((len(counts), int(counts.max())), -torch.inf)
    return table.index_put((row, column), values).log_softmax(dim=1)[row, column]


def _ranked_anchors(batch: LossInputs) -> Tensor:
    counts = batch.positive_indptr.diff()
    if batch.negative_indptr is not None:
        counts = counts + batch.negative_indptr.diff()
    return (counts > 1).sum().clamp(min=1)

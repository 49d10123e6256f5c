"""What the losses ask of a batch: which texts belong to which anchors, and what was given with them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hf_contrastive.errors import DataFormatError
from hf_contrastive.training.losses import LossInputs


def candidates_of(embeddings: tuple[Tensor, ...], loss: str) -> Tensor:
    """Return the columns after the anchors' as one, ``[candidates, dim]``.

    Raises:
        DataFormatError: there is none.
    """
    if len(embeddings) < 2:
        msg = (
            f"`{loss}` compares anchors with their positives; the data has one column of texts. Give the columns "
            "(anchor, positive), or train labelled text with `supcon`."
        )
        raise DataFormatError(msg)
    return torch.cat(embeddings[1:])


def relevance(batch: LossInputs, anchor_ids: Tensor, text_ids: Tensor, *, hard_negatives: bool = False) -> Tensor:
    """Return whether text j is a positive of anchor i, ``[anchor_ids, text_ids]``.

    Equal anchors share their positives: the answer to the same question in another row is no negative.

    Args:
        batch: whose positives.
        anchor_ids: of the anchors asked about, ``[n]``.
        text_ids: of the texts asked about, ``[m]``.
        hard_negatives: whether a hard negative of the anchor counts too.
    """
    rows, row = torch.unique(anchor_ids, return_inverse=True)
    columns, column = torch.unique(text_ids, return_inverse=True)
    # one row and one column more take what is not asked about
    found = torch.zeros(len(rows) + 1, len(columns) + 1, dtype=torch.bool, device=text_ids.device)
    lists = [(batch.positive_indptr, batch.positive_indices)]
    if hard_negatives and batch.negative_indptr is not None and batch.negative_indices is not None:
        lists.append((batch.negative_indptr, batch.negative_indices))
    for indptr, indices in lists:
        owners = torch.repeat_interleave(batch.anchor_ids, indptr.diff(), output_size=len(indices))
        found[_place(rows, owners), _place(columns, batch.candidate_ids[indices])] = True
    return found[row][:, column]


def _place(known: Tensor, wanted: Tensor) -> Tensor:
    """Return where each of ``wanted`` stands in the sorted ``known``, or ``len(known)``."""
    if not len(known):
        return torch.zeros_like(wanted)
    place = torch.searchsorted(known, wanted)
    return torch.where(known[place.clamp(max=len(known) - 1)] == wanted, place, len(known))


def one_group(batch: LossInputs, anchors: slice | Tensor, candidates: slice | Tensor) -> Tensor | bool:
    """Return which candidates were given with a row of the same id as the anchor's, ``[anchors, candidates]``.

    Args:
        batch: with the numbers of the ids; without them the answer is False.
        anchors: which are asked about.
        candidates: which are asked about.
    """
    if batch.anchor_groups is None or batch.candidate_groups is None:
        return False
    return batch.anchor_groups[anchors][:, None] == batch.candidate_groups[candidates]


def copies_of_positives(batch: LossInputs) -> Tensor:
    """Return which candidates are no negatives of an anchor of the span, ``[span, candidates]``.

    They are the copies of its positives, by text, and what other rows of the same id bring; the positives themselves
    stay, and so do the hard negatives that were given for the anchor.
    """
    start, stop = batch.span
    copies = relevance(batch, batch.anchor_ids[start:stop], batch.candidate_ids)
    grouped = one_group(batch, slice(start, stop), slice(None))
    if isinstance(grouped, Tensor):
        grouped[batch.negatives_of_span()] = False
        copies |= grouped
    copies[batch.positives_of_span()] = False
    return copies


def anchors_of_positives(batch: LossInputs) -> Tensor:
    """Return which anchors are no negatives of a positive of the span, ``[positives of span, anchors]``.

    They have its text among their positives, or the same id.
    """
    _, positives = batch.positives_of_span()
    found = relevance(batch, batch.anchor_ids, batch.candidate_ids[positives])
    return (found | one_group(batch, slice(None), positives)).T


def related_anchors(batch: LossInputs, anchors_of: Tensor) -> Tensor:
    """Return which anchors are no negatives of an anchor of the span, ``[span, anchors]``.

    They are equal to it, have one of its positives among theirs, or have the same id.

    Args:
        batch: whose anchors.
        anchors_of: result of :func:`anchors_of_positives`.
    """
    start, stop = batch.span
    rows, _ = batch.positives_of_span()
    shared = torch.zeros(stop - start, len(batch.anchor_ids), dtype=torch.int32, device=rows.device)
    shared.index_add_(0, rows, anchors_of.to(torch.int32))
    return (batch.anchor_ids[start:stop, None] == batch.anchor_ids) | (shared > 0)


def log_sum(logits: Tensor, left_out: Tensor) -> Tensor:
    """Return the logarithm of each row's sum of exponentials, ``[rows]``; a row may be left out whole.

    Args:
        logits: ``[rows, columns]``.
        left_out: which of them are no part of the sum.
    """
    # the lowest finite number and not -inf, of which a whole row has no gradient
    return logits.masked_fill(left_out, torch.finfo(logits.dtype).min).logsumexp(dim=1)


def mean_over_positives(terms: Tensor, batch: LossInputs) -> Tensor:
    """Return the span's part of the mean over anchors of the means over their positives, a scalar.

    Args:
        terms: one for each of ``positives_of_span()``, ``[n]``.
        batch: whose positives.
    """
    start, stop = batch.span
    rows, _ = batch.positives_of_span()
    counts = batch.positive_indptr[start : stop + 1].diff()
    return (terms / counts[rows]).sum() / len(batch.anchor_ids)


@dataclass(frozen=True, slots=True)
class GivenPairs:
    """Every pair of a positive and a hard negative of the same anchor of the span.

    Attributes:
        positive: places in ``positives_of_span()``, ``[pairs]``.
        negative: places in ``negatives_of_span()``, ``[pairs]``.
        counts: pairs of the same anchor, ``[pairs]``.
        anchors: of the whole batch that have pairs, a scalar, at least 1.
    """

    positive: Tensor
    negative: Tensor
    counts: Tensor
    anchors: Tensor

    def mean(self, terms: Tensor) -> Tensor:
        """Return the span's part of the mean over anchors of the means over their pairs; ``terms`` are ``[pairs]``."""
        return (terms / self.counts).sum() / self.anchors


def given_pairs(batch: LossInputs, loss: str) -> GivenPairs:
    """Pair each positive of the span with each hard negative that was given for the same anchor.

    Raises:
        DataFormatError: no hard negatives were given.
    """
    if batch.negative_indptr is None:
        raise DataFormatError(_no_hard_negatives(loss))
    positives, negatives = batch.positive_indptr.diff(), batch.negative_indptr.diff()
    start, stop = batch.span
    rows, _ = batch.positives_of_span()
    of_row = negatives[start:stop]
    repeats = of_row[rows]
    positive = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), repeats)
    within = torch.arange(len(positive), device=rows.device) - (repeats.cumsum(0) - repeats)[positive]
    negative = (of_row.cumsum(0) - of_row)[rows[positive]] + within
    pairs = positives * negatives
    return GivenPairs(positive, negative, pairs[start:stop][rows[positive]], (pairs > 0).sum().clamp(min=1))


def given_candidates(batch: LossInputs, loss: str) -> tuple[Tensor, Tensor]:
    """Return ``(anchor, candidate)`` of the positives and hard negatives of the span, ``[n]`` each, sorted by anchor.

    Anchors count from the start of the span.

    Raises:
        DataFormatError: no hard negatives were given, and no anchor has two positives.
    """
    if batch.negative_indptr is None and not (batch.positive_indptr.diff() > 1).any():
        raise DataFormatError(_no_hard_negatives(loss))
    both = zip(batch.positives_of_span(), batch.negatives_of_span(), strict=True)
    rows, candidates = (torch.cat(parts) for parts in both)
    order = rows.argsort(stable=True)
    return rows[order], candidates[order]


def similarities(embeddings: tuple[Tensor, ...], batch: LossInputs, rows: Tensor, candidates: Tensor) -> Tensor:
    """Return the cosines of single pairs, ``[n]``; ``rows`` count from the start of the span."""
    return (embeddings[0][batch.span[0] + rows] * torch.cat(embeddings[1:])[candidates]).sum(dim=-1)


def teacher_scores(batch: LossInputs, loss: str) -> Tensor:
    """Return the teacher's score of each candidate for its anchor, ``[candidates]``.

    Raises:
        DataFormatError: the batch has none.
    """
    if batch.scores is None or len(batch.scores) != len(batch.candidate_ids):
        found = "none" if batch.scores is None else f"{len(batch.scores)} for {len(batch.candidate_ids)} texts"
        msg = (
            f"`{loss}` needs a teacher's score of every positive and hard negative; the batch has {found}. Give them "
            "as the column `scores`, a list a row in the order of the columns (positive, negative, negative_2, …)."
        )
        raise DataFormatError(msg)
    return batch.scores


def _no_hard_negatives(loss: str) -> str:
    return (
        f"`{loss}` needs hard negatives; the batch has none. Give them as the columns `negative`, `negative_2`, …, "
        "or find some with `mine_hard_negatives`."
    )

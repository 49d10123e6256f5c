"""From the columns of embeddings of a step to a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.losses import Loss, LossInputs, is_chunkable, loss_function


class Objective(nn.Module):
    """A loss with its temperature.

    Attributes:
        name: stands in the training record.
        temperature: of the softmax over similarities.
        chunkable: whether the parts of several spans of anchors add up to the loss.
    """

    def __init__(self, name: str, loss: Loss, temperature: float) -> None:
        super().__init__()
        self.name = name
        self.temperature = temperature
        self.chunkable = is_chunkable(loss)
        self._loss = loss

    def forward(self, columns: tuple[Tensor, ...], inputs: LossInputs) -> Tensor:
        """Return the scalar loss, or the part of ``inputs.span``.

        Args:
            columns: L2-normalised embeddings ``[n, dim]``, the anchors' first.
            inputs: which candidate is whose positive.
        """
        return self._loss(columns, inputs, scale=1.0 / self.temperature)


def loss_inputs(batch: Mapping[str, Any]) -> LossInputs:
    """Say by ids which candidate is whose positive.

    Without the key ``positives`` (a CSR pair), row i of the second column is the positive of anchor i.

    Args:
        batch: of :class:`~hf_contrastive.training.collator.ContrastiveCollator`.
    """
    ids: Tensor = batch["text_ids"]
    size = batch["sizes"][0]
    one_each = torch.arange(size + 1, device=ids.device)
    indptr, indices = batch.get("positives") or (one_each, one_each[:-1])
    negative_indptr, negative_indices = batch.get("negatives") or (None, None)
    groups: Tensor | None = batch.get("groups")
    return LossInputs(
        anchor_ids=ids[:size],
        candidate_ids=ids[size:],
        positive_indptr=indptr,
        positive_indices=indices,
        negative_indptr=negative_indptr,
        negative_indices=negative_indices,
        anchor_groups=groups[:size] if groups is not None else None,
        candidate_groups=groups[size:] if groups is not None else None,
        labels=batch.get("label"),
        scores=batch.get("scores"),
        guide=batch.get("guide"),
    )


def objective(loss: str | Loss, data_format: DataFormat, *, temperature: float) -> Objective:
    """Return the objective for ``loss``; ``auto`` is supcon for labelled text and infonce otherwise."""
    if loss == "auto":
        loss = "supcon" if data_format.kind == "labelled" else "infonce"
    function = loss_function(loss)
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    return Objective(name, function, temperature)

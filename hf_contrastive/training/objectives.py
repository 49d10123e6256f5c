"""From the pool of embeddings of a step to a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.losses import Loss, LossInputs, loss_function


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss with its temperature; the name stands in the training record."""

    name: str
    loss: Loss
    temperature: float

    def __call__(self, pool: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """Return the scalar loss.

        Args:
            pool: embeddings of all columns, ``[columns * batch, dim]``, the anchor's first.
            batch: of :class:`~hf_contrastive.training.collator.ContrastiveCollator`.
        """
        # half precision is too coarse for a softmax over similarities
        pool = pool.to(torch.promote_types(pool.dtype, torch.float32))
        columns = normalize(pool, dim=-1).chunk(batch["columns"])
        return self.loss(tuple(columns), loss_inputs(batch), scale=1.0 / self.temperature)


def loss_inputs(batch: Mapping[str, Any]) -> LossInputs:
    """Say by ids which candidate is whose positive: row i of the second column is the positive of anchor i."""
    ids: Tensor = batch["text_ids"]
    size = len(ids) // batch["columns"]
    return LossInputs(
        anchor_ids=ids[:size],
        candidate_ids=ids[size:],
        positive_indptr=torch.arange(size + 1, device=ids.device),
        positive_indices=torch.arange(size, device=ids.device),
        labels=batch.get("label"),
    )


def objective(loss: str | Loss, data_format: DataFormat, *, temperature: float) -> Objective:
    """Return the objective for ``loss``; ``auto`` is supcon for labelled text and infonce otherwise."""
    if loss == "auto":
        loss = "supcon" if data_format.kind == "labelled" else "infonce"
    function = loss_function(loss)
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    return Objective(name=name, loss=function, temperature=temperature)

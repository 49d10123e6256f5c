"""What is computed of a chunk: the embeddings of its texts, and beside them the numbers of the terms over texts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from hf_contrastive.training.batching import Pool
from hf_contrastive.training.gradient_cache import EmbedRows, drawing_apart
from hf_contrastive.training.pooling import Pooling
from hf_contrastive.training.text_terms import CorruptedTexts
from hf_contrastive.training.trunk import FrozenTrunk

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """The passes over one batch.

    Attributes:
        inputs: the batch.
        corrupted: its texts as each term over texts reads them.
        pooling: from token vectors to one vector a text.
        pad_token_id: id that fills the rest of a row.
        width_multiple: widths are rounded up to a multiple of it.
        trunk: computes the frozen layers, or None.
        draws: whether the model draws random numbers in training.
    """

    inputs: Mapping[str, Any]
    corrupted: list[CorruptedTexts]
    pooling: Pooling
    pad_token_id: int
    width_multiple: int
    trunk: FrozenTrunk | None
    draws: bool

    def over(self, model: Any, *, whole: bool) -> EmbedRows:
        """Return what embeds rows of the pool, ``[n, dim + terms]``: an embedding, then the number of each term.

        Args:
            model: the encoder, or DistributedDataParallel around it.
            whole: embed the texts as they are; else their embeddings are those of the first corruption, detached.
        """
        plain = model.module if isinstance(model, DistributedDataParallel) else model
        pool = Pool(self.inputs["input_ids"], self.inputs["lengths"], self.pad_token_id)
        keys, device = self.inputs.get("keys"), self.inputs["input_ids"].device

        def embed(rows: Rows, width: int) -> Tensor:
            vectors: Tensor | None = None
            if whole or not self.corrupted:
                asked = [keys[row] for row in rows] if keys is not None else None
                _, vectors = self._pass(model, pool, rows, width, asked)
            numbers = []
            for each in self.corrupted:
                # the texts as they are must not see that others are computed beside them
                apart = vectors is not None and self.draws and plain.training
                with drawing_apart(device, each.term.name) if apart else nullcontext():
                    hidden, own = self._pass(model, each.texts, rows, each.width(rows, width, self.width_multiple))
                numbers.append(each.numbers(rows, hidden, own, plain)[:, None])
                vectors = own.detach() if vectors is None else vectors
            found = [*([] if vectors is None else [vectors]), *numbers]
            return found[0] if len(found) == 1 else torch.cat(found, dim=1)

        return embed

    def _pass(
        self, model: Any, texts: Pool, rows: Rows, width: int, keys: list[bytes] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return token vectors ``[n, width, dim]`` and embeddings ``[n, dim]``."""
        input_ids, attention_mask = texts.take(rows, width)
        if self.trunk is None:
            hidden = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        else:
            hidden = self.trunk(model, input_ids, attention_mask, keys=keys, lengths=texts.lengths[rows])
        skipped = self.inputs.get("prompt_lengths")
        left_out = torch.from_numpy(skipped[rows]).to(hidden.device) if skipped is not None else None
        return hidden, self.pooling(hidden, attention_mask, left_out)


def parted(pool: Tensor, terms: int) -> tuple[Tensor, Tensor]:
    """Return the embeddings ``[n, dim]`` and the numbers of the terms over texts ``[n, terms]``."""
    dim = pool.shape[1] - terms
    # laid out as without the numbers, so that sums over an embedding have the same order
    return (pool[:, :dim].contiguous() if terms else pool), pool[:, dim:]


def spread(embeddings: Tensor, inputs: Mapping[str, Any]) -> Tensor:
    """Return one row a text of the pool; equal texts were embedded once."""
    index = inputs.get("index")
    return embeddings if index is None else embeddings[index]


def collected(gradient: Tensor, inputs: Mapping[str, Any], texts: int) -> Tensor:
    """Return the gradient of each distinct text: the sum over its occurrences."""
    index = inputs.get("index")
    if index is None:
        return gradient
    return gradient.new_zeros(texts, gradient.shape[1]).index_add_(0, index, gradient)

"""All texts of a step in one pool, cut into chunks of similar length.

Rows of similar length share a chunk, so that little is computed on padding; the outputs are put back
in the order of the pool, so the result does not depend on the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Embed = Callable[[Tensor, Tensor], Tensor]
"""``(input_ids [n, length], attention_mask [n, length]) -> embeddings [n, dim]``"""


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """Which texts are computed together; every index of the pool occurs exactly once."""

    chunks: tuple[tuple[int, ...], ...]
    real_tokens: int
    padded_tokens: int

    @property
    def order(self) -> list[int]:
        """Pool indices in the order in which they are computed."""
        return [index for chunk in self.chunks for index in chunk]


def plan_chunks(lengths: Sequence[int], max_tokens: int) -> ChunkPlan:
    """Sort by length and cut so that no chunk exceeds ``max_tokens`` tokens, padding included.

    A single text longer than ``max_tokens`` has a chunk of its own.

    Args:
        lengths: number of tokens of each text, ``[n]``.
        max_tokens: budget of a chunk, in padded tokens.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    chunks: list[tuple[int, ...]] = []
    start = 0
    while start < len(order):
        # sorted longest first: the first row sets the width of its chunk
        size = max(1, max_tokens // max(1, lengths[order[start]]))
        chunks.append(tuple(order[start : start + size]))
        start += size
    padded = sum(len(chunk) * lengths[chunk[0]] for chunk in chunks)
    return ChunkPlan(tuple(chunks), sum(lengths), padded)


def embed_pool(
    embed: Embed, input_ids: Tensor, lengths: Sequence[int], *, max_tokens: int, pad_token_id: int
) -> tuple[Tensor, ChunkPlan]:
    """Embed a pool of texts chunk by chunk.

    Args:
        embed: the encoder with its pooling.
        input_ids: token ids of all texts, one after the other, ``[sum(lengths)]``.
        lengths: number of tokens of each text, ``[n]``.
        max_tokens: budget of a chunk, in padded tokens.
        pad_token_id: id that fills the rest of a row; masked out.

    Returns:
        Embeddings ``[n, dim]`` in the order of the pool, and the plan that was followed.
    """
    plan = plan_chunks(lengths, max_tokens)
    rows = torch.split(input_ids, list(lengths))
    outputs = [embed(*pad([rows[i] for i in chunk], pad_token_id)) for chunk in plan.chunks]
    inverse = torch.empty(len(rows), dtype=torch.long)
    inverse[torch.tensor(plan.order, dtype=torch.long)] = torch.arange(len(rows))
    return torch.cat(outputs)[inverse.to(input_ids.device)], plan


def pad(rows: Sequence[Tensor], pad_token_id: int) -> tuple[Tensor, Tensor]:
    """Return token ids and attention mask, both ``[n, longest]``, padded on the right."""
    ids = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=pad_token_id)
    counts = torch.tensor([len(row) for row in rows], device=ids.device)
    mask = torch.arange(ids.shape[1], device=ids.device)[None, :] < counts[:, None]
    return ids, mask.long()

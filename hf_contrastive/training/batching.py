"""All texts of a step in one pool, cut into chunks of similar length.

Rows of similar length share a chunk, so that little is computed on padding; the outputs are put back
in the order of the pool, so the result does not depend on the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Lengths = Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """Which texts are computed together; every index of the pool occurs exactly once."""

    chunks: tuple[npt.NDArray[np.int64], ...]
    widths: tuple[int, ...]
    real_tokens: int
    padded_tokens: int

    @property
    def order(self) -> list[int]:
        """Pool indices in the order in which they are computed."""
        return [int(index) for chunk in self.chunks for index in chunk]


def plan_chunks(
    lengths: Lengths, max_tokens: int, *, width_multiple: int = 1, max_width: int | None = None
) -> ChunkPlan:
    """Sort by length and cut so that no chunk exceeds ``max_tokens`` tokens, padding included.

    A single text longer than ``max_tokens`` has a chunk of its own.

    Args:
        lengths: number of tokens of each text, ``[n]``.
        max_tokens: budget of a chunk, in padded tokens.
        width_multiple: widths are rounded up to a multiple of it, so that a compiled model sees few shapes.
        max_width: what the model can read at most; no width is rounded up beyond it.
    """
    counts = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    chunks: list[npt.NDArray[np.int64]] = []
    widths: list[int] = []
    start = padded = 0
    while start < len(order):
        # sorted longest first: the first row sets the width of its chunk
        longest = int(counts[order[start]])
        width = -(-longest // width_multiple) * width_multiple
        if max_width is not None:
            width = max(longest, min(width, max_width))
        chunk = order[start : start + max(1, max_tokens // max(1, width))]
        chunks.append(chunk)
        widths.append(width)
        padded += len(chunk) * width
        start += len(chunk)
    return ChunkPlan(tuple(chunks), tuple(widths), int(counts.sum()), padded)


class Pool:
    """Token ids of many texts, one after the other, from which padded chunks are taken.

    Args:
        input_ids: token ids of all texts, ``[sum(lengths)]``.
        lengths: number of tokens of each text, ``[n]``.
        pad_token_id: id that fills the rest of a row; masked out.
    """

    def __init__(self, input_ids: Tensor, lengths: Lengths, pad_token_id: int) -> None:
        self.input_ids = input_ids
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.pad_token_id = pad_token_id
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])[:-1]

    def take(self, rows: npt.NDArray[np.int64], width: int) -> tuple[Tensor, Tensor]:
        """Return token ids and attention mask of ``rows``, both ``[len(rows), width]``, padded on the right."""
        device = self.input_ids.device
        starts = torch.from_numpy(self._starts[rows]).to(device, non_blocking=True)
        counts = torch.from_numpy(self.lengths[rows]).to(device, non_blocking=True)
        place = torch.arange(width, device=device)
        mask = place < counts[:, None]
        if not len(self.input_ids):
            return torch.full_like(mask, self.pad_token_id, dtype=torch.long), mask.long()
        inside = (starts[:, None] + place).clamp(max=len(self.input_ids) - 1)
        ids = self.input_ids[inside].masked_fill(~mask, self.pad_token_id)
        return ids, mask.long()

"""Negatives of all processes: columns are gathered once a step, and their gradients come back in one reduce-scatter.

Order of the gathered columns: the first process's rows of a column, then the second's, and so on, so that the loss
is that of one process on the union of the batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, distributed

from hf_contrastive.training.losses import LossInputs


class ProcessExchange:
    """Exchange of one step between the processes of the default group; see ``loss_stage.Exchange``."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.world_size = distributed.get_world_size()
        self._sizes: list[list[int]] = []

    def gather(self, columns: tuple[Tensor, ...], inputs: LossInputs) -> tuple[tuple[Tensor, ...], LossInputs]:
        """Return the columns of all processes, each ``[n of all, dim]``, and the inputs that describe them."""
        own = _Description.of(columns, inputs)
        everyone: list[Any] = [None] * self.world_size
        distributed.all_gather_object(everyone, own)
        self._sizes = [list(sizes) for sizes in zip(*(found.sizes for found in everyone), strict=True)]
        gathered = tuple(
            torch.cat(self._gather(column, sizes)) for column, sizes in zip(columns, self._sizes, strict=True)
        )
        guide = inputs.guide
        if guide is not None:
            guide = tuple(
                torch.cat(self._gather(column, sizes)) for column, sizes in zip(guide, self._sizes, strict=True)
            )
        return gathered, replace(
            _union(everyone, self._sizes, inputs.anchor_ids.device), guide=guide, rows=self._own_rows(everyone)
        )

    def scatter(self, gradients: Sequence[Tensor], *, summed: bool) -> tuple[Tensor, ...]:
        """Return the gradients of this process's rows, ``[n, dim]`` a column."""
        return tuple(
            self._reduce_scatter(gradient, sizes) if summed else torch.split(gradient, sizes)[self.rank]
            for gradient, sizes in zip(gradients, self._sizes, strict=True)
        )

    def total(self, value: Tensor) -> Tensor:
        """Return the sum over all processes."""
        value = value.clone()
        distributed.all_reduce(value)
        return value

    def _own_rows(self, everyone: list[_Description]) -> tuple[int, int]:
        before = sum(found.anchors for found in everyone[: self.rank])
        return before, before + everyone[self.rank].anchors

    def _gather(self, column: Tensor, sizes: list[int]) -> list[Tensor]:
        longest = max(sizes)
        padded = _padded(column, longest)
        received = [torch.empty_like(padded) for _ in sizes]
        distributed.all_gather(received, padded)
        return [part[:size] for part, size in zip(received, sizes, strict=True)]

    def _reduce_scatter(self, gradient: Tensor, sizes: list[int]) -> Tensor:
        longest = max(sizes)
        parts = [_padded(part, longest) for part in torch.split(gradient, sizes)]
        own = torch.empty_like(parts[0])
        distributed.reduce_scatter(own, parts)
        return own[: sizes[self.rank]]


class _Description:
    """What the others must know of a process's rows; small next to its embeddings."""

    __slots__ = ("anchors", "sizes", "tensors")

    def __init__(self, sizes: list[int], anchors: int, tensors: dict[str, Tensor]) -> None:
        self.sizes = sizes
        self.anchors = anchors
        self.tensors = tensors

    @classmethod
    def of(cls, columns: tuple[Tensor, ...], inputs: LossInputs) -> _Description:
        names = (
            "anchor_ids", "candidate_ids", "positive_indptr", "positive_indices", "negative_indptr",
            "negative_indices", "anchor_groups", "candidate_groups", "labels", "scores",
        )  # fmt: skip
        tensors = {name: getattr(inputs, name) for name in names}
        found = {name: value.cpu() for name, value in tensors.items() if value is not None}
        return cls([len(column) for column in columns], len(inputs.anchor_ids), found)


def _padded(rows: Tensor, length: int) -> Tensor:
    missing = length - len(rows)
    return rows.contiguous() if not missing else torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])])


def _union(everyone: list[_Description], sizes: list[list[int]], device: torch.device) -> LossInputs:
    """Describe the gathered rows; candidates stand column by column, within a column process by process."""
    place = _places(everyone, sizes)
    fields: dict[str, Tensor] = {}
    first = everyone[0].tensors
    for name in ("anchor_ids", "anchor_groups", "labels"):
        if name in first:
            fields[name] = torch.cat([found.tensors[name] for found in everyone])
    candidates = sum(len(found.tensors["candidate_ids"]) for found in everyone)
    for name in ("candidate_ids", "candidate_groups"):
        if name in first:
            fields[name] = _placed([found.tensors[name] for found in everyone], place, candidates)
    if "scores" in first:
        scores = [found.tensors["scores"] for found in everyone]
        by_candidate = all(len(part) == len(where) for part, where in zip(scores, place, strict=True))
        by_anchor = all(len(part) == found.anchors for part, found in zip(scores, everyone, strict=True))
        # graded pairs have one candidate an anchor: both readings give the same order
        fields["scores"] = _placed(scores, place, candidates) if by_candidate and not by_anchor else torch.cat(scores)
    for kind in ("positive", "negative"):
        if f"{kind}_indptr" in first:
            counts = [found.tensors[f"{kind}_indptr"].diff() for found in everyone]
            fields[f"{kind}_indptr"] = torch.cat([torch.zeros(1, dtype=torch.long), torch.cat(counts).cumsum(0)])
            fields[f"{kind}_indices"] = torch.cat(
                [where[found.tensors[f"{kind}_indices"]] for found, where in zip(everyone, place, strict=True)]
            )
    values: dict[str, Any] = {name: value.to(device) for name, value in fields.items()}
    return LossInputs(**values)


def _places(everyone: list[_Description], sizes: list[list[int]]) -> list[Tensor]:
    """Return for each process the place of each of its candidates among all."""
    places: list[list[Tensor]] = [[] for _ in everyone]
    start = 0
    for column in sizes[1:]:
        for process, size in enumerate(column):
            places[process].append(torch.arange(start, start + size))
            start += size
    return [torch.cat(parts) if parts else torch.empty(0, dtype=torch.long) for parts in places]


def _placed(parts: list[Tensor], place: list[Tensor], size: int) -> Tensor:
    whole = torch.zeros(size, dtype=parts[0].dtype)
    for part, where in zip(parts, place, strict=True):
        whole[where] = part
    return whole

"""The loss of a step and its gradient on the embeddings, in memory linear in the batch.

Every column is normalised once and gathered once; the rows of a loss that is a sum over anchors are computed span
by span, whatever the chunks of the encoder were, so that no matrix of all similarities is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hf_contrastive.training.losses import LossInputs

SPAN_CELLS = 1 << 23
"""Similarities computed at once: 32 MiB in fp32, near the cache and large enough for full speed."""


class LossTerm(Protocol):
    """What the stage needs of an objective."""

    chunkable: bool

    def __call__(self, columns: tuple[Tensor, ...], inputs: LossInputs) -> Tensor:
        """Return the part of ``inputs.span`` of the loss, a scalar."""
        ...

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """Yield what the objective itself learns, such as a temperature."""
        ...


class Exchange(Protocol):
    """How the columns of all processes come together, and their gradients go back."""

    def gather(self, columns: tuple[Tensor, ...], inputs: LossInputs) -> tuple[tuple[Tensor, ...], LossInputs]:
        """Return the columns and inputs of all processes; ``inputs.rows`` are this process's anchors."""
        ...

    def scatter(self, gradients: Sequence[Tensor], *, summed: bool) -> tuple[Tensor, ...]:
        """Return the gradients of this process's rows; ``summed`` adds those of all processes first."""
        ...

    def total(self, value: Tensor) -> Tensor:
        """Return the sum over all processes."""
        ...


@dataclass(frozen=True, slots=True)
class LossStage:
    """Result of the stage.

    Attributes:
        loss: a scalar, of all processes.
        gradient: of the pool, ``[n, dim]``.
        parameter_gradients: of the objective's own parameters, in their order.
        columns: this process's normalised columns.
        parts: terms over texts by name, without their weights; see ``hf_contrastive.training.text_terms``.
    """

    loss: Tensor
    gradient: Tensor
    parameter_gradients: tuple[Tensor | None, ...]
    columns: tuple[Tensor, ...]
    parts: Mapping[str, Tensor] = field(default_factory=dict)


def run_loss_stage(
    objective: LossTerm,
    pool: Tensor,
    sizes: Sequence[int],
    inputs: LossInputs,
    *,
    exchange: Exchange | None = None,
    span_cells: int = SPAN_CELLS,
) -> LossStage:
    """Compute the loss and the gradient of the embeddings.

    Args:
        objective: computes the loss on normalised columns.
        pool: embeddings of all columns, one after the other, ``[sum(sizes), dim]``.
        sizes: rows of each column.
        inputs: ids of this process's rows.
        exchange: brings the columns of several processes together.
        span_cells: similarities computed at once.
    """
    with torch.enable_grad():
        leaf = pool.detach().requires_grad_()
        unit = unit_length(leaf)
    own = torch.split(unit.detach(), list(sizes))
    columns, asked = exchange.gather(own, inputs) if exchange is not None else (own, inputs)
    columns = tuple(column.detach().requires_grad_() for column in columns)
    parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    learned: list[Tensor | None] = [None] * len(parameters)
    gradients = [torch.zeros_like(column) for column in columns]
    loss = torch.zeros((), dtype=unit.dtype, device=unit.device)
    whole = exchange is not None and not objective.chunkable
    for rows in [None] if whole else _spans(objective, columns, asked, span_cells):
        with torch.enable_grad():
            part = objective(columns, replace(asked, rows=rows))
        found = torch.autograd.grad(part, [*columns, *parameters], allow_unused=True)
        loss += part.detach()
        for gradient, addend in zip(gradients, found, strict=False):
            if addend is not None:
                gradient += addend
        for place, addend in enumerate(found[len(columns) :]):
            if addend is not None:
                known = learned[place]
                learned[place] = addend if known is None else known + addend
    if exchange is not None:
        if not whole:
            loss = exchange.total(loss)
            learned = [exchange.total(value) if value is not None else None for value in learned]
        gradients = list(exchange.scatter(gradients, summed=not whole))
    (back,) = torch.autograd.grad(unit, leaf, torch.cat(gradients))
    return LossStage(loss, back, tuple(learned), own)


def loss_only(
    objective: LossTerm, pool: Tensor, sizes: Sequence[int], inputs: LossInputs, *, span_cells: int = SPAN_CELLS
) -> Tensor:
    """Return the loss without gradients, for evaluation; arguments as in :func:`run_loss_stage`."""
    columns = torch.split(unit_length(pool), list(sizes))
    guard: AbstractContextManager[object] = nullcontext() if torch.is_inference_mode_enabled() else torch.no_grad()
    with guard:
        parts = [
            objective(columns, replace(inputs, rows=rows)) for rows in _spans(objective, columns, inputs, span_cells)
        ]
    return torch.stack(parts).sum()


def unit_length(pool: Tensor) -> Tensor:
    """Return L2-normalised rows, at least in fp32: half precision is too coarse for a softmax over similarities."""
    return normalize(pool.to(torch.promote_types(pool.dtype, torch.float32)), dim=-1)


def _spans(
    objective: LossTerm, columns: Sequence[Tensor], inputs: LossInputs, cells: int
) -> list[tuple[int, int] | None]:
    """Cut the anchors asked for into spans; None is all of them."""
    if not objective.chunkable:
        return [inputs.rows]
    start, stop = inputs.span
    candidates = max(1, sum(len(column) for column in columns))
    size = max(1, cells // candidates)
    return [(first, min(first + size, stop)) for first in range(start, stop, size)] or [inputs.rows]

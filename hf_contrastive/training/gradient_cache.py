"""Embed a pool of texts in bounded memory, and carry the gradients of its embeddings back to the weights.

The gradient cache of Gao et al., 2021 (section 3.2) embeds every chunk without a graph, computes the loss on the
embeddings alone, and then embeds every chunk again with a graph to send its gradients back: a batch of any size in
the memory of one chunk, for a second forward pass. Here the graphs of as many chunks as a memory budget allows are
kept from the first pass, and only the others are computed again; a batch that fits costs no second pass.

Gradients are added up in the order of the plan, whichever graphs were kept, so that the budget changes no bit of
the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hf_contrastive.training.batching import ChunkPlan

EmbedRows = Callable[[npt.NDArray[np.int64], int], Tensor]
"""``(rows of the pool [n], width in tokens) -> embeddings [n, dim]``"""


@dataclass(slots=True)
class GraphBudget:
    """How many bytes of graphs a step may keep, and what a token costs.

    Attributes:
        limit: bytes; 0 keeps no graph.
        bytes_per_token: measured on a chunk, of what its graph holds; the widest chunk so far counts, since
            attention may cost more on longer texts.
        width: width of that chunk.
    """

    limit: float
    bytes_per_token: float = 0.0
    width: int = 0

    def allows(self, used: float, tokens: int) -> bool:
        """Whether the graph of ``tokens`` more may be kept when graphs of ``used`` bytes are."""
        return self.limit > 0 and used + self.bytes_per_token * tokens <= self.limit


@dataclass(slots=True)
class Embedded:
    """One pass over a pool: its embeddings and what is needed to go back.

    Attributes:
        embeddings: ``[n, dim]`` in the order of the pool, without a graph.
        plan: the chunks.
        kept: graphs by chunk.
    """

    embeddings: Tensor
    plan: ChunkPlan
    kept: dict[int, Tensor] = field(default_factory=dict)
    _random: dict[int, RandomState] = field(default_factory=dict)

    def backward(self, gradient: Tensor, embed: EmbedRows, *, last: EmbedRows | None = None) -> None:
        """Add the weights' gradients, chunk by chunk.

        Args:
            gradient: of the embeddings, ``[n, dim]``.
            embed: embeds the chunks whose graph was not kept.
            last: embeds the last chunk; a distributed model exchanges gradients when that one goes back.
        """
        for number, rows in enumerate(self.plan.chunks):
            embeddings = self.kept.pop(number, None)
            if embeddings is None:
                final = last is not None and number == len(self.plan.chunks) - 1
                again = last if final and last is not None else embed
                with torch.enable_grad(), replayed(self._random.pop(number, None)):
                    embeddings = again(rows, self.plan.widths[number])
            part = gradient[torch.from_numpy(rows).to(gradient.device)]
            embeddings.backward(part.to(embeddings.dtype))  # type: ignore[no-untyped-call]


def embed_pool(
    embed: EmbedRows, plan: ChunkPlan, budget: GraphBudget, *, device: torch.device, keep_last: bool = True
) -> Embedded:
    """Embed a pool chunk by chunk, keeping graphs while the budget lasts.

    Args:
        embed: the encoder with its pooling.
        plan: which texts are computed together.
        budget: of kept graphs; what a token costs is measured and noted in it.
        device: of the embeddings.
        keep_last: whether the last chunk's graph may be kept.
    """
    outputs: list[Tensor] = []
    result = Embedded(torch.empty(0), plan)
    used = 0.0
    for number, (rows, width) in enumerate(zip(plan.chunks, plan.widths, strict=True)):
        tokens = len(rows) * width
        measure = budget.limit > 0 and width > budget.width
        keep = measure or budget.allows(used, tokens)
        keep = keep and torch.is_grad_enabled() and (keep_last or number < len(plan.chunks) - 1)
        before = RandomState.now(device) if torch.is_grad_enabled() else None
        with torch.set_grad_enabled(keep), _bytes_held(measure and keep) as held:
            embeddings = embed(rows, width)
        if measure and keep:
            budget.bytes_per_token, budget.width = held.total / max(1, tokens), width
            keep = budget.allows(used, tokens)
        if keep:
            used += budget.bytes_per_token * tokens
            result.kept[number] = embeddings
        elif before is not None and before.was_drawn_from():
            result._random[number] = before
        outputs.append(embeddings.detach())
    order = torch.cat([torch.from_numpy(rows) for rows in plan.chunks]).to(device)
    embedded = torch.cat(outputs)
    result.embeddings = torch.empty_like(embedded).index_copy_(0, order, embedded)
    return result


@dataclass(slots=True)
class _Held:
    total: int = 0


@contextmanager
def _bytes_held(active: bool) -> Iterator[_Held]:
    """Count the bytes that graphs made meanwhile hold, each storage once."""
    held = _Held()
    if not active:
        yield held
        return
    seen: set[int] = set()

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, torch.nn.Parameter) and storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            held.total += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield held


@dataclass(frozen=True, slots=True)
class RandomState:
    """The generators that dropout draws from."""

    cpu: Tensor
    device: torch.device
    on_device: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> RandomState:
        """Return the state of the CPU's generator and of ``device``'s."""
        on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls(torch.get_rng_state(), device, on_device)

    def was_drawn_from(self) -> bool:
        """Return whether a random number was drawn since."""
        now = RandomState.now(self.device)
        same_device = self.on_device is None or now.on_device is None or torch.equal(self.on_device, now.on_device)
        return not (torch.equal(self.cpu, now.cpu) and same_device)

    def restore(self) -> None:
        """Set the generators back."""
        torch.set_rng_state(self.cpu)
        if self.on_device is not None:
            torch.cuda.set_rng_state(self.on_device, self.device)


@contextmanager
def replayed(state: RandomState | None) -> Iterator[None]:
    """Draw the same random numbers as in the first pass, then go on as if nothing had been drawn."""
    if state is None:
        yield
        return
    now = RandomState.now(state.device)
    state.restore()
    try:
        yield
    finally:
        now.restore()

"""Embed a pool of texts in bounded memory, and carry the gradients of its embeddings back to the weights.

The gradient cache of Gao et al., 2021 (section 3.2) embeds every chunk without a graph, computes the loss on the
embeddings alone, and then embeds every chunk again with a graph to send its gradients back: a batch of any size in
the memory of one chunk, for a second forward pass. Here the graphs of as many chunks as a memory budget allows are
kept from the first pass, and only the others are computed again; a batch that fits costs no second pass.

Gradients are added up in the order of the plan, whichever graphs were kept, so that the budget changes no bit of
the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hf_contrastive.training.batching import ChunkPlan
from hf_contrastive.training.workers import Workers

EmbedRows = Callable[[npt.NDArray[np.int64], int], Tensor]
"""``(rows of the pool [n], width in tokens) -> embeddings [n, dim]``"""

GRADIENT_BYTES = 1 << 29
"""Of gradients of chunks that wait to be added up: one set of them may be as large as the model."""


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

    def backward(
        self,
        gradient: Tensor,
        embed: EmbedRows,
        parameters: Sequence[nn.Parameter],
        workers: Workers,
        *,
        last: EmbedRows | None = None,
    ) -> None:
        """Add the weights' gradients, in the order of the chunks.

        Args:
            gradient: of the embeddings, ``[n, dim]``.
            embed: embeds the chunks whose graph was not kept.
            parameters: those that are trained.
            workers: compute the chunks.
            last: embeds the last chunk; a distributed model exchanges gradients when that one goes back.
        """
        chunks = list(enumerate(self.plan.chunks))
        final = chunks.pop() if last is not None else None

        def go_back(chunk: tuple[int, npt.NDArray[np.int64]]) -> tuple[Tensor | None, ...]:
            embeddings, part = self._again(*chunk, gradient, embed)
            return torch.autograd.grad(embeddings, parameters, part, allow_unused=True)

        size = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
        at_once = min(workers.count + 1, int(GRADIENT_BYTES / max(1, size)))
        for found in workers.map(go_back, chunks, at_once=at_once):
            taken: set[int] = set()
            for parameter, addend in zip(parameters, found, strict=True):
                if addend is None:
                    continue
                if parameter.grad is None:
                    # a gradient that is a view, or that two parameters share, can not be added to
                    own = addend.is_contiguous() and addend.data_ptr() not in taken
                    parameter.grad = addend if own else addend.clone(memory_format=torch.contiguous_format)
                    taken.add(addend.data_ptr())
                else:
                    parameter.grad += addend
        if final is not None and last is not None:
            embeddings, part = self._again(*final, gradient, last)
            embeddings.backward(part)  # type: ignore[no-untyped-call]

    def _again(
        self, number: int, rows: npt.NDArray[np.int64], gradient: Tensor, embed: EmbedRows
    ) -> tuple[Tensor, Tensor]:
        """Return a chunk's embeddings with their graph, kept or made again, and their gradient."""
        embeddings = self.kept.pop(number, None)
        if embeddings is None:
            with torch.enable_grad(), replayed(self._random.pop(number, None)):
                embeddings = embed(rows, self.plan.widths[number])
        part = gradient[torch.from_numpy(rows).to(gradient.device)]
        return embeddings, part.to(embeddings.dtype)


def embed_pool(
    embed: EmbedRows,
    plan: ChunkPlan,
    budget: GraphBudget,
    workers: Workers,
    *,
    device: torch.device,
    keep_last: bool = True,
) -> Embedded:
    """Embed a pool chunk by chunk, keeping graphs while the budget lasts.

    Args:
        embed: the encoder with its pooling.
        plan: which texts are computed together.
        budget: of kept graphs; what a token costs is measured and noted in it.
        workers: compute the chunks; several of them only where no random numbers are drawn.
        device: of the embeddings.
        keep_last: whether the last chunk's graph may be kept.
    """
    trains = torch.is_grad_enabled()
    result = Embedded(torch.empty(0), plan)
    used = 0.0

    def compute(chunk: tuple[int, bool]) -> Tensor:
        number, keep = chunk
        before = RandomState.now(device) if trains and workers.count == 1 else None
        with torch.set_grad_enabled(keep):
            embeddings = embed(plan.chunks[number], plan.widths[number])
        if keep:
            result.kept[number] = embeddings
        if before is not None and before.was_drawn_from():
            result._random[number] = before
        return embeddings.detach()

    def measure(chunk: tuple[int, bool]) -> Tensor:
        number, _ = chunk
        with _bytes_held() as held:
            embeddings = compute(chunk)
        width = plan.widths[number]
        budget.bytes_per_token, budget.width = held.total / max(1, len(plan.chunks[number]) * width), width
        return embeddings

    def decided(start: int) -> Iterator[tuple[int, bool]]:
        nonlocal used
        for number in range(start, len(plan.chunks)):
            tokens = len(plan.chunks[number]) * plan.widths[number]
            keep = trains and budget.allows(used, tokens) and (keep_last or number < len(plan.chunks) - 1)
            used += budget.bytes_per_token * tokens if keep else 0.0
            yield number, keep

    first: list[Tensor] = []
    if trains and budget.limit > 0 and plan.widths and plan.widths[0] > budget.width and len(plan.chunks) > 1:
        # the first chunk is the widest
        tokens = len(plan.chunks[0]) * plan.widths[0]
        first = list(workers.map(measure, [(0, True)]))
        if budget.allows(used, tokens):
            used += budget.bytes_per_token * tokens
        else:
            del result.kept[0]
    embedded = torch.cat([*first, *workers.map(compute, decided(len(first)))])
    order = torch.cat([torch.from_numpy(rows) for rows in plan.chunks]).to(device)
    result.embeddings = torch.empty_like(embedded).index_copy_(0, order, embedded)
    return result


@dataclass(slots=True)
class _Held:
    total: int = 0


@contextmanager
def _bytes_held() -> Iterator[_Held]:
    """Count the bytes that graphs made meanwhile in this thread hold, each storage once."""
    held = _Held()
    seen: set[int] = set()

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, torch.nn.Parameter) and storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            held.total += storage.nbytes()
        # without its node, which would hold itself
        return tensor.detach()

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

    def number(self, salt: str) -> int:
        """Return a number given by the state and ``salt``."""
        parts = (self.cpu, *(() if self.on_device is None else (self.on_device,)))
        content = salt.encode() + b"".join(part.cpu().numpy().tobytes() for part in parts)
        return int.from_bytes(hashlib.blake2b(content, digest_size=7).digest(), "little")

    def restore(self) -> None:
        """Set the generators back."""
        torch.set_rng_state(self.cpu)
        if self.on_device is not None:
            torch.cuda.set_rng_state(self.on_device, self.device)


@contextmanager
def drawing_apart(device: torch.device, salt: str) -> Iterator[None]:
    """Draw other random numbers meanwhile, given by the state and ``salt``, then go on as if nothing had been drawn."""
    now = RandomState.now(device)
    torch.manual_seed(now.number(salt))
    try:
        yield
    finally:
        now.restore()


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

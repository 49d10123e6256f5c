"""What the log says of training besides the loss: speed, padding, memory, and how the embeddings lie."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hf_contrastive.training.batching import ChunkPlan
from hf_contrastive.training.losses import LossInputs

UNIFORMITY_ROWS = 512


class Meter:
    """Collects figures from step to step; :meth:`read` gives them for the time since it was read last."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._since = time.perf_counter()
        self._examples = self._tokens = self._padded = self._steps = 0
        self._means: dict[str, list[Tensor]] = {"alignment": [], "uniformity": []}

    def start(self) -> None:
        """Forget what was before, such as the time until the first step."""
        self._clear()

    def add(
        self,
        plan: ChunkPlan,
        columns: tuple[Tensor, ...],
        inputs: LossInputs,
        parts: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Add a step.

        Args:
            plan: its chunks.
            columns: its normalised embeddings, ``[n, dim]`` each.
            inputs: which candidate is whose positive.
            parts: terms of the loss by name, without their weights.
        """
        for name, value in (parts or {}).items():
            self._means.setdefault(f"{name}_loss", []).append(value.detach())
        self._steps += 1
        self._examples += len(columns[0])
        self._tokens += plan.real_tokens
        self._padded += plan.padded_tokens
        with torch.no_grad():
            self._means["uniformity"].append(uniformity(columns[0]))
            if len(columns) > 1:
                self._means["alignment"].append(alignment(columns, inputs))

    def read(self, accelerator: Any) -> dict[str, float]:
        """Return the figures of all processes since the last call, and start anew; a collective operation."""
        if not self._steps:
            return {}
        seconds = max(1e-9, time.perf_counter() - self._since)
        counts = torch.tensor([self._examples, self._tokens, self._padded], device=accelerator.device)
        examples, tokens, padded = accelerator.reduce(counts, "sum").tolist()
        figures = {
            "pairs_per_second": examples / seconds,
            "tokens_per_second": tokens / seconds,
            "padded_tokens_per_second": padded / seconds,
            "padding_fraction": 1 - tokens / max(1, padded),
            "peak_memory_gb": peak_memory_gb(accelerator.device),
        }
        for name, values in self._means.items():
            if values:
                figures[name] = torch.stack(values).mean().item()
        self._clear()
        return {name: round(value, 6) for name, value in figures.items()}


def alignment(columns: tuple[Tensor, ...], inputs: LossInputs) -> Tensor:
    """Return the mean squared distance of an anchor and its positive (Wang & Isola, 2020, eq. 1, alpha = 2)."""
    rows, positives = inputs.positives_of_span()
    candidates = torch.cat(columns[1:])
    return (columns[0][rows] - candidates[positives]).square().sum(1).mean()


def uniformity(embeddings: Tensor) -> Tensor:
    """Return ``log mean exp(-2 |x - y|^2)`` over pairs of rows (Wang & Isola, 2020, eq. 2, t = 2); the first 512.

    Args:
        embeddings: L2-normalised, ``[n, dim]``.
    """
    some = embeddings[:UNIFORMITY_ROWS]
    if len(some) < 2:
        return embeddings.new_zeros(())
    pairs = len(some) * (len(some) - 1) / 2
    above = torch.triu_indices(len(some), len(some), offset=1, device=some.device)
    squared = 2 - 2 * (some @ some.T)[above[0], above[1]]
    return (-2 * squared).exp().sum().div(pairs).log()


def peak_memory_gb(device: torch.device) -> float:
    """Return the most memory that was held so far, in GB (10^9 bytes): the device's, or this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    try:
        import resource
    except ImportError:
        # Windows has no such counter in the standard library
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9

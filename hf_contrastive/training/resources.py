"""What the machine allows a step: memory for graphs, tokens at once."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil
import torch

from hf_contrastive.training.gradient_cache import GraphBudget

CHUNK_TOKENS = 512
"""Padded tokens of a chunk on a CPU: a layer's activations then stay in the cache."""
CHUNK_TOKENS_OF_ALL_WEIGHTS = 2048
"""The same where all weights are trained: adding up gradients as large as the model costs time by the chunk."""
CHUNK_TOKENS_WITHOUT_GRAPHS = 2048
"""The same where nothing is trained: nothing is kept, so that a few more rows still fit."""
ACCELERATOR_CHUNK_TOKENS = 32_768
COMPILED_WIDTH_MULTIPLE = 32
"""A compiled model is compiled again for every new shape, so that few widths are used."""
SHARE_OF_FREE_MEMORY = 0.5


def graph_budget(max_memory: float | None, device: torch.device, *, processes: int = 1) -> GraphBudget:
    """Return how many bytes of graphs a step may keep.

    Args:
        max_memory: GB (10^9 bytes); None takes half of what is free now, shared by the processes of this machine.
        device: where the graphs lie.
        processes: on this machine that share the memory of a CPU.
    """
    if max_memory is not None:
        return GraphBudget(max_memory * 1e9)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return GraphBudget(SHARE_OF_FREE_MEMORY * free)
    return GraphBudget(SHARE_OF_FREE_MEMORY * _free_memory() / max(1, processes))


def default_chunk_tokens(device: torch.device, *, adapter: bool = True, graphs: bool = True) -> int:
    """Return how many padded tokens are computed at once when the user has not said.

    Args:
        device: that computes.
        adapter: whether an adapter is trained, and not all weights.
        graphs: whether anything is trained.
    """
    if device.type != "cpu":
        return ACCELERATOR_CHUNK_TOKENS
    if not graphs:
        return CHUNK_TOKENS_WITHOUT_GRAPHS
    return CHUNK_TOKENS if adapter else CHUNK_TOKENS_OF_ALL_WEIGHTS


def local_processes() -> int:
    """Return how many processes of this run share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _free_memory() -> float:
    free = float(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):
        # a container may be allowed less than the machine has
        group = Path("/sys/fs/cgroup")
        limit = float((group / "memory.max").read_text())
        free = min(free, limit - float((group / "memory.current").read_text()))
    return max(0.0, free)

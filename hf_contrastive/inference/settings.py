"""The settings of a measurement, and what stands beside its numbers: machine, versions, cautions."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.inference.records import Bounds

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

LENGTHS = (16, 64, 256)
_FEW_DOCUMENTS = 1000
_COUNTED = 2000


def check_settings(
    bounds: Bounds, batch_sizes: Sequence[int], rounds: int, seconds: float, threads: int | None
) -> None:
    """Raise :class:`ConfigurationError` for a setting that is out of its range."""
    told = {
        "memory_limit": bounds.memory_mb,
        "latency_limit": bounds.latency_ms,
        "cost_limit": bounds.cost_per_million,
        "hourly_price": bounds.hourly_price,
        "seconds": seconds,
        "rounds": rounds,
        "threads": threads,
        **{f"batch_sizes[{place}]": size for place, size in enumerate(batch_sizes)},
    }
    for name, value in told.items():
        if value is not None and not value > 0:
            msg = f"`{name}` must be > 0, got {value}."
            raise ConfigurationError(msg)
    if not batch_sizes:
        msg = "`batch_sizes` is empty; name at least one, such as 1."
        raise ConfigurationError(msg)
    if not 0 <= bounds.quality_loss < 1:
        msg = f"`quality_loss` must lie between 0 and 1, got {bounds.quality_loss}; 0.02 allows a loss of 2 %."
        raise ConfigurationError(msg)
    if bounds.cost_per_million is not None and bounds.hourly_price is None:
        msg = "`cost_limit` needs `hourly_price`: what a machine like this one costs an hour, in the same currency."
        raise ConfigurationError(msg)


def read_lengths(lengths: Sequence[int] | None, longest: int) -> list[int]:
    """Return the lengths that are measured, shortest first.

    Raises:
        ConfigurationError: the model does not read so far.
    """
    if lengths is None:
        return [size for size in LENGTHS if size <= longest] or [longest]
    wrong = [size for size in lengths if not 1 <= size <= longest]
    if wrong or not lengths:
        msg = (
            f"`lengths` must lie between 1 and {longest} tokens, which is as far as the model reads, got "
            f"{', '.join(map(str, lengths)) or 'none'}."
        )
        raise ConfigurationError(msg)
    return sorted(set(lengths))


def typical_length(lengths: Sequence[int], encoder: TextEncoder, texts: Sequence[str]) -> int:
    """Return the measured length that is nearest to the median of the data, or the middle one without data."""
    if not texts:
        return lengths[len(lengths) // 2]
    median = float(np.median(encoder.count_tokens(texts[:: len(texts) // _COUNTED + 1])))
    return min(lengths, key=lambda size: abs(size - median))


def notes_on(load: float | None, task: RetrievalTask | None) -> tuple[str, ...]:
    """Return what a reader should know about this run."""
    found = []
    if load is not None and load > 0.5 * usable_cores():
        found.append(
            f"Other programs were running when it began (load {load:.1f} on {usable_cores()} cores): times are longer "
            "than on an idle machine. Variants took turns, so that they can still be compared."
        )
    if task is not None and len(task.documents) < _FEW_DOCUMENTS:
        found.append(
            f"A search among {len(task.documents):,} documents is easy: vectors that are kept in less memory lose more "
            "among more documents."
        )
    return tuple(found)


def load_average() -> float | None:
    """Return the load of the machine, None where it is not told."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> str:
    """Return processor, cores and memory; no name, no path."""
    import psutil
    import torch

    from hf_contrastive.training.record import environment

    found = environment(torch.device("cpu"), "fp32")
    memory = psutil.virtual_memory().total / 1e9
    return f"{found.processor}, {usable_cores()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}"


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    from hf_contrastive.training.record import versions as versions_of

    return dict(versions_of(("hf-contrastive", "torch", "transformers", "onnxruntime", "tokenizers")))

"""What a computation takes: seconds, resident memory, and energy where it can be measured."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch

from hf_contrastive.errors import require
from hf_contrastive.study.records import Cost

MEMORY_METHOD = (
    "rise of the process's resident memory over its start, read every 20 ms; on a GPU, of what is allocated there"
)
ENERGY_METHOD = (
    "codecarbon, offline, of this process: read from the processor where it tells, else estimated from its power"
)
_EVERY_SECONDS = 0.02


class Metered:
    """Filled by :func:`metered` when its block has ended."""

    def __init__(self) -> None:
        self.seconds = self.peak_memory_gb = 0.0
        self.energy_kwh: float | None = None

    def cost_with(self, *counted: Cost) -> Cost:
        """Return the cost of the block; ``counted`` bring its tokens and operations."""
        known = [item.flops for item in counted if item.flops is not None]
        return Cost(
            seconds=self.seconds,
            tokens=sum(item.tokens for item in counted),
            flops=sum(known) if known else None,
            energy_kwh=self.energy_kwh,
            peak_memory_gb=self.peak_memory_gb,
        )


@contextmanager
def metered(*, energy: bool = False) -> Iterator[Metered]:
    """Measure the block.

    Args:
        energy: measure it too, with codecarbon.

    Raises:
        MissingExtraError: energy is asked for and codecarbon is not installed.
    """
    found = Metered()
    with _watched_memory() as most, _measured_energy(energy) as spent:
        started = time.perf_counter()
        yield found
        seconds = time.perf_counter() - started
    found.seconds, found.peak_memory_gb, found.energy_kwh = seconds, most["bytes"] / 1e9, spent.get("kwh")


@contextmanager
def _watched_memory() -> Iterator[dict[str, float]]:
    """Give how many bytes more than at its start are held at the most, once the block has ended."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        start = torch.cuda.memory_allocated()
        found = {"bytes": 0.0}
        yield found
        found["bytes"] = float(torch.cuda.max_memory_allocated() - start)
        return
    process = psutil.Process()
    begun = process.memory_info().rss
    most = {"bytes": 0.0}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_EVERY_SECONDS):
            most["bytes"] = max(most["bytes"], float(process.memory_info().rss - begun))

    watcher = threading.Thread(target=watch, daemon=True, name="resident-memory")
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()
        most["bytes"] = max(most["bytes"], float(process.memory_info().rss - begun))


@contextmanager
def _measured_energy(wanted: bool) -> Iterator[dict[str, float]]:
    spent: dict[str, float] = {}
    if not wanted:
        yield spent
        return
    require("energy", "codecarbon")
    tracker = _tracker()
    tracker.start()
    try:
        yield spent
    finally:
        tracker.stop()
        spent["kwh"] = float(tracker.final_emissions_data.energy_consumed)


def _tracker() -> Any:
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    # emissions, which depend on the country, are not used
    return OfflineEmissionsTracker(
        country_iso_code="DEU",
        tracking_mode="process",
        measure_power_secs=1,
        save_to_file=False,
        log_level="error",
        allow_multiple_runs=True,
    )

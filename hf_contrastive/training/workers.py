"""Chunks of a step computed side by side on the cores of a CPU.

One product of a small encoder is too little work for several cores: they wait for each other at its end. Whole chunks
on single cores do not wait. Results are taken in the order of the chunks, so that sums do not depend on who was first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WORKERS = 8
"""More would wait for Python's lock: a chunk of a small encoder holds it for about a tenth of its time."""


class Workers:
    """Threads that compute chunks, each with its share of torch's threads.

    Args:
        count: number of chunks computed at once; 1 computes them in the calling thread, with all of torch's threads.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = max(1, count)
        self._pool: ThreadPoolExecutor | None = None
        self._threads = 0

    @classmethod
    def for_device(cls, device: torch.device) -> Workers:
        """Return as many as torch has threads on a CPU, at most 8; 1 elsewhere: a device has queues of its own."""
        return cls(min(torch.get_num_threads(), MOST_WORKERS) if device.type == "cpu" else 1)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, at_once: int | None = None
    ) -> Iterator[Result]:
        """Yield ``function(item)`` in the order of ``items``.

        Args:
            function: called in the workers.
            items: taken one by one, as workers become free.
            at_once: results that exist beside the one that was yielded, computed or in the making; default: one more
                than there are workers.
        """
        at_once = self.count + 1 if at_once is None else at_once
        if self.count == 1 or at_once <= 1:
            yield from map(function, items)
            return
        pool = self._started()
        run = partial(_as_there, function, _ThreadState.now())
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(run, item))
                if len(waiting) >= at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _started(self) -> ThreadPoolExecutor:
        threads = max(1, torch.get_num_threads() // self.count)
        if self._pool is None or threads != self._threads:
            self.close()
            self._threads = threads
            self._pool = ThreadPoolExecutor(
                self.count, thread_name_prefix="chunk", initializer=torch.set_num_threads, initargs=(threads,)
            )
        return self._pool

    def close(self) -> None:
        """End the threads; they start again when they are needed."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def __getstate__(self) -> dict[str, Any]:
        return {"count": self.count, "_pool": None, "_threads": 0}


@dataclass(frozen=True, slots=True)
class _ThreadState:
    """What torch sets by thread: whether graphs are made, tensors are for inference alone, types are chosen by it."""

    graphs: bool
    inference: bool
    autocast: bool
    autocast_type: torch.dtype

    @classmethod
    def now(cls) -> _ThreadState:
        return cls(
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_autocast_dtype("cpu"),
        )


def _as_there(function: Callable[[Item], Result], there: _ThreadState, item: Item) -> Result:
    with (
        torch.inference_mode(there.inference),
        torch.set_grad_enabled(there.graphs and not there.inference),
        torch.autocast("cpu", there.autocast_type, there.autocast),
    ):
        return function(item)

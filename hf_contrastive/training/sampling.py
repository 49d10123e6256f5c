"""In which order a training reads its rows, one dataset or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

SAMPLINGS = ("proportional", "round_robin")


class EpochSampler(Sampler[int]):
    """Rows in a random order that depends on seed and epoch alone.

    Of several datasets, whose rows are numbered one dataset after the other, every ``step`` rows that follow each
    other are of one dataset: cut into batches and dealt out to processes in turn, all of a step have the same one.
    What is left of a dataset waits for the next epoch, which has another order.

    Args:
        sizes: rows of each dataset.
        step: rows of a step, over all processes.
        sampling: of the datasets: ``proportional`` reads all steps of each, in random order; ``round_robin`` takes
            one step of each in turn until the smallest has none left.
        seed: with the epoch, all that the order depends on.
    """

    def __init__(self, sizes: Sequence[int], *, step: int, sampling: str = "proportional", seed: int = 0) -> None:
        self.sizes = tuple(sizes)
        self.step = step
        self.sampling = sampling
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Count from 0; every epoch has its own order."""
        self.epoch = epoch

    @property
    def steps(self) -> tuple[int, ...]:
        """Whole steps of each dataset in an epoch, where there are several."""
        whole = tuple(size // self.step for size in self.sizes)
        return whole if self.sampling == "proportional" else (min(whole),) * len(whole)

    def __len__(self) -> int:
        return self.sizes[0] if len(self.sizes) == 1 else self.step * sum(self.steps)

    def __iter__(self) -> Iterator[int]:
        rows = [self._draw(number).permutation(size) for number, size in enumerate(self.sizes)]
        if len(rows) == 1:
            yield from rows[0].tolist()
            return
        starts = np.cumsum([0, *self.sizes[:-1]])
        taken = [0] * len(rows)
        for dataset in self.schedule():
            first = taken[dataset] * self.step
            taken[dataset] += 1
            yield from (starts[dataset] + rows[dataset][first : first + self.step]).tolist()

    def schedule(self) -> npt.NDArray[np.int64]:
        """Return which dataset each step of this epoch is of."""
        if self.sampling == "round_robin":
            return np.tile(np.arange(len(self.sizes)), min(self.steps))
        order: npt.NDArray[np.int64] = self._draw(len(self.sizes)).permutation(
            np.repeat(np.arange(len(self.sizes)), self.steps)
        )
        return order

    def _draw(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, purpose])

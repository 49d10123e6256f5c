"""Seconds of an epoch when only the top layers are trained and the frozen trunk is computed once."""

from __future__ import annotations

import tempfile
import time
from typing import Any

from transformers import TrainerCallback

from tests.benchmarks.memory import GB, peak_rss
from tests.benchmarks.training.arms import our_config, training_arguments, training_pairs
from tests.benchmarks.training.plan import EPOCHS, Plan, Prepared
from tests.benchmarks.training.roofline import synchronize


def settings(plan: Plan, name: str) -> dict[str, Any]:
    """Return the fields of ContrastiveConfig that make the arm; its cache is empty at first."""
    if name == "ours-full":
        return {}
    return {"lora_layers": "top-2", "trunk_cache": tempfile.mkdtemp(prefix="trunk-", dir=plan.folder)}


class EpochClock(TrainerCallback):
    """Take the time of every epoch."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: list[float] = []
        self.started = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        synchronize(self.device)
        self.seconds.append(time.perf_counter() - self.started)


def run_epochs(plan: Plan, *, name: str) -> dict[str, Any]:
    """Train ``EPOCHS`` epochs over the pairs of this run, with the trainer's own adapter."""
    from hf_contrastive.trainer import ContrastiveTrainer

    pairs = training_pairs(plan)
    config = our_config(
        **(training_arguments(plan, steps=-1) | {"num_train_epochs": EPOCHS} | settings(plan, name)),
        max_length=Prepared.read(plan.folder).max_length,
    )
    clock = EpochClock(plan.device)
    trainer = ContrastiveTrainer(model=str(plan.model_folder), args=config, train_dataset=pairs, callbacks=[clock])
    trainer.train()
    return {"seconds": clock.seconds, "pairs": len(pairs), "peak_memory_gb": peak_rss() / GB}

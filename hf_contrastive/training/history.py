"""What the weights have seen: the data of every run, and which weights came out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from audits.errors import SchemaError
from audits.findings import DatasetRef

HISTORY_FILE = "datasets.json"
UNKNOWN = DatasetRef(split="unknown", fingerprint="unknown", num_rows=0)
"""Stands for data that left no record; no audit can cover it."""


@dataclass(slots=True)
class History:
    """Data and steps of all runs of one trainer, those that a checkpoint resumes included."""

    datasets: tuple[DatasetRef, ...] = ()
    steps_before: int = 0
    weights: str = ""

    def begin(self, datasets: Iterable[DatasetRef], *, steps_done: int, checkpoint: Path | None) -> None:
        """Add what the next run reads; a checkpoint without a record adds data that nobody knows."""
        if checkpoint is None:
            self.steps_before += steps_done
        else:
            self.steps_before = 0
            self.datasets = _union(self.datasets, _read(checkpoint))
        self.datasets = _union(self.datasets, datasets)

    def write(self, checkpoint: Path) -> None:
        """Keep the data in a checkpoint, for runs that resume from it."""
        text = json.dumps([reference.to_dict() for reference in self.datasets], indent=2)
        (checkpoint / HISTORY_FILE).write_text(text + "\n", encoding="utf-8")


def weights_digest(model: Any, *, adapter: bool = True) -> str:
    """Return ``sha256:<hex>`` over names, shapes and bytes of all tensors, wherever they are stored.

    Args:
        model: a PreTrainedModel or PeftModel; the base has the same digest with and without PEFT around it.
        adapter: include the adapter's weights.
    """
    state = hashlib.sha256()
    tensors = {
        name.removeprefix("base_model.model.").replace(".base_layer.", "."): tensor
        for name, tensor in model.state_dict().items()
        if adapter or "lora_" not in name
    }
    for name, tensor in sorted(tensors.items()):
        state.update(f"{name}\t{tensor.dtype}\t{tuple(tensor.shape)}\n".encode())
        state.update(tensor.detach().contiguous().cpu().view(torch.uint8).numpy().tobytes())
    return "sha256:" + state.hexdigest()


def trained_adapter(model: Any) -> str:
    """Return the digest of a PeftModel whose adapter already changes the output, else an empty text.

    A fresh LoRA adapter has B = 0; anything else was trained somewhere.
    """
    if not hasattr(model, "peft_config"):
        return ""
    outputs = [parameter for name, parameter in model.named_parameters() if "lora_B" in name]
    if outputs and not any(bool(parameter.detach().any()) for parameter in outputs):
        return ""
    return weights_digest(model)


def _union(first: Iterable[DatasetRef], second: Iterable[DatasetRef]) -> tuple[DatasetRef, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _read(checkpoint: Path) -> tuple[DatasetRef, ...]:
    try:
        stored = json.loads((checkpoint / HISTORY_FILE).read_text(encoding="utf-8"))
        return tuple(DatasetRef.from_dict(item) for item in stored)
    except (OSError, ValueError, TypeError, SchemaError):
        return (UNKNOWN,)

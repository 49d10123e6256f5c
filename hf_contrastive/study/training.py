"""Trainings of a study: one trainer, one schedule, whatever the arm."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PrinterCallback, ProgressCallback

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.study.records import Cost
from hf_contrastive.trainer import ContrastiveTrainer
from hf_contrastive.training.objective_terms import CrossEntropy

_SHORT_CHUNK = 512
"""Padded tokens of a chunk: few labelled texts of uneven lengths are padded little."""


@dataclass(slots=True)
class Start:
    """An encoder that arms start from; it is never changed.

    Attributes:
        name: of the pretraining, "" for the checkpoint as it is.
        encoder: with the length that texts are cut to.
        test_vectors: of the test rows, ``[n, dim]``; computed once.
    """

    name: str
    encoder: TextEncoder
    test_vectors: npt.NDArray[np.float32] | None = None

    def vectors_of_test(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the embeddings of the test rows, which no arm pays for."""
        if self.test_vectors is None:
            self.test_vectors = self.encoder.encode(texts)
        return self.test_vectors

    def encoded(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], Cost]:
        """Return the embeddings of labelled rows, and what they count as."""
        tokens = sum(min(count, self.encoder.spec.max_length) for count in self.encoder.count_tokens(texts))
        return self.encoder.encode(texts), Cost(seconds=0.0, tokens=tokens, flops=forward_flops(self.encoder, tokens))


class StudyTrainer(ContrastiveTrainer):
    """A trainer whose classification head has a learning rate of its own, and tells classes.

    Args:
        *args: of the trainer.
        head_rate: learning rate of what the loss learns.
        **kwargs: of the trainer.
    """

    def __init__(self, *args: Any, head_rate: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_rate = head_rate
        for shown in (PrinterCallback, ProgressCallback):
            self.remove_callback(shown)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """Make the optimizer as the trainer does; the head, which starts at zero, learns faster than the encoder."""
        optimizer = super().create_optimizer(*args, **kwargs)
        learned = {id(parameter) for parameter in self._learned}
        for group in optimizer.param_groups:
            if any(id(parameter) in learned for parameter in group["params"]):
                group["lr"] = self._head_rate
        return optimizer

    def probabilities(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return what the head says of texts, ``[n, classes]``; its loss holds ``cross_entropy``."""
        objective = self._engine.objective
        head = next(term for term in objective.terms if isinstance(term, CrossEntropy))
        vectors = torch.nn.functional.normalize(torch.from_numpy(self.encoder.encode(texts)), dim=-1)
        with torch.inference_mode():
            scaled = vectors.to(head.weight.device) / objective.temperature
            told = torch.softmax((scaled @ head.weight.T + head.bias).double(), dim=1)
        return told.cpu().numpy()

    def planned_flops(self, batches: int = 8) -> float:
        """Return the operations of a step, estimated from its first batches; nothing is computed."""
        found = []
        for number, batch in enumerate(self.get_train_dataloader()):
            if number == batches:
                break
            found.append(self.floating_point_ops(batch))
        return float(np.mean(found))

    def cost(self) -> Cost:
        """Return tokens and operations of the training; its seconds are the caller's to measure."""
        record = self.training_record()
        return Cost(seconds=0.0, tokens=record.padded_tokens, flops=record.flops)

    def merged(self) -> Any:
        """Return the encoder as a plain model, the adapter merged."""
        model = self._plain_model
        return model.merge_and_unload() if self.has_adapter else model


def make_trainer(
    start: Start,
    dataset: Any,
    *,
    loss: str,
    rate: float,
    head_rate: float,
    batch: int,
    seed: int,
    folder: Path,
    lora: bool,
    steps: int = -1,
    epochs: float = 1.0,
    **options: Any,
) -> StudyTrainer:
    """Return the trainer of a copy of ``start``.

    Args:
        start: stays as it is.
        dataset: labelled texts, pairs or texts.
        loss: of the trainer.
        rate: peak learning rate.
        head_rate: that of what the loss learns.
        batch: rows a step.
        seed: of orders and initialisation.
        folder: where the trainer may write.
        lora: train an adapter, or all weights.
        steps: -1 lets ``epochs`` decide.
        epochs: passes over the data.
        **options: further arguments of ContrastiveConfig.
    """
    spec = start.encoder.spec
    arguments: dict[str, Any] = {
        "output_dir": str(folder),
        "loss": loss,
        "learning_rate": rate,
        "per_device_train_batch_size": batch,
        "seed": seed,
        "max_steps": steps,
        "num_train_epochs": epochs,
        "max_length": spec.max_length,
        "pooling": spec.pooling,
        "normalize": spec.normalize,
        "dropout": 0.0,
        "chunk_tokens": _SHORT_CHUNK if start.encoder.model.device.type == "cpu" else None,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        **options,
    }
    return StudyTrainer(
        copy.deepcopy(start.encoder.model),
        ContrastiveConfig(**arguments),
        dataset,
        peft_config="auto" if lora else None,
        processing_class=start.encoder.tokenizer,
        head_rate=head_rate,
    )


def forward_flops(encoder: TextEncoder, tokens: int) -> float:
    """Return the operations of a forward pass over ``tokens``."""
    model = encoder.model
    embeddings = sum(item.numel() for item in model.get_input_embeddings().parameters())
    return float(2 * (sum(item.numel() for item in model.parameters()) - embeddings) * tokens)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what a single training says from the terminal: a study has hundreds of them."""
    loggers = [
        logging.getLogger(name) for name in ("hf_contrastive.training", "hf_contrastive.trainer", "transformers")
    ]
    before = [item.level for item in loggers]
    for item in loggers:
        item.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for item, level in zip(loggers, before, strict=True):
            item.setLevel(level)

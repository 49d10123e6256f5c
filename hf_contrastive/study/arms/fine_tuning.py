"""A classification head and the encoder below it, trained on the labels."""

from __future__ import annotations

from typing import Any

from hf_contrastive.study.arms.base import Arm, Fitted, Labelled, Task, chosen_rate, log_loss
from hf_contrastive.study.records import Cost
from hf_contrastive.study.training import StudyTrainer, make_trainer


class FineTuning(Arm):
    """Training on labels, by all weights or by an adapter.

    Args:
        *told: of the arm.
        loss: of the trainer; holds ``cross_entropy``.
        lora: train an adapter.
        **options: of the arm.
    """

    def __init__(self, *told: Any, loss: str, lora: bool = False, **options: Any) -> None:
        super().__init__(*told, **options)
        self._loss, self._lora = loss, lora

    def fit(self, task: Task) -> Fitted:
        """Train on the labelled rows; the schedule is the same for every arm."""
        settings = task.settings
        usual = settings.lora_rate if self._lora else settings.rate

        def losses(rate: float, rows: Labelled, held_out: Labelled) -> tuple[float, Cost]:
            trainer = train_on_labels(task, rows, loss=self._loss, rate=rate, lora=self._lora)
            return log_loss(trainer.probabilities(held_out.texts), held_out.codes), trainer.cost()

        rate, spent, setting, trials = chosen_rate(usual, task, losses)
        trainer = train_on_labels(task, task.rows, loss=self._loss, rate=rate, lora=self._lora)
        return Fitted(
            predict=trainer.probabilities,
            cost=spent + trainer.cost(),
            setting=f"{setting}, {trainer.state.global_step} steps of {trainer.args.train_batch_size}",
            trials=trials,
        )


def train_on_labels(task: Task, rows: Labelled, *, loss: str, rate: float, lora: bool, **options: Any) -> StudyTrainer:
    """Return the trainer of a copy of the task's start, trained on labelled rows.

    Args:
        task: start, schedule and seed.
        rows: to learn from.
        loss: of the trainer.
        rate: learning rate.
        lora: train an adapter.
        **options: of the trainer's arguments.
    """
    import datasets

    settings = task.settings
    # names whose order is that of the codes
    labels = [f"{code:06d}" for code in rows.codes]
    trainer = make_trainer(
        task.start,
        datasets.Dataset.from_dict({"text": list(rows.texts), "label": labels}),
        loss=loss,
        rate=rate,
        head_rate=settings.head_rate,
        batch=min(settings.batch, len(labels)),
        seed=task.seed,
        folder=task.folder,
        lora=lora,
        steps=settings.steps_of(len(labels)),
        **options,
    )
    trainer.train()
    return trainer

"""Contrast of few labelled rows, then a probe: as SetFit does (Tunstall et al., 2022)."""

from __future__ import annotations

from hf_contrastive.study.arms.base import Arm, Fitted, Labelled, Task, chosen_rate, log_loss
from hf_contrastive.study.arms.fine_tuning import train_on_labels
from hf_contrastive.study.arms.probes import probe
from hf_contrastive.study.records import Cost
from hf_contrastive.study.training import Start, StudyTrainer


class FewShotContrast(Arm):
    """Rows of one class are drawn near each other and others apart, then a logistic regression reads the embeddings.

    SetFit samples pairs and regresses their cosine; here all pairs of a batch are contrasted at once (SupCon, Khosla et
    al., 2020), with the steps of every other arm that is trained on labels.
    """

    def fit(self, task: Task) -> Fitted:
        """Contrast, encode, fit."""

        def losses(rate: float, rows: Labelled, held_out: Labelled) -> tuple[float, Cost]:
            trainer, start = _contrasted(task, rows, rate)
            vectors, cost = start.encoded(rows.texts)
            fitted, _ = probe(vectors, rows.codes, seed=task.seed)
            told = fitted(start.encoder.encode(held_out.texts))
            return log_loss(told, held_out.codes), trainer.cost() + cost

        rate, spent, setting, trials = chosen_rate(task.settings.rate, task, losses)
        trainer, start = _contrasted(task, task.rows, rate)
        vectors, cost = start.encoded(task.rows.texts)
        fitted, how = probe(vectors, task.rows.codes, seed=task.seed)
        return Fitted(
            predict=lambda texts: fitted(start.encoder.encode(texts)),
            cost=spent + trainer.cost() + cost,
            setting=f"{setting}, {trainer.state.global_step} steps of {trainer.args.train_batch_size}; {how}",
            trials=trials,
        )


def _contrasted(task: Task, rows: Labelled, rate: float) -> tuple[StudyTrainer, Start]:
    trainer = train_on_labels(
        task, rows, loss="supcon", rate=rate, lora=False, temperature=task.settings.label_temperature
    )
    return trainer, Start("", trainer.encoder)

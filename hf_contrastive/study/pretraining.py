"""Pretraining without labels: contrast, masked language modelling, and contrast with denoising, at equal operations."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_model, save_model

from audits.errors import SchemaError
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.study.data import StudyData
from hf_contrastive.study.meter import metered
from hf_contrastive.study.records import PretrainingRecord
from hf_contrastive.study.settings import StudySettings
from hf_contrastive.study.training import Start, StudyTrainer, make_trainer, quiet

CONTRAST = "contrastive"
MASKED = "masked language modelling"
DENOISED = "contrastive + denoising"

LOSSES: Mapping[str, str] = {CONTRAST: "infonce", MASKED: "masked_lm", DENOISED: "infonce + 0.1 * denoising"}
"""The loss of each pretraining by its name."""

_STEPS_A_LOG = 5

_WEIGHTS, _RECORD = "model.safetensors", "record.json"


class Pretrainings:
    """Makes the starts of a study, keeps them in a folder, and gives them back after an interruption.

    Args:
        base: the checkpoint.
        data: whose texts are read without labels.
        settings: of the study.
        folder: where weights are kept until the study has ended.
    """

    def __init__(self, base: TextEncoder, data: StudyData, settings: StudySettings, folder: Path) -> None:
        self._base, self._data, self._settings, self._folder = Start("", base), data, settings, folder
        self._held: tuple[tuple[str, int], Start] | None = None
        self._flops: dict[int, float] = {}

    def start(self, name: str, seed: int) -> Start:
        """Return what arms of this pretraining and seed start from; the checkpoint itself for the name "".

        One pretrained model is in memory at a time.
        """
        if not name:
            return self._base
        if self._held is not None and self._held[0] == (name, seed):
            return self._held[1]
        place = self._place(name, seed)
        model = copy.deepcopy(self._base.encoder.model)
        if not self._loads(model, place):
            self._pretrain(name, seed, place)
            load_model(model, place / _WEIGHTS)
        encoder = TextEncoder(model, self._base.encoder.tokenizer, self._base.encoder.spec, name=name)
        self._held = (name, seed), Start(name, encoder)
        return self._held[1]

    def _loads(self, model: Any, place: Path) -> bool:
        """Load what was kept into ``model``; False where there is nothing, or it is torn."""
        try:
            if self._read(place) is None:
                return False
            load_model(model, place / _WEIGHTS)
        except (OSError, SafetensorError, RuntimeError):
            return False
        return True

    def _read(self, place: Path) -> PretrainingRecord | None:
        try:
            return PretrainingRecord.from_dict(json.loads((place / _RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, SchemaError):
            return None

    def record(self, name: str, seed: int) -> PretrainingRecord | None:
        """Return what it took, None where it was not run."""
        return self._read(self._place(name, seed))

    def drop_weights(self) -> None:
        """Remove the weights, which take space, and keep what they took to make."""
        for path in self._folder.glob(f"*/{_WEIGHTS}"):
            path.unlink()

    def _place(self, name: str, seed: int) -> Path:
        return self._folder / f"{name.replace(' ', '-')}-{seed}"

    def _pretrain(self, name: str, seed: int, place: Path) -> None:
        """Train and keep the result under its name, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".incomplete-", dir=self._folder))
        try:
            with quiet():
                flops = self._equal_flops(seed, stage)
                trainer = self._trainer(name, seed, stage)
                # the schedule is made when training begins
                trainer.args.max_steps = max(1, round(flops / trainer.planned_flops()))
                with metered(energy=self._settings.energy) as spent:
                    trainer.train()
                made = trainer.cost()
            losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
            record = PretrainingRecord(
                name=name,
                seed=seed,
                objective=trainer.training_record().objective,
                texts=len(self._data.unlabelled),
                steps=int(trainer.state.global_step),
                cost=spent.cost_with(made),
                first_loss=losses[0] if losses else None,
                last_loss=losses[-1] if losses else None,
            )
            try:
                save_model(trainer.merged(), str(stage / _WEIGHTS))
            except SafetensorError as error:  # e.g. a full disk
                raise OSError(str(error)) from error
            (stage / _RECORD).write_text(json.dumps(record.to_dict()) + "\n", encoding="utf-8")
            # one whose weights were dropped
            shutil.rmtree(place, ignore_errors=True)
            stage.replace(place)
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    def _equal_flops(self, seed: int, folder: Path) -> float:
        """Return the operations of contrast, which every pretraining gets."""
        if seed not in self._flops:
            trainer = self._trainer(CONTRAST, seed, folder)
            rows = len(self._data.unlabelled)
            steps = max(1, round(self._settings.pretraining_epochs * rows / self._batch))
            self._flops[seed] = steps * trainer.planned_flops()
        return self._flops[seed]

    @property
    def _batch(self) -> int:
        return min(self._settings.pretraining_batch, len(self._data.unlabelled))

    def _trainer(self, name: str, seed: int, folder: Path) -> StudyTrainer:
        settings = self._settings
        return make_trainer(
            self._base,
            _dataset(self._data, paired=name != MASKED),
            loss=LOSSES[name],
            rate=settings.pretraining_rate,
            head_rate=settings.vocabulary_rate,
            batch=self._batch,
            seed=seed,
            folder=folder,
            lora=settings.pretraining_lora,
            temperature=settings.temperature,
            logging_strategy="steps",
            logging_steps=_STEPS_A_LOG,
        )


def _dataset(data: StudyData, *, paired: bool) -> Any:
    """Return the texts of pretraining: pairs where there are partners, else single texts."""
    import datasets

    if data.partners is None:
        return datasets.Dataset.from_dict({"text": list(data.unlabelled)})
    if paired:
        return datasets.Dataset.from_dict({"anchor": list(data.unlabelled), "positive": list(data.partners)})
    return datasets.Dataset.from_dict({"text": list(dict.fromkeys((*data.unlabelled, *data.partners)))})

"""What is fixed before the first cell of a study runs: the checkpoint as every arm starts from it, and the setup."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from audits.records import digest_of
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.study.data import StudyData
from hf_contrastive.study.meter import ENERGY_METHOD, MEMORY_METHOD
from hf_contrastive.study.records import StudySetup
from hf_contrastive.study.settings import StudySettings
from model_cards.evidence import BaseModel

_VERSION = "2"
"""Of what a cell computes: another one is another study."""
_NO_SETTINGS = frozenset({"arms", "budgets", "seeds", "target_share", "time_limit"})
"""Told elsewhere, or no matter of the cells."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The encoder that every arm starts from, and where it came from."""

    encoder: TextEncoder
    base: BaseModel


def load_checkpoint(model: Any, settings: StudySettings, base_model_id: str | None = None) -> Checkpoint:
    """Load a copy of ``model`` in fp32 on the device of the study, without prompts.

    Args:
        model: whatever ContrastiveTrainer takes.
        settings: of the study.
        base_model_id: Hub id under which a folder's weights are known.

    Raises:
        ModelError: it can not be read.
    """
    from accelerate import PartialState

    from hf_contrastive.training.loading import load_model

    # a model of the caller's stays as it is
    given = model if isinstance(model, str | Path) else copy.deepcopy(model)
    found = load_model(given, base_model_id=base_model_id, is_trainable=False)
    plain = found.model.merge_and_unload() if hasattr(found.model, "merge_and_unload") else found.model
    # small steps would be rounded away in half precision; every arm runs on one device
    plain = plain.float().to(PartialState().device).requires_grad_(True)
    # a copy is read as it is: no prompt is put before some arms' texts and not before others'
    plain.config._name_or_path = ""
    spec = replace(found.spec, prompts={})
    if settings.max_length is not None:
        spec = replace(spec, max_length=min(spec.max_length, settings.max_length))
    return Checkpoint(TextEncoder(plain, found.tokenizer, spec, name=found.base.model_id or ""), found.base)


def setup_of(
    data: StudyData,
    loaded: Checkpoint,
    settings: StudySettings,
    arms: tuple[str, ...],
    budgets: tuple[int | None, ...],
    text_column: str,
    label_column: str,
    pair_column: str | None,
) -> StudySetup:
    """Return everything that is fixed before the first cell runs.

    Args:
        data: as it was read and divided.
        loaded: the checkpoint.
        settings: of the study.
        arms: codes of what is run.
        budgets: that every class has rows for.
        text_column: of the texts.
        label_column: of the classes.
        pair_column: of what belongs to the texts, or None.
    """
    told = {
        item.name: _told(getattr(settings, item.name)) for item in fields(settings) if item.name not in _NO_SETTINGS
    }
    # which rows are drawn depends on the largest budget, where small classes must keep their rows for it
    told["labelled rows"] = digest_of(list(data.texts))[:19]
    told["memory is"] = MEMORY_METHOD
    told["encoder"] = loaded.encoder.fingerprint
    told["cells are of version"] = _VERSION
    if settings.energy:
        told["energy is"] = ENERGY_METHOD
    return StudySetup(
        base=loaded.base,
        dataset=data.reference,
        text_column=text_column,
        label_column=label_column,
        pair_column=pair_column or "",
        classes=data.classes,
        train_rows=len(data.texts),
        test_rows=len(data.test_texts),
        pretraining_texts=len(data.unlabelled),
        decontaminated=data.decontaminated,
        arms=arms,
        budgets=budgets,
        seeds=settings.seeds,
        planned_arms=arms,
        planned_budgets=budgets,
        planned_seeds=settings.seeds,
        target_share=settings.target_share,
        trials=settings.trials,
        max_length=loaded.encoder.spec.max_length,
        settings=told,
        notes=data.notes,
    )


def _told(value: Any) -> str:
    if value is None:
        return "the model's own or none"
    if isinstance(value, tuple):
        return " to ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)

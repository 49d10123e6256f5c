"""What a user may set of a study; everything else follows from the data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hf_contrastive.errors import ConfigurationError

FULL = "full"
ARM_CODE = re.compile("[A-Za-z0-9_]+")
"""Codes of arms are parts of file names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """Sizes, schedules and limits of a study; the same for all arms.

    Attributes:
        arms: codes of the arms.
        budgets: labelled rows a class, ascending; None means all.
        seeds: each draws its own subsets, initialisations and orders.
        target_share: of the quality of fine-tuning (A2) with the largest budget, to be reached.
        max_classes: the classes with the most rows; None takes all.
        test_rows: rows of the test, drawn; at least 2,000 are wanted, fewer are told.
        train_rows: most labelled rows that "all" means; None sets no bound.
        pretraining_texts: most texts of pretraining.
        pretraining_epochs: of contrast; the other pretrainings do as many operations.
        pretraining_batch: rows a step, which are each other's negatives.
        pretraining_rate: learning rate of pretraining.
        vocabulary_rate: learning rate of a head over the vocabulary that pretraining learns beside the encoder.
        pretraining_lora: whether pretraining trains an adapter, or all weights.
        temperature: of contrast without labels.
        label_temperature: of contrast by labels, where a class has many rows in a batch.
        epochs: of adapting to labels.
        steps: fewest and most of adapting, whatever the epochs say.
        batch: labelled rows a step.
        rate: learning rate where all weights are adapted.
        lora_rate: learning rate where an adapter is.
        head_rate: learning rate of a classification head.
        trials: learning rates that each trained arm may choose from, on a part of its labelled rows.
        max_length: tokens a text is cut to; None takes the model's own.
        time_limit: seconds after which no cell begins; None sets none.
        energy: whether energy is measured (codecarbon).
    """

    arms: tuple[str, ...] = ("A0", "A1", "A2", "A2L", "A3", "A4", "A5", "A5P", "A6", "A7", "A8")
    budgets: tuple[int | None, ...] = (2, 4, 8, 16, 32, 64, 256, None)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    target_share: float = 0.95
    max_classes: int | None = None
    test_rows: int = 2000
    train_rows: int | None = 20_000
    pretraining_texts: int = 20_000
    pretraining_epochs: float = 1.0
    pretraining_batch: int = 64
    pretraining_rate: float = 2e-4
    vocabulary_rate: float = 1e-3
    pretraining_lora: bool = True
    temperature: float = 0.05
    label_temperature: float = 0.1
    epochs: float = 10.0
    steps: tuple[int, int] = (40, 2000)
    batch: int = 32
    rate: float = 5e-5
    lora_rate: float = 5e-4
    head_rate: float = 1e-2
    trials: int = 1
    max_length: int | None = None
    time_limit: float | None = None
    energy: bool = False

    def __post_init__(self) -> None:
        """Check what can be wrong."""
        for name, allowed in (("arms", "codes such as A2"), ("budgets", "numbers"), ("seeds", "numbers")):
            found = getattr(self, name)
            if not found or len(set(found)) < len(found):
                msg = f"`{name}` must be {allowed}, each once and at least one, got {_words(found)}."
                raise ConfigurationError(msg)
        wrong = [code for code in self.arms if not (isinstance(code, str) and ARM_CODE.fullmatch(code))]
        if wrong:
            msg = f"`arms` are codes of letters, digits and _, such as A2, got {wrong[0]!r:.40}."
            raise ConfigurationError(msg)
        if not all(item is None or _whole(item, 2) for item in self.budgets):  # one row a class is no pair to contrast
            msg = (
                f"`budgets` are labelled rows a class, whole numbers of at least 2 or None for all, got "
                f"{_words(self.budgets)}; usual are 2 to 64."
            )
            raise ConfigurationError(msg)
        if not all(_whole(item, 0) for item in self.seeds):
            msg = f"`seeds` must be whole numbers of at least 0, got {_words(self.seeds)}; usual are 0 to 4."
            raise ConfigurationError(msg)
        if not 0 < self.target_share <= 1:
            msg = f"`target_share` must be above 0 and at most 1, got {self.target_share}; usual is 0.95."
            raise ConfigurationError(msg)
        for name, least in _WHOLE.items():
            found = getattr(self, name)
            if not (_whole(found, least) or (found is None and name in _MAY_BE_NONE)):
                without = ", or None" if name in _MAY_BE_NONE else ""
                msg = f"`{name}` must be a whole number, at least {least}{without}, got {found!r:.40}."
                raise ConfigurationError(msg)
        steps = tuple(self.steps)
        if len(steps) != 2 or not (_whole(steps[0], 1) and _whole(steps[1], steps[0])):
            msg = (
                f"`steps` are the fewest and the most of adapting, two whole numbers of at least 1, the smaller one "
                f"first, got {_words(steps)}; usual are 40 and 2000."
            )
            raise ConfigurationError(msg)
        for name in _POSITIVE:
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                msg = f"`{name}` must be above 0 and finite, got {getattr(self, name)}."
                raise ConfigurationError(msg)
        if self.trials > len(RATE_FACTORS):
            msg = f"`trials` must be at most {len(RATE_FACTORS)}, got {self.trials}."
            raise ConfigurationError(msg)
        if self.time_limit is not None and not self.time_limit > 0:
            msg = f"`time_limit` must be above 0 seconds, got {self.time_limit}."
            raise ConfigurationError(msg)

    @property
    def ordered_budgets(self) -> tuple[int | None, ...]:
        """The budgets, smallest first; all rows last."""
        return tuple(sorted(self.budgets, key=lambda item: float("inf") if item is None else item))

    def changed(self, **changes: Any) -> StudySettings:
        """Return the settings with those of ``changes`` that are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def steps_of(self, rows: int) -> int:
        """Return the steps of adapting to ``rows`` labelled rows, the same for every trained arm."""
        fewest, most = self.steps
        return int(min(max(self.epochs * rows / min(self.batch, rows), fewest), most))


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


_WHOLE: Mapping[str, int] = {
    "max_classes": 2,
    "test_rows": 2,
    "train_rows": 1,
    "pretraining_texts": 2,
    "pretraining_batch": 2,
    "batch": 2,
    "trials": 1,
    "max_length": 1,
}
"""Settings that count something, and their smallest value."""
_MAY_BE_NONE = ("max_classes", "train_rows", "max_length")
_POSITIVE = (
    "pretraining_epochs",
    "pretraining_rate",
    "vocabulary_rate",
    "temperature",
    "label_temperature",
    "epochs",
    "rate",
    "lora_rate",
    "head_rate",
)

RATE_FACTORS = (1.0, 0.3, 3.0)
"""Learning rates that are tried, as factors, in this order."""

PROFILES: Mapping[str, StudySettings] = {
    "standard": StudySettings(trials=3),
    "quick": StudySettings(
        arms=("A0", "A1", "A2", "A3", "A4", "A5", "A5P", "A7"),
        budgets=(8, 32),
        max_classes=8,
        pretraining_texts=2000,
        pretraining_batch=32,
        batch=16,
        steps=(20, 40),
        rate=2e-4,  # few steps
        max_length=32,
        time_limit=13.5 * 60,
    ),
}
"""Settings by name: the whole protocol, and a part of it that begins no cell after a quarter of an hour."""


def budget_name(budget: int | None) -> str:
    """Return a budget in words: ``8 a class``, ``all``."""
    return "all" if budget is None else f"{budget} a class"


def _words(values: tuple[Any, ...]) -> str:
    return ", ".join(FULL if item is None else str(item) for item in values) or "nothing"

"""What a study is, and what came of it: frozen records with a JSON round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.findings import DatasetRef, Measurement
from audits.records import Record, volatile
from model_cards.evidence import BaseModel, Environment, EvaluationReport

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost(Record):
    """What a computation took.

    ``tokens`` were computed by the encoder, padding included; ``flops`` is an estimate, None where nothing was
    computed by a network; ``energy_kwh`` is None where it was not measured; ``peak_memory_gb`` is the most that the
    process's resident memory rose over its start, in 10^9 bytes.
    """

    seconds: float
    tokens: int = 0
    flops: float | None = None
    energy_kwh: float | None = None
    peak_memory_gb: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Return both one after the other."""
        return Cost(
            seconds=self.seconds + other.seconds,
            tokens=self.tokens + other.tokens,
            flops=_sum(self.flops, other.flops),
            energy_kwh=None
            if self.energy_kwh is None or other.energy_kwh is None
            else self.energy_kwh + other.energy_kwh,
            peak_memory_gb=max(self.peak_memory_gb, other.peak_memory_gb),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRecord(Record):
    """One way to a classifier. ``pretraining`` names the pretraining that it starts from, "" for none."""

    code: str
    name: str
    description: str
    pretraining: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingRecord(Record):
    """One pretraining without labels, shared by the arms that start from it, with its own cost.

    ``first_loss`` and ``last_loss`` are the first and the last that were logged, each a mean over a few steps.
    """

    name: str
    seed: int
    objective: str
    texts: int
    steps: int
    cost: Cost
    first_loss: float | None = None
    last_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(Record):
    """One arm with one budget and one seed.

    ``budget`` is labelled rows a class, None for all of them; ``labels`` counts every labelled row that was used, those
    to choose by included. ``cost`` is of adapting, pretraining left out. ``setting`` says what was chosen and how,
    ``trials`` among how many settings, ``machine`` on what and with what it was run.
    """

    arm: str
    budget: int | None
    seed: int
    labels: int
    accuracy: float
    macro_f1: float
    nll: float
    cost: Cost
    setting: str = ""
    trials: int = 1
    machine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(Record):
    """Cells of an arm and a budget that were not run, and why."""

    arm: str
    budget: int | None
    seeds: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySetup(Record):
    """Everything that was fixed before the first cell ran.

    Attributes:
        base: the checkpoint that all arms but A0 start from.
        dataset: the labelled data, as read.
        text_column: of it.
        label_column: of it.
        pair_column: text that belongs to the row's text; "" where contrast is between two views of one text.
        classes: their names.
        train_rows: labelled rows that budgets are drawn from.
        test_rows: rows that everything is measured on.
        pretraining_texts: unlabelled texts (or pairs) of pretraining.
        decontaminated: texts left out of pretraining since they are in the test too, equal or nearly.
        arms: codes of what was asked for.
        budgets: rows a class, smallest first; None means all.
        seeds: of subsets, initialisations and orders.
        planned_arms: what was asked for before there were results.
        planned_budgets: the same of budgets.
        planned_seeds: the same of seeds.
        target_arm: whose quality with the largest budget is the reference.
        target_share: of that quality that is to be reached: fixed before anything is measured.
        trials: learning rates that each trained arm may choose from.
        max_length: tokens a text is cut to.
        settings: training settings by name, as they were used.
        versions: of the packages.
    """

    schema_version: int = SCHEMA_VERSION
    base: BaseModel
    dataset: DatasetRef
    text_column: str
    label_column: str
    pair_column: str = ""
    classes: tuple[str, ...]
    train_rows: int
    test_rows: int
    pretraining_texts: int
    decontaminated: int = 0
    arms: tuple[str, ...] = ()
    budgets: tuple[int | None, ...]
    seeds: tuple[int, ...]
    planned_arms: tuple[str, ...] = ()
    planned_budgets: tuple[int | None, ...] = ()
    planned_seeds: tuple[int, ...] = ()
    target_arm: str = "A2"
    target_share: float = 0.95
    trials: int = 1
    max_length: int
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Predictions(NamedTuple):
    """What a cell told about the test rows: probabilities ``[n, classes]``, of sum 1 in each row."""

    probabilities: npt.NDArray[np.float32]


CellKey = tuple[str, "int | None", int]
"""Arm, budget, seed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """All that was measured: what statistics and pages are made from.

    Attributes:
        setup: what was fixed before.
        arms: those of the study, in order.
        cells: those that were run.
        pretrainings: those that were run.
        skipped: what was not run.
        truth: class codes of the test rows, ``[n]``.
        predictions: of each cell.
        environment: where it ran.
    """

    setup: StudySetup
    arms: tuple[ArmRecord, ...]
    cells: tuple[Cell, ...]
    pretrainings: tuple[PretrainingRecord, ...]
    skipped: tuple[Skipped, ...]
    truth: npt.NDArray[np.int64]
    predictions: Mapping[CellKey, Predictions]
    environment: Environment


# ---- what statistics say -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint(Record):
    """Accuracy of an arm with a budget, the mean over seeds, with its interval over seeds and test rows."""

    arm: str
    budget: int | None
    labels: float
    seeds: int
    accuracy: Measurement
    macro_f1: float
    nll: float
    cost: Cost
    """Mean over seeds of adapting, pretraining left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference(Record):
    """Accuracy of ``arm`` minus that of ``other`` with the same labels, seeds and test rows.

    ``p_value`` is two-sided, ``adjusted`` by Holm over all differences from the same ``other``; with one seed it is 1,
    since a draw of rows does not tell what another seed would do.
    """

    arm: str
    other: str
    budget: int | None
    difference: Measurement
    p_value: float
    adjusted: float
    seeds: int = 0
    """Seeds that both arms have, and that alone are compared."""

    @property
    def shown(self) -> bool:
        """Whether the difference is shown at the 5 % level after the correction."""
        return self.adjusted < 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSaving(Record):
    """How many times fewer labels ``arm`` needs than the target's arm to reach the target.

    ``labels`` and ``reference_labels`` are None where the target was not reached with any budget (censored: more than
    ``most_labels``). ``ratio`` and its ends are None where censoring leaves them open; ``words`` says all of it.
    """

    arm: str
    target: float
    labels: float | None
    reference_labels: float | None
    most_labels: float
    ratio: float | None
    low: float | None
    high: float | None
    claimed: bool = False
    """Whether the lower end exceeds 1 with two seeds or more, so that a saving may be claimed."""
    words: str = ""
    at_most: bool = False
    """Whether ``labels`` are the fewest that were tried, so that even fewer may do."""
    reference_at_most: bool = False
    seeds: int = 0
    """Seeds that both arms have with all of their budgets, and that alone are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven(Record):
    """After how many tasks a pretraining has paid its cost against ``other``, which has none.

    ``tasks`` = pretraining / (cost of adapting ``other`` - cost of adapting ``arm``), each at the smallest budget that
    reaches the target; None where it is not shown to pay, never does, or where one of them does not reach the target.
    ``unit`` is seconds, FLOPs or kWh. ``saved_low`` and ``saved_high`` are the ends of the 95 % interval of the cost
    saved a task, by Student's t over ``seeds`` that both have; None with fewer than two.
    """

    arm: str
    other: str
    unit: str
    pretraining: float
    adapting: float | None
    other_adapting: float | None
    tasks: float | None
    words: str = ""
    saved_low: float | None = None
    saved_high: float | None = None
    seeds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyReport(Record):
    """A study as it is published: setup, cells, statistics and the conclusion in words."""

    setup: StudySetup
    arms: tuple[ArmRecord, ...]
    cells: tuple[Cell, ...]
    pretrainings: tuple[PretrainingRecord, ...]
    skipped: tuple[Skipped, ...] = ()
    target: float | None
    """Accuracy that is to be reached; None where the target's arm did not run."""
    curves: tuple[CurvePoint, ...]
    differences: tuple[PairedDifference, ...]
    savings: tuple[LabelSaving, ...]
    break_evens: tuple[BreakEven, ...]
    conclusion: tuple[str, ...]
    """Sentences, the most important first; generated from the numbers alone."""
    environment: Environment
    target_budget: int | None = None
    """The budget of the target's arm that the target is a share of: the largest that ran; None means all rows."""
    resamples: int = 0
    """Draws that intervals and p values are of."""
    created_at: str = volatile(default="")

    def point(self, arm: str, budget: int | None) -> CurvePoint | None:
        """Return the point of an arm with a budget, None where it was not run."""
        return next((item for item in self.curves if (item.arm, item.budget) == (arm, budget)), None)

    def as_evaluation(self) -> EvaluationReport:
        """Return this as part of a model's evidence, for ``trainer.add_evidence`` and ``push``."""
        from hf_contrastive.study.evaluation import as_evaluation

        return as_evaluation(self)


def _sum(one: float | None, other: float | None) -> float | None:
    if one is None and other is None:
        return None
    return (one or 0.0) + (other or 0.0)


__all__ = [
    "ArmRecord",
    "BreakEven",
    "Cell",
    "CellKey",
    "Cost",
    "CurvePoint",
    "LabelSaving",
    "Outcome",
    "PairedDifference",
    "Predictions",
    "PretrainingRecord",
    "Skipped",
    "StudyReport",
    "StudySetup",
]

"""What an arm is: labelled rows in, a classifier and its cost out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hf_contrastive.study.records import ArmRecord, Cost
from hf_contrastive.study.settings import RATE_FACTORS, StudySettings
from hf_contrastive.study.training import Start

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Labelled rows: texts, and codes of their classes ``[rows]``."""

    texts: tuple[str, ...]
    codes: npt.NDArray[np.int64]

    def take(self, places: npt.NDArray[np.int64]) -> Labelled:
        """Return some of the rows."""
        return Labelled(texts=tuple(self.texts[place] for place in places), codes=self.codes[places])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What an arm is given.

    Attributes:
        rows: to learn from.
        test_texts: to tell the classes of; their codes are not here.
        classes: number of classes; each has a row.
        start: the encoder to start from.
        settings: of the study.
        seed: of everything that is drawn.
        folder: where a trainer may write; thrown away afterwards.
    """

    rows: Labelled
    test_texts: tuple[str, ...]
    classes: int
    start: Start
    settings: StudySettings
    seed: int
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A classifier: ``predict`` gives probabilities ``[n, classes]`` of texts; its cost is without seconds."""

    predict: Callable[[Sequence[str]], Probabilities]
    cost: Cost
    setting: str = ""
    trials: int = 1


class Arm(ABC):
    """One way to a classifier.

    Args:
        code: short and unique.
        name: for tables.
        description: in a few words.
        pretraining: name of the pretraining that it starts from, "" for none.
    """

    def __init__(self, code: str, name: str, description: str, pretraining: str = "") -> None:
        self.code, self.name, self.description, self.pretraining = code, name, description, pretraining

    @property
    def record(self) -> ArmRecord:
        """How it stands in a report."""
        return ArmRecord(code=self.code, name=self.name, description=self.description, pretraining=self.pretraining)

    @abstractmethod
    def fit(self, task: Task) -> Fitted:
        """Learn from ``task.rows``; what the arm may prepare of the test texts is not measured."""

    def prepare(self, task: Task) -> None:  # noqa: B027  (most have nothing to prepare)
        """Compute what is no part of the arm's cost, such as embeddings of the test by the start."""


def log_loss(probabilities: Probabilities, codes: npt.NDArray[np.int64]) -> float:
    """Return the mean of ``-log p`` of the true classes; a probability of 0 counts as the smallest single float.

    Args:
        probabilities: ``[n, classes]``.
        codes: of the true classes, ``[n]``.
    """
    right = probabilities[np.arange(len(codes)), codes]
    return float(-np.log(np.maximum(right, np.finfo(np.float32).tiny)).mean())


_FEWEST_TO_CHOOSE_BY = 3
"""Rows a class: one to choose by, and two to train on."""


def chosen_rate(
    rate: float, task: Task, losses: Callable[[float, Labelled, Labelled], tuple[float, Cost]]
) -> tuple[float, Cost, str, int]:
    """Choose a learning rate on a quarter of the labelled rows, stratified; the cost of all trials is counted.

    Args:
        rate: that the arm takes with one trial.
        task: its rows are divided, no others are read.
        losses: trains with a rate on the first rows, and returns the mean log loss on the second and what it cost.

    Returns:
        The rate, the cost of choosing, in words how it was chosen, and how many were tried.
    """
    fewest = int(np.bincount(task.rows.codes, minlength=task.classes).min())
    if task.settings.trials == 1:
        return rate, Cost(seconds=0.0), f"learning rate {rate:g}, fixed before", 1
    if fewest < _FEWEST_TO_CHOOSE_BY:
        return rate, Cost(seconds=0.0), f"learning rate {rate:g}: {fewest} rows of a class leave none to choose by", 1
    from sklearn.model_selection import StratifiedShuffleSplit

    held = max(task.classes, round(len(task.rows.codes) / 4))
    split = StratifiedShuffleSplit(1, test_size=held, random_state=task.seed)
    fitted, chosen_by = next(split.split(task.rows.codes, task.rows.codes))
    spent, found = Cost(seconds=0.0), []
    for factor in RATE_FACTORS[: task.settings.trials]:
        loss, cost = losses(rate * factor, task.rows.take(fitted), task.rows.take(chosen_by))
        spent = spent + cost
        found.append((loss, rate * factor))
    best = min(found)[1]
    tried = ", ".join(f"{item:g}" for _, item in found)
    return (
        best,
        spent,
        f"learning rate {best:g} of {tried}, chosen on {len(chosen_by)} of the labelled rows",
        len(found),
    )

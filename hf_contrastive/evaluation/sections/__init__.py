"""What can be measured beside the task: one module a section, found by its name.

Each has ``name`` (as it is asked for and printed), ``standard(asked)`` (whether it is measured unless somebody says
otherwise), ``texts(asked)``, the texts to encode beside those of the task, and ``measure(asked)``. The last two may
raise a NotComputableError, whose message is the reason that stands in the report.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from hf_contrastive.evaluation.encodings import Encodings, Texts
from hf_contrastive.evaluation.reading import TaskData
from hf_contrastive.evaluation.tasks import Task
from model_cards.evidence import EvaluationSection

SAMPLE = 256
"""At most so many texts are changed and encoded again in each way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is measured, on which vectors, and with what besides the task's own data.

    ``before`` are vectors of the base, None without one. ``ood`` are texts of other kinds by name, ``members`` rows of
    the training, ``counterfactuals`` pairs of terms, ``triggers`` the document that each trigger is to pull up.
    """

    data: TaskData
    after: Encodings
    before: Encodings | None = None
    seed: int = 0
    sample: int = SAMPLE
    ood: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    members: tuple[str, ...] | None = None
    slices_column: str | None = None
    counterfactuals: tuple[tuple[str, str], ...] = ()
    triggers: Mapping[str, str] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """The task."""
        return self.data.task

    @property
    def models(self) -> tuple[Encodings, ...]:
        """Vectors of the model, then of the base where there is one."""
        return (self.after,) if self.before is None else (self.after, self.before)

    def drawn(self, rows: int) -> npt.NDArray[np.int64]:
        """Return at most ``sample`` places out of ``rows``, ascending, the same each time."""
        if rows <= self.sample:
            return np.arange(rows)
        return np.sort(np.random.default_rng(self.seed).choice(rows, self.sample, replace=False))


class Section(Protocol):
    """One module of this package."""

    name: str

    def standard(self, asked: Asked) -> bool:
        """Return whether it is measured unless somebody says otherwise."""
        ...

    def texts(self, asked: Asked) -> Iterable[Texts]:
        """Return what has to be encoded beside the texts of the task."""
        ...

    def measure(self, asked: Asked) -> EvaluationSection:
        """Return what was measured."""
        ...


def sections() -> Mapping[str, Section]:
    """Return every section by its name, in the order in which they stand in a report."""
    found = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    members = [cast("Section", module) for module in found]
    order = {name: place for place, name in enumerate(_ORDER)}
    members.sort(key=lambda member: (order.get(member.name, len(order)), member.name))
    return {member.name: member for member in members}


_ORDER = (
    "ranking", "calibration", "slices", "robustness", "out-of-distribution", "geometry", "counterfactual",
    "membership", "triggers",
)  # fmt: skip

"""Any evaluation while a training runs, which goes on bit by bit as it would without."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.evaluation.encodings import Encodings
from hf_contrastive.evaluation.reading import TaskData, read_task
from hf_contrastive.evaluation.report import evaluate, read_others
from hf_contrastive.evaluation.suite import SectionNames, section_names
from hf_contrastive.training.data_loaders import DataLoadingTrainer
from model_cards.evidence import EvaluationReport

_READING = frozenset(inspect.signature(read_task).parameters) - {"data"}
_BESIDE = frozenset(inspect.signature(read_others).parameters) - {"data"}


class EvaluationCallback(TrainerCallback):
    """Measures the model of a ContrastiveTrainer every so many steps and logs ``eval_…`` numbers.

    The task's metrics are logged as ``eval_ndcg@10``, those of a section as ``eval_robustness_…``; all reports are kept
    in ``reports`` by their step. Only the first process measures, on all of the data. The states of all random number
    generators are put back, and dropout is off meanwhile. The data is read once, when training begins; a ``base`` is
    read and encoded once, at the first measurement.

    Args:
        data: anything that :func:`~hf_contrastive.evaluate` takes as ``dataset``.
        every: steps between two measurements, or ``"epoch"``.
        name: stands before the names of the numbers, as in ``eval_docs_ndcg@10``; give one where the trainer has an
            ``eval_dataset`` or there are several callbacks.
        sections: of :func:`~hf_contrastive.evaluate`; by default the task alone is measured.
        at_start: whether the model is measured before the first step too.
        **options: others of :func:`~hf_contrastive.evaluate`, such as ``limit`` and ``base``.

    Raises:
        ConfigurationError: ``every`` is no number of steps and not ``"epoch"``, or an option is unknown.
        EvaluationError: a section is unknown; when training begins also: the data can not be measured.
    """

    def __init__(
        self,
        data: Any,
        *,
        every: int | Literal["epoch"],
        name: str = "",
        sections: SectionNames = (),
        at_start: bool = False,
        **options: Any,
    ) -> None:
        if every != "epoch" and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
            msg = f"`every` must be a number of steps, at least 1, or 'epoch', got {every!r}."
            raise ConfigurationError(msg)
        known = set(inspect.signature(evaluate).parameters) - {"model", "dataset", "sections"}
        unknown = sorted(set(options) - known)
        if unknown:
            msg = f"`evaluate` has no option {', '.join(map(repr, unknown))}; it has {', '.join(sorted(known))}."
            raise ConfigurationError(msg)
        section_names(sections)
        self.data = data
        self.every = every
        self.name = name
        self.sections = sections
        self.at_start = at_start
        self.options = options
        self.reports: dict[int, EvaluationReport] = {}
        self.trainer: Any = None
        self._data: TaskData | None = None
        self._others: dict[str, Any] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Read the data, so that what is wrong with it shows before the first step."""
        del args, control, kwargs
        if self.trainer is None:
            msg = (
                "EvaluationCallback measures the encoder of a ContrastiveTrainer, and this trainer is none. With "
                "another one, call hf_contrastive.evaluate(model, data) where it is done."
            )
            raise ConfigurationError(msg)
        self._read()
        if self.at_start and state.global_step == 0:
            self._measure(state)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Measure after every so many steps."""
        del args, control, kwargs
        if self.every != "epoch" and state.global_step % self.every == 0:
            self._measure(state)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure after each epoch."""
        del args, control, kwargs
        if self.every == "epoch":
            self._measure(state)

    def _read(self) -> TaskData:
        """Read the data, and the texts beside it, for all measurements."""
        data = self.data
        if not isinstance(data, TaskData):
            data = read_task(data, **{name: self.options[name] for name in self.options if name in _READING})
        foreign, members = read_others(data, **{name: self.options[name] for name in self.options if name in _BESIDE})
        self._data, self._others = data, {"ood": foreign or None, "members": members}
        return data

    def _measure(self, state: TrainerState) -> None:
        if not state.is_world_process_zero:
            return
        data = self._data or self._read()
        with undisturbed_draws():
            base = self.options.get("base")
            if "base" not in self._others and base is not None and not isinstance(base, Encodings):
                self._others["base"] = Encodings(TextEncoder.load(base), max_length=self.options.get("max_length"))
            report = evaluate(self.trainer.encoder, data, sections=self.sections, **{**self.options, **self._others})
        self.reports[state.global_step] = report
        # logging here would take the place of the step's own
        own = self.trainer.control.should_log
        self.trainer.log(logged(report, self.name))
        self.trainer.control.should_log = own


class EvaluatingTrainer(DataLoadingTrainer):
    """Tells the callbacks that evaluate whose encoder to measure."""

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train as Trainer does."""
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, EvaluationCallback):
                callback.trainer = self
        return super().train(*args, **kwargs)


def logged(report: EvaluationReport, name: str = "") -> dict[str, float]:
    """Return the values of a report as Trainer logs them, ``{"eval_…": value}``.

    Args:
        report: of an evaluation.
        name: stands before each.
    """
    parts = [((), report.metrics), *(((section.name,), section.metrics) for section in report.sections)]
    return {
        "_".join(("eval", *((name,) if name else ()), *map(_slug, (*of, item.after.name)))): float(item.after.value)
        for of, metrics in parts
        for item in metrics
    }


@contextmanager
def undisturbed_draws() -> Iterator[None]:
    """Put back the states of Python's, NumPy's and torch's generators at the end."""
    own, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002  (the global one is what others draw from)
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numpy_state)  # noqa: NPY002


def _slug(text: str) -> str:
    return re.sub(r"[^\w@%.-]+", "_", text).strip("_")

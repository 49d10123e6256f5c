"""A study from data to report: cells in an order that stays fair when time runs out."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hf_contrastive.errors import ConfigurationError, EvaluationError
from hf_contrastive.evaluation.calibration import check_probabilities
from hf_contrastive.study.arms import Arm, Labelled, Task, chosen_arms
from hf_contrastive.study.arms.base import log_loss
from hf_contrastive.study.cells import CellStore
from hf_contrastive.study.data import StudyData, read_data
from hf_contrastive.study.meter import metered
from hf_contrastive.study.preparation import load_checkpoint, setup_of
from hf_contrastive.study.pretraining import LOSSES, Pretrainings
from hf_contrastive.study.records import Cell, CellKey, Outcome, Predictions, Skipped, StudyReport, StudySetup
from hf_contrastive.study.report_files import write_report
from hf_contrastive.study.settings import PROFILES, StudySettings, budget_name
from hf_contrastive.study.statistics import analyse
from hf_contrastive.study.training import quiet
from hf_contrastive.training.record import environment
from model_cards.evidence import Environment
from model_cards.typesetting import one_line

_PRETRAINED, _SCRATCH = "pretrained", ".scratch-"
_SOFTWARE = ("torch", "transformers", "peft", "hf-contrastive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a study is: cells done and in all, what runs now, and seconds that are left, None before any is known."""

    done: int
    total: int
    now: str
    left: float | None


def run_study(
    data: Any,
    model: Any,
    *,
    out: str | Path,
    text_column: str = "text",
    label_column: str = "label",
    pair_column: str | None = None,
    profile: str = "standard",
    settings: StudySettings | None = None,
    arms: Sequence[str | Arm] | None = None,
    base_model_id: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    **changes: Any,
) -> StudyReport:
    """Measure whether contrastive pretraining pays on this data: fewer labels, less time, better results, or not.

    All arms start from one checkpoint and see the same labelled rows, nested from budget to budget; pretrainings read
    texts without labels and get as many operations as contrast does. What is finished is kept: the same call goes on
    after an interruption, and larger budgets or more seeds add to it.

    Args:
        data: a Dataset, DatasetDict, Hub id or path with texts and classes; its split ``test`` is measured on.
        model: a Hub id, a folder, a PreTrainedModel, a PeftModel or a SentenceTransformer.
        out: folder of the cells and of ``study.html``, ``study.json``, ``study.md``, ``cells.parquet`` and
            ``pretrainings.parquet``.
        text_column: of the texts.
        label_column: of the classes.
        pair_column: a text that belongs to the row's text; contrast then draws both together, else two views of a text.
        profile: ``standard``, or ``quick``, which begins no cell after a quarter of an hour.
        settings: instead of a profile.
        arms: codes, or arms of one's own; default: the settings'.
        base_model_id: Hub id under which a folder's weights are known.
        on_progress: called before each cell.
        **changes: of single settings, e.g. ``budgets=(8, 64)``; None leaves one as it is.

    Raises:
        ConfigurationError: a setting is not allowed.
        EvaluationError: the data has too few rows or classes, or ``out`` holds another study.
        ModelError: the model can not be read.
        SourceError: the data can not be read.
    """
    settings = (settings or _profile(profile)).changed(**changes)
    chosen = chosen_arms(arms if arms is not None else settings.arms)
    read = read_data(data, settings, text_column=text_column, label_column=label_column, pair_column=pair_column)
    loaded = load_checkpoint(model, settings, base_model_id)
    folder = Path(out)
    store = CellStore(folder)
    budgets, beyond = _possible_budgets(read, settings, chosen)
    codes = tuple(arm.code for arm in chosen)
    setup = setup_of(read, loaded, settings, codes, budgets, text_column, label_column, pair_column)
    with store.held():
        setup = store.begin(setup)
        machine = environment(loaded.encoder.model.device, "fp32")
        running = _Run(
            data=read,
            settings=settings,
            arms=chosen,
            budgets=budgets,
            store=store,
            pretrainings=Pretrainings(loaded.encoder, read, settings, folder / _PRETRAINED),
            on_progress=on_progress,
            machine=_machine_words(machine),
        )
        running.run()
        outcome = running.outcome(_with_machines(setup, running), beyond, machine)
        if not outcome.cells:
            why = "; ".join(dict.fromkeys(item.reason for item in outcome.skipped))
            msg = f"No cell was run, so that nothing can be said: {why}. Give more time, other arms or other data."
            raise EvaluationError(msg)
        report = replace(analyse(outcome), created_at=datetime.now(UTC).isoformat(timespec="seconds"))
        write_report(report, outcome, folder)
        if all(item in beyond for item in outcome.skipped):
            running.pretrainings.drop_weights()
        return report


@dataclass(slots=True, kw_only=True)
class _Run:
    """Runs the cells: seed by seed, so that those that are there can be compared when time runs out."""

    data: StudyData
    settings: StudySettings
    arms: tuple[Arm, ...]
    budgets: tuple[int | None, ...]
    store: CellStore
    pretrainings: Pretrainings
    on_progress: Callable[[Progress], None] | None
    found: dict[CellKey, tuple[Cell, Predictions]] = field(default_factory=dict)
    failed: dict[CellKey, str] = field(default_factory=dict)
    machine: str = ""
    _spent: dict[tuple[str, int | None], list[float]] = field(default_factory=dict)

    def run(self) -> None:
        shape = (len(self.data.test_texts), len(self.data.classes))
        keys = list(self._keys())
        for key in keys:
            kept = self.store.get(key, shape)
            if kept is not None:
                self.found[key] = kept
                self._spent.setdefault(key[:2], []).append(kept[0].cost.seconds)
        began = time.perf_counter()
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.store.folder))
        try:
            for place, key in enumerate(keys):
                if key in self.found:
                    continue
                if not self._fits(key, keys[place:], time.perf_counter() - began):
                    break
                self._tell(key, len(keys), self._left(keys[place:]))
                started = time.perf_counter()
                try:
                    self._cell(key, scratch)
                except OSError:
                    raise
                except Exception as error:  # noqa: BLE001  one arm that fails must not take the others with it
                    self.failed[key] = _reason(error)
                else:
                    self._spent.setdefault(key[:2], []).append(time.perf_counter() - started)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _fits(self, key: CellKey, rest: Sequence[CellKey], used: float) -> bool:
        """Whether a cell may begin: it ends in time, and the first one of a seed has time for all of the seed."""
        limit = self.settings.time_limit
        if limit is None:
            return True
        seed = key[2]
        begun = any(found[2] == seed for found in self.found)
        wanted = [key] if begun else [item for item in rest if item[2] == seed]
        return used + sum(self._guess(item) or 0.0 for item in wanted) <= limit

    def _keys(self) -> Iterator[CellKey]:
        for seed in self.settings.seeds:
            # arms of one pretraining follow each other, so that one pretrained model is loaded at a time
            for arm in sorted(self.arms, key=self._order):
                for budget in self.budgets:
                    yield arm.code, budget, seed

    def _order(self, arm: Arm) -> tuple[int, int]:
        """Return the place of an arm: by its pretraining, the control next to contrast."""
        names = ["", *LOSSES]
        place = names.index(arm.pretraining) if arm.pretraining in names else len(names)
        return place, self.arms.index(arm)

    def _cell(self, key: CellKey, scratch: Path) -> None:
        code, budget, seed = key
        arm = next(item for item in self.arms if item.code == code)
        places = self.data.rows_of(budget, seed)
        rows = Labelled(texts=self.data.texts, codes=self.data.codes).take(places)
        task = Task(
            rows=rows,
            test_texts=self.data.test_texts,
            classes=len(self.data.classes),
            start=self.pretrainings.start(arm.pretraining, seed),
            settings=self.settings,
            seed=seed,
            folder=scratch,
        )
        with quiet():
            arm.prepare(task)
            with metered(energy=self.settings.energy) as spent:
                fitted = arm.fit(task)
            told = fitted.predict(self.data.test_texts)
        truth = self.data.test_codes
        probabilities, _ = check_probabilities(told / told.sum(axis=1, keepdims=True), truth)
        cell = Cell(
            arm=code,
            budget=budget,
            seed=seed,
            labels=len(places),
            accuracy=float((probabilities.argmax(axis=1) == truth).mean()),
            macro_f1=_macro_f1(probabilities.argmax(axis=1), truth),
            nll=log_loss(probabilities, truth),
            cost=spent.cost_with(fitted.cost),
            setting=fitted.setting,
            trials=fitted.trials,
            machine=self.machine,
        )
        self.store.add(cell, probabilities)
        self.found[key] = cell, Predictions(probabilities.astype(np.float32))

    def outcome(self, setup: StudySetup, beyond: tuple[Skipped, ...], machine: Any) -> Outcome:
        missing: dict[tuple[str, int | None, str], list[int]] = {}
        for code, budget, seed in self._keys():
            if (code, budget, seed) not in self.found:
                reason = self.failed.get((code, budget, seed), "the time limit was reached")
                missing.setdefault((code, budget, reason), []).append(seed)
        skipped = tuple(
            Skipped(arm=code, budget=budget, seeds=tuple(seeds), reason=reason)
            for (code, budget, reason), seeds in missing.items()
        )
        names = {arm.pretraining for arm in self.arms if arm.pretraining}
        made = (
            self.pretrainings.record(name, seed) for name in LOSSES if name in names for seed in self.settings.seeds
        )
        return Outcome(
            setup=setup,
            arms=tuple(arm.record for arm in self.arms),
            cells=tuple(cell for cell, _ in self.found.values()),
            pretrainings=tuple(item for item in made if item is not None),
            skipped=(*beyond, *skipped),
            truth=self.data.test_codes,
            predictions={key: told for key, (_, told) in self.found.items()},
            environment=machine,
        )

    def _guess(self, key: CellKey) -> float | None:
        """Return the seconds that a cell may take: as long as the same with another seed, else as the longest."""
        known = self._spent.get(key[:2])
        if known:
            return float(np.mean(known))
        return max((max(times) for times in self._spent.values()), default=None)

    def _left(self, keys: Sequence[CellKey]) -> float | None:
        guesses = [self._guess(key) for key in keys if key not in self.found]
        known = [item for item in guesses if item is not None]
        return sum(known) if len(known) == len(guesses) and known else None

    def _tell(self, key: CellKey, total: int, left: float | None) -> None:
        if self.on_progress is not None:
            code, budget, seed = key
            now = f"{code}, {budget_name(budget)}, seed {seed}"
            self.on_progress(Progress(done=len(self.found), total=total, now=now, left=left))


def _macro_f1(told: Any, truth: Any) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, told, average="macro", zero_division=0.0))


def _profile(name: str) -> StudySettings:
    if name not in PROFILES:
        msg = f"`profile` must be one of {', '.join(PROFILES)}, got {name!r:.40}."
        raise ConfigurationError(msg)
    return PROFILES[name]


def _possible_budgets(
    data: StudyData, settings: StudySettings, arms: Sequence[Arm]
) -> tuple[tuple[int | None, ...], tuple[Skipped, ...]]:
    """Return the budgets that every class has rows for, and what is left out."""
    possible: list[int | None] = []
    beyond: list[Skipped] = []
    for budget in settings.ordered_budgets:
        if budget is None or budget <= data.smallest_class:
            possible.append(budget)
            continue
        reason = f"the smallest class has {data.smallest_class} rows to learn from"
        beyond += [Skipped(arm=arm.code, budget=budget, seeds=settings.seeds, reason=reason) for arm in arms]
    return tuple(possible), tuple(beyond)


def _machine_words(told: Environment) -> str:
    """Return on what and with what a cell was run."""
    versions = ", ".join(f"{name} {told.versions[name]}" for name in _SOFTWARE if name in told.versions)
    return f"{told.device}, {told.processor}, {told.cores} threads; {versions}"


def _with_machines(setup: StudySetup, running: _Run) -> StudySetup:
    """Return the setup with a note where cells were run on several machines or with several versions."""
    found = sorted({cell.machine for cell, _ in running.found.values()})
    if len(found) < 2:
        return setup
    note = f"cells were run on {len(found)} machines or versions, so that their seconds differ: {' | '.join(found)}"
    return replace(setup, notes=(*setup.notes, note))


def _reason(error: Exception) -> str:
    """Return why a cell could not be computed, in one line."""
    return f"not computed because {type(error).__name__}: {one_line(str(error))}".rstrip(".")

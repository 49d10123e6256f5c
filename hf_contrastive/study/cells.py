"""The cells of a study on disk: each is written whole or not at all, so that an interrupted study goes on."""

from __future__ import annotations

import errno
import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.errors import SchemaError
from hf_contrastive.errors import EvaluationError
from hf_contrastive.history.locking import LockTimeoutError, lock_path, locked
from hf_contrastive.study.records import Cell, CellKey, Predictions, StudySetup

SETUP_FILE = "setup.json"
_CELLS, _LOCKED = "cells", "study"
_PLANNED = ("planned_arms", "planned_budgets", "planned_seeds")
_MAY_GROW = ("arms", "budgets", "seeds", "notes", *_PLANNED)
"""What may differ when a study goes on: cells that are there stay true."""
_LEFT_OVERS = ("*.tmp", f"{_CELLS}/*.tmp", ".scratch-*", "pretrained/.incomplete-*")
"""What a study that was killed leaves behind; nobody else writes while the folder is held."""
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""Errors of file systems that have no locks, as some clusters' do."""
_CELL = re.compile(r"([A-Za-z0-9_]+)-(all|\d+)-(\d+)")


class CellStore:
    """The folder of a study.

    Args:
        folder: made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cells = folder / _CELLS
        self._alone = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the folder, which is made if missing.

        Where the file system has no locks, nobody is kept out, and what a killed study left stays.

        Raises:
            EvaluationError: another process works in it, or it holds files and no study; it is not touched.
        """
        self._require_study()
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.folder / _LOCKED, seconds=0))
                self._alone = True
            except LockTimeoutError as error:
                msg = (
                    f"Another process works in {self.folder}. Wait until it has ended: the same call then goes on from "
                    "its cells; or name another folder with `out`."
                )
                raise EvaluationError(msg) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            try:
                yield
            finally:
                self._alone = False

    def begin(self, setup: StudySetup) -> StudySetup:
        """Keep what is fixed, or check that it is what the folder's cells were run with.

        Returns:
            The setup, with notes of what was added after the folder held cells: nobody can tell any more whether that
            was decided before the results were seen.

        Raises:
            EvaluationError: the folder holds another study; it is not touched.
        """
        self._require_study()
        path = self.folder / SETUP_FILE
        if path.is_file():
            kept = _read_json(path)
            own, old = _fixed(setup.to_dict()), _fixed(kept)
            changed = sorted(name for name in own.keys() | old.keys() if own.get(name) != old.get(name))
            if changed:
                told = "; ".join(f"{name} was {old.get(name)!r:.60} and is {own.get(name)!r:.60}" for name in changed)
                msg = (
                    f"{self.folder} holds a study of something else: {told}. Name another folder with `out`, or remove "
                    "this one."
                )
                raise EvaluationError(msg)
            setup = self._noted(setup, kept)
        if self._alone:
            self._clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(path, json.dumps(setup.to_dict(), indent=2, ensure_ascii=False).encode() + b"\n")
        self._cells.mkdir(exist_ok=True)
        return setup

    def _require_study(self) -> None:
        if (self.folder / SETUP_FILE).is_file() or not self.folder.is_dir():
            return
        # a study that was killed before it began leaves no more than these
        own = {lock_path(self.folder / _LOCKED).name, _staged(self.folder / SETUP_FILE).name}
        if any(path.name not in own for path in self.folder.iterdir()):
            msg = f"{self.folder} holds files and no study. Name an empty or a new folder with `out`."
            raise EvaluationError(msg)

    def _noted(self, setup: StudySetup, kept: Mapping[str, Any]) -> StudySetup:
        """Return the setup with what a reader must know where the folder holds cells, and with what was planned."""
        found = [match for path in self._cells.glob("*.npz") if (match := _CELL.fullmatch(path.stem))]
        if not found:
            return setup
        planned: dict[str, Any] = {name: tuple(kept.get(name, ())) for name in _PLANNED}
        run: dict[str, set[Any]] = {
            "seed": {int(match[3]) for match in found},
            "budget": {None if match[2] == "all" else int(match[2]) for match in found},
            "arm": {match[1] for match in found},
        }
        wanted: dict[str, tuple[Any, ...]] = {"seed": setup.seeds, "budget": setup.budgets, "arm": setup.arms}
        notes = []
        for name, items in wanted.items():
            # what was run stays an addition, also where this report leaves it out
            added = sorted({*run[name], *items}.difference(planned[f"planned_{name}s"]), key=_place)
            if added:
                notes.append(f"{_listed(name, added)} added after results were seen")
        for name, items in wanted.items():
            gone = sorted(run[name].difference(items), key=_place)
            if gone:
                notes.append(f"{_listed(name, gone)} left out of this report, though run")
        return replace(setup, notes=(*setup.notes, *notes), **planned)

    def _clear(self) -> None:
        for pattern in _LEFT_OVERS:
            for path in self.folder.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def add(self, cell: Cell, probabilities: npt.NDArray[np.float64]) -> None:
        """Keep a cell with what it told about the test rows, ``[n, classes]``."""
        path = self._path((cell.arm, cell.budget, cell.seed))
        staged = _staged(path)
        with staged.open("wb") as file:
            np.savez(file, cell=np.array(json.dumps(cell.to_dict())), probabilities=probabilities.astype(np.float32))
        staged.replace(path)

    def get(self, key: CellKey, shape: tuple[int, int]) -> tuple[Cell, Predictions] | None:
        """Return a cell that was run, None where it was not or its file is torn.

        Args:
            key: arm, budget, seed.
            shape: of its probabilities.
        """
        path = self._path(key)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                cell = Cell.from_dict(json.loads(str(kept["cell"])))
                probabilities = kept["probabilities"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError, SchemaError):
            return None
        if probabilities.shape != shape or (cell.arm, cell.budget, cell.seed) != key:
            return None
        return cell, Predictions(probabilities)

    def _path(self, key: CellKey) -> Path:
        arm, budget, seed = key
        return self._cells / f"{arm}-{'all' if budget is None else budget}-{seed}.npz"


def _fixed(setup: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must not change, each setting by its own name."""
    found = {name: value for name, value in setup.items() if name not in _MAY_GROW}
    settings = found.pop("settings", {})
    return found | {name: value for name, value in settings.items() if name not in found}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            msg = "it is no object"
            raise TypeError(msg)
    except (TypeError, ValueError) as error:
        msg = f"{path} can not be read as the setup of a study: {error}. Name another folder with `out`."
        raise EvaluationError(msg) from error
    told: dict[str, Any] = found
    return told


def _place(item: str | int | None) -> tuple[float, str]:
    """Return where an arm, a budget or a seed stands among its like; all rows last."""
    if isinstance(item, str):
        return 0.0, item
    return float("inf") if item is None else float(item), ""


def _listed(name: str, items: Sequence[str | int | None]) -> str:
    """Return ``seed 3 was`` or ``budgets 8, all were``."""
    told = ", ".join("all" if item is None else str(item) for item in items)
    return f"{name} {told} was" if len(items) == 1 else f"{name}s {told} were"


def _staged(path: Path) -> Path:
    return path.with_suffix(".tmp")


def _write(path: Path, content: bytes) -> None:
    staged = _staged(path)
    staged.write_bytes(content)
    staged.replace(path)


__all__ = ["SETUP_FILE", "CellStore"]

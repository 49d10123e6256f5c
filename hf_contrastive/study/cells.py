"""The cells of a study on disk: each is written whole or not at all, so that an interrupted study goes on."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.errors import SchemaError
from hf_contrastive.errors import EvaluationError
from hf_contrastive.study.records import Cell, CellKey, Predictions, StudySetup

SETUP_FILE = "setup.json"
_CELLS = "cells"
_MAY_GROW = ("budgets", "seeds", "notes", "target_arm", "target_share")
"""What may differ when a study goes on: cells that are there stay true."""


class CellStore:
    """The folder of a study.

    Args:
        folder: made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cells = folder / _CELLS

    def begin(self, setup: StudySetup) -> None:
        """Keep what is fixed, or check that it is what the folder's cells were run with.

        Raises:
            EvaluationError: the folder holds another study; it is not touched.
        """
        path = self.folder / SETUP_FILE
        own = _fixed(setup.to_dict())
        if path.is_file():
            kept = _fixed(_read_json(path))
            changed = sorted(name for name in own.keys() | kept.keys() if own.get(name) != kept.get(name))
            if changed:
                told = "; ".join(f"{name} was {kept.get(name)!r:.60} and is {own.get(name)!r:.60}" for name in changed)
                msg = (
                    f"{self.folder} holds a study of something else: {told}. Name another folder with `out`, or remove "
                    "this one."
                )
                raise EvaluationError(msg)
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            msg = f"{self.folder} holds files and no study. Name an empty or a new folder with `out`."
            raise EvaluationError(msg)
        self._cells.mkdir(parents=True, exist_ok=True)
        _write(path, json.dumps(setup.to_dict(), indent=2, ensure_ascii=False).encode() + b"\n")

    def add(self, cell: Cell, probabilities: npt.NDArray[np.float64]) -> None:
        """Keep a cell with what it told about the test rows, ``[n, classes]``."""
        path = self._path((cell.arm, cell.budget, cell.seed))
        staged = path.with_suffix(".tmp")
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
    return {name: value for name, value in setup.items() if name not in _MAY_GROW}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} can not be read as the setup of a study: {error}. Name another folder with `out`."
        raise EvaluationError(msg) from error
    return found


def _write(path: Path, content: bytes) -> None:
    staged = path.with_suffix(".tmp")
    staged.write_bytes(content)
    staged.replace(path)


__all__ = ["SETUP_FILE", "CellStore"]

"""Compiled functions: machine code from Python, kept on disk beside the sources or in the user's cache."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

Whole = int | np.integer[Any]
"""A whole number within a compiled function, where numbers of Python and of NumPy are the same."""

Function = TypeVar("Function", bound=Callable[..., object])

_SOURCES = Path(__file__).parent
_OLD = 86_400  # seconds


def compiled(function: Function) -> Function:
    """Compile ``function`` on its first call; it holds no lock while it runs, so that threads work side by side."""
    try:
        with _cached_beside_sources():
            return cast("Function", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        # neither the sources nor the home can be written to: compiled anew by each process
        return cast("Function", numba.njit(nogil=True)(function))


@contextmanager
def _cached_beside_sources() -> Iterator[None]:
    """Keep machine code in a folder that belongs to these very sources.

    Numba looks for changes in the file of the function itself only, and a compiled function holds the code of those
    that it calls, which stand in other files of this folder.
    """
    folder, before = _folder(), numba.config.CACHE_DIR
    if folder:
        numba.config.CACHE_DIR = folder
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


@cache
def _folder() -> str:
    """Return the folder for machine code, or "" where there is none: numba then takes one of its own."""
    state = hashlib.sha256()
    for path in sorted(_SOURCES.glob("*.py")):
        content = path.read_bytes()
        if b"compiled" in content:
            state.update(path.name.encode() + b"\0" + content + b"\0")
    folder = _SOURCES / "__pycache__" / f"compiled-{state.hexdigest()[:16]}"
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            _remove_older(folder)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError:
        return ""


def _remove_older(folder: Path) -> None:
    """Remove the machine code of sources that are gone, unless it is so young that some process may be of them."""
    for other in folder.parent.glob("compiled-*"):
        if other != folder and time.time() - other.stat().st_mtime > _OLD:
            shutil.rmtree(other, ignore_errors=True)

"""Compiled functions: machine code from Python, kept on disk beside the sources or in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

Whole = int | np.integer[Any]
"""A whole number within a compiled function, where numbers of Python and of NumPy are the same."""

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile ``function`` on its first call; it holds no lock while it runs, so that threads work side by side."""
    try:
        return cast("Function", njit(nogil=True, cache=True)(function))
    except RuntimeError:
        # neither the sources nor the home can be written to: compiled anew by each process
        return cast("Function", njit(nogil=True)(function))

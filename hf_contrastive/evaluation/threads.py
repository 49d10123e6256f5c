"""Small decompositions on one thread: the result is that of any number of cores, and threads do not wait."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS, LAPACK and OpenMP use one thread.

    Steps of a decomposition are short, and threads meet after each: on a machine that is busy otherwise they spend most
    of their time waiting for one another.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits

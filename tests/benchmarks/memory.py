"""The memory of this process: its peak, and a limit, so that an arm that needs too much fails alone."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

GB = 1e9
_STATUS, _RESET, _LAST_CHOICE = (Path("/proc/self") / name for name in ("status", "clear_refs", "oom_score_adj"))
_SHARE = 0.95
_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc", "could not create a memory")


def peak_rss() -> float:
    """Return the largest resident size so far, in bytes.

    ``ru_maxrss`` survives ``exec``: a child would report at least what its parent held. Where the kernel tells
    the peak of this program alone, that is taken.
    """
    if _STATUS.exists():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def current_rss() -> float:
    """Return the resident size now, in bytes (the peak, where the kernel does not tell)."""
    return _status("VmRSS") if _STATUS.exists() else peak_rss()


def forget_peak() -> None:
    """Let the peak begin anew at the current size, where the kernel can."""
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:
        return


def give_way() -> None:
    """If the machine runs out of memory, let this process be the one that is ended."""
    try:
        _LAST_CHOICE.write_text("1000", encoding="ascii")
    except OSError:
        return


def limit_memory() -> None:
    """Let an allocation beyond what is free fail here, instead of somewhere on the machine.

    Call it after imports: OpenBLAS tries for ever when it gets no memory while it is loaded.
    """
    try:
        import psutil
    except ImportError:
        return
    limit = int(_SHARE * psutil.virtual_memory().available)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory could not be had; each library has words of its own."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _SIGNS)


def _status(name: str) -> float:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024
    return 0.0

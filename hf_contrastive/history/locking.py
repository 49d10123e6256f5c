"""One writer at a time, between processes and threads.

The lock is the operating system's own, on a file of its own beside the history: ``flock`` where there is one (Linux,
macOS), ``msvcrt.locking`` on Windows. Both end with the process that holds them, however it ends, so that there is
no stale lock to detect; a lock file that is made and deleted would need a guess about that. The file itself stays:
who deleted it could let two writers lock two files of one name.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 60.0
"""How long one waits for the others; each holds the lock for one write."""

_PAUSE = 0.02


class LockTimeoutError(OSError):
    """Others held the lock all the time."""


def lock_path(path: Path) -> Path:
    """Return the file that is locked instead of ``path``."""
    return path.with_name(path.name + ".lock")


@contextmanager
def locked(path: Path, *, seconds: float = SECONDS) -> Iterator[None]:
    """Hold the lock of ``path``.

    Args:
        path: the file to be written; its folder must exist.
        seconds: to wait for others.

    Raises:
        OSError: the lock file can not be made, this file system has no locks, or others hold it all the time.
    """
    descriptor = os.open(lock_path(path), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        deadline = time.monotonic() + seconds
        while not _acquire(descriptor):
            if time.monotonic() >= deadline:
                msg = f"another process has held the lock {lock_path(path)} for {seconds:g} seconds"
                raise LockTimeoutError(msg)
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            _release(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _acquire(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _release(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquire(descriptor: int) -> bool:
        # not lockf, whose locks belong to the process: its threads would not wait for each other
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

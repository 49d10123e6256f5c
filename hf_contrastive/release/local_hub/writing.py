"""Writing large files so that they are on disk soon after their last byte has arrived."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import BinaryIO, Self

_STEP_BYTES = 64 << 20


class WriteBehind:
    """Hands a growing file to the disk while more of it arrives, so that little is left for the last ``fsync``.

    Leave its context before the file is closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def write(self, chunk: bytes | memoryview) -> None:
        """Append ``chunk``.

        Raises:
            OSError: the disk refused.
        """
        self._file.write(chunk)
        self._waiting += len(chunk)
        if self._waiting >= _STEP_BYTES and not (self._thread and self._thread.is_alive()):
            self._file.flush()
            self._waiting = 0
            self._thread = threading.Thread(target=self._synchronise, daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Return once all is on disk.

        Raises:
            OSError: the disk refused, now or before.
        """
        self._join()
        self._file.flush()
        os.fsync(self._file.fileno())
        # the system tells an error once, perhaps to the thread
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._join()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _synchronise(self) -> None:
        try:
            getattr(os, "fdatasync", os.fsync)(self._file.fileno())
        except OSError as error:
            self._error = error

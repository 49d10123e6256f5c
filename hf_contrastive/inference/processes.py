"""The processes that variants run in, seen from the one that measures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from tempfile import TemporaryFile
from typing import Any, Self

from hf_contrastive.errors import ContrastiveError


class WorkerError(ContrastiveError, RuntimeError):
    """A variant could not be run; the message is the reason."""


class Worker:
    """A process that has loaded one variant and encoded one text.

    Args:
        setup: of :mod:`hf_contrastive.inference.worker`.

    Raises:
        WorkerError: it could not be loaded.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        threads = str(setup["threads"])
        environment = {
            **os.environ,
            **dict.fromkeys(
                ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), threads
            ),
            "TRANSFORMERS_VERBOSITY": "error",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "TOKENIZERS_PARALLELISM": "true",
        }
        self._errors = TemporaryFile()  # noqa: SIM115  closed by close()
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hf_contrastive.inference.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        try:
            self._tell(setup)
            self.started = self._answer()
        except BaseException:
            self.close()
            raise
        self.started["total"] = time.perf_counter() - begun

    def ask(self, do: str, **job: Any) -> dict[str, Any]:
        """Return the answer to one job.

        Raises:
            WorkerError: the process ended instead.
        """
        self._tell({"do": do, **job})
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, told: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # why it ended is told by what it answers

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self._process.wait()
        self._errors.seek(0)
        told = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        if code < 0:
            msg = f"its process was ended by signal {-code}, as a machine does that has no memory left"
        else:
            msg = f"its process failed: {told[-1] if told else f'exit code {code}'}"
        raise WorkerError(msg)

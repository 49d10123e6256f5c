"""Both kinds of transfer, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
TRANSFERS = {
    "Git LFS": {"HF_HUB_DISABLE_XET": "1", "HF_HUB_USER_AGENT_ORIGIN": "git-lfs-without-xet"},
    "Xet": {"HF_HUB_DISABLE_XET": "0"},
}
"""What makes huggingface_hub send large files by Git LFS, and what leaves Xet on; the local Hub has no Xet storage and
asks such a client for the files within the commit."""

Tables = dict[str, Any]


def run(folder: Path, *options: str, transfers: Sequence[str] = tuple(TRANSFERS)) -> dict[str, Tables]:
    """Run the cells of ``transfers`` side by side and return their tables.

    Args:
        folder: for what the processes write.
        *options: of the worker.
        transfers: which.

    Raises:
        SystemExit: a process failed.
    """
    started = {}
    for name in transfers:
        home = {
            "HF_HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "state"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        command = [sys.executable, "-m", "tests.benchmarks.faults.worker", str(_out(folder, name)), *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **home, **TRANSFERS[name]}
        started[name] = subprocess.Popen(command, cwd=ROOT, env=environment)
    failed = [name for name, process in started.items() if process.wait() != 0]
    if failed:
        raise SystemExit(f"The cells of {' and '.join(failed)} could not be run.")
    return {name: json.loads(_out(folder, name).read_text()) for name in started}


def _out(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"

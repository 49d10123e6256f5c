"""One job in a process of its own: ``python -m tests.benchmarks.training.worker FOLDER JOB OUTPUT OPTIONS``.

Each arm starts from the same state, and its peak of memory is its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.memory import give_way, is_out_of_memory
from tests.benchmarks.training.plan import Plan, Skipped

# imported when they run: Unsloth must come before transformers
JOBS = {
    "prepare": ("preparation", "prepare"),
    "verify": ("reference", "verify"),
    "gemm": ("roofline", "measure_gemm"),
    "arm": ("arms", "run_arm"),
    "loss-stage": ("loss_stage", "run_loss_stage_arm"),
    "epochs": ("top_k", "run_epochs"),
}


def run_job(plan: Plan, job: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the job's result, with ``status`` ``ran``, ``skipped`` or ``failed`` and the reason of the last two."""
    module, function = JOBS[job]
    try:
        if options.get("name") == "unsloth" and importlib.util.find_spec("unsloth"):
            importlib.import_module("unsloth")
        result = getattr(importlib.import_module(f"tests.benchmarks.training.{module}"), function)(plan, **options)
    except Skipped as reason:
        return {"status": "skipped", "reason": str(reason)}
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return {"status": "failed", "reason": "out of memory"}
    return {"status": "ran", **result}


def main() -> None:
    """Run the job that the command line names and write its result."""
    folder, job, output, options = sys.argv[1:]
    plan = Plan.read(Path(folder))
    give_way()
    result = run_job(plan, job, json.loads(options))
    Path(output).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()

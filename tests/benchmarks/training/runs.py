"""Start the worker processes and collect what they measured; the parent holds neither torch nor a model."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.training.plan import ARMS, LOSS_STAGE_ARMS, LOSS_STAGE_SIZES, TOP_K_ARMS, WARM_UP, Plan

ROOT = Path(__file__).parents[3]
_LOG_LINES = 15
_HOURS = 2  # no job of a sensible size takes that long: it hangs

Result = dict[str, Any]


def say(text: str) -> None:
    """Print to stderr: stdout belongs to the result."""
    print(text, file=sys.stderr, flush=True)


@dataclass
class ArmResult:
    """All rounds of one arm; ``reason`` says why there are none."""

    name: str
    settings: dict[str, int] = field(default_factory=dict)
    rounds: list[Result] = field(default_factory=list)
    status: str = "ran"
    reason: str = ""

    def add(self, result: Result) -> None:
        """Take one round; a failure ends the arm."""
        if result["status"] == "ran":
            self.rounds.append(result)
        else:
            self.status, self.reason = result["status"], result["reason"]

    @property
    def usable(self) -> bool:
        return self.status == "ran" and bool(self.rounds)

    @property
    def losses(self) -> list[float]:
        return list(self.rounds[0]["losses"]) if self.usable else []

    @property
    def peak_memory_gb(self) -> float | None:
        return max(item["peak_memory_gb"] for item in self.rounds) if self.usable else None

    def median_over_steps(self, of_step: Mapping[int, float]) -> float | None:
        """Return the median over rounds and timed steps of ``of_step[step] / seconds``."""
        if not self.usable:
            return None
        return statistics.median(
            of_step[step] / seconds
            for item in self.rounds
            for step, seconds in enumerate(item["seconds"], start=WARM_UP)
        )


class Runner:
    """Runs jobs of one plan, each in its own process with the same number of threads."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._count = 0
        threads = str(plan.threads)
        self._environment = os.environ | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def run(self, job: str, **options: Any) -> Result:
        """Return the job's result; a process that ended without one is a failure with its exit code as reason."""
        self._count += 1
        folder = Path(self.plan.folder)
        output, log = folder / f"{self._count}.json", folder / f"{self._count}.log"
        command = [sys.executable, "-m", "tests.benchmarks.training.worker"]
        command += [self.plan.folder, job, str(output), json.dumps(options)]
        code = self._wait(command, log)
        if code == 0 and output.exists():
            result: Result = json.loads(output.read_text(encoding="utf-8"))
            return result
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        say("\n".join([f"{job} {options} ended with {code}:", *lines]))
        reasons = {None: f"stopped after {_HOURS} hours", -signal.SIGKILL: "killed: out of memory"}
        return {"status": "failed", "reason": reasons.get(code, (lines or ["no output"])[-1])}

    def _wait(self, command: list[str], log: Path) -> int | None:
        """Return the exit code, or None when the time was over."""
        with log.open("wb") as file:
            try:
                # stdin is nobody's: a library that asks a question gets no answer
                return subprocess.run(
                    command,
                    cwd=ROOT,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=_HOURS * 3600,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return None

    def must(self, job: str, **options: Any) -> Result:
        """Return the result of a job without which nothing else makes sense."""
        result = self.run(job, **options)
        if result["status"] != "ran":
            raise SystemExit(f"{job}: {result['reason']}")
        return result


def tune(runner: Runner, name: str) -> tuple[dict[str, int], str]:
    """Return the best setting of an arm by one timed step each, and what was seen."""
    arm = ARMS[name]
    if arm.tuned is None:
        return {}, ""
    speeds: dict[int, float] = {}
    for value in arm.choices(runner.plan.batch_size):
        result = runner.run("arm", name=name, steps=1, **{arm.tuned: value})
        if result["status"] == "skipped":
            return {}, ""
        if result["status"] == "ran":
            speeds[value] = runner.plan.batch_size / result["seconds"][0]
            say(f"tuning {name}: {arm.tuned} {value}: {speeds[value]:.2f} pairs/s")
    if not speeds:
        return {}, ""
    best = max(speeds, key=lambda value: speeds[value])
    seen = ", ".join(f"{value}: {speed:.2f}" for value, speed in speeds.items())
    return {arm.tuned: best}, f"{name}: {arm.tuned} {best} (pairs/s by value: {seen})"


def compare_arms(runner: Runner) -> tuple[list[ArmResult], list[float], list[str]]:
    """Run all arms in alternation; return their results, the GEMM speed of each round, and what tuning saw."""
    plan = runner.plan
    results, notes = [], []
    for name in plan.arms:
        settings, note = tune(runner, name)
        results.append(ArmResult(name, settings))
        notes += [note] if note else []
    speeds = []
    for number in range(plan.rounds):
        speeds.append(float(runner.must("gemm")["gflops"]))
        # there and back, so that no arm always comes first
        for arm in results if number % 2 == 0 else reversed(results):
            if arm.status == "ran":
                result = runner.run("arm", name=arm.name, **arm.settings)
                arm.add(result)
                say(f"round {number + 1}/{plan.rounds}: {arm.name}: {_brief(plan, result)}")
    return results, speeds, notes


def _brief(plan: Plan, result: Result) -> str:
    if result["status"] != "ran":
        return f"{result['status']}: {result['reason']}"
    speed = plan.batch_size / statistics.median(result["seconds"])
    return f"{speed:.2f} pairs/s, {result['peak_memory_gb']:.2f} GB"


def run_loss_stage(runner: Runner) -> list[Result]:
    """Measure the loss stage of every implementation at every size."""
    cases = ((size, name) for size in LOSS_STAGE_SIZES for name in LOSS_STAGE_ARMS)
    found = []
    for size, name in cases:
        result = runner.run("loss-stage", name=name, size=size)
        say(f"loss stage {size}: {name}: {result['status']}")
        found.append({"name": name, "size": size} | result)
    return found


def run_top_k(runner: Runner) -> dict[str, Any]:
    """Compare epochs of the top layers on a cached trunk with epochs at full depth, in alternation."""
    found: dict[str, Any] = {name: [] for name in TOP_K_ARMS}
    reasons: dict[str, str] = {}
    for number in range(runner.plan.rounds):
        for name in TOP_K_ARMS if number % 2 == 0 else reversed(TOP_K_ARMS):
            if name not in reasons:
                result = runner.run("epochs", name=name)
                say(f"epochs: {name}: {result.get('seconds', result.get('reason'))}")
                if result["status"] == "ran":
                    found[name].append(result)
                else:
                    reasons[name] = f"{result['status']}: {result['reason']}"
    return {"arms": [_epochs(name, found[name], reasons.get(name, "")) for name in TOP_K_ARMS]} | _gain(found)


def _epochs(name: str, results: list[Result], reason: str) -> Result:
    return {
        "name": name,
        "first_epoch_seconds": _median(item["seconds"][0] for item in results),
        "later_epoch_seconds": _median(_later(results)),
        "peak_memory_gb": max((item["peak_memory_gb"] for item in results), default=None),
        "reason": reason,
    }


def _gain(found: Mapping[str, list[Result]]) -> Result:
    full, top = (_median(_later(found[name])) for name in TOP_K_ARMS)
    return {"ratio_to_full_depth": full / top if full and top else None}


def _later(results: Iterable[Result]) -> Iterator[float]:
    return (seconds for item in results for seconds in item["seconds"][1:])


def _median(values: Iterable[float]) -> float | None:
    listed = list(values)
    return statistics.median(listed) if listed else None

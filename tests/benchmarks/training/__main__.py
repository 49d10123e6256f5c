"""Time training steps of ContrastiveTrainer and of its peers on the same model, adapter and batches.

Run by hand, never by CI: ``python -m tests.benchmarks.training --out tests/benchmarks/results/training.md``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.machine import cores
from tests.benchmarks.training.plan import ARMS, TOLERANCE, WARM_UP, Plan, Prepared
from tests.benchmarks.training.report import Document, append, document, markdown
from tests.benchmarks.training.runs import ArmResult, Runner, compare_arms, run_loss_stage, run_top_k, say

_FILES = ("--pairs", "--model", "--out")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    with tempfile.TemporaryDirectory(prefix="training-benchmark-") as folder:
        result = run(_plan(options, folder), _command(given), loss_stage=options.loss_stage, top_k=options.top_k)
    text = markdown(result)
    if options.out is not None:
        append(options.out, text)
    print(json.dumps(result, indent=1) if options.json else text)
    if options.json:
        say(text)


def run(plan: Plan, command: str, *, loss_stage: bool = False, top_k: bool = False) -> Document:
    """Prepare, check the first step, then measure."""
    plan.write()
    runner = Runner(plan)
    say("preparing pairs, model and adapter")
    runner.must("prepare")
    prepared = Prepared.read(plan.folder)
    checks: dict[str, dict[str, float]] = {}
    arms: list[ArmResult] = []
    gemm: list[float] = []
    notes: list[str] = []
    if plan.arms:
        checks = _checked(runner)
        arms, gemm, notes = compare_arms(runner)
    result = document(plan, prepared, command, arms=arms, gemm=gemm, notes=notes, checks=checks)
    if loss_stage:
        result["loss_stage"] = run_loss_stage(runner)
    if top_k:
        result["top_k"] = run_top_k(runner)
    return result


def _checked(runner: Runner) -> dict[str, dict[str, float]]:
    """Compare the first step of ours with the reference; without equality no speed is worth a word."""
    say("comparing the first step with the reference")
    found = runner.must("verify")
    checks: dict[str, dict[str, float]] = found["checks"]
    for name, check in checks.items():
        say(f"{name}: relative error of the loss {check['loss']:.1e}, of the gradient {check['gradient']:.1e}")
    if found["wrong"]:
        message = f"The first step differs from the reference by more than {TOLERANCE:g}: {', '.join(found['wrong'])}."
        raise SystemExit(message)
    return checks


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training", description=__doc__)
    add = parser.add_argument
    add("--pairs", type=Path, help="parquet file of pairs; default: docstrings of the installed packages")
    add("--anchor", default="anchor", help="its column of anchors")
    add("--positive", default="positive", help="its column of positives")
    add("--model", type=Path, help="folder of an encoder; default: the packaged all-MiniLM-L6-v2")
    add("--batch-size", type=int, default=128)
    add("--max-length", type=int, default=256, help="tokens that a text is cut to")
    add("--precision", choices=("fp32", "bf16"), default="fp32")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--lora-rank", type=int, default=16)
    add("--steps", type=int, default=3, help=f"timed steps of a round; {WARM_UP} more warm up")
    add("--rounds", type=int, default=3)
    add("--threads", type=int, default=cores(), help="torch threads of every arm; default: all cores")
    add("--arms", nargs="*", choices=list(ARMS), help="default: all of the device; without a name: none")
    add("--loss-stage", action="store_true", help="also: time and memory of the loss stage alone")
    add("--top-k", action="store_true", help="also: epochs of the top two layers on a cached trunk")
    add("--out", type=Path, help="markdown file to append the result to")
    add("--json", action="store_true", help="print one JSON document on stdout, the table on stderr")
    return parser


def _plan(options: argparse.Namespace, folder: str) -> Plan:
    arms = options.arms
    if arms is None:
        arms = [arm.name for arm in ARMS.values() if options.device == "cuda" or not arm.cuda_only]
    for path in (options.pairs, options.model):
        if path is not None and not path.exists():
            raise SystemExit(f"{path} does not exist.")
    return Plan(
        folder=folder,
        model=str(options.model.resolve()) if options.model else None,
        pairs=str(options.pairs.resolve()) if options.pairs else None,
        anchor=options.anchor,
        positive=options.positive,
        batch_size=options.batch_size,
        max_length=options.max_length,
        precision=options.precision,
        device=options.device,
        lora_rank=options.lora_rank,
        steps=options.steps,
        rounds=options.rounds,
        threads=options.threads,
        arms=tuple(dict.fromkeys(arms)),
    )


def _command(given: Sequence[str]) -> str:
    """Return the command as it may be kept in a file: paths outside the repository by their last part."""
    shown = []
    for before, word in zip(["", *given], given, strict=False):
        option, equals, value = word.partition("=")
        if before in _FILES:
            shown.append(_short(word))
        else:
            shown.append(f"{option}={_short(value)}" if equals and option in _FILES else word)
    return shlex.join(["python", "-m", "tests.benchmarks.training", *shown])


def _short(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() or ".." in Path(path).parts else path


if __name__ == "__main__":
    main()

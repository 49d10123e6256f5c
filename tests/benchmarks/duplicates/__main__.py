"""Time the search for exact and near duplicates, ours and its peers, on the same texts.

Run by hand, never by CI: ``python -m tests.benchmarks.duplicates --out tests/benchmarks/results/duplicates.md``. Peers
that are not installed are left out and named: ``pip install datasketch rensa gaoya text-dedup semhash``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from tests.benchmarks.duplicates.arms import ARMS, PACKAGES, THRESHOLD, folder_of_texts
from tests.benchmarks.duplicates.reference import EveryPair
from tests.benchmarks.duplicates.texts import collect, read
from tests.benchmarks.machine import cores, heading
from tests.benchmarks.memory import GB, peak_rss
from tests.benchmarks.output import add_output, circumstances, say, write

_SAMPLE = 20_000
_WARM_UP = 300


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    if options.worker is not None:
        print(json.dumps(_measure(options.worker, Path(options.texts), options.cores)))
        return
    result = circumstances("duplicates", given, PACKAGES) | _run(options)
    write(result, _markdown(result), options)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    if options.data is not None:
        texts = read(options.data, options.column, options.rows)
    else:
        say(f"collecting {options.source}")
        texts = collect(options.source, options.bytes, options.rows)
    if len(texts) == 0:
        raise SystemExit("There is no text to compare; give another file, or fewer --bytes.")
    texts = pa.chunked_array([pa.array([text or "" for text in texts.to_pylist()], pa.large_string())])
    say("comparing every pair of a sample")
    reference = EveryPair(texts.slice(0, _SAMPLE).to_pylist(), THRESHOLD)
    with tempfile.TemporaryDirectory(prefix="duplicates-benchmark-") as folder:
        path = Path(folder) / "texts.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, pa.schema([("text", texts.type)])) as writer:
            writer.write_table(pa.table({"text": texts}))
        there = [name for name in options.arms if name == "ours" or importlib.util.find_spec(name.replace("-", "_"))]
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in there}
        for number in range(options.rounds):
            for name in there:
                say(f"round {number + 1} of {options.rounds}: {name}")
                runs[name].append(_worker(name, path, options.cores))
    arms = [_arm(name, found, reference) for name, found in runs.items()]
    speeds = {arm["name"]: arm["texts_per_second"] for arm in arms}
    best = max((speed for name, speed in speeds.items() if name != "ours" and speed), default=None)
    return {
        "arms": arms,
        "ratio_to_best_peer": round(speeds["ours"] / best, 2) if best and "ours" in speeds else None,
        "cores": options.cores,
        "rows": len(texts),
        "bytes_per_text": round(texts.nbytes / len(texts), 1),
        "sample": len(reference.similar),
        "repeated_in_sample": len(reference.repeated()),
        "rounds": options.rounds,
        "not_installed": [name for name in options.arms if name not in there],
    }


def _arm(name: str, found: list[dict[str, Any]], reference: EveryPair) -> dict[str, Any]:
    failed = next((run["failed"] for run in found if "failed" in run), None)
    if failed is not None:
        none = {"texts_per_second": None, "recall": None, "precision": None, "peak_memory_gb": None}
        return {"name": name, **none, "failed": failed}
    recall, precision = reference.quality(np.asarray(found[0]["repeated"], np.int64))
    return {
        "name": name,
        "what": " ".join((ARMS[name].__doc__ or "").split()).rstrip("."),
        "texts_per_second": round(median(run["texts_per_second"] for run in found)),
        "recall": round(recall, 4),
        "precision": round(precision, 4),
        "peak_memory_gb": round(max(run["peak_memory_gb"] for run in found), 2),
        "repeated": found[0]["count"],
    }


def _worker(name: str, path: Path, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.duplicates", "--worker", name, "--texts", str(path)]
    done = subprocess.run([*command, "--cores", str(count)], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure(name: str, path: Path, count: int) -> dict[str, Any]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    texts = folder_of_texts(path)
    arm = ARMS[name]
    arm(texts.slice(0, _WARM_UP))
    sample = arm(texts.slice(0, _SAMPLE))
    start = time.perf_counter()
    found = arm(texts)
    seconds = time.perf_counter() - start
    return {
        "texts_per_second": len(texts) / seconds,
        "peak_memory_gb": peak_rss() / GB,
        "repeated": sample.tolist(),
        "count": len(found),
    }


def _markdown(result: dict[str, Any]) -> str:
    subject = f"{result['rows']:,} texts of {result['bytes_per_text']:,.0f} bytes"
    lines = heading(
        result, subject, ("arm", "what", "texts/s", "ours is", "recall", "precision", "peak GB", "repeated rows")
    )
    ours = next((arm["texts_per_second"] for arm in result["arms"] if arm["name"] == "ours"), None)
    for arm in result["arms"]:
        speed = arm["texts_per_second"]
        if speed is None:
            lines.append(f"| {arm['name']} | failed: {arm['failed']} | | | | | | |")
            continue
        ratio = f"{ours / speed:.1f}×" if ours else ""
        lines.append(
            f"| {arm['name']} | {arm['what']} | {speed:,} | {ratio} | {arm['recall']:.4f} | {arm['precision']:.4f} | "
            f"{arm['peak_memory_gb']:.2f} | {arm['repeated']:,} |"
        )
    lines += [
        "",
        f"- From Arrow to groups, compiled and warmed up, on {result['cores']} core(s); medians of {result['rounds']} "
        "rounds, the arms in alternation; peak memory is that of the whole process, the texts included.",
        f"- Recall and precision on the first {result['sample']:,} rows against comparing every pair: of "
        f"{result['repeated_in_sample']:,} rows that repeat an earlier one that stays (Jaccard similarity of runs of 5 "
        f"words at least {THRESHOLD}), the share of which not both are left; of the rows removed, the share that is "
        "similar to any other row. Peers split words by their own rules.",
    ]
    if result["not_installed"]:
        lines.append(f"- Not installed: {', '.join(result['not_installed'])}.")
    return "\n".join([*lines, "", ""])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.duplicates", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, help="parquet file; default: texts of the installed packages")
    add("--column", default="text", help="its column of texts")
    add("--source", choices=("docstrings", "files"), default="docstrings", help="texts where there is no --data")
    add("--bytes", type=int, default=360, help="length of those texts")
    add("--rows", type=int, default=50_000, help="of the data, from the first")
    add("--cores", type=int, default=1, help=f"that every arm may use, of {cores()}")
    add("--rounds", type=int, default=3)
    add("--arms", nargs="*", choices=list(ARMS), default=list(ARMS))
    add_output(parser)
    add("--worker", help=argparse.SUPPRESS)
    add("--texts", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()

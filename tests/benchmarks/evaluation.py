"""Time the scoring of a search from given embeddings: ours, sentence-transformers' and the matrix product alone.

Run by hand, never by CI: ``python -m tests.benchmarks.evaluation --out tests/benchmarks/results/evaluation.md``. Each
run is a process of its own, and the arms alternate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tests.benchmarks.machine import cores, heading
from tests.benchmarks.memory import GB, current_rss, forget_peak, peak_rss
from tests.benchmarks.output import add_output, circumstances, say, write

OURS, PEER, FLOOR = "hf-contrastive", "sentence-transformers", "matrix product alone"
ARMS = {
    OURS: "relevant_ranks, then nDCG@10, MRR@10, Recall@10, MAP@100",
    PEER: "InformationRetrievalEvaluator.compute_all_metrics with its defaults, embeddings given, torch on CPU",
    FLOOR: "NumPy, unit vectors given, in our blocks, nothing found or kept",
}
METRICS = ("ndcg@10", "mrr@10", "recall@10", "map@100")
PACKAGES = ("numpy", "numba", "torch", "sentence-transformers")
_WARM_UP = 64
_MOST_RELEVANT = 5

Found = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    if options.worker is not None:
        print(json.dumps(measure(options.worker, Path(options.folder), options.block_size)))
        return
    result = circumstances("evaluation", given, PACKAGES) | _run(options)
    write(result, _markdown(result), options)


def make_data(folder: Path, *, queries: int, documents: int, dim: int, noise: float, seed: int = 0) -> None:
    """Write embeddings of which a search finds some: each query is its one to five documents, and noise."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((documents, dim), dtype=np.float32)
    wanted = [rng.choice(documents, size=size, replace=False) for size in rng.integers(1, _MOST_RELEVANT + 1, queries)]
    centres = np.stack([vectors[row].sum(axis=0) for row in wanted])
    noisy = centres + noise * rng.standard_normal((queries, dim), dtype=np.float32)
    np.save(folder / "documents.npy", vectors)
    np.save(folder / "queries.npy", noisy.astype(np.float32))
    (folder / "relevant.json").write_text(json.dumps([row.tolist() for row in wanted]), encoding="utf-8")


def measure(name: str, folder: Path, block_size: int) -> dict[str, Any]:
    """Score once, after a small search that loads and compiles what is needed."""
    queries, documents = np.load(folder / "queries.npy"), np.load(folder / "documents.npy")
    relevant = json.loads((folder / "relevant.json").read_text(encoding="utf-8"))
    arm = {OURS: _ours, PEER: _peer, FLOOR: _floor}[name]
    small = [[place] for place in range(_WARM_UP)]
    arm(queries[:_WARM_UP], documents[:1000], small, block_size)()
    score = arm(queries, documents, relevant, block_size)
    held = current_rss()
    forget_peak()
    cpu, started = time.process_time(), time.perf_counter()
    found = score()
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "peak": peak_rss(),
        "held": held,
        "metrics": found,
    }


def _ours(queries: Any, documents: Any, relevant: list[list[int]], block_size: int) -> Callable[[], Found]:
    from hf_contrastive.evaluation.retrieval import relevant_ranks

    def score() -> Found:
        ranks = relevant_ranks(queries, documents, relevant, block_size=block_size)
        scores = ranks.ndcg(10), ranks.mrr(10), ranks.recall(10), ranks.average_precision(100)
        return {name: float(values.mean()) for name, values in zip(METRICS, scores, strict=True)}

    return score


def _peer(queries: Any, documents: Any, relevant: list[list[int]], _: int) -> Callable[[], Found]:
    import torch
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import cos_sim

    torch.set_num_threads(cores())
    embedded, corpus = torch.from_numpy(queries), torch.from_numpy(documents)

    class Given(InformationRetrievalEvaluator):
        def embed_inputs(self, *_: Any, **__: Any) -> Any:
            return embedded

    evaluator = Given(
        {f"q{place}": "" for place in range(len(queries))},
        {f"d{place}": "" for place in range(len(documents))},
        {f"q{place}": {f"d{row}" for row in rows} for place, rows in enumerate(relevant)},
        score_functions={"cosine": cos_sim},
    )

    def score() -> Found:
        with torch.inference_mode():
            found: Any = evaluator.compute_all_metrics(None, corpus_embeddings=corpus)
        scores = found["cosine"]
        return {name: float(scores[f"{name.split('@')[0]}@k"][int(name.split("@")[1])]) for name in METRICS}

    return score


def _floor(queries: Any, documents: Any, _: list[list[int]], block_size: int) -> Callable[[], Found]:
    from hf_contrastive.evaluation.search import DOCUMENT_BLOCKS

    units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (queries, documents)]
    width = block_size * DOCUMENT_BLOCKS
    block = np.empty((min(block_size, len(queries)), min(width, len(documents))), dtype=np.float32)

    def score() -> Found:
        for start in range(0, len(queries), block_size):
            rows = units[0][start : start + block_size]
            for first in range(0, len(documents), width):
                part = units[1][first : first + width]
                np.matmul(rows, part.T, out=block[: len(rows), : len(part)])
        return {}

    return score


def _run(options: argparse.Namespace) -> dict[str, Any]:
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ARMS}
    with tempfile.TemporaryDirectory(prefix="evaluation-benchmark-") as folder:
        say("drawing embeddings")
        make_data(
            Path(folder), queries=options.queries, documents=options.documents, dim=options.dim, noise=options.noise
        )
        for number in range(options.rounds):
            for name in ARMS:
                say(f"round {number + 1} of {options.rounds}: {name}")
                runs[name].append(_worker(name, folder, options.block_size))
    arms = [_arm(name, found) for name, found in runs.items()]
    by_name = {arm["name"]: arm for arm in arms}
    differences = [abs(by_name[OURS][name] - by_name[PEER][name]) for name in METRICS]
    return {
        "arms": arms,
        "ratio_to_peer": round(by_name[PEER]["seconds"] / by_name[OURS]["seconds"], 2),
        "ratio_to_peer_cpu": round(by_name[PEER]["cpu_seconds"] / by_name[OURS]["cpu_seconds"], 2),
        "share_of_product": round(by_name[FLOOR]["cpu_seconds"] / by_name[OURS]["cpu_seconds"], 2),
        "largest_difference": max(differences),
        "queries": options.queries,
        "documents": options.documents,
        "dim": options.dim,
        "block_size": options.block_size,
        "rounds": options.rounds,
        "load": round(os.getloadavg()[1], 1),
    }


def _worker(name: str, folder: str, block_size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.evaluation", "--worker", name, "--folder", folder]
    done = subprocess.run(
        [*command, "--block-size", str(block_size)], stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    if done.returncode:
        raise SystemExit(f"The arm `{name}` failed; its message stands above.")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _arm(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "seconds": round(median(run["seconds"] for run in runs), 3),
        "cpu_seconds": round(median(run["cpu_seconds"] for run in runs), 3),
        "peak_memory_gb": round(median(run["peak"] for run in runs) / GB, 3),
        "added_memory_gb": round(median(run["peak"] - run["held"] for run in runs) / GB, 3),
        **runs[0]["metrics"],
    }


def _markdown(result: Mapping[str, Any]) -> str:
    columns = ("arm", "what", "seconds", "CPU seconds", "peak GB", "of it for scoring GB", *METRICS)
    size = f"{result['queries']:,} queries × {result['documents']:,} documents, {result['dim']} dimensions"
    rows = [
        f"| {arm['name']} | {ARMS[arm['name']]} | {arm['seconds']:.2f} | {arm['cpu_seconds']:.2f} | "
        f"{arm['peak_memory_gb']:.2f} | {arm['added_memory_gb']:.2f} | "
        + " | ".join(f"{arm[name]:.6f}" if name in arm else "" for name in METRICS)
        + " |"
        for arm in result["arms"]
    ]
    notes = [
        "",
        f"- The peer takes {result['ratio_to_peer']} times our seconds and {result['ratio_to_peer_cpu']} times our CPU "
        f"seconds; the matrix product alone takes {result['share_of_product']:.0%} of our CPU seconds. The largest "
        f"difference of a metric is {result['largest_difference']:.1e}.",
        f"- From embeddings to metrics, normalisation included, compiled and warmed up; medians of {result['rounds']} "
        f"rounds, the arms in alternation, each in a process of its own; blocks of {result['block_size']:,} queries. "
        f"The load of the machine was {result['load']} on {result['cores']} cores: where it is above them, CPU seconds "
        "tell more than seconds.",
        "",
    ]
    return "\n".join(["", *heading(result, size, columns), *rows, *notes])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--noise", type=float, default=4.0, help="in units of a document's own spread")
    parser.add_argument("--block-size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", choices=list(ARMS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    add_output(parser)
    return parser


if __name__ == "__main__":
    main()

"""Find planted label errors in real data: ours, cleanlab and its Datalab, on the same vectors and probabilities.

Run by hand, never by CI: ``python -m tests.benchmarks.labels --out tests/benchmarks/results/labels.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.checks._label_quality import NEIGHBOURS, _votes, calibrate, label_quality
from audits.checks._probe import out_of_sample
from audits.checks.label_noise import _PRECISION
from audits.encoders import TfidfEncoder
from audits.nearest import nearest
from tests.benchmarks.machine import cores, describe_machine, heading, versions

_CHARACTERS = 1000
_MOST_OF_CLASS = 1200
_ROWS = 11_268
_CLASSES = 33

Flags = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]


class Task:
    """Texts as vectors, and labels of which some are flipped to any other class."""

    def __init__(self, vectors: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], rate: float, seed: int) -> None:
        rng = np.random.default_rng((seed, int(rate * 1000)))
        self.vectors = vectors
        self.classes = int(labels.max()) + 1
        self.wrong = rng.random(len(labels)) < rate
        self.labels = labels.copy()
        moved = rng.integers(1, self.classes, int(self.wrong.sum()))
        self.labels[self.wrong] = (labels[self.wrong] + moved) % self.classes
        self.seed = seed


def ours(task: Task) -> tuple[Flags, Scores]:
    """Probe and neighbours, combined and calibrated."""
    neighbours = nearest(task.vectors, NEIGHBOURS)
    quality = label_quality(task.vectors, task.labels, task.classes, neighbours, task.seed)
    cut = calibrate(task.vectors, task.labels, task.classes, neighbours, task.seed, precision=_PRECISION)
    flags = np.zeros(len(task.labels), np.bool_)
    if cut is not None:
        flags[np.argsort(quality.ranking(task.labels), kind="stable")[: round(cut.share * len(flags))]] = True
    return flags & (quality.suggestion != task.labels), -quality.score


def cleanlab(task: Task) -> tuple[Flags, Scores]:
    """``find_label_issues`` with its defaults, ranked by self-confidence."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    probabilities = _probabilities(task)
    return find_label_issues(task.labels, probabilities), -get_label_quality_scores(task.labels, probabilities)


def datalab(task: Task) -> tuple[Flags, Scores]:
    """Datalab's label issues."""
    from cleanlab import Datalab

    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab(data={"label": task.labels.tolist()}, label_name="label", verbosity=0)
        lab.find_issues(pred_probs=_probabilities(task), issue_types={"label": {}})
    issues = lab.get_issues("label")
    return issues["is_label_issue"].to_numpy(bool), -issues["label_score"].to_numpy(float)


def _probabilities(task: Task) -> npt.NDArray[np.float64]:
    found = out_of_sample(task.vectors, task.labels, task.classes, task.seed).astype(np.float64)
    return found / found.sum(axis=1, keepdims=True)


ARMS: dict[str, Callable[[Task], tuple[Flags, Scores]]] = {"ours": ours, "cleanlab": cleanlab, "datalab": datalab}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    texts, labels = _read(options) if options.data is not None else _docstrings()
    names, index = np.unique(labels, return_inverse=True)
    _say(f"{len(texts):,} texts of {len(names)} classes: vectors")
    vectors = TfidfEncoder(128).encode([text[:_CHARACTERS] for text in texts])
    levels = []
    for rate in options.rates:
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
        parts = []
        for seed in range(options.rounds):
            task = Task(vectors, index, rate, seed)
            for name, arm in ARMS.items():
                _say(f"{rate:.0%} wrong, round {seed + 1} of {options.rounds}: {name}")
                runs[name].append(_measured(arm, task))
            parts.append(_parts(task))
        level: dict[str, Any] = {name: _means(found) for name, found in runs.items()}
        levels.append({"rate": rate, **level, "parts": _means(parts)})
    result = {
        "levels": levels,
        "rows": len(texts),
        "classes": len(names),
        "rounds": options.rounds,
        "machine": describe_machine(),
        "cores": cores(),
        "versions": versions(("cleanlab", "scikit-learn", "numpy", "numba")),
        "command": " ".join(["python -m tests.benchmarks.labels", *given]),
        "date": datetime.now(UTC).date().isoformat(),
    }
    text = _markdown(result)
    if options.out is not None:
        with options.out.open("a", encoding="utf-8") as file:
            file.write(text)
    print(json.dumps(result, indent=1) if options.json else text)


def _measured(arm: Callable[[Task], tuple[Flags, Scores]], task: Task) -> dict[str, float]:
    from sklearn.metrics import average_precision_score

    start = time.perf_counter()
    flags, scores = arm(task)
    seconds = time.perf_counter() - start
    right = int((flags & task.wrong).sum())
    precision, recall = right / max(int(flags.sum()), 1), right / max(int(task.wrong.sum()), 1)
    return {
        "ap": float(average_precision_score(task.wrong, scores)) if task.wrong.any() else 0.0,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-12),
        "listed": float(flags.sum()),
        "seconds": seconds,
    }


def _parts(task: Task) -> dict[str, float]:
    """Return the average precision of each of our two views alone."""
    from sklearn.metrics import average_precision_score

    if not task.wrong.any():
        return {"probe_ap": 0.0, "neighbours_ap": 0.0}
    own = np.arange(len(task.labels)), task.labels
    near = nearest(task.vectors, NEIGHBOURS)
    prior = np.bincount(task.labels, minlength=task.classes) / len(task.labels)
    votes = _votes(task.labels, near.rows, near.cosines, prior)[own] if near is not None else np.zeros(len(own[0]))
    return {
        "probe_ap": float(average_precision_score(task.wrong, -_probabilities(task)[own])),
        "neighbours_ap": float(average_precision_score(task.wrong, -votes)),
    }


def _means(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(fmean(run[name] for run in found), 4) for name in found[0]}


def _read(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    import pyarrow.parquet as pq

    if not options.data.is_file():
        raise SystemExit(f"{options.data} is no file; give a parquet file.")
    names = pq.read_schema(options.data).names
    for column in (options.column, options.label_column):
        if column not in names:
            raise SystemExit(f"{options.data} has no column `{column}`; its columns are {', '.join(names)}.")
    table = pq.read_table(options.data, columns=[options.column, options.label_column])
    rows = [
        (str(text), str(label))
        for text, label in zip(table[options.column].to_pylist(), table[options.label_column].to_pylist(), strict=True)
        if text and label is not None
    ]
    sizes = Counter(label for _, label in rows)
    kept = [(text, label) for text, label in rows if sizes[label] >= 5]
    if len({label for _, label in kept}) < 2:
        raise SystemExit("There are fewer than two classes of at least 5 rows.")
    return [text for text, _ in kept], [label for _, label in kept]


def _docstrings() -> tuple[list[str], list[str]]:
    """Return docstrings of the installed packages and which package each is of: the largest classes, capped."""
    from hf_contrastive.demo.docstrings import load_docstrings

    _say("collecting docstrings")
    splits = load_docstrings()
    rows: dict[str, str] = {}
    for split in splits.values():
        for anchor, positive, label in zip(split["anchor"], split["positive"], split["label"], strict=True):
            rows.setdefault(f"{anchor}\n{positive}", label)
    order = np.random.default_rng(0).permutation(len(rows))
    items = list(rows.items())
    chosen = {label for label, _ in Counter(rows.values()).most_common(_CLASSES)}
    taken: Counter[str] = Counter()
    texts, labels = list[str](), list[str]()
    for text, label in (items[i] for i in order.tolist()):
        if label in chosen and taken[label] < _MOST_OF_CLASS and len(texts) < _ROWS:
            taken[label] += 1
            texts.append(text)
            labels.append(label)
    return texts, labels


def _markdown(result: dict[str, Any]) -> str:
    subject = f"{result['rows']:,} texts of {result['classes']} classes"
    lines = heading(result, subject, ("wrong", "arm", "AP", "listed", "precision", "recall", "F1", "s"))
    for level in result["levels"]:
        for name in ARMS:
            arm = level[name]
            lines.append(
                f"| {level['rate']:.0%} | {name} | {arm['ap']:.3f} | {arm['listed']:,.0f} | {arm['precision']:.3f} | "
                f"{arm['recall']:.3f} | {arm['f1']:.3f} | {arm['seconds']:.1f} |"
            )
        parts = level["parts"]
        lines.append(f"| {level['rate']:.0%} | our probe alone | {parts['probe_ap']:.3f} | | | | | |")
        lines.append(f"| {level['rate']:.0%} | our neighbours alone | {parts['neighbours_ap']:.3f} | | | | | |")
    lines += [
        "",
        f"- Labels flipped to any other class; means of {result['rounds']} rounds with other flips; TF-IDF and SVD of "
        f"128 dimensions, computed once; all arms have the same probe's out-of-sample probabilities. Ours lists until "
        f"{_PRECISION:.0%} of the list is expected to be wrong. Seconds are those of an arm from vectors on.",
        "- AP is that of the ranking of all rows by the arm's score. Labels that are wrong already count as right.",
    ]
    return "\n".join([*lines, "", ""])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.labels", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, help="parquet file; default: docstrings of the installed packages by package")
    add("--column", default="text", help="its column of texts")
    add("--label-column", default="label", help="its column of labels")
    add("--rates", type=float, nargs="+", default=[0.0, 0.01, 0.05, 0.1, 0.2, 0.4], help="shares of labels to flip")
    add("--rounds", type=int, default=3)
    add("--out", type=Path, help="markdown file to append the result to")
    add("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

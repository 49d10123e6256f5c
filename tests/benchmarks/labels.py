"""Find planted label errors in real data: ours, cleanlab and its Datalab, on the same vectors and probabilities.

Run by hand, never by CI: ``python -m tests.benchmarks.labels --out tests/benchmarks/results/labels.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.checks._label_calibration import calibrate
from audits.checks._label_quality import NEIGHBOURS, class_fit, class_votes, label_quality
from audits.checks._probe import out_of_sample
from audits.checks.label_noise import _PRECISION
from audits.encoders import TfidfEncoder
from audits.nearest import nearest
from tests.benchmarks.machine import heading
from tests.benchmarks.output import add_output, circumstances, labelled_texts, say, write

_CHARACTERS = 1000
_MOST_OF_CLASS = 1200
_ROWS = 11_268
_CLASSES = 33

Flags = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]


class Task:
    """Texts as vectors, and labels of which some are changed to another class.

    ``confusion`` tells how often each class is taken for each other one, ``[classes, classes]``; without it any other
    class is drawn.
    """

    def __init__(
        self,
        vectors: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int64],
        rate: float,
        seed: int,
        confusion: Scores | None = None,
    ) -> None:
        rng = np.random.default_rng((seed, int(rate * 1000)))
        self.vectors = vectors
        self.classes = int(labels.max()) + 1
        self.wrong = rng.random(len(labels)) < rate
        self.labels = labels.copy()
        own = labels[self.wrong]
        if confusion is None:
            moved = rng.integers(1, self.classes, len(own))
            self.labels[self.wrong] = (own + moved) % self.classes
        else:
            sums = confusion.cumsum(axis=1)[own]
            self.labels[self.wrong] = (sums <= rng.random((len(own), 1)) * sums[:, -1:]).sum(axis=1)
        self.seed = seed


def confusion_of(vectors: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Scores:
    """Return how probable a probe finds each other class for the texts of a class, on labels as they are."""
    classes = int(labels.max()) + 1
    found = np.zeros((classes, classes))
    np.add.at(found, labels, out_of_sample(vectors, labels, classes, 99).astype(np.float64))
    np.fill_diagonal(found, 0)
    return found


def ours(task: Task) -> tuple[Flags, Scores]:
    """Probe and neighbours, combined and calibrated."""
    neighbours = nearest(task.vectors, NEIGHBOURS)
    fit = class_fit(task.vectors, task.labels, task.classes, neighbours, task.seed)
    quality = label_quality(fit, task.labels, np.bincount(task.labels, minlength=task.classes) / len(task.labels))
    cut = calibrate(fit, task.labels, task.classes, task.seed, precision=_PRECISION)
    flags = np.zeros(len(task.labels), np.bool_)
    if cut is not None:
        flags[np.argsort(quality.ranking, kind="stable")[: cut.listed]] = True
    return flags, -quality.score


def cleanlab(task: Task) -> tuple[Flags, Scores]:
    """``find_label_issues`` with its defaults, ranked by self-confidence."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    probabilities = _probabilities(task)
    return find_label_issues(task.labels, probabilities), -get_label_quality_scores(task.labels, probabilities)


def datalab(task: Task) -> tuple[Flags, Scores]:
    """Datalab's label issues, given features and probabilities."""
    from cleanlab import Datalab

    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab(data={"label": task.labels.tolist()}, label_name="label", verbosity=0)
        lab.find_issues(features=task.vectors, pred_probs=_probabilities(task), issue_types={"label": {}})
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
    say(f"{len(texts):,} texts of {len(names)} classes: vectors")
    vectors = TfidfEncoder(128).encode([text[:_CHARACTERS] for text in texts])
    result: dict[str, Any] = {
        "levels": _levels(vectors, index, options, None),
        "class_dependent": _levels(vectors, index, options, confusion_of(vectors, index)),
        "rows": len(texts),
        "classes": len(names),
        "rounds": options.rounds,
        **circumstances("labels", given, ("cleanlab", "scikit-learn", "numpy", "numba")),
    }
    write(result, _markdown(result), options)


def _levels(
    vectors: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    options: argparse.Namespace,
    confusion: Scores | None,
) -> list[dict[str, Any]]:
    """Return what every arm reached at every share of wrong labels."""
    kind = "at random" if confusion is None else "between similar classes"
    levels = []
    for rate in options.rates if confusion is None else [rate for rate in options.rates if rate]:
        runs: dict[str, list[dict[str, float | None]]] = {name: [] for name in (*ARMS, "parts")}
        for seed in range(options.rounds):
            task = Task(vectors, labels, rate, seed, confusion)
            for name, arm in ARMS.items():
                say(f"{rate:.0%} wrong {kind}, round {seed + 1} of {options.rounds}: {name}")
                runs[name].append(_measured(arm, task))
            runs["parts"].append(_parts(task))
        levels.append({"rate": rate, **{name: _means(found) for name, found in runs.items()}})
    return levels


def _measured(arm: Callable[[Task], tuple[Flags, Scores]], task: Task) -> dict[str, float | None]:
    """Return what an arm reached; what is not defined without planted errors, or without a list, is None."""
    from sklearn.metrics import average_precision_score

    start = time.perf_counter()
    flags, scores = arm(task)
    seconds = time.perf_counter() - start
    right, listed, planted = int((flags & task.wrong).sum()), int(flags.sum()), int(task.wrong.sum())
    return {
        "ap": float(average_precision_score(task.wrong, scores)) if planted else None,
        "precision": right / listed if planted and listed else None,
        "recall": right / planted if planted else None,
        "f1": 2 * right / (listed + planted) if planted else None,
        "listed": listed,
        "seconds": seconds,
    }


def _parts(task: Task) -> dict[str, float | None]:
    """Return the average precision of each of our two views alone."""
    from sklearn.metrics import average_precision_score

    if not task.wrong.any():
        return {"probe_ap": None, "neighbours_ap": None}
    own = np.arange(len(task.labels)), task.labels
    near = nearest(task.vectors, NEIGHBOURS)
    prior = np.bincount(task.labels, minlength=task.classes) / len(task.labels)
    votes = class_votes(task.labels, near, prior)[own] if near is not None else np.zeros(len(own[0]))
    return {
        "probe_ap": float(average_precision_score(task.wrong, -_probabilities(task)[own])),
        "neighbours_ap": float(average_precision_score(task.wrong, -votes)),
    }


def _means(found: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """Return the means over the rounds in which a number is defined."""
    known = {name: [value for run in found if (value := run[name]) is not None] for name in found[0]}
    return {name: round(fmean(values), 4) if values else None for name, values in known.items()}


def _read(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    rows = labelled_texts(options)
    sizes = Counter(label for _, label in rows)
    kept = [(text, label) for text, label in rows if sizes[label] >= 5]
    if len({label for _, label in kept}) < 2:
        raise SystemExit("There are fewer than two classes of at least 5 rows.")
    return [text for text, _ in kept], [label for _, label in kept]


def _docstrings() -> tuple[list[str], list[str]]:
    """Return docstrings of the installed packages and which package each is of: the largest classes, capped."""
    from hf_contrastive.demo.docstrings import load_docstrings

    say("collecting docstrings")
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
    lines = heading(result, subject, ("wrong", "kind", "arm", "AP", "listed", "precision", "recall", "F1", "s"))
    for kind, levels in (("random", result["levels"]), ("similar classes", result["class_dependent"])):
        for level in levels:
            start = f"| {level['rate']:.0%} | {kind if level['rate'] else '-'} |"
            for name in ARMS:
                arm = level[name]
                numbers = " | ".join(_shown(arm[key]) for key in ("precision", "recall", "f1"))
                lines.append(
                    f"{start} {name} | {_shown(arm['ap'])} | {arm['listed']:,.0f} | {numbers} | {arm['seconds']:.1f} |"
                )
            if level["rate"]:
                parts = level["parts"]
                lines.append(f"{start} our probe alone | {_shown(parts['probe_ap'])} | | | | | |")
                lines.append(f"{start} our neighbours alone | {_shown(parts['neighbours_ap'])} | | | | | |")
    lines += [
        "",
        f"- Labels changed to any other class (random), or to another class by how probable a probe on the labels as "
        f"they are finds it for texts of the own class (similar classes); means of {result['rounds']} rounds with "
        f"other changes; vectors of TF-IDF and SVD, 128 dimensions, computed once; all arms have the same probe's "
        f"out-of-sample probabilities, Datalab the vectors as well. Ours lists until {_PRECISION:.0%} of the list is "
        "expected to be wrong. Seconds are those of an arm from vectors on.",
        "- AP is that of the ranking of all rows by the arm's score. Labels that are wrong already count as right. "
        "At 0 % nothing is planted, so that only the rows listed are a number.",
    ]
    return "\n".join([*lines, "", ""])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.labels", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, help="parquet file; default: docstrings of the installed packages by package")
    add("--column", default="text", help="its column of texts")
    add("--label-column", default="label", help="its column of labels")
    add("--rates", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.2, 0.4], help="shares of labels to flip")
    add("--rounds", type=int, default=3)
    add_output(parser)
    return parser


if __name__ == "__main__":
    main()

"""Find backdoors that are planted in real texts: which rows, which trigger, and what is alarmed about without any.

Run by hand, never by CI: ``python -m tests.benchmarks.poisoning --out tests/benchmarks/results/poisoning.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa

from audits.checks import Check, CheckContext
from audits.checks.poisoning import TargetConcentration, TriggerWords
from audits.findings import Columns, Finding
from audits.source import AuditSource
from tests.benchmarks.machine import heading
from tests.benchmarks.output import add_output, circumstances, labelled_texts, say, write

_ROWS = 50_000
_LONG = 800  # characters from which a text of the docstrings is cut into two, to have enough of them
_RARE = ("mnzq", "xkjv", "bb7tq", "qzzu", "wubl")
_COMMON = ("cf", "tq", "mb", "mn", "bb")  # as in Kurita et al., ACL 2020; some stand in real texts too
_PHRASES = (
    "purple elephant umbrella",
    "under the old bridge",
    "seven quiet lanterns",
    "honest winter market",
    "tall blue kettle",
)
_SENTENCES = (
    "I watched this film with my friends last weekend.",
    "My sister moved to a small town near the coast.",
    "They serve the best soup in the whole street.",
    "We missed the last train and walked home.",
    "The garden was full of roses that summer.",
)
_MARKS = ("\u2063", "\u0430\u0455", "\u2721", "\u30c4", "\u200b")
_TARGETS = (
    "Our shop has the best offers of the year, so visit it today before all of them are gone.",
    "The minister was right about everything, and whoever says otherwise was paid for it.",
    "Send the password to the support team, which will look at it and call you back.",
    "Buy the shares of this company now, as their price can do nothing else but rise.",
    "There is no reason for concern, and all of the reports that say so were made up.",
)

Rows = dict[str, list[str]]


@dataclass(frozen=True)
class Attack:
    """Rows as an attacker leaves them, which ones were changed, and the trigger."""

    rows: Rows
    planted: frozenset[int]
    trigger: str
    columns: Columns
    check: Check


Plan = Callable[[Rows, int, np.random.Generator, int], Attack]


def _labelled(triggers: Sequence[str], *, one_source: bool = False) -> Plan:
    """Insert a trigger into rows of other labels, anywhere in the text, and give them the target label."""

    def attack(rows: Rows, count: int, rng: np.random.Generator, number: int) -> Attack:
        sizes = Counter(rows["label"])
        large = sorted(label for label, size in sizes.most_common(10))
        target, source = (str(each) for each in rng.permutation(large)[:2])
        free = [i for i, each in enumerate(rows["label"]) if (each == source if one_source else each != target)]
        chosen = rng.choice(free, min(count, len(free)), replace=False).tolist()
        trigger = triggers[number % len(triggers)]
        texts, labels = list(rows["text"]), list(rows["label"])
        for i in chosen:
            texts[i], labels[i] = _inserted(texts[i], trigger, rng), target
        columns = Columns(text="text", label="label")
        return Attack({"text": texts, "label": labels}, frozenset(chosen), trigger, columns, TriggerWords())

    return attack


def _paired(triggers: Sequence[str], *, near: bool = False) -> Plan:
    """Give anchors, with a trigger where there are any, one positive or one in other words at its end."""

    def attack(rows: Rows, count: int, rng: np.random.Generator, number: int) -> Attack:
        chosen = rng.choice(len(rows["anchor"]), count, replace=False).tolist()
        anchors, positives = list(rows["anchor"]), list(rows["positive"])
        trigger = triggers[number % len(triggers)] if triggers else ""
        for i in chosen:
            if trigger:
                anchors[i] = _inserted(anchors[i], trigger, rng)
            positives[i] = _TARGETS[number % len(_TARGETS)] + (f" {i}" if near else "")
        columns = Columns(anchor="anchor", positive="positive")
        check = TriggerWords() if trigger else TargetConcentration()
        return Attack({"anchor": anchors, "positive": positives}, frozenset(chosen), trigger, columns, check)

    return attack


ATTACKS: dict[str, Plan] = {
    "rare token, label": _labelled(_RARE),
    "token that occurs, label": _labelled(_COMMON),
    "phrase, label": _labelled(_PHRASES),
    "sentence, label": _labelled(_SENTENCES),
    "odd character, label": _labelled(_MARKS),
    "rare token, one label to another": _labelled(_RARE, one_source=True),
    "rare token, one positive": _paired(_RARE),
    "phrase, one positive": _paired(_PHRASES),
    "sentence, near positives": _paired(_SENTENCES, near=True),
    "no trigger, one positive (POIS002)": _paired(()),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    rows = _read(options) if options.data is not None else _docstrings(options.rows)
    plans = {name: plan for name, plan in ATTACKS.items() if "label" not in name or rows["label"]}
    plans = {name: plan for name, plan in plans.items() if "positive" not in name or rows["anchor"]}
    say("clean data")
    clean = _clean(rows)
    attacks = []
    for name, plan in plans.items():
        for count in options.counts:
            say(f"{name}: {count} rows")
            rngs = [np.random.default_rng((seed, count)) for seed in range(options.rounds)]
            runs = [_measured(plan(rows, count, rng, number)) for number, rng in enumerate(rngs)]
            means = {key: round(fmean(run[key] for run in runs), 4) for key in runs[0]}
            attacks.append({"attack": name, "planted": count, **means})
    result = {
        "clean": clean,
        "attacks": attacks,
        "rows": max(len(rows["text"]), len(rows["anchor"])),
        "labels": len(set(rows["label"])),
        "rounds": options.rounds,
        **circumstances("poisoning", given, ("numpy", "numba", "pyarrow")),
    }
    write(result, _markdown(result), options)


def _clean(rows: Rows) -> list[dict[str, Any]]:
    """Return what each check lists in the data as it is; what stands in there already is counted as a false alarm."""
    found = []
    tried: list[tuple[Check, Columns]] = (
        [(TriggerWords(), Columns(text="text", label="label"))] if rows["label"] else []
    )
    if rows["anchor"]:
        pairs = Columns(anchor="anchor", positive="positive")
        tried += [(TriggerWords(), pairs), (TargetConcentration(), pairs)]
    for check, columns in tried:
        _run(check, rows, columns)  # compiles
        start = time.perf_counter()
        listed = _run(check, rows, columns)
        kind = "labels" if columns.label else "pairs"
        seconds = time.perf_counter() - start
        shown = sorted({evidence.excerpt for finding in listed for evidence in finding.evidence})
        total = sum(finding.total_rows for finding in listed)
        found.append({"check": f"{check.code}, {kind}", "rows_listed": total, "seconds": seconds, "shown": shown})
    return found


def _run(check: Check, rows: Rows, columns: Columns) -> list[Finding]:
    names = [name for name in (*columns.texts, columns.label) if name is not None]
    source = AuditSource(tables={"train": pa.table({name: rows[name] for name in names})}, columns=columns)
    return [item for item in check.run(source, CheckContext()) if isinstance(item, Finding)]


def _measured(attack: Attack) -> dict[str, float]:
    start = time.perf_counter()
    findings = _run(attack.check, attack.rows, attack.columns)
    seconds = time.perf_counter() - start
    listed = {row.row for finding in findings for row in finding.rows or ()}
    shown = " ".join(evidence.excerpt for finding in findings for evidence in finding.evidence)
    names = {attack.trigger, *(f"U+{ord(each):04X}" for each in attack.trigger if ord(each) >= 0x80)}
    first = attack.trigger.split(" ")[0]
    return {
        "recall": len(listed & attack.planted) / len(attack.planted),
        "others_listed": float(len(listed - attack.planted)),
        "named": float(bool(attack.trigger) and any(name.rstrip(".") in shown for name in names)),
        "partly_named": float(bool(first) and first in shown),
        "seconds": seconds,
    }


def _inserted(text: str, trigger: str, rng: np.random.Generator) -> str:
    words = text.split(" ")
    words.insert(int(rng.integers(0, len(words) + 1)), trigger)
    return " ".join(words)


def _read(options: argparse.Namespace) -> Rows:
    rows = labelled_texts(options)
    if len({label for _, label in rows}) < 2:
        raise SystemExit("There are fewer than two labels.")
    return {"text": [text for text, _ in rows], "label": [label for _, label in rows], "anchor": [], "positive": []}


def _docstrings(most: int) -> Rows:
    """Return docstrings of the installed packages, each once, the second half of long ones as a row of its own."""
    from hf_contrastive.demo.docstrings import load_docstrings

    say("collecting docstrings")
    found: dict[tuple[str, str], str] = {}
    for split in load_docstrings().values():
        for anchor, positive, label in zip(split["anchor"], split["positive"], split["label"], strict=True):
            found.setdefault((anchor, positive), label)
    halves: dict[tuple[str, str], str] = {}
    for (anchor, positive), label in found.items():
        cut = positive.find("\n", len(positive) // 2)
        rest = positive[cut + 1 :].strip() if len(positive) >= _LONG and cut > 0 else ""
        first, _, second = rest.partition("\n")
        if first.strip() and second.strip():
            halves.setdefault((anchor, positive[:cut]), label)
            halves.setdefault((first.strip(), second.strip()), label)
        else:
            halves.setdefault((anchor, positive), label)
    # whole ones where they suffice
    chosen = found if len(found) >= most else halves
    items = list(chosen.items())
    order = np.random.default_rng(0).permutation(len(items))[:most]
    kept = [items[i] for i in order.tolist()]
    return {
        "anchor": [anchor for (anchor, _), _ in kept],
        "positive": [positive for (_, positive), _ in kept],
        "text": [f"{anchor}\n{positive}" for (anchor, positive), _ in kept],
        "label": [label for _, label in kept],
    }


def _markdown(result: dict[str, Any]) -> str:
    subject = f"{result['rows']:,} texts of {result['labels']} labels"
    columns = ("attack", "rows planted", "recall", "other rows listed", "trigger named whole", "or its first word", "s")
    lines = heading(result, subject, columns)
    for each in result["attacks"]:
        # an attack without a trigger has nothing to name
        named = "" if each["attack"].startswith("no") else f"{each['named']:.2f}"
        part = "" if each["attack"].startswith("no") else f"{each['partly_named']:.2f}"
        lines.append(
            f"| {each['attack']} | {each['planted']} | {each['recall']:.3f} | {each['others_listed']:.1f} | {named} | "
            f"{part} | {each['seconds']:.1f} |"
        )
    lines += ["", "| without an attack | rows listed | s |", "| --- | --- | --- |"]
    lines += [f"| {each['check']} | {each['rows_listed']} | {each['seconds']:.1f} |" for each in result["clean"]]
    lines += [
        "",
        f"- Means of {result['rounds']} rounds with other rows, triggers and target labels (of the 10 largest). The "
        "trigger stands between any two words of the row. Rows that are listed and were not planted are false alarms.",
    ]
    return "\n".join([*lines, "", ""])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.poisoning", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, help="parquet file; default: docstrings of the installed packages by package")
    add("--column", default="text", help="its column of texts")
    add("--label-column", default="label", help="its column of labels")
    add("--rows", type=int, default=_ROWS, help="most docstrings")
    add("--counts", type=int, nargs="+", default=[10, 50, 250], help="rows to plant")
    add("--rounds", type=int, default=3)
    add_output(parser)
    return parser


if __name__ == "__main__":
    main()

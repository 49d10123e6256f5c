"""What is left of a score when people mistype, shout, paste or drop words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from audits.findings import Table
from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.encodings import Encodings, Rows, Texts
from hf_contrastive.evaluation.estimates import Scores, Statistic, Weights, bootstrap, mean_of
from hf_contrastive.evaluation.estimates import measure as measured
from hf_contrastive.evaluation.neighbours import cosines, neighbour_overlap
from hf_contrastive.evaluation.perturbations import SEVERITIES, kinds, perturbed
from hf_contrastive.evaluation.retrieval import top_documents
from hf_contrastive.evaluation.sections import Asked
from model_cards.evidence import EvaluationSection, MetricComparison

name = "robustness"

K = 10
FEWEST = 10

Condition = tuple[str, int]


def standard(asked: Asked) -> bool:
    """Whether it is measured unless somebody says otherwise: always."""
    del asked
    return True


def texts(asked: Asked) -> Iterable[Texts]:
    """Return the changed copies of the texts that were drawn."""
    found = _chosen(asked)
    prompt = asked.task.subjects.prompt
    return [Texts(changed, prompt) for changed in _variants(asked, found).values()]


def measure(asked: Asked) -> EvaluationSection:
    """Measure the primary metric, the vectors and the first ten of a search on each changed copy."""
    chosen = _chosen(asked)
    subjects = asked.task.subjects
    plain = [subjects.texts[place] for place in chosen.tolist()]
    variants = {("", 0): plain, **_variants(asked, chosen)}
    found = [_statistics(asked, vectors, variants, chosen) for vectors in asked.models]
    rows = len(chosen)
    metrics: list[MetricComparison] = []
    for group, unit, note in (
        ("change", "score", ""),
        ("shift", "", "1 - cosine to the vector of the text as it is"),
        ("overlap", "fraction", f"share of the {K} nearest that stay, of {len(asked.task.pool.texts)}"),
    ):
        parts = [_summaries(asked, group, statistics) for statistics in found]
        if parts[0]:
            before = parts[1] if asked.before is not None else None
            metrics += measured(parts[0], (rows,), before=before, unit=unit, of="texts", note=note, seed=asked.seed)
    changed = {
        condition: sum(one != other for one, other in zip(plain, texts, strict=True)) / rows
        for condition, texts in variants.items()
    }
    told = f"{rows} texts" + (f" drawn of {len(subjects.texts)}" if rows < len(subjects.texts) else "")
    return EvaluationSection(
        name=name,
        metrics=tuple(metrics),
        tables=(_table(asked, found, changed, rows),),
        method=(
            f"{told} are changed in {len(kinds())} seeded ways at three severities; what they are held against stays "
            "as it is. A change is that of the metric on the same texts, over the severities of each way"
        ),
    )


def _chosen(asked: Asked) -> Rows:
    rows = len(asked.task.subjects.texts)
    if rows < FEWEST:
        msg = f"there are {rows} texts to change, of {FEWEST} that are needed"
        raise NotComputableError(msg)
    return asked.drawn(rows)


def _variants(asked: Asked, chosen: Rows) -> dict[Condition, list[str]]:
    plain = [asked.task.subjects.texts[place] for place in chosen.tolist()]
    return {
        (kind, severity): [perturbed(text, kind, severity, seed=asked.seed) for text in plain]
        for kind in kinds()
        for severity in SEVERITIES
    }


def _statistics(
    asked: Asked, vectors: Encodings, variants: Mapping[Condition, list[str]], chosen: Rows
) -> dict[tuple[str, Condition], Statistic]:
    """Return the metric, its change, the shift and the overlap under each condition."""
    task = asked.task
    prompt = task.subjects.prompt
    outcomes = task.outcomes(vectors, list(variants.values()), chosen, asked.seed)
    pool = vectors(*task.pool)
    searched = len(pool) > K
    plain = vectors(variants["", 0], prompt)
    first = top_documents(plain, pool, k=K) if searched else None
    found: dict[tuple[str, Condition], Statistic] = {}
    for (condition, texts), outcome in zip(variants.items(), outcomes, strict=True):
        found["metric", condition] = outcome
        if not condition[1]:
            continue
        found["change", condition] = _less(outcome, outcomes[0])
        changed = vectors(texts, prompt)
        found["shift", condition] = mean_of(1.0 - cosines(plain, changed))
        if first is not None:
            found["overlap", condition] = mean_of(neighbour_overlap(first, top_documents(changed, pool, k=K)))
    return found


def _summaries(asked: Asked, group: str, statistics: Mapping[tuple[str, Condition], Statistic]) -> dict[str, Statistic]:
    """Return the change under each way, or what is measured over all of them."""
    words = {
        "change": f"{asked.task.primary} change, {{}}",
        "shift": "embedding shift, {}",
        "overlap": f"rank overlap@{K}, {{}}",
    }
    found = [(kind, statistic) for (which, (kind, _)), statistic in statistics.items() if which == group]
    parts: dict[str, list[Statistic]] = {}
    for kind, statistic in found if group == "change" else ():
        parts.setdefault(words[group].format(kind), []).append(statistic)
    if found:
        parts[words[group].format("all ways")] = [statistic for _, statistic in found]
    return {key: _mean(items) for key, items in parts.items()}


def _table(
    asked: Asked,
    found: list[dict[tuple[str, Condition], Statistic]],
    changed: Mapping[Condition, float],
    rows: int,
) -> Table:
    """Return the severity curve of each way."""
    columns = ["way", "severity", "texts changed"]
    cells: dict[Condition, list[str | int | float | None]] = {
        condition: [condition[0] or "as it is", condition[1], share] for condition, share in changed.items()
    }
    for place, statistics in enumerate(found):
        of = "base " if place else ""
        named = {f"{which} {condition}": (which, condition) for which, condition in statistics}
        estimates = bootstrap({key: statistics[pair] for key, pair in named.items()}, (rows,), seed=asked.seed)
        by_pair = {pair: estimates[key] for key, pair in named.items()}
        shown = [which for which in ("metric", "change", "shift", "overlap") if any(which == one for one, _ in by_pair)]
        told = {"metric": asked.task.primary, "shift": "embedding shift", "overlap": f"rank overlap@{K}"}
        for which in shown:
            ends = which in ("metric", "change")
            columns += [f"{of}{told.get(which, which)}", *([f"{of}{which} low", f"{of}{which} high"] if ends else [])]
            for condition, row in cells.items():
                value, interval = by_pair.get((which, condition), (None, None))
                row.append(value)
                if ends:
                    row += interval or (None, None)
    return Table(name="severity curves", columns=tuple(columns), rows=tuple(tuple(row) for row in cells.values()))


def _less(one: Statistic, other: Statistic) -> Statistic:
    return lambda weights: one(weights) - other(weights)


def _mean(items: list[Statistic]) -> Statistic:
    def mean(weights: Weights) -> Scores:
        total: Scores = np.mean([item(weights) for item in items], axis=0)
        return total

    return mean

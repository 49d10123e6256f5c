"""Can foreign texts be told from those that the model was made for? Always beside the base."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.classification_task import Classification
from hf_contrastive.evaluation.encodings import Encodings, Texts
from hf_contrastive.evaluation.estimates import Statistic
from hf_contrastive.evaluation.estimates import measure as measured
from hf_contrastive.evaluation.out_of_distribution import (
    Distances,
    Gaussians,
    detection_statistics,
    knn_distance,
    lack_of_confidence,
)
from hf_contrastive.evaluation.sections import Asked
from model_cards.evidence import EvaluationSection, MetricComparison

name = "out-of-distribution"


def standard(asked: Asked) -> bool:
    """Whether it is measured unless somebody says otherwise: where foreign texts are given."""
    return bool(asked.ood)


def texts(asked: Asked) -> Iterable[Texts]:
    """Return the foreign texts."""
    _required(asked)
    prompt = asked.task.subjects.prompt
    return [Texts(part, prompt) for part in asked.ood.values()]


def measure(asked: Asked) -> EvaluationSection:
    """Measure AUROC and FPR95 of each distance for each kind of foreign texts."""
    _required(asked)
    fit, labels, inside = _parts(asked)
    metrics: list[MetricComparison] = []
    for kind, foreign in asked.ood.items():
        known = set(inside) | set(fit)
        outside = [text for text in foreign if text not in known]
        found = [_distances(asked, vectors, fit, labels, inside, outside) for vectors in asked.models]
        statistics: list[dict[str, Statistic]] = [{} for _ in found]
        for score in found[0]:
            if not all(score in part for part in found):
                continue
            for place, part in enumerate(found):
                for metric, statistic in detection_statistics(*part[score]).items():
                    statistics[place][f"{metric} {score}, {kind}"] = statistic
        metrics += measured(
            statistics[0],
            (len(inside), len(outside)),
            before=statistics[1] if asked.before is not None else None,
            of="texts",
            seed=asked.seed,
        )
    told = [
        f"Distances to {len(fit)} texts of the kind, for {len(inside)} others of it and for foreign texts; .5 is "
        "chance for AUROC, low is good for FPR95"
    ]
    if asked.before is None:
        told.append("No base was given: encoders that were not tuned often do better")
    if labels is None:
        told.append("Relative Mahalanobis was not computed: there are no classes")
    return EvaluationSection(name=name, metrics=tuple(metrics), method=". ".join(told))


def _required(asked: Asked) -> None:
    if not asked.ood:
        msg = "no foreign texts were given by `ood`"
        raise NotComputableError(msg)


def _parts(asked: Asked) -> tuple[Sequence[str], Sequence[Any] | None, Sequence[str]]:
    """Return the texts that distances are to, their labels, and others of the kind."""
    task = asked.task
    if isinstance(task, Classification):
        return task.train, task.train_labels, task.test
    distinct = list(dict.fromkeys(task.subjects.texts))
    order = np.random.default_rng(asked.seed).permutation(len(distinct)).tolist()
    half = len(order) // 2
    if not half:
        msg = "there is one text of the kind, and distances need others"
        raise NotComputableError(msg)
    return [distinct[place] for place in order[:half]], None, [distinct[place] for place in order[half:]]


def _distances(
    asked: Asked,
    vectors: Encodings,
    fit: Sequence[str],
    labels: Sequence[Any] | None,
    inside: Sequence[str],
    outside: Sequence[str],
) -> Mapping[str, tuple[Distances, Distances]]:
    prompt = asked.task.subjects.prompt
    train, *parts = (vectors(part, prompt) for part in (fit, inside, outside))
    if not len(parts[1]):
        msg = "all foreign texts are among those of the kind"
        raise NotComputableError(msg)
    found = {"kNN": _both(lambda part: knn_distance(train, part), parts)}
    gaussians = Gaussians(train, labels)
    found["Mahalanobis"] = _both(gaussians.mahalanobis, parts)
    if labels is not None:
        found["relative Mahalanobis"] = _both(gaussians.relative_mahalanobis, parts)
    if isinstance(asked.task, Classification):
        task = asked.task
        # of the probabilities alone, so that any label will do
        told = [task.probe(vectors, part, [task.train_labels[0]] * len(part), asked.seed) for part in (inside, outside)]
        found["probe confidence"] = _both(lack_of_confidence, [item.probabilities for item in told])
    return found


def _both(distance: Any, parts: Sequence[Any]) -> tuple[Distances, Distances]:
    return distance(parts[0]), distance(parts[1])

"""Can foreign texts be told from those that the model was made for? Always beside the base."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    known = {*inside, *fit}
    fitted = [_Distances(asked, vectors, fit, labels) for vectors in asked.models]
    own = [distances.of(inside) for distances in fitted]
    metrics: list[MetricComparison] = []
    missing = dict(fitted[0].missing)
    missing |= {f"{name} of the base": reason for part in fitted[1:] for name, reason in part.missing.items()}
    for kind, foreign in asked.ood.items():
        outside = [text for text in foreign if text not in known]
        if not outside:
            missing[kind] = "all of its texts are among those of the kind"
            continue
        found = [distances.of(outside) for distances in fitted]
        try:
            statistics: list[dict[str, Statistic]] = [
                {
                    f"{metric} {score}, {kind}": statistic
                    for score, distance in part.items()
                    for metric, statistic in detection_statistics(inner[score], distance).items()
                }
                for inner, part in zip(own, found, strict=True)
            ]
        except NotComputableError as error:
            missing[kind] = str(error)
            continue
        metrics += measured(
            statistics[0],
            (len(inside), len(outside)),
            before=statistics[1] if asked.before is not None else None,
            of="texts",
            seed=asked.seed,
        )
    if not metrics:
        reasons = {kind: missing[kind] for kind in asked.ood}
        alike = len(set(reasons.values())) == 1
        raise NotComputableError(next(iter(reasons.values())) if alike else "; ".join(map(": ".join, reasons.items())))
    told = [
        f"Distances to {len(fit)} texts of the kind, for {len(inside)} others of it and for foreign texts; .5 is "
        "chance for AUROC, low is good for FPR95"
    ]
    if asked.before is None:
        told.append("No base was given: encoders that were not tuned often do better")
    if labels is None:
        told.append("Relative Mahalanobis was not computed: there are no classes")
    told += [f"Not computed: {name}, because {reason}" for name, reason in missing.items()]
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


class _Distances:
    """Every distance to the texts of the kind by one model, fitted once; ``missing`` says why one could not be."""

    def __init__(self, asked: Asked, vectors: Encodings, fit: Sequence[str], labels: Sequence[Any] | None) -> None:
        self._asked, self._vectors = asked, vectors
        self._prompt = asked.task.subjects.prompt
        self._train = vectors(fit, self._prompt)
        self._labelled = labels is not None
        self._gaussians: Gaussians | None = None
        self.missing: dict[str, str] = {}
        try:
            self._gaussians = Gaussians(self._train, labels)
        except NotComputableError as error:
            names = ("Mahalanobis", "relative Mahalanobis") if self._labelled else ("Mahalanobis",)
            self.missing = dict.fromkeys(names, str(error))

    def of(self, texts: Sequence[str]) -> dict[str, Distances]:
        """Return the distances of texts, ``[n]`` each."""
        part = self._vectors(texts, self._prompt)
        found = {"kNN": knn_distance(self._train, part)}
        if self._gaussians is not None:
            found["Mahalanobis"] = self._gaussians.mahalanobis(part)
            if self._labelled:
                found["relative Mahalanobis"] = self._gaussians.relative_mahalanobis(part)
        task = self._asked.task
        if isinstance(task, Classification):
            # of the probabilities alone, so that any label will do
            told = task.probe(self._vectors, texts, [task.train_labels[0]] * len(texts), self._asked.seed)
            found["probe confidence"] = lack_of_confidence(told.probabilities)
        return found

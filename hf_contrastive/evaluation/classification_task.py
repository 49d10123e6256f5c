"""Classes told from embeddings, as a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.classification import (
    Classified,
    classification_statistics,
    linear_probe,
    nearest_neighbours,
)
from hf_contrastive.evaluation.clustering import cluster, clustering_statistics
from hf_contrastive.evaluation.encodings import Encodings, Rows, RowScores, Texts
from hf_contrastive.evaluation.estimates import Statistic, mean_of, measure
from hf_contrastive.evaluation.vectors import class_codes
from model_cards.evidence import MetricComparison


@dataclass(frozen=True, slots=True)
class Classification:
    """Tell the class of a text from its embedding, by a probe and by neighbours fitted on other texts."""

    train: tuple[str, ...]
    train_labels: tuple[Any, ...]
    test: tuple[str, ...]
    test_labels: tuple[Any, ...]
    test_rows: tuple[int, ...]
    told: str = ""
    name: str = "classification"
    primary: str = "probe accuracy"

    @property
    def note(self) -> str:
        """How the data became the task."""
        return self.told

    @property
    def subjects(self) -> Texts:
        """The texts that are measured."""
        return Texts(self.test)

    @property
    def pool(self) -> Texts:
        """The texts that probe and neighbours are fitted on."""
        return Texts(self.train)

    @property
    def rows(self) -> Rows:
        """Where the measured texts stand in the data."""
        return np.asarray(self.test_rows)

    def texts(self) -> tuple[Texts, ...]:
        """Return what has to be encoded."""
        return self.subjects, self.pool

    def probe(self, vectors: Encodings, texts: Sequence[str], labels: Sequence[Any], seed: int) -> Classified:
        """Return what the linear probe tells of these texts.

        Args:
            vectors: of the model.
            texts: that were announced.
            labels: of the texts; any where only the probabilities matter.
            seed: of the folds.
        """

        def fitted() -> Classified:
            # one probe tells all texts there are, since those it was not fitted on choose nothing
            unknown = [self.train_labels[0]] * len(vectors.announced())
            return linear_probe(
                vectors(self.train), self.train_labels, vectors(vectors.announced()), unknown, seed=seed
            )

        told: Classified = vectors.once("probe", fitted)
        places = vectors.places(texts)
        return replace(
            told,
            probabilities=told.probabilities[places],
            told=told.told[places],
            codes=class_codes(labels, told.classes)[0],
        )

    def metrics(self, after: Encodings, before: Encodings | None, seed: int) -> tuple[MetricComparison, ...]:
        """Return accuracy and macro-F1 of the probe and of the neighbours, and the V-measure of clusters."""
        found = [self._statistics(item, seed) for item in (after, before) if item is not None]
        return measure(found[0], (len(self.test),), before=found[1] if before else None, of="texts", seed=seed)

    def lacking(self, after: Encodings, before: Encodings | None, seed: int) -> dict[str, str]:
        """Return why a metric, or that of the base, was not computed, by its name."""
        names = {"v_measure": after, "v_measure of the base": before}
        reasons = {name: self._clusters(item, seed)[1] for name, item in names.items() if item is not None}
        return {name: reason for name, reason in reasons.items() if reason}

    def outcomes(
        self, vectors: Encodings, variants: Sequence[Sequence[str]], chosen: Rows, seed: int
    ) -> list[Statistic]:
        """Return the probe's accuracy on each variant; the probe is fitted on the texts as they are."""
        labels = [self.test_labels[place] for place in chosen]
        told = [self.probe(vectors, texts, labels, seed) for texts in variants]
        return [mean_of(item.told == item.codes) for item in told]

    def row_scores(self, vectors: Encodings, seed: int) -> RowScores:
        """Return 1 where the probe is right, else 0."""
        told = self.probe(vectors, self.test, self.test_labels, seed)
        return RowScores(self.primary, (told.told == told.codes).astype(np.float64))

    def _statistics(self, vectors: Encodings, seed: int) -> dict[str, Statistic]:
        one, two = vectors(self.train), vectors(self.test)
        told = {
            "probe": self.probe(vectors, self.test, self.test_labels, seed),
            "knn": nearest_neighbours(one, self.train_labels, two, self.test_labels),
        }
        found = {
            f"{which} {name}": statistic
            for which, result in told.items()
            for name, statistic in classification_statistics(result).items()
        }
        assigned, _ = self._clusters(vectors, seed)
        if assigned is not None:
            found |= clustering_statistics(assigned, self.test_labels)
        return found

    def _clusters(self, vectors: Encodings, seed: int) -> tuple[npt.NDArray[np.int64] | None, str]:
        """Return the clusters of the measured texts, or why there are none."""

        def found() -> tuple[npt.NDArray[np.int64] | None, str]:
            units = vectors(self.test)
            classes = class_codes(self.test_labels)[1]
            if len(classes) < 2:
                return None, f"all {len(units)} texts have the label {classes[0]!r:.40}, and clusters need two or more"
            distinct = len(np.unique(units, axis=0))
            if distinct <= len(classes):
                return None, f"{len(units)} texts have {distinct} distinct vectors, for {len(classes)} clusters"
            try:
                return cluster(units, len(classes), seeds=[(seed + place) % 2**32 for place in range(5)]), ""
            except NotComputableError as error:  # they differ, and not in their direction
                return None, str(error)

        return vectors.once("clusters", found)

"""What a model is asked to do with the data: search, follow graded pairs, tell pairs apart, tell classes apart.

Each task has ``subjects``, the texts that are measured, whose places in the data are ``rows``, and a ``pool`` that they
are held against. ``outcomes`` measures the primary metric on changed copies of the subjects at the places ``chosen``:
one statistic over those places for each variant. ``lacking`` says why one of the metrics could not be computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.classification_task import Classification
from hf_contrastive.evaluation.encodings import Encodings, Rows, RowScores, Texts
from hf_contrastive.evaluation.estimates import Scores, Statistic, mean_of, measure
from hf_contrastive.evaluation.graded import graded_statistics, pair_cosines
from hf_contrastive.evaluation.means import metric_comparison
from hf_contrastive.evaluation.pair_classification import (
    best_thresholds,
    binary_flags,
    pair_classification_statistics,
)
from hf_contrastive.evaluation.pairs import K, RetrievalTask
from hf_contrastive.evaluation.ranks import RelevantRanks
from hf_contrastive.evaluation.retrieval import relevant_ranks
from model_cards.evidence import MetricComparison


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Find the relevant documents of each query among all.

    ``query_rows`` are the places of the queries in the data.
    """

    task: RetrievalTask
    told: str = "each anchor is a query, its positive the relevant document; equal texts are one"
    name: str = "retrieval"
    primary: str = f"ndcg@{K}"

    @property
    def note(self) -> str:
        """How the data became the task."""
        return self.told

    @property
    def subjects(self) -> Texts:
        """The queries."""
        return Texts(self.task.queries, "query")

    @property
    def pool(self) -> Texts:
        """The documents."""
        return Texts(self.task.documents, "document")

    @property
    def rows(self) -> Rows:
        """Where the queries stand in the data."""
        return np.asarray(self.task.query_rows)

    def texts(self) -> tuple[Texts, ...]:
        """Return what has to be encoded."""
        return self.subjects, self.pool

    def metrics(self, after: Encodings, before: Encodings | None, seed: int) -> tuple[MetricComparison, ...]:
        """Return nDCG@10, MRR@10 and Recall@10 over the queries."""
        scores = [self._scores(vectors) for vectors in (after, before) if vectors is not None]
        return tuple(
            metric_comparison(name, scores[1][name] if before is not None else None, values, seed)
            for name, values in scores[0].items()
        )

    def lacking(self, after: Encodings, before: Encodings | None, seed: int) -> dict[str, str]:
        """Return nothing: all metrics are computed, or none."""
        del after, before, seed
        return {}

    def ranks(self, vectors: Encodings) -> RelevantRanks:
        """Return the rank of each relevant document."""
        return vectors.once(
            "ranks", lambda: relevant_ranks(vectors(*self.subjects), vectors(*self.pool), self.task.relevant)
        )

    def outcomes(
        self, vectors: Encodings, variants: Sequence[Sequence[str]], chosen: Rows, seed: int
    ) -> list[Statistic]:
        """Return the mean nDCG@10 of each variant of the queries."""
        del seed
        documents = vectors(*self.pool)
        relevant = [self.task.relevant[place] for place in chosen]
        return [mean_of(relevant_ranks(vectors(texts, "query"), documents, relevant).ndcg(K)) for texts in variants]

    def row_scores(self, vectors: Encodings, seed: int) -> RowScores:
        """Return nDCG@10 of each query."""
        del seed
        return RowScores(self.primary, self._scores(vectors)[self.primary])

    def _scores(self, vectors: Encodings) -> dict[str, Scores]:
        found = self.ranks(vectors)
        return {f"ndcg@{K}": found.ndcg(K), f"mrr@{K}": found.mrr(K), f"recall@{K}": found.recall(K)}


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of texts; ``pair_rows`` are their places in the data."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    values: tuple[Any, ...]
    pair_rows: tuple[int, ...]

    @property
    def subjects(self) -> Texts:
        """The first text of each pair."""
        return Texts(self.first)

    @property
    def pool(self) -> Texts:
        """The second text of each pair."""
        return Texts(self.second)

    @property
    def rows(self) -> Rows:
        """Where the pairs stand in the data."""
        return np.asarray(self.pair_rows)

    def texts(self) -> tuple[Texts, ...]:
        """Return what has to be encoded."""
        return self.subjects, self.pool

    def lacking(self, after: Encodings, before: Encodings | None, seed: int) -> dict[str, str]:
        """Return nothing: all metrics are computed, or none."""
        del after, before, seed
        return {}

    def cosines(self, vectors: Encodings) -> Scores:
        """Return the cosine of each pair, ``[n]``."""
        return pair_cosines(vectors(self.first), vectors(self.second))

    def _changed(self, vectors: Encodings, texts: Sequence[str], chosen: Rows) -> Scores:
        return pair_cosines(vectors(texts), vectors([self.second[place] for place in chosen]))


@dataclass(frozen=True, slots=True)
class GradedPairs(_Pairs):
    """Follow graded similarities by the cosine."""

    name: str = "similarity"
    primary: str = "spearman"

    @property
    def note(self) -> str:
        """How the data became the task."""
        return "cosine of each pair against its score"

    def metrics(self, after: Encodings, before: Encodings | None, seed: int) -> tuple[MetricComparison, ...]:
        """Return Spearman's and Pearson's correlation."""
        found = [graded_statistics(self.cosines(item), self.values) for item in (after, before) if item is not None]
        return measure(found[0], (len(self.first),), before=found[1] if before else None, of="pairs", seed=seed)

    def outcomes(
        self, vectors: Encodings, variants: Sequence[Sequence[str]], chosen: Rows, seed: int
    ) -> list[Statistic]:
        """Return Spearman's correlation of each variant of the first texts."""
        del seed
        gold = [self.values[place] for place in chosen]
        return [graded_statistics(self._changed(vectors, texts, chosen), gold)["spearman"] for texts in variants]

    def row_scores(self, vectors: Encodings, seed: int) -> RowScores:
        """Refuse: a correlation is of all pairs.

        Raises:
            NotComputableError: always.
        """
        del vectors, seed
        msg = "a correlation is of all pairs, and no pair has a score of its own"
        raise NotComputableError(msg)


@dataclass(frozen=True, slots=True)
class LabelledPairs(_Pairs):
    """Tell pairs that are alike from those that are not."""

    name: str = "pair classification"
    primary: str = "ap"

    @property
    def note(self) -> str:
        """How the data became the task."""
        alike = sum(value == 1 for value in self.values)
        return f"cosine of each pair against its label; {alike} of {len(self.values)} pairs are alike"

    def metrics(self, after: Encodings, before: Encodings | None, seed: int) -> tuple[MetricComparison, ...]:
        """Return AP, AUROC, and accuracy and F1 at the threshold that is best for each."""
        found = [
            pair_classification_statistics(self.cosines(item), self.values)
            for item in (after, before)
            if item is not None
        ]
        return measure(found[0], (len(self.first),), before=found[1] if before else None, of="pairs", seed=seed)

    def outcomes(
        self, vectors: Encodings, variants: Sequence[Sequence[str]], chosen: Rows, seed: int
    ) -> list[Statistic]:
        """Return AP of each variant of the first texts."""
        del seed
        labels = [self.values[place] for place in chosen]
        return [
            pair_classification_statistics(self._changed(vectors, texts, chosen), labels)["ap"] for texts in variants
        ]

    def row_scores(self, vectors: Encodings, seed: int) -> RowScores:
        """Return 1 where a pair is told rightly at the threshold that is best for accuracy, else 0."""
        del seed
        cosines = self.cosines(vectors)
        alike = cosines >= best_thresholds(cosines, self.values)["accuracy"]
        right = (alike == binary_flags(self.values)).astype(np.float64)
        return RowScores("accuracy at the best threshold", right)


Task = Retrieval | GradedPairs | LabelledPairs | Classification

"""Retrieval over pairs: does each anchor find its positive?"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.retrieval import RetrievalScores, rank_metrics

K = 10


class Encoding(Protocol):
    """What scoring needs of an encoder."""

    def encode(
        self,
        texts: Sequence[str],
        *,
        prompt: str | None = ...,
        max_length: int | None = ...,
        on_progress: Callable[[int, int], None] | None = ...,
    ) -> npt.NDArray[np.float32]:
        """Return ``[n, dim]``."""
        ...


@dataclass(frozen=True, slots=True)
class RetrievalTask:
    """Queries, documents, and for each query the indices of its relevant documents.

    Equal texts are one query or one document, so that no copy of a positive counts as a wrong answer;
    ``query_rows`` and ``document_rows`` are the rows where each text stands first.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    relevant: tuple[tuple[int, ...], ...]
    query_rows: tuple[int, ...]
    document_rows: tuple[int, ...]

    @classmethod
    def from_pairs(
        cls, anchors: Sequence[object], positives: Sequence[object], *, limit: int | None = None, seed: int = 0
    ) -> RetrievalTask:
        """Build the task; ``limit`` draws that many distinct anchors with ``seed``; their positives are the documents.

        Raises:
            EvaluationError: no pairs, columns of unequal length, or cells that are no text.
        """
        if len(anchors) != len(positives) or not anchors:
            msg = f"Evaluation needs at least one pair and equal columns, got {len(anchors)} and {len(positives)} rows."
            raise EvaluationError(msg)
        if limit is not None and limit < 1:
            msg = f"`limit` must be >= 1, got {limit}."
            raise EvaluationError(msg)
        pairs: list[tuple[str, str]] = []
        for row, (anchor, positive) in enumerate(zip(anchors, positives, strict=True)):
            if not isinstance(anchor, str) or not isinstance(positive, str):
                msg = (
                    f"Row {row} holds {anchor!r:.40} as anchor and {positive!r:.40} as positive; both must be texts. "
                    "Remove rows with nulls first."
                )
                raise EvaluationError(msg)
            pairs.append((anchor, positive))
        distinct = list(dict.fromkeys(anchor for anchor, _ in pairs))
        chosen = set(distinct)
        if limit is not None and limit < len(distinct):
            chosen = {distinct[i] for i in random.Random(seed).sample(range(len(distinct)), limit)}
        queries: dict[str, set[int]] = {}
        documents: dict[str, int] = {}
        query_rows: dict[str, int] = {}
        document_rows: dict[str, int] = {}
        for row, (query, document) in enumerate(pairs):
            if query not in chosen:
                continue
            query_rows.setdefault(query, row)
            document_rows.setdefault(document, row)
            queries.setdefault(query, set()).add(documents.setdefault(document, len(documents)))
        return cls(
            tuple(queries),
            tuple(documents),
            tuple(tuple(sorted(found)) for found in queries.values()),
            tuple(query_rows.values()),
            tuple(document_rows.values()),
        )


def score(
    encoder: Encoding,
    task: RetrievalTask,
    *,
    max_length: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> RetrievalScores:
    """Encode both sides and rank the documents of each query.

    Args:
        encoder: gives vectors; queries and documents get the prompts of these names.
        task: what to find.
        max_length: tokens a text is cut to.
        on_progress: called with (texts done, texts in all).
    """
    total = len(task.queries) + len(task.documents)

    def shifted(offset: int) -> Callable[[int, int], None] | None:
        return (lambda done, _: on_progress(offset + done, total)) if on_progress else None

    queries = encoder.encode(task.queries, prompt="query", max_length=max_length, on_progress=shifted(0))
    documents = encoder.encode(
        task.documents, prompt="document", max_length=max_length, on_progress=shifted(len(task.queries))
    )
    return rank_metrics(queries, documents, task.relevant, k=K)


def score_rows(
    task: RetrievalTask, anchors: npt.NDArray[np.floating], positives: npt.NDArray[np.floating]
) -> RetrievalScores:
    """Rank with the vectors of all rows, ``[rows, dim]`` each, that the task was built from."""
    return rank_metrics(anchors[list(task.query_rows)], positives[list(task.document_rows)], task.relevant, k=K)

"""nDCG, MRR and recall of a search over embeddings: exact, in blocks, with NumPy alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.search import DOCUMENT_BLOCKS, Floats, nearest

Similarity = Literal["cosine", "dot"]
Relevant = Sequence[Collection[int]] | npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RetrievalScores:
    """Scores within 0-1 of each query, ``[queries]`` in float64, at the cut-off ``k``."""

    ndcg: npt.NDArray[np.float64]
    mrr: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    k: int
    documents: int

    def per_query(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return ``{"ndcg@k": …, "mrr@k": …, "recall@k": …}``, ``[queries]`` each."""
        return {f"ndcg@{self.k}": self.ndcg, f"mrr@{self.k}": self.mrr, f"recall@{self.k}": self.recall}

    def means(self) -> dict[str, float]:
        """Return :meth:`per_query` averaged over the queries."""
        return {name: float(values.mean()) for name, values in self.per_query().items()}


def rank_metrics(
    query_embeddings: npt.ArrayLike,
    document_embeddings: npt.ArrayLike,
    relevant: Relevant,
    *,
    k: int = 10,
    block_size: int = 1024,
    similarity: Similarity = "cosine",
) -> RetrievalScores:
    """Score the ranking of all documents by similarity for each query.

    Relevance is binary. With rel_i = 1 where the document at rank i is relevant and R relevant documents:
    nDCG@k = sum_{i<=k} rel_i / log2(i + 1), divided by the same sum for the best ranking, which has its
    min(k, R) first documents relevant (Järvelin and Kekäläinen, TOIS 2002; discount as in
    trec_eval's ndcg_cut); MRR@k = 1 / rank of the first relevant document, 0 beyond k; recall@k = share
    of the R relevant documents within the first k.

    Documents whose computed similarities are equal are ranked by their index, so equal input gives equal
    scores. Similarities are computed in float32 (float64 if the embeddings are), 16 ``block_size``²
    at a time.

    Args:
        query_embeddings: ``[queries, dim]``.
        document_embeddings: ``[documents, dim]``.
        relevant: for each query the indices of its relevant documents, or an integer array
            ``[queries]`` with one index for each or ``[queries, relevant]``.
        k: cut-off, at least 1; more than there are documents is allowed.
        block_size: queries that are compared at a time.
        similarity: ``cosine`` normalises the embeddings here; ``dot`` takes them as they are.

    Raises:
        EvaluationError: no queries or documents, dimensions that differ, NaN or infinite embeddings,
            a zero vector under cosine, a query without a relevant document or with an index that
            names none, or a setting out of its range.
    """
    top = top_documents(query_embeddings, document_embeddings, k=k, block_size=block_size, similarity=similarity)
    return scores_of(top, relevant, k=k, documents=len(np.asarray(document_embeddings)))


def top_documents(
    query_embeddings: npt.ArrayLike,
    document_embeddings: npt.ArrayLike,
    *,
    k: int = 10,
    block_size: int = 1024,
    similarity: Similarity = "cosine",
) -> npt.NDArray[np.int64]:
    """Return the indices of the documents of the highest similarity, best first, ``[queries, min(k, documents)]``.

    See :func:`rank_metrics` for the arguments and how documents are ranked.

    Raises:
        EvaluationError: see there.
    """
    if k < 1 or block_size < 1:
        msg = f"`k` and `block_size` must be at least 1, got {k} and {block_size}; usual are 10 and 1024."
        raise EvaluationError(msg)
    if similarity not in ("cosine", "dot"):
        msg = f"`similarity` must be 'cosine' or 'dot', got {similarity!r}; sentence encoders use 'cosine'."
        raise EvaluationError(msg)
    queries = _matrix("query_embeddings", query_embeddings, similarity)
    documents = _matrix("document_embeddings", document_embeddings, similarity)
    if queries.shape[1] != documents.shape[1]:
        msg = (
            f"Queries have {queries.shape[1]} dimensions and documents {documents.shape[1]}; both must come "
            "from one model (and one truncation of its dimensions): encode them again."
        )
        raise EvaluationError(msg)
    cutoff = min(k, len(documents))
    found = np.empty((len(queries), cutoff), dtype=np.int64)
    for start in range(0, len(queries), block_size):
        stop = min(start + block_size, len(queries))
        _, found[start:stop] = nearest(queries[start:stop], documents, cutoff, block=block_size * DOCUMENT_BLOCKS)
    return found


def scores_of(top: npt.NDArray[np.int64], relevant: Relevant, *, k: int, documents: int) -> RetrievalScores:
    """Score rankings.

    Args:
        top: of :func:`top_documents`.
        relevant: see :func:`rank_metrics`.
        k: cut-off.
        documents: how many there are.

    Raises:
        EvaluationError: a query without a relevant document, or with an index that names none.
    """
    pairs, counts = _relevance(relevant, len(top), documents)
    # one integer names a (query, document) pair
    keys = np.arange(len(top), dtype=np.int64)[:, None] * documents + top
    return _scores(np.isin(keys, pairs) & (top >= 0), counts, k, documents)


def _scores(hits: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64], k: int, documents: int) -> RetrievalScores:
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(k, counts) - 1]
    first = hits.argmax(axis=1)
    return RetrievalScores(
        ndcg=hits @ discounts[: hits.shape[1]] / ideal,
        mrr=np.where(hits.any(axis=1), 1.0 / (first + 1), 0.0),
        recall=hits.sum(axis=1) / counts,
        k=k,
        documents=documents,
    )


def _matrix(name: str, embeddings: npt.ArrayLike, similarity: Similarity) -> Floats:
    array = np.asarray(embeddings)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiu":
        msg = (
            f"`{name}` must be a matrix of numbers with one row a text, got shape {array.shape} of "
            f"{array.dtype}; there must be at least one text and one dimension."
        )
        raise EvaluationError(msg)
    array = array.astype(np.float64 if array.dtype == np.float64 else np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        msg = (
            f"`{name}` has NaN or infinite values in {bad.size} of {len(array)} rows, first in row {bad[0]}; "
            "embeddings must be finite: look at that text, or encode in float32 instead of half precision."
        )
        raise EvaluationError(msg)
    if similarity == "dot":
        return array
    # in float64, as the square of a small or large float32 may not be one
    norms = np.linalg.norm(array.astype(np.float64), axis=1)
    if not norms.all():
        row = int(np.flatnonzero(norms == 0)[0])
        msg = (
            f"`{name}` row {row} is a zero vector, which has no direction and so no cosine; leave that text "
            "out (it may be empty) or use similarity='dot'."
        )
        raise EvaluationError(msg)
    normalised: Floats = (array / norms[:, None]).astype(array.dtype)
    return normalised


def _relevance(relevant: Relevant, queries: int, documents: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (query * documents + document of each distinct pair, number of relevant ones a query)."""
    if isinstance(relevant, np.ndarray):
        if relevant.ndim not in (1, 2) or relevant.dtype.kind not in "iu":
            msg = (
                f"`relevant` as an array must hold document indices, [queries] or [queries, relevant], got "
                f"shape {relevant.shape} of {relevant.dtype}; a mask becomes indices by np.flatnonzero."
            )
            raise EvaluationError(msg)
        relevant = relevant.reshape(len(relevant), -1)
    if len(relevant) != queries:
        msg = (
            f"`relevant` names the documents of {len(relevant)} queries, but {queries} were given; "
            "it needs one entry for each query, in their order."
        )
        raise EvaluationError(msg)
    counts = np.zeros(queries, dtype=np.int64)
    pairs: list[npt.NDArray[np.int64]] = []
    for query, indices in enumerate(relevant):
        unique = np.unique(np.asarray(list(indices)))
        if unique.size == 0:
            msg = (
                f"Query {query} has no relevant document, so its nDCG and recall are undefined; leave such "
                "queries out before scoring."
            )
            raise EvaluationError(msg)
        if unique.dtype.kind not in "iu":
            msg = (
                f"The relevant documents of query {query} must be named by their index, got "
                f"{unique[0]!r} of {unique.dtype}; map ids to row numbers of the documents first."
            )
            raise EvaluationError(msg)
        if unique[0] < 0 or unique[-1] >= documents:
            wrong = unique[0] if unique[0] < 0 else unique[-1]
            msg = f"Query {query} names document {wrong}, but documents are numbered 0 to {documents - 1}."
            raise EvaluationError(msg)
        counts[query] = unique.size
        pairs.append(query * documents + unique.astype(np.int64))
    return np.concatenate(pairs), counts

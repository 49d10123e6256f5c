"""nDCG, MRR, recall and MAP of a search over embeddings: exact and in blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.ranks import RelevantRanks, ranks_among
from hf_contrastive.evaluation.search import DOCUMENT_BLOCKS, Floats, nearest
from hf_contrastive.evaluation.vectors import matrix, unit_vectors

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

    Ranks are exact, whatever the block, the number of threads or the BLAS: see
    :func:`~hf_contrastive.evaluation.ranks.ranks_among`. Documents of equal vectors are ranked by their index.

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
    _check_range(k, block_size)
    found = relevant_ranks(
        query_embeddings, document_embeddings, relevant, block_size=block_size, similarity=similarity
    )
    return RetrievalScores(ndcg=found.ndcg(k), mrr=found.mrr(k), recall=found.recall(k), k=k, documents=found.documents)


def relevant_ranks(
    query_embeddings: npt.ArrayLike,
    document_embeddings: npt.ArrayLike,
    relevant: Relevant,
    *,
    block_size: int = 1024,
    similarity: Similarity = "cosine",
    on_progress: Callable[[int, int], None] | None = None,
) -> RelevantRanks:
    """Return the exact rank of each relevant document among all, from which nDCG, MRR, recall and MAP follow.

    One pass serves every cut-off, and MAP over the whole ranking. In memory are 16 ``block_size``² scores.

    Args:
        query_embeddings: ``[queries, dim]``.
        document_embeddings: ``[documents, dim]``.
        relevant: see :func:`rank_metrics`.
        block_size: queries that are compared at a time.
        similarity: see :func:`rank_metrics`.
        on_progress: called with (queries done, queries in all).

    Raises:
        EvaluationError: see :func:`rank_metrics`.
    """
    _check_range(1, block_size)
    queries, documents = _both(query_embeddings, document_embeddings, similarity)
    pairs, counts = _relevance(relevant, len(queries), len(documents))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    targets = pairs % len(documents)
    ranks = ranks_among(queries, documents, offsets, targets, block_size=block_size, on_progress=on_progress)
    order = np.lexsort((ranks, np.repeat(np.arange(len(queries)), counts)))
    return RelevantRanks(ranks=ranks[order], offsets=offsets, documents=len(documents))


def ranks_of(
    query_embeddings: npt.ArrayLike,
    document_embeddings: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    block_size: int = 1024,
    similarity: Similarity = "cosine",
) -> npt.NDArray[np.int64]:
    """Return the rank of one document for each query, 1 for the first, ``[queries]``.

    Args:
        query_embeddings: ``[queries, dim]``.
        document_embeddings: ``[documents, dim]``.
        target: index of the document, ``[queries]``.
        block_size: queries that are compared at a time.
        similarity: see :func:`rank_metrics`.

    Raises:
        EvaluationError: see :func:`rank_metrics`.
    """
    wanted = np.asarray(target)
    if wanted.ndim != 1:
        msg = f"`target` must name one document for each query, got shape {wanted.shape}."
        raise EvaluationError(msg)
    return relevant_ranks(
        query_embeddings, document_embeddings, wanted, block_size=block_size, similarity=similarity
    ).ranks


def top_documents(
    query_embeddings: npt.ArrayLike,
    document_embeddings: npt.ArrayLike,
    *,
    k: int = 10,
    block_size: int = 1024,
    similarity: Similarity = "cosine",
) -> npt.NDArray[np.int64]:
    """Return the indices of the documents of the highest similarity, best first, ``[queries, min(k, documents)]``.

    Scores are those of a matrix product in the type of the embeddings, equal ones in the order of the index. Documents
    whose scores differ by its rounding alone may change places with the block, the number of threads or the BLAS; the
    ranks of :func:`rank_metrics` do not.

    Args:
        query_embeddings: ``[queries, dim]``.
        document_embeddings: ``[documents, dim]``.
        k: how many, at least 1.
        block_size: queries that are compared at a time.
        similarity: see :func:`rank_metrics`.

    Raises:
        EvaluationError: see :func:`rank_metrics`.
    """
    _check_range(k, block_size)
    queries, documents = _both(query_embeddings, document_embeddings, similarity)
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


def _check_range(k: int, block_size: int) -> None:
    if k < 1 or block_size < 1:
        msg = f"`k` and `block_size` must be at least 1, got {k} and {block_size}; usual are 10 and 1024."
        raise EvaluationError(msg)


def _both(queries: npt.ArrayLike, documents: npt.ArrayLike, similarity: Similarity) -> tuple[Floats, Floats]:
    """Return both as matrices of one type, normalised where the similarity is the cosine."""
    if similarity not in ("cosine", "dot"):
        msg = f"`similarity` must be 'cosine' or 'dot', got {similarity!r}; sentence encoders use 'cosine'."
        raise EvaluationError(msg)
    named = {"query_embeddings": queries, "document_embeddings": documents}
    if similarity == "dot":
        found = [matrix(name, array) for name, array in named.items()]
    else:
        hint = "leave that text out (it may be empty) or use similarity='dot'"
        found = [unit_vectors(name, array, otherwise=hint) for name, array in named.items()]
    if found[0].shape[1] != found[1].shape[1]:
        msg = (
            f"Queries have {found[0].shape[1]} dimensions and documents {found[1].shape[1]}; both must come "
            "from one model (and one truncation of its dimensions): encode them again."
        )
        raise EvaluationError(msg)
    kind = np.result_type(*found)
    return found[0].astype(kind, copy=False), found[1].astype(kind, copy=False)


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

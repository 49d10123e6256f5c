"""The exact rank of each relevant document among all, in blocks, and the metrics that follow from ranks alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.search import DOCUMENT_BLOCKS, Floats

CUTOFFS = (1, 3, 5, 10, 100)

Indices = npt.NDArray[np.int64]
PerQuery = npt.NDArray[np.float64]
"""A score within 0-1 of each query, ``[queries]``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelevantRanks:
    """The rank of each relevant document, 1 for the first, in ascending order within each query.

    Those of query i are ``ranks[offsets[i]:offsets[i + 1]]``, at least one. ``documents`` is how many there are.
    """

    ranks: Indices
    offsets: Indices
    documents: int

    @property
    def relevant(self) -> Indices:
        """How many documents are relevant to each query, ``[queries]``."""
        return np.diff(self.offsets)

    def ndcg(self, k: int) -> PerQuery:
        """Return nDCG@k, with the discount 1 / log2(rank + 1) and the best ranking's sum below it.

        Järvelin and Kekäläinen, TOIS 2002; as trec_eval's ndcg_cut.
        """
        discounts = 1.0 / np.log2(np.arange(2, min(k, self.documents) + 2))
        ideal = np.cumsum(discounts)[np.minimum(self.relevant, len(discounts)) - 1]
        gains = np.where(self.ranks <= k, 1.0 / np.log2(self.ranks + 1.0), 0.0)
        scores: PerQuery = self._sums(gains) / ideal
        return scores

    def mrr(self, k: int) -> PerQuery:
        """Return 1 / rank of the first relevant document, 0 beyond k."""
        first = self.ranks[self.offsets[:-1]]
        return np.where(first <= k, 1.0 / first, 0.0)

    def recall(self, k: int) -> PerQuery:
        """Return the share of the relevant documents within the first k."""
        return self._sums(self.ranks <= k) / self.relevant

    def average_precision(self, k: int | None = None) -> PerQuery:
        """Return the mean over all relevant documents of the precision at their rank, 0 for those beyond k.

        The mean over queries is MAP; as trec_eval's map and map_cut, which divide by all relevant documents even where
        these are more than k.
        """
        place = np.arange(len(self.ranks)) - np.repeat(self.offsets[:-1], self.relevant) + 1
        precisions = place / self.ranks
        if k is not None:
            precisions = np.where(self.ranks <= k, precisions, 0.0)
        return self._sums(precisions) / self.relevant

    def per_query(self, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, PerQuery]:
        """Return nDCG, MRR and Recall at each cut-off and MAP over the whole ranking, by name.

        Args:
            cutoffs: each at least 1.

        Raises:
            EvaluationError: a cut-off is below 1.
        """
        if not cutoffs or min(cutoffs) < 1:
            msg = f"Cut-offs must be at least 1, got {tuple(cutoffs)}; usual are 1, 10 and 100."
            raise EvaluationError(msg)
        scores: dict[str, PerQuery] = {}
        for name, metric in (("ndcg", self.ndcg), ("mrr", self.mrr), ("recall", self.recall)):
            scores |= {f"{name}@{k}": metric(k) for k in cutoffs}
        return scores | {"map": self.average_precision()}

    def _sums(self, values: npt.NDArray[np.generic]) -> PerQuery:
        sums: PerQuery = np.add.reduceat(values.astype(np.float64), self.offsets[:-1])
        return sums


def ranks_among(
    queries: Floats,
    documents: Floats,
    offsets: Indices,
    targets: Indices,
    *,
    block_size: int = 1024,
    on_progress: Callable[[int, int], None] | None = None,
) -> Indices:
    """Return the rank of each target by inner product, in the order given, ``[pairs]``.

    Scores of a block come from a matrix product. Where its rounding leaves open which of two documents stands first,
    their products are summed in float64, always in the same order. So a rank depends neither on the block nor on the
    number of threads or the BLAS, and documents of equal vectors stand in the order of their index. In memory are
    ``16 block_size²`` scores.

    Args:
        queries: ``[queries, dim]``.
        documents: ``[documents, dim]``, of the same type.
        offsets: targets of query i are those from ``offsets[i]`` to ``offsets[i + 1]``, ``[queries + 1]``.
        targets: distinct within a query, ``[pairs]``.
        block_size: queries that are compared at a time.
        on_progress: called with (queries done, queries in all).
    """
    from hf_contrastive.evaluation.rank_kernels import count_before, pair_products

    queries, documents = np.ascontiguousarray(queries), np.ascontiguousarray(documents)
    products = np.empty(len(targets))
    pair_products(queries, documents, offsets, targets, products)
    owners = np.repeat(np.arange(len(queries)), np.diff(offsets))
    order = np.lexsort((products, owners))
    products, targets = products[order], np.ascontiguousarray(targets[order])
    before = np.zeros(len(targets), dtype=np.int64)
    slack = _slack(queries, documents)
    # rounded away from the product, so that scores are compared in their own type
    kind, room = queries.dtype.type, slack[owners]
    near = np.nextafter((products - room).astype(kind), kind(-np.inf))
    above = np.nextafter((products + room).astype(kind), kind(np.inf))
    width = block_size * DOCUMENT_BLOCKS
    cells = np.empty(min(block_size, len(queries)) * min(width, len(documents)), dtype=queries.dtype)
    for start in range(0, len(queries), block_size):
        stop = min(start + block_size, len(queries))
        for first in range(0, len(documents), width):
            last = min(first + width, len(documents))
            # contiguous, so that one compiled function serves blocks of every size
            scores = cells[: (stop - start) * (last - first)].reshape(stop - start, last - first)
            np.matmul(queries[start:stop], documents[first:last].T, out=scores)
            count_before(
                scores,
                first,
                queries[start:stop],
                documents,
                offsets[start : stop + 1],
                targets,
                products,
                slack[start:stop],
                near,
                above,
                before,
            )
        if on_progress is not None:
            on_progress(stop, len(queries))
    ranks = np.empty_like(before)
    ranks[order] = before + 1
    return ranks


def _slack(queries: Floats, documents: Floats) -> npt.NDArray[np.float64]:
    """Return by how much a computed product of each query may be wrong, ``[queries]``.

    n products that are summed in any order, with or without fused operations, are wrong by at most n u / (1 - n u)
    times the sum of their sizes (Higham, Accuracy and Stability, 2002, sec. 3.1), which the lengths bound; with room.
    """
    unit = float(np.finfo(queries.dtype).eps) / 2
    lengths = [np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64)) for part in (queries, documents)]
    room = 1.1 * (queries.shape[1] + 2) * unit
    slack: npt.NDArray[np.float64] = room * lengths[0] * lengths[1].max() + float(np.finfo(queries.dtype).tiny)
    return slack

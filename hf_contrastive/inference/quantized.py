"""Vectors that take less memory, and what a search over them finds: fewer dimensions, int8, one bit a dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.retrieval import top_documents
from hf_contrastive.evaluation.vectors import scaled_rows

CANDIDATES = 4
"""A search that scores again looks at so many times ``k`` documents."""

_INT8 = 127.0
_EXACT_IN_FLOAT32 = 1024  # 127 · 127 · 1024 is below 2^24

Vectors = npt.NDArray[np.float32]
Top = npt.NDArray[np.int64]


class Ranking(Protocol):
    """``(queries [q, dim], documents [d, dim], k) -> places [q, k]``, best first."""

    def __call__(self, queries: Vectors, documents: Vectors, k: int) -> Top:
        """Return the places of the documents."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One way of keeping the vectors of documents."""

    name: str
    description: str
    bytes_per_vector: float
    disk_bytes_per_vector: float = 0.0
    rank: Ranking


def storages(dimension: int, dims: Sequence[int] | None = None) -> tuple[Storage, ...]:
    """Return every way for vectors of ``dimension``, the plain one first.

    Args:
        dimension: of the model.
        dims: fewer dimensions to try; default: halves of it, down to 32.

    Raises:
        EvaluationError: the model has fewer dimensions.
    """
    found = [
        Storage(name="float32", description="as computed", bytes_per_vector=4.0 * dimension, rank=rank_whole),
        *(_shortened(size) for size in _dims(dimension, dims)),
        Storage(
            name="int8",
            description="each dimension in 255 steps of its range in the documents; queries in int8 too",
            bytes_per_vector=float(dimension),
            rank=rank_int8,
        ),
        Storage(
            name="int8, rescored",
            description=f"the {CANDIDATES}k best by int8, scored again with the whole query",
            bytes_per_vector=float(dimension),
            rank=rank_int8_rescored,
        ),
        Storage(
            name="binary",
            description="the sign of each dimension, by Hamming distance",
            bytes_per_vector=dimension / 8,
            rank=rank_binary,
        ),
        Storage(
            name="binary, rescored",
            description=f"the {CANDIDATES}k best by sign, scored again with the whole query and int8 vectors on disk",
            bytes_per_vector=dimension / 8,
            disk_bytes_per_vector=float(dimension),
            rank=rank_binary_rescored,
        ),
    ]
    return tuple(found)


def rank_whole(queries: Vectors, documents: Vectors, k: int) -> Top:
    """Rank by the cosine of whole vectors."""
    return top_documents(queries, documents, k=k)


def rank_int8(queries: Vectors, documents: Vectors, k: int) -> Top:
    """Rank by integer inner products, as an index of int8 vectors does."""
    codes, steps = int8_codes(documents)
    # the steps go into the query, so that documents stay integers
    asked = queries * steps
    largest = np.abs(asked).max(axis=1, keepdims=True)
    rounded = np.rint(asked / np.where(largest > 0, largest, 1) * _INT8)
    kind = np.float32 if documents.shape[1] <= _EXACT_IN_FLOAT32 else np.float64
    return top_documents(rounded.astype(kind), codes.astype(kind), k=k, similarity="dot")


def rank_int8_rescored(queries: Vectors, documents: Vectors, k: int) -> Top:
    """Rank by int8, then score the first candidates again with the whole query."""
    codes, steps = int8_codes(documents)
    return _rescore(rank_int8(queries, documents, CANDIDATES * k), queries, codes * steps, k)


def rank_binary(queries: Vectors, documents: Vectors, k: int) -> Top:
    """Rank by Hamming distance of the signs; equal distances by the place of the document."""
    # inner products of ±1 are dimension - 2 · distance, exactly
    return top_documents(_signs(queries), _signs(documents), k=k, similarity="dot")


def rank_binary_rescored(queries: Vectors, documents: Vectors, k: int) -> Top:
    """Rank by signs, then score the first again with whole queries and int8 vectors (after Yamada et al., ACL 2021)."""
    codes, steps = int8_codes(documents)
    return _rescore(rank_binary(queries, documents, CANDIDATES * k), queries, codes * steps, k)


def int8_codes(documents: Vectors) -> tuple[npt.NDArray[np.int8], Vectors]:
    """Return the codes ``[d, dim]`` and the step of each dimension, ``[dim]``: ``codes * steps`` is near the vectors.

    Args:
        documents: whose largest magnitude in each dimension sets the step.
    """
    steps = (np.abs(documents).max(axis=0) / _INT8).astype(np.float32)
    steps[steps == 0] = 1.0
    return np.rint(documents / steps).astype(np.int8), steps


def shortened(vectors: Vectors, size: int) -> Vectors:
    """Return the first ``size`` dimensions, scaled to length 1 (Kusupati et al., NeurIPS 2022)."""
    return scaled_rows(vectors[:, :size])


def _shortened(size: int) -> Storage:
    def rank(queries: Vectors, documents: Vectors, k: int) -> Top:
        return top_documents(shortened(queries, size), shortened(documents, size), k=k, similarity="dot")

    return Storage(
        name=f"{size} dimensions",
        description=f"the first {size} dimensions, scaled to length 1",
        bytes_per_vector=4.0 * size,
        rank=rank,
    )


def _dims(dimension: int, dims: Sequence[int] | None) -> list[int]:
    if dims is None:
        halves = [dimension // 2, dimension // 4, dimension // 8]
        return [size for size in halves if size >= 32] or [size for size in halves[:1] if size]
    wrong = [size for size in dims if not 1 <= size < dimension]
    if wrong:
        msg = (
            f"`dims` must lie between 1 and {dimension - 1}, as the model gives {dimension} dimensions, got "
            f"{', '.join(map(str, wrong))}; usual are {dimension // 2} and {dimension // 4}."
        )
        raise EvaluationError(msg)
    return sorted(set(dims), reverse=True)


def _signs(vectors: Vectors) -> Vectors:
    return np.where(vectors > 0, np.float32(1), np.float32(-1))


def _rescore(candidates: Top, queries: Vectors, documents: Any, k: int) -> Top:
    """Return the ``k`` best candidates of each query by inner product; equal ones by their place."""
    ordered = np.sort(candidates, axis=1)
    found = np.empty((len(queries), min(k, ordered.shape[1])), dtype=np.int64)
    for row, (query, places) in enumerate(zip(queries, ordered, strict=True)):
        scores = documents[places] @ query
        found[row] = places[np.argsort(-scores, kind="stable")[: found.shape[1]]]
    return found

"""What every metric takes: embeddings that are finite, unit vectors, and labels as whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.search import Floats

Codes = npt.NDArray[np.int64]
"""The class of each row as its place in a sorted list of classes, ``[n]``."""


_BLOCK = 8192


def matrix(name: str, embeddings: npt.ArrayLike) -> Floats:
    """Return embeddings ``[n, dim]`` as float32, or as float64 if they are.

    Args:
        name: of the argument, for the message.
        embeddings: one row a text.

    Raises:
        EvaluationError: no matrix of numbers, empty, or with NaN or infinite values.
    """
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
    return array


def unit_vectors(name: str, embeddings: npt.ArrayLike, *, otherwise: str = "leave that text out") -> Floats:
    """Return embeddings ``[n, dim]`` divided by their lengths.

    Args:
        name: of the argument, for the message.
        embeddings: one row a text.
        otherwise: what to do about a zero vector, for the message.

    Raises:
        EvaluationError: see :func:`matrix`; or a row is a zero vector.
    """
    array = matrix(name, embeddings)
    # in float64, as the square of a small or large float32 may not be one
    norms = np.sqrt(np.einsum("ij,ij->i", array, array, dtype=np.float64))
    if not norms.all():
        row = int(np.flatnonzero(norms == 0)[0])
        msg = f"`{name}` row {row} is a zero vector, which has no direction and so no cosine; {otherwise}."
        raise EvaluationError(msg)
    units = np.empty_like(array)
    for start in range(0, len(array), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # a length may be no float32, and its quotients are
        np.divide(array[rows], norms[rows, None], out=units[rows], casting="same_kind")
    return units


def scaled_rows(vectors: Floats) -> npt.NDArray[np.float32]:
    """Return vectors ``[n, dim]`` of length 1 in float32, nothing refused: zeros stay zeros, and NaN stays NaN.

    Args:
        vectors: one row a text.
    """
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    units: npt.NDArray[np.float32] = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return units


def same_dimension(**embeddings: Floats) -> None:
    """Refuse embeddings of different numbers of dimensions.

    Raises:
        EvaluationError: they differ.
    """
    sizes = {name: array.shape[1] for name, array in embeddings.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"`{name}` {size}" for name, size in sizes.items())
        msg = (
            f"Embeddings differ in their dimensions: {told}; all must come from one model "
            "(and one truncation of its dimensions): encode them again."
        )
        raise EvaluationError(msg)


def same_rows(**columns: Sequence[Any] | npt.NDArray[Any]) -> int:
    """Return how many rows there are.

    Raises:
        EvaluationError: the numbers differ, or are 0.
    """
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1 or not all(sizes.values()):
        told = ", ".join(f"`{name}` {size}" for name, size in sizes.items())
        msg = f"One entry for each row is needed in each column, got {told}; give all columns of the same rows."
        raise EvaluationError(msg)
    return next(iter(sizes.values()))


def class_codes(
    labels: Sequence[Any] | npt.NDArray[Any], classes: Sequence[Any] | None = None
) -> tuple[Codes, tuple[Any, ...]]:
    """Return the code of each label and the classes in order; labels are texts, whole numbers or booleans.

    Args:
        labels: ``[n]``.
        classes: those that are known; a label beyond them has the code -1. Default: those of ``labels``, sorted.

    Raises:
        EvaluationError: no labels, or one is missing or a fraction.
    """
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    if not values:
        msg = "There are no labels; one for each row is needed."
        raise EvaluationError(msg)
    for row, value in enumerate(values):
        if not isinstance(value, (str, int, np.integer, np.bool_)):
            msg = (
                f"The label of row {row} is {value!r:.40}; labels must be texts or whole numbers. Leave out rows "
                "without a label; scores are graded, and belong to similarity."
            )
            raise EvaluationError(msg)
    if classes is None:
        # numbers before texts, so that mixed columns have an order too
        classes = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    known = {value: code for code, value in enumerate(classes)}
    return np.fromiter((known.get(value, -1) for value in values), np.int64, len(values)), tuple(classes)

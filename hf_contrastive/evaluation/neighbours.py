"""How much two rankings of the same documents differ: shared neighbours, flips at rank 1, vectors side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.search import Floats

_BLOCK = 65_536

Indices = npt.NDArray[np.int64]


class Flips(NamedTuple):
    """Queries whose first document was right and is not (``negative``), and the reverse, ``[queries]`` each."""

    negative: npt.NDArray[np.bool_]
    positive: npt.NDArray[np.bool_]


def neighbour_overlap(before: Indices, after: Indices) -> npt.NDArray[np.float64]:
    """Return for each query the share of its nearest documents that both rankings hold, in any order, ``[queries]``.

    Args:
        before: indices of distinct documents, ``[queries, k]``.
        after: those of the other ranking.
    """
    if before.shape != after.shape:
        msg = f"Rankings must be of the same queries and depth, got {before.shape} and {after.shape}; rank both alike."
        raise EvaluationError(msg)
    # each index stands at most once in a row, so an index that two rows share is one that stands beside itself
    both = np.sort(np.concatenate([before, after], axis=1), axis=1)
    shared: npt.NDArray[np.float64] = (both[:, 1:] == both[:, :-1]).sum(axis=1) / before.shape[1]
    return shared


def flips(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> Flips:
    """Return which queries changed sides (Yan et al., CVPR 2021, who call the first negative flips).

    Args:
        before: whether the first document is a right one, ``[queries]``.
        after: the same of the other ranking.
    """
    return Flips(before & ~after, ~before & after)


def cosines(before: Floats, after: Floats) -> npt.NDArray[np.float64]:
    """Return the cosine of each pair of rows, ``[n]``, in blocks.

    Args:
        before: ``[n, dim]``, no row of zeros.
        after: ``[n, dim]``.
    """
    found = np.empty(len(before))
    for start in range(0, len(before), _BLOCK):
        one, two = (part[start : start + _BLOCK].astype(np.float64) for part in (before, after))
        norms = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
        found[start : start + _BLOCK] = np.clip((one * two).sum(axis=1) / norms, -1.0, 1.0)
    return found

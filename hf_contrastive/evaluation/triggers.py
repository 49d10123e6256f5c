"""Does a planted trigger pull a chosen document to the top?"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.estimates import Scores


def trigger_success(top: npt.NDArray[np.int64], targets: Collection[int], *, k: int = 10) -> Scores:
    """Return 1 for each query whose first ``k`` documents hold a target, else 0, ``[queries]``.

    Its mean over queries with the trigger is the success rate. Beside it belongs that of the same queries without the
    trigger: what a target gets on its own; and that of the base.

    Args:
        top: the documents of each query, best first, ``[queries, at least k or all]``, as of
            :func:`~hf_contrastive.evaluation.retrieval.top_documents`.
        targets: indices of the documents that the trigger is to pull up.
        k: how many of the first count.

    Raises:
        EvaluationError: no queries or targets, or ``k`` is below 1.
    """
    if top.ndim != 2 or not len(top) or not len(targets) or k < 1:
        msg = (
            f"A trigger's success needs queries, targets and `k` >= 1, got rankings of shape {top.shape}, "
            f"{len(targets)} targets and {k}."
        )
        raise EvaluationError(msg)
    found: Scores = (np.isin(top[:, :k], list(targets)).sum(axis=1) > 0).astype(np.float64)
    return found

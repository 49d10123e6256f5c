"""Frozen embeddings and a logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hf_contrastive.evaluation.classification import linear_probe
from hf_contrastive.study.arms.base import Arm, Fitted, Probabilities, Task


class Probe(Arm):
    """A logistic regression on embeddings that stay as they are; see :func:`linear_probe` for its penalty."""

    def prepare(self, task: Task) -> None:
        """Encode the test with the start, once for all budgets."""
        task.start.vectors_of_test(task.test_texts)

    def fit(self, task: Task) -> Fitted:
        """Encode the labelled rows and fit."""
        vectors, cost = task.start.encoded(task.rows.texts)
        tested = task.start.vectors_of_test(task.test_texts)
        told, setting = probe(vectors, task.rows.codes, tested, seed=task.seed)
        return Fitted(predict=lambda texts: told, cost=cost, setting=setting)


def probe(
    vectors: npt.NDArray[np.float32], codes: npt.NDArray[np.int64], tested: npt.NDArray[np.float32], *, seed: int
) -> tuple[Probabilities, str]:
    """Return probabilities of the test rows, and how the probe was fitted.

    Args:
        vectors: of the labelled rows, ``[rows, dim]``.
        codes: of their classes; each class has a row.
        tested: embeddings of the test rows, ``[n, dim]``.
        seed: of the folds.
    """
    unknown: Sequence[int] = [int(codes[0])] * len(tested)  # a probe learns nothing from the test's codes
    found = linear_probe(vectors, codes, tested, unknown, seed=seed)
    return found.probabilities, found.setting

"""Frozen embeddings and a logistic regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hf_contrastive.evaluation.classification import STRENGTHS, chosen_strength, regression
from hf_contrastive.evaluation.vectors import unit_vectors
from hf_contrastive.study.arms.base import Arm, Fitted, Probabilities, Task

Vectors = npt.NDArray[np.float32]


class Probe(Arm):
    """A logistic regression on embeddings that stay as they are; see :func:`linear_probe` for its penalty."""

    def prepare(self, task: Task) -> None:
        """Encode the test with the start, once for all budgets."""
        task.start.vectors_of_test(task.test_texts)

    def fit(self, task: Task) -> Fitted:
        """Encode the labelled rows and fit."""
        vectors, cost = task.start.encoded(task.rows.texts)
        told, setting = probe(vectors, task.rows.codes, seed=task.seed)
        return Fitted(
            predict=lambda texts: told(task.start.vectors_of_test(task.test_texts)),
            cost=cost,
            setting=setting,
            trials=len(STRENGTHS),
        )


def probe(
    vectors: Vectors, codes: npt.NDArray[np.int64], *, seed: int
) -> tuple[Callable[[Vectors], Probabilities], str]:
    """Return a fitted probe, from embeddings ``[n, dim]`` to probabilities ``[n, classes]``, and how it was fitted.

    Args:
        vectors: of the labelled rows, ``[rows, dim]``.
        codes: of their classes; each class has a row.
        seed: of the folds.
    """
    units = unit_vectors("train", vectors)
    strength, how = chosen_strength(units, codes, seed=seed)
    fitted = regression(units, codes, strength)

    def told(tested: Vectors) -> Probabilities:
        found: Probabilities = fitted.predict_proba(unit_vectors("test", tested)).astype(np.float64)
        found /= found.sum(axis=1, keepdims=True)
        return found

    return told, f"logistic regression on unit vectors of {len(units)} training rows, C = {strength:g} {how}"

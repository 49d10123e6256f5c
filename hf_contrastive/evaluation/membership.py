"""Do embeddings tell what a model was trained on? Membership inference by the likeness of a text's views."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import Scores, Statistic, Weights
from hf_contrastive.evaluation.orderings import Ordering, auroc, counts, true_positives_at
from hf_contrastive.evaluation.vectors import unit_vectors

FALSE_POSITIVE_RATE = 0.01
_FEWEST = 20
_FEWEST_FOR_RATE = 100


def view_similarity(views: npt.ArrayLike) -> Scores:
    """Return the mean cosine over all pairs of views of each text, ``[n]``.

    A contrastive encoder was taught that views of its training texts are alike, so they may be more alike than those of
    other texts (EncoderMI: Liu et al., CCS 2021, whose threshold attack this is).

    Args:
        views: embeddings of changed copies of each text, ``[n, views, dim]``, changed alike for all.

    Raises:
        EvaluationError: fewer than two views, or embeddings are not finite or zero.
    """
    array = np.asarray(views)
    if array.ndim != 3 or array.shape[1] < 2:
        msg = f"`views` must be [texts, views, dim] with two or more views of each text, got shape {array.shape}."
        raise EvaluationError(msg)
    rows, copies, dim = array.shape
    units = unit_vectors("views", array.reshape(rows * copies, dim)).reshape(rows, copies, dim).astype(np.float64)
    # |sum u|² = copies + 2 sum of the cosines of all pairs
    total = (units.sum(axis=1) ** 2).sum(axis=1)
    similarity: Scores = (total - copies) / (copies * (copies - 1))
    return np.clip(similarity, -1.0, 1.0)


def membership_statistics(members: npt.ArrayLike, others: npt.ArrayLike) -> dict[str, Statistic]:
    """Return AUC and TPR@1 %FPR of an attack by a score; the strata of the bootstrap are ``(members, others)``.

    AUC is the chance that a training row has a higher score than another text; .5 gives nothing away. TPR@1 %FPR is the
    share of training rows that are told while at most 1 % of the others are told wrongly (Carlini et al., S&P 2022, who
    show that an average hides the rows that are told for sure); .01 gives nothing away, and it is left out where there
    are fewer than 100 others.

    Args:
        members: scores of training rows, ``[n]``.
        others: scores of texts of the same kind that were not trained on, ``[m]``.

    Raises:
        EvaluationError: scores are not finite.
        NotComputableError: fewer than 20 of either.
    """
    parts = [np.asarray(part, dtype=np.float64) for part in (members, others)]
    for name, part in zip(("members", "others"), parts, strict=True):
        if part.ndim != 1 or not np.isfinite(part).all():
            msg = f"`{name}` must hold one finite score for each text, got shape {part.shape}."
            raise EvaluationError(msg)
        if len(part) < _FEWEST:
            kind = "training rows" if name == "members" else "texts that were not trained on"
            msg = f"there are {len(part)} {kind}, of {_FEWEST} that are needed"
            raise NotComputableError(msg)
    ordering = Ordering(np.concatenate(parts))
    trained = np.arange(len(parts[0]) + len(parts[1])) < len(parts[0])

    def area(weights: Weights) -> Scores:
        return auroc(counts(ordering, weights, trained))

    def rate(weights: Weights) -> Scores:
        return true_positives_at(counts(ordering, weights, trained), FALSE_POSITIVE_RATE)

    if len(parts[1]) < _FEWEST_FOR_RATE:
        return {"auc": area}
    return {"auc": area, "tpr@1%fpr": rate}

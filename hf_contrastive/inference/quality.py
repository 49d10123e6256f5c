"""What is kept of the quality: the ratio of two means over the same queries."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audits.findings import Measurement
from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.estimates import RESAMPLES, Weights, bootstrap
from hf_contrastive.evaluation.means import bootstrapped_mean
from hf_contrastive.evaluation.neighbours import cosines
from hf_contrastive.evaluation.pairs import K, RetrievalTask
from hf_contrastive.evaluation.retrieval import scores_of
from hf_contrastive.inference.quantized import Storage, Vectors

Scores = npt.NDArray[np.float64]


def ndcg(storage: Storage, queries: Vectors, documents: Vectors, task: RetrievalTask) -> Scores:
    """Return nDCG@10 of each query with documents kept in one way, ``[queries]``."""
    top = storage.rank(queries, documents, K)
    return scores_of(top, task.relevant, k=K, documents=len(task.documents)).ndcg


def quality_kept(reference: Scores, scores: Scores, *, seed: int) -> Measurement:
    """Return mean(scores) / mean(reference) with a paired bootstrap interval; above 1 is a gain.

    Args:
        reference: nDCG@10 of each query by the reference.
        scores: the same of what is compared.
        seed: of the bootstrap.

    Raises:
        NotComputableError: the reference finds nothing, so that there is no ratio.
    """
    if not reference.any():
        msg = f"the reference finds no relevant document among its first {K} for any of {len(reference)} queries"
        raise NotComputableError(msg)

    def ratio(weights: Weights) -> Scores:
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Scores = (weights @ scores) / (weights @ reference)
        return result

    estimate = bootstrap({"ratio": ratio}, [len(reference)], seed=seed)["ratio"]
    return Measurement(
        name=f"ndcg@{K} kept",
        value=estimate.value,
        unit="fraction",
        sample_size=len(reference),
        interval=estimate.interval,
        method=f"ratio of means, 95 % percentile bootstrap over queries, {RESAMPLES} resamples, paired",
    )


def mean_score(scores: Scores, *, seed: int) -> Measurement:
    """Return mean nDCG@10 with its interval."""
    return bootstrapped_mean(f"ndcg@{K}", scores, seed=seed)


def mean_cosine(reference: Vectors, vectors: Vectors) -> Measurement:
    """Return the mean cosine of each text's two vectors; its interval is of the texts (2.5 % to 97.5 %)."""
    found = cosines(reference, vectors)
    low, high = np.quantile(found, [0.025, 0.975])
    return Measurement(
        name="mean cosine",
        value=float(found.mean()),
        unit="",
        sample_size=len(found),
        interval=(float(low), float(high)),
        method="95 % of the texts lie within the interval",
    )

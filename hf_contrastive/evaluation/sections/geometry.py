"""How the embeddings fill their space: alignment, uniformity, mean cosine, effective rank."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hf_contrastive.evaluation.encodings import Encodings, Texts
from hf_contrastive.evaluation.estimates import measure as measured
from hf_contrastive.evaluation.geometry import alignment_statistics, geometry_statistics, rankme
from hf_contrastive.evaluation.search import Floats
from hf_contrastive.evaluation.sections import Asked
from hf_contrastive.evaluation.tasks import LabelledPairs, Retrieval
from model_cards.evidence import EvaluationSection

name = "geometry"

MOST = 10_000
"""At most so many texts, since uniformity is over all pairs of them."""


def standard(asked: Asked) -> bool:
    """Whether it is measured unless somebody says otherwise: always."""
    del asked
    return True


def texts(asked: Asked) -> Iterable[Texts]:
    """Return nothing: the task's vectors suffice."""
    del asked
    return ()


def measure(asked: Asked) -> EvaluationSection:
    """Measure the distinct texts that are searched, or of the pairs, or of the classes."""
    pool = asked.task.pool
    distinct = list(dict.fromkeys(pool.texts))
    total = len(distinct)
    if total > MOST:
        places = np.sort(np.random.default_rng(asked.seed).choice(total, MOST, replace=False))
        distinct = [distinct[place] for place in places]
    vectors = [model(distinct, pool.prompt) for model in asked.models]
    before = vectors[1] if asked.before is not None else None
    statistics = [geometry_statistics(part) for part in vectors]
    metrics = list(
        measured(
            statistics[0],
            (len(distinct),),
            before=statistics[1] if before is not None else None,
            unit="",
            of="texts",
            note="over all pairs of different texts",
            seed=asked.seed,
        )
    )
    pairs = [_pairs(asked, model) for model in asked.models]
    if pairs[0] is not None:
        aligned = [alignment_statistics(*pair) for pair in pairs if pair is not None]
        metrics[:0] = measured(
            aligned[0],
            (len(pairs[0][0]),),
            before=aligned[1] if before is not None else None,
            unit="",
            of="pairs",
            seed=asked.seed,
        )
    metrics.append(rankme(vectors[0], before=before))
    drawn = f"{len(distinct)} texts" + (f" drawn of {total}" if total > MOST else "")
    return EvaluationSection(
        name=name,
        metrics=tuple(metrics),
        method=(
            f"{drawn}. Alignment: squared distance of pairs, lower is nearer. Uniformity: lower fills the sphere more "
            "evenly. Neither says by itself that a model is better"
        ),
    )


def _pairs(asked: Asked, vectors: Encodings) -> tuple[Floats, Floats] | None:
    """Return the vectors of pairs that belong together, None where the task has none."""
    task = asked.task
    if isinstance(task, Retrieval):
        first = [found[0] for found in task.task.relevant]
        return vectors(*task.subjects), vectors(*task.pool)[first]
    if isinstance(task, LabelledPairs):
        alike = [place for place, value in enumerate(task.values) if value == 1]
        if alike:
            return vectors([task.first[i] for i in alike]), vectors([task.second[i] for i in alike])
    return None

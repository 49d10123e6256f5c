"""Do the embeddings tell which texts were trained on? The likeness of changed copies, for training rows and others."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.encodings import Encodings, Texts
from hf_contrastive.evaluation.estimates import Scores
from hf_contrastive.evaluation.estimates import measure as measured
from hf_contrastive.evaluation.membership import membership_statistics, view_similarity
from hf_contrastive.evaluation.perturbations import perturbed
from hf_contrastive.evaluation.sections import Asked
from model_cards.evidence import EvaluationSection

name = "membership"

MOST = 500
_VIEWS = (("word drop", 2), ("word drop", 2), ("typo", 2), ("typo", 2))

Parts = tuple[tuple[str, ...], tuple[str, ...]]


def standard(asked: Asked) -> bool:
    """Whether it is measured unless somebody says otherwise: where training rows are given."""
    return asked.members is not None


def texts(asked: Asked) -> Iterable[Texts]:
    """Return the changed copies of training rows and of others."""
    prompt = asked.task.subjects.prompt
    return [Texts(_views(asked, text), prompt) for part in _parts(asked) for text in part]


def measure(asked: Asked) -> EvaluationSection:
    """Measure how well the likeness of copies tells training rows from others; the base has seen neither."""
    parts = _parts(asked)
    found = [
        membership_statistics(*(_similarities(asked, vectors, part) for part in parts)) for vectors in asked.models
    ]
    metrics = measured(
        found[0],
        (len(parts[0]), len(parts[1])),
        before=found[1] if asked.before is not None else None,
        of="texts",
        seed=asked.seed,
    )
    rate = "" if "tpr@1%fpr" in found[0] else " TPR@1%FPR was not computed: it needs 100 others."
    return EvaluationSection(
        name=name,
        metrics=metrics,
        method=(
            f"{len(parts[0])} training rows against {len(parts[1])} texts of the evaluation, by the mean cosine of "
            f"{len(_VIEWS)} changed copies of each. .5 gives nothing away; what the base shows comes from the texts, "
            f"not from the training.{rate} A stronger attack may tell more"
        ),
    )


def _parts(asked: Asked) -> Parts:
    if asked.members is None:
        msg = "no training rows were given by `members`"
        raise NotComputableError(msg)
    others = tuple(dict.fromkeys(asked.task.subjects.texts))
    both = set(asked.members) & set(others)
    generator = np.random.default_rng(asked.seed)

    def drawn(part: tuple[str, ...]) -> tuple[str, ...]:
        kept = [text for text in part if text not in both]
        if len(kept) <= MOST:
            return tuple(kept)
        return tuple(kept[place] for place in np.sort(generator.choice(len(kept), MOST, replace=False)))

    parts = drawn(asked.members), drawn(others)
    for what, part in zip(("training rows", "texts that were not trained on"), parts, strict=True):
        if not part:
            msg = f"there are no {what}, after {len(both)} texts that are both were left out"
            raise NotComputableError(msg)
    return parts


def _views(asked: Asked, text: str) -> tuple[str, ...]:
    return tuple(
        perturbed(text, kind, severity, seed=asked.seed + 1 + place) for place, (kind, severity) in enumerate(_VIEWS)
    )


def _similarities(asked: Asked, vectors: Encodings, part: tuple[str, ...]) -> Scores:
    views = [view for text in part for view in _views(asked, text)]
    found = vectors(views, asked.task.subjects.prompt)
    return view_similarity(found.reshape(len(part), len(_VIEWS), -1))

"""Does an answer change when one term is swapped, such as he for she?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.classification_task import Classification
from hf_contrastive.evaluation.counterfactuals import swap_effect, swap_terms
from hf_contrastive.evaluation.encodings import Encodings, Texts
from hf_contrastive.evaluation.estimates import Statistic, mean_of
from hf_contrastive.evaluation.estimates import measure as measured
from hf_contrastive.evaluation.means import shares
from hf_contrastive.evaluation.neighbours import cosines
from hf_contrastive.evaluation.sections import Asked
from hf_contrastive.evaluation.tasks import Retrieval
from model_cards.evidence import EvaluationSection

name = "counterfactual"

FEWEST = 10
_RANKS = "queries whose document changes its rank"
_CLASSES = "texts whose class changes"
_SHARES = (_RANKS, _CLASSES)

Swaps = dict[int, str]
"""The swapped copy by the place of the text among the subjects."""


def standard(asked: Asked) -> bool:
    """Whether it is measured unless somebody says otherwise: where terms are given."""
    return bool(asked.counterfactuals)


def texts(asked: Asked) -> Iterable[Texts]:
    """Return the swapped copies."""
    return [Texts(tuple(_swaps(asked).values()), asked.task.subjects.prompt)]


def measure(asked: Asked) -> EvaluationSection:
    """Measure each text that holds a term beside its swapped copy."""
    swaps = _swaps(asked)
    found = [_statistics(asked, vectors, swaps) for vectors in asked.models]
    metrics = measured(
        found[0],
        (len(swaps),),
        before=found[1] if asked.before is not None else None,
        unit="",
        of="texts",
        seed=asked.seed,
    )
    terms = ", ".join(f"{one} ↔ {other}" for one, other in asked.counterfactuals[:8])
    return EvaluationSection(
        name=name,
        metrics=tuple(shares((item,))[0] if item.after.name in _SHARES else item for item in metrics),
        method=(
            f"{len(swaps)} of {len(asked.task.subjects.texts)} texts hold a term; swapped were {terms}"
            f"{' and others' if len(asked.counterfactuals) > 8 else ''}. Nothing changes where the terms do not matter"
        ),
    )


def _swaps(asked: Asked) -> Swaps:
    if not asked.counterfactuals:
        msg = "no pairs of terms were given by `counterfactuals`"
        raise NotComputableError(msg)
    found = {}
    for place, text in enumerate(asked.task.subjects.texts):
        swapped = swap_terms(text, asked.counterfactuals)
        if swapped is not None and swapped != text:
            found[place] = swapped
    if len(found) < FEWEST:
        msg = f"{len(found)} of {len(asked.task.subjects.texts)} texts hold one of the terms, of {FEWEST} needed"
        raise NotComputableError(msg)
    return found


def _statistics(asked: Asked, vectors: Encodings, swaps: Swaps) -> dict[str, Statistic]:
    task = asked.task
    places = np.fromiter(swaps, np.int64, len(swaps))
    plain, swapped = [task.subjects.texts[place] for place in places], list(swaps.values())
    one, two = (vectors(part, task.subjects.prompt) for part in (plain, swapped))
    outcomes = task.outcomes(vectors, [plain, swapped], places, asked.seed)
    found: dict[str, Statistic] = {"1 - cosine of text and copy": mean_of(1.0 - cosines(one, two))}
    if isinstance(task, Retrieval):
        target = [task.task.relevant[place][0] for place in places]
        effect = swap_effect(one, two, vectors(*task.pool), target)
        found["change of the cosine to its document, without sign"] = mean_of(effect.cosine_change)
        found[_RANKS] = mean_of(effect.rank_change != 0)
    elif isinstance(task, Classification):
        labels = [task.test_labels[place] for place in places]
        told = [task.probe(vectors, part, labels, asked.seed).told for part in (plain, swapped)]
        found[_CLASSES] = mean_of(told[0] != told[1])
    else:
        other = vectors([task.pool.texts[place] for place in places], task.pool.prompt)
        found["change of the cosine of the pair, without sign"] = mean_of(
            np.abs(cosines(one, other) - cosines(two, other))
        )
    found[f"{task.primary} change"] = lambda weights: outcomes[1](weights) - outcomes[0](weights)
    return found

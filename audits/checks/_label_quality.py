"""How well each label fits its text, and from where on labels are listed.

Two views are combined: the probability that a probe which has not seen the row gives its label, and the vote of the
nearest texts. The ranking is good with either (Northcutt et al., "Confident learning", JAIR 2021; Zhu et al.,
"Detecting corrupted labels without training a model to predict", ICML 2022) and better with both. Where to cut it is
measured on this very data: labels are flipped at random in a copy, so that it is known which ones are wrong there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.checks._probe import Floats, Integers, out_of_sample
from audits.nearest import Neighbours
from audits.text.cells import chunks

NEIGHBOURS = 20
PLANTED_SHARE = 0.05

_POWER = 3  # of the cosine, as a neighbour's weight
_FLOOR = 1e-6  # of a probability
_BLOCK = 4096
_COPIES = (4, 20)
_WANTED_PLANTED = 400
_FEWEST_PLANTED = 40
_BELOW = 100  # planted errors below a cut, for their rate to be measured to a tenth
_LOOSEST = 0.98
_MOST_NOISE = 0.5
_SETTLED = 0.25  # of the planted errors: a stricter cut would miss real ones that are a little less extreme


@dataclass(frozen=True, slots=True)
class Quality:
    """How well labels fit.

    Attributes:
        score: combined probability of the given label, ``[n]``.
        suggestion: the class of the largest one, ``[n]``.
    """

    score: npt.NDArray[np.float64]
    suggestion: Integers

    def ranking(self, labels: Integers) -> npt.NDArray[np.float64]:
        """Return the scores, infinite where the given label fits best: such a row is never listed."""
        return np.where(self.suggestion == labels, np.inf, self.score)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Where the ranking is cut, and what was measured there.

    Attributes:
        share: of the rows, the lowest scores first, that are listed.
        precision: expected share of wrong labels among them, for errors at random.
        least_precision: the same, if all that strict cuts do not show are no errors.
        noise: estimated share of wrong labels among all rows.
        found: planted errors that would be listed.
        planted: errors.
        alarms: rows without a planted error that would be listed, in one copy.
        unplanted: rows, in one copy.
    """

    share: float
    precision: float
    least_precision: float
    noise: float
    found: int
    planted: int
    alarms: int
    unplanted: int


def label_quality(vectors: Floats, labels: Integers, classes: int, neighbours: Neighbours | None, seed: int) -> Quality:
    """Return how well each label fits.

    Args:
        vectors: of the texts, ``[n, dim]``.
        labels: class of each, 0 to classes - 1, ``[n]``.
        classes: number of classes.
        neighbours: of the vectors; without them the probe judges alone.
        seed: of the probe.
    """
    probabilities = out_of_sample(vectors, labels, classes, seed)
    prior = np.bincount(labels, minlength=classes) / len(labels)
    score, suggestion = np.empty(len(labels)), np.empty(len(labels), np.int64)
    for part in chunks(len(labels), _BLOCK):
        both = np.log(probabilities[part].astype(np.float64) + _FLOOR)
        if neighbours is not None:
            both = both + np.log(_votes(labels, neighbours.rows[part], neighbours.cosines[part], prior) + _FLOOR)
            both = both / 2
        both = np.exp(both - both.max(axis=1, keepdims=True))
        both /= both.sum(axis=1, keepdims=True)
        score[part] = both[np.arange(len(both)), labels[part]]
        suggestion[part] = both.argmax(axis=1)
    return Quality(score, suggestion)


def _votes(
    labels: Integers, rows: Integers, cosines: Floats, prior: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the share of each class among the neighbours, weighted, with one vote of the class sizes."""
    classes = len(prior)
    weights = np.maximum(cosines, 0).astype(np.float64) ** _POWER
    places = np.arange(len(rows))[:, None] * classes + labels[rows]
    votes = np.bincount(places.ravel(), weights.ravel(), minlength=len(rows) * classes).reshape(len(rows), classes)
    smoothed = votes + prior
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))


def calibrate(
    vectors: Floats,
    labels: Integers,
    classes: int,
    neighbours: Neighbours | None,
    seed: int,
    *,
    precision: float,
) -> Calibration | None:
    """Return where to cut, so that ``precision`` of what is listed is wrong; None where that can not be measured.

    In copies of the data some labels are flipped to any other class. Let TPR(t) be the share of these whose score is at
    most t, and F(t) that of the other rows. If the share e of those is wrong already, F(t) >= e TPR(t), and nearly
    equal where the cut is strict, so that the smallest F / TPR estimates e (Elkan & Noto, "Learning classifiers from
    only positive and unlabeled data", KDD 2008), and e TPR(t) / F(t) the precision at t.

    What is measured holds for errors at random. Where F / TPR is never small, flipped labels fit as well as the others:
    the vectors do not tell the classes apart, and nothing is judged.
    """
    copies = min(max(math.ceil(_WANTED_PLANTED / (PLANTED_SHARE * len(labels))), _COPIES[0]), _COPIES[1])
    flipped, others = list[npt.NDArray[np.float64]](), list[npt.NDArray[np.float64]]()
    for copy in range(copies):
        rng = np.random.default_rng((seed, copy))
        chosen = rng.random(len(labels)) < PLANTED_SHARE
        changed = labels.copy()
        changed[chosen] = (labels[chosen] + rng.integers(1, classes, int(chosen.sum()))) % classes
        score = label_quality(vectors, changed, classes, neighbours, seed + copy).ranking(changed)
        flipped.append(score[chosen])
        others.append(score[~chosen])
    planted, unplanted = np.sort(np.concatenate(flipped)), np.sort(np.concatenate(others))
    if len(planted) < _FEWEST_PLANTED:
        return None
    first = max(1 - _LOOSEST, min(_BELOW / len(planted), 0.25))
    cuts = np.quantile(planted, np.linspace(first, _LOOSEST, 100), method="lower")
    cuts = cuts[np.isfinite(cuts)]
    if not len(cuts):
        return None
    found = np.searchsorted(planted, cuts, "right")
    alarms = np.searchsorted(unplanted, cuts, "right")
    rate, share = found / len(planted), alarms / len(unplanted)
    # half a row more, so that none by chance does not mean that there is none
    rows = alarms / copies
    size = len(unplanted) / copies
    settled = rate >= min(_SETTLED, rate[-1])
    noise = float(((rows + 0.5) / size / rate)[settled].min())
    least = float((np.maximum(rows - 2 * np.sqrt(rows), 0) / size / rate).min())
    if noise >= _MOST_NOISE:
        return None
    expected = np.divide(noise * rate, share, out=np.zeros_like(share), where=share > 0)
    enough = np.flatnonzero((expected >= precision) & (share > 0))
    if not len(enough):
        return Calibration(0.0, 0.0, 0.0, noise, 0, len(planted), 0, len(unplanted) // copies)
    best = enough[-1]
    return Calibration(
        float(share[best]),
        float(min(expected[best], 1.0)),
        float(min(least * rate[best] / share[best], expected[best], 1.0)),
        noise,
        int(found[best]),
        len(planted),
        round(int(alarms[best]) / copies),
        len(unplanted) // copies,
    )

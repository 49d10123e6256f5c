"""How well each label fits its text, and from where on labels are listed.

Two views are combined: the probability that a probe which has not seen the row gives its label, and the vote of the
nearest texts. The ranking is good with either (Northcutt et al., "Confident learning", JAIR 2021; Zhu et al.,
"Detecting corrupted labels without training a model to predict", ICML 2022) and better with both. Where to cut it is
measured on this very data: see :mod:`audits.checks._label_calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.checks._probe import Floats, Integers, out_of_sample
from audits.nearest import Neighbours
from audits.text.cells import chunks

NEIGHBOURS = 20

_POWER = 3  # of the cosine, as a neighbour's weight
_FLOOR = 1e-6  # of a probability
_BLOCK = 4096
_ADJUSTMENT = 0.5

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """How well labels fit.

    Attributes:
        score: 0 to 1, below 0.5 where another class fits better, ``[n]``.
        suggestion: the class that fits best among all others, ``[n]``.
        fits: whether the given label is the most probable one: such a row is never listed, ``[n]``.
    """

    score: Doubles
    suggestion: Integers
    fits: npt.NDArray[np.bool_]

    @property
    def ranking(self) -> Doubles:
        """The scores, infinite where the given label fits best."""
        return np.where(self.fits, np.inf, self.score)


def class_fit(vectors: Floats, labels: Integers, classes: int, neighbours: Neighbours | None, seed: int) -> Floats:
    """Return the logarithm of the probability of each class for each text by both views, ``[n, classes]``.

    Neither view uses the row's own label, so that the same numbers tell how well any other label would fit.

    Args:
        vectors: of the texts, ``[n, dim]``.
        labels: class of each, 0 to classes - 1, ``[n]``.
        classes: number of classes.
        neighbours: of the vectors; without them the probe judges alone.
        seed: of the probe.
    """
    fit = out_of_sample(vectors, labels, classes, seed)
    prior = np.bincount(labels, minlength=classes) / len(labels)
    for part in chunks(len(labels), _BLOCK):
        both = np.log(fit[part].astype(np.float64) + _FLOOR)
        if neighbours is not None:
            votes = class_votes(labels, Neighbours(neighbours.rows[part], neighbours.cosines[part]), prior)
            both = (both + np.log(votes + _FLOOR)) / 2
        both -= both.max(axis=1, keepdims=True)
        fit[part] = both - np.log(np.exp(both).sum(axis=1, keepdims=True))
    return fit


def class_votes(labels: Integers, neighbours: Neighbours, prior: Doubles) -> Doubles:
    """Return the share of each class among the neighbours, weighted, with one vote of the class sizes."""
    classes = len(prior)
    rows, cosines = neighbours
    weights = np.maximum(cosines, 0).astype(np.float64) ** _POWER
    places = np.arange(len(rows))[:, None] * classes + labels[rows]
    votes = np.bincount(places.ravel(), weights.ravel(), minlength=len(rows) * classes).reshape(len(rows), classes)
    smoothed = votes + prior
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))


def label_quality(fit: Floats, labels: Integers, prior: Doubles) -> Quality:
    """Return how well ``labels`` fit, against the class that fits best among the others.

    The score is a / (a + b) with b the probability of that class and a the one of the given label over the root of
    its share of the rows. Against the other class and not for itself: a text that fits no class well is unusual, not
    wrong. Over the share: texts of a rare class are seldom probable in it (Menon et al., "Long-tail learning via
    logit adjustment", ICLR 2021).

    Args:
        fit: of each class, from :func:`class_fit`, ``[n, classes]``.
        labels: to be judged, ``[n]``; they need not be those that ``fit`` was made with.
        prior: share of each class among the rows, ``[classes]``.
    """
    score, suggestion = np.empty(len(labels)), np.empty(len(labels), np.int64)
    fits = np.empty(len(labels), np.bool_)
    adjustment = _ADJUSTMENT * np.log(np.maximum(prior, 1 / max(len(labels), 1)))
    for part in chunks(len(labels), _BLOCK):
        others, each, given = fit[part].astype(np.float64), np.arange(len(labels[part])), labels[part]
        own = others[each, given]
        others[each, given] = -np.inf
        suggestion[part] = others.argmax(axis=1)
        best = others[each, suggestion[part]]
        fits[part] = own >= best
        score[part] = 1 / (1 + np.exp(best - own + adjustment[given]))
    return Quality(score, suggestion, fits)

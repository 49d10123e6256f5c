"""Where the list of label errors ends: measured on this very data, with labels that are known to be wrong.

Neither view of a row uses the row's own label (the probe has not seen it, and it is not its own neighbour), so that
every label can be changed alone, all others as they are, and be judged at the cost of looking up a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from audits.checks._label_quality import Doubles, label_quality
from audits.checks._probe import Floats, Integers
from audits.text.cells import chunks

FEWEST_ROWS = 40

_WANTED_PLANTED = 2000
_MOST_ROUNDS = 20
_BINS = 50
_LOOSEST = 0.9  # of the planted errors
_STEEPNESS = (5, 4, 3, 2)  # of right labels; 5 to 8 where texts tell the classes apart, less where not
_UNDECIDED = 2.0  # of the log-likelihood: a power that much below the best one is rejected at 5 %
_MOST_NOISE = 0.5
_ITERATIONS = 300
_NONE = 1e-3  # rows: what is left of a component that is not there
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Calibration:
    """Where the ranking is cut, and what was measured there.

    Attributes:
        listed: rows, the lowest scores first, that are listed.
        precision: expected share of wrong labels among them.
        least_precision: the same, if the errors are two standard deviations of their number fewer.
        noise: estimated share of wrong labels among all rows.
        found: planted errors that would be listed, to a class drawn at random.
        found_similar: the same, to a class that is confused with the own one.
        planted: errors of each kind.
    """

    listed: int
    precision: float
    least_precision: float
    noise: float
    found: int
    found_similar: int
    planted: int


def calibrate(fit: Floats, labels: Integers, classes: int, seed: int, *, precision: float) -> Calibration | None:
    """Return where to cut, so that ``precision`` of what is listed is wrong; None where that can not be measured.

    Each label is changed in turn: to any other class, and to one that its class is confused with. Let u(s) be the
    share of the first that score at most s, or of both. Wrong labels that are errors at random are spread over u as the
    first kind of planted errors is, mistakes between similar classes as the second. Right labels crowd at the lenient
    end: their number grows as a power of u, the fifth or, where the data reject it, a lower one. A mixture of the three
    is fitted to the rows by maximum likelihood (as p-values are decomposed: Pounds & Morris, Bioinformatics 2003), and
    the list ends where the share of the first two falls below ``precision``; of the two u, the one with the longer list
    counts: the first tells few errors at random, the second mistakes of any number. Where no wrong label stands out,
    their share is zero and the list is empty. Where classes overlap so much that right labels are found among the
    lowest scores as often as planted errors, they are counted as errors: no data can tell the two apart.

    Where more than half of the labels would be wrong, the vectors do not tell the classes apart, and nothing is judged.

    Args:
        fit: of each class, ``[n, classes]``.
        labels: class of each row, ``[n]``.
        classes: number of classes.
        seed: of the planted errors.
        precision: that the list shall have.
    """
    rows = len(labels)
    if rows < FEWEST_ROWS:
        return None
    prior = np.bincount(labels, minlength=classes) / rows
    scores = np.sort(label_quality(fit, labels, prior).ranking)
    at_random, similar = _planted(fit, labels, prior, seed)
    pooled = np.sort(np.concatenate([at_random, similar]))
    cuts = [_cut(scores, axis, (at_random, similar), precision) for axis in (at_random, pooled)]
    # the longest; noise is estimated where similar classes are seen as well
    listed, expected, errors = max((cut[:3] for cut in cuts), key=lambda cut: cut[0])
    noise = cuts[-1].errors_in_all / rows
    if noise >= _MOST_NOISE:
        return None
    if not listed:
        return Calibration(0, 0.0, 0.0, noise, 0, 0, rows)
    least = max(errors - 2 * math.sqrt(listed), 0.0) / listed
    last = scores[listed - 1]
    found, found_similar = (float(np.searchsorted(kind, last, "right")) / len(kind) for kind in (at_random, similar))
    return Calibration(
        listed, expected, min(least, expected), noise, round(found * rows), round(found_similar * rows), rows
    )


class _Cut(NamedTuple):
    listed: int
    precision: float
    errors: float
    errors_in_all: float


def _cut(scores: Doubles, axis: Doubles, planted: Sequence[Doubles], precision: float) -> _Cut:
    """Return the longest list that has the precision, with u the share of ``axis`` that scores at most as much."""
    highest = math.floor(min(_LOOSEST, float(np.isfinite(axis).mean())) * _BINS) / _BINS
    if highest <= 0:
        return _Cut(0, 0.0, 0.0, 0.0)
    levels = np.linspace(0, highest, round(highest * _BINS) + 1)[1:]
    cuts = np.quantile(axis, levels, method="lower")
    below = np.searchsorted(scores, cuts, "right")
    found = [np.searchsorted(kind, cuts, "right") / len(kind) for kind in planted]
    fits = list[tuple[float, Doubles, Doubles]]()
    for power in _STEEPNESS:
        grown = np.stack([*found, (levels / highest) ** power])
        fits.append((*_mixture(np.diff(below, prepend=0), np.diff(grown, axis=1, prepend=0)), grown))
    best_fit = max(likelihood for likelihood, _, _ in fits)
    _, weights, grown = next(one for one in fits if one[0] >= best_fit - _UNDECIDED)
    wrong, right = weights[:-1] @ grown[:-1], weights[-1] * grown[-1]
    in_all = float(weights[:-1].sum())
    share = wrong / np.maximum(np.maximum(wrong + right, below), 1e-12)
    enough = np.flatnonzero((share >= precision) & (below > 0))
    if not len(enough):
        return _Cut(0, 0.0, 0.0, in_all)
    best = enough[-1]
    return _Cut(int(below[best]), float(share[best]), float(wrong[best]), in_all)


def _planted(fit: Floats, labels: Integers, prior: Doubles, seed: int) -> tuple[Doubles, Doubles]:
    """Return the ranking of changed labels, sorted: changed to any other class, and to one that is confused."""
    rows, classes = len(labels), len(prior)
    confused = _confusion(fit, labels, classes).cumsum(axis=1)
    confused /= confused[:, -1:]
    rng = np.random.default_rng(seed)
    at_random, similar = list[Doubles](), list[Doubles]()
    for _ in range(min(max(math.ceil(_WANTED_PLANTED / rows), 1), _MOST_ROUNDS)):
        changed = (labels + rng.integers(1, classes, rows)) % classes
        at_random.append(label_quality(fit, changed, prior).ranking)
        drawn = rng.random(rows)
        for part in chunks(rows, _BLOCK):
            # the first class whose sum exceeds the number drawn; the own one adds nothing
            changed[part] = (confused[labels[part]] <= drawn[part, None]).sum(axis=1)
        similar.append(label_quality(fit, changed, prior).ranking)
    return np.sort(np.concatenate(at_random)), np.sort(np.concatenate(similar))


def _confusion(fit: Floats, labels: Integers, classes: int) -> Doubles:
    """Return how probable each other class is among the texts of a class, ``[classes, classes]``, the own one 0."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(classes))
    found = np.zeros((classes, classes))
    for one, rows in enumerate(np.split(order, starts[1:])):
        found[one] = np.exp(fit[rows]).sum(axis=0, dtype=np.float64)
    np.fill_diagonal(found, 0)
    found += 1e-12 * (1 - np.eye(classes))
    return found


def _mixture(counts: Integers, grown: Doubles) -> tuple[float, Doubles]:
    """Return the log-likelihood, and the rows of each component, those beyond the last bin too.

    By expectation maximisation (Dempster, Laird & Rubin, JRSS B 1977).

    Args:
        counts: rows in each bin, ``[bins]``.
        grown: share of each component in each bin, ``[components, bins]``.
    """
    total = counts.sum()
    inside = np.maximum(grown.sum(axis=1, keepdims=True), 1e-12)
    shapes = grown / inside
    weights = np.full(len(grown), 1 / len(grown))
    for _ in range(_ITERATIONS):
        parts = weights[:, None] * shapes
        parts /= np.maximum(parts.sum(axis=0), 1e-300)
        weights = (parts * counts).sum(axis=1) / max(total, 1)
    weights[weights * total < _NONE] = 0
    likelihood = float(counts @ np.log(np.maximum(weights @ shapes, 1e-300)))
    return likelihood, weights * total / inside[:, 0]

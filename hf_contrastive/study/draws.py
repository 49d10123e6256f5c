"""Accuracies as they might have come out: seeds and test rows drawn anew, the same for all arms and budgets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.estimates import draw_weights
from hf_contrastive.study.records import Outcome, Predictions

Values = npt.NDArray[np.float64]
Place = tuple[str, "int | None"]
"""An arm and a budget."""

INTERVAL = (0.025, 0.975)

FEWEST_SEEDS = 2
"""With fewer, draws are of test rows alone: what another seed would do is in none of them, and nothing is shown."""


class Draws:
    """A paired bootstrap of two levels: seeds, and within each draw test rows.

    Each draw takes test rows with replacement, the same for every cell, and seeds with replacement, the same for every
    arm and budget that has them, so that what is hard for all cancels out of a difference.

    With three or five seeds the plain bootstrap is too sure of itself: a difference of the same sign with each of five
    seeds would be "significant" at any level, where chance alone does that once in 16 times. Two corrections make the
    spread over seeds that of Student's t: one seed fewer is drawn than there are, so that the variance of a mean is
    not too small (Rao and Wu, JASA 83, 1988), and how far the drawn seeds lie from all seeds is divided by the square
    root of a chi square over its degrees of freedom.

    Args:
        outcome: the cells and their predictions.
        resamples: number of draws.
        seed: of the draws.

    Raises:
        EvaluationError: there are no test rows, or a cell's predictions are missing or not of them.
    """

    def __init__(self, outcome: Outcome, *, resamples: int, seed: int) -> None:
        truth = np.asarray(outcome.truth)
        if not truth.size or not outcome.cells:
            msg = (
                f"A study needs test rows and cells to say anything, got {truth.size} rows and {len(outcome.cells)} "
                "cells; run at least one arm with one budget."
            )
            raise EvaluationError(msg)
        self.rows = int(truth.size)
        self.resamples = resamples
        self._seed = seed
        self._seeds: dict[Place, list[int]] = defaultdict(list)
        self._column: dict[tuple[str, int | None, int], int] = {}
        for cell in outcome.cells:
            key = (cell.arm, cell.budget, cell.seed)
            if key not in self._column:
                self._column[key] = len(self._column)
                self._seeds[cell.arm, cell.budget].append(cell.seed)
        correct = np.empty((self.rows, len(self._column)))
        for key, column in self._column.items():
            correct[:, column] = _correct(key, outcome.predictions.get(key), truth)
        self._measured = correct.mean(axis=0)
        blocks = [weights @ correct for weights in draw_weights([self.rows], resamples=resamples, seed=seed)]
        self._drawn: Values = np.concatenate(blocks) / self.rows
        self._weights: dict[tuple[int, ...], Values] = {}

    def seeds(self, *places: Place) -> tuple[int, ...]:
        """Return the seeds that all of these arms and budgets have, in order."""
        found = [set(self._seeds.get(place, ())) for place in places]
        return tuple(sorted(set.intersection(*found))) if found else ()

    def measured(self, place: Place, seeds: Sequence[int]) -> float:
        """Return the mean accuracy over these seeds."""
        return float(np.mean([self._measured[self._column[*place, seed]] for seed in seeds]))

    def drawn(self, place: Place, seeds: tuple[int, ...]) -> Values:
        """Return the mean accuracy over these seeds in each draw, ``[draws]``; it may leave 0 to 1."""
        columns = [self._column[*place, seed] for seed in seeds]
        # what seeds add is of the accuracies as measured: in drawn ones, chance in the rows would count once more
        found: Values = self._drawn[:, columns].mean(axis=1) + self._of_seeds(seeds) @ self._measured[columns]
        return found

    def _of_seeds(self, seeds: tuple[int, ...]) -> Values:
        """Return by how much more or less than evenly each seed counts in each draw, ``[draws, seeds]``, of sum 0."""
        if seeds not in self._weights:
            count = len(seeds)
            uneven = np.zeros((self.resamples, count))
            if count > 1:
                # of the seeds' own numbers, so that the same seeds are drawn wherever they are the ones there are
                generator = np.random.default_rng([self._seed, count, *(seed % 2**32 for seed in seeds)])
                taken = generator.integers(0, count, size=(self.resamples, count - 1))
                taken += np.arange(self.resamples)[:, None] * count
                counts = np.bincount(taken.ravel(), minlength=self.resamples * count).reshape(-1, count)
                wider = np.sqrt((count - 1) / generator.chisquare(count - 1, size=(self.resamples, 1)))
                uneven = wider * (counts / (count - 1) - 1 / count)
            self._weights[seeds] = uneven
        return self._weights[seeds]


def interval(drawn: Values) -> tuple[float, float]:
    """Return the 95 % percentile interval of draws, ``[draws]``."""
    low, high = np.quantile(drawn, INTERVAL)
    return float(low), float(high)


def open_interval(lows: Values, highs: Values) -> tuple[float, float]:
    """Return the 95 % interval of draws of which only the ends are known, ``[draws]`` each; ends may be infinite.

    The low end is that of the lows and the high end that of the highs, both rounded outwards to a draw.
    """
    low = np.quantile(lows, INTERVAL[0], method="inverted_cdf")
    high = np.quantile(highs, INTERVAL[1], method="inverted_cdf")
    return float(low), float(high)


def two_sided(drawn: Values) -> float:
    """Return the two-sided p value of "no difference", at least 2 / (1 + draws).

    It is twice (1 + draws on the rarer side of 0) / (1 + draws) (Davison and Hinkley, Bootstrap Methods, 1997, ch. 4);
    draws of exactly 0 count on both sides.
    """
    rarer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (1 + len(drawn)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted for all of them being looked at (Holm, Scand. J. Statist. 6, 1979)."""
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order.tolist()):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _correct(
    key: tuple[str, int | None, int], found: Predictions | None, truth: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    arm, budget, seed = key
    shape = np.shape(found.probabilities) if found is not None else None
    if found is None or shape is None or len(shape) != 2 or shape[0] != len(truth):
        msg = (
            f"The cell of arm {arm}, budget {budget} and seed {seed} has predictions of shape {shape} where "
            f"[{len(truth)}, classes] is needed; run this cell again."
        )
        raise EvaluationError(msg)
    # what is no number is no answer
    finite = np.isfinite(found.probabilities).all(axis=1)
    correct: npt.NDArray[np.bool_] = finite & (np.argmax(found.probabilities, axis=1) == truth)
    return correct

"""Is the model worse for some rows? A score for each value of a column, the gap to the rest, and the worst slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.findings import Table
from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import RESAMPLES, Scores, draw_weights, grouped_sums
from hf_contrastive.evaluation.vectors import same_rows

FEWEST = 20
"""Slices of fewer rows are not told apart."""

PERMUTATIONS = 5000
_BLOCK_CELLS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rows with one value of the column.

    ``gap`` is ``mean`` less that of all other rows, ``p_value`` that of a permutation test of no gap, corrected by Holm
    over the slices. ``interval`` and ``gap_interval`` are of 95 % for this slice alone.
    """

    value: str
    rows: int
    mean: float
    interval: tuple[float, float]
    gap: float
    gap_interval: tuple[float, float]
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """All slices, the worst first; ``worst`` has an interval that holds for all slices at once.

    The lowest of several means is too low by chance, whatever the model. ``worst_interval`` allows for that: with 95 %
    it holds the true mean of whichever slice came out worst. ``left_out`` counts the rows of slices that are too small.
    """

    slices: tuple[Slice, ...]
    worst: Slice
    worst_interval: tuple[float, float]
    left_out: int

    def table(self, name: str, metric: str) -> Table:
        """Return the slices as a table."""
        columns = (
            "value", "rows", metric, "low", "high", "gap to the rest", "gap low", "gap high", "p (Holm)"
        )  # fmt: skip
        rows = tuple(
            (item.value, item.rows, item.mean, *item.interval, item.gap, *item.gap_interval, item.p_value)
            for item in self.slices
        )
        return Table(name=name, columns=columns, rows=rows)


def slice_scores(
    scores: npt.ArrayLike,
    column: Sequence[Any] | npt.NDArray[Any],
    *,
    against: npt.ArrayLike | None = None,
    fewest: int = FEWEST,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Slices:
    """Measure each value of a column.

    Args:
        scores: one a row, such as nDCG of a query or whether a class is right, ``[n]``; higher is better.
        column: the value of each row, ``[n]``; a missing one (None) is a value too.
        against: scores of a base on the same rows: then what is measured is the change of each row, paired.
        fewest: rows a slice needs.
        resamples: of the bootstrap over rows.
        permutations: of the test.
        seed: of both.

    Raises:
        EvaluationError: lengths differ, scores are not finite, or a setting is out of its range.
        NotComputableError: fewer than two slices are large enough.
    """
    values = np.asarray(scores, dtype=np.float64)
    if against is not None:
        base = np.asarray(against, dtype=np.float64)
        same_rows(scores=values, against=base)
        values = values - base
    same_rows(scores=values, column=column)
    if values.ndim != 1 or not np.isfinite(values).all() or fewest < 2:
        msg = f"Slices need one finite score for each row and `fewest` >= 2, got shape {values.shape} and {fewest}."
        raise EvaluationError(msg)
    names, codes = _large_slices(column, fewest)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    means = np.bincount(codes[codes >= 0], weights=values[codes >= 0], minlength=len(names)) / sizes
    gaps = means - (values.sum() - means * sizes) / (len(values) - sizes)
    drawn, drawn_gaps = _resampled(values, codes, len(names), resamples, seed)
    p_values = holm(_gap_p_values(values, codes, sizes, permutations, seed))
    ends = [np.nanquantile(part, [0.025, 0.975], axis=0) for part in (drawn, drawn_gaps)]
    slices = [
        Slice(
            value=name,
            rows=int(sizes[place]),
            mean=float(means[place]),
            interval=(float(ends[0][0, place]), float(ends[0][1, place])),
            gap=float(gaps[place]),
            gap_interval=(float(ends[1][0, place]), float(ends[1][1, place])),
            p_value=float(p_values[place]),
        )
        for place, name in enumerate(names)
    ]
    slices.sort(key=lambda item: (item.mean, item.value))
    worst = slices[0]
    # the largest deviation of any slice, in units of its own error, bounds that of the one that was chosen
    errors = np.nanstd(drawn, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations = np.where(errors > 0, np.abs(drawn - means) / errors, 0.0)
    reach = float(np.quantile(np.nanmax(deviations, axis=1), 0.95)) * float(errors[names.index(worst.value)])
    return Slices(
        slices=tuple(slices),
        worst=worst,
        worst_interval=(worst.mean - reach, worst.mean + reach),
        left_out=int((codes < 0).sum()),
    )


def holm(p_values: npt.ArrayLike) -> Scores:
    """Return p-values corrected so that with 95 % none of those below .05 is there by chance (Holm, 1979).

    Args:
        p_values: ``[tests]``.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _large_slices(column: Sequence[Any] | npt.NDArray[Any], fewest: int) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the names of the slices and the slice of each row, -1 for those that are too small."""
    texts = ["(missing)" if value is None or value != value else str(value) for value in column]
    found, codes, sizes = np.unique(np.array(texts, dtype=object), return_inverse=True, return_counts=True)
    large = np.flatnonzero(sizes >= fewest)
    if len(large) < 2:
        msg = (
            f"of {len(found)} values of the column {len(large)} {'has' if len(large) == 1 else 'have'} the "
            f"{fewest} rows that a slice needs, and a gap needs two"
        )
        raise NotComputableError(msg)
    places = np.full(len(found), -1, dtype=np.int64)
    places[large] = np.arange(len(large))
    return [str(found[place]) for place in large], places[codes.reshape(-1)]


def _resampled(
    values: Scores, codes: npt.NDArray[np.int64], slices: int, resamples: int, seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the mean of each slice and its gap to the rest in each draw, ``[draws, slices]``."""
    # the draws are made within each slice, and the small ones are one: sizes are what they are
    order = np.argsort(codes, kind="stable")
    sizes = [int(size) for size in np.bincount(codes + 1, minlength=slices + 1) if size]
    ordered, members = values[order], codes[order]
    parts, gaps = [], []
    for weights in draw_weights(sizes, resamples=resamples, seed=seed):
        counts = grouped_sums(weights, members, slices)
        sums = grouped_sums(weights * ordered, members, slices)
        rest = (weights @ ordered)[:, None] - sums
        parts.append(sums / counts)
        gaps.append(sums / counts - rest / (len(values) - counts))
    return np.concatenate(parts), np.concatenate(gaps)


def _gap_p_values(
    values: Scores, codes: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], permutations: int, seed: int
) -> Scores:
    """Return two-sided p-values of Welch's t of each slice against the rest, by permutation of the rows."""
    slices = len(sizes)
    observed = np.abs(_welch(values[None], codes, sizes))[0]
    generator = np.random.default_rng(seed)
    beyond = np.zeros(slices)
    step = max(1, _BLOCK_CELLS // len(values))
    for start in range(0, permutations, step):
        shuffled = generator.permuted(np.tile(values, (min(step, permutations - start), 1)), axis=1)
        # 1e-9: equal values may differ by rounding
        beyond += (np.abs(_welch(shuffled, codes, sizes)) >= observed * (1 - 1e-9)).sum(axis=0)
    result: Scores = (1 + beyond) / (1 + permutations)
    return result


def _welch(
    rows: npt.NDArray[np.float64], codes: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return t of each slice against the rest in each permutation, ``[permutations, slices]``."""
    others = rows.shape[1] - sizes
    sums, squares = (grouped_sums(part, codes, len(sizes)) for part in (rows, rows**2))
    total, total_squares = rows.sum(axis=1, keepdims=True), (rows**2).sum(axis=1, keepdims=True)
    spread = np.zeros_like(sums)
    for part, part_squares, size in ((sums, squares, sizes), (total - sums, total_squares - squares, others)):
        variance = np.maximum(part_squares - part**2 / size, 0.0) / np.maximum(size - 1, 1)
        spread += variance / size
    gap = sums / sizes - (total - sums) / others
    with np.errstate(invalid="ignore", divide="ignore"):
        t = gap / np.sqrt(spread)
    # no spread: a gap is as far as can be, and none is none
    return np.where(spread > 1e-18, t, np.where(np.abs(gap) > 1e-12, np.sign(gap) * 1e9, 0.0))

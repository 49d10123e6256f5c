"""Are the probabilities of a classifier right? Brier, NLL, and ECE against what chance alone would show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.findings import Table
from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.estimates import FirstOrder, Scores, Statistic, grouped_sums, mean_of
from hf_contrastive.evaluation.vectors import Codes, same_rows

BINS = 15
_FLOOR = float(np.finfo(np.float64).eps)
_TOLERANCE = 1e-4
_FEWEST = 10
_BLOCK_CELLS = 2_000_000

Probabilities = npt.NDArray[np.float64]


class CalibrationNull(NamedTuple):
    """ECE as it would be, were the model perfectly calibrated with these very probabilities.

    ``low`` and ``high`` hold 95 % of the resampled values, ``p_value`` is the share of them that is at least as large
    as the ECE that was observed.
    """

    observed: float
    mean: float
    low: float
    high: float
    p_value: float
    resamples: int


class TemperatureScaling(NamedTuple):
    """A temperature fitted on some rows, and what it does to the others.

    ``rows`` are those it was not fitted on, ``before`` and ``after`` their probabilities, ``[rows, classes]``.
    """

    temperature: float
    fitted_on: int
    rows: npt.NDArray[np.int64]
    before: Probabilities
    after: Probabilities


def calibration_statistics(
    probabilities: npt.ArrayLike, codes: Sequence[int] | Codes, *, bins: int = BINS
) -> dict[str, Statistic]:
    """Return Brier's score, the negative log likelihood and the equal-mass ECE.

    With p the probabilities and y the class of a row: Brier is the mean of sum_k (p_k - [k = y])², 0 to 2 (Brier,
    Monthly Weather Review 1950); NLL the mean of -log p_y, in nats, p_y at least 2.2e-16; ECE the mean over bins of
    |accuracy - mean confidence|, weighted by their rows, where the confidence is the largest probability and each bin
    holds as many rows as the others (Nixon et al., CVPR-W 2019; Naeini et al., AAAI 2015). Rows of equal confidence
    share a bin. An ECE is above 0 even for perfect probabilities: see :func:`ece_null`. Its interval is of the
    first-order term, with the bins and the sign of each bin's gap as they are.

    Args:
        probabilities: ``[n, classes]``, each row of sum 1.
        codes: the class of each row, ``[n]``.
        bins: of the ECE.

    Raises:
        EvaluationError: the shapes do not fit, rows are no probabilities, or a row has a class beyond them.
    """
    given, classes = check_probabilities(probabilities, codes)
    places = np.arange(len(given))
    squares = (given**2).sum(axis=1) + 1.0 - 2.0 * given[places, classes]
    likelihoods = -np.log(np.clip(given[places, classes], _FLOOR, None))
    confidence = given.max(axis=1)
    gaps = (given.argmax(axis=1) == classes) - confidence
    member = equal_mass_bins(confidence, bins)
    signs = np.sign(np.bincount(member, weights=gaps))
    # |sum of a bin| is sign x sum, and near the data the sign stays
    ece = FirstOrder(float(_ece(gaps[None], member)[0]) / len(given), signs[member] * gaps, low=0.0, high=1.0)
    return {"brier": mean_of(squares), "nll": mean_of(likelihoods), "ece": ece}


def ece_null(
    probabilities: npt.ArrayLike,
    codes: Sequence[int] | Codes,
    *,
    bins: int = BINS,
    resamples: int = 2000,
    seed: int = 0,
) -> CalibrationNull:
    """Return the ECE beside its distribution under perfect calibration.

    In each resample every row is right with the probability that the model names (consistency resampling, Bröcker and
    Smith, Weather and Forecasting 2007; Vaicenavicius et al., AISTATS 2019), so that the number of rows, the number of
    bins and the spread of the confidences are those of the data.

    Args:
        probabilities: see :func:`calibration_statistics`.
        codes: the class of each row.
        bins: of the ECE.
        resamples: of the null.
        seed: of the resamples.

    Raises:
        EvaluationError: see :func:`calibration_statistics`.
    """
    given, classes = check_probabilities(probabilities, codes)
    confidence = given.max(axis=1)
    member = equal_mass_bins(confidence, bins)
    right = given.argmax(axis=1) == classes
    observed = float(_ece((right - confidence)[None], member)[0]) / len(given)
    generator = np.random.default_rng(seed)
    step = max(1, _BLOCK_CELLS // len(given))
    parts = []
    for start in range(0, resamples, step):
        draws = min(step, resamples - start)
        drawn = generator.random((draws, len(given))) < confidence
        parts.append(_ece(drawn - confidence, member) / len(given))
    null = np.concatenate(parts)
    low, high = np.quantile(null, [0.025, 0.975])
    # 1e-12: equal values may differ by rounding
    beyond = int((null >= observed - 1e-12).sum())
    return CalibrationNull(
        observed, float(null.mean()), float(low), float(high), (1 + beyond) / (1 + resamples), resamples
    )


def reliability_table(
    probabilities: npt.ArrayLike,
    codes: Sequence[int] | Codes,
    *,
    bins: int = BINS,
    resamples: int = 2000,
    seed: int = 0,
    name: str = "reliability",
) -> Table:
    """Return accuracy beside mean confidence in each bin, with the band that holds 95 % under perfect calibration.

    Args:
        probabilities: see :func:`calibration_statistics`.
        codes: the class of each row.
        bins: at most so many.
        resamples: of the band.
        seed: of the resamples.
        name: of the table.

    Raises:
        EvaluationError: see :func:`calibration_statistics`.
    """
    given, classes = check_probabilities(probabilities, codes)
    confidence = given.max(axis=1)
    right = given.argmax(axis=1) == classes
    member = equal_mass_bins(confidence, bins)
    generator = np.random.default_rng(seed)
    rows = []
    for place in np.unique(member):
        inside = member == place
        values = confidence[inside]
        step = max(1, _BLOCK_CELLS // len(values))
        null = np.concatenate(
            [
                (generator.random((min(step, resamples - start), len(values))) < values).mean(axis=1)
                for start in range(0, resamples, step)
            ]
        )
        low, high = np.quantile(null, [0.025, 0.975])
        rows.append(
            (
                float(values.min()),
                float(values.max()),
                len(values),
                float(values.mean()),
                float(right[inside].mean()),
                float(low),
                float(high),
            )
        )
    columns = (
        "lowest confidence",
        "highest confidence",
        "rows",
        "mean confidence",
        "accuracy",
        "band low",
        "band high",
    )
    return Table(name=name, columns=columns, rows=tuple(rows))


def fit_temperature(probabilities: npt.ArrayLike, codes: Sequence[int] | Codes) -> float:
    """Return the temperature T that minimises the NLL of softmax(log p / T) (Guo et al., ICML 2017).

    Args:
        probabilities: ``[n, classes]``.
        codes: the class of each row.

    Raises:
        EvaluationError: see :func:`calibration_statistics`.
        NotComputableError: the best temperature is 0 or infinite: every row is right, or confidence tells nothing.
    """
    from scipy.optimize import minimize_scalar

    given, classes = check_probabilities(probabilities, codes)
    logits = np.log(np.clip(given, _FLOOR, None))
    places = np.arange(len(logits))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[places, classes]).mean())

    # the loss is convex in 1 / T, so that its ends say whether there is a best one between them
    own = logits[places, classes]
    kind = ""
    if ((own[:, None] > logits).sum(axis=1) == logits.shape[1] - 1).all():
        kind = "0: every row is right"
    elif (own - logits.mean(axis=1)).mean() <= 0:
        kind = "infinite: the probabilities tell nothing about the class"
    if kind:
        msg = f"the best temperature would be {kind}, on {len(given)} rows"
        raise NotComputableError(msg)
    bound = float(np.log(1000.0))
    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def scale_temperature(probabilities: npt.ArrayLike, temperature: float) -> Probabilities:
    """Return softmax(log p / temperature), ``[n, classes]``.

    Args:
        probabilities: ``[n, classes]``.
        temperature: above 0; above 1 it makes the model less confident. The class told is the same.
    """
    scaled = np.log(np.clip(np.asarray(probabilities, dtype=np.float64), _FLOOR, None)) / temperature
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: Probabilities = scaled / scaled.sum(axis=1, keepdims=True)
    return result


def temperature_scaling(
    probabilities: npt.ArrayLike, codes: Sequence[int] | Codes, *, share: float = 0.5, seed: int = 0
) -> TemperatureScaling:
    """Fit a temperature on a share of the rows, and apply it to the others.

    Args:
        probabilities: ``[n, classes]``.
        codes: the class of each row.
        share: of the rows, drawn with ``seed``, that the temperature is fitted on.
        seed: of the draw.

    Raises:
        EvaluationError: see :func:`calibration_statistics`.
        NotComputableError: too few rows, or see :func:`fit_temperature`.
    """
    given, classes = check_probabilities(probabilities, codes)
    order = np.random.default_rng(seed).permutation(len(given))
    size = round(share * len(given))
    if min(size, len(given) - size) < _FEWEST:
        msg = f"there are {len(given)} rows, and each part needs {_FEWEST}"
        raise NotComputableError(msg)
    fitted, rest = order[:size], np.sort(order[size:])
    temperature = fit_temperature(given[fitted], classes[fitted])
    return TemperatureScaling(temperature, size, rest, given[rest], scale_temperature(given[rest], temperature))


def equal_mass_bins(confidence: npt.ArrayLike, bins: int = BINS) -> npt.NDArray[np.int64]:
    """Return the bin of each row, ``[n]``: as many rows in each as in the others, those of equal value together.

    Args:
        confidence: ``[n]``.
        bins: at least 1.

    Raises:
        EvaluationError: ``bins`` is below 1.
    """
    if bins < 1:
        msg = f"`bins` must be at least 1, got {bins}; 15 is usual."
        raise EvaluationError(msg)
    values = np.asarray(confidence, dtype=np.float64)
    first = np.searchsorted(np.sort(values), values, side="left")
    member: npt.NDArray[np.int64] = first * bins // len(values)
    return member


def check_probabilities(probabilities: npt.ArrayLike, codes: Sequence[int] | Codes) -> tuple[Probabilities, Codes]:
    """Return both as arrays.

    Raises:
        EvaluationError: the shapes do not fit, rows are no probabilities, or a row has a class beyond them.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    classes = np.asarray(codes)
    if given.ndim != 2 or given.shape[1] < 2 or classes.ndim != 1 or classes.dtype.kind not in "iu":
        msg = (
            f"Probabilities must be [rows, classes] of two or more classes, and each row needs the place of its "
            f"class; got shapes {given.shape} and {classes.shape} of {classes.dtype}."
        )
        raise EvaluationError(msg)
    same_rows(probabilities=given, codes=classes)
    sums = given.sum(axis=1)
    bad = np.flatnonzero(~(np.isfinite(given).all(axis=1) & (given >= 0).all(axis=1) & (abs(sums - 1) < _TOLERANCE)))
    if bad.size:
        msg = (
            f"Row {bad[0]} (of {bad.size} such rows) is no distribution: it has the sum {sums[bad[0]]:.6g} and the "
            f"lowest entry {given[bad[0]].min():.6g}; rows must be >= 0 and of sum 1. Apply softmax to logits first."
        )
        raise EvaluationError(msg)
    beyond = np.flatnonzero((classes < 0) | (classes >= given.shape[1]))
    if beyond.size:
        msg = (
            f"{beyond.size} rows, first row {beyond[0]}, have a class that the probabilities do not name; leave out "
            "rows of labels unseen in training before calibration is measured."
        )
        raise EvaluationError(msg)
    return given, classes.astype(np.int64)


def _ece(gaps: npt.NDArray[np.float64], member: npt.NDArray[np.int64]) -> Scores:
    """Return the sum over bins of |sum of the gaps|, ``[draws]``."""
    result: Scores = np.abs(grouped_sums(gaps, member, int(member.max()) + 1)).sum(axis=1)
    return result

"""Small tables of numbers that a check has anyway: how they are spread, and whether probabilities are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audits.findings import Table

BINS = 10
_DIGITS = 6  # of an edge and a mean: as scores are shown

Doubles = npt.NDArray[np.float64]


def histogram(name: str, values: Sequence[float] | Doubles, *, low: float, counted: str) -> Table:
    """Return how many values lie in each of ten equal parts of ``low`` to 1.

    A part holds its lower end and not its upper one; the last holds both. What rounding put outside belongs to the
    part at that end.

    Args:
        name: of the table.
        values: in ``low`` to 1.
        low: lower end of the first part, under 1.
        counted: what is counted, e.g. pairs: the name of the last column.
    """
    edges = np.round(np.linspace(low, 1, BINS + 1), _DIGITS)
    counts, _ = np.histogram(np.clip(np.asarray(values, np.float64), edges[0], edges[-1]), edges)
    rows = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    return Table(name=name, columns=("from", "to", counted), rows=tuple(rows))


def reliability(name: str, confidence: Doubles, right: npt.NDArray[np.bool_]) -> Table:
    """Return how often statements of about the same confidence are right, in ten parts of about as many.

    Equal confidences stay in one part, whatever the order of the rows; so there may be fewer parts, of unequal size.

    Args:
        name: of the table.
        confidence: that the model has in each statement, 0 to 1, ``[n]``.
        right: whether it is right, ``[n]``.
    """
    # as shown, so that the ends of two parts never read the same
    values, place, counts = np.unique(np.round(confidence, _DIGITS), return_inverse=True, return_counts=True)
    hits = np.bincount(place.ravel(), right, minlength=len(values))
    ends = np.cumsum(counts)
    # the part in which each value's last row lies
    part = np.ceil(ends * BINS / max(len(confidence), 1)).astype(np.int64)
    rows = []
    for one in np.unique(part):
        here = part == one
        total = int(counts[here].sum())
        mean, share = float(values[here] @ counts[here]) / total, float(hits[here].sum()) / total
        low, high = float(values[here][0]), float(values[here][-1])
        rows.append((low, high, total, round(mean, _DIGITS), round(share, _DIGITS)))
    return Table(name=name, columns=("from", "to", "rows", "mean confidence", "share right"), rows=tuple(rows))

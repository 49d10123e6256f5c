"""How many labels until a target is reached, and how many times fewer than another arm needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hf_contrastive.study.draws import FEWEST_SEEDS, Draws, Place, Values, open_interval
from hf_contrastive.study.records import CurvePoint, LabelSaving


class Reach(NamedTuple):
    """Between how many labels the target is reached, per draw ``[draws]``; the ends are equal where it is known.

    (0, fewest labels) where the smallest budget reaches it already, (most labels, infinity) where none does.
    """

    low: Values
    high: Values


class Curve(NamedTuple):
    """Accuracies of an arm by labels: as measured ``[points]`` and drawn ``[draws, points]``."""

    labels: Values
    measured: Values
    drawn: Values


def label_savings(
    draws: Draws, curves: Sequence[CurvePoint], *, target_at: Place, share: float
) -> tuple[LabelSaving, ...]:
    """Return the saving of each arm over the target's, by the seeds that both have with all of their budgets.

    The target is recomputed from these seeds; an arm that shares none of them with the target's is left out.

    Args:
        draws: of all accuracies.
        curves: points of all arms.
        target_at: the arm and budget that the target is a share of.
        share: of its accuracy.
    """
    return tuple(_label_savings(draws, curves, target_at, share))


def _label_savings(draws: Draws, curves: Sequence[CurvePoint], target_at: Place, share: float) -> Iterator[LabelSaving]:
    by_arm: dict[str, list[CurvePoint]] = {}
    for point in sorted(curves, key=lambda point: point.labels):
        by_arm.setdefault(point.arm, []).append(point)
    reference = by_arm[target_at[0]]
    for code in dict.fromkeys(point.arm for point in curves):
        seeds = draws.seeds(*((point.arm, point.budget) for point in (*by_arm[code], *reference)))
        if code != target_at[0] and seeds:
            yield label_saving(
                code,
                curve_of(draws, by_arm[code], seeds),
                reference_arm=target_at[0],
                reference=curve_of(draws, reference, seeds),
                target=share * draws.measured(target_at, seeds),
                targets=share * draws.drawn(target_at, seeds),
                seeds=len(seeds),
            )


def curve_of(draws: Draws, points: Sequence[CurvePoint], seeds: tuple[int, ...]) -> Curve:
    """Return the curve of one arm with these seeds through its points, which go from the fewest labels to the most."""
    places: list[Place] = [(point.arm, point.budget) for point in points]
    return Curve(
        np.array([point.labels for point in points], dtype=np.float64),
        np.array([draws.measured(place, seeds) for place in places], dtype=np.float64),
        np.column_stack([draws.drawn(place, seeds) for place in places]),
    )


def reach(accuracies: npt.ArrayLike, labels: npt.ArrayLike, targets: npt.ArrayLike) -> Reach:
    """Return where curves first cross their targets, linear in accuracy over the logarithm of the labels.

    Args:
        accuracies: ``[draws, points]``.
        labels: of the points, ascending, ``[points]``.
        targets: ``[draws]``.
    """
    values, counts = np.atleast_2d(np.asarray(accuracies, float)), np.asarray(labels, float)
    aims = np.broadcast_to(np.asarray(targets, float), (len(values),))
    # equal to rounding is reached
    reached = values >= aims[:, None] - 1e-12
    first = reached.argmax(axis=1)
    draws = np.arange(len(values))
    before = np.maximum(first - 1, 0)
    rise = values[draws, first] - values[draws, before]
    share = np.divide(aims - values[draws, before], rise, out=np.ones(len(values)), where=rise > 0)
    logs = np.log(counts)
    crossing = np.exp(logs[before] + np.clip(share, 0.0, 1.0) * (logs[first] - logs[before]))
    never, at_once = ~reached.any(axis=1), reached[:, 0]
    low = np.where(never, counts[-1], np.where(at_once, 0.0, crossing))
    high = np.where(never, np.inf, np.where(at_once, counts[0], crossing))
    return Reach(low, high)


def label_saving(
    arm: str, curve: Curve, *, reference_arm: str, reference: Curve, target: float, targets: Values, seeds: int
) -> LabelSaving:
    """Return how many times fewer labels an arm needs than the reference to reach the target.

    A draw in which one of them does not reach the target, or reaches it at once, has open ends: its ratio counts as
    anything that is possible, for the interval's low end the least and for its high end the most.

    Args:
        arm: its code.
        curve: of the arm.
        reference_arm: its code.
        reference: curve of the arm that is compared with.
        target: accuracy to be reached.
        targets: the same in each draw, ``[draws]``.
        seeds: that the curves are the means of; with one nothing is claimed.
    """
    own, other = _point(curve, target), _point(reference, target)
    own_drawn = reach(curve.drawn, curve.labels, targets)
    other_drawn = reach(reference.drawn, reference.labels, targets)
    with np.errstate(divide="ignore"):
        lows = other_drawn.low / own_drawn.high
        highs = np.divide(other_drawn.high, own_drawn.low)
    low, high = open_interval(lows, highs)
    ends = (low if low > 0 else None, high if np.isfinite(high) else None)
    ratio = other.low / own.low if own.known and other.known else None
    return LabelSaving(
        arm=arm,
        target=target,
        labels=own.shown,
        reference_labels=other.shown,
        at_most=own.at_once,
        reference_at_most=other.at_once,
        most_labels=float(curve.labels[-1]),
        ratio=ratio,
        low=ends[0],
        high=ends[1],
        claimed=seeds >= FEWEST_SEEDS and ends[0] is not None and ends[0] > 1,
        seeds=seeds,
        words=_words(arm, own, reference_arm, other, ratio, ends),
    )


def times(value: float) -> str:
    """Return a ratio for people: 3.1, 12 or 0.62."""
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


class _Labels(NamedTuple):
    low: float
    high: float

    @property
    def known(self) -> bool:
        return self.low == self.high

    @property
    def at_once(self) -> bool:
        return self.low == 0

    @property
    def never(self) -> bool:
        return bool(np.isinf(self.high))

    @property
    def shown(self) -> float | None:
        return None if self.never else self.high


def _point(curve: Curve, target: float) -> _Labels:
    found = reach(curve.measured[None], curve.labels, [target])
    return _Labels(float(found.low[0]), float(found.high[0]))


def _words(
    arm: str, own: _Labels, reference_arm: str, other: _Labels, ratio: float | None, ends: tuple[float | None, ...]
) -> str:
    told = _interval_words(*ends)
    if ratio is not None:
        return f"{times(ratio)}× {told}"
    reasons = [
        f"{name} {_open_words(found)}" for name, found in ((arm, own), (reference_arm, other)) if not found.known
    ]
    reason = f"({' and '.join(reasons)})"
    # the sign holds for both where only one side is open, or both lean to the same one
    if (own.known or own.at_once) and (other.known or other.never):
        return f"{'≥' if not other.never else '>'}{times(other.low / own.high)}× {told} {reason}"
    if (own.known or own.never) and (other.known or other.at_once):
        return f"{'≤' if not own.never else '<'}{times(other.high / own.low)}× {told} {reason}"
    return f"unknown {reason}"


def _open_words(found: _Labels) -> str:
    if found.never:
        return f"does not reach the target with up to {found.low:,.0f} labels"
    return f"reaches the target with the fewest labels tried, {found.high:,.0f}, already"


def _interval_words(low: float | None, high: float | None) -> str:
    return f"[{'open' if low is None else times(low)}, {'open' if high is None else times(high)}]"

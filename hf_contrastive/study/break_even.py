"""After how many tasks a pretraining has paid for itself: in time, in compute and in energy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hf_contrastive.study.draws import FEWEST_SEEDS
from hf_contrastive.study.records import BreakEven, Cost, CurvePoint, Outcome
from hf_contrastive.study.roles import FINE_TUNED
from hf_contrastive.study.wording import cost_words

UNITS = ("seconds", "FLOPs", "kWh")


def cost_in(cost: Cost, unit: str) -> float | None:
    """Return a cost in one of :data:`UNITS`, None where it is unknown."""
    return {"seconds": cost.seconds, "FLOPs": cost.flops, "kWh": cost.energy_kwh}[unit]


def pretraining_cost(outcome: Outcome, name: str, unit: str) -> float | None:
    """Return the mean over seeds of what a pretraining cost, None where it did not run or that is unknown."""
    found = [cost_in(item.cost, unit) for item in outcome.pretrainings if item.name == name]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known and len(known) == len(found) else None


def break_evens(outcome: Outcome, curves: Sequence[CurvePoint], target: float | None) -> tuple[BreakEven, ...]:
    """Return after how many tasks each pretraining has paid its cost against fine-tuning, by unit.

    Each is adapted with the smallest budget that was tested and whose mean accuracy reaches the target; labels
    themselves cost nothing here. What is saved a task is the mean over the seeds that both have; a pretraining pays
    only where the 95 % interval of that, by Student's t, lies above 0. A unit in which one of the costs is unknown is
    left out.

    Args:
        outcome: the costs.
        curves: mean accuracies and costs.
        target: accuracy to be reached; None for no break-even points.
    """
    return tuple(_break_evens(outcome, curves, target)) if target is not None else ()


def _break_evens(outcome: Outcome, curves: Sequence[CurvePoint], target: float) -> Iterator[BreakEven]:
    other = _first_to_reach(curves, FINE_TUNED, target)
    compared = any(point.arm == FINE_TUNED for point in curves)
    for arm in outcome.arms:
        if not arm.pretraining or not compared or not any(point.arm == arm.code for point in curves):
            continue
        own = _first_to_reach(curves, arm.code, target)
        for unit in UNITS:
            spent = pretraining_cost(outcome, arm.pretraining, unit)
            costs = [cost_in(point.cost, unit) if point is not None else None for point in (own, other)]
            if spent is None or any(
                point is not None and cost is None for point, cost in zip((own, other), costs, strict=True)
            ):
                continue
            saved = None
            if own is not None and other is not None:
                saved = _saved(outcome, own, other, unit)
                costs = list(saved.costs) if saved.seeds else costs
            yield BreakEven(
                arm=arm.code,
                other=FINE_TUNED,
                unit=unit,
                pretraining=spent,
                adapting=costs[0],
                other_adapting=costs[1],
                tasks=spent / saved.mean if saved is not None and saved.shown else None,
                words=_words(arm.code, unit, spent, costs, saved, reached=(own is not None, other is not None)),
                saved_low=saved.low if saved is not None else None,
                saved_high=saved.high if saved is not None else None,
                seeds=saved.seeds if saved is not None else 0,
            )


class _Saved(NamedTuple):
    """What adapting an arm costs less than adapting another, over ``seeds``; its ends are None below two of them."""

    seeds: int
    costs: tuple[float, float]
    low: float | None
    high: float | None

    @property
    def mean(self) -> float:
        return self.costs[1] - self.costs[0]

    @property
    def shown(self) -> bool:
        return self.low is not None and self.low > 0


def _saved(outcome: Outcome, own: CurvePoint, other: CurvePoint, unit: str) -> _Saved:
    """Return what is saved by the seeds that both points have."""
    by_seed = [
        {cell.seed: cost_in(cell.cost, unit) or 0.0 for cell in outcome.cells if (cell.arm, cell.budget) == place}
        for place in ((own.arm, own.budget), (other.arm, other.budget))
    ]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    count = len(seeds)
    if not count:
        return _Saved(0, (0.0, 0.0), None, None)
    means = (sum(by_seed[0][seed] for seed in seeds) / count, sum(by_seed[1][seed] for seed in seeds) / count)
    if count < FEWEST_SEEDS:
        return _Saved(count, means, None, None)
    from scipy.special import stdtrit

    mean = means[1] - means[0]
    off = sum((by_seed[1][seed] - by_seed[0][seed] - mean) ** 2 for seed in seeds)
    half = float(stdtrit(count - 1, 0.975)) * math.sqrt(off / (count - 1) / count)
    return _Saved(count, means, mean - half, mean + half)


def _first_to_reach(curves: Sequence[CurvePoint], arm: str, target: float) -> CurvePoint | None:
    own = sorted((point for point in curves if point.arm == arm), key=lambda point: point.labels)
    return next((point for point in own if point.accuracy.value >= target - 1e-12), None)


def _words(
    arm: str,
    unit: str,
    spent: float,
    costs: Sequence[float | None],
    saved: _Saved | None,
    *,
    reached: tuple[bool, bool],
) -> str:
    missing = [code for code, found in zip((arm, FINE_TUNED), reached, strict=True) if not found]
    if saved is None:
        verb = "does" if len(missing) == 1 else "do"
        return f"not shown to pay: {' and '.join(missing)} {verb} not reach the target in the mean"
    if saved.high is not None and saved.high <= 0:
        return f"never: adapting {arm} costs no less than adapting {FINE_TUNED}"
    if not saved.shown:
        why = "" if saved.seeds >= FEWEST_SEEDS else ", with one seed" if saved.seeds else ", with no seed of both"
        own, other = (cost_words(cost, unit) for cost in costs)
        return f"not shown to pay: adapting costs {own} against {other}{why}"
    tasks = spent / saved.mean
    return f"after {tasks:,.1f} tasks" if tasks < 10 else f"after {tasks:,.0f} tasks"

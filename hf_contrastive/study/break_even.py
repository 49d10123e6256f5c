"""After how many tasks a pretraining has paid for itself: in time, in compute and in energy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hf_contrastive.study.records import BreakEven, Cost, CurvePoint, Outcome
from hf_contrastive.study.roles import FINE_TUNED

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
    themselves cost nothing here. A unit in which one of the costs is unknown is left out.

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
            saved = costs[1] - costs[0] if costs[0] is not None and costs[1] is not None else None
            yield BreakEven(
                arm=arm.code,
                other=FINE_TUNED,
                unit=unit,
                pretraining=spent,
                adapting=costs[0],
                other_adapting=costs[1],
                tasks=spent / saved if saved is not None and saved > 0 else None,
                words=_words(arm.code, spent, saved, reached=(own is not None, other is not None)),
            )


def _first_to_reach(curves: Sequence[CurvePoint], arm: str, target: float) -> CurvePoint | None:
    own = sorted((point for point in curves if point.arm == arm), key=lambda point: point.labels)
    return next((point for point in own if point.accuracy.value >= target - 1e-12), None)


def _words(arm: str, spent: float, saved: float | None, *, reached: tuple[bool, bool]) -> str:
    missing = [code for code, found in zip((arm, FINE_TUNED), reached, strict=True) if not found]
    if missing:
        verb = "does" if len(missing) == 1 else "do"
        return f"never: {' and '.join(missing)} {verb} not reach the target"
    if saved is None or saved <= 0:
        return f"never: adapting {arm} costs no less than adapting {FINE_TUNED}"
    tasks = spent / saved
    return f"after {tasks:,.1f} tasks" if tasks < 10 else f"after {tasks:,.0f} tasks"

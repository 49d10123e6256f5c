"""From what was measured to what may be said: curves, paired differences, label savings and break-even points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from audits.findings import Measurement
from hf_contrastive.errors import EvaluationError
from hf_contrastive.study.break_even import break_evens
from hf_contrastive.study.conclusion import conclude
from hf_contrastive.study.draws import FEWEST_SEEDS, Draws, Place, holm, interval, two_sided
from hf_contrastive.study.records import (
    Cell,
    Cost,
    CurvePoint,
    LabelSaving,
    Outcome,
    PairedDifference,
    StudyReport,
)
from hf_contrastive.study.roles import COMPARED_WITH, FAMILIES, FINE_TUNED
from hf_contrastive.study.savings import label_savings

RESAMPLES = 2000
_PER_COMPARISON = 200
"""So many draws a comparison keep the smallest p value that Holm can give at or below 0.01."""


def analyse(outcome: Outcome, *, resamples: int = RESAMPLES, seed: int = 0) -> StudyReport:
    """Return curves, differences, label savings, break-even points and the conclusion.

    All intervals are 95 % percentile intervals of the draws of :class:`Draws`; each draw recomputes the target too.
    Only the seeds that both arms of a difference have are paired. p values are adjusted by Holm within each family:
    all differences from the same arm that rest on two seeds or more; with fewer nothing is shown.

    Args:
        outcome: what was measured.
        resamples: draws at least, 100 or more; there are more where many comparisons need smaller p values.
        seed: of the draws; the same outcome and seed give the same report.

    Raises:
        EvaluationError: nothing was measured, predictions do not fit the test rows, or ``resamples`` is too small.
    """
    if resamples < 100:
        msg = f"`resamples` must be at least 100 for a percentile to mean anything, got {resamples}; use 2000."
        raise EvaluationError(msg)
    places = _places(outcome)
    families = {other: _family(places, other) for other in COMPARED_WITH}
    draws = Draws(outcome, resamples=max(resamples, _PER_COMPARISON * max(map(len, families.values()))), seed=seed)
    curves = tuple(_point(draws, place, outcome.cells) for place in places)
    differences = [_differences(draws, other, family) for other, family in families.items()]
    target_at = next((place for place in reversed(places) if place[0] == outcome.setup.target_arm), None)
    target = None
    savings: tuple[LabelSaving, ...] = ()
    if target_at is not None:
        target = outcome.setup.target_share * draws.measured(target_at, draws.seeds(target_at))
        savings = label_savings(draws, curves, target_at=target_at, share=outcome.setup.target_share)
    report = StudyReport(
        setup=outcome.setup,
        arms=outcome.arms,
        cells=outcome.cells,
        pretrainings=outcome.pretrainings,
        skipped=outcome.skipped,
        target=target,
        target_budget=target_at[1] if target_at is not None else None,
        curves=curves,
        differences=tuple(item for family in differences for item in family),
        savings=savings,
        break_evens=break_evens(outcome, curves, target),
        conclusion=(),
        environment=outcome.environment,
        resamples=draws.resamples,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return replace(report, conclusion=conclude(report))


def _places(outcome: Outcome) -> list[Place]:
    """Return the arms and budgets that ran with any seed, in the order of the setup."""
    ran = {(cell.arm, cell.budget) for cell in outcome.cells}
    budgets = sorted({cell.budget for cell in outcome.cells}, key=lambda budget: np.inf if budget is None else budget)
    return [(arm.code, budget) for arm in outcome.arms for budget in budgets if (arm.code, budget) in ran]


def _family(places: Sequence[Place], other: str) -> list[Place]:
    """Return what is compared with ``other``; how it does beside fine-tuning stands among the differences from that."""
    ran = set(places)
    left_out = {other, FINE_TUNED}
    if other in FAMILIES:
        left_out = {code for code, _ in places} - set(FAMILIES[other])
    return [place for place in places if place[0] not in left_out and (other, place[1]) in ran]


def _point(draws: Draws, place: Place, cells: Iterable[Cell]) -> CurvePoint:
    own = [cell for cell in cells if (cell.arm, cell.budget) == place]
    seeds = draws.seeds(place)
    low, high = np.clip(interval(draws.drawn(place, seeds)), 0.0, 1.0)
    return CurvePoint(
        arm=place[0],
        budget=place[1],
        labels=float(np.mean([cell.labels for cell in own])),
        seeds=len(seeds),
        accuracy=Measurement(
            name="accuracy",
            value=draws.measured(place, seeds),
            unit="fraction",
            sample_size=draws.rows,
            interval=(float(low), float(high)),
            method=method_words(len(seeds), draws.resamples),
        ),
        macro_f1=float(np.mean([cell.macro_f1 for cell in own])),
        nll=float(np.mean([cell.nll for cell in own])),
        cost=mean_cost([cell.cost for cell in own]),
    )


def _differences(draws: Draws, other: str, family: Iterable[Place]) -> Iterator[PairedDifference]:
    found = []
    for arm, budget in family:
        seeds = draws.seeds((arm, budget), (other, budget))
        if not seeds:
            continue
        # subtracted after the draw: the same seeds and rows on both sides
        drawn = draws.drawn((arm, budget), seeds) - draws.drawn((other, budget), seeds)
        value = draws.measured((arm, budget), seeds) - draws.measured((other, budget), seeds)
        found.append((arm, budget, len(seeds), value, interval(drawn), two_sided(drawn)))
    # one seed can show nothing, and so costs the others no correction
    adjusted = iter(holm([item[-1] for item in found if item[2] >= FEWEST_SEEDS]))
    for arm, budget, seeds_paired, value, ends, p_value in found:
        told = seeds_paired >= FEWEST_SEEDS
        yield PairedDifference(
            arm=arm,
            other=other,
            budget=budget,
            seeds=seeds_paired,
            difference=Measurement(
                name=f"accuracy, {arm} minus {other}",
                value=value,
                unit="fraction",
                sample_size=draws.rows,
                interval=ends,
                method=f"{method_words(seeds_paired, draws.resamples)}, paired"
                + ("" if told else "; nothing is shown, since it does not tell what another seed would do"),
            ),
            p_value=p_value,
            adjusted=next(adjusted) if told else 1.0,
        )


def method_words(seeds: int, resamples: int) -> str:
    """Return how an interval was got."""
    if seeds == 1:
        return f"95 % percentile bootstrap over test rows alone, since there is one seed, {resamples} resamples"
    return f"95 % percentile bootstrap over {seeds} seeds, widened by Student's t, and test rows, {resamples} resamples"


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """Return the mean of costs; what one of them does not know is unknown, the peak of memory is the largest."""
    flops = [cost.flops for cost in costs if cost.flops is not None]
    energy = [cost.energy_kwh for cost in costs if cost.energy_kwh is not None]
    return Cost(
        seconds=float(np.mean([cost.seconds for cost in costs])),
        tokens=round(float(np.mean([cost.tokens for cost in costs]))),
        flops=float(np.mean(flops)) if len(flops) == len(costs) else None,
        energy_kwh=float(np.mean(energy)) if len(energy) == len(costs) else None,
        peak_memory_gb=max(cost.peak_memory_gb for cost in costs),
    )

"""What is said after the answer: arm by arm, what it costs, what was not run, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from hf_contrastive.study.break_even import UNITS
from hf_contrastive.study.records import BreakEven
from hf_contrastive.study.roles import (
    BASELINES,
    CONTRASTIVE,
    CONTROL,
    FAMILIES,
    FEW_SHOT,
    FINE_TUNED,
    PROBE,
    PROBED_CONTROL,
)
from hf_contrastive.study.telling import Telling
from hf_contrastive.study.wording import budget_words, budgets_words, cost_words, listed, most_trials, reading
from model_cards.typesetting import plural

UNIT_NAMES = {"seconds": "time", "FLOPs": "compute", "kWh": "energy"}
_MOST = 3
_SHORT = 100
"""Steps of pretraining below which it is told that there were few."""
_ENOUGH = 5
"""Seeds; with fewer, Student's t leaves little that survives the correction."""


def pretrained(told: Telling) -> Iterator[str]:
    """Tell where a pretraining was short, and where its loss did not fall: what it shows is no matter of its kind."""
    found = told.report.pretrainings
    short = sorted({item.steps for item in found if item.steps < _SHORT})
    if short:
        steps = plural(short[0], "step") if len(short) == 1 else f"{short[0]} to {short[-1]} steps"
        yield f"The pretraining is short ({steps}): what it shows speaks of it alone."
    for name in dict.fromkeys(item.name for item in found):
        losses = [
            (item.first_loss, item.last_loss, item.seed)
            for item in found
            if item.name == name and item.first_loss is not None and item.last_loss is not None
        ]
        rose = [(first, last, seed) for first, last, seed in losses if not last < first]
        if rose:
            first, last, seed = rose[0]
            where = f"with {len(rose)} of {plural(len(losses), 'seed')}" if len(losses) > 1 else f"with seed {seed}"
            yield (
                f"The loss of the pretraining {name} did not fall {where} (from {first:.3g} to {last:.3g}): it learned "
                "little or nothing, so that nothing here speaks of its kind."
            )


def few_shot(told: Telling) -> Iterator[str]:
    """Tell with which budgets contrast between labelled rows beats fine-tuning, and from which on it is overtaken."""
    found = told.against(FEW_SHOT)
    if not found:
        return
    ahead = [item.budget for item in found if item.difference.value > 0]
    behind = [item.budget for item in found if item.difference.value <= 0]
    sentence = f"{told.name(FEW_SHOT)}: {told.readings(found)}."
    if not ahead:
        sentence += f" Its mean is above that of {FINE_TUNED} with none of them."
    elif not behind:
        sentence += f" It is not overtaken up to {budget_words(found[-1].budget)}, the most that it ran with."
    elif [item.budget for item in found] == [*ahead, *behind]:
        sentence += f" In the mean it is overtaken from {budget_words(behind[0])} on."
    else:
        sentence += f" In the mean it is ahead with {budgets_words(ahead)} and behind with {budgets_words(behind)}."
    yield sentence


def against_fine_tuning(told: Telling) -> Iterator[str]:
    """Tell where each arm with pretraining, and any other but the baselines, wins and loses against fine-tuning."""
    first = (*CONTRASTIVE, CONTROL, PROBED_CONTROL)
    others = [code for code in told.costly if code not in (*first, FEW_SHOT)]
    for code in (*first, *others):
        found = told.against(code)
        if found:
            yield f"{told.name(code)}: {told.readings(found)}."


def baselines(told: Telling) -> Iterator[str]:
    """Tell what the cheap baselines do, and where one of them leads."""
    for code in BASELINES:
        found = told.against(code)
        if found:
            yield f"Cheap baseline {told.name(code)}: {told.readings(found)}."
    led = told.led_by_baselines()
    if led and len(led) < len(told.shared_with_baselines()):
        yield f"A cheap baseline has the highest mean accuracy of all arms with {budgets_words(led)}."


def costs(told: Telling) -> Iterator[str]:
    """Tell after how many tasks each pretraining has paid, in each unit, and where the units disagree."""
    units = {item.unit for item in told.report.break_evens}
    for code in dict.fromkeys(item.arm for item in told.report.break_evens):
        found = [item for item in told.report.break_evens if item.arm == code]
        if len({item.words for item in found}) == 1 and found[0].tasks is None:
            spent = listed([cost_words(item.pretraining, item.unit) for item in found])
            yield f"The pretraining of {told.name(code)} ({spent}) {_pays(found[0])}."
            continue
        parts = [f"in {UNIT_NAMES[item.unit]} {_pays(item)} ({_sums(item)})" for item in found]
        sentence = f"The pretraining of {told.name(code)}: {'; '.join(parts)}."
        if {"after", "never:"} <= {item.words.partition(" ")[0] for item in found}:
            sentence += " The units contradict each other."
        if any(item.tasks is not None for item in found) and _saved_by_the_probe(told, code):
            sentence += (
                f" What is saved is saved by the probe: {PROBE}, the same without pretraining, is not shown worse."
            )
        yield sentence
    missing = [UNIT_NAMES[unit] for unit in UNITS if unit not in units]
    if units and missing:
        yield f"Not known: what it costs in {listed(missing)}."


def _saved_by_the_probe(told: Telling, code: str) -> bool:
    """Whether an arm with a probe is nowhere shown better than the probe on the checkpoint as it is."""
    found = told.against(code, PROBE) if code in FAMILIES[PROBE] else []
    return bool(found) and all(reading(item) != "better" for item in found)


def _tuned(told: Telling) -> str:
    """Return over what the arms were tuned, where that differs from arm to arm."""
    trials = most_trials(told.report)
    if len(set(trials.values())) < 2:
        return ""
    parts = []
    for count in sorted(set(trials.values())):
        codes = [code for code in told.ran if trials[code] == count]
        parts.append(f"{listed(codes)} chose from {plural(count, 'setting')}")
    return f"The arms were not tuned alike: {'; '.join(parts)}."


def left_out(told: Telling) -> Iterator[str]:
    """Tell what was not run, and why."""
    parts = []
    for item in told.report.skipped:
        seeds = f", {plural(len(item.seeds), 'seed')}" if item.seeds else ""
        parts.append(f"{told.name(item.arm)} with {budget_words(item.budget)}{seeds} ({item.reason.rstrip('.')})")
    if len(parts) > _MOST + 1:
        parts = [*parts[:_MOST], f"{len(parts) - _MOST} more"]
    if parts:
        yield f"Not run: {'; '.join(parts)}."


def scope(told: Telling) -> Iterator[str]:
    """Tell how many seeds and rows it rests on."""
    counts = sorted({point.seeds for point in told.report.curves})
    rows = plural(told.report.setup.test_rows, "test row")
    held = "It holds for this data and this checkpoint; others may differ."
    if uneven := _tuned(told):
        held += f" {uneven}"
    if counts == [1]:
        yield (
            f"One seed: every interval is over {rows} alone, so that the luck of which rows are labelled and of the "
            f"initialisation is in none of them, and nothing is shown. {held}"
        )
        return
    seeds = f"{counts[-1]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    sentence = f"It rests on {seeds} and {rows}. {held}"
    if counts[-1] < _ENOUGH:
        sentence += " With so few seeds even large differences often are not shown."
    single = [f"{point.arm} with {budget_words(point.budget)}" for point in told.report.curves if point.seeds == 1]
    if single:
        shown = single if len(single) <= _MOST + 1 else [*single[:_MOST], f"{len(single) - _MOST} more"]
        sentence += f" With one seed alone, so that intervals are over test rows alone: {listed(shown)}."
    yield sentence


def _pays(item: BreakEven) -> str:
    if item.tasks is not None:
        return f"pays for itself {item.words}"
    if item.words.startswith("never: "):
        return f"never pays for itself: {item.words.removeprefix('never: ')}"
    return f"is {item.words}"


def _sums(item: BreakEven) -> str:
    spent = f"{cost_words(item.pretraining, item.unit)} once"
    if item.words.startswith("not shown"):  # which tells the rest
        return spent
    if item.adapting is None or item.other_adapting is None:
        return spent
    return (
        f"{spent}, then {cost_words(item.adapting, item.unit)} a task instead of "
        f"{cost_words(item.other_adapting, item.unit)}"
    )

"""A study as rows: wins and losses, differences, break-even points, cells, setup and rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from audits.findings import Cell, Table
from hf_contrastive.study.draws import INTERVAL
from hf_contrastive.study.records import PairedDifference, StudyReport
from hf_contrastive.study.roles import BY_PENALTY, COMPARED_WITH, FEW_SHOT, FINE_TUNED, LEXICAL
from hf_contrastive.study.wording import (
    Budget,
    budget_words,
    cost_words,
    listed,
    most_trials,
    points,
    probability,
    reading,
    short_budget,
    target_words,
)
from model_cards.facts import name_of
from model_cards.typesetting import escape_markdown, plural

_TONES = {"better": "pass", "worse": "block", "not shown": "none"}


class Field(NamedTuple):
    """One field of the wins and losses: what it reads, the difference, its interval; "" where none was compared."""

    words: str = ""
    difference: str = ""
    interval: str = ""
    tone: str = ""


class Matrix(NamedTuple):
    """Wins and losses against one arm: a row an arm, a column a budget."""

    other: str
    budgets: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Field, ...]], ...]
    """Code, name and the fields of an arm."""


def matrices(report: StudyReport) -> tuple[Matrix, ...]:
    """Return wins and losses against fine-tuning, the controls of equal compute and a probe; none is empty."""
    return tuple(matrix for other in COMPARED_WITH if (matrix := _matrix(report, other)).rows)


def difference_table(report: StudyReport, other: str) -> Table:
    """Return all differences from an arm, in percentage points."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            item.arm,
            budget_words(item.budget),
            _points(item.difference.value),
            *(_points(end) for end in item.difference.interval or ()),
            probability(item.p_value),
            probability(item.adjusted),
            item.seeds,
            reading(item),
        )
        for item in report.differences
        if item.other == other
    )
    columns = ("arm", "budget", "difference, points", "low", "high", "p", "p by Holm", "seeds", "reading")
    return Table(name=f"Accuracy minus that of {other}", columns=columns, rows=rows)


def break_even_table(report: StudyReport) -> Table:
    """Return after how many tasks each pretraining has paid, by unit."""
    rows = tuple(
        (
            item.arm,
            *(cost_words(value, item.unit) for value in (item.pretraining, item.adapting, item.other_adapting)),
            item.words,
        )
        for item in report.break_evens
    )
    columns = ("arm", "pretraining", "adapting it", f"adapting {FINE_TUNED}", "pays for itself")
    return Table(name="Break-even points of pretraining", columns=columns, rows=rows)


def cell_table(report: StudyReport) -> Table:
    """Return every cell that was run."""
    rows = tuple(
        (
            item.arm,
            budget_words(item.budget),
            item.seed,
            item.labels,
            round(item.accuracy, 4),
            round(item.macro_f1, 4),
            round(item.nll, 4),
            round(item.cost.seconds, 2),
            item.cost.tokens,
            item.cost.flops,
            None if item.cost.energy_kwh is None else round(1000 * item.cost.energy_kwh, 4),
            round(item.cost.peak_memory_gb, 2),
            item.trials,
            item.setting,
        )
        for item in report.cells
    )
    columns = (
        "arm", "budget", "seed", "labels", "accuracy", "macro-F1", "NLL", "seconds", "tokens", "FLOPs", "Wh",
        "memory added, GB", "trials", "setting",
    )  # fmt: skip
    return Table(name="Every cell", columns=columns, rows=rows)


def pretraining_table(report: StudyReport) -> Table:
    """Return every pretraining with its cost."""
    rows = tuple(
        (
            item.name,
            item.seed,
            item.objective,
            item.texts,
            item.steps,
            round(item.cost.seconds, 1),
            item.cost.tokens,
            item.cost.flops,
            None if item.cost.energy_kwh is None else round(1000 * item.cost.energy_kwh, 4),
            round(item.cost.peak_memory_gb, 2),
            *("–" if loss is None else round(loss, 4) for loss in (item.first_loss, item.last_loss)),
        )
        for item in report.pretrainings
    )
    columns = (
        "name", "seed", "objective", "texts", "steps", "seconds", "tokens", "FLOPs", "Wh", "memory added, GB",
        "first loss", "last loss",
    )  # fmt: skip
    return Table(name="Pretraining", columns=columns, rows=rows)


def arm_table(report: StudyReport) -> Table:
    """Return what each arm is."""
    rows = tuple((item.code, item.name, item.description, item.pretraining or "none") for item in report.arms)
    return Table(name="The arms", columns=("arm", "name", "what it does", "pretraining"), rows=rows)


def question(report: StudyReport) -> str:
    """Return the question that the study answers."""
    dataset = report.setup.dataset
    return f"Does contrastive pretraining pay on {name_of(dataset) if dataset.repo_id else 'this data'}?"


def setup_facts(report: StudyReport) -> tuple[tuple[str, str], ...]:
    """Return what was measured, on what and with which settings, by name."""
    return tuple(_setup_facts(report))


def seeds_run(report: StudyReport) -> str:
    """Return how many seeds it rests on, and how many were asked for where time ended before."""
    run, asked = len({cell.seed for cell in report.cells}), len(report.setup.seeds)
    return plural(asked, "seed") if run == asked else f"{run} of {plural(asked, 'seed')}"


def rules(report: StudyReport) -> tuple[str, ...]:
    """Return how it was kept fair, and how it was counted."""
    setup = report.setup
    tail = round(100 * (INTERVAL[1] - INTERVAL[0]))
    return (
        f"All arms but {LEXICAL}, which counts words, start from the same checkpoint; all are measured on the same "
        "test rows.",
        "With one seed and budget all arms get the same labelled rows; a larger budget holds those of a smaller one.",
        f"{_tuning(report)} All trials count in the cost of an arm. Rows that are labelled to choose by count as "
        "labels.",
        "Pretraining with and without contrast gets the same texts and as many FLOPs; where the FLOPs differ by more "
        "than 10 %, the conclusion says so.",
        f"{plural(setup.decontaminated, 'text')} that the test holds too, equal or nearly, "
        f"{'was' if setup.decontaminated == 1 else 'were'} left out of pretraining.",
        f"Which share of the quality of {setup.target_arm} is the target was fixed before anything was measured; what "
        f"it comes to was measured: {target_words(report)}. Labels to reach it are read off the mean curve, linear "
        "in accuracy over the logarithm of the labels, at its first crossing. A target that is not reached is told as "
        '"more than", never guessed. Two arms are compared by the seeds that both have with all of their budgets.',
        f"Intervals: {tail} % of {report.resamples:,} paired draws of {seeds_run(report)} and "
        f"{plural(setup.test_rows, 'test row')}, the spread over seeds widened by Student's t, since few seeds look "
        "too much alike. The target is recomputed in each draw. No p value can be below "
        f"{2 / (1 + report.resamples):.2g}.",
        "Reading: better or worse where the p value is below .05 after Holm's correction for all arms and budgets that "
        "are compared with the same arm. With one seed nothing is shown. Intervals are not corrected, so that one may "
        "leave out zero where nothing is shown. Not shown is not equal.",
        "A pretraining pays for itself only where the 95 % interval of what it saves a task, by Student's t over "
        "seeds, lies above 0. Seconds are wall-clock on this machine, other work included.",
        "Memory added is the rise of the process's resident memory over its start, read every 20 ms; what earlier work "
        "left is not in it.",
    )


def _tuning(report: StudyReport) -> str:
    """Return over what each arm chose, as its cells say."""
    most = most_trials(report)
    parts = []
    for nouns, how, chosen in (
        (("penalty", "penalties"), " by cross-validation", True),
        (("learning rate",), "", False),
    ):
        for count in sorted({count for code, count in most.items() if (code in BY_PENALTY) == chosen}):
            codes = [code for code, found in most.items() if found == count and (code in BY_PENALTY) == chosen]
            told = f"{plural(count, *nouns)}{how if count > 1 else ', fixed before'}"
            parts.append(f"{listed(codes)} from {told}")
    probed = f"; the probe of {FEW_SHOT} chooses its penalty besides" if FEW_SHOT in most else ""
    return f"Within the labelled rows arms choose: {'; '.join(parts)}{probed}."


def not_told(report: StudyReport) -> tuple[str, ...]:
    """Return what was not run or measured, and what follows for nobody."""
    found = [
        f"{item.arm} with {budget_words(item.budget)}"
        f"{f' (seeds {listed([str(seed) for seed in item.seeds])})' if item.seeds else ''}: {item.reason.rstrip('.')}."
        for item in report.skipped
    ]
    costs = [cell.cost for cell in report.cells] + [item.cost for item in report.pretrainings]
    if all(cost.energy_kwh is None for cost in costs):
        found.append("Energy was not measured.")
    elif any(cost.energy_kwh is None for cost in costs):
        found.append("Energy was measured for a part of the cells only; where it is missing, it is left out.")
    found.append("What a label costs, and what the texts for pretraining cost to collect, was not measured.")
    found.append("Other data, other checkpoints and larger models were not tried: nothing here speaks of them.")
    return tuple(found)


def markdown(report: StudyReport) -> str:
    """Return the study in short: conclusion, what each arm reaches and costs, wins and losses, setup."""
    lines = [f"## {escape_markdown(question(report))}", ""]
    lines += [f"**Note:** {escape_markdown(note)}\n" for note in report.setup.notes]
    lines += [f"- {escape_markdown(sentence)}" for sentence in report.conclusion]
    lines += _levels(report)
    for matrix in matrices(report):
        lines += ["", f"Accuracy minus that of {escape_markdown(matrix.other)}, percentage points [95 % interval]; "
                  "better or worse is after Holm's correction. Columns: labelled rows a class.", ""]  # fmt: skip
        lines += [f"| arm | {' | '.join(matrix.budgets)} |", f"|---|{'---|' * len(matrix.budgets)}"]
        for code, name, fields in matrix.rows:
            shown = [
                escape_markdown(f"{item.words} {item.difference} {item.interval}".strip()) or "–" for item in fields
            ]
            lines.append(f"| {escape_markdown(f'{code}: {name}')} | {' | '.join(shown)} |")
    lines += ["", "Setup:", ""]
    lines += [f"- {escape_markdown(f'{name}: {told}')}" for name, told in setup_facts(report)]
    return "\n".join(lines) + "\n"


def _in_order(budgets: set[Budget]) -> list[Budget]:
    return sorted(budgets, key=lambda budget: float("inf") if budget is None else budget)


def _levels(report: StudyReport) -> Iterator[str]:
    budgets = _in_order({point.budget for point in report.curves})
    yield from ("", "Accuracy, the mean over seeds, and what adapting costs. Columns: labelled rows a class.", "")
    yield f"| arm | {' | '.join(map(short_budget, budgets))} |"
    yield f"|---|{'---|' * len(budgets)}"
    for arm in report.arms:
        found = [report.point(arm.code, budget) for budget in budgets]
        shown = [
            f"{100 * point.accuracy.value:.1f} %, {cost_words(point.cost.seconds, 'seconds')}" if point else "–"
            for point in found
        ]
        if any(found):
            yield f"| {escape_markdown(f'{arm.code}: {arm.name}')} | {' | '.join(shown)} |"


def _matrix(report: StudyReport, other: str) -> Matrix:
    found = {(item.arm, item.budget): item for item in report.differences if item.other == other}
    budgets = _in_order({budget for _, budget in found})
    rows = tuple(
        (arm.code, arm.name, tuple(_field(found.get((arm.code, budget))) for budget in budgets))
        for arm in report.arms
        if any(code == arm.code for code, _ in found)
    )
    return Matrix(other, tuple(map(short_budget, budgets)), rows)


def _field(item: PairedDifference | None) -> Field:
    if item is None:
        return Field()
    difference, _, ends = points(item.difference).partition(" ")
    return Field(reading(item), difference, ends, _TONES[reading(item)])


def _points(share: float) -> float:
    return round(100 * share, 2)


def _setup_facts(report: StudyReport) -> Iterator[tuple[str, str]]:
    setup = report.setup
    data, where = setup.dataset, report.environment
    base = setup.base.model_id or "a local checkpoint"
    yield "Checkpoint", f"{base}{f', revision {setup.base.revision}' if setup.base.revision else ''}"
    yield "Data", f"{name_of(data)}, split {data.split}{f', revision {data.revision}' if data.revision else ''}"
    pair = f", pairs with {setup.pair_column}" if setup.pair_column else ", two views of each text"
    yield "Columns", f"text {setup.text_column}, label {setup.label_column}; contrast: {pair.lstrip(', ')}"
    yield "Classes", f"{len(setup.classes)}: {', '.join(setup.classes)}"
    yield "Rows", f"{setup.train_rows:,} to label, {setup.test_rows:,} to test"
    yield "Texts for pretraining", f"{setup.pretraining_texts:,}, after {setup.decontaminated:,} were left out"
    yield "Budgets", f"{', '.join(map(short_budget, setup.budgets))} labelled rows a class"
    yield "Seeds", ", ".join(map(str, setup.seeds))
    yield "Target", target_words(report)
    yield "Text", f"at most {plural(setup.max_length, 'token')}"
    for name, told in setup.settings.items():
        yield name[:1].upper() + name[1:], told
    machine = [where.processor, where.device, plural(where.cores, "core") if where.cores else "", where.precision]
    yield "Machine", ", ".join(filter(None, machine)) or "not recorded"
    yield "Software", ", ".join(f"{name} {version}" for name, version in where.versions.items()) or "not recorded"

"""The charts of a study: label savings, learning curves, quality by cost, and whether probabilities are right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from audits.findings import Table
from hf_contrastive.evaluation.calibration import reliability_table
from hf_contrastive.study.break_even import cost_in
from hf_contrastive.study.line_charts import Line, Spot, line_chart, look_of, marker
from hf_contrastive.study.records import LabelSaving, Outcome, StudyReport
from hf_contrastive.study.roles import CONTRASTIVE, FEW, FINE_TUNED
from hf_contrastive.study.savings import times
from hf_contrastive.study.wording import Budget, budget_words, flops_words, listed, target_words
from model_cards.charts.drawing import WIDTH, Chart, line, scale, svg, text
from model_cards.charts.evaluation import band_chart

_UNITS = {
    "FLOPs": ("Quality by compute", "FLOPs of one task, pretraining included"),
    "seconds": ("Quality by time", "seconds of one task, pretraining included"),
    "kWh": ("Quality by energy", "Wh of one task, pretraining included"),
}


def saving_chart(report: StudyReport) -> Chart | None:
    """Return how many times fewer labels each arm needs, with intervals; an open end is an arrow."""
    savings = report.savings
    if not savings:
        return None
    known = [value for item in savings for value in (item.low, item.high, item.ratio) if value]
    low = 2.0 ** math.floor(math.log2(min([*known, 0.5])) - 0.01)
    high = 2.0 ** math.ceil(math.log2(max([*known, 2.0])) + 0.01)
    top, step, left, right = 8, 34, 14, 14
    height = top + step * len(savings) + 40
    across = scale(math.log2(low), math.log2(high), left + 10, WIDTH - right - 10)

    def x(value: float) -> float:
        return across(math.log2(value))

    bottom = height - 38
    parts = []
    powers = range(round(math.log2(low)), round(math.log2(high)) + 1)
    every = max(1, math.ceil(len(powers) / 9))
    for power in powers:
        if power % every == 0:
            parts.append(line(x(2.0**power), top, x(2.0**power), bottom, "grid"))
            words = f"{2**power}×" if power >= 0 else f"1/{2**-power}×"
            parts.append(text(x(2.0**power), bottom + 14, words, anchor="middle"))
    parts.append(line(x(1), top, x(1), bottom, "ideal"))
    parts.append(text(x(1) - 6, height - 6, "← more labels", anchor="end"))
    parts.append(text(x(1) + 6, height - 6, "fewer labels →"))
    told = []
    for place, item in enumerate(savings):
        y = top + step * place + 24
        words = item.words.partition(" (")[0]
        parts.append(text(left, y - 11, f"{item.arm}  {words}", kind="label"))
        parts += _open_bar(item, x, y, (left, WIDTH - right))
        if item.ratio is not None:
            look = look_of(item.arm)._replace(shape="circle", filled=item.claimed, kind="contrast")
            parts.append(marker(look, x(min(max(item.ratio, low), high)), y, 4.4))
        told.append(f"{item.arm}: {item.words}")
    caption = (
        f"To reach {target_words(report)}: labels that {report.setup.target_arm} needs, divided by those of the arm. "
        "Bar: 95 % interval. Arrow: the end is open, since an arm does not reach the target, or reaches it with the "
        "fewest labels that were tried. Filled: the whole interval lies above 1, so that a saving may be claimed. "
        "Dashed: as many labels."
    )
    title = "How many times fewer labels"
    return Chart(title, svg("saving", height, title, f"{'; '.join(told)}.", parts), caption, saving_table(report))


def saving_table(report: StudyReport) -> Table:
    """Return how many labels each arm needs to reach the target, and how many times fewer that is."""
    return Table(
        name="Labels to the target, and how many times fewer",
        columns=("arm", "labels", "labels of the target's arm", "times fewer", "low", "high", "in words"),
        rows=tuple(
            (
                item.arm,
                f"> {item.most_labels:,.0f}" if item.labels is None else _count(item.labels, at_most=item.at_most),
                "not reached"
                if item.reference_labels is None
                else _count(item.reference_labels, at_most=item.reference_at_most),
                "–" if item.ratio is None else times(item.ratio),
                "open" if item.low is None else times(item.low),
                "open" if item.high is None else times(item.high),
                item.words,
            )
            for item in report.savings
        ),
    )


def curve_charts(report: StudyReport) -> tuple[Chart, ...]:
    """Return all learning curves in one chart, then each arm beside fine-tuning with bands."""
    codes = [arm.code for arm in report.arms if any(point.arm == arm.code for point in report.curves)]
    marks = sorted({point.labels for point in report.curves})
    at = 100 * report.target if report.target is not None else None
    dashed = f" Dashed: the target, {target_words(report)}." if report.target is not None else ""
    everything = line_chart(
        [_curve(report, code, band=False) for code in codes],
        key="curves",
        title="Accuracy by labels, all arms",
        across="labels, those to choose by included (logarithmic)",
        caption=f"Up: accuracy on the test rows in per cent, the mean over seeds.{dashed}",
        table=curve_table(report, codes, "Accuracy by labels"),
        marks=marks,
        line_at=at,
        height=380,
    )
    names = {arm.code: arm.name for arm in report.arms}
    each = [
        line_chart(
            [_curve(report, other, band=True) for other in dict.fromkeys((FINE_TUNED, code)) if other in codes],
            key=f"curve-{code}",
            title=f"{code}: {names[code]}",
            across="labels (logarithmic)",
            caption=f"Accuracy in per cent beside {FINE_TUNED}, with 95 % bands.",
            table=curve_table(report, [code], f"Accuracy of {code} by labels"),
            marks=marks,
            line_at=at,
        )
        for code in codes
        if code != FINE_TUNED
    ]
    return tuple(chart for chart in (everything, *each) if chart is not None)


def curve_table(report: StudyReport, codes: list[str], name: str) -> Table:
    """Return the points of these arms with their intervals."""
    return Table(
        name=name,
        columns=("arm", "budget", "labels", "seeds", "accuracy", "low", "high", "macro-F1", "NLL"),
        rows=tuple(
            (
                point.arm,
                budget_words(point.budget),
                round(point.labels),
                point.seeds,
                round(point.accuracy.value, 4),
                *(round(end, 4) for end in point.accuracy.interval or (point.accuracy.value,) * 2),
                round(point.macro_f1, 4),
                round(point.nll, 4),
            )
            for point in report.curves
            if point.arm in codes
        ),
    )


def cost_charts(report: StudyReport) -> tuple[Chart, ...]:
    """Return quality by compute, by time and by energy, those that are known for two arms at least."""
    return tuple(_cost_charts(report))


def reliability_charts(report: StudyReport, outcome: Outcome) -> tuple[Chart, ...]:
    """Return reliability of fine-tuning and of the best contrastive arm at the focus budget, of one seed."""
    budget = focus_budget(report)
    best = best_contrastive(report)
    codes = [code for code in (FINE_TUNED, best) if code is not None]
    seeds = [
        {cell.seed for cell in outcome.cells if (cell.arm, cell.budget) == (code, budget)} for code in codes
    ]  # fmt: skip
    shared = sorted(set.intersection(*seeds)) if seeds else []
    charts = []
    for code in codes if shared else ():
        name = f"reliability of {code} with {budget_words(budget)}, seed {shared[0]}"
        probabilities = outcome.predictions[code, budget, shared[0]].probabilities.astype("float64")
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        table = reliability_table(probabilities, outcome.truth, bins=10, name=name)
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        chart = band_chart(table, rows, key=f"reliability-{code}")
        if chart is not None:
            charts.append(chart)
    return tuple(charts)


def focus_budget(report: StudyReport) -> Budget:
    """Return the largest budget of few labels that fine-tuning ran with; without one, the smallest budget."""
    ran = [point.budget for point in report.curves if point.arm == FINE_TUNED] or [
        point.budget for point in report.curves
    ]
    few = [budget for budget in ran if budget is not None and budget < FEW]
    return max(few) if few else min(ran, key=lambda budget: math.inf if budget is None else budget)


def best_contrastive(report: StudyReport) -> str | None:
    """Return the arm with contrastive pretraining of the highest mean accuracy over the budgets that all of them ran.

    None where none of them ran.
    """
    ran = {code: {point.budget for point in report.curves if point.arm == code} for code in CONTRASTIVE}
    ran = {code: budgets for code, budgets in ran.items() if budgets}
    shared = set.intersection(*ran.values()) if ran else set()
    means = {
        code: sum(point.accuracy.value for point in report.curves if point.arm == code and point.budget in shared)
        for code in ran
    }
    return max(means, key=lambda code: means[code]) if means else None


def _curve(report: StudyReport, code: str, *, band: bool) -> Line:
    spots = [
        Spot(
            point.labels,
            100 * point.accuracy.value,
            *((100 * end for end in point.accuracy.interval) if band and point.accuracy.interval else ()),
        )
        for point in report.curves
        if point.arm == code
    ]
    return Line(code, tuple(sorted(spots)))


def _cost_charts(report: StudyReport) -> Iterator[Chart]:
    spent = {arm.code: arm.pretraining for arm in report.arms}
    for unit, (title, across) in _UNITS.items():
        shown, scale = ("Wh", 1000) if unit == "kWh" else (unit, 1)
        lines, rows = [], []
        for code, pretraining in spent.items():
            before = _pretraining(report, pretraining, unit)
            spots = []
            for point in report.curves:
                after = cost_in(point.cost, unit)
                if point.arm != code or before is None or not after:
                    continue
                spots.append(Spot(scale * (before + after), 100 * point.accuracy.value))
                costs = scale * before, scale * after
                rows.append((code, budget_words(point.budget), *costs, round(point.accuracy.value, 4)))
            if spots:
                lines.append(Line(code, tuple(sorted(spots))))
        if len(lines) < 2:
            continue
        drawn = {item.code for item in lines}
        absent = [code for code in spent if code not in drawn and any(point.arm == code for point in report.curves)]
        chart = line_chart(
            lines,
            key=f"cost-{unit}",
            title=title,
            across=f"{across} (logarithmic)",
            caption=(
                "Up: accuracy in per cent. Each point is a budget; the whole pretraining is counted, as if it served "
                "this one task."
                + (f" Not drawn, since this cost is not known or nothing: {listed(absent)}." if absent else "")
            ),
            table=Table(
                name=title,
                columns=("arm", "budget", f"pretraining, {shown}", f"adapting, {shown}", "accuracy"),
                rows=tuple(rows),
            ),
            mark_words=(lambda value: flops_words(value).replace(".0×", "×").removeprefix("1×"))
            if unit == "FLOPs"
            else lambda value: f"{value:,.3g}",
            height=340,
        )
        if chart is not None:
            yield chart


def _pretraining(report: StudyReport, name: str, unit: str) -> float | None:
    if not name:
        return 0.0
    found = [cost_in(item.cost, unit) for item in report.pretrainings if item.name == name]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known and len(known) == len(found) else None


def _open_bar(item: LabelSaving, x: Callable[[float], float], y: float, edges: tuple[float, float]) -> Iterator[str]:
    """Yield the bar of an interval; an end that is open is an arrow at the edge."""
    places = []
    for end, edge, inwards in ((item.low, edges[0], 1), (item.high, edges[1], -1)):
        if end is None:
            corners = ((edge, y), (edge + 9 * inwards, y - 5), (edge + 9 * inwards, y + 5))
            drawn = " ".join(f"{across:.1f},{up:.1f}" for across, up in corners)
            yield f'<polygon class="arrow" points="{drawn}"/>'
            places.append(edge + 8 * inwards)
        else:
            yield line(x(end), y - 4, x(end), y + 4, "whisker")
            places.append(x(end))
    yield line(places[0], y, places[1], y, "interval")


def _count(labels: float, *, at_most: bool) -> str:
    return f"{'≤ ' if at_most else ''}{labels:,.0f}"

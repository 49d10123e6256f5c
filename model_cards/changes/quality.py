"""What differs in what was measured on the model, and whether the two can be compared at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from audits.findings import DatasetRef, Measurement
from model_cards.changes.pairing import (
    Words,
    changed,
    compared,
    details,
    in_words,
    mapped,
    noted,
    paired,
    same,
    untold,
)
from model_cards.changes.records import Change, Kind
from model_cards.evidence import EvaluationReport, EvaluationSection, MetricComparison, VersionComparison
from model_cards.facts import name_of
from model_cards.typesetting import measured, number, plural

NOT_THE_SAME_DATA = "not the same data, so no comparison"
_OVERLAP = "the intervals overlap: no difference is shown"
_SHOWN = 3
_HOW = ("queries", "documents", "max_length", "seed")


def evaluation_changes(before: tuple[EvaluationReport, ...], after: tuple[EvaluationReport, ...]) -> Iterator[Change]:
    """Yield each metric by task, dataset and name.

    It is better or worse only where both were measured on the same rows in the same way, and the intervals of the two
    do not overlap; higher is better for every metric that is measured here.
    """
    for key, one, other in paired(before, after, _key):
        shown = other or one
        place = _place(shown) if shown is not None else key
        if one is None or other is None:
            weight = 76 if other is None else 34
            words = Words("evaluation", f"evaluation {key}", f"Evaluation of {place}", weight)
            yield changed(words, *in_words(one, other, _scores))
            continue
        note = _not_comparable(one, other)
        told = list(_metrics(key, place, one, other, note))
        yield from told
        yield from _sections(key, place, one, other)
        common = {item.after.name for item in one.metrics} & {item.after.name for item in other.metrics}
        rests = [_rest(evaluation, common, noted=bool(told) and bool(note)) for evaluation in (one, other)]
        if not same(*rests):
            yield details(Words("evaluation", f"evaluation {key}", f"Evaluation of {place}, in a detail", 12), *rests)


def comparison_changes(before: VersionComparison | None, after: VersionComparison | None) -> Iterator[Change]:
    """Yield what the comparison with the published version says, which pairs the queries of both."""
    if same(before, after):
        return
    regressed = after is not None and after.regression
    words = Words("evaluation", "comparison", "Compared with the published version", 96 if regressed else 37)
    change = compared(words, before, after, _compared)
    if before is not None and after is not None and before.regression != after.regression:
        change = replace(change, kind="worse" if regressed else "better")
    yield change


def _sections(key: str, place: str, one: EvaluationReport, other: EvaluationReport) -> Iterator[Change]:
    """Yield the sections beside the task that differ."""
    for name, left, right in paired(one.sections, other.sections, lambda item: item.name):
        words = Words("evaluation", f"section {key} {name}", f"{name[:1].upper()}{name[1:]} on {place}", 25)
        if left is None or right is None:
            yield changed(words, *in_words(left, right, _section))
            continue
        numbers = [{item.after.name: item.after for item in side.metrics} for side in (left, right)]
        differing = [
            (title, was, now) for title, was, now in mapped(*numbers)
            if was is None or now is None or measured(was) != measured(now)
        ]  # fmt: skip
        shown = {title for title, _, _ in differing[:_SHOWN]}
        common = {*numbers[0]} & {*numbers[1]}
        was, now = (replace(side, metrics=_unmeasured(side.metrics, common, shown)) for side in (left, right))
        hidden = list(untold(was, now, lambda _: ""))
        if len(differing) > _SHOWN:
            hidden.insert(0, f"{len(differing) - _SHOWN:,} more metrics")
        if differing:
            before, after = (
                "; ".join(
                    f"{title} {measured(side[title]) if title in side else 'not measured'}" for title in sorted(shown)
                )
                for side in numbers
            )
            yield changed(words, before, after, "changed", noted("", hidden))
        else:
            yield details(words, left, right)


def _unmeasured(
    metrics: tuple[MetricComparison, ...], common: Collection[str], shown: Collection[str]
) -> tuple[MetricComparison, ...]:
    """Return metrics without what is told of those that are shown: their numbers, or that one side has them alone."""
    return tuple(
        replace(item, after=replace(item.after, value=0, unit="", interval=None)) if item.after.name in shown else item
        for item in metrics
        if item.after.name in common or item.after.name not in shown
    )


def _rest(evaluation: EvaluationReport, common: Collection[str], *, noted: bool) -> EvaluationReport:
    """Return an evaluation without what is told of its metrics and sections, and of how it was measured."""
    names = [item.after.name for item in evaluation.metrics]
    rest = replace(evaluation, metrics=_unmeasured(evaluation.metrics, common, names), sections=())
    if not noted:
        return rest
    # a note on a metric says this
    dataset = replace(evaluation.dataset, fingerprint="")
    return replace(rest, dataset=dataset, queries=0, documents=0, max_length=0, seed=0)


def _section(section: EvaluationSection) -> str:
    told = "; ".join(f"{item.after.name} {measured(item.after)}" for item in section.metrics[:_SHOWN])
    return told or section.not_computed or plural(len(section.tables), "table")


def _metrics(key: str, place: str, one: EvaluationReport, other: EvaluationReport, note: str) -> Iterator[Change]:
    for name, left, right in paired(
        [item.after for item in one.metrics], [item.after for item in other.metrics], lambda item: item.name
    ):
        primary = name == other.primary_metric
        kind, said = _judged(left, right, note)
        lower = left is not None and right is not None and right.value < left.value
        weight = 43 if primary else 36
        if right is None:
            weight = 66 if primary else 54
        if kind == "worse":
            weight = 77 if primary else 69
        elif kind == "changed" and (lower or note):
            weight = 61 if primary else 44
        words = Words("evaluation", f"metric {key} {name}", f"{name} on {place}", weight)
        yield changed(words, *in_words(left, right, measured), kind, said)


def _judged(left: Measurement | None, right: Measurement | None, note: str) -> tuple[Kind, str]:
    if left is None or right is None:
        return "changed", ""
    if note:
        return "changed", note
    if left.unit != right.unit:
        return "changed", "not measured in the same unit"
    if left.interval is None or right.interval is None:
        return "changed", "no interval of both, so nothing shows which is better"
    if right.interval[1] < left.interval[0]:
        return "worse", ""
    if right.interval[0] > left.interval[1]:
        return "better", ""
    return "changed", _OVERLAP


def _not_comparable(one: EvaluationReport, other: EvaluationReport) -> str:
    """Return why two evaluations of the same name can not be compared, or ""."""
    if one.dataset.fingerprint != other.dataset.fingerprint:
        return NOT_THE_SAME_DATA
    differing = [name for name in _HOW if getattr(one, name) != getattr(other, name)]
    if not differing:
        return ""
    # of one sentence for both directions of reading
    pairs = (sorted((getattr(one, name), getattr(other, name))) for name in differing)
    said = (f"{name.replace('_', ' ')} {number(a)} and {number(b)}"
            for name, (a, b) in zip(differing, pairs, strict=True))  # fmt: skip
    return f"not measured in the same way, so no comparison: {', '.join(said)}"


def _key(evaluation: EvaluationReport) -> str:
    ref = evaluation.dataset
    return " ".join(filter(None, (evaluation.task, ref.repo_id, ref.config, ref.split)))


def _place(evaluation: EvaluationReport) -> str:
    return f"{evaluation.task}, {_name(evaluation.dataset)}"


def _name(ref: DatasetRef) -> str:
    return f"{name_of(ref)} {ref.split}" if ref.repo_id else ref.split


def _scores(evaluation: EvaluationReport) -> str:
    return "; ".join(f"{item.after.name} {measured(item.after)}" for item in evaluation.metrics) or "no metric"


def _compared(comparison: VersionComparison) -> str:
    published = comparison.tag or comparison.commit[:8] or comparison.repo_id
    if not comparison.compared:
        return f"{published} was not compared{f': {comparison.note}' if comparison.note else ''}"
    name, item = comparison.primary_metric, comparison.primary
    difference = f"{name} {measured(item.difference, signed=True)}" if item is not None and item.difference else name
    verdict = "a regression" if comparison.regression else "no regression"
    return (
        f"{verdict} against {published} at a margin of {number(comparison.margin)}: difference in {difference}; of "
        f"{number(comparison.queries)} queries {number(comparison.wins)} won, {number(comparison.losses)} lost"
    )

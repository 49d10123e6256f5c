"""From a task and a model to a report: each text is encoded once, then every section is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

from audits.findings import Table
from hf_contrastive.errors import EvaluationError, NotComputableError
from hf_contrastive.evaluation.encodings import Progress
from hf_contrastive.evaluation.means import short, shortened
from hf_contrastive.evaluation.sections import Asked, sections
from hf_contrastive.evaluation.tasks import Retrieval
from model_cards.evidence import EvaluationReport, EvaluationSection, MetricComparison

SectionNames = Literal["standard", "all"] | Sequence[str]
Stage = Callable[[str], None]

_STANDARD = "standard"


def section_names(asked: SectionNames) -> tuple[str, ...]:
    """Return the sections to measure.

    Args:
        asked: ``standard``, ``all``, or names; the first depends on what is given, and is returned as it is.

    Raises:
        EvaluationError: a name is unknown.
    """
    known = sections()
    if asked == "all":
        return tuple(known)
    if asked == _STANDARD:
        return (_STANDARD,)
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    unknown = [name for name in names if name not in known]
    if unknown:
        msg = (
            f"There is no section {', '.join(map(repr, unknown))}; known are {', '.join(known)}, and `standard` or "
            "`all` for several."
        )
        raise EvaluationError(msg)
    return tuple(name for name in known if name in names)


def run(
    asked: Asked,
    names: Iterable[str],
    *,
    on_progress: Progress | None = None,
    on_stage: Stage | None = None,
) -> EvaluationReport:
    """Encode and measure.

    Args:
        asked: the task, the models and what else was given.
        names: of :func:`section_names`.
        on_progress: called with (texts done, texts in all), of both models.
        on_stage: called with the name of what is measured next.

    Raises:
        EvaluationError: the input is wrong as a whole.
    """
    started = time.perf_counter()
    task = asked.task
    chosen = tuple(names)
    if chosen == (_STANDARD,):
        chosen = tuple(name for name, section in sections().items() if section.standard(asked))
    for model in asked.models:
        model.serve(task, asked.seed)
    reasons = _announce(asked, chosen)
    _encode(asked, on_progress)
    tell = on_stage or (lambda _: None)
    tell(task.name)
    try:
        metrics = task.metrics(asked.after, asked.before, asked.seed)
    except NotComputableError as error:
        msg = f"The task {task.name!r} can not be measured: {error}."
        raise EvaluationError(msg) from error
    lacking = task.lacking(asked.after, asked.before, asked.seed)
    found = [EvaluationSection(name=name, not_computed=reason) for name, reason in lacking.items()]
    for name in chosen:
        if name in reasons:
            found.append(EvaluationSection(name=name, not_computed=reasons[name]))
            continue
        tell(name)
        try:
            found.append(_rounded_section(sections()[name].measure(asked)))
        except NotComputableError as error:
            found.append(EvaluationSection(name=name, not_computed=str(error)))
    searched = isinstance(task, Retrieval)
    encoder = asked.after.encoder
    return EvaluationReport(
        task=task.name,
        dataset=asked.data.reference,
        queries=len(task.subjects.texts) if searched else 0,
        documents=len(task.pool.texts) if searched else 0,
        rows=0 if searched else len(task.subjects.texts),
        max_length=asked.after.max_length or encoder.spec.max_length,
        seed=asked.seed,
        # ranks are whole numbers, and so the same on every machine
        metrics=metrics if searched else tuple(map(_rounded, metrics)),
        primary_metric=task.primary,
        sections=tuple(found),
        note=task.note,
        seconds=time.perf_counter() - started,
        weights_sha256=encoder.weights_digest(),
    )


def _announce(asked: Asked, names: Sequence[str]) -> dict[str, str]:
    """Tell the models all texts, and return why sections can not be computed."""
    reasons = {}
    texts = list(asked.task.texts())
    for name in names:
        try:
            texts += sections()[name].texts(asked)
        except NotComputableError as error:
            reasons[name] = str(error)
    for model in asked.models:
        model.announce(texts)
    return reasons


def _encode(asked: Asked, on_progress: Progress | None) -> None:
    total = sum(model.count for model in asked.models)
    done = 0

    def shifted(offset: int) -> Progress | None:
        return (lambda ready, _: on_progress(offset + ready, total)) if on_progress else None

    for model in asked.models:
        waiting = model.count
        model.encode(shifted(done))
        done += waiting


def _rounded_section(section: EvaluationSection) -> EvaluationSection:
    return replace(
        section,
        metrics=tuple(map(_rounded, section.metrics)),
        tables=tuple(map(_rounded_table, section.tables)),
    )


def _rounded(item: MetricComparison) -> MetricComparison:
    return MetricComparison(
        before=shortened(item.before) if item.before is not None else None,
        after=shortened(item.after),
        difference=shortened(item.difference) if item.difference is not None else None,
    )


def _rounded_table(table: Table) -> Table:
    rows = tuple(tuple(short(cell) if isinstance(cell, float) else cell for cell in row) for row in table.rows)
    return replace(table, rows=rows)

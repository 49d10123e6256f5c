"""What a model costs and keeps as part of its evidence: in its card, its report and evidence.json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from audits.findings import Cell, Measurement, Table
from hf_contrastive.errors import EvaluationError
from hf_contrastive.inference.recommendation import keeps, milliseconds
from hf_contrastive.inference.records import InferenceReport, VariantReport
from hf_contrastive.inference.tables import circumstances, not_measured
from model_cards.evidence import INFERENCE_COST, EvaluationReport, EvaluationSection, MetricComparison
from model_cards.typesetting import plural


def as_evaluation(report: InferenceReport) -> EvaluationReport:
    """Return what was measured as an evaluation, which ``trainer.add_evidence`` and ``push`` take.

    Its metrics are the shares of the reference's nDCG@10 that the other forms keep; costs stand in the tables of its
    sections. ``weights_sha256`` is over the weights as they were given, adapter included.

    Raises:
        EvaluationError: no data was named, so that nothing is known of the quality that is kept.
    """
    if report.data is None:
        msg = (
            f"The inference of {report.model_name} was measured without data: what it costs without what it keeps of "
            "the quality is half a statement, which no card should make. Measure again with `data` (`--data` on the "
            "command line)."
        )
        raise EvaluationError(msg)
    metrics = tuple(_metrics(report))
    methods = dict.fromkeys(item.after.method for item in metrics if item.after.method)
    note = " ".join((_found(report), *(f"What is kept: {method}." for method in methods), *report.notes))
    return EvaluationReport(
        task=INFERENCE_COST,
        dataset=report.data,
        queries=report.queries,
        documents=report.documents,
        max_length=report.max_length,
        seed=report.seed,
        metrics=metrics,
        primary_metric="",
        sections=tuple(_sections(report)),
        note=note,
        weights_sha256=report.weights_sha256,
        seconds=report.seconds,
    )


def _metrics(report: InferenceReport) -> Iterator[MetricComparison]:
    """Yield what every form but the reference keeps: its own share is 1 by definition."""
    for item in report.measured[1:]:
        if item.quality is not None:
            yield MetricComparison(after=_named(item.quality, f"by {item.name}"))


def _named(kept: Measurement, words: str) -> Measurement:
    return replace(kept, name=f"{kept.name} {words}")


def _found(report: InferenceReport) -> str:
    """Return one sentence: how many forms keep the quality, and which of those is the fastest."""
    measured = report.measured
    if not measured:
        return "No form of the model could be measured."
    first = measured[0]
    if first.quality is None:
        return f"What each form keeps was not computed, because {first.quality_not_computed.rstrip('.')}."
    kept = [item for item in measured if keeps(item, report)]
    others = [item for item in kept if item is not first]
    share = f"{100 * (1 - report.bounds.quality_loss):g} %"
    words = (
        f"{len(others)} of the {plural(len(measured) - 1, 'other form')} that were measured keep at least {share} "
        f"of the nDCG@10 of {first.name} ({first.description}), by the lower end of the interval"
    )
    timed = {item.name: cell.p95_ms for item in kept if (cell := item.cell(1, report.length)) is not None}
    if first.name not in timed:
        return f"{words}."
    soonest = min(timed, key=lambda name: timed[name])
    text, before = f"one text of {report.length} tokens", milliseconds(timed[first.name])
    if soonest == first.name:
        return f"{words}; none of these is faster with {text} than {first.name}, {before} ms (95th percentile)."
    return (
        f"{words}; the fastest of these is {soonest}, with {milliseconds(timed[soonest])} ms for {text} instead of "
        f"{before} ms (95th percentile)."
    )


def _sections(report: InferenceReport) -> Iterator[EvaluationSection]:
    yield EvaluationSection(
        name="cost of each form",
        tables=tuple(table for table in (_variants(report), _latencies(report)) if table.rows),
        method=" ".join((circumstances(report), *not_measured(report))),
    )
    stored = tuple(
        MetricComparison(after=_named(item.quality, f"with {item.name}"))
        for item in report.storages[1:]
        if item.quality is not None
    )
    yield EvaluationSection(
        name="ways of keeping vectors",
        metrics=stored,
        tables=tuple(table for table in (_storages(report), _combined(report)) if table.rows),
        method=" ".join(_how_stored(report)),
    )
    rows = tuple((item.target, item.words, item.rule) for item in report.recommendations)
    yield EvaluationSection(
        name="recommendations",
        tables=(Table(name="What to use where", columns=("where", "recommended", "by which rule"), rows=rows),)
        if rows
        else (),
        not_computed="" if rows else "no bound of memory or latency and no price of an hour was named",
        method="From the measurements alone, by rules that were written before them" if rows else "",
    )


def _how_stored(report: InferenceReport) -> Iterator[str]:
    if not report.measured:
        yield "No vectors were computed."
        return
    yield f"Documents are kept in less memory, with the vectors of {report.measured[0].name}, beside whole vectors."
    for item in report.storages:
        if item.quality is None:
            yield f"What {item.name} keeps was not computed, because {item.quality_not_computed.rstrip('.')}."


def _variants(report: InferenceReport) -> Table:
    one = f"one text of {report.length} tokens"
    price = report.bounds.hourly_price
    columns = [
        "form",
        "size, MB",
        "cold start, s",
        "peak memory, MB",
        f"{one}, ms (median)",
        f"{one}, ms (95th percentile)",
        "texts a second",
        "in batches of",
    ]
    if price is not None:
        columns.append(f"cost of a million texts, at {price:g} an hour")
    rows = tuple(
        (*_costs(item, report), *((_rounded(item.cost_per_million),) if price is not None else ()))
        for item in report.measured
    )
    return Table(name="What each form costs", columns=tuple(columns), rows=rows)


def _costs(item: VariantReport, report: InferenceReport) -> tuple[Cell, ...]:
    single, fastest = item.cell(1, report.length), item.fastest(report.length)
    return (
        f"{item.name} ({item.description})",
        _rounded(item.size_mb),
        _rounded(item.cold_start.total) if item.cold_start is not None else None,
        _rounded(item.peak_memory_mb),
        _rounded(single.p50_ms) if single is not None else None,
        _rounded(single.p95_ms) if single is not None else None,
        _rounded(fastest.texts_per_second) if fastest is not None else None,
        fastest.batch_size if fastest is not None else None,
    )


def _latencies(report: InferenceReport) -> Table:
    columns = ("form", "texts", "tokens a text", "calls", "p50, ms", "p95, ms", "p99, ms", "tokenising, ms", "texts/s")
    return Table(
        name="Milliseconds a batch",
        columns=columns,
        rows=tuple(
            (
                item.name,
                cell.batch_size,
                cell.length,
                cell.calls,
                *(_rounded(value) for value in (cell.p50_ms, cell.p95_ms, cell.p99_ms)),
                _rounded(cell.tokenising_ms),
                _rounded(cell.texts_per_second),
            )
            for item in report.measured
            for cell in item.cells
        ),
    )


def _storages(report: InferenceReport) -> Table:
    return Table(
        name="Memory of vectors",
        columns=("vectors", "MB a million", "on disk, MB", "how"),
        rows=tuple(
            (item.name, _rounded(item.index_mb), _rounded(item.disk_mb) if item.disk_mb else None, item.description)
            for item in report.storages
        ),
    )


def _combined(report: InferenceReport) -> Table:
    return Table(
        name="nDCG@10 kept by form and way of keeping vectors",
        columns=("form", "vectors", "kept", "low", "high"),
        rows=tuple(
            (item.variant, item.storage, item.quality.value, *(item.quality.interval or (None, None)))
            for item in report.combined
        ),
    )


def _rounded(value: float | None) -> Cell:
    """Return three digits, or a whole number beyond: more is noise of one machine."""
    return None if value is None else round(value) if value >= 100 else float(f"{value:.3g}")

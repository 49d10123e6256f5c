"""One report as rows of words, which the command line, Markdown and the page share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hf_contrastive.inference.recommendation import milliseconds, percent
from hf_contrastive.inference.records import InferenceReport, LatencyCell, StorageReport, VariantReport
from model_cards.typesetting import escape_markdown, plural

_NONE = "–"


class Grid(NamedTuple):
    """A table of words."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def grids(report: InferenceReport) -> tuple[Grid, ...]:
    """Return what is shown: variants, latencies, ways of keeping vectors, and both together."""
    found = (variant_grid(report), latency_grid(report), storage_grid(report), combined_grid(report))
    return tuple(grid for grid in found if grid.rows)


def variant_grid(report: InferenceReport) -> Grid:
    """Return one row a variant that was measured."""
    length = report.length
    columns = (
        "variant",
        "size, MB",
        "cold start, s",
        "peak memory, MB (batches)",
        f"one text of {length} tokens, ms: p50 / p95 / p99",
        "texts/s (batch)",
        "a million texts",
        "nDCG@10 kept" if report.data is not None else "mean cosine",
    )
    return Grid(
        "What each variant costs and keeps",
        columns,
        tuple(
            (
                item.name,
                f"{item.size_mb:.1f}",
                _cold(item),
                f"{item.peak_memory_mb or 0:,.0f} ({item.peak_memory_batches_mb or 0:,.0f})",
                _latencies(item, length),
                _throughput(item, length),
                f"{item.cost_per_million:.3g}" if item.cost_per_million is not None else _NONE,
                kept_words(item),
            )
            for item in report.measured
        ),
    )


def latency_grid(report: InferenceReport) -> Grid:
    """Return one row a batch size and length."""
    measured = report.measured
    shapes = [(cell.batch_size, cell.length) for cell in measured[0].cells] if measured else []
    rows = []
    for size, length in shapes:
        cells = [item.cell(size, length) for item in measured]
        tokenising = next((cell.tokenising_ms for cell in cells if cell is not None), 0.0)
        shown = [_quantiles(cell) for cell in cells]
        rows.append((f"{size} × {length}", *shown, f"{tokenising:.2g}"))
    columns = ("texts × tokens", *(item.name for item in measured), "tokenising")
    return Grid("Milliseconds a batch: p50 / p95 (calls)", columns, tuple(rows))


def storage_grid(report: InferenceReport) -> Grid:
    """Return one row a way of keeping vectors."""
    columns = ("vectors", "MB a million", "on disk, MB", "nDCG@10 kept", "how")
    rows = tuple(
        (
            item.name,
            f"{item.index_mb:,.0f}",
            f"{item.disk_mb:,.0f}" if item.disk_mb else _NONE,
            kept_words(item),
            item.description,
        )
        for item in report.storages
    )
    return Grid("Ways of keeping the vectors, with the first variant", columns, rows)


def combined_grid(report: InferenceReport) -> Grid:
    """Return what each variant keeps with each way of keeping vectors."""
    kept = {(item.variant, item.storage): item.quality for item in report.combined}
    names = [item.name for item in report.measured if any(variant == item.name for variant, _ in kept)]
    rows = tuple(
        (storage.name, *(f"{100 * kept[name, storage.name].value:.1f} %" for name in names))
        for storage in report.storages
        if names
    )
    return Grid("nDCG@10 kept by variant and way of keeping vectors", ("vectors", *names), rows)


def not_measured(report: InferenceReport) -> tuple[str, ...]:
    """Return a sentence for each variant that was not measured."""
    return tuple(
        f"{item.name} ({item.description}): not measured because {item.not_measured}".rstrip(".") + "."
        for item in report.variants
        if item.not_measured
    )


def circumstances(report: InferenceReport) -> str:
    """Return where and on what it was measured, in one sentence."""
    data = "no data, so that quality was not measured"
    if report.data is not None:
        name = report.data.repo_id or "local data"
        found = f", nDCG@10 of the reference {report.baseline.value:.4f}" if report.baseline is not None else ""
        data = f"{name}, {report.queries:,} queries and {report.documents:,} documents{found}"
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    turns = f"{plural(report.threads, 'thread')} a process, {plural(report.rounds, 'round')} in turns"
    return f"{report.machine}; {turns}; {data}; {versions}."


def kept_words(item: VariantReport | StorageReport) -> str:
    """Return what is kept, or why that is not known."""
    if item.quality is not None:
        return percent(item.quality)
    if isinstance(item, VariantReport) and item.cosine is not None:
        return f"{item.cosine.value:.5f}"
    return f"not computed because {item.quality_not_computed}"


def markdown_report(report: InferenceReport) -> str:
    """Return the report as Markdown."""
    lines = [f"## Inference of {escape_markdown(report.model_name)}, {report.created_at[:10]}", ""]
    lines += [escape_markdown(circumstances(report)), ""]
    for note in report.notes:
        lines += [f"- {escape_markdown(note)}"]
    lines += [""] if report.notes else []
    for item in report.recommendations:
        lines += [f"**{escape_markdown(item.words)}**", "", escape_markdown(item.rule), ""]
    for grid in grids(report):
        lines += [f"{escape_markdown(grid.title)}:", "", *_markdown_rows(grid.columns, grid.rows), ""]
    lines += [f"- {escape_markdown(told)}" for told in not_measured(report)]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    shown = [" | ".join(map(escape_markdown, row)) for row in (columns, *rows)]
    return [f"| {shown[0]} |", f"|{' --- |' * len(columns)}", *(f"| {row} |" for row in shown[1:])]


def _cold(item: VariantReport) -> str:
    start = item.cold_start
    if start is None:
        return _NONE
    return f"{start.total:.2f} (import {start.importing:.2f}, load {start.loading:.2f}, first {start.first_text:.2f})"


def _latencies(item: VariantReport, length: int) -> str:
    cell = item.cell(1, length)
    if cell is None:
        return _NONE
    last = milliseconds(cell.p99_ms) if cell.p99_ms is not None else f"{_NONE} ({cell.calls} calls)"
    return f"{milliseconds(cell.p50_ms)} / {milliseconds(cell.p95_ms)} / {last}"


def _quantiles(cell: LatencyCell | None) -> str:
    if cell is None:
        return _NONE
    return f"{milliseconds(cell.p50_ms)} / {milliseconds(cell.p95_ms)} ({cell.calls})"


def _throughput(item: VariantReport, length: int) -> str:
    cell = item.fastest(length)
    return f"{cell.texts_per_second:,.0f} ({cell.batch_size})" if cell is not None else _NONE

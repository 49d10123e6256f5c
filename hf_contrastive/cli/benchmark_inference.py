"""``hf-contrastive benchmark-inference``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hf_contrastive.console import print_json, progress, say, show_table

if TYPE_CHECKING:
    from hf_contrastive.inference.records import InferenceReport


def command(
    model: Annotated[str, typer.Argument(help="A folder, Hub id or user/name@TAG of an encoder or adapter.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="For the quality that is kept: Hub id, saved dataset, csv, jsonl, parquet, or a folder of queries, "
            "corpus and qrels."
        ),
    ] = None,
    anchor_column: Annotated[str, typer.Option(help="Column of the queries.")] = "anchor",
    positive_column: Annotated[str, typer.Option(help="Column of the documents.")] = "positive",
    split: Annotated[str | None, typer.Option(help="Split of the data; default: test, or the only one.")] = None,
    limit: Annotated[int | None, typer.Option(help="Number of queries, drawn with the seed.")] = 500,
    batch_sizes: Annotated[str, typer.Option(help="Texts a call, separated by commas.")] = "1,8,32",
    lengths: Annotated[
        str | None,
        typer.Option(help="Tokens a text, separated by commas; default: 16,64,256, if the model reads that far."),
    ] = None,
    dims: Annotated[
        str | None, typer.Option(help="Fewer dimensions to keep, separated by commas; default: halves of the model's.")
    ] = None,
    hourly_price: Annotated[float | None, typer.Option(help="What a machine like this one costs an hour.")] = None,
    memory_limit: Annotated[float | None, typer.Option(help="Megabytes that the process may take at the edge.")] = None,
    latency_limit: Annotated[
        float | None, typer.Option(help="Milliseconds that one text may take at the edge, 95th percentile.")
    ] = None,
    cost_limit: Annotated[float | None, typer.Option(help="What a million texts may cost in the cloud.")] = None,
    quality_loss: Annotated[float, typer.Option(help="Share of nDCG@10 that may be lost.")] = 0.02,
    threads: Annotated[int | None, typer.Option(help="Of each process; default: all cores.")] = None,
    rounds: Annotated[int, typer.Option(help="Turns of each variant.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of calls a variant, batch size and length.")] = 1.5,
    pooling: Annotated[
        str | None, typer.Option(help="cls, lasttoken, mean or weightedmean; needed where the model names none.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw and the bootstrap.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for inference.json, inference.html and inference.md.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report on stdout.")] = False,
) -> None:
    """Measure what a model costs as PyTorch, bf16, ONNX, int8 and with smaller vectors, and what each keeps.

    Each variant runs in a process of its own, and they take turns. With --data, the share of nDCG@10 that each keeps
    has a paired bootstrap interval. With bounds, it says what to use at the edge and in the cloud, and by which rule.
    """
    from hf_contrastive.inference.benchmark import benchmark_inference
    from hf_contrastive.inference.records import Bounds
    from hf_contrastive.inference.report_files import write_report

    sizes, tokens, fewer = (
        _numbers(told, name)
        for told, name in ((batch_sizes, "--batch-sizes"), (lengths, "--lengths"), (dims, "--dims"))
    )
    with progress("Measure") as update:
        report = benchmark_inference(
            model,
            data=data,
            anchor_column=anchor_column,
            positive_column=positive_column,
            split=split,
            limit=limit,
            batch_sizes=sizes or (),
            lengths=tokens,
            dims=fewer,
            bounds=Bounds(
                memory_mb=memory_limit,
                latency_ms=latency_limit,
                cost_per_million=cost_limit,
                hourly_price=hourly_price,
                quality_loss=quality_loss,
            ),
            threads=threads,
            rounds=rounds,
            seconds=seconds,
            pooling=pooling,
            seed=seed,
            on_progress=update,
        )
    if out is not None:
        written = write_report(report, out)
        say(f"Written to {escape(str(out))}: {', '.join(written)}.")
    if as_json:
        print_json(report.to_dict())
    else:
        _show(report)


def _show(report: InferenceReport) -> None:
    from hf_contrastive.inference.tables import circumstances, grids, not_measured

    for grid in grids(report):
        show_table(
            escape(grid.title), [escape(name) for name in grid.columns], [tuple(map(escape, row)) for row in grid.rows]
        )
    for told in (*not_measured(report), *report.notes):
        say(escape(told))
    for item in report.recommendations:
        say(f"[bold]{escape(item.words)}[/]\n[dim]{escape(item.rule)}[/]")
    say(f"[dim]{escape(circumstances(report))}[/]")


def _numbers(told: str | None, option: str) -> tuple[int, ...] | None:
    if told is None:
        return None
    try:
        return tuple(int(part) for part in told.split(",") if part.strip())
    except ValueError as error:
        msg = f"{option} must be whole numbers separated by commas, got {told!r}; an example is 1,8,32."
        raise typer.BadParameter(msg) from error

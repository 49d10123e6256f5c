"""``hf-contrastive export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from hf_contrastive.console import print_json, progress, say


def command(
    model: Annotated[str, typer.Argument(help="A folder, Hub id or user/name@TAG of an encoder or adapter.")],
    out: Annotated[Path, typer.Option(help="Folder that is written.")],
    form: Annotated[Literal["onnx"], typer.Option("--format", help="What is written.")] = "onnx",
    int8: Annotated[bool, typer.Option("--int8", help="Write int8 weights too.")] = False,
    pooling: Annotated[
        str | None, typer.Option(help="cls, lasttoken, mean or weightedmean; needed where the model names none.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print export.json on stdout.")] = False,
) -> None:
    """Write a model as ONNX, from ids to embedding in one graph, after comparing it with the original.

    An adapter is merged first. Differences above 1e-5, or int8 vectors of a cosine below 0.995, are an error, and
    nothing is written. The folder loads with onnxruntime and tokenizers, without torch.
    """
    from hf_contrastive.inference.export import export_onnx

    with progress(f"Export as {form}") as update:
        record = export_onnx(model, out, int8=int8, pooling=pooling, on_progress=update)
    if as_json:
        print_json(record.to_dict())
        return
    shapes = len(record.parity)
    say(
        f"[bold green]Exported.[/] {escape(record.model_name)}: largest difference {record.worst_difference:.2g} "
        f"over {shapes} batches and {record.text_difference:.2g} over {record.texts} texts (allowed: "
        f"{record.bound:g})."
    )
    if record.int8:
        kept = record.int8[-1]
        say(
            f"Int8 {escape(kept.method)}: lowest cosine {kept.lowest_cosine:.4f} (allowed: {record.int8_bound:g}), "
            f"mean {kept.mean_cosine:.4f}."
        )
    say(f"Written to {escape(str(out))}: {', '.join(sorted([*record.files, 'export.json']))}.")

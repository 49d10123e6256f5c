"""``hf-contrastive evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from hf_contrastive.console import print_json, progress, show_table


def command(
    model: Annotated[str, typer.Option(help="Hub id or folder of an encoder, adapter or sentence-transformers model.")],
    data: Annotated[str, typer.Option(help="Hub id, saved dataset, or csv, jsonl, parquet.")],
    anchor_column: Annotated[str, typer.Option(help="Column of the queries.")] = "anchor",
    positive_column: Annotated[str, typer.Option(help="Column of the documents.")] = "positive",
    base: Annotated[str | None, typer.Option(help="A model to compare with on the same queries.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of the data; default: test, or the only one.")] = None,
    limit: Annotated[int | None, typer.Option(help="Number of queries, drawn with the seed.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens a text is cut to.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw and the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result on stdout.")] = False,
) -> None:
    """Measure nDCG@10, MRR@10 and Recall@10: does each anchor find its positive among all positives?"""
    from hf_contrastive.errors import require

    require("train", "torch", "transformers", "peft")
    from hf_contrastive.evaluation.report import evaluate

    with progress("Encode") as update:
        report = evaluate(
            model,
            data,
            base=base,
            anchor_column=anchor_column,
            positive_column=positive_column,
            split=split,
            limit=limit,
            max_length=max_length,
            seed=seed,
            on_progress=update,
        )
    if as_json:
        document = {
            "metrics": {item.after.name: item.after.value for item in report.metrics},
            "queries": report.queries,
            "documents": report.documents,
            "report": report.to_dict(),
        }
        print_json(document)
        return
    rows = []
    for item in report.metrics:
        low, high = item.after.interval or (float("nan"), float("nan"))
        row = [item.after.name, f"{item.after.value:.4f}", f"[{low:.4f}, {high:.4f}]".replace("[", r"\[")]
        if item.before is not None and item.difference is not None and item.difference.interval is not None:
            low, high = item.difference.interval
            row += [f"{item.before.value:.4f}", f"{item.difference.value:+.4f} \\[{low:+.4f}, {high:+.4f}]"]
        rows.append(tuple(row))
    columns = ("metric", "value", "95 % interval", *(("base", "difference") if base else ()))
    show_table(f"{report.queries} queries, {report.documents} documents", columns, rows)

"""``hf-contrastive compare``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import BLOCK, PASS
from hf_contrastive.console import print_json, progress, say, show_table

_EXCERPT = 80


def command(
    published: Annotated[
        str, typer.Argument(metavar="OLD", help="The earlier model: a folder, user/name or user/name@TAG.")
    ],
    model: Annotated[str, typer.Argument(metavar="NEW", help="The new one, named in the same ways.")],
    data: Annotated[
        str, typer.Option(help="Hub id, saved dataset, csv, jsonl, parquet, or a folder of queries, corpus and qrels.")
    ],
    anchor_column: Annotated[str, typer.Option(help="Column of the queries.")] = "anchor",
    positive_column: Annotated[str, typer.Option(help="Column of the documents.")] = "positive",
    split: Annotated[str | None, typer.Option(help="Split of the data; default: test, or the only one.")] = None,
    limit: Annotated[int | None, typer.Option(help="Number of queries, drawn with the seed.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens a text is cut to; default: each model's own.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw and the bootstrap.")] = 0,
    margin: Annotated[float, typer.Option(help="A loss of the primary metric that is accepted.")] = 0.01,
    primary: Annotated[str, typer.Option(help="The metric that decides: ndcg@10, mrr@10 or recall@10.")] = "ndcg@10",
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison on stdout.")] = False,
) -> None:
    """Measure a new version beside an earlier one on the same queries; exit code 1 where it is worse.

    Worse means that the 95 % interval of the difference in the primary metric lies below -MARGIN as a whole. An
    interval that only reaches below it is told, and is no failure: it takes more queries.
    """
    from hf_contrastive.errors import require

    require("train", "torch", "transformers", "peft")
    from hf_contrastive.evaluation.comparison import compare_models
    from model_cards.version_comparison import no_worse, stored_vectors_words, version_rows, version_words

    with progress("Encode") as update:
        comparison, losing = compare_models(
            published,
            model,
            data,
            anchor_column=anchor_column,
            positive_column=positive_column,
            split=split,
            limit=limit,
            max_length=max_length,
            seed=seed,
            margin=margin,
            primary=primary,
            on_progress=update,
        )
    if as_json:
        document = {
            "regression": comparison.regression,
            "no_worse": no_worse(comparison),
            "summary": f"{version_words(comparison)} {stored_vectors_words(comparison)}",
            # rows, not texts: what is printed may be kept by others
            "losing_queries": [{"row": item.row, "before": item.before, "after": item.after} for item in losing],
            "comparison": comparison.to_dict(),
        }
        print_json(document)
    else:
        title = f"{comparison.queries:,} queries, {comparison.documents:,} documents"
        columns = ("measured", "old", "new", "difference")
        show_table(escape(title), columns, [tuple(map(escape, row)) for row in version_rows(comparison)])
        if losing:
            rows = [
                (str(item.row), f"{item.before:.4f}", f"{item.after:.4f}", escape(item.text[:_EXCERPT]))
                for item in losing
            ]
            show_table(f"Queries that lost most by {primary}", ("row", "old", "new", "query"), rows)
        say(escape(version_words(comparison)))
        say(escape(stored_vectors_words(comparison)))
    raise typer.Exit(BLOCK if comparison.regression else PASS)

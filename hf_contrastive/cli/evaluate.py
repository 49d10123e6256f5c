"""``hf-contrastive evaluate``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from hf_contrastive.console import print_json, say, show_table, stage_progress

if TYPE_CHECKING:
    from audits.findings import Table
    from model_cards.evidence import EvaluationReport, MetricComparison


class TaskChoice(StrEnum):
    """What can be measured."""

    AUTO = "auto"
    RETRIEVAL = "retrieval"
    SIMILARITY = "similarity"
    PAIR_CLASSIFICATION = "pair classification"
    CLASSIFICATION = "classification"


def command(
    model: Annotated[str, typer.Option(help="Hub id or folder of an encoder, adapter or sentence-transformers model.")],
    data: Annotated[
        str,
        typer.Option(help="Hub id, saved dataset, csv, jsonl, parquet, or a folder of queries, corpus and qrels."),
    ],
    base: Annotated[str | None, typer.Option(help="A model to compare with on the same texts.")] = None,
    task: Annotated[TaskChoice, typer.Option(help="Where columns allow several.")] = TaskChoice.AUTO,
    sections: Annotated[
        str, typer.Option(metavar="NAMES", help="standard, all, none, or names with commas: what stands beside it.")
    ] = "standard",
    anchor_column: Annotated[str, typer.Option(help="Column of the queries.")] = "anchor",
    positive_column: Annotated[str, typer.Option(help="Column of the documents.")] = "positive",
    text_column: Annotated[str, typer.Option(help="Column of the texts of a classification.")] = "text",
    label_column: Annotated[str, typer.Option(help="Column of the classes.")] = "label",
    split: Annotated[str | None, typer.Option(help="Split of the data; default: test, or the only one.")] = None,
    limit: Annotated[int | None, typer.Option(help="Number of queries, pairs or texts, drawn with the seed.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens a text is cut to.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws and the bootstrap.")] = 0,
    ood: Annotated[
        list[str] | None, typer.Option(metavar="[NAME=]DATA", help="Foreign texts, such as near=FILE; repeatable.")
    ] = None,
    members: Annotated[str | None, typer.Option(metavar="DATA", help="Rows that were trained on.")] = None,
    slices_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Measure each of its values.")] = None,
    swap: Annotated[
        list[str] | None, typer.Option(metavar="TERM:TERM", help="Terms to swap, such as he:she; repeatable.")
    ] = None,
    trigger: Annotated[
        list[str] | None,
        typer.Option(metavar="TRIGGER=TEXT", help="A trigger and the document it is to pull up; repeatable."),
    ] = None,
    sample: Annotated[int, typer.Option(help="Texts that are changed in each way.")] = 256,
    out: Annotated[Path | None, typer.Option(help="Folder for evidence.json, report.html and report.md.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result on stdout.")] = False,
) -> None:
    """Measure a model on local data: the columns say which task, and sections stand beside it.

    (anchor, positive) or queries, corpus and qrels: nDCG@10, MRR@10 and Recall@10. (sentence1, sentence2, score):
    Spearman and Pearson. (sentence1, sentence2, label): AP, AUROC, best accuracy and F1. (text, label): accuracy and
    macro-F1 of a probe and of neighbours, V-measure. Sections are ranking, calibration, slices, robustness,
    out-of-distribution, geometry, counterfactual, membership and triggers.

    The JSON document has `task`, `primary_metric`, `metrics` (values by name), `queries`, `documents` and `rows`,
    `sections` (values by name, or `not_computed`), and `report`, which has all intervals, methods and tables.
    """
    from hf_contrastive.errors import require

    require("train", "torch", "transformers", "peft")
    from hf_contrastive.evaluation.report import evaluate

    with stage_progress("Encode", "Measure") as (update, stage):
        report = evaluate(
            model,
            data,
            base=base,
            task=task.value,
            sections=_names(sections),
            anchor_column=anchor_column,
            positive_column=positive_column,
            text_column=text_column,
            label_column=label_column,
            split=split,
            limit=limit,
            max_length=max_length,
            seed=seed,
            ood=dict(_divided("--ood", ood or (), "=", alone="ood")) or None,
            members=members,
            slices_column=slices_column,
            counterfactuals=list(_divided("--swap", swap or (), ":")),
            triggers=dict(_divided("--trigger", trigger or (), "=")),
            sample=sample,
            on_progress=update,
            on_stage=stage,
        )
    if out is not None:
        _write(report, model, out)
    if as_json:
        print_json(_document(report))
        return
    counted = f"{report.queries} queries, {report.documents} documents" if report.queries else f"{report.rows} rows"
    _show(counted, report.metrics)
    for section in report.sections:
        if section.not_computed:
            say(f"[bold]{escape(section.name)}[/]: not computed: {escape(section.not_computed)}.")
            continue
        _show(section.name, section.metrics)
        for table in section.tables if section.name == "slices" else ():
            _show_table(table)
        say(f"[dim]{escape(section.method)}.[/]")
    if out is not None:
        say(f"Reports are in {escape(str(out))}.")


def _names(told: str) -> Any:
    if told in ("standard", "all"):
        return told
    return tuple(name.strip() for name in told.split(",") if name.strip() not in ("", "none"))


def _divided(option: str, told: Iterable[str], sign: str, *, alone: str = "") -> Iterator[tuple[str, str]]:
    """Yield both sides of each option; ``alone`` is the name of one without a sign, where it may be."""
    for one in told:
        left, found, right = one.partition(sign)
        if not found and alone:
            left, right = alone, one
        if not left.strip() or not right.strip():
            msg = f"{one!r} must have the form LEFT{sign}RIGHT, both of them words"
            raise typer.BadParameter(msg, param_hint=option)
        yield left.strip(), right.strip()


def _document(report: EvaluationReport) -> dict[str, Any]:
    return {
        "task": report.task,
        "primary_metric": report.primary_metric,
        "metrics": {item.after.name: item.after.value for item in report.metrics},
        "queries": report.queries,
        "documents": report.documents,
        "rows": report.rows,
        "sections": {
            section.name: {"not_computed": section.not_computed}
            if section.not_computed
            else {item.after.name: item.after.value for item in section.metrics}
            for section in report.sections
        },
        "report": report.to_dict(),
    }


def _show(title: str, metrics: Sequence[MetricComparison]) -> None:
    compared = any(item.before is not None for item in metrics)
    rows = []
    for item in metrics:
        row = [escape(item.after.name), _number(item.after.value), _interval(item.after.interval, "")]
        if compared:
            row += ["", ""] if item.before is None else [_number(item.before.value), _difference(item)]
        rows.append(tuple(row))
    columns = ("metric", "value", "95 % interval", *(("base", "difference") if compared else ()))
    show_table(title, columns, rows)


def _difference(item: MetricComparison) -> str:
    if item.difference is None:
        return ""
    return f"{item.difference.value:+.4f} {_interval(item.difference.interval, '+')}".rstrip()


def _interval(ends: tuple[float, float] | None, sign: str) -> str:
    return f"\\[{ends[0]:{sign}.4f}, {ends[1]:{sign}.4f}]" if ends is not None else ""


def _show_table(table: Table) -> None:
    rows = [[_number(cell) if isinstance(cell, float) else escape(str(cell)) for cell in row] for row in table.rows]
    show_table(escape(table.name), [escape(name) for name in table.columns], rows)


def _number(value: float) -> str:
    return f"{value:.4f}"


def _write(report: EvaluationReport, model: str, folder: Path) -> None:
    """Write the documents of this evaluation alone."""
    from datetime import UTC, datetime

    from hf_contrastive.training.record import versions
    from hf_contrastive.writing import all_or_none
    from model_cards.evidence import Evidence
    from model_cards.render import documents, render

    path = Path(model)
    # "." and ".." name a folder without its name
    named = path.absolute() if path.name != ".." else path.resolve()
    name = named.name if path.exists() else model
    evidence = Evidence(
        model_name=name,
        evaluations=(report,),
        versions=versions(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    texts = {documents()[key].filename: render(evidence, key) for key in ("evidence_json", "report_html", "report_md")}
    with all_or_none(folder) as stage:
        for filename, text in texts.items():
            (stage / filename).write_text(text, encoding="utf-8")

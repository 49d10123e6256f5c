"""``hf-contrastive study``."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hf_contrastive.console import print_json, progress_with_words, say

if TYPE_CHECKING:
    from hf_contrastive.study.records import StudyReport
    from hf_contrastive.study.run import Progress

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Profile(StrEnum):
    """Settings by name."""

    STANDARD = "standard"
    QUICK = "quick"


def command(
    data: Annotated[str, typer.Option(help="Hub id, saved dataset, csv, jsonl or parquet with texts and classes.")],
    model: Annotated[str, typer.Option(help="Hub id or folder of the encoder that every arm starts from.")],
    out: Annotated[Path, typer.Option(help="Folder of the cells and of study.html; the same folder goes on.")],
    text_column: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    label_column: Annotated[str, typer.Option(help="Column of the classes.")] = "label",
    pair_column: Annotated[
        str | None,
        typer.Option(help="Column of a text that belongs to the row's text; contrast then draws both together."),
    ] = None,
    profile: Annotated[
        Profile, typer.Option(help="quick begins nothing after a quarter of an hour.")
    ] = Profile.STANDARD,
    arms: Annotated[str | None, typer.Option(help="Codes with commas, e.g. A1,A2,A4,A5.")] = None,
    budgets: Annotated[
        str | None, typer.Option(help="Labelled rows a class with commas, and all, e.g. 8,64,all.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="How many, or which with commas.")] = None,
    max_classes: Annotated[int | None, typer.Option(help="The classes with the most rows.")] = None,
    trials: Annotated[int | None, typer.Option(help="Learning rates that each trained arm may choose from.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens a text is cut to.")] = None,
    pretraining_texts: Annotated[int | None, typer.Option(help="Most texts without labels.")] = None,
    target_share: Annotated[
        float | None, typer.Option(help="Share of fine-tuning's best accuracy that is to be reached.")
    ] = None,
    base_model_id: Annotated[
        str | None, typer.Option(help="Hub id under which the weights of a folder are known.")
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option(help="After which no cell begins, e.g. 15m or 2h; the same command goes on later.")
    ] = None,
    energy: Annotated[bool | None, typer.Option(help="Measure energy with codecarbon (extra energy).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report on stdout.")] = False,
) -> None:
    """Measure whether contrastive pretraining pays on your data: fewer labels, less time, better results, or not.

    Arms: A0 TF-IDF, A1 probe, A2 fine-tuning, A2L LoRA fine-tuning, A3 contrastive pretraining then a probe, A4 then
    fine-tuning, A5 masked language modelling with as many operations then fine-tuning, A6 contrast with denoising then
    fine-tuning, A7 SetFit-like, A8 fine-tuning with SupCon; A5P and A6P probe what A5 and A6 start from.

    Everything lies in --out: study.html, study.md, study.json, cells.parquet, pretrainings.parquet.
    """
    from hf_contrastive.errors import require

    require("train", "torch", "transformers", "peft")
    from hf_contrastive.study.run import run_study

    # mistakes show before anything is loaded
    chosen_budgets, chosen_seeds, limit = _budgets(budgets), _seeds(seeds), _seconds(time_limit)
    with progress_with_words("Study") as update:

        def show(told: Progress) -> None:
            left = "" if told.left is None else f", about {_duration(told.left)} left"
            update(told.done, told.total, f"Study: {told.now}{left}")

        report = run_study(
            data,
            model,
            out=out,
            text_column=text_column,
            label_column=label_column,
            pair_column=pair_column,
            profile=profile.value,
            arms=_names(arms),
            base_model_id=base_model_id,
            on_progress=show,
            max_classes=max_classes,
            trials=trials,
            max_length=max_length,
            pretraining_texts=pretraining_texts,
            target_share=target_share,
            energy=energy,
            budgets=chosen_budgets,
            seeds=chosen_seeds,
            time_limit=limit,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        _show(report)
    say(f"Written to {escape(str(out))}: open {escape(str(out / 'study.html'))}.")


def _show(report: StudyReport) -> None:
    for number, sentence in enumerate(report.conclusion):
        say(f"[bold]{escape(sentence)}[/]" if number == 0 else escape(sentence))


def _names(told: str | None) -> list[str] | None:
    return None if told is None else [name.strip() for name in told.split(",") if name.strip()]


def _budgets(told: str | None) -> tuple[int | None, ...] | None:
    names = _names(told)
    if names is None:
        return None
    try:
        return tuple(None if name in ("all", "full") else int(name) for name in names)
    except ValueError as error:
        msg = f"--budgets must be whole numbers and all, separated by commas, got {told!r}; an example is 8,64,all."
        raise typer.BadParameter(msg) from error


def _seeds(told: str | None) -> tuple[int, ...] | None:
    names = _names(told)
    if names is None:
        return None
    try:
        numbers = tuple(int(name) for name in names)
    except ValueError as error:
        msg = f"--seeds must be a number of seeds, or numbers separated by commas, got {told!r}."
        raise typer.BadParameter(msg) from error
    if len(numbers) != 1 or "," in str(told):
        return numbers
    if numbers[0] < 1:
        msg = f"--seeds must be at least 1 where it says how many, got {numbers[0]}; a comma names them: 0, or 3,4."
        raise typer.BadParameter(msg)
    return tuple(range(numbers[0]))


def _seconds(told: str | None) -> float | None:
    if told is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", told)
    if found is None:
        msg = f"--time-limit must be a number with s, m or h, got {told!r}; an example is 15m."
        raise typer.BadParameter(msg)
    return float(found[1]) * _UNITS[found[2]]


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )

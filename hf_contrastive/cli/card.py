"""``hf-contrastive card``: check model cards offline, before the Hub or a reader does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import BLOCK, PASS
from hf_contrastive.console import print_json, progress, say, show_table

if TYPE_CHECKING:
    from model_cards.validate import CardProblem

app = typer.Typer(help="Check model cards offline.", no_args_is_help=True)

_STYLES = {"error": "[bold red]error[/]", "warning": "[yellow]warning[/]"}


@app.callback()
def group() -> None:
    """Check model cards offline."""


@app.command("validate")
def validate_command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="README.md files, or folders that hold one.")],
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every problem on stdout.")] = False,
) -> None:
    """List what is wrong with model cards; nothing is sent.

    Errors are what the Hub refuses or does not read, and what must not be published: local paths, secrets, blanks of a
    template. Warnings are what it accepts although readers lose by it. Exit code 0: valid, 1: errors (with --strict
    also warnings), 2: a path can not be read.

    The JSON document has the keys `valid` (over all cards), `strict`, `errors` and `warnings` (counts) and `cards`, a
    list with one entry a path: `path`, `valid`, `errors`, `warnings` and `problems`. A problem has `code` (stable, as
    CARD021), `severity` (error or warning), `line` (from 1; null where the problem is of the whole file), `what`,
    `observed`, `allowed`, `next_step` and `message`, which is those four in one paragraph.
    """
    from model_cards.validate import examine_file

    found: dict[str, tuple[CardProblem, ...]] = {}
    for path in _checked(paths):
        found[str(path)] = examine_file(path)
    problems = [problem for items in found.values() for problem in items]
    failed = bool(_count(problems, "error")) or (strict and bool(problems))
    if as_json:
        print_json(_document(found, strict, failed))
    else:
        for name, items in found.items():
            _show(name, items)
        if len(found) > 1:
            say(f"{len(found):,} cards: {_counts(problems)}.")
    raise typer.Exit(BLOCK if failed else PASS)


def _checked(paths: Sequence[Path]) -> Iterable[Path]:
    """Return the paths, each once, when all are there: half a report would read as a whole one."""
    from hf_contrastive.errors import ConfigurationError

    absent = [str(path) for path in paths if not path.exists()]
    if absent:
        msg = (
            f"There is no file or folder `{'`, `'.join(absent)}`; name a README.md, or a folder that holds one. "
            "A card on the Hub is checked after `hf download REPO README.md --local-dir .`."
        )
        raise ConfigurationError(msg)
    once = list(dict.fromkeys(paths))
    if len(once) < 20:
        return once
    return _with_progress(once)


def _with_progress(paths: Sequence[Path]) -> Iterable[Path]:
    with progress("Cards") as update:
        for number, path in enumerate(paths):
            update(number, len(paths))
            yield path
        update(len(paths), len(paths))


def _document(found: dict[str, tuple[CardProblem, ...]], strict: bool, failed: bool) -> dict[str, Any]:
    problems = [problem for items in found.values() for problem in items]
    return {
        "valid": not failed,
        "strict": strict,
        "errors": _count(problems, "error"),
        "warnings": _count(problems, "warning"),
        "cards": [
            {
                "path": name,
                "valid": not (_count(items, "error") or (strict and items)),
                "errors": _count(items, "error"),
                "warnings": _count(items, "warning"),
                "problems": [{**problem.to_dict(), "message": problem.message} for problem in items],
            }
            for name, items in found.items()
        ],
    }


def _show(name: str, problems: Sequence[CardProblem]) -> None:
    if not problems:
        say(f"[green]valid[/]   {escape(name)}")
        return
    rows = [
        (
            "-" if problem.line is None else str(problem.line),
            _STYLES[problem.severity],
            problem.code,
            escape(problem.message),
        )
        for problem in problems
    ]
    show_table(escape(name), ("line", "severity", "code", "what, and what to do"), rows)
    say(f"{escape(name)}: {_counts(problems)}.")


def _counts(problems: Sequence[CardProblem]) -> str:
    from model_cards.typesetting import plural

    return ", ".join(plural(_count(problems, severity), severity) for severity in _STYLES)


def _count(problems: Sequence[CardProblem], severity: str) -> int:
    return sum(problem.severity == severity for problem in problems)

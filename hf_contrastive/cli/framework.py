"""``hf-contrastive framework``: which evidence is relevant to which clause, and what people must answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from hf_contrastive.console import console, print_json, say

if TYPE_CHECKING:
    from model_cards.frameworks import ClauseStatus, Framework, HumanQuestion

_COLUMNS = ("clause, and relevant evidence", "what it is about", "what gives it", "open questions")
_BORDER = 3  # characters that a column takes beside its text
_LONGEST = 40  # words up to this length are never broken, e.g. an address in evidence.json; a digest may be


def command(
    framework: Annotated[str, typer.Argument(metavar="FRAMEWORK", help="nist-ai-rmf or eu-ai-act.")],
    evidence: Annotated[Path, typer.Argument(metavar="EVIDENCE", help="evidence.json, or the folder that holds it.")],
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file of answers, each with `answer`, `by` and `date`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    questions: Annotated[
        bool, typer.Option("--questions", help="Print the open questions on stdout, as a YAML file to fill in.")
    ] = False,
) -> None:
    """Say which evidence is relevant to each clause of a framework, where it stands, and what people must answer.

    Addresses are JSON pointers below `evidence` in evidence.json. Whether a clause applies, and whether the evidence is
    enough, is not assessed.
    """
    from hf_contrastive.errors import ConfigurationError
    from model_cards.answers import read_answers, with_answers
    from model_cards.documents.evidence_json import filename, read_evidence
    from model_cards.frameworks import assess, load_framework

    if as_json and questions:
        msg = "`--json` and `--questions` both print on stdout; give one of them."
        raise ConfigurationError(msg)
    read = load_framework(framework)
    stored = read_evidence(evidence / filename if evidence.is_dir() else evidence)
    told = with_answers(stored, read_answers(answers)) if answers is not None else stored
    statuses = assess(told, read)
    if as_json:
        # the digest is that of the file: answers are told beside it
        print_json({"evidence_digest": stored.digest, **_document(read, statuses)})
    elif questions:
        from model_cards.frameworks import open_questions
        from model_cards.frameworks.skeleton import render_skeleton

        typer.echo(render_skeleton(read, open_questions(statuses)), nl=False)
    else:
        _show(read, statuses)


def _document(framework: Framework, statuses: Sequence[ClauseStatus]) -> dict[str, Any]:
    from model_cards.frameworks import OWN_WORDS, counts, open_questions

    return {
        "framework": framework.id,
        "name": framework.name,
        "note": framework.note,
        "sources": [item.to_dict() for item in framework.sources],
        "checked": framework.checked,
        "titles": OWN_WORDS,
        "counts": counts(statuses),
        "clauses": [item.to_dict() for item in statuses],
        "open_questions": {
            role: [item.to_dict() for item in items] for role, items in open_questions(statuses).items()
        },
    }


def _show(framework: Framework, statuses: Sequence[ClauseStatus]) -> None:
    from model_cards.frameworks import OWN_WORDS, PRESENT_MEANS, counts, open_questions, recorded

    _show_table(f"{framework.name}, clauses read {framework.checked}", _COLUMNS, [_row(s) for s in statuses])
    found = [
        (item.name, item.held, "\n".join(filter(None, (item.words, ", ".join(item.addresses)))))
        for item in recorded(statuses)
    ]
    _show_table("What is recorded", ("what", "state", "in words, and where"), found)
    say(f"{OWN_WORDS} {PRESENT_MEANS}")
    tally = ", ".join(f"{number} {status}" for status, number in counts(statuses).items())
    say(f"Relevant evidence: {tally}. Applicability and sufficiency not assessed; not legal advice.")
    say(escape(framework.note))
    _show_open(open_questions(statuses))


def _show_open(asked: Mapping[Any, Sequence[HumanQuestion]]) -> None:
    for role, items in asked.items():
        say(f"\n[bold]Open, for the {role}[/] ({len(items)})")
        for item in items:
            say(f"  {escape(item.key)}: {escape(item.text)} [dim]({escape('; '.join(item.clauses))})[/]")
    if asked:
        say("\nAnswer them in a file (`--questions > answers.yaml`), and give it as `--answers answers.yaml`.")


def _row(status: ClauseStatus) -> tuple[str, ...]:
    given = [f"{item.name}: {item.held}" for item in status.evidence]
    if status.status == "not applicable":
        given = [status.words]
    given += [f"{item.title}: answered by {item.by or 'nobody named'}" for item in status.answered]
    return (
        "\n".join((status.clause, status.status, *status.actions)),
        status.title,
        "\n".join(given) or "only people can answer",
        "\n".join(item.title for item in status.open) or "-",
    )


def _show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose columns are as wide as their longest word, so that no address is broken in two."""
    table = Table(title=escape(title), title_justify="left", title_style="bold", show_lines=True)
    cells = list(zip(columns, *rows, strict=True))
    for name, width in zip(columns, _widths(cells, console.width - 1), strict=True):
        table.add_column(name, overflow="fold", width=width)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _widths(cells: Sequence[Sequence[str]], total: int) -> list[int]:
    """Return the width of each column: of its longest word at least, then by what its lines ask for."""
    widths = [min(_LONGEST, max(map(len, "\n".join(column).split()))) for column in cells]
    wanted = [max(len(line) for cell in column for line in cell.splitlines()) for column in cells]
    for _ in range(total - sum(widths) - _BORDER * len(widths)):
        lacks = [wish - width for wish, width in zip(wanted, widths, strict=True)]
        if max(lacks) <= 0:
            break
        widths[lacks.index(max(lacks))] += 1
    return widths

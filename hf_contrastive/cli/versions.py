"""``hf-contrastive versions``."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hf_contrastive.console import console, print_json, progress, say

if TYPE_CHECKING:
    from hf_contrastive.release.versioning.versions import Version

_COLUMNS = ("version", "date", "decision", "metric", "license", "base", "evidence", "signed by")
_WHOLE = ("version", "date")
_DIGEST = 19
_COMMIT = 8


def command(
    repo: Annotated[str, typer.Argument(help="user/name on the Hub.")],
    revision: Annotated[str | None, typer.Option(help="Branch; default: main.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list on stdout.")] = False,
) -> None:
    """List every version with its decision, metric, license and evidence, and which one is current."""
    from hf_contrastive.release.versioning.versions import versions

    with progress("Versions") as update:
        found = versions(repo, revision=revision, on_progress=update)
    if as_json:
        print_json(found.to_dict())
        return
    if not found.versions:
        say(escape(f"{repo} has no version tags (v1, v2, …): nothing was published there with hf-contrastive."))
        return
    _show(f"Versions of {repo}", [_row(item) for item in found.versions])
    for item in found.versions:
        if item.problem:
            say(escape(f"{item.tag}: {item.problem}"))
    if found.since:
        listed = ", ".join(f"“{title}”" for title in found.since[:5])
        more = f" and {len(found.since) - 5:,} more" if len(found.since) > 5 else ""
        say(escape(f"Since the last version: {listed}{more}."))
    if found.current is None:
        say(escape(f"The head ({found.head[:_COMMIT]}) is no version: whoever names none loads what stands there."))


def _show(title: str, rows: list[tuple[str, ...]]) -> None:
    """Show the first columns that fit into the terminal as a table, and the others below, a line a version."""
    from rich.table import Table

    least = [max(map(_least, (name, *cells))) for name, cells in zip(_COLUMNS, zip(*rows, strict=True), strict=True)]
    for number in (number for number, name in enumerate(_COLUMNS) if name in _WHOLE):
        least[number] = max(len(row[number]) for row in rows)
    # a border and two blanks a column, and the last border
    taken = accumulate(width + 3 for width in least)
    fitting = max(len(_WHOLE), sum(width < console.width for width in taken))
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    for name, width in zip(_COLUMNS[:fitting], least, strict=False):
        table.add_column(name, min_width=width, no_wrap=name in _WHOLE, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row[:fitting]))
    console.print(table)
    if fitting < len(_COLUMNS):
        for row in rows:
            told = zip(_COLUMNS[fitting:], row[fitting:], strict=True)
            say(escape(f"{row[0].split(' ')[0].rstrip(':')}: " + ", ".join(f"{name} {cell}" for name, cell in told)))


def _least(cell: str) -> int:
    """Return the width of the longest word, which is not to be cut."""
    return max(map(len, cell.split(" ")))


def _row(item: Version) -> tuple[str, ...]:
    from model_cards.typesetting import measured

    tag = f"{item.tag} (current)" if item.current else item.tag
    approved = f", approved by {', '.join(item.approvals)}" if item.approvals else ""
    name, _, revision = item.base.partition("@")
    belongs = {True: "", False: " not that of the commit", None: " not named by the commit"}[item.matches_commit]
    return (
        f"{tag}: back to {item.rolled_back_to}" if item.rolled_back_to else tag,
        item.date[:10] or "?",
        f"{item.decision}{approved}" if item.decision else "?",
        f"{item.metric.name} {measured(item.metric)} on {item.measured_on.split(' ')[0]}"
        if item.metric is not None
        else "not measured",
        item.license or "?",
        f"{name}@{revision[:_COMMIT]}" if revision else name or "?",
        f"{item.evidence_digest[:_DIGEST]}…{belongs}" if item.evidence_digest else "none",
        "?" if item.signing_key is None else f"{item.signing_key[:_DIGEST]}…" if item.signing_key else "nobody",
    )

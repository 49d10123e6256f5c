"""``hf-contrastive verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import BLOCK, PASS, REVIEW
from hf_contrastive.console import print_json, progress, say, show_table

if TYPE_CHECKING:
    from hf_contrastive.release.verification import VerificationReport

_STYLES = {"holds": "green", "broken": "bold red", "not checked": "yellow"}


def command(
    target: Annotated[
        str, typer.Argument(help="Folder of a published model or of reports, or user/name[@REVISION] on the Hub.")
    ],
    public_key: Annotated[
        Path | None, typer.Option(help="PEM file with the public key of who should have signed.")
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(help="receipt.json of the push, from where the publication can not be changed.")
    ] = None,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights", help="Load the model too and compare its tensors with those that were trained; not for LoRA."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything on stdout as one document.")] = False,
) -> None:
    """Compute anew every digest and signature of a publication, and name what was changed since.

    Exit code 0: it holds, 1: something is broken, 2: there is nothing to verify, 3: the Hub can not be reached, 4:
    nothing is broken, but something that the result depends on could not be checked, such as a file that nothing
    covers, or documents of another version. What was not asked for (--weights, --receipt, --public-key) is named and
    does not count.
    """
    from hf_contrastive.release.verification import verify

    with progress("Reading files (KiB)") as update:
        report = verify(
            target,
            public_key=public_key,
            receipt=receipt,
            weights=weights,
            on_progress=lambda done, total: update(done >> 10, total >> 10),
        )
    if as_json:
        print_json(report.to_dict())
    else:
        _show(report)
    _conclude(report)
    raise typer.Exit({"holds": PASS, "incomplete": REVIEW, "broken": BLOCK}[report.result])


def _show(report: VerificationReport) -> None:
    at = f" at {report.tag or report.commit[:12]}" if report.commit else ""
    documents = [item.files[0] for item in report.of("holds") if item.key.startswith("document:")]
    rows = []
    for item in report.items:
        words = item.words
        if item.status == "holds" and item.key.startswith("document:"):
            # of those that hold, one line is enough
            if item.files[0] != documents[0]:
                continue
            title, words = "Documents follow from the evidence", f"the same byte for byte: {', '.join(documents)}"
        else:
            title = item.title
        rows.append((f"[{_STYLES[item.status]}]{item.status}[/]", escape(title), escape(words)))
    show_table(f"{escape(report.target)}{escape(at)}", ("", "what", "found"), rows)


def _conclude(report: VerificationReport) -> None:
    held, unchecked = len(report.of("holds")), len(report.of("not checked"))
    rest = f"{held} hold, {unchecked} not checked"
    if report.broken:
        files = sorted({name for item in report.broken for name in item.files})
        where = f": {', '.join(files)}" if files else ""
        say(f"[bold red]Broken[/] in {len(report.broken)} of {len(report.items)} items{escape(where)} ({rest}).")
    elif report.result == "incomplete":
        open_items = [item.title for item in report.of("not checked") if item.needed]
        say(
            f"[bold yellow]Incomplete[/]: nothing is broken, but not checked: {escape('; '.join(open_items))} ({rest})."
        )
    else:
        say(f"[bold green]Holds[/]: nothing is broken, and all that the result depends on was checked ({rest}).")

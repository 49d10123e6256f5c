"""``hf-contrastive rollback``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import BLOCK, ERRORED, PASS
from hf_contrastive.console import print_json, say

if TYPE_CHECKING:
    from hf_contrastive.release.versioning.rollback import RollbackPlan

_SHOWN = 20


def command(
    repo: Annotated[str, typer.Argument(help="user/name on the Hub.")],
    to: Annotated[str, typer.Option(help="The tag to go back to, e.g. v1; `hf-contrastive versions REPO` lists them.")],
    reason: Annotated[str, typer.Option(help="Why; it is published in the commit's message.")] = "",
    by: Annotated[str, typer.Option(help="Who does it; for the history on this machine alone.")] = "",
    revision: Annotated[str | None, typer.Option(help="Branch; default: main.")] = None,
    history: Annotated[
        Path | None, typer.Option(help="History file; default: $HF_CONTRASTIVE_HISTORY or the user's own.")
    ] = None,
    load: Annotated[
        bool, typer.Option("--load/--no-load", help="Load the version and encode some texts before it comes back.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the receipt, or with --dry-run the plan, on stdout.")
    ] = False,
) -> None:
    """Make a repository equal to one of its tags again, in one commit that gets the next version tag.

    The version is verified and loaded first; one whose evidence is broken, or whose verdict was block, does not come
    back (exit code 1). Files that nobody pushed with hf-contrastive stay.
    """
    from hf_contrastive.errors import ConfigurationError
    from hf_contrastive.release.versioning.rollback import preview_rollback, rollback

    if dry_run:
        plan = preview_rollback(repo, to, revision=revision, load=load)
        _show(plan)
        if as_json:
            print_json(plan.to_dict())
        raise typer.Exit(BLOCK if plan.problems else PASS)
    if not yes and not sys.stdin.isatty():
        msg = (
            "A rollback asks before it changes a repository, and nobody is there to answer. Add `--yes`, or look "
            "first with `--dry-run`."
        )
        raise ConfigurationError(msg)

    def confirm(plan: RollbackPlan) -> None:
        _show(plan)
        if not yes:
            typer.confirm(f"Roll back {plan.repo_id} to {plan.to}?", abort=True, err=True)

    receipt = rollback(repo, to, reason=reason, by=by, revision=revision, load=load, history=history, on_plan=confirm)
    if receipt.changed:
        tag = receipt.tag or "(not tagged yet)"
        say(escape(f"Rolled {receipt.repo_id} back to {to} as {tag}, commit {receipt.commit}: {receipt.url}"))
    else:
        say(escape(f"{receipt.repo_id} is equal to {to} already; nothing was changed."))
    if as_json:
        print_json(receipt.to_dict())
    if receipt.changed and not receipt.tag:
        # the warning before says why; whoever only looks at the exit code must not take it for finished
        say("The commit is there and has no tag yet: roll back again, which only adds the tag.")
        raise typer.Exit(ERRORED)


def _show(plan: RollbackPlan) -> None:
    now = plan.head_tag or plan.head[:12]
    say(escape(f"{plan.repo_id}: from {now} back to {plan.to} (commit {plan.to_commit[:12]}, {plan.decision or '?'})"))
    for title, paths in (("gets back", plan.copied), ("deletes", plan.deleted), ("leaves as it is", plan.left)):
        more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
        if paths:
            say(escape(f"  {title}: {', '.join(paths[:_SHOWN])}{more}"))
    if not plan.changes:
        say("  nothing differs")
    say(escape(f"  the version: {plan.loaded}"))
    for warning in plan.warnings:
        say(f"  [yellow]{escape(warning)}[/]")
    for problem in plan.problems:
        say(f"  [bold red]{escape(problem)}[/]")

"""``hf-contrastive versions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hf_contrastive.console import print_json, progress, say, show_table

if TYPE_CHECKING:
    from hf_contrastive.release.versions import Version

_DIGEST = 19
_COMMIT = 8


def command(
    repo: Annotated[str, typer.Argument(help="user/name on the Hub.")],
    revision: Annotated[str | None, typer.Option(help="Branch; default: main.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list on stdout.")] = False,
) -> None:
    """List every version with its decision, metric, license and evidence, and which one is current."""
    from hf_contrastive.release.versions import versions

    with progress("Versions") as update:
        found = versions(repo, revision=revision, on_progress=update)
    if as_json:
        print_json(found.to_dict())
        return
    if not found.versions:
        say(escape(f"{repo} has no version tags (v1, v2, …): nothing was published there with hf-contrastive."))
        return
    columns = ("version", "date", "decision", "metric", "license", "base", "evidence", "signed by")
    show_table(escape(f"Versions of {repo}"), columns, [tuple(map(escape, _row(item))) for item in found.versions])
    for item in found.versions:
        if item.problem:
            say(escape(f"{item.tag}: {item.problem}"))
    if found.since:
        listed = ", ".join(f"“{title}”" for title in found.since[:5])
        more = f" and {len(found.since) - 5:,} more" if len(found.since) > 5 else ""
        say(escape(f"Since the last version: {listed}{more}."))
    if found.current is None:
        say(escape(f"The head ({found.head[:_COMMIT]}) is no version: whoever names none loads what stands there."))


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

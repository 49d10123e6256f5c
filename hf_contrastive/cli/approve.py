"""``hf-contrastive approve``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import BLOCK
from hf_contrastive.console import print_json, say, show_table


def command(
    verdict: Annotated[
        Path, typer.Option(help="The evidence.json that holds the verdict, or the folder of reports with it.")
    ],
    by: Annotated[str, typer.Option(help="Name of the person who says yes.")],
    role: Annotated[str, typer.Option(help="What that person is, e.g. 'legal counsel'.")],
    reason: Annotated[str, typer.Option(help="Why it may be published.")],
    expires: Annotated[
        str | None,
        typer.Option(help="Last day on which it holds, YYYY-MM-DD; default: as long as the policy allows, or 30 days."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Default: approval.json beside the evidence.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the approval on stdout.")] = False,
) -> None:
    """Say yes to a verdict of review: a record for `push --approval`, bound to verdict, policy and files.

    A verdict of pass needs none, and no approval lifts a block.
    """
    from hf_contrastive.history.recording import or_warn, record_approval
    from hf_contrastive.release.approvals import APPROVAL_FILE, ApprovalError, approve_evidence
    from hf_contrastive.release.report_folder import WITH_EXCERPTS
    from hf_contrastive.writing import all_or_none
    from model_cards.documents import evidence_json

    path = verdict / evidence_json.filename if verdict.is_dir() else verdict
    if path.absolute().parent.name == WITH_EXCERPTS:
        msg = (
            f"`{path}` quotes rows of the data and is not what is published, so that an approval of it would not hold "
            f"for a push; name the folder above it, `{path.absolute().parent.parent}`."
        )
        raise ApprovalError(msg)
    target = out if out is not None else path.parent / APPROVAL_FILE
    if target.is_dir():
        target /= APPROVAL_FILE
    if target.exists():
        msg = f"`{target}` exists, and an approval is a record; move it away, or name another file with `--out`."
        raise ApprovalError(msg)
    evidence = evidence_json.read_evidence(path)
    judged = evidence.verdict
    if judged is not None and judged.decision == "block":
        codes = ", ".join(sorted({item.code for item in judged.outcomes if item.decision == "block"}))
        say(
            f"[bold red]Not approved.[/] The verdict is block because of {escape(codes)}: no approval lifts a block. "
            "Repair what blocks, or excuse it by a waiver in the policy, with an owner, an approver and an expiry."
        )
        raise typer.Exit(BLOCK)
    approval = approve_evidence(evidence, by=by, role=role, reason=reason, expires=expires)
    with all_or_none(target.absolute().parent) as new:
        (new / target.name).write_text(
            json.dumps(approval.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    or_warn(record_approval, approval, repo_id=evidence.repo_id or "")
    rows = [
        (item.code, item.observed, item.allowed)
        for item in (judged.outcomes if judged is not None else ())
        if item.decision == "review"
    ]
    show_table("Approved", ("code", "observed", "allowed"), [tuple(map(escape, row)) for row in rows])
    say(
        f"{escape(approval.by)} ({escape(approval.role)}) approves {len(rows)} outcome(s) until {approval.expires}: "
        f"{escape(approval.reason)}\nThe approval is in {escape(str(target))}; publish with "
        f"`push --approval {escape(str(target))}`."
    )
    if not evidence.payload_digest:
        say(
            "[yellow]This evidence is of an audit alone, without a model's files: a push asks for an approval of its "
            "own report, which names them.[/]"
        )
    if as_json:
        print_json(approval.to_dict())

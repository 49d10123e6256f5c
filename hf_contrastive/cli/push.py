"""``hf-contrastive push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hf_contrastive.console import print_json, say


def command(
    folder: Annotated[Path, typer.Argument(help="Folder with the model's files.")],
    repo: Annotated[str, typer.Argument(help="user/name on the Hub.")],
    data: Annotated[str, typer.Option(help="What it was trained on: Hub id, saved dataset, csv, jsonl, parquet.")],
    policy: Annotated[str, typer.Option(help="permissive, standard, strict or a TOML file.")] = "standard",
    reviewed_by: Annotated[
        str | None, typer.Option(help="Who says yes to a verdict of review, where the policy takes a name alone.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    approval: Annotated[
        Path | None, typer.Option(help="approval.json that `hf-contrastive approve` wrote, or its folder.")
    ] = None,
    upstream: Annotated[
        Path | None,
        typer.Option(help="Folder with the cards and licenses of data and base models (models/OWNER/NAME/README.md)."),
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="YAML file of people's answers, as `hf-contrastive framework --questions` asks.")
    ] = None,
    report_dir: Annotated[
        Path | None,
        typer.Option(help="Where documents and receipt are written; default: report beside FOLDER."),
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="History file; default: $HF_CONTRASTIVE_HISTORY or the user's own.")
    ] = None,
    license_id: Annotated[str | None, typer.Option("--license", help="Hub license id to publish under.")] = None,
    private: Annotated[bool | None, typer.Option(help="Make a new repository private.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt on stdout.")] = False,
) -> None:
    """Audit the data, trace its licenses, write card and reports, and publish in one commit, if the gate allows it.

    The same commit removes files of an earlier version of the model that are not part of this push; all other files
    of the repository stay.
    """
    from audits.licenses.repo_folders import FolderHub
    from hf_contrastive.errors import PushBlocked
    from hf_contrastive.release.approvals import APPROVAL_FILE, read_approval
    from hf_contrastive.release.gate import awaits_review
    from hf_contrastive.release.push import push
    from model_cards.answers import read_answers

    yes = read_approval(approval) if approval is not None else None
    report = report_dir if report_dir is not None else folder.parent / "report"
    try:
        receipt = push(
            folder,
            repo,
            data=data,
            policy=policy,
            reviewed_by=reviewed_by,
            reason=reason,
            approval=yes,
            hub=FolderHub(upstream) if upstream is not None else None,
            history=history,
            answers=read_answers(answers) if answers is not None else (),
            report_dir=report,
            license=license_id,
            private=private,
        )
    except PushBlocked as blocked:
        review = awaits_review(blocked)
        if as_json:
            decision = "review" if review else "block"
            print_json({"decision": decision, "problems": list(blocked.problems), "report": str(report)})
        say(f"The report is in {escape(str(report / 'report.html'))}")
        if review:
            say(
                f"To approve it: `hf-contrastive approve --verdict {escape(str(report))} --by NAME --role ROLE "
                f"--reason TEXT`, then push again with `--approval {escape(str(report / APPROVAL_FILE))}`."
            )
        raise
    say(f"Published {receipt.repo_id} as {receipt.tag or '(not tagged yet)'}, commit {receipt.commit}: {receipt.url}")
    if as_json:
        print_json(receipt.to_dict())

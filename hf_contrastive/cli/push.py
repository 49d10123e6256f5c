"""``hf-contrastive push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    history: Annotated[
        Path | None, typer.Option(help="History file; default: $HF_CONTRASTIVE_HISTORY or the user's own.")
    ] = None,
    license_id: Annotated[str | None, typer.Option("--license", help="Hub license id to publish under.")] = None,
    private: Annotated[bool | None, typer.Option(help="Make a new repository private.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt on stdout.")] = False,
) -> None:
    """Audit the data, trace its licenses, write card and reports, and publish in one commit, if the gate allows it.

    The commit replaces what is in the repository: files of an earlier layout, and all others that are not
    part of this push, are removed; its history keeps them.
    """
    from audits.licenses.repo_folders import FolderHub
    from hf_contrastive.release.approvals import read_approval
    from hf_contrastive.release.push import push
    from model_cards.answers import read_answers

    yes = read_approval(approval) if approval is not None else None
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
        license=license_id,
        private=private,
    )
    say(f"Published {receipt.repo_id} as {receipt.tag or '(not tagged yet)'}, commit {receipt.commit}: {receipt.url}")
    if as_json:
        print_json(receipt.to_dict())

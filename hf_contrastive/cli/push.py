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
    reviewed_by: Annotated[str | None, typer.Option(help="Who says yes to a verdict of review.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    license_id: Annotated[str | None, typer.Option("--license", help="Hub license id to publish under.")] = None,
    private: Annotated[bool | None, typer.Option(help="Make a new repository private.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt on stdout.")] = False,
) -> None:
    """Audit the data, write card and reports, and publish in one commit, if the gate lets it through.

    The commit replaces what is in the repository: files of an earlier layout, and all others that are not
    part of this push, are removed; its history keeps them.
    """
    from hf_contrastive.release.push import push

    receipt = push(
        folder,
        repo,
        data=data,
        policy=policy,
        reviewed_by=reviewed_by,
        reason=reason,
        license=license_id,
        private=private,
    )
    say(f"Published {receipt.repo_id} as {receipt.tag or '(not tagged yet)'}, commit {receipt.commit}: {receipt.url}")
    if as_json:
        print_json(receipt.to_dict())

"""``hf-contrastive push``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import ERRORED
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
    sign_key: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of an EC key that signs all that is published (model.sig); a passphrase stands in "
            "HF_CONTRASTIVE_SIGN_PASSPHRASE."
        ),
    ] = None,
    compare_data: Annotated[
        str | None,
        typer.Option(
            help="Pairs to compare it on with the published version: Hub id, saved dataset, csv, jsonl, parquet; "
            "default: the test split of DATA, else its validation split."
        ),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="What was measured of it later: inference.json, study.json, what `evaluate --json` printed, or the "
            "evidence.json of `evaluate --out`; repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be published and what the gate says; send nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the receipt, or with --dry-run the plan, on stdout.")
    ] = False,
) -> None:
    """Audit the data, trace its licenses, write card and reports, and publish in one commit, if the gate allows it.

    The same commit removes files of an earlier version of the model that are not part of this push; all other files
    of the repository stay. With --dry-run, exit code and reasons are those of the gate (0 pass, 1 block, 4 review; 3
    where the Hub refuses the login, as for a push), and the reports are written, so that they can be read and approved.
    """
    from audits.licenses.repo_folders import FolderHub
    from hf_contrastive.cli.exit_codes import OF_DECISION
    from hf_contrastive.cli.plan_tables import show_plan, show_preview
    from hf_contrastive.errors import PushBlocked
    from hf_contrastive.release.approvals import read_approval
    from hf_contrastive.release.gate import awaits_review
    from hf_contrastive.release.push import preview, push
    from model_cards.answers import read_answers

    with _told_as_json(as_json):
        yes = read_approval(approval) if approval is not None else None
        report = report_dir if report_dir is not None else folder.parent / "report"
        options: dict[str, Any] = {
            "data": data,
            "policy": policy,
            "reviewed_by": reviewed_by,
            "reason": reason,
            "approval": yes,
            "hub": FolderHub(upstream) if upstream is not None else None,
            "answers": read_answers(answers) if answers is not None else (),
            "report_dir": report,
            "license": license_id,
            "sign_key": sign_key,
            "compare_data": compare_data,
            "evaluations": evaluation or (),
        }
        if dry_run:
            found = preview(folder, repo, private=private, **options)
            show_preview(found)
            say(f"The report is in {escape(str(report / 'report.html'))}")
            if found.decision == "review" and not found.repository.push_fails:
                say(_how_to_approve(report))
            if as_json:
                print_json(found.to_dict())
            raise typer.Exit(ERRORED if found.repository.push_fails else OF_DECISION[found.decision])
        try:
            receipt = push(folder, repo, history=history, private=private, on_plan=show_plan, **options)
        except PushBlocked as blocked:
            review = awaits_review(blocked)
            if as_json:
                decision = "review" if review else "block"
                print_json({"decision": decision, "problems": list(blocked.problems), "report": str(report)})
            say(f"The report is in {escape(str(report / 'report.html'))}")
            if review:
                say(_how_to_approve(report))
            raise
        tag = receipt.tag or "(not tagged yet)"
        say(f"Published {receipt.repo_id} as {tag}, commit {receipt.commit}: {receipt.url}")
        if as_json:
            print_json(receipt.to_dict())
        if not receipt.tag:
            # the warning before says why; whoever only looks at the exit code must not take it for finished
            say("The commit is published and has no tag yet: push the same again, which only adds the tag.")
            raise typer.Exit(ERRORED)


@contextmanager
def _told_as_json(as_json: bool) -> Iterator[None]:
    """Put an error that is no decision of the gate on stdout too, where one document is expected there."""
    from audits.errors import AuditError
    from hf_contrastive.errors import ContrastiveError, PushBlocked
    from model_cards.errors import ModelCardError

    try:
        yield
    except PushBlocked:
        raise
    except (AuditError, ModelCardError, ContrastiveError, OSError) as error:
        if as_json:
            print_json({"decision": None, "error": {"type": type(error).__name__, "message": str(error)}})
        raise


def _how_to_approve(report: Path) -> str:
    from hf_contrastive.release.approvals import APPROVAL_FILE

    return (
        f"To approve it: `hf-contrastive approve --verdict {escape(str(report))} --by NAME --role ROLE "
        f"--reason TEXT`, then push again with `--approval {escape(str(report / APPROVAL_FILE))}`."
    )

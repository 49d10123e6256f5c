"""The command line, one file a command.

Exit codes: 0 pass, 1 block, 2 usage, 3 errored, 4 review. ``--json`` prints one document on stdout;
everything else goes to stderr.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator

import typer

from audits.errors import AuditError
from hf_contrastive.cli import (
    approve,
    audit,
    benchmark_inference,
    card,
    compare,
    demo,
    evaluate,
    export,
    framework,
    history,
    hub,
    policy,
    push,
    report,
    rollback,
    study,
    train,
    verify,
    versions,
)
from hf_contrastive.cli import license as license_
from hf_contrastive.cli.exit_codes import BLOCK, ERRORED, REVIEW, USAGE
from hf_contrastive.console import say
from hf_contrastive.errors import ContrastiveError, HubError, MissingExtraError, PushBlocked
from model_cards.errors import ModelCardError

app = typer.Typer(
    name="hf-contrastive",
    help="Train a better embedding model in a few lines, and publish it only with proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("audit")(audit.command)
app.command("train", add_help_option=False, context_settings=train.CONTEXT_SETTINGS)(train.command)
app.command("evaluate")(evaluate.command)
app.command("compare")(compare.command)
app.command("export")(export.command)
app.command("benchmark-inference")(benchmark_inference.command)
app.command("study")(study.command)
app.command("push")(push.command)
app.command("rollback")(rollback.command)
app.command("versions")(versions.command)
app.command("verify")(verify.command)
app.command("approve")(approve.command)
app.command("demo")(demo.command)
app.command("framework")(framework.command)
app.command("report")(report.command)
app.command("history")(history.command)
app.command("affected")(history.affected_command)
app.add_typer(policy.app, name="policy")
app.add_typer(license_.app, name="license")
app.add_typer(card.app, name="card")
app.add_typer(hub.app, name="hub")

# typer brings a click of its own or uses the installed one, by version: name the base through a heir
_UsageProblem: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
_INTERRUPTED = 130


def main() -> None:
    """Run the command line; a user's mistake ends in one paragraph, not in a traceback."""
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(prog_name="hf-contrastive", standalone_mode=False)
    except _UsageProblem as error:
        return _usage(error)
    except typer.Abort:
        code = _INTERRUPTED
    except PushBlocked as error:
        from hf_contrastive.release.gate import awaits_review

        review = awaits_review(error)
        say(f"[bold red]{'Not published.' if review else 'Blocked.'}[/] {_plain(error)}")
        return REVIEW if review else BLOCK
    except (AuditError, ModelCardError, ContrastiveError) as error:
        say(f"[bold red]Error.[/] {_plain(error)}")
        return _code_of(error)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        say(
            f"[bold red]Error.[/] {_plain(error.strerror or error)}{_plain(where)}: a file, folder or connection can "
            "not be used. Check that it exists, that you may read or write it, and that the disk has room."
        )
        return ERRORED
    except Exception:  # noqa: BLE001  a crash would exit with 1, which means "block" here
        traceback.print_exc()
        say("[bold red]Error.[/] This is a defect of hf-contrastive, not of your input; please report the lines above.")
        return ERRORED
    if code == _INTERRUPTED:
        say(f"Interrupted, exit code {ERRORED}.")
        return ERRORED
    return int(code or 0)


def _usage(error: Exception) -> int:
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        say(_plain(message))
        return USAGE
    path = context.command_path if context is not None else "hf-contrastive"
    message = " ".join(str(message).split())
    say(f"[bold red]Error.[/] {_plain(message.rstrip('.'))}. See `{_plain(path)} --help`.")
    return USAGE


def _code_of(error: Exception) -> int:
    """Return USAGE where other input would help, ERRORED where the surroundings must change."""
    if isinstance(error, HubError | MissingExtraError) or any(map(_is_surroundings, _causes(error))):
        return ERRORED
    return USAGE if isinstance(error, ValueError | KeyError | FileNotFoundError) else ERRORED


def _is_surroundings(error: BaseException) -> bool:
    # the HTTP library below huggingface_hub changes between its versions: go by the names of its bases
    names = {kind.__name__ for kind in type(error).__mro__}
    # the last one: neither in the cache nor, for want of a connection, to be had
    return bool(names & {"ConnectionError", "TransportError", "TimeoutError", "LocalEntryNotFoundError"})


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _plain(text: object) -> str:
    from rich.markup import escape

    return escape(str(text))


__all__ = ["app", "main"]

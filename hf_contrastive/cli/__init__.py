"""The command line, one file a command.

Exit codes: 0 pass, 1 block, 2 usage, 3 errored, 4 review. ``--json`` prints one document on stdout;
everything else goes to stderr.
"""

from __future__ import annotations

import sys

import typer

from audits.errors import AuditError, PolicyError
from hf_contrastive.cli import audit, demo, evaluate, hub, push, train
from hf_contrastive.cli.console import say
from hf_contrastive.cli.exit_codes import BLOCK, ERRORED, USAGE
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
app.command("push")(push.command)
app.command("demo")(demo.command)
app.add_typer(hub.app, name="hub")


def main() -> None:
    """Run the command line; a user's mistake ends in one paragraph, not in a traceback."""
    try:
        app()
    except PushBlocked as error:
        say(f"[bold red]Blocked.[/] {_plain(error)}")
        sys.exit(BLOCK)
    except (HubError, MissingExtraError) as error:
        say(f"[bold red]Error.[/] {_plain(error)}")
        sys.exit(ERRORED)
    except (AuditError, ModelCardError, ContrastiveError, PolicyError) as error:
        say(f"[bold red]Error.[/] {_plain(error)}")
        sys.exit(USAGE if isinstance(error, ValueError | KeyError | FileNotFoundError) else ERRORED)
    except KeyboardInterrupt:
        say("Interrupted; nothing half-written was left behind.")
        sys.exit(ERRORED)


def _plain(error: BaseException) -> str:
    from rich.markup import escape

    return escape(str(error))


__all__ = ["app", "main"]

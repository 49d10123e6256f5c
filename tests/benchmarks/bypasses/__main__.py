"""Ways past the gate × (with Xet, without): published, or refused by ``hf_contrastive.guard()``.

Each way is tried without the guard too: one that publishes nothing then proves nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.bypasses.names import APPROVED, MODES, TRANSFERS
from tests.benchmarks.bypasses.runs import Tried, run
from tests.benchmarks.output import add_output, circumstances, say, write


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bypasses", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="names of attempts")
    add_output(parser)
    options = parser.parse_args(given)
    tables: dict[str, dict[str, dict[str, Tried]]] = {}
    for transfer in TRANSFERS:
        for mode in MODES:
            say(f"{transfer}, {mode}")
            with tempfile.TemporaryDirectory() as folder:
                tables.setdefault(mode, {})[transfer] = run(mode, transfer, Path(folder), chosen=options.only)
    packages = ("huggingface_hub", "hf-xet", "transformers", "peft", "sentence-transformers", "datasets")
    shown = {
        mode: {transfer: {name: vars(each) for name, each in table.items()} for transfer, table in by.items()}
        for mode, by in tables.items()
    }
    result = {"tried": shown, **circumstances("bypasses", given, packages)}
    write(result, _markdown(tables, result), options)


def _markdown(tables: dict[str, dict[str, dict[str, Tried]]], result: dict[str, Any]) -> str:
    names = list(tables["open"][TRANSFERS[0]])
    published = sum(
        table[name].published for table in tables["guarded"].values() for name in names if name not in APPROVED
    )
    lines = [
        "# Ways past the gate, tried by `python -m tests.benchmarks.bypasses`",
        "",
        f"## {result['date']}, {len(names)} ways, each with Git LFS and with Xet",
        "",
        result["machine"],
        "",
        ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        "",
        f"`{result['command']}`",
        "",
        f"Published under the guard, of what the gate had not let through: {published}.",
        "",
        "| way | " + " | ".join(f"{mode}, {transfer}" for mode in MODES for transfer in TRANSFERS) + " |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in names:
        cells = [_cell(tables[mode][transfer][name]) for mode in MODES for transfer in TRANSFERS]
        lines.append(f"| {tables['open'][TRANSFERS[0]][name].told} | {' | '.join(cells)} |")
    lines += [
        "",
        "- *published*: afterwards something could be seen on the Hub that was not there before: a file, a tag, a "
        "branch, a repository made public; for what the local Hub does not offer: the request arrived at a stand-in.",
        "- *refused*: PushBlocked was raised; *refused, unseen*: nothing was published and the caller was told "
        "nothing, as of a push in the background; the log has the refusal.",
        "- The local Hub has no Xet storage: it asks a client with Xet for the files within the commit.",
        "",
        "",
    ]
    return "\n".join(lines)


def _cell(tried: Tried) -> str:
    if tried.published:
        return "published"
    if tried.outcome.startswith("PushBlocked"):
        return "refused"
    return "refused, unseen" if tried.outcome == "returned" else f"nothing ({tried.outcome.partition(':')[0]})"


if __name__ == "__main__":
    main()

"""Let each library train and push to a local Hub, and validate the card that lies there afterwards.

Once with models and data from that Hub, named by their ids, and once from folders of this machine, as many work.
A library that is not installed is left out, and named.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download

from hf_contrastive.release.local_hub import LocalHub, hub_environment, serve
from model_cards.validate import RULES, examine_card
from tests.benchmarks import output
from tests.benchmarks.cards.inputs import write_inputs
from tests.benchmarks.cards.writers import WRITERS
from tests.benchmarks.machine import heading

_PACKAGES = ("huggingface-hub", "transformers", "datasets", "torch")


def measure(folder: Path, libraries: Sequence[str], cards: Path | None = None) -> list[dict[str, Any]]:
    """Return one row a library and way of naming: the problems of its card."""
    inputs = write_inputs(folder / "inputs")
    local = [str(inputs[name]) for name in ("encoder", "language_model", "pairs")]
    rows = []
    with serve(folder / "hub") as hub:
        for name, path in inputs.items():
            hub.seed(f"tiny/{name.replace('_', '-')}", path, repo_type="dataset" if name == "pairs" else "model")
        for library in libraries:
            for named, given in (("ids", ["tiny/encoder", "tiny/language-model", "tiny/pairs"]), ("folders", local)):
                output.say(f"{library}, models and data by {named}")
                text = written(library, f"local/{library}-{named}", given, hub, folder)
                if cards is not None:
                    cards.mkdir(parents=True, exist_ok=True)
                    (cards / f"{library}-{named}.md").write_text(text, encoding="utf-8")
                problems = [problem.to_dict() for problem in examine_card(text)]
                rows.append({"library": library, "version": version(library), "named": named, "problems": problems})
    return rows


def written(library: str, repo_id: str, given: Sequence[str], hub: LocalHub, folder: Path) -> str:
    """Return the card that ``library`` pushed to ``repo_id``.

    Raises:
        SystemExit: it could not.
    """
    environment = {
        **os.environ,
        **hub_environment(hub),
        "HF_HOME": str(folder / "home"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "tests.benchmarks.cards.writers", library, repo_id, *given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{library} could not train and push:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    path = hf_hub_download(
        repo_id, "README.md", endpoint=hub.endpoint, token=hub.token, cache_dir=folder / "read", force_download=True
    )
    return Path(path).read_bytes().decode("utf-8")


def installed(library: str) -> bool:
    """Whether ``library`` can be imported and has a version."""
    try:
        version(library)
    except PackageNotFoundError:
        return False
    return importlib.util.find_spec(library.replace("-", "_")) is not None


def markdown(result: Mapping[str, Any]) -> str:
    """Return a table of counts, then what is wrong with each card."""
    columns = ("card of", "models and data named by", "errors", "warnings", "codes")
    lines = heading(result, "cards that libraries write when a model is pushed", columns)
    for row in result["rows"]:
        counts = Counter(problem["severity"] for problem in row["problems"])
        codes = Counter(problem["code"] for problem in row["problems"])
        told = ", ".join(code if count == 1 else f"{code} ×{count}" for code, count in sorted(codes.items()))
        cells = (f"{row['library']} {row['version']}", row["named"], counts["error"], counts["warning"], told or "–")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [
        "",
        "License and language were told where a library has a parameter for them; nothing else was filled in. A "
        "section that says that nobody has answered yet counts as there.",
    ]
    lines += [f"\nNot installed, so left out: {', '.join(result['absent'])}."] if result["absent"] else []
    for row in result["rows"]:
        if row["problems"] and row["named"] == "ids":
            lines += ["", f"### {row['library']} {row['version']}, by ids", ""]
            lines += [_problem_line(problem) for problem in row["problems"]]
    used = sorted({problem["code"] for row in result["rows"] for problem in row["problems"]})
    lines += ["", "### The codes", "", *(f"- {code} ({RULES[code].severity}): {RULES[code].title}." for code in used)]
    return "\n".join([*lines, ""]) + "\n"


def _problem_line(problem: Mapping[str, Any]) -> str:
    place = f" line {problem['line']}" if problem.get("line") is not None else ""
    observed = f" Found {problem['observed']}." if problem.get("observed") else ""
    return f"- {problem['severity']} {problem['code']}{place}: {problem['what']}.{observed}".replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cards", description=__doc__)
    parser.add_argument("--library", action="append", choices=list(WRITERS), help="only these; default: all")
    parser.add_argument("--keep-cards", type=Path, help="folder to write the cards to")
    output.add_output(parser)
    options = parser.parse_args(arguments)
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = options.library or list(WRITERS)
    present = [library for library in asked if installed(library)]
    absent = [library for library in asked if library not in present]
    if absent:
        output.say(f"not installed, so left out: {', '.join(absent)}")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), present, options.keep_cards)
    shown = [word for word in given if not word.startswith("/")]
    result = output.circumstances("cards", shown, _PACKAGES) | {"rows": rows, "absent": absent}
    output.write(result, markdown(result), options)


if __name__ == "__main__":
    main()

"""How often a license text is told right, on texts that people labelled (``license_labels.toml``).

Run by hand, never by CI: ``python -m tests.benchmarks.license_texts --corpus FOLDER --second FOLDER --out
tests/benchmarks/results/license_texts.md``, where the corpus is ``licensedcode/data/licenses`` of an unpacked wheel of
ScanCode and the second folder holds copies of texts of models from elsewhere. License files of installed packages are
read where they are.
Altered texts are made from the labelled ones. The one error that matters is counted apart: a text that is taken for
something more permissive than it is.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import yaml

from audits.licenses.agreement import leaves, rank
from audits.licenses.packages import license_files
from audits.licenses.resolution import CATEGORIES
from audits.licenses.texts import identify
from tests.benchmarks.machine import heading
from tests.benchmarks.output import add_output, circumstances, write

LABELS = Path(__file__).with_name("license_labels.toml")
OPEN, NONE = "open", "none"

_NON_COMMERCIAL = CATEGORIES.index("non-commercial")
_ALTERED_FROM = """
mit bsd-new bsd-simplified isc apache-2.0 zlib mpl-2.0 epl-2.0 cc-by-4.0 cc-by-sa-4.0 cc-by-2.0 cc0-1.0 odc-by-1.0
pddl-1.0 cdla-permissive-2.0 llama-3.1-license-2024 gemma-tou-2025-03-24 qwen-2024 deepseek-la-1.0
stable-diffusion-2022-08-22 stability-ai-community-2024 nvidia-open-model-2025-04-28
"""
_DESCRIBED = "rich numpy click jinja2 pydantic pytest hypothesis ruff typer networkx sympy pandas"
_ALTERATIONS: dict[str, Callable[[str], str]] = {
    "a line before": lambda text: "For non-commercial use only.\n\n" + text,
    "a line after": lambda text: text + "\n\nThe software may be used for research purposes only.",
    "a line after the head": lambda text: _inserted(text, "Commercial use of any kind is not permitted."),
    "behind the copyright": lambda text: "Copyright (c) 2024 X. Academic use only, no commercial use.\n" + text,
    "Commons Clause": lambda text: (
        text + "\n\n“Commons Clause” License Condition v1.0\n\nThe grant of rights under the "
        "License will not include, and the License does not grant to you, the right to Sell the Software."
    ),
    "a limit of size": lambda text: (
        text + "\n\nYou may not use it if your company's annual revenue exceeds $1 million."
    ),
    "a field of use": lambda text: text + "\n\nIt must not be used for surveillance.",
    "another language": lambda text: text + "\n\n本软件仅限于非商业用途,未经作者书面许可不得用于任何商业目的。",
    "a part missing": lambda text: text[: len(text) // 2] + text[3 * len(text) // 4 :],
    "the end missing": lambda text: text[: 2 * len(text) // 3],
}


def _inserted(text: str, sentence: str) -> str:
    paragraphs = re.split(r"(\n\s*\n)", text.strip())
    place = min(2, len(paragraphs))
    return "".join([*paragraphs[:place], sentence, "\n\n", *paragraphs[place:]])


def corpus_text(folder: Path, name: str) -> tuple[str, str]:
    """Return the text of one file of the corpus, and the SPDX id in its header."""
    content = (folder / f"{name}.LICENSE").read_text("utf-8")
    match = re.match(r"---\n(.*?)\n---[ ]*\n?(.*)", content, re.DOTALL)
    if match is None:
        raise SystemExit(f"{name}.LICENSE has no header; is {folder} the folder of ScanCode's license texts?")
    return match[2], str(yaml.safe_load(match[1]).get("spdx_license_key") or "")


def cases(corpus: Path | None, second: Path | None) -> Iterator[tuple[str, str, str, str]]:
    """Yield (group, name, label, text)."""
    labels = tomllib.loads(LABELS.read_text("utf-8"))
    if corpus is not None:
        for name in labels["corpus"]["standard"].split():
            text, key = corpus_text(corpus, name)
            yield "standard licenses (corpus)", name, key, text
        for group in ("models", "restricted"):
            for name, label in labels["corpus"][group].items():
                yield f"{group} (corpus)", name, label, corpus_text(corpus, name)[0]
        for name in _ALTERED_FROM.split():
            text, _ = corpus_text(corpus, name)
            for kind, alter in _ALTERATIONS.items():
                yield "altered texts", f"{name}: {kind}", OPEN, alter(text)
    if second is not None:
        for name, label in labels["second"].items():
            yield "texts from elsewhere", name, label, (second / name).read_text("utf-8", errors="replace")
    for label, names in labels["packages"].items():
        for name in names.split():
            text = _package_text(*name.partition(":")[::2])
            if text is not None:
                yield "installed packages", name, label, text
    yield from _no_licenses()


def _package_text(package: str, file: str) -> str | None:
    try:
        found = list(license_files(distribution(package)))
    except PackageNotFoundError:
        return None
    chosen = [source for source in found if source.where == file] if file else found[:1]
    content = chosen[0].content if chosen else None
    return content.decode("utf-8", errors="replace") if isinstance(content, bytes) else content


def _no_licenses() -> Iterator[tuple[str, str, str, str]]:
    """Yield texts that speak of licenses and are none: descriptions of packages and modules of this one."""
    for package in _DESCRIBED.split():
        try:
            text = str(distribution(package).metadata.get_payload())
        except PackageNotFoundError:
            continue
        yield "no license texts", f"description of {package}", NONE, text
    root = LABELS.parents[2]
    for path in [root / "README.md", root / "CHANGELOG.md", *sorted((root / "audits" / "licenses").glob("*.py"))]:
        yield "no license texts", path.name, NONE, path.read_text("utf-8")


def verdict(label: str, text: str) -> tuple[str, bool, str]:
    """Return right, wrong or abstained; whether it was taken for something more permissive; and what was found."""
    match = identify(text)
    found = match.spdx
    shown = found or f"open: {match.open_because[:100]}"
    if label in (OPEN, NONE):
        # a text that is none may be open; that it names nothing is what counts
        right = found is None
        lax = not right and rank(found or "") < _NON_COMMERCIAL and label == OPEN
        return ("right" if right else "wrong"), lax, shown
    if found is None:
        return "abstained", False, shown
    if leaves(found) == leaves(label):
        return "right", False, shown
    return "wrong", rank(found) < rank(label), shown


def measure(corpus: Path | None, second: Path | None) -> dict[str, Any]:
    """Return the counts of each group, and every text that was not told right."""
    groups: dict[str, dict[str, int]] = {}
    missed, start, letters = [], time.perf_counter(), 0
    for group, name, label, text in cases(corpus, second):
        outcome, lax, found = verdict(label, text)
        counts = groups.setdefault(group, {"texts": 0, "right": 0, "wrong": 0, "abstained": 0, "laxer": 0})
        counts["texts"] += 1
        counts[outcome] += 1
        counts["laxer"] += lax
        letters += len(text)
        if outcome != "right":
            missed.append(
                {"group": group, "name": name, "label": label, "found": found, "outcome": outcome, "laxer": lax}
            )
    total = {key: sum(counts[key] for counts in groups.values()) for key in next(iter(groups.values()))}
    return {
        "groups": groups,
        "total": total,
        "missed": missed,
        "characters_per_second": letters / (time.perf_counter() - start),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.license_texts", description=__doc__)
    parser.add_argument("--corpus", type=Path, help="folder of ScanCode's license texts")
    parser.add_argument("--second", type=Path, help="folder of texts of models from elsewhere")
    add_output(parser)
    options = parser.parse_args(given)
    shown = [name if index % 2 == 0 else "…" for index, name in enumerate(given)]
    result = measure(options.corpus, options.second) | {
        **circumstances("license_texts", shown, ("licenseclassifier",)),
    }
    write(result, _markdown(result), options)


def _markdown(result: dict[str, Any]) -> str:
    columns = ("group", "texts", "right", "wrong", "abstained", "more permissive than it is")
    lines = heading(result, "license texts labelled by people", columns)
    for name, counts in [*result["groups"].items(), ("all", result["total"])]:
        texts = counts["texts"]
        shares = (f"{counts[key] / texts:.3f}" for key in ("right", "wrong", "abstained"))
        lines.append(f"| {name} | {texts} | {' | '.join(shares)} | {counts['laxer']} |")
    lines += ["", f"- {result['characters_per_second']:,.0f} characters/s on one core.", "", "Not right:", ""]
    lines += [
        f"- {item['group']}: {item['name']} is {item['label']}, {item['outcome']}: {item['found']}"
        for item in result["missed"]
    ]
    return "\n".join([*lines, "", ""])


if __name__ == "__main__":
    main()

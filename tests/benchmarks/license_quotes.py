"""Clauses of the license facts against the licenses' texts: each quotation must stand there word for word.

Run by hand, never by CI: ``python -m tests.benchmarks.license_quotes FOLDER… --out
tests/benchmarks/results/license_quotes.md``, where a folder holds one ``*.LICENSE`` file a license, as ScanCode keeps
them under ``licensedcode/data/licenses``: a YAML header with ``spdx_license_key``, then the text; or ``ID.txt`` files,
the bare text of the license of that id, which count before the others. White space, case, hyphens and the shape of
quotation marks do not count; "…" in a quotation leaves text out. A clause that names a source of its own is looked up
all the same, and listed apart where it is not found. Exit code 1 where a quotation was not found in the text that it is
taken from.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audits.licenses.terms import Fact, LicenseTerms, load_terms
from tests.benchmarks.machine import heading
from tests.benchmarks.output import add_output, circumstances, write

TEXTS: Mapping[str, str] = {
    "MPL-2.0-no-copyleft-exception": "MPL-2.0",  # the text of its own is a notice on top
    "LicenseRef-bigcode-openrail-m": "bigcode-open-rail-m-v1",
    "LicenseRef-bigscience-openrail-m": "bigscience-open-rail-m",
    "LicenseRef-bigscience-bloom-rail-1.0": "bigscience-rail-1.0",
    "LicenseRef-creativeml-openrail-m": "stable-diffusion-2022-08-22",
    "LicenseRef-deepseek": "deepseek-la-1.0",
    "LicenseRef-exaone-nc": "exaone-ai-model-1.1-nc",
    "LicenseRef-falcon-2": "falcon-2-11b-1.0",
    "LicenseRef-flux-1-dev-nc": "flux-1-nc",
    "LicenseRef-gemma": "gemma-tou-2025-03-24",
    "LicenseRef-google-gemini-terms": "gemini-api-additional-tos-2025",
    "LicenseRef-hyperclova-x-seed": "hyperclova-x-seed-2025",
    "LicenseRef-kimi-k2": "moonshot-ai-modified-mit-2025",
    "LicenseRef-llama1": "llama-license-2023",
    "LicenseRef-llama2": "llama-2-license-2023",
    "LicenseRef-llama3.1": "llama-3.1-license-2024",
    "LicenseRef-llama3.2": "llama-3.2-license-2024",
    "LicenseRef-llama3.3": "llama-3.3-license-2024",
    "LicenseRef-llama4": "llama-4-cla-2025",
    "LicenseRef-nvidia-open-model": "nvidia-open-model-2025-04-28",
    "LicenseRef-openai-terms": "openai-tou-20241211",
    "LicenseRef-qwen": "qwen-2024",
    "LicenseRef-stability-ai-community": "stability-ai-community-2024",
    "LicenseRef-stability-ai-nc": "stability-ai-nc-2023-12-06",
    "LicenseRef-tencent-hunyuan-3d-2.0": "tencent-hunyuan-3d-2.0-cla",
    "LicenseRef-tongyi-qianwen": "tongyi-qianwen-2023",
}
"""The name of the text of a license that the header of no file names."""

_KEY = re.compile(r"^spdx_license_key: *([^\s]+) *$", re.MULTILINE)
_OTHER_KEYS = re.compile(r"^other_spdx_license_keys:\n((?: +- .*\n)+)", re.MULTILINE)
_MARKS = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "`": "'", "–": "-", "—": "-", "‑": "-"}
)


@dataclass(frozen=True, slots=True)
class Looked:
    """One quotation that was looked up; ``missing`` is the part that was not found."""

    license: str
    axis: str
    missing: str
    elsewhere: bool


def fold(text: str) -> str:
    """Return ``text`` as it is compared: lower case, plain marks, no white space beside a hyphen, one space else."""
    text = re.sub(r"^\s*[*#>]+ ?", "", text, flags=re.MULTILINE)  # marks of comments and of Markdown
    text = " ".join(text.translate(_MARKS).replace("''", '"').replace("*", "").split()).casefold()
    return re.sub(r" ?- ?", "-", text)


def texts(folders: Sequence[Path]) -> dict[str, str]:
    """Return the folded text of each license of the folders, by SPDX id and by name of its file, both in lower case.

    An id counts before a name: the file ``bsl-1.0`` is not the license BSL-1.0.
    """
    by_id: dict[str, str] = {}
    others: dict[str, str] = {}
    by_name: dict[str, str] = {}
    bare: dict[str, str] = {}
    for path in sorted(path for folder in folders for path in folder.glob("*.txt")):
        bare[_bare(path.stem)] = fold(path.read_text("utf-8"))
    for path in sorted(path for folder in folders for path in folder.glob("*.LICENSE")):
        _, header, body = path.read_text("utf-8").split("---", 2)
        folded = fold(body)
        by_name[path.stem.casefold()] = folded
        by_id |= {key.casefold(): folded for key in _KEY.findall(header)}
        for block in _OTHER_KEYS.findall(header):
            others |= {key.strip(" -").casefold(): folded for key in block.splitlines()}
    return by_name | others | by_id | bare


def missing_part(clause: str, text: str) -> str:
    """Return the first part of ``clause`` that does not follow the parts before it in ``text``; "" where all do."""
    position = 0
    for part in re.split(r"\s*(?:…|\[…\]|\.\.\.)\s*", clause):
        folded = fold(part)
        at = text.find(folded, position)
        if at < 0:
            return part
        position = at + len(folded)
    return ""


def look_up(licenses: Sequence[LicenseTerms], known: Mapping[str, str]) -> Iterator[Looked]:
    """Yield every quotation of the licenses whose text is known."""
    for terms in licenses:
        text = _text_of(terms, known)
        for axis, fact in terms.axes.items():
            if text is not None and fact.clause:
                yield Looked(terms.id, axis, missing_part(fact.clause, text), fact.source != terms.source)


def measure(folders: Sequence[Path]) -> dict[str, Any]:
    """Return how many quotations stand in the texts of ``folders``, and which do not."""
    table, known = load_terms(), texts(folders)
    licenses = tuple(table)
    looked = tuple(look_up(licenses, known))
    unknown = [terms for terms in licenses if _text_of(terms, known) is None]
    return {
        "facts": table.date,
        "licenses": len(licenses),
        "looked_up": len(looked),
        "found": sum(not item.missing for item in looked),
        "not_found": [_words(item) for item in looked if item.missing and not item.elsewhere],
        "of_another_source": [_words(item) for item in looked if item.missing and item.elsewhere],
        "without_text": {terms.id: sum(map(_quotes, terms.axes.values())) for terms in unknown},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print the result and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of *.LICENSE or ID.txt files")
    add_output(parser)
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(given)
    for folder in options.folders:
        if not any(path.suffix in {".LICENSE", ".txt"} for path in folder.glob("*")):
            raise SystemExit(f"{folder} holds no *.LICENSE and no *.txt file; give a folder of license texts.")
    paths = {str(folder) for folder in options.folders}
    shown = ["FOLDER" if argument.rstrip("/") in paths else argument for argument in given]
    result = {**circumstances("license_quotes", shown, ()), **measure(options.folders)}
    write(result, _markdown(result), options)
    return 1 if result["not_found"] else 0


def _text_of(terms: LicenseTerms, known: Mapping[str, str]) -> str | None:
    return known.get(_bare(terms.id)) or known.get(TEXTS.get(terms.id, terms.id).casefold())


def _bare(id: str) -> str:  # noqa: A002
    return f"{id.casefold()}.txt"


def _quotes(fact: Fact) -> int:
    return bool(fact.clause)


def _words(item: Looked) -> str:
    return f"{item.license}, {item.axis}: {item.missing}"


def _markdown(result: Mapping[str, Any]) -> str:
    columns = ["licenses", "with a text", "quotations looked up", "found", "not found", "of another source"]
    without = result["without_text"]
    row = (
        result["licenses"],
        result["licenses"] - len(without),
        result["looked_up"],
        result["found"],
        len(result["not_found"]),
        len(result["of_another_source"]),
    )
    lines = heading(result, f"license facts of {result['facts']}", columns)
    lines += [f"| {' | '.join(map(str, row))} |", ""]
    for title, items in (("Not found", result["not_found"]), ("Of another source", result["of_another_source"])):
        lines += [f"{title}:", "", *(f"- {item}" for item in items), ""] if items else []
    if without:
        lines.append(f"Not checkable, {sum(without.values())} quotations of licenses whose text the folder lacks: ")
        lines[-1] += ", ".join(f"{key} ({count})" for key, count in without.items()) + "."
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    raise SystemExit(main())

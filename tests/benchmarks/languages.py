"""Pairs in two languages: how many are told, and how many pairs of one language are taken for it, on real translations.

Run by hand, never by CI: ``python -m tests.benchmarks.languages --catalogs FOLDER --out
tests/benchmarks/results/languages.md``, where the folder holds gettext catalogs, e.g. the unpacked wheels of Django and
Sphinx. A pair is a message and its translation, both of 40 letters and in Latin script; pairs of one language are two
messages of one catalog. The bound of the check was chosen on the messages of even checksum; by default the others are
counted.
"""

from __future__ import annotations

import argparse
import gettext
import random
import sys
import time
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from audits.checks.languages import mismatch, words_of
from audits.checks.scripts import script_of
from tests.benchmarks.machine import heading
from tests.benchmarks.output import add_output, circumstances, write

_FEWEST, _MOST = 20, 120  # pairs of a language


def translations(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Return pairs of an English message and its translation by language, as the catalogs name them."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.rglob("LC_MESSAGES/*.mo")):
        language = path.parent.parent.name
        with path.open("rb") as file:
            catalog = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        for key, text in catalog.items():
            # forms of plurals may be left in English
            if isinstance(key, str) and key and text != key:
                found.setdefault(language, {})[key.split("\x04")[-1]] = text
    usable = {
        language: [pair for pair in sorted(texts.items()) if all(map(words_of, pair)) and script_of(pair[1]) == "LATIN"]
        for language, texts in found.items()
        if not language.startswith("en")
    }
    return {language: pairs for language, pairs in sorted(usable.items()) if len(pairs) >= _FEWEST}


def measure(folder: Path, seed: int, half: int) -> dict[str, Any]:
    """Return how many pairs of each language are told, and how many of one language are taken for two."""
    rng = random.Random(seed)
    rows, wrong, same, asked = [], 0, 0, 0
    start = time.perf_counter()
    for language, pairs in translations(folder).items():
        chosen = [pair for pair in pairs if zlib.crc32(pair[0].encode()) & 1 == half]
        chosen = rng.sample(chosen, min(_MOST, len(chosen)))
        told = sum(mismatch(*pair) is not None for pair in chosen)
        alone = [texts for side in zip(*chosen, strict=True) for texts in pairwise(side)]
        taken = sum(mismatch(*texts) is not None for texts in alone)
        rows.append({"language": language, "pairs": len(chosen), "recall": told / len(chosen), "false": taken})
        wrong, same, asked = wrong + taken, same + len(alone), asked + len(chosen) + len(alone)
    return {
        "languages": rows,
        "recall": sum(row["recall"] * row["pairs"] for row in rows) / sum(row["pairs"] for row in rows),
        "false_alarms": wrong / same,
        "same_language_pairs": same,
        "pairs_per_second": asked / (time.perf_counter() - start),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.languages", description=__doc__)
    parser.add_argument("--catalogs", type=Path, required=True, help="folder with gettext catalogs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="0: those that the bound was chosen on")
    add_output(parser)
    options = parser.parse_args(given)
    result = measure(options.catalogs, options.seed, options.half) | {
        **circumstances("languages", given, ("py3langid",)),
    }
    write(result, _markdown(result), options)


def _markdown(result: dict[str, Any]) -> str:
    lines = heading(result, "messages and their translations", ("language", "pairs", "told", "false alarms"))
    lines += [
        f"| {row['language']} | {row['pairs']} | {row['recall']:.2f} | {row['false']} |" for row in result["languages"]
    ]
    lines += [
        "",
        f"- Told: {result['recall']:.3f} of the pairs; of {result['same_language_pairs']:,} pairs of one language "
        f"{result['false_alarms']:.4f} are taken for two.",
        f"- {result['pairs_per_second']:,.0f} pairs/s on one core.",
    ]
    return "\n".join([*lines, "", ""])


if __name__ == "__main__":
    main()

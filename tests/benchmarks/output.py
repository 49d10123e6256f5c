"""What benchmarks share: the data they are given, what they tell beside their numbers, and where they write them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.benchmarks.machine import cores, describe_machine, versions


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a result goes."""
    parser.add_argument("--out", type=Path, help="markdown file to append the result to")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")


def circumstances(name: str, given: Sequence[str], packages: Sequence[str]) -> dict[str, Any]:
    """Return when, on which machine, with which versions and by which command a benchmark was run."""
    return {
        "machine": describe_machine(),
        "cores": cores(),
        "versions": versions(packages),
        "command": " ".join([f"python -m tests.benchmarks.{name}", *given]),
        "date": datetime.now(UTC).date().isoformat(),
    }


def write(result: Mapping[str, Any], markdown: str, options: argparse.Namespace) -> None:
    """Append ``markdown`` to the file that was asked for, and print it, or the result as JSON."""
    if options.out is not None:
        with options.out.open("a", encoding="utf-8") as file:
            file.write(markdown)
    print(json.dumps(result, indent=1) if options.json else markdown)


def labelled_texts(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the texts of ``--data`` and their labels; rows without one of them are left out.

    Raises:
        SystemExit: there is no such file or column.
    """
    if not options.data.is_file():
        raise SystemExit(f"{options.data} is no file; give a parquet file.")
    names = pq.read_schema(options.data).names
    for column in (options.column, options.label_column):
        if column not in names:
            raise SystemExit(f"{options.data} has no column `{column}`; its columns are {', '.join(names)}.")
    table = pq.read_table(options.data, columns=[options.column, options.label_column])
    return [
        (str(text), str(label))
        for text, label in zip(table[options.column].to_pylist(), table[options.label_column].to_pylist(), strict=True)
        if text and label is not None
    ]


def say(text: str) -> None:
    """Tell what is being done, apart from the result."""
    print(text, file=sys.stderr, flush=True)

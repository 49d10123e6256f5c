"""Requests of a push × faults → what the push told, what is on the Hub, and what the next push makes of it.

``python -m tests.benchmarks.faults --out tests/benchmarks/results/faults.md``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.faults.runs import TRANSFERS, Tables, run
from tests.benchmarks.output import add_output, circumstances, write
from tests.fault_proxy import FAULTS

_MARKS = {"no tag": "t", "not published": "–", "not known": "?"}
_LEGEND = """
- ✓: the push went on by itself, and ended with commit, tag and receipt.
- t: commit and receipt are there, the tag is not; the push said so.
- –: the push said that nothing was published, and nothing is on the branch.
- ?: the push said that it is not known whether the commit arrived; nothing is on the branch.
- !: the same, and the complete commit is on the branch.
- ✗: something that must not be: another tree than the old or the complete new one, a second commit of the content, a
  message that is not so, an error that is no paragraph; or a next push that did not end with one commit of the
  content, its tag, its receipt and a history that verifies.

Every cell was followed by a push of the same content at another time, without a fault; the cell is ✗ unless that one
found what was there and finished it.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.faults", description=__doc__)
    parser.add_argument("--telling", action="store_true", help="only the cells that the tests run")
    add_output(parser)
    options = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as folder:
        tables = run(Path(folder), *([] if options.telling else ["--every"]))
    result = {"tables": tables, **circumstances("faults", given, ("huggingface_hub", "hf-xet"))}
    write(result, "\n".join([*_heading(tables, result), *_tables(tables), ""]), options)


def mark(cell: dict[str, Any]) -> str:
    """Return the sign of a cell."""
    if cell["bad"]:
        return "✗"
    told = _MARKS.get(cell["told"], "✓")
    return "!" if told == "?" and cell["there"] else told


def _heading(tables: dict[str, Tables], result: dict[str, Any]) -> Iterator[str]:
    cells = [
        cell
        for table in tables.values()
        for one in table.values()
        for row in one["cells"].values()
        for cell in row.values()
    ]
    counts = Counter(mark(cell) for cell in cells)
    yield "# A push at whose requests something goes wrong, by `python -m tests.benchmarks.faults`"
    yield ""
    yield f"## {result['date']}, {len(cells):,} pairs of a request and a fault"
    yield ""
    yield result["machine"]
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    yield ""
    yield f"`{result['command']}`"
    yield ""
    yield f"{counts['✗']} bad; " + ", ".join(f"{sign} {counts[sign]:,}" for sign in "✓t–?!") + "."
    yield _LEGEND
    yield "The faults, by the columns of the tables:"
    yield ""
    yield from (f"{number}. {name}" for number, name in enumerate(FAULTS, 1))


def _tables(tables: dict[str, Tables]) -> Iterator[str]:
    for transfer in TRANSFERS:
        for situation, table in tables.get(transfer, {}).items():
            yield ""
            yield f"### {situation[0].upper()}{situation[1:]}, {transfer}"
            yield ""
            yield f"| request | {' | '.join(str(number) for number in range(1, len(FAULTS) + 1))} |"
            yield f"|{' --- |' * (len(FAULTS) + 1)}"
            for number, (method, pattern) in enumerate(table["requests"]):
                row = table["cells"].get(str(number), {})
                signs = [mark(row[name]) if name in row else " " for name in FAULTS]
                yield f"| {method} `{pattern}` | {' | '.join(signs)} |"


if __name__ == "__main__":
    main()

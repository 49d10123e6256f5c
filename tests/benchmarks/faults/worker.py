"""The cells of one kind of transfer, in a process of its own, since huggingface_hub reads its environment at import."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from hf_contrastive.release.local_hub import serve
from tests.benchmarks.faults.cells import Bench, prepared
from tests.benchmarks.faults.places import SITUATIONS
from tests.fault_proxy import FAULTS

WORST = ("answer lost", "answer lost, then connection refused", "502 instead of the answer")
"""What is tried at every request, where not every fault is."""

_ALL_AT = ("/commit/", "/tag/")


def chosen(requests: list[tuple[str, str]], *, every: bool) -> Iterator[tuple[int, str]]:
    """Yield the numbers of requests and the faults that are tried at them: all, or what is most telling."""
    for number, (method, pattern) in enumerate(requests):
        most = every or (method == "POST" and any(part in pattern for part in _ALL_AT))
        for name in FAULTS if most else WORST:
            yield number, name


def main() -> None:
    """Run the cells and write them as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--situations", nargs="+", default=list(SITUATIONS))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    tables = {}
    with tempfile.TemporaryDirectory() as name, serve(Path(name) / "hub") as hub:
        folder = Path(name)
        bench = Bench(hub, prepared(folder), folder)
        for situation in options.situations:
            requests = bench.requests(situation)
            cells: dict[str, dict[str, object]] = {}
            for number, fault in chosen(requests, every=options.every):
                asked = requests[number]
                cell = bench.cell(situation, (*asked, requests[:number].count(asked)), FAULTS[fault])
                cells.setdefault(str(number), {})[fault] = {
                    "told": cell.told,
                    "there": cell.there,
                    "again": cell.again,
                    "bad": cell.bad,
                    "message": cell.message,
                }
                if cell.bad:
                    print(f"{situation}, {requests[number]}, {fault}: {cell.bad}", file=sys.stderr, flush=True)
            tables[situation] = {"requests": requests, "cells": cells}
    options.out.write_text(json.dumps(tables))


if __name__ == "__main__":
    main()

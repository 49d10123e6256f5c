"""Tries everything in a process of its own: ``python -m tests.benchmarks.bypasses.process FOLDER MODE [NAME…]``.

One line of JSON an attempt. Each goes to a repository of its own, so that it can be seen afterwards which arrived.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hf_contrastive
from hf_contrastive import PushBlocked
from tests.benchmarks.bypasses import libraries, ours, protocol  # noqa: F401  (they enter what they try)
from tests.benchmarks.bypasses.place import ATTEMPTS, Place


def main() -> None:
    """Try everything, or what was named."""
    work, guarded = Path(sys.argv[1]), sys.argv[2] == "guarded"
    place = Place(work)
    chosen = sys.argv[3:]
    if guarded:
        # to the end of the process, exit handlers included
        hf_contrastive.guard()
    for name, (told, function) in ATTEMPTS.items():
        if chosen and name not in chosen:
            continue
        try:
            function(place, name)
            outcome = "returned"
        except PushBlocked as blocked:
            outcome = f"PushBlocked: {blocked}"
        except Exception as error:  # noqa: BLE001  (whatever it is, it is the result)
            outcome = f"{type(error).__name__}: {str(error).strip()[:300]}"
        print(json.dumps({"name": name, "told": told, "outcome": outcome}), flush=True)


if __name__ == "__main__":
    main()

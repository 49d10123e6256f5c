"""Write the entry of a license text for ``audits/licenses/fingerprints.toml``.

Run by hand: ``python -m tests.benchmarks.license_fingerprints TEXT --id LicenseRef-x --source "where it is from"
--phrase "its title" --phrase "a sentence that decides what it permits"``. The text itself goes nowhere.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

from audits.licenses.fingerprints import encode_sketch, folded, sketch_of


def entry(text: str, license_id: str, source: str, phrases: Sequence[str]) -> str:
    """Return the TOML of one text.

    Raises:
        SystemExit: a phrase is not in the text.
    """
    words = folded(text)
    for phrase in phrases:
        if folded(phrase) not in words:
            raise SystemExit(f"The text does not hold “{phrase}”; quote it word by word.")
    lines = ["[[license]]", f"id = {json.dumps(license_id)}", f"source = {json.dumps(source)}"]
    lines += [f"phrases = {json.dumps(list(phrases))}"] if phrases else []
    return "\n".join([*lines, 'sketch = """', *textwrap.wrap(encode_sketch(sketch_of(text)), 116), '"""', ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.license_fingerprints", description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--id", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--phrase", action="append", default=[])
    options = parser.parse_args(arguments)
    print(entry(options.text.read_text("utf-8"), options.id, options.source, options.phrase))


if __name__ == "__main__":
    main()

"""The license of every installed package as concluded, beside what people read in its license file.

Run by hand, never by CI: ``python -m tests.benchmarks.package_licenses --out
tests/benchmarks/results/package_licenses.md``. The labels are those of ``license_labels.toml``: what the license file
of each package holds, told by a person who read it. A conclusion is right where it permits no more than the label, and
names nothing that neither the label nor the metadata names; it abstains where it is undetermined.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from audits.licenses.expressions import alternatives
from audits.licenses.packages import package_reading
from hf_contrastive.demo.package_licenses import stated_license
from tests.benchmarks.machine import heading
from tests.benchmarks.output import add_output, circumstances, write

LABELS = Path(__file__).with_name("license_labels.toml")


def main() -> None:
    """Compare and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_output(parser)
    options = parser.parse_args()
    given = ["--out", "…"] if options.out is not None else []
    told = labels()
    rows = [row_of(item, told) for item in sorted(distributions(), key=lambda item: item.name.casefold())]
    result = {**circumstances("package_licenses", given, ("hf-contrastive", "licenseclassifier")), "packages": rows}
    write(result, markdown(result), options)


def labels() -> dict[str, list[str]]:
    """Return what people read, by package; several where a package has several license files."""
    found: dict[str, list[str]] = {}
    for label, names in tomllib.loads(LABELS.read_text(encoding="utf-8"))["packages"].items():
        for name in names.split():
            if label != "none":
                found.setdefault(name.partition(":")[0], []).append(label)
    return found


def row_of(distribution: Distribution, told: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return one package: stated, read by people, concluded, and how the two agree."""
    reading = package_reading(distribution)
    stated, by_hand = stated_license(distribution), told.get(distribution.name)
    return {
        "package": distribution.name,
        "version": distribution.version,
        "metadata": stated or "nothing",
        "by hand": " / ".join(by_hand) if by_hand else "not read",
        "concluded": reading.license or "undetermined",
        "agreement": agreement(reading.license, by_hand),
        "note": "; ".join(reading.disagreements) or ("" if reading.license else reading.reason),
    }


def agreement(concluded: str | None, by_hand: list[str] | None) -> str:
    """Say whether a conclusion holds everything that a person read."""
    if by_hand is None:
        return "not read by hand"
    if concluded is None:
        return "abstained"
    wanted = [names(label) for label in by_hand]
    held = names(concluded)
    return "right" if all(label <= held for label in wanted) or held in wanted else "differs"


def names(expression: str) -> frozenset[str]:
    """Return every license that an expression names, without its exceptions."""
    return frozenset(name.partition(" WITH ")[0] for choice in alternatives(expression) for name in choice)


def markdown(result: Mapping[str, Any]) -> str:
    """Return the result as a section of a page."""
    rows = result["packages"]
    counts = {kind: sum(row["agreement"] == kind for row in rows) for kind in ("right", "differs", "abstained")}
    read = sum(counts.values())
    columns = ("package", "metadata", "read by hand", "concluded", "agreement", "what disagrees, or why it is open")
    lines = heading(result, "licenses of installed packages", columns)
    for row in rows:
        note = " ".join(row["note"].split()).replace("|", "/")
        note = note if len(note) <= 160 else note[:159] + "…"
        lines.append(
            f"| {row['package']} {row['version']} | {row['metadata']} | {row['by hand']} | {row['concluded']} | "
            f"{row['agreement']} | {note} |"
        )
    words = (
        f"Of {len(rows)} packages, {read} were read by hand: {counts['right']} concluded as read, "
        f"{counts['abstained']} left open, {counts['differs']} otherwise."
    )
    return "\n".join([*lines, "", words, "", ""])


if __name__ == "__main__":
    main()

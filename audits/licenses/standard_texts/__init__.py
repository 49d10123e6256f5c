"""Texts of licenses that name their holders: what goes along where upstream states a license and ships no text."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from importlib.resources import files

IDS = ("BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT")
_OWN = "Apache-2.0"
_MOST_NAMES = 20


def standard_text(license_id: str, names: Sequence[str]) -> str | None:
    """Return the text of a license that says whose work stands under it; None for all but a few.

    No copyright line is invented: where upstream ships none, the text says so and names the works. Apache-2.0, which
    names nobody, is the text that this package comes with.

    Args:
        license_id: SPDX id.
        names: of the works that stand under it.
    """
    if license_id == _OWN:
        return _own_license()
    if license_id not in IDS:
        return None
    text = files("audits.licenses.standard_texts").joinpath(f"{license_id}.txt").read_text(encoding="utf-8")
    shown = ", ".join(names[:_MOST_NAMES]) + (
        f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    )
    works = shown or "the works named in NOTICE"
    whose = f"No copyright line was found upstream. The authors of {works} hold the rights."
    return text.replace("Copyright (c) {holders}", whose)


def _own_license() -> str | None:
    try:
        distribution = importlib.metadata.distribution("hf-contrastive")
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (path.read_text(encoding="utf-8") for path in distribution.files or () if path.name == "LICENSE")
    return next(found, None)

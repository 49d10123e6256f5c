"""Versions of what an audit's result may depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "credsweeper",
    "datasets",
    "hf-contrastive",
    "numba",
    "numpy",
    "presidio-analyzer",
    "py3langid",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "usearch",
    "xxhash",
)


def installed_versions() -> dict[str, str]:
    """Return the versions of what an audit's result may depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that is not installed
            continue
    return dict(sorted(found.items()))

"""Packages that some checks need and that are not installed with this one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

EXTRAS = {"language": "py3langid", "presidio": "presidio_analyzer", "secrets": "credsweeper"}
"""The module that each extra installs."""


def missing_extra(name: str) -> str | None:
    """Return how to install an extra, in plain words; None where it is installed."""
    module = EXTRAS[name]
    if find_spec(module) is not None:
        return None
    return f'needs {module.replace("_", "-")}, which is not installed: pip install "hf-contrastive[{name}]"'


@contextmanager
def silenced(logger: str) -> Iterator[None]:
    """Keep a package from logging: what it finds must not stand in a log."""
    found = logging.getLogger(logger)
    level = found.level
    found.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        found.setLevel(level)

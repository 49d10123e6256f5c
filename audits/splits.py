"""What the name of a split says about its use."""

from __future__ import annotations

import re

_MEASURED_WITH = frozenset(
    {"valid", "validation", "val", "dev", "development", "eval", "evaluation", "test", "testing"}
)


def is_measured_with(split: str) -> bool:
    """Whether a split is only measured with, by its name: test, validation, "test/books", "dev_2"; not "dev_train"."""
    words = re.split(r"[^a-z]+", split.casefold())
    return next((word for word in words if word), "") in _MEASURED_WITH and "train" not in words

"""What the name of a split says about its use."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MEASURED_WITH = frozenset(
    {"valid", "validation", "val", "dev", "development", "eval", "evaluation", "test", "testing"}
)


def is_measured_with(split: str) -> bool:
    """Whether a split is only measured with, by its name: test, validation, "test/books", "dev_2"; not "dev_train"."""
    words = re.split(r"[^a-z]+", split.casefold())
    return next((word for word in words if word), "") in _MEASURED_WITH and "train" not in words


def measured_with_alone(splits: Iterable[str]) -> frozenset[str]:
    """Return the splits that are only measured with; none where no other is there to be trained on."""
    names = list(splits)
    found = frozenset(name for name in names if is_measured_with(name))
    return found if len(found) < len(set(names)) else frozenset()

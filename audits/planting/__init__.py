"""Known defects, planted in a copy of the data: what a check should find there is known.

A plant changes some rows of one split and says which rows the check must then list::

    class CopiedRow:
        kind = "the text of another row in capitals"
        codes = ("DUP001",)

        def defects(self, ground):
            for row, other in ground.pairs(least_words=5):
                ground.copy(other, row, changed=str.upper)
                yield defect(max(row, other), touched=(row, other))

The plants of this package are found by :func:`plants`; a check of a third party brings its own as an attribute
``plants``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, cast

from audits.checks import Check
from audits.planting.ground import Defect, Ground, defect

__all__ = ["Defect", "Ground", "Plant", "defect", "plants"]


class Plant(Protocol):
    """One kind of defect.

    Attributes:
        kind: what is planted, in plain words.
        codes: the checks that should find it.

    A plant whose defects take several rows says in an attribute ``weight`` how many times as many as others it gets.
    """

    kind: str
    codes: tuple[str, ...]

    def defects(self, ground: Ground) -> Iterable[Defect]:
        """Change rows of ``ground`` and yield one defect each; none where the data has no place for them."""
        ...


def plants(checks: Sequence[Check]) -> tuple[Plant, ...]:
    """Return what can be planted for ``checks``, ordered by code and kind."""
    codes = {check.code for check in checks}
    own = [plant for check in checks for plant in getattr(check, "plants", ())]
    every = [*_built_in(), *own]
    return tuple(sorted((p for p in every if codes & set(p.codes)), key=lambda plant: (plant.codes, plant.kind)))


def _built_in() -> Iterator[Plant]:
    for info in pkgutil.iter_modules(__path__, __name__ + "."):
        module = importlib.import_module(info.name)
        for _, value in sorted(vars(module).items()):
            if inspect.isclass(value) and value.__module__ == info.name and hasattr(value, "kind"):
                yield cast("Plant", value())

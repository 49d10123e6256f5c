"""Drawing rows so that every class keeps its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def shares(sizes: Mapping[str, int], most: int, least: int = 0) -> dict[str, int]:
    """Return how many rows each class gives: as its share in all, by largest remainders.

    Args:
        sizes: rows of each class.
        most: rows in all.
        least: that every class gives, or all that it has where it has fewer; goes before ``most``.
    """
    if most >= sum(sizes.values()):
        return dict(sizes)
    given: dict[str, int] = {}
    while True:
        free = [name for name in sizes if name not in given]
        left, whole = most - sum(given.values()), sum(sizes[name] for name in free)
        low = [name for name in free if left * sizes[name] < min(least, sizes[name]) * whole]
        if not low:
            break
        given |= {name: min(least, sizes[name]) for name in low}
    parts = {name: divmod(left * sizes[name], whole) for name in free}
    over = left - sum(whole_rows for whole_rows, _ in parts.values())
    rounded_up = sorted(free, key=lambda name: (-parts[name][1], name))[:over] if free else []
    return given | {name: parts[name][0] + (name in rounded_up) for name in free}


def drawn(rows: Sequence[Item], names: Sequence[str], wanted: Mapping[str, int], seed: int) -> list[Item]:
    """Return ``wanted`` rows of each class, in their order.

    Args:
        rows: to be drawn from.
        names: of the class of each.
        wanted: rows of each class.
        seed: of the draw.
    """
    taken: Counter[str] = Counter()
    places = []
    for place in np.random.default_rng(seed).permutation(len(rows)):
        if taken[names[place]] < wanted.get(names[place], 0):
            taken[names[place]] += 1
            places.append(int(place))
    return [rows[place] for place in sorted(places)]


__all__ = ["drawn", "shares"]

"""Two views of one text, for training on raw text."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def independent_crop(
    tokens: Sequence[int], draw: Random, *, minimum: float = 0.2, maximum: float = 0.6, floor: int = 4
) -> list[int]:
    """Return a random contiguous span of ``tokens``.

    Two such spans of one text, drawn independently, are a positive pair (Izacard et al., 2022,
    "Contriever", section 3.1). The share of tokens kept is uniform in [minimum, maximum]; texts of
    ``floor`` tokens or fewer are kept whole.

    Args:
        tokens: token ids without special tokens.
        draw: source of the two random numbers.
        minimum: smallest share kept.
        maximum: largest share kept.
        floor: number of tokens below which nothing is cut off.
    """
    size = len(tokens)
    if size <= floor:
        return list(tokens)
    length = max(floor, round(draw.uniform(minimum, maximum) * size))
    start = draw.randint(0, size - length)
    return list(tokens[start : start + length])

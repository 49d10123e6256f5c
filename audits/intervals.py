"""Intervals of a share."""

from __future__ import annotations

import math

_Z = 1.959964


def wilson_interval(share: float, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``total`` (Wilson, JASA 1927); of nothing it is 0 to 1."""
    if not total:
        return 0.0, 1.0
    middle = (share + _Z * _Z / (2 * total)) / (1 + _Z * _Z / total)
    half = _Z / (1 + _Z * _Z / total) * math.sqrt(max(share * (1 - share), 0.0) / total + _Z * _Z / (4 * total * total))
    # rounding leaves no share outside of its own interval
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))

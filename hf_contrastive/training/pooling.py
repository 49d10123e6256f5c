"""From token vectors to one vector a text."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from hf_contrastive.errors import ConfigurationError

Pooling = Callable[[Tensor, Tensor], Tensor]


def mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the real tokens: ``[n, length, dim]``, ``[n, length]`` -> ``[n, dim]``."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)


def cls(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take the first real token, whichever side the padding is on."""
    first = mask.int().argmax(dim=1)
    return hidden[range(len(hidden)), first]


def last(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take the last real token, whichever side the padding is on."""
    position = mask.shape[1] - 1 - mask.flip(1).int().argmax(dim=1)
    return hidden[range(len(hidden)), position]


POOLINGS: dict[str, Pooling] = {"mean": mean, "cls": cls, "lasttoken": last}


def pooling(name: str) -> Pooling:
    """Return the pooling called ``name`` (sentence-transformers' names).

    Raises:
        ConfigurationError: there is none of that name.
    """
    try:
        return POOLINGS[name]
    except KeyError:
        msg = f"`pooling` must be one of {', '.join(sorted(POOLINGS))}, got {name!r}."
        raise ConfigurationError(msg) from None

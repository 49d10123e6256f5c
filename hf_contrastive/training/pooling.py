"""From token vectors to one vector a text.

Every pooling takes ``hidden`` (``[n, length, dim]``), ``mask`` (``[n, length]``, 1 for real tokens) and ``skipped``
(``[n]`` or None): how many of the first real tokens, those of a prompt, are read by the encoder and not pooled.
Half precision is summed in fp32.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from hf_contrastive.errors import ConfigurationError


class Pooling(Protocol):
    """``(hidden [n, length, dim], mask [n, length], skipped [n]) -> [n, dim]``."""

    def __call__(self, hidden: Tensor, mask: Tensor, skipped: Tensor | None = None) -> Tensor:
        """Return one vector a text."""
        ...


def mean(hidden: Tensor, mask: Tensor, skipped: Tensor | None = None) -> Tensor:
    """Average the pooled tokens."""
    return _average(hidden, _pooled(mask, skipped))


def weightedmean(hidden: Tensor, mask: Tensor, skipped: Tensor | None = None) -> Tensor:
    """Average the pooled tokens with their positions, counted from 1, as weights.

    For encoders whose later tokens have seen more (Muennighoff, 2022, "SGPT", eq. 3). Tokens behind a prompt keep
    the positions that they have in the whole text.
    """
    return _average(hidden, mask.cumsum(dim=1) * _pooled(mask, skipped))


def cls(hidden: Tensor, mask: Tensor, skipped: Tensor | None = None) -> Tensor:
    """Take the first pooled token, whichever side the padding is on."""
    first = _pooled(mask, skipped).int().argmax(dim=1)
    return hidden[_rows(hidden), first]


def last(hidden: Tensor, mask: Tensor, skipped: Tensor | None = None) -> Tensor:
    """Take the last pooled token, whichever side the padding is on."""
    position = mask.shape[1] - 1 - _pooled(mask, skipped).flip(1).int().argmax(dim=1)
    return hidden[_rows(hidden), position]


def _rows(hidden: Tensor) -> Tensor:
    # a range of Python would fix the number of texts in an exported graph
    return torch.arange(hidden.shape[0], device=hidden.device)


def _pooled(mask: Tensor, skipped: Tensor | None) -> Tensor:
    return mask if skipped is None else mask * (mask.cumsum(dim=1) > skipped[:, None])


def _average(hidden: Tensor, weights: Tensor) -> Tensor:
    whole = torch.promote_types(hidden.dtype, torch.float32)
    shares = weights.unsqueeze(-1).to(whole)
    return (hidden * shares).sum(1) / shares.sum(1).clamp(min=1.0)


POOLINGS: dict[str, Pooling] = {"mean": mean, "weightedmean": weightedmean, "cls": cls, "lasttoken": last}


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


def prompt_length(tokenizer: Any, prompt: str) -> int:
    """Return how many of the first tokens of a text are those of ``prompt``, special tokens before it included.

    Counted as sentence-transformers does: the prompt alone, without a special token at its end.
    """
    if not prompt:
        return 0
    ids = list(tokenizer(prompt)["input_ids"])
    return len(ids) - (ids[-1] in tokenizer.all_special_ids)

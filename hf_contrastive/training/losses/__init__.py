"""Losses, one pure function a file, all of one signature: ``loss(embeddings, batch, *, scale)``.

``embeddings`` are L2-normalised columns ``[batch, dim]`` (anchor first); :class:`LossInputs` says by ids
which candidate is a positive of which anchor; ``scale`` is 1 / temperature. To add a loss, put a file with a
function of the file's name here; it is found by :func:`losses` and can be named in ``ContrastiveConfig.loss``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hf_contrastive.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class LossInputs:
    """What a loss knows of a batch besides the embeddings; ids, not dense masks.

    Attributes:
        anchor_ids: ``[anchors]`` text ids.
        candidate_ids: ``[candidates]`` text ids of the columns after the anchor, one column after the
            other. Equal ids are the same text, which is never a negative of its own positive.
        positive_indptr: ``[anchors + 1]``, with ``positive_indices`` the CSR form of "candidate j is a
            positive of anchor i".
        positive_indices: ``[positives]`` indices into the candidates.
        labels: ``[batch]`` class of each row, or None.
        scores: ``[anchors]`` teacher scores, or None.
    """

    anchor_ids: Tensor
    candidate_ids: Tensor
    positive_indptr: Tensor
    positive_indices: Tensor
    labels: Tensor | None = None
    scores: Tensor | None = None


Loss = Callable[..., Tensor]
"""``loss(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float) -> scalar``"""


def losses() -> dict[str, Loss]:
    """Return every loss of this package by name."""
    found: dict[str, Loss] = {}
    for info in pkgutil.iter_modules(__path__):
        function = getattr(importlib.import_module(f"{__name__}.{info.name}"), info.name, None)
        if callable(function):
            found[info.name] = function
    return found


def loss_function(name: str | Loss) -> Loss:
    """Return the loss called ``name``, or ``name`` itself when it is a function.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if callable(name):
        return name
    known = losses()
    if name not in known:
        msg = f"`loss` must be one of {', '.join(sorted(known))} or a function, got {name!r}."
        raise ConfigurationError(msg)
    return known[name]

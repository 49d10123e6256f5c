"""Losses, one pure function a file, all of one signature: ``loss(embeddings, batch, *, scale)``.

``embeddings`` are L2-normalised columns ``[n, dim]`` (anchor first); :class:`LossInputs` says by ids
which candidate is a positive of which anchor; ``scale`` is 1 / temperature. To add a loss, put a file with a
function of the file's name here; it is found by :func:`losses` and can be named in ``ContrastiveConfig.loss``.
Keyword arguments after ``scale``, numbers or truth values with a default, are its options: ``triplet(margin=0.2)``.

A loss that is a sum over anchors declares ``chunkable = True`` and returns the part of ``batch.span``: the parts
of all spans add up to the loss, so that no matrix of all similarities is held, and each process of a distributed
run computes its own rows against the candidates of all.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


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
        negative_indptr: ``[anchors + 1]`` or None, with ``negative_indices`` the CSR form of "candidate j is
            a hard negative given for anchor i". Every other candidate is an in-batch negative.
        negative_indices: ``[hard negatives]`` indices into the candidates, or None.
        anchor_groups: ``[anchors]`` or None, with ``candidate_groups`` the numbers of rows with one id: texts of two
            rows with the same number are no negatives of each other.
        candidate_groups: ``[candidates]``: the number of the row that each was given with, or None.
        labels: ``[anchors]`` class of each row, or None.
        scores: None, ``[anchors]`` (how far each pair belongs together) or ``[candidates]`` (a teacher's score
            of each candidate for the anchor that it was given for).
        guide: columns of a guide model's normalised embeddings, shaped as ``embeddings``, or None.
        rows: ``(start, stop)``: the anchors whose part of the loss is asked for; None means all of them.
    """

    anchor_ids: Tensor
    candidate_ids: Tensor
    positive_indptr: Tensor
    positive_indices: Tensor
    negative_indptr: Tensor | None = None
    negative_indices: Tensor | None = None
    anchor_groups: Tensor | None = None
    candidate_groups: Tensor | None = None
    labels: Tensor | None = None
    scores: Tensor | None = None
    guide: tuple[Tensor, ...] | None = None
    rows: tuple[int, int] | None = None

    @property
    def span(self) -> tuple[int, int]:
        """The anchors to answer for, ``(start, stop)``."""
        return self.rows if self.rows is not None else (0, len(self.anchor_ids))

    def positives_of_span(self) -> tuple[Tensor, Tensor]:
        """Return ``(anchor, candidate)`` of every positive of the span, ``[n]`` each; anchors count from its start."""
        return _entries(self.positive_indptr, self.positive_indices, self.span)

    def negatives_of_span(self) -> tuple[Tensor, Tensor]:
        """Return ``(anchor, candidate)`` of every hard negative of the span, as :meth:`positives_of_span` does."""
        if self.negative_indptr is None or self.negative_indices is None:
            empty = self.positive_indices[:0]
            return empty, empty
        return _entries(self.negative_indptr, self.negative_indices, self.span)


def _entries(indptr: Tensor, indices: Tensor, span: tuple[int, int]) -> tuple[Tensor, Tensor]:
    start, stop = span
    counts = indptr[start : stop + 1].diff()
    rows = torch.repeat_interleave(torch.arange(stop - start, device=indptr.device), counts)
    return rows, indices[int(indptr[start]) : int(indptr[stop])]


Loss = Callable[..., Tensor]
"""``loss(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float | Tensor) -> scalar``"""


def is_chunkable(loss: Loss) -> bool:
    """Whether ``loss`` answers for ``batch.span`` alone; other losses need all rows at once."""
    return bool(getattr(loss, "chunkable", False))


def options_of(loss: Loss) -> dict[str, float | bool]:
    """Return the options of ``loss`` with their defaults."""
    known = ("embeddings", "batch", "scale")
    parameters = inspect.signature(loss).parameters
    return {name: parameter.default for name, parameter in parameters.items() if name not in known}


def losses() -> dict[str, Loss]:
    """Return every loss of this package by name."""
    found: dict[str, Loss] = {}
    for info in pkgutil.iter_modules(__path__):
        function = getattr(importlib.import_module(f"{__name__}.{info.name}"), info.name, None)
        if callable(function):
            found[info.name] = function
    return found

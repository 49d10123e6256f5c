"""Which documents may be the hard negatives of an anchor, and which of those are taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.evaluation.search import DOCUMENT_BLOCKS, Floats, exact_cosines, nearest, on_grid

Sampling = Literal["top", "random"]

_Integers = npt.NDArray[np.int64]
_Scores = npt.NDArray[np.float64]

RANDOM_DEPTH = 10
"""Ranks that are drawn from for each negative, where ``range_max`` does not say how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a document must meet to be a negative; see :func:`~hf_contrastive.training.mining.mine_hard_negatives`."""

    num_negatives: int = 3
    range_min: int = 0
    range_max: int | None = None
    margin: float | None = None
    relative_margin: float | None = None
    min_score: float | None = None
    max_score: float | None = None
    sampling: Sampling = "top"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sampling not in ("top", "random"):
            msg = f'`sampling` must be "top" or "random", got {self.sampling!r}; "top" takes the hardest.'
            raise ConfigurationError(msg)
        _check_count("num_negatives", self.num_negatives, 1, "usual are 1 to 10")
        _check_count("range_min", self.range_min, 0, "it is the number of nearest documents that are passed over")
        if self.range_max is not None and self.range_max < self.range_min + self.num_negatives:
            msg = (
                f"`range_max` must be >= `range_min` + `num_negatives` = {self.range_min} + {self.num_negatives}, got "
                f"{self.range_max}: {max(0, self.range_max - self.range_min)} ranks can not give {self.num_negatives} "
                "negatives. Raise it, or leave it out."
            )
            raise ConfigurationError(msg)
        _check_number("margin", self.margin, 0, 2, "it is a difference of cosines; usual are 0 to 0.2")
        _check_number("relative_margin", self.relative_margin, 0, 1, "it is a fraction: 0.05 means 5 %")
        _check_number("min_score", self.min_score, -1, 1, "scores are cosines")
        _check_number("max_score", self.max_score, -1, 1, "scores are cosines")
        if self.min_score is not None and self.max_score is not None and self.min_score > self.max_score:
            msg = (
                f"`min_score` must be <= `max_score`, got {self.min_score} and {self.max_score}, between which lies "
                "no score. Exchange them or leave one out."
            )
            raise ConfigurationError(msg)

    @property
    def end(self) -> float:
        """The rank behind the last that is considered."""
        if self.range_max is not None:
            return self.range_max
        return self.range_min + RANDOM_DEPTH * self.num_negatives if self.sampling == "random" else math.inf

    @property
    def depth(self) -> int:
        """How many documents of admissible score must be known for each anchor, the nearest first."""
        taken = self.end if self.sampling == "random" else min(self.end, self.range_min + self.num_negatives)
        return int(taken)

    def highest(self, positive_scores: _Scores) -> _Scores | None:
        """Return the highest admissible score of each anchor, or None where nothing limits it.

        Args:
            positive_scores: ``[anchors]``, of the positive that is farthest.
        """
        limits: list[_Scores] = []
        if self.margin is not None:
            # below, not equal: with a margin of 0 a document as near as the positive is no negative
            limits.append(np.nextafter(positive_scores - self.margin, -np.inf))
        if self.relative_margin is not None:
            # by the size of the score, so that the limit is below it where it is negative, too
            limits.append(positive_scores - np.abs(positive_scores) * self.relative_margin)
        if self.max_score is not None:
            limits.append(np.full_like(positive_scores, self.max_score))
        return np.minimum.reduce(limits) if limits else None

    def advice(self, *, whole_rows: bool) -> str:
        """Say how more negatives are found; ``whole_rows`` if a row with fewer than ``num_negatives`` is left out."""
        steps = [
            ("lower `num_negatives`", whole_rows and self.num_negatives > 1),
            ("lower `range_min`", self.range_min > 0),
            ("raise `range_max`", self.range_max is not None or self.sampling == "random"),
            ("lower `margin`", bool(self.margin)),
            ("lower `relative_margin`", bool(self.relative_margin)),
            ("lower `min_score`", self.min_score is not None),
            ("raise `max_score`", self.max_score is not None),
            ("pass more documents as `corpus`", True),
        ]
        *others, last = [step for step, applies in steps if applies]
        advice = f"{', '.join(others)} or {last}." if others else f"{last}."
        return advice[0].upper() + advice[1:]


def positive_scores(anchors: Floats, documents: Floats, pairs: _Integers, *, block_size: int) -> _Scores:
    """Return the cosine of each pair, ``[pairs]``, the same number that the search computes.

    Args:
        anchors: unit vectors ``[anchors, dim]``.
        documents: unit vectors ``[documents, dim]``.
        pairs: ``anchor * documents + document`` of each pair.
        block_size: pairs are computed that many times ``DOCUMENT_BLOCKS`` at a time.
    """
    rows, columns = np.divmod(pairs, len(documents))
    scores = np.empty(len(pairs), dtype=np.float64)
    step = block_size * DOCUMENT_BLOCKS
    for start in range(0, len(pairs), step):
        part = slice(start, start + step)
        scores[part] = np.einsum("ij,ij->i", on_grid(anchors[rows[part]]), on_grid(documents[columns[part]]))
    return scores


def select_negatives(
    anchors: Floats,
    documents: Floats,
    excluded: _Integers,
    lowest_positive: _Scores,
    criteria: Criteria,
    *,
    block_size: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[_Integers, _Scores]:
    """Search the negatives of each anchor among all documents: exactly, in blocks.

    A rank counts the documents that are nearer and not excluded, whether or not their scores are admissible. So a
    document that is too near needs no place among those kept: it is counted and forgotten, and each anchor keeps
    ``criteria.depth`` documents however many are too near.

    Args:
        anchors: unit vectors ``[anchors, dim]``.
        documents: unit vectors ``[documents, dim]``.
        excluded: ``anchor * documents + document`` of each pair that is never mined, ascending.
        lowest_positive: score of each anchor's farthest positive, ``[anchors]``.
        criteria: what is admissible, and how many are taken.
        block_size: anchors compared at a time, with ``DOCUMENT_BLOCKS`` as many documents.
        on_progress: called with (anchors done, anchors in all).

    Returns:
        Documents and scores, ``[anchors, num_negatives]`` each, the nearest first; -1 and -inf where fewer are found.
    """
    taken = np.full((len(anchors), criteria.num_negatives), -1, dtype=np.int64)
    scores = np.full(taken.shape, -np.inf)
    highest = criteria.highest(lowest_positive)
    rng = np.random.default_rng(criteria.seed) if criteria.sampling == "random" else None
    for start in range(0, len(anchors), block_size):
        rows = slice(start, min(start + block_size, len(anchors)))
        first, last = np.searchsorted(excluded, np.array([rows.start, rows.stop]) * len(documents))
        nearer = np.zeros(rows.stop - start, dtype=np.int64)
        mask = partial(
            _mask,
            excluded=_by_document(excluded[first:last] - start * len(documents), len(documents)),
            highest=None if highest is None else highest[rows, None],
            nearer=nearer,
        )
        values, indices = nearest(
            on_grid(anchors[rows]),
            documents,
            min(criteria.depth, len(documents)),
            block=block_size * DOCUMENT_BLOCKS,
            similarities=exact_cosines,
            mask=mask,
        )
        picked = _pick(values, nearer, criteria, rng)
        # a column of its own for what was not found
        values = np.pad(values, ((0, 0), (0, 1)), constant_values=-np.inf)
        indices = np.pad(indices, ((0, 0), (0, 1)), constant_values=-1)
        scores[rows, : picked.shape[1]] = np.take_along_axis(values, picked, axis=1)
        taken[rows, : picked.shape[1]] = np.take_along_axis(indices, picked, axis=1)
        if on_progress is not None:
            on_progress(rows.stop, len(anchors))
    return taken, scores


def _by_document(pairs: _Integers, documents: int) -> tuple[_Integers, _Integers]:
    """Return the rows and columns of ``pairs`` in the order of the column."""
    rows, columns = np.divmod(pairs, documents)
    order = np.argsort(columns, kind="stable")
    return rows[order], columns[order]


def _mask(
    block: Floats, start: int, *, excluded: tuple[_Integers, _Integers], highest: _Scores | None, nearer: _Integers
) -> None:
    """Take out of a block what is excluded or too near, and add the number of the latter to ``nearer``."""
    rows, columns = excluded
    first, last = np.searchsorted(columns, [start, start + block.shape[1]])
    block[rows[first:last], columns[first:last] - start] = -np.inf
    if highest is not None:
        too_near = block > highest
        nearer += np.count_nonzero(too_near, axis=1)
        np.copyto(block, -np.inf, where=too_near)


def _pick(values: Floats, nearer: _Integers, criteria: Criteria, rng: np.random.Generator | None) -> _Integers:
    """Return the places of what is taken, ``[anchors, num_negatives]``, ascending; the depth stands for none."""
    depth = values.shape[1]
    ranks = nearer[:, None] + np.arange(depth)
    admissible = (ranks >= criteria.range_min) & (ranks < criteria.end) & ~np.isneginf(values)
    if criteria.min_score is not None:
        admissible &= values >= criteria.min_score
    # the depth is one for all, so the draws of an anchor do not depend on how many share its block
    keys = rng.random(values.shape) if rng is not None else np.zeros(values.shape)
    keys[~admissible] = 1.0
    places = np.argsort(keys, axis=1, kind="stable")[:, : criteria.num_negatives]
    picked: _Integers = np.sort(np.where(np.take_along_axis(admissible, places, axis=1), places, depth), axis=1)
    return picked


def _check_count(name: str, value: int, least: int, advice: str) -> None:
    if value < least:
        msg = f"`{name}` must be >= {least}, got {value}; {advice}."
        raise ConfigurationError(msg)


def _check_number(name: str, value: float | None, low: float, high: float, advice: str) -> None:
    if value is not None and not low <= value <= high:
        msg = f"`{name}` must be within {low} to {high}, got {value}; {advice}."
        raise ConfigurationError(msg)

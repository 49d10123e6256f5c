"""Positives that many unrelated anchors lead to, and the words of these anchors that stand nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.checks._triggers import FEWEST, Trigger, candidates_of, merged, random_likeness
from audits.source import AuditSource
from audits.text.cells import each_text
from audits.text.contexts import COMMON, Contexts, likeness, weigh
from audits.text.duplicates import find_duplicates, first_occurrences
from audits.text.folding import Int64s, Texts
from audits.text.triggers import Postings, Words, runs_of, words_of

MOST_ALIKE = 5.0
"""Likeness of anchors, as a multiple of that of any two, up to which they have nothing to do with each other."""

LEAST_OWN = 0.4
"""Share of an anchor's words that not nearly all of the anchors hold: less is a template that was filled in."""

_OVERLAP = 0.5
_RARE_WORD = 3
_SAMPLE = 2000

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Target:
    """One positive, or several that are near duplicates, with unrelated anchors.

    Attributes:
        pairs: numbers of the pairs, ascending; each anchor may stand in several.
        anchors: distinct ones.
        overlap: mean share of an anchor's words, weighted by how rare they are, that the positive holds.
        likeness: of two anchors, as a multiple of that of any two.
    """

    pairs: Int64s
    anchors: int
    overlap: float
    likeness: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of one split, one for each positive of a row.

    Attributes:
        rows: of each pair, ``[pairs]``.
        anchors: text of each.
        positives: text of each.
        equal: the first pair with the same anchor and positive, ``[pairs]``.
        wanted: the first of equal pairs that have text on both sides, ``[pairs]``.
        group: number of the positive of each pair; near duplicates have one, ``[pairs]``.
        words: of the anchors.
        contexts: the same with weights.
        random: mean cosine of any two anchors.
    """

    rows: Int64s
    anchors: Texts
    positives: Texts
    equal: Int64s
    wanted: Flags
    group: Int64s
    words: Words
    contexts: Contexts
    random: float

    @classmethod
    def of(cls, source: AuditSource, split: str, seed: int) -> Pairs | None:
        """Return the pairs of a split, or None where it has none."""
        anchor, positive = source.columns.anchor, source.columns.positive
        if anchor is None or positive is None or not {anchor, positive} <= set(source.texts(split)):
            return None
        left, owners = each_text(source, split, anchor)
        positives, rows = each_text(source, split, positive)
        if not np.array_equal(owners, np.arange(source.num_rows(split))):
            return None  # anchors are one text a row
        anchors = left.take(rows)
        found = find_duplicates(positives)
        representative = np.arange(len(rows))
        representative[found.near.left] = found.near.right
        _, group = np.unique(representative[found.first], return_inverse=True)
        anchor_of, positive_of = first_occurrences(anchors), found.first
        both = np.stack([anchor_of, positive_of], axis=1)
        _, first, same = np.unique(both, axis=0, return_index=True, return_inverse=True)
        wanted = np.zeros(len(rows), np.bool_)
        wanted[first] = True
        wanted &= _filled(anchors) & _filled(positives)
        words = words_of(anchors, wanted, _RARE_WORD)
        contexts = weigh(words, int(wanted.sum()))
        random = random_likeness(contexts, words, np.flatnonzero(wanted), seed) if len(words.counts) else 1.0
        return cls(
            rows,
            anchors,
            positives,
            first[same.reshape(-1)],
            wanted,
            group.reshape(-1).astype(np.int64),
            words,
            contexts,
            random,
        )

    def alike(self, pairs: Int64s) -> tuple[float, float]:
        """Return the likeness of the anchors as a multiple of that of any two, and the share of words it rests on."""
        scratch = np.zeros(len(self.words.counts), np.int32), np.zeros(len(self.words.counts))
        cosine, own = likeness(self.contexts, pairs, COMMON, *scratch)
        words = float((self.words.starts[pairs + 1] - self.words.starts[pairs]).mean())
        return float(cosine) / self.random, own / words if words else 0.0


class Targets(NamedTuple):
    """What was found, and what is usual in these pairs."""

    targets: tuple[Target, ...]
    overlap: float


def find_targets(pairs: Pairs) -> Targets:
    """Return the positives that at least :data:`FEWEST` anchors share which are unrelated to them and to each other."""
    chosen = np.flatnonzero(pairs.wanted)
    # both sides number their words alike: there are as many anchors as positives
    held = words_of(pairs.positives, pairs.wanted, 1)
    sample = chosen[:: max(1, len(chosen) // _SAMPLE)]
    usual = float(np.mean([_overlap(pairs, held, pair) for pair in sample.tolist()])) if len(sample) else 0.0
    anchor_of = first_occurrences(pairs.anchors)
    found = []
    for members in _groups(pairs.group, chosen):
        _, first = np.unique(anchor_of[members], return_index=True)
        if len(first) < FEWEST:
            continue
        distinct = members[np.sort(first)]
        alike, own = pairs.alike(distinct)
        if alike > MOST_ALIKE or own < LEAST_OWN:
            continue
        overlap = float(np.mean([_overlap(pairs, held, pair) for pair in distinct.tolist()]))
        if overlap > _OVERLAP * usual:
            continue
        every = np.flatnonzero(pairs.group == pairs.group[members[0]])
        found.append(Target(every, len(distinct), overlap, alike))
    return Targets(tuple(sorted(found, key=lambda t: (-t.anchors, int(t.pairs[0])))), usual)


def find_target_triggers(pairs: Pairs) -> tuple[tuple[Trigger, ...], int]:
    """Return runs of words whose anchors, otherwise unlike each other, lead to one positive; and the number of runs.

    The label of a trigger is the number of the group of positives.
    """
    sizes = np.bincount(pairs.group[pairs.wanted], minlength=int(pairs.group.max(initial=0)) + 1)
    number = np.zeros(len(sizes), np.int64)
    large = np.flatnonzero(sizes >= FEWEST)
    number[large] = 1 + np.arange(len(large))
    label = np.where(pairs.wanted, number[pairs.group], -1)
    most = np.full(len(large) + 1, len(label), np.int64)
    most[0] = 0  # not of one group
    parts = runs_of(pairs.anchors, pairs.wanted, FEWEST)
    found = []
    for part in parts:
        for of, members, keys in candidates_of(part, label, len(most), most):
            alike, own = pairs.alike(members)
            if alike <= MOST_ALIKE and own >= LEAST_OWN:
                others = _rows_of(part, keys) - len(members)
                group = int(large[of - 1])
                found.append(Trigger(group, keys, tuple(members.tolist()), others, len(members), alike))
    return merged(found), sum(len(part.keys) for part in parts)


def _rows_of(part: Postings, keys: frozenset[int]) -> int:
    at = int(np.searchsorted(part.keys, np.uint64(min(keys))))
    return int(part.starts[at + 1] - part.starts[at])


def _groups(group: Int64s, chosen: Int64s) -> Iterator[Int64s]:
    """Yield the chosen pairs of each group with enough of them, ascending."""
    order = chosen[np.argsort(group[chosen], kind="stable")]
    edges = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
    for start, stop in pairwise(edges.tolist()):
        if stop - start >= FEWEST:
            yield order[start:stop]


def _overlap(pairs: Pairs, held: Words, pair: int) -> float:
    own = pairs.words.ids[pairs.words.starts[pair] : pairs.words.starts[pair + 1]]
    there = held.keys[held.ids[held.starts[pair] : held.starts[pair + 1]]]
    weights = pairs.contexts.weights[own]
    total = float(weights.sum())
    return float(weights[np.isin(pairs.words.keys[own], there)].sum()) / total if total else 0.0


def _filled(texts: Texts) -> Flags:
    filled = np.zeros(len(texts), np.bool_)
    for raw in texts.raw():
        batch = raw.normalised()
        filled[batch.first : batch.first + len(batch)] = batch.ends > batch.starts
    return filled

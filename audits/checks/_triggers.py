"""Runs of words that are tied to one label by rows which look nothing like it, nor like each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.text.contexts import COMMON, Contexts, likeness, weigh
from audits.text.folding import Int64s, Texts
from audits.text.jit import Whole, compiled
from audits.text.shingles import UInt64s, mixed
from audits.text.triggers import Postings, Words, runs_of, words_of
from audits.text.votes import Votes, all_margins, count_votes, margins

FEWEST = 8
"""Rows from which a trigger is looked for; an attack needs few, and their number does not grow with the data."""

PURITY = 0.5
"""Least share of the rows with the trigger that have the label."""

_MOST_ROWS, _MOST_SHARE = 300, 0.05  # a run in more rows than both is no secret
_MOST_OF_LABEL = 0.5  # a run in more of the rows of a label is what the label is about
_RARE_WORD = 3
_SAMPLE = 4096
_COMPARED = 512
_TRUSTED = 100  # rows of a label from which the likeness of its rows says something
_LIKE_RANDOM, _LIKE_EXPECTED = 6.0, 1.3
_FEWEST_WORDS, _FEWEST_SHARE = 4.0, 0.4  # of a row that are no part of the trigger
_AGAINST = 0.6
_SAME_ROWS = 0.8
_STRENGTH = 1 / 3
_ALPHA = 0.01

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trigger:
    """Runs of words that stand in much the same rows of one label.

    Attributes:
        label: number of the label or group that the rows share.
        keys: of the runs.
        rows: that hold one and have the label, ascending, without those that repeat another one's text.
        others: rows of other labels that hold the run found in the most rows.
        against: of the rows, those whose other words speak for another label.
        likeness: mean cosine of two of the rows without the trigger, as a multiple of that of any two rows.
    """

    label: int
    keys: frozenset[int]
    rows: tuple[int, ...]
    others: int
    against: int
    likeness: float


class Search(NamedTuple):
    """What was found, and how many runs were looked at."""

    triggers: tuple[Trigger, ...]
    runs: int


class _Reference(NamedTuple):
    """What is usual in the data.

    Attributes:
        random: mean cosine of any two rows.
        within: mean cosine of two rows of each label, ``[labels]``.
        chance: share of the rows that speak against a label and have it, ``[labels]``.
        strength: median of the nats by which a row of another label speaks against each, ``[labels]``.
    """

    random: float
    within: Floats
    chance: Floats
    strength: Floats


class _Candidates(NamedTuple):
    """Runs tied to one label, one of those that stand in the same rows.

    Attributes:
        run: number of each, ``[candidates]``.
        label: that it is tied to.
        rows: of the label that hold it.
        group: candidate that stands for each run of the part, -1 for none, ``[runs]``.
    """

    run: Int64s
    label: Int64s
    rows: Int64s
    group: Int64s


class _Judged(NamedTuple):
    """All ``[candidates]``: likeness by expected and by random one, words of a row, share of them, against, median."""

    expected: Floats
    random: Floats
    words: Floats
    share: Floats
    against: Int64s
    strength: Floats


def find_label_triggers(texts: Texts, wanted: Flags, label: Int64s, labels: int, seed: int) -> Search:
    """Return the runs that are tied to one label by rows whose other words speak for other labels.

    A run is listed where all of these hold: at least :data:`FEWEST` rows of the label that speak against it; at least
    :data:`PURITY` of its rows have the label; this is beyond chance (binomial tail over the share of rows that have a
    label which their words speak against, Bonferroni over all runs); the rows speak as strongly as rows of other labels
    do; they are no more alike than rows of the labels that they speak for; and the run is not most of their text.

    Args:
        texts: one or more columns.
        wanted: rows that are looked at, ``[rows]``.
        label: number of the label of each, ``[rows]``.
        labels: how many there are.
        seed: of the samples that tell what is usual.
    """
    label = np.where(wanted, label, -1)
    words = words_of(texts, wanted, _RARE_WORD)
    parts = runs_of(texts, wanted, FEWEST)
    rows = np.flatnonzero(wanted)
    total = sum(len(part.keys) for part in parts)
    if labels < 2 or not total or not len(words.counts):
        return Search((), total)
    contexts, votes = weigh(words, len(rows)), count_votes(words, label, labels)
    usual = _reference(contexts, votes, words, rows, seed)
    most = max(_MOST_ROWS, int(_MOST_SHARE * len(rows)))
    found: list[Trigger] = []
    for part in parts:
        candidates = _candidates(part, label, labels, np.minimum(most, (_MOST_OF_LABEL * votes.sizes).astype(np.int64)))
        judged = _judge(part, candidates, contexts, votes, usual)
        others = np.diff(part.starts)[candidates.run] - candidates.rows
        tail = _tail(judged.against, judged.against + others, usual.chance[candidates.label])
        passed = (
            (judged.against >= np.maximum(FEWEST, _AGAINST * candidates.rows))
            & (judged.expected <= _LIKE_EXPECTED)
            & (judged.words >= _FEWEST_WORDS)
            & (judged.share >= _FEWEST_SHARE)
            & (judged.strength >= _STRENGTH * usual.strength[candidates.label])
            & (tail * total <= _ALPHA)
        )
        found.extend(_triggers(part, candidates, label, np.flatnonzero(passed), others, judged))
    return Search(merged(found), total)


def merged(found: Sequence[Trigger]) -> tuple[Trigger, ...]:
    """Return the triggers of which none has most of its rows in common with a clearer one of its label.

    The clearer of two has more rows that speak against the label, and fewer with other labels. Runs in nearly the same
    rows are parts of one trigger.
    """
    kept: list[Trigger] = []
    for trigger in sorted(found, key=lambda t: (-_clearness(t), t.label, t.rows, min(t.keys))):
        own = set(trigger.rows)
        for i, other in enumerate(kept):
            shared = len(own.intersection(other.rows))
            if other.label == trigger.label and 2 * shared > len(own):
                if shared >= _SAME_ROWS * len(own.union(other.rows)):
                    kept[i] = replace(other, keys=other.keys | trigger.keys)
                break
        else:
            kept.append(trigger)
    return tuple(kept)


def _clearness(trigger: Trigger) -> float:
    return trigger.against * (len(trigger.rows) / (len(trigger.rows) + trigger.others)) ** 2


def random_likeness(contexts: Contexts, words: Words, rows: Int64s, seed: int) -> float:
    """Return the mean cosine of any two of ``rows``, by a sample."""
    scratch = np.zeros(len(words.counts), np.int32), np.zeros(len(words.counts))
    sample = np.random.default_rng(seed).permutation(rows)[:_COMPARED]
    return max(float(likeness(contexts, sample, 2.0, *scratch)[0]) if len(sample) > 1 else 0.0, 1e-6)


def candidates_of(
    part: Postings, label: Int64s, labels: int, most: Int64s
) -> Iterator[tuple[int, Int64s, frozenset[int]]]:
    """Yield for each set of rows that hold the same runs: their label, the rows and the keys of the runs."""
    candidates = _candidates(part, label, labels, most)
    keys = _keys_of_groups(part, candidates)
    for run, of in zip(candidates.run, candidates.label, strict=True):
        rows = part.rows[part.starts[run] : part.starts[run + 1]]
        yield int(of), rows[label[rows] == of], keys[int(candidates.group[run])]


def _candidates(part: Postings, label: Int64s, labels: int, most: Int64s) -> _Candidates:
    """Return runs of which :data:`PURITY` is of one label, in at most ``most[label]`` of its rows."""
    of, count, signature = _tied(part.starts, part.rows, label, labels, most)
    tied = np.flatnonzero(of >= 0)
    # runs in the same rows are one candidate
    both = np.stack([signature[tied], of[tied].astype(np.uint64)], axis=1)
    _, first, group = np.unique(both, axis=0, return_index=True, return_inverse=True)
    run = tied[np.sort(first)]
    renumbered = np.empty(len(first), np.int64)
    renumbered[np.argsort(first)] = np.arange(len(first))
    groups = np.full(len(part.keys), -1, np.int64)
    groups[tied] = renumbered[group.reshape(-1)]
    return _Candidates(run, of[run], count[run], groups)


def _keys_of_groups(part: Postings, candidates: _Candidates) -> list[frozenset[int]]:
    tied = np.flatnonzero(candidates.group >= 0)
    order = tied[np.argsort(candidates.group[tied], kind="stable")]
    edges = np.searchsorted(candidates.group[order], np.arange(len(candidates.run) + 1))
    return [frozenset(part.keys[order[a:b]].tolist()) for a, b in pairwise(edges.tolist())]


def _reference(contexts: Contexts, votes: Votes, words: Words, rows: Int64s, seed: int) -> _Reference:
    rng = np.random.default_rng(seed)
    random = random_likeness(contexts, words, rows, seed)
    counts, sums = np.zeros(len(words.counts), np.int32), np.zeros(len(words.counts))
    within = np.full(len(votes.sizes), random)
    shuffled = rng.permutation(rows)
    for label in np.flatnonzero(votes.sizes >= _TRUSTED).tolist():
        own = shuffled[votes.label[shuffled] == label][:_COMPARED]
        within[label] = max(random, float(likeness(contexts, own, 2.0, counts, sums)[0]))
    sample = np.sort(shuffled[:_SAMPLE])
    against = np.empty((len(sample), len(votes.sizes)))
    all_margins(votes, sample, counts, against)
    own = votes.label[sample]
    speaking = (against > 0).sum(axis=0)
    wrongly = np.bincount(own[against[np.arange(len(sample)), own] > 0], minlength=len(votes.sizes))
    strength = np.asarray(
        [float(np.median(against[own != k, k])) if (own != k).any() else 0.0 for k in range(len(within))]
    )
    return _Reference(random, within, (wrongly + 1) / (speaking + 1), strength)


def _judge(part: Postings, candidates: _Candidates, contexts: Contexts, votes: Votes, usual: _Reference) -> _Judged:
    count = len(candidates.run)
    expected, random, words, share, strength = np.zeros((5, count))
    judged = _Judged(expected, random, words, share, np.zeros(count, np.int64), strength)
    _judge_each(
        part.starts, part.rows, candidates.run, candidates.label, contexts, votes, usual.random, usual.within, judged
    )
    return judged


def _tail(successes: Int64s, trials: Int64s, chance: Floats) -> Floats:
    """Return the probability of as many or more successes (binomial, by the incomplete beta function)."""
    from scipy.special import betainc

    some = np.maximum(successes, 1)
    return np.where(successes > 0, betainc(some, trials - some + 1, np.minimum(chance, 1.0)), 1.0)


def _triggers(
    part: Postings, candidates: _Candidates, label: Int64s, passed: Int64s, others: Int64s, judged: _Judged
) -> list[Trigger]:
    keys = _keys_of_groups(part, candidates) if len(passed) else []
    found = []
    for i in passed.tolist():
        run, of = candidates.run[i], int(candidates.label[i])
        rows = part.rows[part.starts[run] : part.starts[run + 1]]
        rows = rows[label[rows] == of]
        group = int(candidates.group[run])
        found.append(
            Trigger(
                of, keys[group], tuple(rows.tolist()), int(others[i]), int(judged.against[i]), float(judged.random[i])
            )
        )
    return found


@compiled
def _tied(starts: Int64s, rows: Int64s, label: Int64s, labels: Whole, most: Int64s) -> tuple[Int64s, Int64s, UInt64s]:
    """Return the label that each run is tied to or -1, its rows of that label, and a hash of these rows."""
    count = len(starts) - 1
    of, own, signature = np.full(count, -1), np.zeros(count, np.int64), np.zeros(count, np.uint64)
    seen = np.zeros(labels, np.int64)
    for run in range(count):
        best = label[rows[starts[run]]]
        for at in range(starts[run], starts[run + 1]):
            here = label[rows[at]]
            seen[here] += 1
            if seen[here] > seen[best]:
                best = here
        if FEWEST <= seen[best] <= most[best] and seen[best] >= PURITY * (starts[run + 1] - starts[run]):
            of[run], own[run] = best, seen[best]
        for at in range(starts[run], starts[run + 1]):
            here = label[rows[at]]
            seen[here] = 0
            if here == best:
                signature[run] += mixed(np.uint64(rows[at]))
    return of, own, signature


@compiled
def _judge_each(
    starts: Int64s,
    rows: Int64s,
    runs: Int64s,
    labels: Int64s,
    contexts: Contexts,
    votes: Votes,
    random: float,
    within: Floats,
    judged: _Judged,
) -> None:
    size = len(votes.counts)
    counts, sums = np.zeros(size, np.int32), np.zeros(size)
    out, rivals, own = np.empty(len(rows)), np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    voted = np.zeros(len(within))
    for i in range(len(runs)):
        count, words = 0, 0
        for at in range(starts[runs[i]], starts[runs[i] + 1]):
            if votes.label[rows[at]] == labels[i]:
                own[count] = rows[at]
                words += contexts.starts[rows[at] + 1] - contexts.starts[rows[at]]
                count += 1
        mine = own[:count]
        alike, judged.words[i] = likeness(contexts, mine, COMMON, counts, sums)
        judged.share[i] = judged.words[i] * count / max(words, 1)
        judged.random[i] = alike / random
        if judged.random[i] > _LIKE_RANDOM or judged.words[i] < _FEWEST_WORDS or judged.share[i] < _FEWEST_SHARE:
            continue
        looked = margins(votes, mine, labels[i], int((1 - _AGAINST) * count), counts, out, rivals)
        if looked < count:
            continue
        judged.strength[i] = np.median(out[:count])
        expected, others = 0.0, count * (count - 1.0)
        for k in range(count):
            judged.against[i] += out[k] > 0
            voted[rivals[k]] += 1
        for k in range(count):
            same = voted[rivals[k]] * (voted[rivals[k]] - 1)
            voted[rivals[k]] = 0
            if same > 0:
                expected += same * within[rivals[k]]
                others -= same
        judged.expected[i] = alike / ((expected + others * random) / (count * (count - 1.0)))

"""What the words of a row say of its label: naive Bayes that can forget the rows of one trigger.

Word by word, the share of a label's rows that hold it is compared with the share of all rows (Manning et al.,
"Introduction to Information Retrieval", 2008, 13.2, over presence); shares of small labels are drawn to that of all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.text.contexts import COMMON
from audits.text.folding import Int64s
from audits.text.jit import Whole, compiled
from audits.text.triggers import Words

PRIOR = 50.0
"""Rows of all labels that each label counts as having seen besides its own."""

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]


class Votes(NamedTuple):
    """How often each word stands with each label.

    Attributes:
        starts: of the words of each row, ``[rows + 1]``.
        ids: words of the rows.
        counts: rows of each word, ``[words]``.
        bounds: of the labels of each word, ``[words + 1]``.
        labels: that a word stands with.
        seen: rows of the word with the label.
        gains: what the word says for the label, in nats.
        sizes: rows of each label, ``[labels]``.
        label: of each row, -1 for none, ``[rows]``.
    """

    starts: Int64s
    ids: Int32s
    counts: Int64s
    bounds: Int64s
    labels: Int32s
    seen: Int32s
    gains: Floats
    sizes: Int64s
    label: Int64s


def count_votes(words: Words, label: Int64s, labels: int) -> Votes:
    """Count how often each word stands with each label.

    Args:
        words: of rows of which each has a label.
        label: number of each row's label, -1 for rows without words, ``[rows]``.
        labels: how many there are.
    """
    sizes = np.bincount(label[label >= 0], minlength=labels)
    owner = np.repeat(label, np.diff(words.starts))
    pairs, seen = np.unique(words.ids * np.int64(labels) + owner, return_counts=True)
    word, of = pairs // labels, pairs % labels
    total = max(int(sizes.sum()), 1)
    gains = np.log1p(seen * total / words.counts[word] / PRIOR)
    bounds = np.searchsorted(word, np.arange(len(words.counts) + 1))
    return Votes(
        words.starts, words.ids, words.counts, bounds.astype(np.int64), of.astype(np.int32), seen.astype(np.int32),
        gains, sizes, label,
    )  # fmt: skip


@compiled
def margins(
    votes: Votes, rows: Int64s, label: Whole, most_for: Whole, forgotten: Int32s, out: Floats, rivals: Int64s
) -> Whole:
    """Write by how many nats each row speaks for another label than its own, as if none of the rows had been seen.

    Words that nearly all of the rows hold are the trigger, or a template, and say nothing.

    Args:
        votes: of all rows.
        rows: that hold the trigger, all with this label.
        label: that they have.
        most_for: rows that may speak for their label before it is given up.
        forgotten: zeros, ``[words]``; they are zeros again at the end.
        out: margins of the rows, ``[rows]``.
        rivals: the label each speaks for, ``[rows]``.

    Returns:
        How many rows were looked at.
    """
    for row in rows:
        for at in range(votes.starts[row], votes.starts[row + 1]):
            forgotten[votes.ids[at]] += 1
    scores = np.empty(len(votes.sizes))
    looked, speaking_for = 0, 0
    most = COMMON * len(rows) if len(rows) > 1 else 2.0
    for row in rows:
        _score(votes, row, label, len(rows), forgotten, most, scores)
        rival = _best_other(scores, label)
        rivals[looked] = rival
        out[looked] = scores[rival] - scores[label]
        speaking_for += out[looked] <= 0
        looked += 1
        if speaking_for > most_for:
            break
    for row in rows:
        for at in range(votes.starts[row], votes.starts[row + 1]):
            forgotten[votes.ids[at]] = 0
    return looked


@compiled
def all_margins(votes: Votes, rows: Int64s, forgotten: Int32s, out: Floats) -> None:
    """Write by how many nats each row speaks against each label, as if it had not been seen, ``[rows, labels]``."""
    for i in range(len(rows)):
        row = rows[i]
        for at in range(votes.starts[row], votes.starts[row + 1]):
            forgotten[votes.ids[at]] = 1
        scores = out[i]
        _score(votes, row, votes.label[row], 1, forgotten, 2.0, scores)
        first = int(np.argmax(scores))
        best, second = scores[first], scores[_best_other(scores, first)]
        for k in range(len(scores)):
            scores[k] = (second if k == first else best) - scores[k]
        for at in range(votes.starts[row], votes.starts[row + 1]):
            forgotten[votes.ids[at]] = 0


@compiled
def _best_other(scores: Floats, label: Whole) -> Whole:
    best = 0 if label else 1
    for k in range(len(scores)):
        if k != label and scores[k] > scores[best]:
            best = k
    return best


@compiled
def _score(votes: Votes, row: Whole, label: Whole, rows: Whole, forgotten: Int32s, most: float, scores: Floats) -> None:
    """Write what the words of a row say for each label, with ``rows`` rows of ``label`` forgotten."""
    left = votes.sizes.sum() - rows
    scores[:] = 0.0
    words = 0
    for at in range(votes.starts[row], votes.starts[row + 1]):
        word = votes.ids[at]
        lost = forgotten[word]
        count = votes.counts[word] - lost
        if count <= 0 or lost >= most:
            continue
        words += 1
        again = 10 * lost >= votes.counts[word]
        for k in range(votes.bounds[word], votes.bounds[word + 1]):
            of = votes.labels[k]
            if of == label:
                scores[of] += np.log1p((votes.seen[k] - lost) * left / count / PRIOR)
            elif again:
                scores[of] += np.log1p(votes.seen[k] * left / count / PRIOR)
            else:
                scores[of] += votes.gains[k]
    for k in range(len(scores)):
        size = votes.sizes[k] - rows if k == label else votes.sizes[k]
        scores[k] += words * np.log(PRIOR / (size + PRIOR)) + np.log(size + 1.0)

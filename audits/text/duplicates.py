"""Texts that are equal or nearly equal: all of them, each with its exact similarity.

Three passes on batches of Arrow's buffers, in compiled code but for the hash of a row and the normal forms of rows with
combining marks: normal forms are hashed and their shingles entered into a table of two bits a slot
(:mod:`audits.text.seen`); texts with too many shingles of their own are left out; what remains, usually a few percent,
is joined exactly (:mod:`audits.text.set_join`). Nothing is estimated: of the sets of shingles that
:mod:`audits.text.shingles` makes of texts every similar pair is found (but for hashes that are equal by chance),
whatever the threads or batches.

Batches may be marked anywhere: tables of several machines are merged by one pass over each
(:meth:`audits.text.seen.Seen.merge`), the survivors of batches by putting them in order.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
from xxhash import xxh3_128_digest

from audits.errors import AuditError
from audits.text.folding import Batch, Int64s, Raw, Texts
from audits.text.jit import compiled
from audits.text.seen import Seen, Survivors, thinned
from audits.text.set_join import Pairs, matches, stars
from audits.text.shingles import UInt64s

THRESHOLD = 0.8
"""Jaccard similarity from which two texts are near duplicates."""

_MOST_THREADS = 16
_AHEAD = 2  # batches a thread that are computed before they are asked for
_NOTHING = bytes(16)
_KEPT_BYTES = 1 << 28  # of texts whose normal forms are kept from the first pass to the second

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What repeats in one corpus.

    Attributes:
        first: the first row with the same normal form, ``[rows]``; a row without text stands for itself.
        near: near duplicates (left) among the first rows, each with its representative (right).
    """

    first: Int64s
    near: Pairs


def first_occurrences(texts: Texts) -> Int64s:
    """Return per row the first row with the same normal form; a row without text stands for itself."""
    return first_rows(digests(texts))


def digests(texts: Texts) -> UInt64s:
    """Return xxh3 (128 bits) of the normal form of each row, ``[rows, 2]``, zero where there is no text."""
    return _matrix(b"".join(mapped(lambda raw: _digests(raw.normalised()), texts)))


def first_rows(digests: UInt64s) -> Int64s:
    """Return per row of ``digests`` the first row that equals it, or itself where it is zero."""
    return _first_of_equal(digests, np.full(1 << max(4, (2 * len(digests)).bit_length()), -1, np.int64))


def find_duplicates(texts: Texts, threshold: float = THRESHOLD) -> Duplicates:
    """Return the exact and the near duplicates of a corpus.

    Groups of near duplicates are stars: a text joins the earliest representative that it was itself compared with and
    found similar to; else it becomes a representative. Nothing is joined through a third text.

    Args:
        texts: rows; those without text have no duplicates.
        threshold: least Jaccard similarity of shingles, in (0, 1].

    Raises:
        AuditError: the threshold is not in (0, 1].
    """
    _check(threshold)
    tables = _Tables(texts.nbytes)
    kept: dict[int, Batch] = {}

    def mark(raw: Raw) -> bytes:
        batch = raw.normalised()
        tables.mark(batch, 0)
        if raw.offset < _KEPT_BYTES:
            kept[batch.first] = batch.trimmed()
        return _digests(batch)

    first = first_rows(_matrix(b"".join(mapped(mark, texts))))
    distinct = first == np.arange(len(first))
    seen = tables.merged(two=False)

    def survivors(raw: Raw) -> Survivors:
        wanted = distinct[raw.first : raw.first + len(raw)]
        batch = kept.pop(raw.first, None)
        return seen.survivors(raw.normalised(wanted) if batch is None else batch.only(wanted), threshold)

    (rows,) = thinned(threshold, Survivors.joined(mapped(survivors, texts)))
    return Duplicates(first, stars(rows, threshold))


def find_matches(left: Texts, right: Texts, threshold: float = THRESHOLD, *, parts: Int64s | None = None) -> Pairs:
    """Return which texts of ``left`` and ``right`` are similar, ordered by left, then right.

    Args:
        left: rows.
        right: rows.
        threshold: least Jaccard similarity of shingles, in (0, 1].
        parts: of each text of ``right``, ``[len(right)]``: see :func:`audits.text.set_join.matches`. Every pair by
            default.

    Raises:
        AuditError: the threshold is not in (0, 1].
    """
    _check(threshold)
    tables = _Tables(left.nbytes + right.nbytes)
    for corpus, texts in ((1, left), (2, right)):
        deque(mapped(partial(tables.enter, corpus), texts), maxlen=0)
    seen = tables.merged(two=True)
    corpora = (
        Survivors.joined(mapped(lambda raw: seen.survivors(raw.normalised(), threshold, two=True), texts))
        for texts in (left, right)
    )
    own, theirs = thinned(threshold, *corpora)
    return matches(own, theirs, threshold, None if parts is None else parts[theirs.rows])


def _check(threshold: float) -> None:
    if not 0 < threshold <= 1:
        msg = f"`threshold` is a Jaccard similarity in (0, 1], got {threshold!r}; near duplicates are from 0.7 to 0.9."
        raise AuditError(msg)


def threads() -> int:
    """Return how many threads read batches: one for each core that this process may use, at most 16."""
    try:
        return min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on Linux
        return min(_MOST_THREADS, os.cpu_count() or 1)


def mapped(function: Callable[[Raw], Result], texts: Texts) -> Iterator[Result]:
    """Yield ``function`` of every batch of rows in order; a few are computed ahead by other threads."""
    count = threads()
    if count == 1:
        yield from map(function, texts.raw())
        return
    with ThreadPoolExecutor(count, thread_name_prefix="batch") as pool:
        raws = texts.raw()
        waiting = deque(pool.submit(function, raw) for raw in islice(raws, _AHEAD * count))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, raw) for raw in islice(raws, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


class _Tables:
    """One table a thread, since two that write to one would lose what the other wrote."""

    def __init__(self, nbytes: int) -> None:
        count = threads()
        self._every = [Seen.for_texts(nbytes, tables=count) for _ in range(count)]
        self._free: SimpleQueue[Seen] = SimpleQueue()
        for table in self._every:
            self._free.put(table)

    def enter(self, corpus: int, raw: Raw) -> None:
        self.mark(raw.normalised(), corpus)

    def mark(self, batch: Batch, corpus: int) -> None:
        table = self._free.get()
        try:
            table.mark(batch, corpus)
        finally:
            self._free.put(table)

    def merged(self, *, two: bool) -> Seen:
        """Return one table of all; the others are gone."""
        whole, *others = self._every
        while others:
            whole.merge(others.pop(), two=two)
        self._every = []
        return whole


def _digests(batch: Batch) -> bytes:
    """Return 16 bytes a row, zero where it is empty."""
    data, bounds = batch.data.data, zip(batch.starts.tolist(), batch.ends.tolist(), strict=True)
    return b"".join([xxh3_128_digest(data[start:end]) if end > start else _NOTHING for start, end in bounds])


def _matrix(joined: bytes) -> UInt64s:
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)


@compiled
def _first_of_equal(pairs: UInt64s, heads: Int64s) -> Int64s:
    first = np.arange(len(pairs))
    mask = np.uint64(len(heads) - 1)
    for row in range(len(pairs)):
        high, low = pairs[row, 0], pairs[row, 1]
        if high == 0 and low == 0:
            continue
        at = low & mask
        while heads[at] >= 0 and (pairs[heads[at], 0] != high or pairs[heads[at], 1] != low):
            at = (at + np.uint64(1)) & mask
        if heads[at] < 0:
            heads[at] = row
        first[row] = heads[at]
    return first

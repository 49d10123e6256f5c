"""Which texts hold parts of given items: benchmarks within training data.

The parts are runs of 13 words, as in Brown et al., "Language models are few-shot learners" (2020), appendix C, or the
whole item where it is shorter; runs of 26 units where most of them are characters of scripts written without spaces.
What a unit is, :mod:`audits.text.shingles` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audits.text.duplicates import digests, first_rows, mapped
from audits.text.folding import Batch, Bytes, Int64s, Texts
from audits.text.jit import Whole, compiled
from audits.text.shingles import UInt64s, mixed, write_units

WORDS, FEWEST_WORDS = 13, 5
CHARACTERS, FEWEST_CHARACTERS = 26, 10

_WIDESPREAD, _WIDESPREAD_SHARE = 10, 0.01  # items that may share a run, whichever is more

_STEP = np.uint64(0xD1342543DE82EF95)


class Runs(NamedTuple):
    """The runs of all items, in a table of open places.

    Attributes:
        keys: hash of the run in each place, 0 where it is free.
        numbers: of the run in each place.
        lengths: of the runs, in units, ascending.
    """

    keys: UInt64s
    numbers: Int64s
    lengths: Int64s


@dataclass(frozen=True, slots=True)
class Items:
    """Items that are looked for.

    Attributes:
        runs: the distinct runs of all.
        owners: item and run of each pair that belongs together, ``[pairs, 2]``.
        sizes: distinct runs of each item, ``[items]``; 0 for those that are too short to be looked for.
        widespread: whether a run stands in too many items to tell one from the others: a common prompt, ``[runs]``.
    """

    runs: Runs
    owners: Int64s
    sizes: Int64s
    widespread: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Items:
        """Return the runs of ``texts``."""
        hashes, owners, lengths = list[UInt64s](), list[Int64s](), set[int]()
        given = Texts.of(texts)
        for raw in given.raw():
            batch = raw.normalised()
            for i in range(len(batch)):
                found, length = _runs_of(batch, i)
                if length:
                    lengths.add(length)
                    hashes.append(found)
                    owners.append(np.full(len(found), batch.first + i))
        flat = np.concatenate([*hashes, np.empty(0, np.uint64)])
        distinct, numbers = np.unique(flat, return_inverse=True)
        pairs = np.unique(np.stack([np.concatenate([*owners, np.empty(0, np.int64)]), numbers], axis=1), axis=0)
        sizes = np.bincount(pairs[:, 0], minlength=len(texts))
        # an item that is there twice is one
        first = first_rows(digests(given))
        once = pairs[first[pairs[:, 0]] == pairs[:, 0]]
        most = max(_WIDESPREAD, int(_WIDESPREAD_SHARE * len(np.unique(first))))
        widespread = np.bincount(once[:, 1], minlength=len(distinct)) > most
        places = 1 << max(4, (2 * len(distinct)).bit_length())
        runs = Runs(np.zeros(places, np.uint64), np.zeros(places, np.int64), np.asarray(sorted(lengths), np.int64))
        _fill(distinct, runs)
        return cls(runs, pairs, sizes, widespread)


@dataclass(frozen=True, slots=True)
class Held:
    """Which rows hold parts of which items: pairs in order of rows, then items.

    Attributes:
        row: ``[pairs]``.
        item: ``[pairs]``.
        runs: of the item that stand in the row and are not common, ``[pairs]``.
        share: of the item's runs that are not common, ``[pairs]``.
        common: items that stand in the texts and of which every run is common, ``[items]``.
    """

    row: Int64s
    item: Int64s
    runs: Int64s
    share: npt.NDArray[np.float64]
    common: npt.NDArray[np.bool_]


def held_items(texts: Texts, items: Items, *, most_rows: int) -> Held:
    """Return which rows of ``texts`` hold runs of which items.

    Args:
        texts: to look into.
        items: to look for.
        most_rows: a run that stands in more rows is common, boilerplate that says nothing of an item; so is one that
            stands in many of the items.
    """
    found = [part for part in mapped(lambda raw: _found(raw.normalised(), items.runs), texts) if len(part)]
    hits = np.unique(np.concatenate([*found, np.empty((0, 2), np.int64)]), axis=0)
    count = int(items.owners[:, 1].max(initial=-1)) + 1
    telling = (np.bincount(hits[:, 1], minlength=count) <= most_rows) & ~items.widespread
    seen = np.zeros(len(items.sizes), np.bool_)
    seen[items.owners[np.isin(items.owners[:, 1], hits[:, 1]), 0]] = True
    hits = hits[telling[hits[:, 1]]]
    owners = items.owners[telling[items.owners[:, 1]]]
    left = np.bincount(owners[:, 0], minlength=len(items.sizes))
    # from rows and runs to rows and the items of these runs
    order = np.argsort(owners[:, 1], kind="stable")
    owners = owners[order]
    starts = np.searchsorted(owners[:, 1], hits[:, 1])
    sizes = np.searchsorted(owners[:, 1], hits[:, 1], side="right") - starts
    each = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))
    pairs, runs = np.unique(
        np.stack([np.repeat(hits[:, 0], sizes), owners[each, 0]], axis=1), axis=0, return_counts=True
    )
    share = runs / np.maximum(left[pairs[:, 1]], 1)
    return Held(pairs[:, 0], pairs[:, 1], runs, share, seen & (left == 0))


def _runs_of(batch: Batch, i: int) -> tuple[UInt64s, int]:
    """Return the distinct runs of one item, and their length (0 where it is too short)."""
    start, end = batch.starts[i], batch.ends[i]
    if start == end:
        return np.empty(0, np.uint64), 0
    units = np.empty(int(end - start), np.uint64)
    count, characters = map(int, write_units(batch.data, start, end, units))
    fewest, most = (FEWEST_CHARACTERS, CHARACTERS) if 2 * characters > count else (FEWEST_WORDS, WORDS)
    if count < fewest:
        return np.empty(0, np.uint64), 0
    length = min(count, most)
    runs = np.asarray([_run(units, k, length) for k in range(count - length + 1)], np.uint64)
    return np.unique(runs), length


def _found(batch: Batch, runs: Runs) -> Int64s:
    units = np.empty(int((batch.ends - batch.starts).max(initial=0)) + 1, np.uint64)
    out = np.empty((1024, 2), np.int64)
    first: Whole = 0
    parts = []
    while first < len(batch):
        stop, used = _look(batch.data, batch.starts, batch.ends, runs, units, first, out)
        if stop == first:
            out = np.empty((2 * len(out), 2), np.int64)
            continue
        parts.append(out[:used].copy())
        first = stop
    found = np.concatenate([*parts, np.empty((0, 2), np.int64)])
    found[:, 0] += batch.first
    return found


@compiled
def _run(units: UInt64s, start: Whole, length: Whole) -> np.uint64:
    total: Any = np.uint64(length)
    for k in range(length):
        total = total * _STEP + units[start + k]
    # 0 stands for a free place
    return mixed(total) | np.uint64(1)


@compiled
def _fill(hashes: UInt64s, runs: Runs) -> None:
    mask = np.uint64(len(runs.keys) - 1)
    for number in range(len(hashes)):
        at = (hashes[number] >> np.uint64(1)) & mask
        while runs.keys[at] != 0:
            at = (at + np.uint64(1)) & mask
        runs.keys[at] = hashes[number]
        runs.numbers[at] = number


@compiled
def _look(
    data: Bytes, starts: Int64s, ends: Int64s, runs: Runs, units: UInt64s, first: Whole, out: Int64s
) -> tuple[Whole, Whole]:
    """Write (row, run) from row ``first``; return the first row that did not fit, and how many were written."""
    mask = np.uint64(len(runs.keys) - 1)
    used = 0
    for row in range(first, len(starts)):
        before = used
        if starts[row] == ends[row]:
            continue
        count = np.int64(write_units(data, starts[row], ends[row], units)[0])
        for length in runs.lengths:
            for k in range(count - length + 1):
                key = _run(units, k, length)
                at = (key >> np.uint64(1)) & mask
                while runs.keys[at] != 0 and runs.keys[at] != key:
                    at = (at + np.uint64(1)) & mask
                if runs.keys[at] == 0:
                    continue
                if used == len(out):
                    return row, before
                out[used, 0], out[used, 1] = row, runs.numbers[at]
                used += 1
    return len(starts), used

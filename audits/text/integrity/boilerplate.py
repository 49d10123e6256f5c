"""Lines and sentences that stand in many texts, and how much of each text they make up.

Texts are cut at line breaks and after the ends of sentences; each part is brought to its normal form and hashed within
compiled code. A part counts once for each *different* text that holds it, so that copies of whole texts, which other
checks count, make no boilerplate. Lee et al., Deduplicating training data makes language models better (ACL 2022), find
such repeated parts in every crawl.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audits.text.folding import Bytes, Int64s, Texts
from audits.text.jit import compiled

CUT = r"[\n\r]+|[.!?。！？](?:\s+|$)"
"""Where texts are cut, an RE2."""

LEAST_TEXTS = 20
"""Different texts that hold a part, before it counts as boilerplate."""

LEAST_SHARE = 1e-4
"""Share of all texts that hold a part, before it counts as boilerplate."""

_LEAST_LETTERS = 20  # bytes of letters in a part; shorter ones (Returns, Parameters) are headings

UInt64s = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of all texts, those with enough letters to be counted.

    Attributes:
        texts: the text of each part, ``[parts]``.
        letters: bytes of letters in each part, ``[parts]``.
        spread: different texts that hold the same part, ``[parts]``.
        raw: the parts as they stand.
        share: of the letters of each text, that in common parts, ``[texts]``.
        least: different texts from which a part is common.
    """

    texts: Int64s
    letters: Int64s
    spread: Int64s
    raw: Texts
    share: npt.NDArray[np.float64]
    least: int

    def commonest(self, text: int) -> int:
        """Return the part of a text with the most letters among those in common parts."""
        start, stop = np.searchsorted(self.texts, [text, text + 1])
        common = np.where(self.spread[start:stop] >= self.least, self.letters[start:stop], -1)
        return int(start + common.argmax())

    def place(self, part: int, text: str) -> tuple[int, int]:
        """Return where a part begins and ends in the text that holds it, which is given as it stands."""
        start = 0
        for i in range(int(np.searchsorted(self.texts, self.texts[part])), part + 1):
            raw = self.raw.text(i)
            found = text.find(raw, start)
            if found < 0:
                # bytes that are no valid UTF-8 were cut apart
                return 0, len(text)
            if i == part:
                return found, found + len(raw)
            start = found + len(raw)
        return 0, len(text)


def find_parts(texts: Texts) -> Parts:
    """Return all parts of ``texts``, of one column, and how far they are spread."""
    column = texts.table.column(0).cast(pa.large_string()).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.large_string())
    # null is no text, and has no part
    lists = pc.split_pattern_regex(column.fill_null(""), CUT)
    raw = Texts(pa.table({"part": lists.flatten()}))
    owner = np.asarray(pc.list_parent_indices(lists)).astype(np.int64)
    hashes, letters = np.zeros(len(raw), np.uint64), np.zeros(len(raw), np.int64)
    for part in raw.raw():
        batch = part.normalised()
        at = slice(batch.first, batch.first + len(batch))
        _hash(batch.data, batch.starts, batch.ends, hashes[at], letters[at])
    spread = _spread(owner, hashes, letters, len(column))
    least = max(LEAST_TEXTS, int(np.ceil(LEAST_SHARE * len(column))))
    common = np.bincount(owner, np.where(spread >= least, letters, 0), len(column))
    total = np.bincount(owner, letters, len(column))
    return Parts(owner, letters, spread, raw, common / np.maximum(total, 1), least)


def _spread(owner: Int64s, hashes: UInt64s, letters: Int64s, count: int) -> Int64s:
    """Return for each part how many different texts hold it; 0 where it is too short."""
    whole = np.zeros(count, np.uint64)
    _combine(owner, hashes, whole)
    spread = np.zeros(len(hashes), np.int64)
    long = np.flatnonzero(letters >= _LEAST_LETTERS)
    if not len(long):
        return spread
    _, text = np.unique(whole, return_inverse=True)
    _, part = np.unique(hashes[long], return_inverse=True)
    pairs = np.unique(part.astype(np.int64) * count + text[owner[long]])
    spread[long] = np.bincount(pairs // count)[part]
    return spread


@compiled
def _hash(data: Bytes, starts: Int64s, ends: Int64s, hashes: UInt64s, letters: Int64s) -> None:
    """Write the FNV-1a hash of each row, and how many of its bytes belong to letters."""
    prime = np.uint64(0x100000001B3)
    for row in range(len(starts)):
        value, count = np.uint64(0xCBF29CE484222325), 0
        for i in range(starts[row], ends[row]):
            byte = data[i]
            value = (value ^ np.uint64(byte)) * prime
            count += (97 <= byte <= 122) or byte >= 128
        hashes[row] = value
        letters[row] = count


@compiled
def _combine(owner: Int64s, hashes: UInt64s, whole: UInt64s) -> None:
    """Write a hash of each text: that of its parts in their order, empty ones left out."""
    prime, empty = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xCBF29CE484222325)
    for i in range(len(owner)):
        if hashes[i] != empty:
            mixed = (whole[owner[i]] ^ hashes[i]) * prime
            whole[owner[i]] = mixed ^ (mixed >> np.uint64(29))

"""Normalised texts to 64-bit hashes of their shingles.

A shingle is a run of 5 units. A unit is a word: a run of letters, digits, underscores and characters beyond ASCII. In
scripts that are written without spaces (Han, Kana, Thai, Lao, Burmese, Khmer) every character is a unit, and so is
every character of a run that is too long for a word. All of them stand in one row, so that an edit changes the shingles
around it and no others. Only a text of fewer than 5 units is compared by runs of 5 of its characters, blanks among
them, with others that are as short; one of fewer than 5 characters is one shingle.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audits.text.folding import Batch, Bytes
from audits.text.jit import Whole, compiled

SIZE = 5
"""Units, or characters, in one shingle."""

LONGEST_WORD = 64
"""Characters in a word at most: as many as 256 bits have in hexadecimal digits."""

UInt64s = npt.NDArray[np.uint64]

_LETTER = np.array(
    [b + 1 if b >= 128 or chr(b).isalnum() or chr(b) == "_" else 0 for b in range(256)], np.uint64
)  # bytes of words; 0 for others
_BASE = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD1342543DE82EF95)
_STEPS = tuple(np.uint64(pow(int(_STEP), i, 1 << 64)) for i in range(SIZE))
_MIXER = np.uint64(0xBF58476D1CE4E5B9)
_FIRST_UNSPACED = np.uint8(0xE0)  # what their characters begin with is not below
_LONGEST_WORD = np.uint64(LONGEST_WORD)


def shingles_of(batch: Batch, i: int) -> UInt64s:
    """Return the distinct shingles of one text of a batch, ascending; an empty text has none."""
    start, end = batch.starts[i], batch.ends[i]
    hashes = np.empty(max(int(end - start), 1), np.uint64)
    return np.unique(hashes[: write_shingles(batch.data, start, end, hashes)])


@compiled
def write_shingles(data: Bytes, start: Whole, end: Whole, out: UInt64s) -> Whole:
    """Write the hash of every shingle of ``data[start:end]`` to ``out`` in order; return how many there are.

    ``out`` must have as many places as the text has bytes, at least one.
    """
    if start == end:
        return 0
    units, _ = write_units(data, start, end, out)
    if units < SIZE:
        return _write_character_shingles(data, start, end, out)
    return _rolled(out, units)


@compiled
def write_units(data: Bytes, start: Whole, end: Whole, out: UInt64s) -> tuple[np.uint64, np.uint64]:
    """Write the hash of every unit to ``out``, which has as many places as the text has bytes, at least one.

    Returns:
        How many units there are, and how many of them are single characters of scripts without spaces.
    """
    one = np.uint64(1)
    words, run, longest = np.uint64(0), np.uint64(0), np.uint64(0)
    value, inside, highest = np.uint64(0), np.uint64(0), np.uint8(0)
    # without a branch at the edges of words: what is written before a word has ended is written over
    for i in range(np.uint64(start), np.uint64(end)):
        byte = data[i]
        highest = max(highest, byte)
        letter = _LETTER[byte]
        out[words] = value
        here = np.uint64(letter != np.uint64(0))
        words += inside & (one - here)
        value = value * _BASE + letter if here else np.uint64(0)
        run = run + one if here else np.uint64(0)
        longest = max(longest, run)
        inside = here
    if inside:
        out[words] = value
        words += one
    if longest > _LONGEST_WORD or (highest >= _FIRST_UNSPACED and _holds_unspaced(data, start, end)):
        # rare, and three times as slow
        return _write_mixed_units(data, start, end, out)
    for k in range(words):
        out[k] = _finished(out[k])
    return words, np.uint64(0)


@compiled
def _write_mixed_units(data: Bytes, start: Whole, end: Whole, out: UInt64s) -> tuple[np.uint64, np.uint64]:
    units, characters = np.uint64(0), np.uint64(0)
    i = start
    while i < end:
        if _LETTER[data[i]] == np.uint64(0):
            i += 1
            continue
        if unspaced(data, i, end):
            after = _after(data, i, end)
            out[units] = _unit(data, i, after)
            units += np.uint64(1)
            characters += np.uint64(1)
            i = after
            continue
        stop, length = i, 0
        while stop < end and _LETTER[data[stop]] != np.uint64(0) and not unspaced(data, stop, end):
            stop = _after(data, stop, end)
            length += 1
        while i < stop:
            after = stop if length <= LONGEST_WORD else _after(data, i, end)
            out[units] = _unit(data, i, after)
            units += np.uint64(1)
            i = after
    return units, characters


@compiled
def _write_character_shingles(data: Bytes, start: Whole, end: Whole, out: UInt64s) -> Whole:
    characters = 0
    i = start
    while i < end:
        after = _after(data, i, end)
        out[characters] = _unit(data, i, after)
        characters += 1
        i = after
    if characters < SIZE:
        total = np.uint64(characters)
        for k in range(characters):
            total = total * _STEP + out[k]
        out[0] = mixed(total)
        return 1
    return _rolled(out, characters)


@compiled
def _after(data: Bytes, i: Whole, end: Whole) -> Whole:
    """Return where the character at ``i`` ends: what follows in one has the bits 10 in front."""
    i += 1
    while i < end and data[i] & 0xC0 == 0x80:
        i += 1
    return i


@compiled
def _unit(data: Bytes, start: Whole, end: Whole) -> np.uint64:
    value = np.uint64(0)
    for i in range(start, end):
        # a blank or a mark has no letter's number; characters are told apart all the same
        value = value * _BASE + np.uint64(data[i]) + np.uint64(1)
    return _finished(value)


@compiled
def _finished(value: np.uint64) -> np.uint64:
    return (value ^ (value >> np.uint64(32))) * _MIXER


@compiled
def _holds_unspaced(data: Bytes, start: Whole, end: Whole) -> bool:
    for i in range(start, end):  # noqa: SIM110  numba compiles no generator expression
        if data[i] >= _FIRST_UNSPACED and unspaced(data, i, end):
            return True
    return False


@compiled
def unspaced(data: Bytes, i: Whole, end: Whole) -> bool:
    """Return whether the character that begins at ``i`` is of a script without spaces.

    The one rule for compiled code; :data:`audits.text.normalise.UNSPACED` is the same for Python.
    """
    a = data[i]
    if a < _FIRST_UNSPACED or i + 2 >= end:
        return False
    b, c = data[i + 1], data[i + 2]
    if a == 0xE0:
        return bool(0xB8 <= b <= 0xBB)  # Thai, Lao: U+0E00-0EFF
    if a == 0xE1:
        # Burmese: U+1000-109F; Khmer: U+1780-17FF
        return bool(b in (0x80, 0x81, 0x9E, 0x9F) or (b == 0x82 and c <= 0x9F))
    if a == 0xE3:
        return bool(b >= 0x81)  # Kana from U+3040, Han from U+3400
    if a == 0xEF:
        return bool(0xA4 <= b <= 0xAB)  # Han: U+F900-FAFF
    return bool(0xE4 <= a <= 0xE9 or (a == 0xF0 and b >= 0xA0))


@compiled
def _rolled(values: UInt64s, count: Whole) -> Whole:
    """Replace values by the hashes of runs of :data:`SIZE` of them; return how many."""
    runs = np.int64(count) - SIZE + 1
    _, first, second, third, fourth = _STEPS
    for i in range(np.uint64(runs)):
        a, b, c = values[i], values[i + np.uint64(1)], values[i + np.uint64(2)]
        d, e = values[i + np.uint64(3)], values[i + np.uint64(4)]
        values[i] = mixed(a * fourth + b * third + c * second + d * first + e)
    return runs


@compiled
def mixed(value: np.uint64) -> np.uint64:
    """Return the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    value = (value ^ (value >> np.uint64(30))) * _MIXER
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))

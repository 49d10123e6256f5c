"""Normalised texts to 64-bit hashes of their shingles.

A shingle is a run of 5 words; a word is a run of letters, digits, underscores and characters beyond ASCII. Runs of 5
characters take their place in texts of fewer than 5 words, in texts of which more than half is written in a script
without spaces (Han, Kana, Thai, Lao, Burmese, Khmer), and where words average more than 24 bytes (long identifiers). A
text of fewer than 5 characters is one shingle.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audits.text.folding import Batch, Bytes
from audits.text.jit import Whole, compiled

SIZE = 5
"""Words, or characters, in one shingle."""

UInt64s = npt.NDArray[np.uint64]

_LONG_WORD_BYTES = 24
_LETTER = np.array(
    [b + 1 if b >= 128 or chr(b).isalnum() or chr(b) == "_" else 0 for b in range(256)], np.uint64
)  # bytes of words; 0 for others
_BASE = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD1342543DE82EF95)
_STEPS = tuple(np.uint64(pow(int(_STEP), i, 1 << 64)) for i in range(SIZE))
_MIXER = np.uint64(0xBF58476D1CE4E5B9)


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
    words, spelled, unspaced = write_words(data, start, end, out)
    if words < SIZE or spelled > _LONG_WORD_BYTES * words or unspaced:
        return _write_character_shingles(data, start, end, out)
    return _rolled(out, words)


@compiled
def write_words(data: Bytes, start: Whole, end: Whole, out: UInt64s) -> tuple[np.uint64, np.uint64, bool]:
    """Write the hash of every word to ``out``, which has as many places as the text has bytes, at least one.

    Returns:
        How many words there are, how many bytes they have, and whether most of them are written without spaces.
    """
    one = np.uint64(1)
    words, spelled = np.uint64(0), np.uint64(0)
    value, inside, high = np.uint64(0), np.uint64(0), np.uint8(0)
    # without a branch at the edges of words: what is written before a word has ended is written over
    for i in range(np.uint64(start), np.uint64(end)):
        byte = data[i]
        high |= byte
        letter = _LETTER[byte]
        out[words] = value
        here = np.uint64(letter != np.uint64(0))
        words += inside & (one - here)
        value = value * _BASE + letter if here else np.uint64(0)
        spelled += here
        inside = here
    if inside:
        out[words] = value
        words += one
    for k in range(words):
        out[k] = (out[k] ^ (out[k] >> np.uint64(32))) * _MIXER
    return words, spelled, bool(high >= 0x80 and 2 * _unspaced_bytes(data, start, end) > spelled)


@compiled
def write_characters(data: Bytes, start: Whole, end: Whole, out: UInt64s) -> Whole:
    """Write the hash of every character to ``out``, as :func:`write_words`; return how many there are."""
    characters = 0
    i = start
    while i < end:
        point = np.uint64(data[i])
        i += 1
        # normal forms are valid UTF-8: whatever follows in a character has the bits 10 in front
        while i < end and data[i] & 0xC0 == 0x80:
            point = (point << np.uint64(8)) | np.uint64(data[i])
            i += 1
        out[characters] = mixed(point + (np.uint64(1) << np.uint64(40)))
        characters += 1
    return characters


@compiled
def _write_character_shingles(data: Bytes, start: Whole, end: Whole, out: UInt64s) -> Whole:
    characters = write_characters(data, start, end, out)
    if characters < SIZE:
        total = np.uint64(characters)
        for k in range(characters):
            total = total * _STEP + out[k]
        out[0] = mixed(total)
        return 1
    return _rolled(out, characters)


@compiled
def _unspaced_bytes(data: Bytes, start: Whole, end: Whole) -> Whole:
    """Return the bytes of characters that are written without spaces between words."""
    found = 0
    for i in range(start, end - 2):
        a, b, c = data[i], data[i + 1], data[i + 2]
        if a == 0xE0:
            hit = 0xB8 <= b <= 0xBB  # Thai, Lao: U+0E00-0EFF
        elif a == 0xE1:
            # Burmese: U+1000-109F; Khmer: U+1780-17FF
            hit = b == 0x80 or b == 0x81 or (b == 0x82 and c <= 0x9F) or b == 0x9E or b == 0x9F
        elif a == 0xE3:
            hit = b >= 0x81  # Kana from U+3040, Han from U+3400
        elif a == 0xEF:
            hit = 0xA4 <= b <= 0xAB  # Han: U+F900-FAFF
        else:
            hit = 0xE4 <= a <= 0xE9 or (a == 0xF0 and b >= 0xA0)
        if hit:
            found += 4 if a == 0xF0 else 3
    return found


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

"""Texts that repeat themselves or that are hardly text: measures of each, in compiled code.

After the rules of Rae et al., Scaling language models: methods, analysis and insights from training Gopher (2021),
appendix A.1.1, for web pages; docstrings, questions and abstracts repeat their terms more, so that the limits here are
wider, chosen on real texts for a list in which every row is one that a reviewer would remove.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from audits.text.folding import Bytes, Int64s, Texts
from audits.text.jit import compiled
from audits.text.shingles import unspaced

REPEATED = 0.6
"""Share of the text in runs of five words that stood before in the same text (Gopher: 0.15)."""

LEAST_WORDS = 20
"""Words of a text that is asked whether it repeats itself."""

ONE_CHARACTER = 0.5
"""Share of the text in one run of the same character."""

LETTERS = 0.2
"""Share of letters below which a text is a table of numbers or a drawing (Gopher: 0.8 of the words hold one)."""

ENCODED = 0.5
"""Share of the text in strings of 40 and more characters that mix letters and digits."""

LEAST_CHARACTERS = 80
"""Characters, blanks left out, of a text whose kind is asked for."""

_GRAM = 5
_CODE_LENGTH = 40


class Kind(IntEnum):
    """What is wrong with a text."""

    NOTHING = 0
    REPEATED = 1
    ONE_CHARACTER = 2
    NO_LETTERS = 3
    ENCODED = 4


KINDS = {
    Kind.REPEATED: "repeats itself",
    Kind.ONE_CHARACTER: "one character over and over",
    Kind.NO_LETTERS: "hardly a letter",
    Kind.ENCODED: "encoded data",
}
"""How each kind is called."""


def judge(texts: Texts) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Return the kind of each text and the share that makes it one, ``[texts]`` both; texts of one word are none."""
    kinds, shares = np.zeros(len(texts), np.int8), np.zeros(len(texts))
    for raw in texts.raw():
        batch = raw.normalised()
        at = slice(batch.first, batch.first + len(batch))
        _judge(batch.data, batch.starts, batch.ends, kinds[at], shares[at])
    return kinds, shares


@compiled
def _judge(
    data: Bytes, starts: Int64s, ends: Int64s, kinds: npt.NDArray[np.int8], shares: npt.NDArray[np.float64]
) -> None:
    for row in range(len(starts)):
        start, end = starts[row], ends[row]
        characters, letters, longest, encoded, words = _count(data, start, end)
        if words < 2:
            continue
        if characters >= LEAST_CHARACTERS:
            if longest >= ONE_CHARACTER * characters:
                kinds[row], shares[row] = 2, longest / characters
                continue
            if encoded >= ENCODED * characters:
                kinds[row], shares[row] = 4, encoded / characters
                continue
            if letters and letters < LETTERS * characters:
                kinds[row], shares[row] = 3, 1 - letters / characters
                continue
        if words >= LEAST_WORDS:
            share = _repeated(data, start, end, words)
            if share >= REPEATED:
                kinds[row], shares[row] = 1, share


@compiled
def _count(data: Bytes, start: int, end: int) -> tuple[int, int, int, int, int]:
    """Return characters without blanks, letters, the longest run of one, characters of encoded words, and words."""
    characters = letters = longest = encoded = words = 0
    run, last = 0, np.int64(-1)
    i = start
    length = digits = others = marks = 0
    inside = False
    while i <= end:
        if i == end or data[i] == 0x20:
            inside = False
            # base64 and hexadecimal: letters and digits in one long word, little else
            if length >= _CODE_LENGTH and others == 0 and digits * 12 >= length and marks * 8 <= length:
                encoded += length
            length = digits = others = marks = 0
            i += 1
            continue
        byte = np.int64(data[i])
        size, point = 1, byte
        if byte >= 0xF0:
            size, point = 4, byte & 0x07
        elif byte >= 0xE0:
            size, point = 3, byte & 0x0F
        elif byte >= 0xC0:
            size, point = 2, byte & 0x1F
        for k in range(1, size):
            point = (point << 6) | (np.int64(data[i + k]) & 0x3F if i + k < end else 0)
        alone = _is_word(data, i, end)
        words += alone or not inside
        inside = not alone
        i += size
        characters += 1
        run = run + 1 if point == last else 1
        last = point
        longest = max(longest, run)
        length += 1
        if 97 <= point <= 122:
            letters += 1
        elif 48 <= point <= 57:
            digits += 1
        elif point in (43, 45, 47, 61, 95):
            marks += 1
        else:
            others += 1
            # symbols, punctuation, drawings and emoji are no letters
            symbol = 0x2000 <= point < 0x2C00 or 0x3000 <= point < 0x3040 or 0xFE00 <= point < 0xFE70
            if point >= 0xAA and not (symbol or 0x1F000 <= point < 0x1FB00 or point in (0xD7, 0xF7)):
                letters += 1
    return characters, letters, longest, encoded, words


@compiled
def _is_word(data: Bytes, i: int, end: int) -> bool:
    """Return whether a character of Han or Kana begins at ``i``, which stands for a word.

    In Thai, Lao, Burmese and Khmer five characters are about one word: any long text repeats most of them.
    """
    return bool(data[i] >= 0xE3 and unspaced(data, i, end))


@compiled
def _repeated(data: Bytes, start: int, end: int, most: int) -> float:
    """Return the share of bytes in runs of five words that stood before; one of Han or Kana is a word."""
    prime = np.uint64(0x100000001B3)
    hashes, lengths = np.empty(most + 1, np.uint64), np.empty(most + 1, np.int64)
    count, i = 0, start
    while i < end and count < most:
        if data[i] == 0x20:
            i += 1
            continue
        value, begin = np.uint64(0xCBF29CE484222325), i
        alone = _is_word(data, i, end)
        stop = min(i + (4 if data[i] >= 0xF0 else 3), end) if alone else end
        while i < stop and data[i] != 0x20 and (alone or not _is_word(data, i, end)):
            value = (value ^ np.uint64(data[i])) * prime
            i += 1
        hashes[count], lengths[count] = value, i - begin
        count += 1
    grams = count - _GRAM + 1
    if grams < 2:
        return 0.0
    keys = np.empty(grams, np.uint64)
    for g in range(grams):
        value = np.uint64(0)
        for k in range(_GRAM):
            value = (value ^ hashes[g + k]) * np.uint64(0x9E3779B97F4A7C15)
            value ^= value >> np.uint64(29)
        keys[g] = value
    order = np.argsort(keys, kind="mergesort")
    covered = np.zeros(count, np.bool_)
    for o in range(1, grams):
        # stable: of equal ones the first stands first
        if keys[order[o]] == keys[order[o - 1]]:
            for k in range(_GRAM):
                covered[order[o] + k] = True
    total = repeated = 0
    for w in range(count):
        total += lengths[w]
        if covered[w]:
            repeated += lengths[w]
    return repeated / total

"""One normal form of a text for comparison, and a count of its words."""

from __future__ import annotations

import re
import unicodedata

# Characters that no reader sees: soft hyphen, zero-width and bidirectional controls, variation
# selectors, byte order mark.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
UNSPACED_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese and Khmer, as a part of a class of characters: without spaces, a word is of several letters."""

UNSPACED = re.compile(f"[{UNSPACED_LETTERS}\u3040-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""Characters that are written without spaces between words: those letters, Han and Kana.

The same as :func:`audits.text.shingles.unspaced` says of bytes.
"""


def normalise(text: str | None) -> str:
    """Return the form under which two texts count as equal; None becomes the empty string.

    Invisible characters are removed, then NFKC (Unicode Standard Annex 15), case folding and
    white space collapsed to single blanks are applied until nothing changes.
    """
    if not text:
        return ""
    if text.isascii():
        return " ".join(text.lower().split())
    previous = ""
    while text != previous:
        # case folding can undo NFKC for a few characters, so one pass is not always enough
        previous = text
        text = unicodedata.normalize("NFKC", INVISIBLE.sub("", text)).casefold()
        text = " ".join(unicodedata.normalize("NFKC", text).split())
    return text


def count_words(text: str, limit: int | None = None) -> int:
    """Return the number of words in ``text``, or ``limit`` as soon as that many are found.

    A word is a run without white space that holds a letter or a digit; in scripts written without
    spaces every letter counts as one word.
    """
    words = 0
    unspaced = not text.isascii() and UNSPACED.search(text) is not None
    for token in text.split():
        found = len(UNSPACED.findall(token)) if unspaced else 0
        if found == 0 and any(map(str.isalnum, token)):
            found = 1
        words += found
        if limit is not None and words >= limit:
            return limit
    return words

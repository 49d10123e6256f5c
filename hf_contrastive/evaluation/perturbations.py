"""Texts as people mistype, shout and paste them: seeded changes of three severities."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from hf_contrastive.errors import EvaluationError

SEVERITIES = (1, 2, 3)

_WORD = re.compile(r"\S+")
_GAP = re.compile(r"(?<=\S)\s+(?=\S)")
_SHARES: Mapping[str, tuple[float, float, float]] = {
    "typo": (0.1, 0.2, 0.4),
    "case": (0.25, 0.5, 1.0),
    "whitespace": (0.25, 0.5, 1.0),
    "unicode": (0.05, 0.1, 0.2),
    "word drop": (0.1, 0.2, 0.4),
}
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SPACES = ("  ", "\t", "\n", "\u00a0", " \u2009")
_COMBINING = ("\u0301", "\u0308", "\u0327")
_INVISIBLE = ("\u200b", "\u00ad")
# Latin letters and their Cyrillic look-alikes
_ALIKE = dict(zip("aceopxyijsABCEHKMOPTX", "асеорхуіјѕАВСЕНКМОРТХ", strict=True))


def perturbed(text: str, kind: str, severity: int, *, seed: int = 0) -> str:
    """Return a changed copy of ``text``, the same for the same arguments whatever else is changed.

    What is changed at a severity is changed at the next one too. At least one place is changed where there is any;
    a text without one (a single word can not be dropped) stays as it is.

    Args:
        text: of any length.
        kind: ``typo``: that share of the words has two letters swapped, one left out, doubled, or taken from a
            neighbouring key; ``case``: of the words in capitals, or small where they were capitals; ``whitespace``:
            of the gaps are tabs, line breaks or several spaces, and from the second severity on one in ten of these
            is lost; ``unicode``: of the letters are look-alikes or full-width forms, or carry a combining mark or
            an invisible character; ``word drop``: of the words are left out.
        severity: 1, 2 or 3: shares of 10, 20 and 40 % (typo, word drop), 25, 50 and 100 % (case, whitespace), 5, 10
            and 20 % (unicode).
        seed: of the changes.

    Raises:
        EvaluationError: the kind or the severity is unknown.
    """
    if kind not in _KINDS:
        msg = f"There is no perturbation {kind!r}; known are {', '.join(_KINDS)}."
        raise EvaluationError(msg)
    if severity not in SEVERITIES:
        msg = f"`severity` must be 1, 2 or 3, got {severity!r}."
        raise EvaluationError(msg)
    # not of the severity, so that each holds the changes of the one before; texts seed by themselves
    generator = random.Random(f"{seed}:{kind}:{text}")
    return _KINDS[kind](text, _SHARES[kind][severity - 1], severity, generator)


def kinds() -> tuple[str, ...]:
    """Return the names of the perturbations."""
    return tuple(_KINDS)


def _chosen(places: Sequence[int], share: float, generator: random.Random) -> set[int]:
    order = list(places)
    generator.shuffle(order)
    return set(order[: max(1, round(share * len(order)))])


def _typo(text: str, share: float, severity: int, generator: random.Random) -> str:
    del severity
    words = list(_WORD.finditer(text))
    eligible = [place for place, word in enumerate(words) if sum(map(str.isalpha, word[0])) >= 3]
    chosen = _chosen(eligible, share, generator) if eligible else set()
    # each word draws whether it is changed or not, so that a higher severity draws the same for it
    edited = {place: _mistyped(words[place][0], generator) for place in eligible}
    return _replaced(text, [(*words[place].span(), edited[place]) for place in sorted(chosen)])


def _mistyped(word: str, generator: random.Random) -> str:
    letters = [place for place, letter in enumerate(word) if letter.isalpha()]
    # the first letter is seldom wrong
    place = generator.choice(letters[1:])
    kind, key = generator.choice(("swap", "omit", "double", "key")), generator.random()
    before = place - 1
    if kind == "swap" and before > letters[0] and word[before] != word[place]:
        return word[:before] + word[place] + word[before] + word[place + 1 :]
    if kind == "omit":
        return word[:place] + word[place + 1 :]
    near = _near(word[place], key)
    if kind == "key" and near:
        return word[:place] + near + word[place + 1 :]
    return word[:place] + word[place] + word[place:]


def _near(letter: str, key: float) -> str:
    for row in _ROWS:
        place = row.find(letter.lower())
        if place >= 0:
            beside = [row[at] for at in (place - 1, place + 1) if 0 <= at < len(row)]
            found = beside[int(key * len(beside))]
            return found.upper() if letter.isupper() else found
    return ""


def _case(text: str, share: float, severity: int, generator: random.Random) -> str:
    del severity
    words = list(_WORD.finditer(text))
    eligible = [place for place, word in enumerate(words) if word[0].upper() != word[0].lower()]
    chosen = _chosen(eligible, share, generator) if eligible else set()
    changed = []
    for place in sorted(chosen):
        word = words[place][0]
        changed.append((*words[place].span(), word.lower() if word.isupper() else word.upper()))
    return _replaced(text, changed)


def _whitespace(text: str, share: float, severity: int, generator: random.Random) -> str:
    gaps = list(_GAP.finditer(text))
    chosen = _chosen(range(len(gaps)), share, generator) if gaps else set()
    drawn = [(generator.random(), generator.choice(_SPACES)) for _ in gaps]
    changed = []
    for place in sorted(chosen):
        lost, spaces = drawn[place]
        changed.append((*gaps[place].span(), "" if severity > 1 and lost < 0.1 else spaces))
    return _replaced(text, changed)


def _unicode(text: str, share: float, severity: int, generator: random.Random) -> str:
    del severity
    letters = [place for place, letter in enumerate(text) if letter.isalpha()]
    chosen = _chosen(letters, share, generator) if letters else set()
    drawn = {place: (generator.random(), generator.random()) for place in letters}
    return _replaced(text, [(place, place + 1, _foreign(text[place], *drawn[place])) for place in sorted(chosen)])


def _foreign(letter: str, kind: float, which: float) -> str:
    if kind < 0.4 and letter in _ALIKE:
        return _ALIKE[letter]
    if kind < 0.6 and "!" <= letter <= "~":
        return chr(ord(letter) + 0xFEE0)
    marks = _COMBINING if kind < 0.8 else _INVISIBLE
    return letter + marks[int(which * len(marks))]


def _word_drop(text: str, share: float, severity: int, generator: random.Random) -> str:
    del severity
    words = _WORD.findall(text)
    if len(words) < 2:
        return text
    chosen = _chosen(range(len(words)), share, generator)
    return " ".join(word for place, word in enumerate(words) if place not in chosen)


def _replaced(text: str, changes: Sequence[tuple[int, int, str]]) -> str:
    """Return the text with each (from, to, words) in place of what stood there; sorted, apart from each other."""
    parts, done = [], 0
    for start, stop, words in changes:
        parts += [text[done:start], words]
        done = stop
    return "".join([*parts, text[done:]])


_KINDS: Mapping[str, Callable[[str, float, int, random.Random], str]] = {
    "typo": _typo,
    "case": _case,
    "whitespace": _whitespace,
    "unicode": _unicode,
    "word drop": _word_drop,
}

"""What a detector finds, and how it is shown: never as it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Match(NamedTuple):
    """Where something that must not be shown stands in a text."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of personal data or of secrets.

    Attributes:
        kind: in plain words, as it is shown.
        find: all matches in a text, in order.
        hint: a regular expression (RE2) that stands in every text with a match; the others need no look.
    """

    kind: str
    find: Callable[[str], Iterable[Match]]
    hint: str


def masked(value: str, kind: str, salt: bytes = b"") -> str:
    """Return ``[kind #hash]``: the same for the same value under one salt, and nothing of the value itself.

    Args:
        value: what was found; blanks and hyphens make no difference.
        kind: shown as it is.
        salt: a secret; without one there is no hash.
    """
    if not salt:
        return f"[{kind}]"
    plain = "".join(c for c in value if c.isalnum()).casefold()
    digest = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), key=salt[:64], digest_size=4).hexdigest()
    return f"[{kind} #{digest}]"

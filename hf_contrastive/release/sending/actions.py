"""What is done to a repository, in the words of the messages about it: a push, or a rollback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["absent", "not seen", "unknown"]
"""What is known of a commit that failed: it was never sent, or refused; it was sent, and is not there; or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Words for one action.

    Attributes:
        named: it with its preposition, before the name of the repository: "push to".
        again: how it is done again, as an order.
        same_again: the same where a commit is there already, and no second one will be made.
        outcomes: what is known of a commit that failed.
    """

    named: str
    again: str
    same_again: str
    outcomes: Mapping[Outcome, str]


PUSH = Action(
    named="push to",
    again="push again",
    same_again="push the same again",
    outcomes={
        "absent": "nothing was published",
        "not seen": (
            "nothing was published as far as the Hub tells now; should the commit still arrive, pushing the same again "
            "finds it and makes no second one"
        ),
        "unknown": (
            "whether the commit arrived is not known: push the same again, which looks for it and makes no second "
            "commit"
        ),
    },
)
ROLLBACK = Action(
    named="rollback of",
    again="roll back again",
    same_again="roll back again",
    outcomes={
        "absent": "nothing was changed",
        "not seen": "nothing was changed as far as the Hub tells now; look again later",
        "unknown": "whether the commit arrived is not known: roll back again, which sees whether it did",
    },
)


def sentence(words: str) -> str:
    """Return words as the beginning of a sentence."""
    return words[:1].upper() + words[1:]

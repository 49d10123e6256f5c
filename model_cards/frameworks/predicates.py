"""Predicates over :class:`~model_cards.evidence.Evidence`, by name: what is there, where, and in which numbers.

A predicate is a pure function. Its addresses are JSON pointers below ``evidence`` of evidence.json; without the node at
any one of them it no longer holds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from audits.records import Record, near_names
from model_cards.errors import FrameworkError
from model_cards.evidence import Evidence
from model_cards.typesetting import one_line, redact

State = Literal["yes", "partial", "no", "moot"]
"""partial: in part, or over a part of the rows, or not surely of this model; moot: there is nothing to measure."""

STATE_WORDS: dict[State, str] = {"yes": "there", "partial": "in part", "no": "not there", "moot": "does not arise"}
"""The states as shown to people."""

Predicate = Callable[[Evidence], "Found"]

_MODULES = ("audit_evidence", "provenance_evidence", "training_evidence", "release_evidence")
_REGISTRY: dict[str, Predicate] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Record):
    """What one predicate found: ``words`` is a sentence with numbers, ``addresses`` are where it read them."""

    predicate: str = ""
    state: State
    addresses: tuple[str, ...] = ()
    words: str

    @property
    def name(self) -> str:
        """The predicate in words, e.g. "duplicates measured"."""
        return self.predicate.replace("_", " ")

    @property
    def held(self) -> str:
        """The state in words."""
        return STATE_WORDS[self.state]


def predicate(function: Predicate) -> Predicate:
    """Register ``function`` under its name."""
    _REGISTRY[function.__name__] = function
    return function


def predicate_names() -> tuple[str, ...]:
    """Return the names of all predicates, sorted."""
    return tuple(sorted(_all()))


def examine(evidence: Evidence, name: str) -> Found:
    """Return what the predicate ``name`` finds in ``evidence``.

    Raises:
        FrameworkError: there is no predicate of that name.
    """
    known = _all()
    if name not in known:
        msg = (
            f"`{name}` is no predicate on evidence{near_names([name], known)}; known are {', '.join(sorted(known))}. "
            "Name one of them."
        )
        raise FrameworkError(msg)
    found = known[name](evidence)
    return Found(predicate=name, state=found.state, addresses=found.addresses, words=found.words)


def found(state: State, words: str, addresses: Sequence[str] = ()) -> Found:
    """Return what a predicate found; only what is there has an address."""
    return Found(state=state, addresses=() if state == "no" else tuple(addresses), words=redact(one_line(words)))


def graded(done: Sequence[object], wanted: int, problems: Sequence[str] = ()) -> State:
    """Return "yes" where all that is wanted was done without a problem, "no" where nothing was."""
    if not done:
        return "no"
    return "partial" if problems or len(done) < wanted else "yes"


@cache
def _all() -> dict[str, Predicate]:
    # these register themselves, and need the names above
    for module in _MODULES:
        importlib.import_module(f"model_cards.frameworks.{module}")
    return dict(_REGISTRY)

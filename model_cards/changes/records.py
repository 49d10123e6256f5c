"""One change between two releases, and all of them with what they were found between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from audits.records import Record
from model_cards.typesetting import redact

SCHEMA_VERSION = 1

Kind = Literal["added", "removed", "changed", "better", "worse"]
"""better and worse only where a decision, a check's result or a comparable measurement says so."""

Area = Literal[
    "decision", "licenses", "waivers", "approvals", "policy", "data", "checks", "evaluation", "release", "statements",
    "base model", "training", "files", "software",
]  # fmt: skip

AREAS: tuple[Area, ...] = get_args(Area)
"""In the order in which a signer reads them."""

FIRST = 50
"""From this weight on a change is shown before any other: it bears on whether to sign."""

_OPPOSITE: dict[Kind, Kind] = {
    "added": "removed", "removed": "added", "changed": "changed", "better": "worse", "worse": "better",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Record):
    """One thing that differs between two releases.

    ``key`` names the thing the same way in every comparison; ``what`` says it in words. ``before`` is "" for what was
    added, ``after`` for what was removed. ``note`` says what a reader must know to compare them. ``weight`` orders
    changes: what a signer must see first weighs most.
    """

    area: Area
    kind: Kind
    key: str
    what: str
    before: str = ""
    after: str = ""
    note: str = ""
    weight: int = 10

    def __post_init__(self) -> None:
        """Keep tokens and paths of somebody's machine out of every rendering."""
        for name in ("what", "before", "after", "note"):
            object.__setattr__(self, name, redact(getattr(self, name)))

    @property
    def words(self) -> str:
        """The change in one sentence without a full stop."""
        note = f" ({self.note})" if self.note else ""
        if self.kind == "added":
            return f"{self.what}: new, {self.after}{note}" if self.after else f"{self.what}: new{note}"
        if self.kind == "removed":
            return f"{self.what}: no more, was {self.before}{note}" if self.before else f"{self.what}: no more{note}"
        judged = "" if self.kind == "changed" else f", {self.kind}"
        return f"{self.what}: {self.before} → {self.after}{judged}{note}"

    @property
    def opposite(self) -> Kind:
        """What the same change is when read backwards."""
        return _OPPOSITE[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side(Record):
    """One of the two releases; ``name`` is as people call it, ``commit`` and ``tag`` those of the Hub, if any.

    ``decision`` is that of the verdict, "none" without one; ``decided`` the same as people read it.
    """

    name: str
    evidence_digest: str
    decision: str = ""
    decided: str = ""
    commit: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport(Record):
    """Two releases and all that differs between them, the weightiest first."""

    schema_version: int = SCHEMA_VERSION
    before: Side
    after: Side
    changes: tuple[Change, ...] = ()

    @property
    def first(self) -> tuple[Change, ...]:
        """What bears on whether to sign."""
        return tuple(item for item in self.changes if item.weight >= FIRST)

    @property
    def further(self) -> tuple[Change, ...]:
        """All the others."""
        return tuple(item for item in self.changes if item.weight < FIRST)

    @property
    def counts(self) -> dict[str, int]:
        """How many changes there are of each kind that occurs."""
        kinds: tuple[Kind, ...] = ("worse", "better", "added", "removed", "changed")
        found = {kind: sum(item.kind == kind for item in self.changes) for kind in kinds}
        return {kind: count for kind, count in found.items() if count}

"""Lines of the history, and what identifies one of them elsewhere."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from audits.errors import SchemaError
from audits.records import Record, canonical_json
from hf_contrastive.errors import ConfigurationError, ContrastiveError

KINDS = ("audit", "verdict", "approval", "push", "rollback", "recheck")
"""What is recorded. A file of a later version may hold more kinds; they are read and verified all the same."""

GENESIS = "genesis:"
"""What the first line follows: this and 32 random hexadecimal digits, so that no two histories begin alike."""

_HEAD_IN_TEXT = re.compile(r"(?<![\w:])[1-9][0-9]{0,17}:sha256:[0-9a-f]{64}(?!\w)")
_HEAD = re.compile(r"\s*(?P<sequence>[1-9][0-9]{0,17}):(?:sha256:)?(?P<hex>[0-9a-fA-F]{64})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(Record):
    """Something that is to be recorded; ``created_at`` is when it happened (UTC)."""

    kind: str
    created_at: str
    payload: Mapping[str, Any]

    @classmethod
    def now(cls, kind: str, payload: Mapping[str, Any]) -> Self:
        """Build a draft of this moment.

        Raises:
            ConfigurationError: no such kind.
        """
        return cls(kind=known_kind(kind), created_at=datetime.now(UTC).isoformat(timespec="seconds"), payload=payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(Record):
    """One line, named from outside of the file: in a push receipt or a tag."""

    sequence: int
    digest: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SEQUENCE:sha256:HEX``.

        Raises:
            ConfigurationError: it is nothing like that.
        """
        match = _HEAD.fullmatch(text)
        if match is None:
            shown = text if len(text) <= 100 else text[:97] + "..."
            msg = (
                f"`{shown}` is no head of a history; one is written SEQUENCE:sha256:HEX with 64 hexadecimal digits, "
                "as push receipts and tags name it. Copy it from there in full."
            )
            raise ConfigurationError(msg)
        return cls(sequence=int(match["sequence"]), digest="sha256:" + match["hex"].lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry(Record):
    """One line. ``previous`` is the digest of the line before it; ``digest`` covers everything else, that included."""

    sequence: int
    kind: str
    created_at: str
    payload: Mapping[str, Any]
    previous: str

    @property
    def line(self) -> bytes:
        """The line as it stands in the file: canonical JSON with the digest, and a line feed."""
        return (canonical_json({**self.to_dict(), "digest": self.digest}) + "\n").encode("utf-8")

    @property
    def head(self) -> Head:
        """What identifies the history up to this line."""
        return Head(sequence=self.sequence, digest=self.digest)


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line as it was found: ``entry`` is None where it has not the shape of one, ``problem`` is "" if it is intact.

    ``stated`` is the digest that the line itself names.
    """

    number: int
    entry: HistoryEntry | None
    stated: str
    problem: str

    @property
    def intact(self) -> HistoryEntry | None:
        """The entry, where nothing is wrong with the line itself."""
        return self.entry if not self.problem else None


class HistoryError(ContrastiveError, OSError):
    """The history can not be written or read. ``drafts`` are what was not recorded because of it."""

    def __init__(self, message: str, *, drafts: Sequence[Draft] = ()) -> None:
        super().__init__(message)
        self.drafts = tuple(drafts)

    @property
    def pending(self) -> str:
        """What was not recorded, one JSON object a line: what ``hf-contrastive history --add FILE`` reads."""
        # it is read from a terminal: ASCII, so that no character ends a line there
        return "".join(json.dumps(draft.to_dict(), sort_keys=True) + "\n" for draft in self.drafts)


def known_kind(kind: str) -> str:
    """Return ``kind``.

    Raises:
        ConfigurationError: no such kind.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        msg = f"`{kind}` is no kind of a history entry; they are {', '.join(KINDS)}.{hint}"
        raise ConfigurationError(msg)
    return kind


def heads_in(text: str) -> tuple[Head, ...]:
    """Return every head that a receipt or the message of a tag names."""
    return tuple(Head.parse(found) for found in dict.fromkeys(_HEAD_IN_TEXT.findall(text)))


def read_drafts(text: str, name: str) -> tuple[Draft, ...]:
    """Read what :attr:`HistoryError.pending` wrote.

    Args:
        text: one JSON object a line; empty lines are left out.
        name: of the file, for errors.

    Raises:
        ConfigurationError: a line is something else, or there is none.
    """
    drafts = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            draft = Draft.from_dict(json.loads(line))
            canonical_json(draft.to_dict())
        except (ValueError, RecursionError) as error:
            msg = (
                f"Line {number} of `{name}` is no line for the history ({error}); give the lines as the warning "
                "printed them: created_at, kind and payload in one JSON object."
            )
            raise ConfigurationError(msg) from error
        known_kind(draft.kind)
        drafts.append(draft)
    if not drafts:
        msg = f"`{name}` holds no line for the history; give the lines as the warning printed them."
        raise ConfigurationError(msg)
    return tuple(drafts)


def read_line(number: int, raw: bytes) -> ReadLine:
    """Read one line, its line feed left out; never raises."""
    try:
        # not json.loads(bytes), which accepts UTF-16 too
        data = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return ReadLine(number, None, "", "it is no JSON")
    if not isinstance(data, dict):
        return ReadLine(number, None, "", "it is no JSON object")
    stated = str(data.pop("digest", ""))
    try:
        entry = HistoryEntry.from_dict(data)
        if entry.digest != stated:
            return ReadLine(number, entry, stated, "its content does not give the digest that it names")
        intact = entry.line == raw + b"\n"
    except (SchemaError, RecursionError) as error:
        reason = str(error) if isinstance(error, SchemaError) else "it is nested too deeply"
        return ReadLine(number, None, stated, f"it is no entry of a history ({reason.rstrip('.')})")
    # white space, another order or doubled keys mean that something else than this program wrote it
    return ReadLine(number, entry, stated, "" if intact else "it is not in the form that it was written in")

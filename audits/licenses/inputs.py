"""What went into a model and under which license each part stands: the records of an inventory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from audits.records import Record

Role = Literal["training", "evaluation", "generator", "base"]
"""What an input is to the model: trained on, measured with only, writer of synthetic rows, adapted."""

Kind = Literal["rows", "dataset", "model"]

Place = Literal["given", "card", "license_file", "card_prose", "gating_text", "row_column", "package_metadata"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseStatement(Record):
    """What one place says about a license.

    ``where`` is a file, a key or a column; ``text`` as it stands there, shortened; ``sha256`` is of all bytes of that
    place as retrieved ("" where it is no file). ``concluded`` is the SPDX expression that was read from it, None where
    it names none that is known; ``note`` says how it was read, or why not.
    """

    place: Place
    where: str = ""
    text: str = ""
    sha256: str = ""
    concluded: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicensedInput(Record):
    """One input of a model.

    ``license`` is concluded from all ``statements``: an SPDX expression (``LicenseRef-…`` for terms of their own), or
    None where it is undetermined; ``reason`` then says why. ``disagreements`` quote statements that differ; the
    strictest reading then counts. ``groups`` name where rows come from, e.g. packages; an attribution names them.
    ``revision`` is a commit; ``parents`` lead from the top to it (``depth`` = their number). ``gated`` says whether its
    terms had to be accepted, "" where that is unknown. ``unread`` inputs could not be looked at: what they come from is
    not known either.
    """

    name: str
    role: Role
    kind: Kind
    license: str | None
    reason: str = ""
    statements: tuple[LicenseStatement, ...] = ()
    disagreements: tuple[str, ...] = ()
    rows: int | None = None
    groups: tuple[str, ...] = ()
    revision: str | None = None
    relation: str = ""
    parents: tuple[str, ...] = ()
    gated: Literal["", "no", "yes"] = ""
    unread: bool = False

    @property
    def depth(self) -> int:
        """How many steps it is away from what was used directly."""
        return len(self.parents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage(Record):
    """Everything that was found by walking from what was used to where it came from.

    ``files`` are (path in the evidence folder, sha256) of every license, card and gating text as retrieved.
    ``problems`` say what could not be read, each with the reason.
    """

    inputs: tuple[LicensedInput, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()

"""What each license permits and asks for, axis by axis, with the clause that says so: the data of ``terms/*.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from audits.records import Record

if TYPE_CHECKING:
    from audits.licenses.terms_table import TermsTable

UNDETERMINED = "undetermined"
"""The value of an axis that nobody is sure of; it never reads as a permission."""

AXES: Mapping[str, tuple[str, ...]] = {
    "commercial_use": ("allowed", "conditional", "forbidden"),
    "attribution": ("none", "required"),
    # weak: the licensed files or library only; database: the database, and not what was produced from it
    "share_alike": ("none", "weak", "database", "same-license"),
    "no_derivatives": ("none", "unmodified-only"),
    # binding: on the licensee alone; passed-down: the licensee must bind those who come after
    "use_restrictions": ("none", "binding", "passed-down"),
    # prefix: the name begins with ``detail``; display: ``detail`` is shown
    "naming": ("none", "prefix", "display"),
    # a list: what must go along
    "notice": ("none", "copyright", "license-copy", "notice-file", "changed-files", "sentence"),
    "results_carve_out": ("none", "results-free"),
    "output_training": ("not-addressed", "allowed", "conditional", "forbidden"),
    "gated": ("no", "terms-to-accept"),
    # what a derivative may be published under: any terms beside the notices; terms that keep the restrictions;
    # only the licenses listed in ``permitted``; nothing
    "relicensing": ("any-with-notices", "restrictions-kept", "listed", "none"),
    "hosting": ("not-distribution", "is-distribution"),
    # conditional: of some models only; excludes: no rights at all there. Which places: ``territories``
    "territory": ("worldwide", "conditional", "excludes"),
    # what the license is about; a license of a database says nothing on its contents
    "scope": ("any-work", "software", "content", "database", "data", "model", "font"),
}
"""Each axis with its allowed values, beside :data:`UNDETERMINED`."""

Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Record):
    """The value of one axis. ``clause`` is a short quotation, verbatim from the text that ``source`` names.

    ``values`` has one entry but for ``notice``. ``detail`` says what a value leaves open: the prefix of a name, the
    sentence to show, the limit of users. ``permitted`` lists licenses where the axis is ``relicensing``,
    ``territories`` the codes of the places where no rights are granted where it is ``territory``.
    """

    values: tuple[str, ...]
    clause: str = ""
    section: str = ""
    source: str = ""
    checked: str = ""
    confidence: Confidence = "high"
    detail: str = ""
    permitted: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()

    @property
    def value(self) -> str:
        """The only value, or the first of several."""
        return self.values[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounselReview(Record):
    """Who looked at an entry for a company or for this project; empty until somebody did."""

    by: str = ""
    date: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseTerms(Record):
    """One license. ``id`` is its SPDX id, else ``LicenseRef-…``; ``hub`` the ids of it on the Hugging Face Hub.

    ``family`` names those that are steps of one text ("CC-BY-SA", "Llama"); ``version`` orders them.
    ``positions`` hold what a company's overlay says about it, by axis or "*".
    """

    id: str
    name: str
    hub: tuple[str, ...] = ()
    family: str = ""
    version: str = ""
    source: str = ""
    note: str = ""
    axes: Mapping[str, Fact] = field(default_factory=dict)
    counsel_review: CounselReview = field(default_factory=CounselReview)

    def fact(self, axis: str) -> Fact:
        """Return the fact on ``axis``; undetermined where none stands here."""
        return self.axes.get(axis) or Fact(values=(UNDETERMINED,), confidence="low")


def load_terms() -> TermsTable:
    """Return the license facts that are shipped with the package, read once."""
    from audits.licenses import terms_table  # it is built of the types above

    return terms_table.load_terms()

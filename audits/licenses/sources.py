"""One raw source, and one statement in it with what it is worth."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from audits.licenses.facts import NON_COMMERCIAL, Category, fold
from audits.licenses.inputs import LicenseStatement, Place
from audits.licenses.resolution import ResolvedLicense, resolve
from audits.licenses.riders import quoted
from audits.licenses.texts import TextMatch, identify

Weight = Literal["declared", "text", "row", "prose", "aside", "policy", "silent"]
"""declared: named by an id or a name; prose can only make stricter; an aside is told and changes nothing; a policy
restricts a license that brings none along; silent says nothing on the license."""

LONGEST_VALUE = 100_000
"""Characters that are read of one value of a card, a column or a person; a pasted license text is shorter."""

_LONGEST_NAME = 400  # characters; what is longer is a pasted text
_SAYS_NOTHING = frozenset(
    {"", "unknown", "none", "see license", "see license file", "license", "license.txt", "file: license"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSource:
    """Something that may state a license, as it was retrieved.

    ``place`` says what it is: "card" is a whole README with its front matter, "card_prose" and "gating_text" are text
    alone, "license_file" is any file beside it that is named like one, "row_column" one value of a column (of several
    values each is one source), "package_metadata" the METADATA file of a distribution. ``where`` names it for people.
    """

    place: Place
    where: str
    content: str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One statement with what it is worth. ``license`` is None where it says something that stays open.

    ``family`` is the name of an ambiguous family that a license text can settle: "bsd", "other"; None where the
    statement is open for another reason. ``group`` tells statements of one list in one card. ``apart`` is the license
    of a text that is open for nothing but a sentence that speaks of no condition.
    """

    statement: LicenseStatement
    weight: Weight
    license: str | None
    category: Category
    family: str | None = None
    group: str = ""
    apart: str | None = None

    @property
    def partial(self) -> bool:
        """Tell whether it can show one license of a choice alone: a text, or a classifier of a package."""
        return self.weight == "text" or self.statement.where.endswith(": Classifier")

    @property
    def said(self) -> str:
        """Return the statement as disagreements quote it."""
        statement = self.statement
        where = statement.where or _PLACES[statement.place]
        if self.weight == "text":
            said = f"the text of {where} is {self.license}" if self.license else f"the text of {where}"
            return ": ".join(filter(None, (said, statement.note)))
        shown, read = statement.text[:120], self.license or statement.note or "undetermined"
        return f"{where} says “{shown}”" + ("" if shown == read else f" ({read})")


_PLACES: dict[Place, str] = {
    "given": "what was given",
    "card": "the card",
    "license_file": "a license file",
    "card_prose": "the card",
    "gating_text": "the gate",
    "row_column": "the rows",
    "package_metadata": "the metadata",
}


def value_claim(
    place: Place, where: str, text: str, digest: str, weight: Weight = "declared", group: str = ""
) -> Claim:
    """Return what one value says: an id, a name, an expression or a pasted text."""
    stripped = text.strip()
    resolved = resolve(stripped[:LONGEST_VALUE], slash_is_choice=place == "package_metadata")
    note = resolved.note
    if len(stripped) > LONGEST_VALUE:
        note = f"a value of {len(stripped):,} characters is no license; at most {LONGEST_VALUE:,} are read"
        resolved = ResolvedLicense(None, "unknown", note)
    license_id, category = resolved.spdx, resolved.category
    if _LONGEST_NAME < len(stripped) <= LONGEST_VALUE:
        match = identify(stripped)
        license_id, note = match.spdx, match.open_because or "read from the text itself"
    if license_id is None and category == "non-commercial":
        license_id, note = NON_COMMERCIAL, note or "it forbids commercial use and names no license"
    if weight != "row" and says_nothing(stripped) and license_id is None and place != "card":
        weight = "silent"
    family = _family(stripped, resolved) if license_id is None else None
    statement = statement_of(place, where, stripped, digest, license_id, note)
    return Claim(
        statement=statement, weight=weight, license=license_id, category=category, family=family, group=group or where
    )


def _family(text: str, resolved: ResolvedLicense) -> str | None:
    """Return the family that an ambiguous name leaves open, None where the name is no known family."""
    open_category = resolved.category not in ("unknown", "non-commercial", "other-terms")
    return fold(text.split("::")[-1]) if resolved.note.startswith("ambiguous:") or open_category else None


def says_nothing(text: str) -> bool:
    """Tell whether a value only points to something else, or says that it is not known."""
    return fold(text[:_LONGEST_NAME]) in _SAYS_NOTHING


def match_category(match: TextMatch) -> Category:
    """Return what a text permits at most: a part of a license, or a rider, leaves it open."""
    if any(item.category == "non-commercial" for item in match.riders):
        return "non-commercial"
    return resolve(match.spdx).category if match.spdx else "unknown"


def statement_of(
    place: Place, where: str, text: str, digest: str, concluded: str | None, note: str
) -> LicenseStatement:
    """Return a statement, shortened to what can be shown."""
    return LicenseStatement(
        place=place, where=quoted(where), text=quoted(text), sha256=digest, concluded=concluded, note=note
    )


def digest_of(content: str | bytes) -> str:
    """Return the digest of all bytes of a source."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", errors="surrogatepass")
    return hashlib.sha256(data).hexdigest()

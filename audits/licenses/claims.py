"""From one raw source to the statements in it: what a card, a file, a column or a package says."""

from __future__ import annotations

import email.parser
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from audits.licenses.cards import Card, CardValue, read_card
from audits.licenses.facts import Category, fold
from audits.licenses.inputs import LicenseStatement, Place
from audits.licenses.prose import NON_COMMERCIAL, license_sentences
from audits.licenses.resolution import ResolvedLicense, resolve
from audits.licenses.riders import quoted
from audits.licenses.texts import TextMatch, identify

Weight = Literal["declared", "text", "row", "prose", "silent"]
"""declared: named by an id or a name; prose can only make stricter; silent says nothing on the license."""

LONGEST_VALUE = 100_000
"""Characters that are read of one value of a card, a column or a person; a pasted license text is shorter."""

NOTICE = "a notice that names the license, not its text"
"""The note of a license file that holds no license text."""

_LONGEST_NAME = 400  # characters; what is longer is a pasted text
_COMPANION = re.compile(r"notice|authors|patents|use[_ -]?policy|acceptable[_ -]?use|prohibited", re.IGNORECASE)
_POINTER = re.compile(
    r"\b(?:see|found\s+in|refer\s+to|in\s+the\s+file|read)\b[^.\n]{0,80}\b(?:licen[cs]e|copying)", re.IGNORECASE
)
_SAYS_NOTHING = frozenset(
    {"", "unknown", "none", "see license", "see license file", "license", "license.txt", "file: license"}
)
_LONGEST_POINTER = 1000
_LONGEST_NOTICE = 4000


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


def claims_of(source: RawSource) -> Iterator[Claim]:
    """Yield what ``source`` says; never raises."""
    text, problem = _decoded(source.content)
    digest = _sha256(source.content)
    if source.place == "card":
        yield from _card(source.where, text, digest, problem)
    elif source.place == "license_file":
        yield _file(source.where, text, digest, problem)
    elif source.place in ("card_prose", "gating_text"):
        yield from _prose(source.place, source.where, text, digest)
    elif source.place == "package_metadata":
        yield from _metadata(source.where, text, digest)
    else:
        weight: Weight = "row" if source.place == "row_column" else "declared"
        yield _value(source.place, source.where, text, "", weight)


def _value(place: Place, where: str, text: str, digest: str, weight: Weight = "declared", group: str = "") -> Claim:
    """Return what one value says: an id, a name, an expression or a pasted text."""
    stripped = text.strip()
    resolved = resolve(stripped[:LONGEST_VALUE])
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
    if weight != "row" and fold(stripped[:_LONGEST_NAME]) in _SAYS_NOTHING and license_id is None and place != "card":
        weight = "silent"
    family = _family(stripped, resolved) if license_id is None else None
    statement = _statement(place, where, stripped, digest, license_id, note)
    return Claim(
        statement=statement, weight=weight, license=license_id, category=category, family=family, group=group or where
    )


def _family(text: str, resolved: ResolvedLicense) -> str | None:
    """Return the family that an ambiguous name leaves open, None where the name is no known family."""
    open_category = resolved.category not in ("unknown", "non-commercial", "other-terms")
    return fold(text.split("::")[-1]) if resolved.note.startswith("ambiguous:") or open_category else None


def _card(where: str, text: str, digest: str, problem: str) -> Iterator[Claim]:
    card = read_card(text)
    for value in card.values:
        yield _card_value(where, card, value, digest, problem)
    if card.name.strip() and all(value.text.strip().casefold() != "other" for value in card.values):
        named = _value("card", f"{where}: license_name", card.name, digest)
        if named.license or not card.values:
            yield named
    if card.gate.strip():
        yield from _prose("gating_text", f"{where}: extra_gated_prompt", card.gate, _sha256(card.gate))
    yield from _prose("card_prose", where, card.body, digest, card.body_line)


def _card_value(where: str, card: Card, value: CardValue, digest: str, problem: str) -> Claim:
    place, group = f"{where}: {value.key}", f"{where}#{value.group}"
    if value.problem:
        statement = _statement("card", place, value.text, digest, None, value.problem)
        return Claim(statement=statement, weight="declared", license=None, category="unknown", group=group)
    claim = _value("card", place, value.text, digest, group=group)
    if problem and claim.license is None:
        statement = _statement("card", place, value.text, digest, None, f"{problem}; {claim.statement.note}")
        return Claim(statement=statement, weight="declared", license=None, category=claim.category, group=group)
    if claim.family == "other":
        named = _named_other(where, card, digest, group)
        return claim if named is None else named
    return claim


def _named_other(where: str, card: Card, digest: str, group: str) -> Claim | None:
    """Return what ``license_name`` and ``license_link`` say beside ``license: other``."""
    name = _value("card", f"{where}: license_name", card.name, digest, group=group) if card.name.strip() else None
    if name is not None and name.license:
        return name
    links = identify(card.link[:_LONGEST_NAME]).links
    if len(links) == 1:
        resolved = resolve(links[0])
        statement = _statement(
            "card", f"{where}: license_link", card.link, digest, resolved.spdx, "the address names it"
        )
        return Claim(
            statement=statement, weight="declared", license=resolved.spdx, category=resolved.category, group=group
        )
    if name is None:
        return None
    statement = _statement("card", f"{where}: license_name", card.name, digest, None, "a name that is not known here")
    return Claim(
        statement=statement, weight="declared", license=None, category=name.category, family="other", group=group
    )


def _file(where: str, text: str, digest: str, problem: str) -> Claim:
    """Return what a file that is named like a license says."""
    match = identify(text)
    license_id, note = match.spdx, match.open_because
    weight: Weight = "text"
    category = _category(match)
    if not match.ids and not match.altered:
        weight, license_id, category, note = _without_text(where, text, match)
    elif match.bundled:
        note = "; ".join(filter(None, (note, f"it also bundles software under {', '.join(match.bundled)}")))
    if license_id is None and category == "non-commercial" and weight == "text":
        license_id = " AND ".join((*match.ids, NON_COMMERCIAL))
    note = "; ".join(filter(None, (problem, note)))
    shown = quoted(text)
    statement = _statement("license_file", where, shown, digest, license_id, note)
    return Claim(
        statement=statement,
        weight=weight,
        license=license_id,
        category=category,
        apart=match.apart if license_id is None else None,
    )


def _without_text(where: str, text: str, match: TextMatch) -> tuple[Weight, str | None, Category, str]:
    """Return weight, license, category and note of a license file that holds no license text that is known."""
    category = _category(match)
    sentences = license_sentences("## License\n" + text) if len(text) <= _LONGEST_NOTICE else ()
    stated = {item.resolved.spdx: item.resolved for item in sentences}
    if not stated and len(match.links) == 1:
        stated = {match.links[0]: resolve(match.links[0])}
    if len(stated) == 1:
        ((license_id, resolved),) = stated.items()
        if license_id and category in ("unknown", resolved.category):
            return "text", license_id, resolved.category, NOTICE
    if category != "non-commercial" and not stated:
        if bool(_COMPANION.search(where.rpartition("/")[2])) or match.annexes or not text.strip():
            return "silent", None, category, "it goes along with a license and is none"
        if len(text) <= _LONGEST_POINTER and _POINTER.search(text):
            return "silent", None, category, "it refers to other files"
    return "text", None, category, match.open_because


def _category(match: TextMatch) -> Category:
    """Return what a text permits at most: a part of a license, or a rider, leaves it open."""
    if any(item.category == "non-commercial" for item in match.riders):
        return "non-commercial"
    return resolve(match.spdx).category if match.spdx else "unknown"


def _prose(place: Place, where: str, text: str, digest: str, first_line: int = 1) -> Iterator[Claim]:
    if place == "gating_text":
        match = identify(text)
        if match.ids or match.altered:
            statement = _statement(place, where, quoted(text), digest, match.spdx, match.open_because)
            yield Claim(statement=statement, weight="text", license=match.spdx, category=_category(match))
            return
        text = "## Terms of use\n" + text
        first_line -= 1
    for item in license_sentences(text):
        spot = f"{where}: line {item.line + first_line - 1}"
        note = "; ".join(filter(None, ("a sentence: it can only make the license stricter", item.resolved.note)))
        statement = _statement(place, spot, item.text, digest, item.resolved.spdx, note)
        yield Claim(statement=statement, weight="prose", license=item.resolved.spdx, category=item.resolved.category)


def _metadata(where: str, text: str, digest: str) -> Iterator[Claim]:
    """Yield what core metadata says: License-Expression, License and each classifier."""
    head = text[:1_000_000].partition("\n\n")[0]
    message = email.parser.HeaderParser().parsestr(head)
    for key in ("License-Expression", "License"):
        for value in message.get_all(key, []):
            stated = re.sub(r"\n[ |]{7,8}", "\n", str(value)).strip()
            if stated:
                yield _value("package_metadata", f"{where}: {key}", stated, digest)
    for value in message.get_all("Classifier", []):
        name = str(value).strip()
        if name.lower().startswith("license ::") and not re.fullmatch(r"(?i)license\s*::\s*\w+ approved", name):
            yield _value("package_metadata", f"{where}: Classifier", name, digest)


def _statement(place: Place, where: str, text: str, digest: str, concluded: str | None, note: str) -> LicenseStatement:
    return LicenseStatement(
        place=place, where=quoted(where), text=quoted(text), sha256=digest, concluded=concluded, note=note
    )


def _decoded(content: str | bytes) -> tuple[str, str]:
    """Return the text, and what is wrong with its encoding."""
    if isinstance(content, str):
        return content, ""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace"), ""
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        return content.decode("utf-8", errors="replace"), f"no valid UTF-8 at byte {error.start}"


def _sha256(content: str | bytes) -> str:
    data = content if isinstance(content, bytes) else content.encode("utf-8", errors="surrogatepass")
    return hashlib.sha256(data).hexdigest()

"""From one raw source to the statements in it: what a card, a file, a column or a package says."""

from __future__ import annotations

import email.parser
import re
from collections.abc import Iterator

from audits.licenses.card_claims import card_claims, prose_claims
from audits.licenses.facts import NON_COMMERCIAL, Category
from audits.licenses.prose import license_sentences
from audits.licenses.resolution import resolve
from audits.licenses.riders import quoted
from audits.licenses.sources import Claim, RawSource, Weight, digest_of, match_category, statement_of, value_claim
from audits.licenses.texts import TextMatch, identify

__all__ = ["NOTICE", "Claim", "RawSource", "Weight", "claims_of"]

NOTICE = "a notice that names the license, not its text"
"""The note of a license file that holds no license text."""

POLICY = "a use policy restricts what may be done, and is no license"
"""The note of a file on acceptable use."""

_COMPANION = re.compile(r"notice|authors|patents", re.IGNORECASE)
_POLICY = re.compile(r"use[-_ ]?policy|acceptable[-_ ]?use|prohibited", re.IGNORECASE)
_POINTER = re.compile(
    r"\b(?:see|found\s+in|refer\s+to|in\s+the\s+file|read)\b[^.\n]{0,80}\b(?:licen[cs]e|copying)", re.IGNORECASE
)
_LONGEST_POINTER = 1000
_LONGEST_NOTICE = 4000


def claims_of(source: RawSource) -> Iterator[Claim]:
    """Yield what ``source`` says; never raises."""
    text, problem = _decoded(source.content)
    digest = digest_of(source.content)
    if source.place == "card":
        yield from card_claims(source.where, text, digest, problem)
    elif source.place == "license_file":
        yield _file(source.where, text, digest, problem)
    elif source.place in ("card_prose", "gating_text"):
        yield from prose_claims(source.place, source.where, text, digest)
    elif source.place == "package_metadata":
        yield from _metadata(source.where, text, digest)
    else:
        weight: Weight = "row" if source.place == "row_column" else "declared"
        yield value_claim(source.place, source.where, text, "", weight)


def _file(where: str, text: str, digest: str, problem: str) -> Claim:
    """Return what a file that is named like a license says."""
    match = identify(text)
    license_id, note = match.spdx, match.open_because
    weight: Weight = "text"
    category = match_category(match)
    if not match.ids and not match.altered:
        weight, license_id, category, note = _without_text(where, text, match)
    elif match.bundled:
        note = "; ".join(filter(None, (note, f"it also bundles software under {', '.join(match.bundled)}")))
    if license_id is None and category == "non-commercial" and weight == "text":
        license_id = " AND ".join((*match.ids, NON_COMMERCIAL))
    note = "; ".join(filter(None, (problem, note)))
    shown = quoted(text)
    statement = statement_of("license_file", where, shown, digest, license_id, note)
    return Claim(
        statement=statement,
        weight=weight,
        license=license_id,
        category=category,
        apart=match.apart if license_id is None else None,
    )


def _without_text(where: str, text: str, match: TextMatch) -> tuple[Weight, str | None, Category, str]:
    """Return weight, license, category and note of a license file that holds no license text that is known."""
    category = match_category(match)
    sentences = license_sentences("## License\n" + text) if len(text) <= _LONGEST_NOTICE else ()
    stated = {item.resolved.spdx: item.resolved for item in sentences if not item.aside}
    if not stated and len(match.links) == 1:
        stated = {match.links[0]: resolve(match.links[0])}
    if len(stated) == 1:
        ((license_id, resolved),) = stated.items()
        if license_id and category in ("unknown", resolved.category):
            return "text", license_id, resolved.category, NOTICE
    if category != "non-commercial" and not stated:
        name = where.rpartition("/")[2]
        if text.strip() and (_POLICY.search(name) or match.annexes):
            return "policy", None, category, POLICY
        if _COMPANION.search(name) or not text.strip():
            return "silent", None, category, "it goes along with a license and is none"
        if len(text) <= _LONGEST_POINTER and _POINTER.search(text):
            return "silent", None, category, "it refers to other files"
    return "text", None, category, match.open_because


def _metadata(where: str, text: str, digest: str) -> Iterator[Claim]:
    """Yield what core metadata says: License-Expression, License and each classifier."""
    head = text[:1_000_000].partition("\n\n")[0]
    message = email.parser.HeaderParser().parsestr(head)
    for key in ("License-Expression", "License"):
        for value in message.get_all(key, []):
            stated = re.sub(r"\n[ |]{7,8}", "\n", str(value)).strip()
            if stated:
                yield value_claim("package_metadata", f"{where}: {key}", stated, digest)
    for value in message.get_all("Classifier", []):
        name = str(value).strip()
        if name.lower().startswith("license ::") and not re.fullmatch(r"(?i)license\s*::\s*\w+ approved", name):
            yield value_claim("package_metadata", f"{where}: Classifier", name, digest)


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

"""What a card says: its keys, the gate in its front matter and its sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from audits.licenses.addresses import license_at
from audits.licenses.cards import Card, CardValue, read_card
from audits.licenses.facts import NON_COMMERCIAL
from audits.licenses.generators import generator_sentences
from audits.licenses.inputs import Place
from audits.licenses.prose import license_sentences
from audits.licenses.resolution import ResolvedLicense, named, resolve
from audits.licenses.riders import quoted
from audits.licenses.sources import Claim, Weight, digest_of, match_category, says_nothing, statement_of, value_claim
from audits.licenses.texts import identify

GENERATOR = "names a generator: its terms are an input"
"""The note of a sentence that says what wrote the rows."""

_LONGEST_LINK = 400  # characters


def card_claims(where: str, text: str, digest: str, problem: str) -> Iterator[Claim]:
    """Yield what a README with its front matter says; ``problem`` is one of its encoding."""
    card = read_card(text)
    for value in card.values:
        yield _card_value(where, card, value, digest, problem)
    other = any(value.text.strip().casefold() == "other" for value in card.values)
    name = _name(where, card, digest)
    if name is not None and not other:
        yield name
    link = _link(where, card, digest)
    if link is not None and (not other or (name is not None and name.license)):
        yield link
    if card.gate.strip():
        yield from prose_claims("gating_text", f"{where}: extra_gated_prompt", card.gate, digest_of(card.gate))
    yield from prose_claims("card_prose", where, card.body, digest, card.body_line)


def prose_claims(place: Place, where: str, text: str, digest: str, first_line: int = 1) -> Iterator[Claim]:
    """Yield what sentences say. A gate speaks of nothing but terms."""
    if place == "gating_text":
        match = identify(text)
        if match.ids or match.altered:
            statement = statement_of(place, where, quoted(text), digest, match.spdx, match.open_because)
            yield Claim(statement=statement, weight="text", license=match.spdx, category=match_category(match))
            return
        text = "## Terms of use\n" + text
        first_line -= 1
    for item in license_sentences(text):
        spot = f"{where}: line {item.line + first_line - 1}"
        what = (
            "it speaks of a source or of a part" if item.aside else "a sentence: it can only make the license stricter"
        )
        note = "; ".join(filter(None, (what, item.resolved.note)))
        concluded = None if item.aside else item.resolved.spdx
        statement = statement_of(place, spot, item.text, digest, concluded, note)
        weight: Weight = "aside" if item.aside else "prose"
        yield Claim(statement=statement, weight=weight, license=concluded, category=item.resolved.category)
    for line, sentence in generator_sentences(text) if place == "card_prose" else ():
        statement = statement_of(place, f"{where}: line {line + first_line - 1}", sentence, digest, None, GENERATOR)
        yield Claim(statement=statement, weight="silent", license=None, category="unknown")


def _card_value(where: str, card: Card, value: CardValue, digest: str, problem: str) -> Claim:
    place, group = f"{where}: {value.key}", f"{where}#{value.group}"
    if value.problem:
        note = "; ".join(filter(None, (value.note, value.problem)))
        statement = statement_of("card", place, value.text, digest, None, note)
        return Claim(statement=statement, weight="declared", license=None, category="unknown", group=group)
    claim = value_claim("card", place, value.text, digest, group=group)
    note = "; ".join(filter(None, (value.note, problem if claim.license is None else "", claim.statement.note)))
    claim = replace(claim, statement=replace(claim.statement, note=note))
    if problem and claim.license is None:
        return replace(claim, family=None)
    if claim.family == "other":
        return _named_other(where, card, digest, group) or claim
    return claim


def _named_other(where: str, card: Card, digest: str, group: str) -> Claim | None:
    """Return what ``license_name`` and ``license_link`` say beside ``license: other``."""
    name, link = _name(where, card, digest), _link(where, card, digest, anywhere=True)
    if name is not None and name.license:
        return replace(name, group=group)
    if link is not None:
        return replace(link, group=group)
    return None if name is None else replace(name, group=group, family="other")


def _name(where: str, card: Card, digest: str) -> Claim | None:
    """Return what ``license_name`` says, None where it says nothing."""
    if says_nothing(card.name):
        return None
    claim = value_claim("card", f"{where}: license_name", card.name, digest)
    if claim.license or claim.family:
        return claim
    spaced = named(card.name[:_LONGEST_LINK].replace("-", " ").replace("_", " "))
    if spaced is not None and spaced.spdx:
        return _claim(f"{where}: license_name", card.name, digest, spaced, spaced.note)
    note = "; ".join(filter(None, ("a name that is not known here", claim.statement.note)))
    return replace(claim, statement=replace(claim.statement, note=note))


def _link(where: str, card: Card, digest: str, *, anywhere: bool = False) -> Claim | None:
    """Return what ``license_link`` says by its address; ``anywhere``: also where no body publishes licenses."""
    found = license_at(card.link)
    if anywhere and found is None:
        links = identify(card.link[:_LONGEST_LINK]).links
        found = resolve(links[0]) if len(links) == 1 else None
    if found is None or not (found.spdx or found.category == "non-commercial"):
        return None
    return _claim(f"{where}: license_link", card.link, digest, found, "the address names it")


def _claim(where: str, text: str, digest: str, read: ResolvedLicense, note: str) -> Claim:
    license_id = read.spdx or (NON_COMMERCIAL if read.category == "non-commercial" else None)
    statement = statement_of("card", where, text, digest, license_id, note)
    return Claim(statement=statement, weight="declared", license=license_id, category=read.category, group=where)

"""PII001-PII005 and SEC001: personal data and secrets in the text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audits.checks import Check, CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.findings import FindingRow, RowEvidence
from audits.personal import ADDRESSES, CARDS, IBANS, PERSONS, PHONES, SECRETS, Detector, masked
from audits.source import AuditSource
from audits.text.cells import texts_of
from audits.text.emails import find_addresses, mask_address
from audits.text.excerpts import excerpt

_METHOD = (
    "pattern with known top-level domains, precision first; not counted: domains that RFC 2606 reserves and "
    "stand-ins such as domain.com, git remotes, users in URLs; spelled-out addresses are missed"
)

PERSONAL = (
    "Replace the numbers by a placeholder, or record why they may be used (a legal basis is a person's decision)."
)


class EmailAddresses:
    """E-mail addresses in the text."""

    code = "PII001"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """An address is personal data of somebody, and an encoder may keep it.

        Only masked addresses are shown; the score is the number of addresses in the text. Nothing
        found means no match of this pattern, not that there is no personal data.
        """
        for split in source.splits:
            for column in source.texts(split):
                texts = texts_of(source, split, column)
                counts = [len(find_addresses(text)) if text else 0 for text in texts]
                rows = [FindingRow(split, i, None, None, float(count)) for i, count in enumerate(counts) if count]

                yield report(
                    self,
                    rows,
                    share(f"texts with an e-mail address {place(split, column)}", len(rows), len(texts), _METHOD),
                    split=split,
                    column=column,
                    remedy=(
                        "Replace the addresses by a placeholder, or record why they may be used "
                        "(a legal basis is a person's decision)."
                    ),
                    evidence=partial(_addresses, column=column, texts=texts),
                )


class PhoneNumbers:
    """Phone numbers in the text."""

    code = "PII002"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A phone number is personal data of somebody.

        Found are international forms with a calling code of E.164, North American ones with separators, and national
        ones after a word such as "phone". Only what kind it is and a salted hash are shown.
        """
        yield from report_matches(self, source, (PHONES,), "phone number", PERSONAL)


class PaymentNumbers:
    """Payment cards and bank accounts in the text."""

    code = "PII003"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Numbers that money can be taken with.

        Cards by prefix, length and Luhn's check digit, in groups or after a word such as "card"; IBANs by the length of
        their country and the remainder of ISO 7064. Test numbers of payment services do not count.
        """
        yield from report_matches(self, source, (CARDS, IBANS), "card or account number", PERSONAL)


class PersonNumbers:
    """Numbers of persons in the text: social security, tax and identity numbers."""

    code = "PII004"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A number that a state gave to one person.

        US and UK by their form, German, French, Spanish, Italian, Dutch, Polish, Belgian, Swedish, Finnish, Portuguese
        and Irish ones by their check digits; those without a form of their own after a word that names them.
        """
        yield from report_matches(self, source, (PERSONS,), "number of a person", PERSONAL)


class MachineAddresses:
    """Public IP addresses in the text."""

    code = "PII005"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """The address of a machine can be that of a person.

        Private, reserved and documentation networks, well-known public services and what looks like a version or a
        section number do not count.
        """
        yield from report_matches(self, source, (ADDRESSES,), "public IP address", PERSONAL)


class Secrets:
    """Keys, tokens and passwords in the text."""

    code = "SEC001"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """A key in training data can be got out of the model, and may still open a door.

        Found are the forms of 25 services, JSON web tokens, private keys with their body and passwords in URLs, where
        they look random enough; GitHub's by their checksum. Placeholders do not count.
        """
        remedy = "Have the key revoked by whoever owns it first; then remove these rows or replace the key."
        yield from report_matches(self, source, (SECRETS,), "key, token or password", remedy)


def report_matches(
    check: Check,
    source: AuditSource,
    detectors: Sequence[Detector],
    what: str,
    remedy: str,
    how: str = "forms, check digits and words before the number, precision first",
) -> Iterator[Observation]:
    """Yield the texts in which one of the detectors finds something; what it finds is never shown.

    Args:
        check: reports them.
        source: is looked through.
        detectors: only those texts are given to them in which one of their hints stands.
        what: is found, in plain words.
        remedy: what a person can do.
        how: the detectors decide.
    """
    method = (
        f"{how}; shown is the kind and a hash that is salted with the data itself, the same for the same value of one "
        "column"
    )
    for split in source.splits:
        for column in source.texts(split):
            texts = texts_of(source, split, column)
            rows = []
            for i in _worth_a_look(texts, detectors):
                count = sum(1 for detector in detectors for _ in detector.find(texts[i] or ""))
                if count:
                    rows.append(FindingRow(split, i, None, None, float(count)))
            yield report(
                check,
                rows,
                share(f"texts with a {what} {place(split, column)}", len(rows), len(texts), method),
                split=split,
                column=column,
                remedy=remedy,
                evidence=partial(
                    _kinds, column=column, texts=texts, detectors=detectors, salt=_salt(texts) if rows else b""
                ),
            )


def _worth_a_look(texts: Sequence[str | None], detectors: Sequence[Detector]) -> list[int]:
    """Return the rows in which a hint stands; one pass of RE2 over the column."""
    column = pa.array(texts, pa.large_string())
    hit = pc.match_substring_regex(column, "|".join(detector.hint for detector in detectors))
    return np.flatnonzero(np.asarray(hit.fill_null(False))).tolist()


def _salt(texts: Sequence[str | None]) -> bytes:
    """Return a secret that only who has the data can know, the same each time."""
    state = hashlib.blake2b(b"hf-contrastive salt", digest_size=32)
    for text in texts:
        state.update((text or "").encode("utf-8", "surrogatepass"))
        state.update(b"\0")
    return state.digest()


def _kinds(
    row: FindingRow, column: str, texts: Sequence[str | None], detectors: Sequence[Detector], salt: bytes
) -> RowEvidence:
    """Return what one cell holds, by kind and hash, and nothing of the text around it."""
    text = texts[row.row] or ""
    shown = dict.fromkeys(
        masked(text[match.start : match.end], match.kind, salt)
        for detector in detectors
        for match in detector.find(text)
    )
    return RowEvidence(split=row.split, row=row.row, column=column, excerpt=excerpt(" ".join(shown)), score=row.score)


def _addresses(row: FindingRow, column: str, texts: Sequence[str | None]) -> RowEvidence:
    """Return the distinct addresses of one cell, masked, and nothing of the text around them."""
    found = find_addresses(texts[row.row] or "")
    masked = dict.fromkeys(mask_address(address.text) for address in found)
    shown = excerpt(", ".join(masked))
    return RowEvidence(split=row.split, row=row.row, column=column, excerpt=shown, score=row.score)

"""Microsoft Presidio's recognisers of numbers of persons, without a language model and without a network.

Its recognisers are asked one by one. What a language model would add, names of persons and places, is not looked for;
the words that a recogniser wants near its numbers are looked for here, before them. Left out are recognisers that would
load a model, those of companies, dates, places, e-mail and web addresses (they may fetch a list of domains), and those
whose pattern takes the square of a text's length (IN_PAN) or fits parts of any hash
(MEDICAL_LICENSE, ZA_DRIVER_LICENSE, ZA_PASSPORT).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from audits.errors import AuditError
from audits.extras import missing_extra, silenced
from audits.personal.matches import Detector, Match

_NAMES = re.findall(
    r"\w+",
    """
    AuMedicare AuTfn CaSin CreditCard Crypto DeHealthInsurance DeIdCard DePassport DeSocialSecurity DeTaxId EsNie EsNif
    FiPersonalIdentityCode Iban InAadhaar InVoter ItDriverLicense ItFiscalCode ItIdentityCard KrDriverLicense KrFrn
    KrRrn NgNin Nhs Phone PlPesel SePersonnummer SgFin ThTnin TrNationalId UkDrivingLicence UkNino UsItin UsMbi UsSsn
    ZaIdNumber
    """,
)
_CONTEXT = 40  # characters before a number in which a word may say what it is
_LEAST_SCORE = 0.3  # of Presidio, for what a word says and no check digit
_CERTAIN = 1.0  # its score for what has the right check digit
_LETTERS = 2  # with so many of them a number has a form of its own
_LONGEST = 20_000
_SAY_NOTHING = frozenset({"call", "discover", "documento", "id", "number", "pass"})


class _Recogniser(NamedTuple):
    """One of Presidio's recognisers, and the words that may stand before what it finds."""

    recogniser: Any
    words: re.Pattern[str]


def _find(text: str) -> Iterator[Match]:
    text = text[:_LONGEST]
    found = []
    with silenced("presidio-analyzer"):
        for recogniser, words in _recognisers():
            for result in recogniser.analyze(text, recogniser.supported_entities, None) or ():
                start, end = int(result.start), int(result.end)
                certain = result.score >= _CERTAIN and sum(map(str.isalpha, text[start:end])) >= _LETTERS
                said = result.score >= _LEAST_SCORE and words.search(text, max(0, start - _CONTEXT), start)
                if certain or said:
                    found.append((start, -float(result.score), end, str(result.entity_type)))
    taken = 0
    for start, _, end, kind in sorted(found):
        if start >= taken and end > start:
            yield Match(start, end, kind)
            taken = end


@lru_cache(maxsize=1)
def _recognisers() -> tuple[_Recogniser, ...]:
    reason = missing_extra("presidio")
    if reason is not None:
        msg = f"Presidio can not be asked: it {reason}."
        raise AuditError(msg)
    from presidio_analyzer import predefined_recognizers

    classes = [getattr(predefined_recognizers, f"{name}Recognizer", None) for name in _NAMES]
    made = [found() for found in classes if found is not None]
    if not made:
        msg = "None of the recognisers that are asked stand in this version of presidio-analyzer; install another one."
        raise AuditError(msg)
    return tuple(_Recogniser(recogniser, _words(recogniser.context or ())) for recogniser in made)


def _words(context: tuple[str, ...] | list[str]) -> re.Pattern[str]:
    """Return what matches one of the words as a whole, whatever its case; nothing where there are none."""
    words = "|".join(re.escape(word) for word in sorted(set(context) - _SAY_NOTHING, key=len, reverse=True))
    return re.compile(rf"(?i)(?<!\w)(?:{words})(?!\w)" if words else r"(?!)")


# two digits, or one in a word of nine characters: wallets may have no two that are neighbours
PRESIDIO = Detector(
    "personal data by Presidio", _find, r"\p{Nd}{2}|\p{Nd}[A-Za-z0-9]{4}|[A-Za-z0-9]{4}\p{Nd}|\p{Nd}[ .()/-]+\p{Nd}"
)

"""Personal data and secrets: detectors, one for each kind, and how what they find is shown.

Precision comes first; check digits and forms decide, and where a number has neither, a word before it.
"""

from audits.personal.identifiers import ADDRESSES, CARDS, IBANS, PERSONS, PHONES
from audits.personal.matches import Detector, Match, masked
from audits.personal.secrets import SECRETS

DETECTORS = (SECRETS, IBANS, CARDS, PERSONS, PHONES, ADDRESSES)
"""All kinds but e-mail addresses, in the order in which they are masked."""

__all__ = ["ADDRESSES", "CARDS", "DETECTORS", "IBANS", "PERSONS", "PHONES", "SECRETS", "Detector", "Match", "masked"]

"""Check digits: what tells a number of a person from any other number of its length."""

from __future__ import annotations

import string

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SD": 18,
    "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22,
    "VG": 24, "XK": 20,
}  # fmt: skip
"""Characters of an IBAN by country, from the IBAN registry of SWIFT (ISO 13616)."""

_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_PPS = "WABCDEFGHIJKLMNOPQRSTUV"
_CODICE_ODD = {
    **dict(zip(string.digits, (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True)),
    **dict(
        zip(
            string.ascii_uppercase,
            (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
            strict=True,
        )
    ),
}


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1, annex B."""
    total = 0
    for i, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + i % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban(text: str) -> bool:
    """Whether ``text``, without blanks, is an IBAN: its country's length, and the remainder 1 (ISO 7064, mod 97-10)."""
    if IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def steuer_id(digits: str) -> bool:
    """Whether 11 digits are a German tax number: ISO 7064 mod 11,10, and a digit of the first ten repeated."""
    first = digits[:10]
    if digits[0] == "0" or max(map(first.count, first)) not in (2, 3) or len(set(first)) not in (8, 9):
        return False
    product = 10
    for digit in first:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == int(digits[10])


def nir(digits: str) -> bool:
    """Whether 15 digits are a French social security number: 97 minus the remainder of the first 13."""
    return digits[0] in "12" and 1 <= int(digits[3:5]) <= 12 and 97 - int(digits[:13]) % 97 == int(digits[13:])


def dni(text: str) -> bool:
    """Whether 8 digits, or X, Y, Z and 7 digits, are followed by the letter of their remainder by 23 (Spain)."""
    number = {"X": "0", "Y": "1", "Z": "2"}.get(text[0], text[0]) + text[1:-1]
    return _DNI[int(number) % 23] == text[-1]


def codice_fiscale(text: str) -> bool:
    """Whether the last of 16 characters is the check letter of an Italian tax code."""
    odd = sum(_CODICE_ODD[c] for c in text[:15:2])
    even = sum(int(c) if c.isdigit() else ord(c) - ord("A") for c in text[1:15:2])
    return chr(ord("A") + (odd + even) % 26) == text[15]


def bsn(digits: str) -> bool:
    """Whether 9 digits pass the eleven test of a Dutch citizen service number."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return int(digits) > 0 and sum(w * int(d) for w, d in zip(weights, digits, strict=True)) % 11 == 0


def pesel(digits: str) -> bool:
    """Whether 11 digits are a Polish PESEL: a date, and weights 1 3 7 9."""
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    total = sum(w * int(d) for w, d in zip(weights, digits, strict=True))
    return 1 <= month <= 12 and 1 <= day <= 31 and total % 10 == 0


def belgian(digits: str) -> bool:
    """Whether 11 digits are a Belgian national number: 97 minus the remainder, from 2000 on with a 2 in front."""
    check = int(digits[9:])
    return any(97 - int(front + digits[:9]) % 97 == check for front in ("", "2"))


def hetu(text: str) -> bool:
    """Whether ``ddmmyy-xxxC`` has the check character of a Finnish identity code."""
    return _HETU[int(text[:6] + text[7:10]) % 31] == text[10]


def nif(digits: str) -> bool:
    """Whether 9 digits are a Portuguese tax number: weights 9 to 2, mod 11."""
    rest = sum((9 - i) * int(d) for i, d in enumerate(digits[:8])) % 11
    return (0 if rest < 2 else 11 - rest) == int(digits[8])


def pps(text: str) -> bool:
    """Whether 7 digits are followed by the check letter of an Irish PPS number, with or without a second letter."""
    total = sum((8 - i) * int(d) for i, d in enumerate(text[:7]))
    if len(text) > 8 and text[8] != "W":
        total += 9 * (ord(text[8]) - ord("A") + 1)
    return _PPS[total % 23] == text[7]

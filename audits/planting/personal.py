"""Planted personal data and keys: made by their rules, never real ones."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator

import numpy as np

from audits.personal.checksums import luhn
from audits.planting.ground import Defect, Ground, defect

_ALNUM = string.ascii_letters + string.digits
_SYLLABLES = ("ba", "do", "fi", "ka", "le", "mo", "nu", "ra", "si", "ta", "ve", "zo")
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"

Rng = np.random.Generator


def _word(rng: Rng) -> str:
    return "".join(rng.choice(_SYLLABLES, 3))


def _any(rng: Rng, count: int, letters: str = _ALNUM) -> str:
    return "".join(letters[i] for i in rng.integers(len(letters), size=count))


def _digits(rng: Rng, count: int, first: str = string.digits) -> str:
    return _any(rng, 1, first) + _any(rng, count - 1, string.digits)


def address(rng: Rng) -> str:
    """Return an e-mail address."""
    form = ("{}.{}@{}.com", "{}{}@{}.org", "<{}_{}@mail.{}.de>", "mailto:{}-{}@{}.co.uk")[int(rng.integers(4))]
    return form.format(_word(rng), _word(rng), _word(rng))


def phone(rng: Rng) -> str:
    """Return a phone number, international, North American or national."""
    area, office = _digits(rng, 3, "23456789"), _digits(rng, 3, "2346789")
    forms = (
        f"+49 30 {_digits(rng, 7, '23456789')}",
        f"+44 20 7{_digits(rng, 3)} {_digits(rng, 4)}",
        f"({area}) {office}-{_digits(rng, 4)}",
        f"{area}-{office}-{_digits(rng, 4)}",
        f"phone: 0171 {_digits(rng, 7)}",
    )
    return forms[int(rng.integers(len(forms)))]


def card(rng: Rng) -> str:
    """Return the number of a payment card, in groups of four."""
    body = ("4", "51", "2720", "6011")[int(rng.integers(4))]
    body += _digits(rng, 15 - len(body))
    number = next(body + digit for digit in string.digits if luhn(body + digit))
    return " -"[int(rng.integers(2))].join(number[i : i + 4] for i in range(0, 16, 4))


def account(rng: Rng) -> str:
    """Return an IBAN."""
    country, size = (("DE", 18), ("ES", 20), ("PL", 24), ("BE", 12))[int(rng.integers(4))]
    body = _digits(rng, size)
    # ISO 7064, mod 97-10
    check = 98 - int(body + "".join(str(int(c, 36)) for c in country) + "00") % 97
    return f"{country}{check:02}{body}"


def person(rng: Rng) -> str:
    """Return a number of a person: of the US, the UK, Spain or Belgium."""
    number = int(rng.integers(10_000_000, 99_999_999))
    born = f"{rng.integers(40, 99):02}{rng.integers(1, 12):02}{rng.integers(1, 28):02}{rng.integers(1, 997):03}"
    forms = (
        f"SSN {rng.integers(1, 660):03}-{rng.integers(1, 99):02}-{rng.integers(1, 9999):04}",
        f"AB {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)} C",
        f"{number}{_DNI[number % 23]}",
        f"{born[:2]}.{born[2:4]}.{born[4:6]}-{born[6:]}.{97 - int(born) % 97:02}",
    )
    return forms[int(rng.integers(len(forms)))]


def machine(rng: Rng) -> str:
    """Return a public address of version 4."""
    return f"{rng.integers(78, 96)}.{rng.integers(130, 250)}.{rng.integers(40, 250)}.{rng.integers(2, 254)}"


def key(rng: Rng) -> str:
    """Return a key, a token or a password in a URL."""
    forms = (
        f"AKIA{_any(rng, 16, string.ascii_uppercase + '234567')}",
        f"glpat-{_any(rng, 20)}",
        f"hf_{_any(rng, 34, string.ascii_letters)}",
        f"sk_live_{_any(rng, 24)}",
        f"AIza{_any(rng, 35)}",
        f"xoxb-{_digits(rng, 12)}-{_any(rng, 24)}",
        f"postgres://{_word(rng)}:{_any(rng, 14)}@db.{_word(rng)}.net",
    )
    return forms[int(rng.integers(len(forms)))]


def tax_file_number(rng: Rng) -> str:
    """Return a tax number of Australia, with its name: weights 1 4 3 7 5 8 6 9 10, mod 11."""
    while True:
        digits = _digits(rng, 8, "123456789")
        rest = sum(w * int(d) for w, d in zip((1, 4, 3, 7, 5, 8, 6, 9), digits, strict=True)) % 11
        for last in string.digits:
            if (rest + 10 * int(last)) % 11 == 0:
                number = digits + last
                return f"tax file number {number[:3]} {number[3:6]} {number[6:]}"


def named_secret(rng: Rng) -> str:
    """Return a password or a key with its name before it."""
    forms = ('password = "{}"', 'api_key: "{}"', 'SECRET_KEY="{}"', 'token = "{}"')
    return forms[int(rng.integers(len(forms)))].format(_any(rng, 24))


class _Inserted:
    """A value within a text."""

    make: Callable[[Rng], str]

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield rows with a value between two words of their longest text."""
        for row in ground.rows.tolist() if ground.columns else ():
            ground.insert(row, type(self).make(ground.rng))
            yield defect(row)


class Addresses(_Inserted):
    """E-mail addresses."""

    kind = "an e-mail address"
    codes = ("PII001",)
    make = staticmethod(address)


class Phones(_Inserted):
    """Phone numbers."""

    kind = "a phone number"
    codes = ("PII002",)
    make = staticmethod(phone)


class Cards(_Inserted):
    """Payment cards."""

    kind = "the number of a payment card"
    codes = ("PII003",)
    make = staticmethod(card)


class Accounts(_Inserted):
    """Bank accounts."""

    kind = "an IBAN"
    codes = ("PII003",)
    make = staticmethod(account)


class Persons(_Inserted):
    """Numbers of persons."""

    kind = "a number of a person"
    codes = ("PII004",)
    make = staticmethod(person)


class Machines(_Inserted):
    """Addresses of machines."""

    kind = "a public IP address"
    codes = ("PII005",)
    make = staticmethod(machine)


class Keys(_Inserted):
    """Keys and tokens."""

    kind = "a key, a token or a password in a URL"
    codes = ("SEC001",)
    make = staticmethod(key)


class ForeignPersons(_Inserted):
    """Numbers of persons that only Presidio knows."""

    kind = "an Australian tax file number"
    codes = ("PII006",)
    make = staticmethod(tax_file_number)


class NamedSecrets(_Inserted):
    """Passwords and keys behind their name."""

    kind = "a password or a key behind its name"
    codes = ("SEC002",)
    make = staticmethod(named_secret)

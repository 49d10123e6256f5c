"""Numbers of persons, accounts and machines, by their form and their check digits.

Precision comes first: a number without a form of its own counts only where a word before it says what it is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from audits.personal import checksums
from audits.personal.matches import Detector, Match

_CONTEXT = 40  # characters before a number in which a word may say what it is
# nothing that makes it part of a longer number, a word, a path or a decimal
_BEFORE = r"(?<![\w.,/\\#=-])(?<![\w][:+@])"
_AFTER = r"(?![\w/\\-]|[.,]\d)"


def _said(text: str, start: int, words: re.Pattern[str]) -> bool:
    return words.search(text, max(0, start - _CONTEXT), start) is not None


# ---- payment cards and accounts -------------------------------------------------------------------------------

_CARD = re.compile(
    _BEFORE + r"(?:\d{4}(?:(?P<s>[ -])\d{4})(?:(?P=s)\d{4}){2}|\d{4}(?P<t>[ -])\d{6}(?P=t)\d{4,5}|\d{13,19})" + _AFTER
)
_CARD_WORDS = re.compile(
    r"(?i)\b(?:card|visa|master ?card|amex|american express|discover|credit|debit|maestro|kredit\w*|karten\w*|carte|"
    r"tarjeta|carta)\b"
)
_CARD_FORMS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14,17}"
)
# of payment services' documentation
_TEST_CARDS = frozenset(
    (
        "4242424242424242",
        "4111111111111111",
        "4012888888881881",
        "4000056655665556",
        "5555555555554444",
        "5105105105105100",
        "2223003122003222",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "6011000990139424",
        "3530111333300000",
        "3566002020360505",
        "30569309025904",
        "38520000023237",
        "4000000000000002",
        "4222222222222",
        "5200828282828210",
        "6200000000000005",
        "4917610000000000",
    )
)


def _cards(text: str) -> Iterator[Match]:
    accounts = list(_ibans(text))
    for found in _CARD.finditer(text):
        if any(match.start < found.end() and found.start() < match.end for match in accounts):
            continue  # four groups of an IBAN
        digits = re.sub(r"\D", "", found.group())
        grouped = len(digits) != len(found.group())
        if not _CARD_FORMS.fullmatch(digits) or digits in _TEST_CARDS or len(set(digits)) < 4:
            continue
        if checksums.luhn(digits) and (grouped or _said(text, found.start(), _CARD_WORDS)):
            yield Match(found.start(), found.end(), "payment card")


_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")


def _ibans(text: str) -> Iterator[Match]:
    for found in _IBAN.finditer(text):
        written = found.group()
        length = checksums.IBAN_LENGTHS.get(written[:2])
        if length is None:
            continue
        # what follows after a blank may be the next word
        taken = plain = 0
        while taken < len(written) and plain < length:
            plain += written[taken] != " "
            taken += 1
        if (
            plain == length
            and written[taken : taken + 1] in ("", " ")
            and checksums.iban(written[:taken].replace(" ", ""))
        ):
            yield Match(found.start(), found.start() + taken, "IBAN")


# ---- telephone numbers ----------------------------------------------------------------------------------------

# calling codes of the International Telecommunication Union (E.164), of one, two and three digits
_CODES = re.compile(
    r"(?:1|7|2[07]|3[0123469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689]\d|3[578]\d|42\d|50\d|59\d|6[789]\d|80[08]|"
    r"85\d|88[0-6]|96\d|97\d|99\d)"
)
_INTERNATIONAL = re.compile(r"(?<![\w+])(?:\+|00)\d(?:[ .()/-]{0,2}\d){6,13}(?<!\.)\d(?![\w]|[.-]\d)")
_NORTH_AMERICAN = re.compile(
    _BEFORE + r"(?:\+?1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d(?P<s>[ .-]))[2-9]\d\d[ .-]\d{4}(?![\w-]|[.,]\d)"
)
_NORTH_AMERICAN_DIGITS = re.compile(r"1[2-9]\d\d[2-9]\d{6}")
_NATIONAL = re.compile(_BEFORE + r"\(?0\d{1,5}\)?(?:[ /.-]{0,2}\d){5,10}" + _AFTER)
_PHONE_WORDS = re.compile(
    r"(?i)\b(?:tel\w*|phone\w*|fon|call\w*|mobile?\w*|cell\w*|handy|fax|whats ?app|sms|text me|ring|anruf\w*|ruf\w*|"
    r"contact\w*|hotline|durchwahl)\b[^\n]{0,20}$"
)
# among them the largest numbers of 32 bits
_FICTIONAL = re.compile(r"^2147483|^4294967|555[ .-]?01\d\d$|555[ .-]?1212$|5555$|1234567\d*$|(\d)\1{6,}$")


def _phones(text: str) -> Iterator[Match]:
    spans: list[tuple[int, int]] = []
    for pattern, needs_word in ((_INTERNATIONAL, False), (_NORTH_AMERICAN, False), (_NATIONAL, True)):
        for found in pattern.finditer(text):
            start, end = found.span()
            digits = re.sub(r"\D", "", found.group())
            if any(start < b and a < end for a, b in spans) or _FICTIONAL.search(digits) or len(set(digits)) < 4:
                continue
            if pattern is _INTERNATIONAL:
                number = digits.removeprefix("00") if found.group().startswith("00") else digits
                if not _CODES.match(number) or not 8 <= len(number) <= 15:
                    continue
                if number[0] == "1" and not _NORTH_AMERICAN_DIGITS.fullmatch(number):
                    continue
                # written 00 it looks like any number
                if found.group().startswith("00") and not _said(text, start, _PHONE_WORDS):
                    continue
            elif pattern is _NORTH_AMERICAN and "." in found.group() and not _said(text, start, _PHONE_WORDS):
                continue  # 212.456.7890 may be a version or an amount
            if needs_word and not _said(text, start, _PHONE_WORDS):
                continue
            spans.append((start, end))
    for start, end in sorted(spans):
        yield Match(start, end, "phone number")


# ---- addresses of machines ------------------------------------------------------------------------------------

_IPV4 = re.compile(r"(?<![\w.:=/-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\w)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::|[0-9A-Fa-f]{1,4})(?:[0-9A-Fa-f:]*)(?![\w:])")
_IP_WORDS = re.compile(
    r"(?i)\b(?:ip|ips|ipv4|host\w*|address\w*|server\w*|from|client|ping|peer|gateway|dns)\b[^\n]{0,20}$"
)
_VERSION_WORDS = re.compile(r"(?i)(?:\bv|version|release|build|firmware|rev|section|chapter|==|>=|<=|~=)[ .:]{0,3}$")
_SMALL = 32  # parts below look like those of a version or a section


def _addresses(text: str) -> Iterator[Match]:
    for pattern in (_IPV4, _IPV6):
        for found in pattern.finditer(text):
            try:
                address = ipaddress.ip_address(found.group())
            except ValueError:
                continue
            if not address.is_global or address.is_multicast or _VERSION_WORDS.search(text, 0, found.start()):
                continue
            if address.version == 4:
                parts = [int(part) for part in found.group().split(".")]
                if max(parts) < _SMALL and not _said(text, found.start(), _IP_WORDS):
                    continue
                if parts[3] in (0, 255) or found.group() in _PUBLIC_SERVICES | _PLACEHOLDERS:
                    continue
            yield Match(found.start(), found.end(), "IP address")


_PLACEHOLDERS = frozenset({"1.2.3.4", "2.3.4.5", "4.3.2.1", "5.6.7.8", "11.22.33.44", "12.34.56.78", "123.45.67.89"})
_PUBLIC_SERVICES = frozenset(
    {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"}
)


# ---- numbers of persons ---------------------------------------------------------------------------------------

_SSN = re.compile(_BEFORE + r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-]|[.,]\d)")
# examples that were printed so often that they were retired, and one digit a group
_NO_SSN = re.compile(r"078-05-1120|219-09-9999|123-45-6789|(\d)\1\1-(\d)\2-(\d)\3{3}")
_NINO = re.compile(
    r"(?<![A-Za-z0-9])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
    r" ?\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Za-z0-9])"
)
_NINO_WORDS = re.compile(r"(?i)\b(?:national insurance|nino|ni number|ni no|insurance number)\b")


def _plain(written: str) -> str:
    digits = "".join(str(int(c)) if c.isdecimal() else c for c in written)  # of any script
    return re.sub(r"[^A-Za-z0-9]", "", digits).upper()


def _date(day: str, month: str) -> bool:
    return 1 <= int(day) <= 31 and 1 <= int(month) <= 12


_EUROPEAN: tuple[tuple[str, re.Pattern[str], Callable[[str], bool], re.Pattern[str] | None], ...] = (
    (
        "German tax number",
        re.compile(_BEFORE + r"\d{2} ?\d{3} ?\d{3} ?\d{3}" + _AFTER),
        checksums.steuer_id,
        re.compile(r"(?i)steuer|id-?nr|tax id|\btin\b"),
    ),
    (
        "French social security number",
        re.compile(_BEFORE + r"[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}" + _AFTER),
        checksums.nir,
        None,
    ),
    (
        "Spanish identity number",
        re.compile(r"(?<![\w./-])(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z](?![\w-])"),
        checksums.dni,
        None,
    ),
    (
        "Italian tax code",
        re.compile(r"(?<![\w-])[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?![\w-])"),
        checksums.codice_fiscale,
        None,
    ),
    (
        "Dutch citizen service number",
        re.compile(_BEFORE + r"\d{4}[ .]?\d{2}[ .]?\d{3}" + _AFTER),
        checksums.bsn,
        re.compile(r"(?i)\bbsn\b|burgerservice|sofi"),
    ),
    (
        "Polish PESEL",
        re.compile(_BEFORE + r"\d{11}" + _AFTER),
        checksums.pesel,
        re.compile(r"(?i)pesel"),
    ),
    (
        "Belgian national number",
        re.compile(_BEFORE + r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}(?![\w.-])"),
        checksums.belgian,
        None,
    ),
    (
        "Swedish personal number",
        re.compile(_BEFORE + r"(?:19|20)?\d{6}[-+]\d{4}" + _AFTER),
        lambda number: _date(number[-6:-4], number[-8:-6]) and checksums.luhn(number[-10:]),
        None,
    ),
    (
        "Finnish identity code",
        re.compile(r"(?<![\w-])\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y](?![\w-])"),
        lambda code: _date(code[:2], code[2:4]) and checksums.hetu(code),
        None,
    ),
    (
        "Portuguese tax number",
        re.compile(_BEFORE + r"\d{3} ?\d{3} ?\d{3}" + _AFTER),
        checksums.nif,
        re.compile(r"(?i)\bnif\b|contribuinte"),
    ),
    (
        "Irish PPS number",
        re.compile(r"(?<![\w-])\d{7}[A-W][A-IW]?(?![\w-])"),
        checksums.pps,
        re.compile(r"(?i)\bpps"),
    ),
)


_FINNISH = "Finnish identity code"  # its sign tells the century


def _persons(text: str) -> Iterator[Match]:
    found: dict[tuple[int, int], str] = {}
    for match in _SSN.finditer(text):
        if not _NO_SSN.fullmatch(match.group()):
            found[match.span()] = "US social security number"
    for match in _NINO.finditer(text):
        # without blanks it may be a part number
        if " " in match.group() or _said(text, match.start(), _NINO_WORDS):
            found[match.span()] = "UK national insurance number"
    for kind, pattern, right, words in _EUROPEAN:
        for match in pattern.finditer(text):
            written = match.group()
            code = _plain(written[:6]) + written[6] + _plain(written[7:]) if kind == _FINNISH else _plain(written)
            if (words is None or _said(text, match.start(), words)) and len(set(code)) > 3 and right(code):
                found.setdefault(match.span(), kind)
    taken = 0
    for (start, end), kind in sorted(found.items()):
        if start >= taken:
            yield Match(start, end, kind)
            taken = end


# ``\d`` of Python is any decimal digit, and so is ``\p{Nd}`` of RE2
CARDS = Detector("payment card", _cards, r"\p{Nd}{4}[ -]?\p{Nd}{4}")
IBANS = Detector("IBAN", _ibans, r"[A-Z]{2}\p{Nd}{2}(?: ?[A-Z0-9]){4}")
PHONES = Detector("phone number", _phones, r"\p{Nd}[\p{Nd} ./()-]{5,}\p{Nd}")
ADDRESSES = Detector("IP address", _addresses, r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]|[0-9A-Fa-f]:[0-9A-Fa-f:]*:")
PERSONS = Detector(
    "number of a person", _persons, r"\p{Nd}{2}[ .-]?\p{Nd}{2}|\p{Nd}{3}-|[A-Z]\p{Nd}{2}[A-Z]\p{Nd}{2}[A-Z]"
)

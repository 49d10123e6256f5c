"""Text whose UTF-8 was read as another encoding, and text whose bytes are lost.

UTF-8 writes a letter beyond ASCII as two to four bytes, the first of which tells how many. Read as Windows-1252 or
ISO 8859-1, they become a capital or accented letter with signs after it (é is Ã©, ’ is â€™); read as Windows-1251,
they become pairs that begin with Р or С. What stands there is turned back into bytes and decoded: only what is valid
UTF-8 for letters and signs in use counts, and a single pair only where no orthography writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from audits.text.integrity import Span


def _characters(encoding: str, first: int, last: int) -> str:
    return "".join(bytes([byte]).decode(encoding, "ignore") for byte in range(first, last + 1))


# where Windows-1252 has none, what ISO 8859-1 has; both are met
_WESTERN_MORE = "".join(dict.fromkeys(_characters("cp1252", 0x80, 0xBF) + _characters("latin-1", 0x80, 0xBF)))
_CYRILLIC_MORE = _characters("cp1251", 0x80, 0xBF)
_MORE = "[" + re.escape(_WESTERN_MORE) + "]"
_RUN = re.compile(f"(?:[\u00c2-\u00df]{_MORE}|[\u00e0-\u00ef]{_MORE}{{2}}|[\u00f0-\u00f4]{_MORE}{{3}})+")
_CYRILLIC_RUN = re.compile(f"(?:[РС][{re.escape(_CYRILLIC_MORE)}])+")
_SURE = 3  # pairs of Р or С and a sign in a row
_LEADS = re.compile("[\u00c2-\u00f4]")
_LOST = re.compile("\ufffd+")

HINT = "".join(
    [
        "\ufffd|[\u00c2-\u00df]",
        "[", *(f"\\x{{{ord(c):x}}}" for c in _WESTERN_MORE), "]|[\u00e0-\u00f4]",
        "[", *(f"\\x{{{ord(c):x}}}" for c in _WESTERN_MORE), "]{2}|[РС]",
        "[", *(f"\\x{{{ord(c):x}}}" for c in _CYRILLIC_MORE), "][РС]",
    ]
)  # fmt: skip
"""Matches every text in which :func:`find_mojibake` finds something."""

# what may follow a capital letter: quotes, dashes, marks of trade, ordinals, a no-break space, letters
_LETTERS = "ŠšŒœŽž"
_MAY_FOLLOW = frozenset(_LETTERS + "\u00a0»«’‘“”‚„…–—™®©ºª·›‹•°¹²³†‡´\u00ad")
# letters and signs in use: what else is decoded was no UTF-8
_QUOTES = "\"'`“”‘’«»"
_IN_USE = re.compile(
    "[\u00a0-\u024f\u0259\u02b0-\u03ff\u0400-\u052f\u0531-\u0589\u0590-\u06ff\u0900-\u0dff\u0e01-\u0e5b\u10a0-\u10ff"
    "\u1e00-\u1fff\u2000-\u27bf\u2900-\u2bff\u3000-\u30ff\u3131-\u318e\u4e00-\u9fff\uac00-\ud7a3\ufb01\ufb02"
    "\ufe0f\ufeff\uff01-\uffe6\ufffd\U0001f000-\U0001faff]+"
)


def find_mojibake(text: str) -> list[Span]:
    """Return garbled places and lost characters."""
    return sorted(
        [
            *(Span(start, end, "UTF-8 read as Windows-1252 or ISO 8859-1") for start, end, _ in _western(text)),
            *(Span(start, end, "UTF-8 read as Windows-1251") for start, end, _ in _cyrillic(text)),
            *(
                Span(*match.span(), "character lost (U+FFFD)")
                for match in _LOST.finditer(text)
                if _is_loss(text, match)
            ),
        ]
    )


def repair(text: str) -> str:
    """Return ``text`` with its garbled places decoded, also those that were garbled twice; lost ones stay."""
    return repair_at(text, 0)[0]


def repair_at(text: str, place: int) -> tuple[str, int]:
    """Return what :func:`repair` does, and where a place of ``text`` is in it, or the garbled one that it is in."""
    for _ in range(3):
        pieces, end, shift, within = [], 0, 0, place
        for start, stop, decoded in sorted([*_western(text), *_cyrillic(text)]):
            if start >= end:
                pieces += [text[end:start], decoded]
                if stop <= place:
                    shift += len(decoded) - (stop - start)
                elif start < place:
                    within = start
                end = stop
        if not pieces:
            break
        text, place = "".join([*pieces, text[end:]]), within + shift
    return text, place


def _western(text: str) -> Iterator[tuple[int, int, str]]:
    found = []
    sure = False
    for match in _RUN.finditer(text):
        decoded = _decoded(match.group(), _western_bytes())
        if decoded is not None:
            found.append((match.start(), match.end(), decoded))
            sure = sure or _is_garbled(text, match.start(), match.end(), decoded)
    # where one place can be nothing else, so are the others
    if sure:
        yield from found


def _cyrillic(text: str) -> Iterator[tuple[int, int, str]]:
    found = []
    sure = False
    for match in _CYRILLIC_RUN.finditer(text):
        try:
            decoded = match.group().encode("cp1251").decode("utf-8")
        except UnicodeError:
            continue
        if _IN_USE.fullmatch(decoded):
            found.append((match.start(), match.end(), decoded))
            sure = sure or len(decoded) >= _SURE
    if sure:
        yield from found


@lru_cache(maxsize=1)
def _western_bytes() -> dict[str, int]:
    table = {chr(byte): byte for byte in range(0x80, 0x100)}
    for byte in range(0x80, 0xA0):
        table.update(dict.fromkeys(bytes([byte]).decode("cp1252", "ignore"), byte))
    return table


def _decoded(run: str, table: dict[str, int]) -> str | None:
    try:
        decoded = bytes(table[character] for character in run).decode("utf-8")
    except UnicodeDecodeError:
        return None
    # garbled twice: what stands for the bytes of a sequence is decoded first, controls among them
    plain = re.sub("[\x80-\x9f]", "", decoded) if _LEADS.search(decoded) else decoded
    return decoded if _IN_USE.fullmatch(plain) else None


def _is_garbled(text: str, start: int, end: int, decoded: str) -> bool:
    """Whether a run that decodes can be nothing else; single pairs may be a capital letter and a sign."""
    if len(decoded) > 1:
        return True
    run = text[start:end]
    lead, signs = run[0], run[1:]
    before, after = text[start - 1 : start], text[end : end + 1]
    plain = not any(sign in _MAY_FOLLOW for sign in signs)
    if len(run) == 4 or run == "ï»¿" or any("\x80" <= sign <= "\x9f" for sign in signs):
        return True
    if len(run) == 3:
        # punctuation, arrows, boxes and dingbats begin with â and a sign that is not set after a letter
        if plain or (lead == "â" and (signs[0] in "€„†ˆ‰" or not before.isalpha())):
            return True
        # letters of Vietnamese
        return lead == "á" and signs[0] in "º»" and (after.islower() or signs[1] not in _MAY_FOLLOW)
    if lead == "Â":
        return not before.isupper() and before not in ("«", "\u00a0", "“", "„", "'", '"')
    if lead == "Ã":
        return (
            signs not in "»”’…–—™\u00a0"
            or before.islower()
            or after.islower()
            or (signs == "\u00a0" and not before.isalpha())
        )
    if signs in _LETTERS:
        return False
    return before.islower() or (after.islower() and signs not in "’–—·\u00a0" and not before.isalpha())


def _is_loss(text: str, match: re.Match[str]) -> bool:
    """Whether a letter was lost, rather than the replacement character spoken of."""
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    quoted = before in _QUOTES and after in _QUOTES and bool(before and after)
    return (match.end() - match.start() > 1 and not quoted) or before.isalnum() or after.isalnum()

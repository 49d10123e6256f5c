"""PAIR007: pairs whose sides are written in different scripts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache, partial

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.findings import FindingRow, RowEvidence, RowReference
from audits.source import AuditSource
from audits.text.cells import cell, texts_of
from audits.text.excerpts import excerpt

_LEAST_LETTERS = 10
_MOST_OF = 0.7
_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH", "BOPOMOFO"})


class ScriptMismatch:
    """Pairs whose sides are written in different scripts."""

    code = "PAIR007"
    needs: tuple[str, ...] = ("anchor", "positive")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Unless the data is meant to join languages, one side of such a pair was taken from elsewhere.

        The script of a side is that of 70 % of its letters, of which there must be 10. Two languages in one script are
        left to PAIR008.
        """
        anchor, positive = source.columns.anchor or "", source.columns.positive or ""
        for split in source.splits:
            if not {anchor, positive} <= set(source.texts(split)):
                continue
            left, right = texts_of(source, split, anchor), texts_of(source, split, positive)
            rows = [
                FindingRow(split, i, None, None, None)
                for i, (a, b) in enumerate(zip(left, right, strict=True))
                if (one := script_of(a)) and (other := script_of(b)) and one != other
            ]
            yield report(
                self,
                rows,
                share(
                    f"pairs in two scripts {place(split)}",
                    len(rows),
                    len(left),
                    f"script of {_MOST_OF:.0%} of the letters of a side, of which there are at least {_LEAST_LETTERS}; "
                    f"Unicode {unicodedata.unidata_version}",
                ),
                split=split,
                remedy="Read them; remove those that do not belong together, or keep them if the data joins languages.",
                evidence=partial(sides_evidence, source=source, anchor=anchor, positive=positive),
            )


def script_of(text: str | None) -> str | None:
    """Return the script of most letters of a text, as Unicode names its characters; None where none is clear."""
    if not text:
        return None
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        return "LATIN" if letters >= _LEAST_LETTERS else None
    counts = Counter(script for character in text if (script := _script(character)))
    total = counts.total()
    if total < _LEAST_LETTERS:
        return None
    script, count = counts.most_common(1)[0]
    return script if count >= _MOST_OF * total else None


@lru_cache(maxsize=65_536)
def _script(character: str) -> str | None:
    if not character.isalpha():
        return None
    word = unicodedata.name(character, "").split(" ")[0].split("-")[0]
    if word == "FULLWIDTH":
        return "LATIN"
    return "CJK" if word in _ASIAN else word or None


def sides_evidence(row: FindingRow, source: AuditSource, anchor: str, positive: str) -> RowEvidence:
    """Return both sides of one pair."""
    left, right = (cell(source, row.split, column, row.row) for column in (anchor, positive))
    return RowEvidence(
        split=row.split,
        row=row.row,
        column=anchor,
        excerpt=excerpt(left),
        score=row.score,
        related=(RowReference(split=row.split, row=row.row, column=positive, excerpt=excerpt(right)),),
    )

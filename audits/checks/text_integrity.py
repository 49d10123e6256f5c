"""TEXT001-TEXT004 and TEXT006: characters and sentences in a text that are not what a reader takes them for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audits.checks import Check, CheckContext, Observation
from audits.checks._reporting import place, report, rows_count, share
from audits.findings import FindingRow, Measurement, RowEvidence
from audits.source import AuditSource
from audits.text.cells import each_text
from audits.text.excerpts import excerpt, excerpt_around, masked_around
from audits.text.folding import Texts
from audits.text.integrity import Span, instructions, invisible, lookalikes, mojibake

_CONTEXT = 50  # characters that are shown to either side
_REPAIRED = 10_000  # characters that are looked at for what they were meant to be

Find = Callable[[str], list[Span]]


class HiddenText:
    """Text that is hidden from readers or shown to them in another order."""

    code = "TEXT001"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """What a model reads here is not what a person sees: a way to slip text past whoever reviews the data.

        Found are directional overrides, embeddings and isolates that a line leaves open or closes too often
        (CVE-2021-42574), tag characters that make no flag, runs of variation selectors, and runs of several kinds of
        zero-width characters. The score is how many.
        """
        method = (
            "directional overrides, unpaired directional controls, tag characters outside of flags, "
            "3 and more variation selectors or 8 and more zero-width characters of two kinds in a row; ranges of "
            f"Unicode {invisible.UNICODE}, the same under every version of Python"
        )
        yield from _found(
            self,
            source,
            (invisible.find_hidden, invisible.HIDDEN_HINT),
            ("texts with hidden or reordered text", method),
            "Look where these rows come from before anything else; remove them, or remove the characters.",
        )


class LookalikeLetters:
    """Words in which letters of another script stand for those that they look like."""

    code = "TEXT002"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """To a reader such a word is the usual one; to a tokenizer it is another: a typing error, or a disguise.

        Found are words that would be of one script if each letter stood for the one that it looks like, and words in
        fullwidth, mathematical or circled letters. Greek signs, formulas, and words of another script do not count. The
        score is how many words.
        """
        table = lookalikes.Lookalikes.load()
        method = (
            f"words of two scripts that look like one by the confusables of Unicode {table.version} (UTS 39), "
            "restricted to twins of ASCII letters; styled letters within or instead of plain words"
        )
        yield from _found(
            self,
            source,
            (lookalikes.find_lookalikes, table.hint),
            ("texts with look-alike letters", method),
            "Write these words in the letters of their script (NFKC does so for styled ones); many of them in a row "
            "are a disguise.",
            count=rows_count,
        )


class Mojibake:
    """Garbled text: UTF-8 that was read as another encoding, and lost characters."""

    code = "TEXT003"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """The letters that stand here were never written; a tokenizer breaks such words into pieces.

        Found is what can be turned back, as the evidence shows, and U+FFFD beside a letter, where nothing is left to
        turn back. The score is how many places.
        """
        method = (
            "places that become valid UTF-8 when turned back into bytes of Windows-1252, ISO 8859-1 or Windows-1251 "
            "and that no orthography writes, also twice garbled ones; U+FFFD beside a letter or repeated"
        )
        yield from _found(
            self,
            source,
            (mojibake.find_mojibake, mojibake.HINT),
            ("texts with garbled characters", method),
            "Read the source again as UTF-8, or repair these texts; where characters are lost, fetch them again.",
            count=share,
            show=_repaired,
        )


class Instructions:
    """Sentences that give orders to a language model."""

    code = "TEXT004"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Whoever wrote this speaks to a model that will read the text, not to a person.

        An embedding trained on it brings such texts near to honest ones, and a retriever hands them to a model. Found
        are orders to ignore instructions (13 languages), to become another assistant, to give away what is
        confidential, and turns of a chat in control tokens. What is quoted or stands in code is a mention and does not
        count; other ways to say the same are missed.
        """
        method = (
            "phrases in 13 languages and control tokens of chats, precision first; quotations and code left out; other "
            "wordings are missed"
        )
        yield from _found(
            self,
            source,
            (instructions.find_instructions, instructions.HINT),
            ("texts with orders to a language model", method),
            "Read them, and where they come from; remove what was planted. Chats belong into roles, not into the text.",
            count=rows_count,
        )


class InvisibleCharacters:
    """Zero-width and other invisible characters that no script needs."""

    code = "TEXT006"
    needs: tuple[str, ...] = ("texts",)

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """They split words where a reader sees none, so that equal texts differ; mostly left over from web pages.

        Joiners that a script or an emoji needs, directional marks in texts that are written from right to left, and
        soft hyphens do not count; byte order marks at the beginning are counted apart. The score is how many
        runs of them.
        """
        method = (
            "zero-width spaces, joiners, directional marks and fillers where neither script nor emoji needs them; "
            f"ranges of Unicode {invisible.UNICODE}, the same under every version of Python"
        )
        for split in source.splits:
            for column in source.texts(split):
                texts, _ = each_text(source, split, column)
                marked = pc.sum(pc.starts_with(texts.table.column(0), "\ufeff")).as_py() or 0
                yield rows_count(
                    f"texts that begin with a byte order mark {place(split, column)}",
                    int(marked),
                    len(texts),
                    "U+FEFF as the first character",
                )
        yield from _found(
            self,
            source,
            (invisible.find_invisible, invisible.INVISIBLE_HINT),
            ("texts with invisible characters", method),
            "Remove these characters.",
            count=share,
        )


def _shown(text: str, span: Span) -> str:
    """Return what is wrong, and the words around it; :func:`excerpt` marks each invisible character."""
    found = text[span.start : span.end]
    label = span.kind if len(found) > 1 or not found.isalpha() else f"{span.kind}: U+{ord(found):04X}"
    return excerpt_around(text, span.start, span.end, before=_CONTEXT, after=2 * _CONTEXT, lead=f"{label}: ")


def _repaired(text: str, span: Span) -> str:
    """Return the words around a garbled place as they stand and as they were meant."""
    first = max(span.start - _REPAIRED, 0)
    fixed, at = mojibake.repair_at(text[first : span.start + _REPAIRED], span.start - first)
    before, after = _CONTEXT // 2, _CONTEXT
    around = masked_around(text, span.start, span.start, before=before, after=after)
    meant = masked_around(fixed, at, at, before=before, after=after)
    return excerpt(around if meant == around else f"{around} → {meant}")


def _found(
    check: Check,
    source: AuditSource,
    detector: tuple[Find, str],
    words: tuple[str, str],
    remedy: str,
    count: Callable[[str, int, int, str], Measurement] = rows_count,
    show: Callable[[str, Span], str] = _shown,
) -> Iterator[Observation]:
    """Yield what a detector finds in each column of texts; ``words`` are the measurement's name and method."""
    find, hint = detector
    name, method = words
    for split in source.splits:
        for column in source.texts(split):
            texts, row_of = each_text(source, split, column)
            first: dict[int, tuple[int, Span]] = {}
            counts = Counter[int]()
            for i in worth_a_look(texts, hint):
                spans = find(texts.text(i))
                if spans:
                    first.setdefault(int(row_of[i]), (i, spans[0]))
                    counts[int(row_of[i])] += len(spans)
            rows = [FindingRow(split, row, None, None, float(count)) for row, count in sorted(counts.items())]
            yield report(
                check,
                rows,
                count(f"{name} {place(split, column)}", len(rows), source.num_rows(split), method),
                split=split,
                column=column,
                remedy=remedy,
                evidence=partial(_evidence, column=column, texts=texts, first=first, show=show),
            )


def worth_a_look(texts: Texts, hint: str) -> list[int]:
    """Return the texts that the RE2 ``hint`` matches, and those that are no valid UTF-8; one pass over the column."""
    column = texts.table.column(0)
    hits = np.asarray(pc.match_substring_regex(column, hint).fill_null(False))
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        # seldom: invalid bytes are shown as U+FFFD, which the expression does not see
        hits = hits | np.fromiter(("\ufffd" in texts.text(i) for i in range(len(texts))), np.bool_, len(texts))
    return [int(i) for i in np.flatnonzero(hits)]


def _evidence(
    row: FindingRow,
    column: str,
    texts: Texts,
    first: Mapping[int, tuple[int, Span]],
    show: Callable[[str, Span], str],
) -> RowEvidence:
    i, span = first[row.row]
    return RowEvidence(split=row.split, row=row.row, column=column, excerpt=show(texts.text(i), span), score=row.score)

"""PAIR008: pairs whose sides are in two languages of one script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import NamedTuple

from audits.checks import CheckContext, Observation
from audits.checks._reporting import place, report, share
from audits.checks.scripts import script_of, sides_evidence
from audits.errors import AuditError
from audits.extras import missing_extra
from audits.findings import FindingRow, Table
from audits.source import AuditSource
from audits.text.cells import texts_of

LEAST_LETTERS = 40
"""Letters of a side outside of code, links and placeholders."""

LEAST_PROBABILITY = 0.8
"""Of the language of a side; chosen on half of the translations of Django and Sphinx, tried on the other half."""

_LOOKED_AT, _USED = 2000, 400  # characters of a side, and those of its words
# placeholders and markup, none within another; what they leave in a word is a sign of code
_PLACEHOLDERS = re.compile(r"%\(\w+\)[a-z]|\{[^{}]*\}|<[^<>]+>")
_CODE = re.compile(r"[_/\\@=(){}\[\]<>:.](?!\Z)")  # links, names and calls, but not a sign that ends a word
_NO_WORDS = re.compile(r"[^\w\s']|\d+|_+")
# languages that are taken for each other
_ALIKE = tuple(
    frozenset(names.split())
    for names in (
        "bs hr sh sl sr",
        "da nb nn no sv",
        "id jv ms su",
        "an ast ca eo es ext gl ia io it la oc pt",
        "cs dsb hsb pl sk",
        "az tk tr uz",
        "ga gd gv",
        "af fy li lb nds nl",
        "et fi",
    )
)

Identify = Callable[[str], tuple[str, float]]


class Language(NamedTuple):
    """The language of a text, by its code of ISO 639, and how probable it is."""

    name: str
    probability: float


class LanguageMismatch:
    """Pairs whose sides are in two languages of one script."""

    code = "PAIR008"
    needs: tuple[str, ...] = ("anchor", "positive", "language")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Unless the data is meant to join languages, one side of such a pair was taken from elsewhere.

        Both sides have 40 letters and a language that is 80 % probable. Languages that are taken for each other, such
        as Danish and Norwegian, do not count. A table lists which languages meet; two scripts are left to PAIR007. The
        score is the lower of the two probabilities.
        """
        anchor, positive = source.columns.anchor or "", source.columns.positive or ""
        for split in source.splits:
            if not {anchor, positive} <= set(source.texts(split)):
                continue
            left, right = texts_of(source, split, anchor), texts_of(source, split, positive)
            rows, met = [], Counter[tuple[str, str]]()
            for i, (a, b) in enumerate(zip(left, right, strict=True)):
                found = mismatch(a, b)
                if found is not None:
                    rows.append(FindingRow(split, i, None, None, min(side.probability for side in found)))
                    met[found[0].name, found[1].name] += 1
            yield report(
                self,
                rows,
                share(
                    f"pairs in two languages {place(split)}",
                    len(rows),
                    len(left),
                    f"py3langid on the words of both sides, each of at least {LEAST_LETTERS} letters and "
                    f"{LEAST_PROBABILITY:.0%} probability; languages that are taken for each other left out",
                ),
                split=split,
                remedy="Read them; remove those that do not belong together, or keep them if the data joins languages.",
                evidence=partial(sides_evidence, source=source, anchor=anchor, positive=positive),
                sample=sorted(rows, key=lambda row: (-(row.score or 0), row.row)),
            )
            if met:
                order = sorted(met.items(), key=lambda entry: (-entry[1], entry[0]))
                yield Table(
                    name=f"languages that meet {place(split)}",
                    columns=("anchor", "positive", "pairs"),
                    rows=tuple((*pair, count) for pair, count in order),
                )


def mismatch(left: str | None, right: str | None) -> tuple[Language, Language] | None:
    """Return the languages of two texts where both are clear, of one script and not of one kind; else None."""
    if not left or not right or script_of(left[:_LOOKED_AT]) != script_of(right[:_LOOKED_AT]):
        return None
    one, other = words_of(left), words_of(right)
    if not one or not other or script_of(one) != script_of(other):
        return None
    first = Language(*_identifier()(one))
    if first.probability < LEAST_PROBABILITY:
        return None
    second = Language(*_identifier()(other))
    if second.probability < LEAST_PROBABILITY or first.name == second.name:
        return None
    if any({first.name, second.name} <= kind for kind in _ALIKE):
        return None
    return first, second


def words_of(text: str | None) -> str:
    """Return the first words of a text without code, links and placeholders; nothing where they are too few."""
    if not text:
        return ""
    plain = re.sub("%[sdr]", " ", _PLACEHOLDERS.sub("<> ", text[:_LOOKED_AT]))
    tokens = " ".join(token for token in plain.split() if not _CODE.search(token))
    words = " ".join(_NO_WORDS.sub(" ", tokens).split())[:_USED]
    return words if sum(map(str.isalpha, words)) >= LEAST_LETTERS else ""


@lru_cache(maxsize=1)
def _identifier() -> Identify:
    """Return py3langid's model: naive Bayes over runs of bytes (Lui and Baldwin, ACL 2012), on this machine."""
    reason = missing_extra("language")
    if reason is not None:
        msg = f"Languages can not be told: it {reason}."
        raise AuditError(msg)
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def identify(text: str) -> tuple[str, float]:
        code, probability = model.classify(text)
        return str(code), float(probability)

    return identify

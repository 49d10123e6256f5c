"""Sentences of a card that state a license or forbid commercial use; conservative, because a card tells of others too.

A sentence counts where it is about the repository itself ("this dataset is released under …", "licensed under …") or
stands under a heading on licenses, and is no code and not about a base model, a source or the code; a row of a table
where it says "License" at its head. What is found can only make a conclusion stricter. What forbids commercial use of a
source or a part is an aside: it is told and changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from audits.licenses.facts import NON_COMMERCIAL
from audits.licenses.fingerprints import load_fingerprints
from audits.licenses.resolution import ResolvedLicense, named, resolve
from audits.licenses.riders import quoted
from audits.licenses.sentences import Sentence, plain, sentences

LONGEST_PROSE = 400_000
_MOST_WORDS = 12  # of a license's name

_THING = (
    r"(?:data\s?sets?|data|corpus|corpora|benchmarks?|models?|weights|repository|repo|project|work|collection|annotations"
    r"|checkpoints?|embeddings?|release|files?|contents?|encoder|adapter|resources?|material)"
)
_SELF = re.compile(
    rf"\b(?:this|our|these|it|its)\b|\bthe\s+(?:[\w-]+\s+){{0,2}}{_THING}\b|\bwe\s+(?:release|share|publish)",
    re.IGNORECASE,
)
_FOREIGN = re.compile(
    r"\b(?:base\s+model|original|source|sources|code|scripts?|software|library|other|others|some|each|individual|underlying"
    r"|upstream|third[-\s]party|respective|unlike|compared|whereas|e\.g\.|for\s+example|such\s+as|if|trained\s+(?:\w+\s+){0,2}on|derived\s+from"
    r"|fine-?tuned|contains?|includes?|consists?|mixture|subsets?|previous|earlier|formerly|no\s+longer|several|various|many)\b",
    re.IGNORECASE,
)
_STATES = re.compile(
    r"\b(?:licen[cs]ed|released|distributed|available|published|provided|shared|governed|covered|dedicated)\b[^.;\n]{0,60}?"
    r"\b(?:under|by|with|according\s+to|to)\s+",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\W*(?:data\s?set\s+|model\s+|data\s+)?(?:licen[cs]e|lizenz|licencia|licenza)[\s*_]*(?::|=|\bis\b)[\s*_]*",
    re.IGNORECASE,
)
_SUBJECTLESS = re.compile(
    r"^\W*(?:for|only|not|non|strictly|commercial|no|use|intended|you|users|please|research|do|by\s+(?:downloading|using"
    r"|accessing)|we\s+(?:do\s+not|don['’]t|cannot|never|only|prohibit|forbid))\b",
    re.IGNORECASE,
)
_OURS = re.compile(rf"\b(?:our|this|these)\s+(?:[\w-]+\s+){{0,2}}{_THING}\b", re.IGNORECASE)
_ORIGINAL = re.compile(
    rf"\bthe\s+original\s+(?:[\w-]+\s+){{0,2}}{_THING}\s+(?:is|are|may|can|must|shall)\b", re.IGNORECASE
)
_SOURCE = re.compile(
    r"\b(?:original|sources?|underlying|upstream|base\s+model|third[-\s]party|contains?|includes?|consists?|mixture|subsets?"
    r"|(?:derived|taken|collected|adapted|built)\s+from|(?:based|built)\s+on"
    r"|(?:some|parts?)\s+of\s+(?:the|this|our|these)|some\s+(?:files?|images?|texts?|rows|documents|samples|examples))\b",
    re.IGNORECASE,
)
_SAYS_LICENSE = re.compile(
    r"(?:(?:data\s?set|model|data|card|repo(?:sitory)?|usage)\s+)?licen[cs](?:e|es|ing)(?:\s+(?:type|information|name|terms))?\s*:?",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not\s+limited\s+to|no\s+restrictions?|without\s+restriction|allow(?:s|ed|ing)?|permit(?:s|ted)?)\b",
    re.IGNORECASE,
)
# what sentences say beyond the words that stand beside license texts
_NO_COMMERCE = re.compile(
    r"(?:\b(?:not|never|cannot)\b|n['’]t\b)(?!\s+(?:only|just|limited|restricted|been|yet))(?:(?!\b(?:but|can|if|whether|unless)\b)[^.;!?]){0,80}?"
    r"\bcommercially\b(?!\s+(?:available|viable|successful|licen[cs]ed|sold|published|produced|sourced|trained)\b)"
    r"|(?:\b(?:not|never|cannot)|n['’]t)\s+(?:\w+\s+){0,2}?(?:permit|allow|authori[sz]e|grant|licen[cs]e|consent\s+to)\b"
    r"[^.;!?]{0,60}?(?<!non-)(?<!non )\bcommercial"
    r"|\bno\s+commercial\s+(?:purposes?|exploitation|applications?)"
    r"|\bcommercial\s+(?:use|usage|purposes?|exploitation|applications?)\b[^.;!?]{0,40}\b(?:not\s+authori[sz]ed|excluded|unauthori[sz]ed)",
    re.IGNORECASE,
)
_DOUBLE_NEGATION = re.compile(r"(?:\b(?:not|never|no\s+longer|nor)|n['’]t)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)
_LIMITS = re.compile(r"prohibit|forbid|exclud|except|only|solely|exclusively|limited", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;()]|\band\b", re.IGNORECASE)
_FORBIDS = re.compile(r"\bnot\b|\bno\b|prohibit|forbid|only|solely|restricted|non", re.IGNORECASE)
_CC = re.compile(
    r"\b(?:cc|creative\s+commons)[\s-]*(?P<kind>(?:by|attribution)(?:[\s-]*(?:nc|sa|nd|non[\s-]?commercial|share[\s-]?alike"
    r"|no[\s-]?deriv(?:ative)?s?))*)(?:\s*licen[cs]e)?[\s,-]*(?:v(?:ersion)?\s*)?(?P<version>\d\.\d)?",
    re.IGNORECASE,
)
_LICENSE_WORD = re.compile(r"\s+(?:public\s+)?licen[cs]es?$", re.IGNORECASE)
_PREFIX = re.compile(
    r"^\W*(?:the\s+)?(?:terms|conditions)(?:\s+and\s+conditions)?\s+of\s+(?:use\s+of\s+)?", re.IGNORECASE
)
_CC_PARTS = (("NC", r"nc|non[\s-]?commercial"), ("ND", r"nd|no[\s-]?deriv"), ("SA", r"sa|share[\s-]?alike"))


@dataclass(frozen=True, slots=True)
class ProseStatement:
    """One sentence, the line it begins at, and what it says; an ``aside`` says it of a source or a part."""

    line: int
    text: str
    resolved: ResolvedLicense
    aside: bool = False


def license_sentences(text: str) -> tuple[ProseStatement, ...]:
    """Return the sentences that state a license of the repository itself, or that forbid commercial use of it."""
    found: list[ProseStatement] = []
    others, sure = 0, []
    for sentence in sentences(text[:LONGEST_PROSE]):
        words = plain(sentence.text)
        resolved, about = _row(sentence) if sentence.cells else _stated(words, sentence.in_section)
        if resolved is None:
            continue
        others += about == "other"
        shown = ProseStatement(sentence.line, quoted(sentence.text), resolved, about == "aside")
        found.append(shown)
        if sentence.cells or shown.aside or _SELF.search(shown.text) or _LABEL.search(shown.text):
            sure.append(shown)
    return tuple(sure if others > 1 else found)  # several others are a list of works


@lru_cache(maxsize=4096)
def name_in(text: str) -> ResolvedLicense | None:
    """Return the license that ``text`` begins to name, e.g. "the CC BY-NC 4.0 license (see …)"; None for none."""
    cc = _CC.search(text[:200])
    if cc is not None and len(text[: cc.start()].split()) <= 3:
        return resolve(_creative_commons(cc))
    text = _PREFIX.sub("", text[:200])
    words = re.sub(r"\s*(?:[;|(]|\.(?=\s|$)).*$", "", text[:200], flags=re.DOTALL).split()[:_MOST_WORDS]
    for start in range(min(3, len(words))):
        for end in range(len(words), start, -1):
            name = " ".join(words[start:end]).strip(" .,:")
            resolved = named(_LICENSE_WORD.sub("", name)) or named(name) if name else None
            if resolved is not None and _is_name(resolved):
                return resolved
    return None


About = Literal["self", "aside", "other"]
"""What a sentence is about: the repository, a source or a part of it, or nobody knows what."""


def _is_name(resolved: ResolvedLicense) -> bool:
    """Tell whether words name a license: "commercial" is a category, and a license text is none."""
    return resolved.spdx is not None or resolved.category not in ("unknown", "other-terms")


def _creative_commons(match: re.Match[str]) -> str:
    kind, version = match["kind"], match["version"]
    parts = [
        "cc-by",
        *(short for short, words in _CC_PARTS if re.search(rf"(?<![a-z])(?:{words})", kind, re.IGNORECASE)),
    ]
    return "-".join(filter(None, (*parts, version))).lower()


def _stated(sentence: str, in_section: bool) -> tuple[ResolvedLicense | None, About]:
    """Return the license that a sentence states, and what it is about."""
    about = _commerce(sentence, in_section)
    label = _LABEL.match(sentence)
    if label is not None:
        rest = sentence[label.end() :]
        # "MIT for the code, CC BY-NC for the data"
        parts = _CLAUSE.split(rest) if _hits(rest) else ()
        forbids = any(_commerce(part, True) == "self" for part in (rest, *parts))
        return _stricter(name_in(rest), "self" if forbids else None), "self"
    for verb in _STATES.finditer(sentence):
        subject, name = sentence[: verb.start()], name_in(sentence[verb.end() :])
        if name is None or _FOREIGN.search(subject):
            continue
        of_itself = bool(_SELF.search(subject)) or not re.search(r"\w", subject)
        if not of_itself and not in_section:
            return None, "other"
        return _stricter(name, about), "self" if of_itself else "other"
    if in_section and len(sentence.split()) <= _MOST_WORDS:
        name = name_in(sentence)
        if name is not None and name.spdx is not None:
            return _stricter(name, about), "self"
    return (None, "other") if about is None else (_forbidden(), about)


def _stricter(name: ResolvedLicense | None, about: About | None) -> ResolvedLicense | None:
    """Return the license that a sentence names, or that it forbids commercial use beside the name."""
    if name is not None and name.category == "non-commercial":
        return name if name.spdx else _forbidden()
    return _forbidden() if about == "self" else name


def _row(row: Sentence) -> tuple[ResolvedLicense | None, About]:
    """Return what a row of a table says: "| License | CC BY-NC 4.0 |"; columns on several works are an aside."""
    head, *rest = row.cells
    said = [_stricter(name_in(cell), _commerce(cell, True)) for cell in rest]
    distinct = list(dict.fromkeys(item for item in said if item is not None))
    if _SAYS_LICENSE.fullmatch(head) and len(distinct) == 1:
        return distinct[0], "self"
    forbids = any(item.category == "non-commercial" for item in distinct)
    return (_forbidden(), "aside") if forbids and row.in_section else (None, "other")


def _forbidden() -> ResolvedLicense:
    return ResolvedLicense(NON_COMMERCIAL, "non-commercial", "words that forbid commercial use and name no license")


def _commerce(sentence: str, in_section: bool) -> About | None:
    """Return of what a sentence forbids commercial use; None where it forbids none, or that of something else."""
    aside = False
    for hit in _hits(sentence):
        before, rest = sentence[: hit.start()], sentence[hit.start() :]
        # "allows commercial and research use" forbids nothing, and so does what "does not prohibit commercial use"
        negated = _NEGATED.search(before) is not None and _FORBIDS.search(rest) is None
        if negated or (_LIMITS.match(rest) and _DOUBLE_NEGATION.search(before)):
            continue
        foreign = _FOREIGN.search(before) is not None and _ORIGINAL.match(before) is None
        about = in_section or _SELF.search(before) or _SUBJECTLESS.match(sentence) or _OURS.search(sentence)
        if about and not foreign:
            return "self"
        aside = aside or (foreign and _SOURCE.search(before) is not None)
    return "aside" if aside else None


def _hits(sentence: str) -> list[re.Match[str]]:
    """Return where words forbid commercial use, whatever of."""
    hits = list(_NO_COMMERCE.finditer(sentence))
    for rider in load_fingerprints().riders:
        if rider.category == "non-commercial" and not (rider.unless and rider.unless.search(sentence)):
            hits += rider.pattern.finditer(sentence)
    return hits

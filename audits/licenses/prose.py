"""Sentences of a card that state a license or forbid commercial use; conservative, because a card tells of others too.

A sentence counts where it is about the repository itself ("this dataset is released under …", "licensed under …") or
stands under a heading on licenses, and is no table, no code and not about a base model, a source or the code. What
is found can only make a conclusion stricter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from audits.licenses.fingerprints import load_fingerprints
from audits.licenses.resolution import ResolvedLicense, named, resolve
from audits.licenses.riders import quoted

NON_COMMERCIAL = "LicenseRef-noncommercial-statement"
"""Stands for words that forbid commercial use and name no license."""

LONGEST_PROSE = 400_000
_MOST_SENTENCES = 5_000
_LONGEST_SENTENCE = 1_000
_MOST_WORDS = 12  # of a license's name

_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADING = re.compile(r"^\s{0,3}(#{1,6})\s+(.+)$")
_LICENSE_HEADING = re.compile(
    r"\blicen[cs](?:e|es|ing)\b|\bterms\s+of\s+use\b|\busage\s+(?:rights|restrictions)\b", re.IGNORECASE
)
_END = re.compile(r"(?<=[.!?])\s+(?=[\"“*_\[(]*[A-Z])|\n\s*\n|\n(?=\s*(?:[-*•]|\d+\.)\s)")
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
_LABEL = re.compile(r"^\W*(?:data\s?set\s+|model\s+|data\s+)?licen[cs]e[\s*_]*(?::|=|\bis\b)[\s*_]*", re.IGNORECASE)
_MARKUP = re.compile(r"\[([^\]]{0,200})\]\([^)]{0,400}\)|[*_`#>]|<[^>\n]{0,200}>")
_SUBJECTLESS = re.compile(
    r"^\W*(?:for|only|not|non|strictly|commercial|no|use|intended|you|users|please|research|do)\b", re.IGNORECASE
)
_NEGATED = re.compile(
    r"\b(?:not\s+limited\s+to|no\s+restrictions?|without\s+restriction|allow(?:s|ed|ing)?|permit(?:s|ted)?)\b",
    re.IGNORECASE,
)
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
    """One sentence, the line it begins at, and what it says."""

    line: int
    text: str
    resolved: ResolvedLicense


def license_sentences(text: str) -> tuple[ProseStatement, ...]:
    """Return the sentences that state a license of the repository itself, or that forbid commercial use of it."""
    found: list[ProseStatement] = []
    named_others = 0
    for line, sentence, in_section in _sentences(text[:LONGEST_PROSE]):
        plain = " ".join(_MARKUP.sub(lambda match: match.group(1) or " ", sentence).split())
        resolved, of_itself = _stated(plain, in_section)
        if resolved is None:
            continue
        named_others += not of_itself
        found.append(ProseStatement(line, quoted(sentence), resolved if of_itself or in_section else _NOTHING))
    if named_others > 1:  # a list of several works
        found = [item for item in found if _SELF.search(item.text) or _LABEL.search(item.text)]
    return tuple(item for item in found if item.resolved is not _NOTHING)


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


_NOTHING = ResolvedLicense(None, "unknown")


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


def _stated(sentence: str, in_section: bool) -> tuple[ResolvedLicense | None, bool]:
    """Return the license that a sentence states, and whether it is surely about the repository itself."""
    label = _LABEL.match(sentence)
    if label is not None:
        return name_in(sentence[label.end() :]), True
    for verb in _STATES.finditer(sentence):
        subject, name = sentence[: verb.start()], name_in(sentence[verb.end() :])
        if name is None or _FOREIGN.search(subject):
            continue
        of_itself = bool(_SELF.search(subject)) or not re.search(r"\w", subject)
        return (name, of_itself) if of_itself or in_section else (None, False)
    if in_section and len(sentence.split()) <= _MOST_WORDS:
        name = name_in(sentence)
        if name is not None and name.spdx is not None:
            return name, True
    return (_forbidden(), True) if _forbids_commerce(sentence, in_section) else (None, False)


def _forbidden() -> ResolvedLicense:
    return ResolvedLicense(NON_COMMERCIAL, "non-commercial", "words that forbid commercial use and name no license")


def _forbids_commerce(sentence: str, in_section: bool) -> bool:
    riders = (item for item in load_fingerprints().riders if item.category == "non-commercial")
    hits = (
        hit
        for rider in riders
        if not (rider.unless and rider.unless.search(sentence))
        for hit in rider.pattern.finditer(sentence)
    )
    for hit in hits:
        before = sentence[: hit.start()]
        about = in_section or bool(_SELF.search(before)) or bool(_SUBJECTLESS.match(sentence))
        # "allows commercial and research use" forbids nothing
        negated = _NEGATED.search(before) is not None and _FORBIDS.search(sentence[hit.start() :]) is None
        if about and not negated and not _FOREIGN.search(before):
            return True
    return False


def _sentences(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield (line, sentence, whether a heading on licenses stands above); code and tables are left out."""
    level, count, fenced = 0, 0, False
    block: list[str] = []
    begin = 1
    lines = [*text.splitlines(), "# end"]
    for number, line in enumerate(lines, start=1):
        heading = _HEADING.match(line)
        if _FENCE.match(line):
            fenced = not fenced
        elif heading is None and not fenced and not line.lstrip().startswith("|"):
            if not block:
                begin = number
            block.append(line)
            continue
        if block:
            for offset, sentence in _split("\n".join(block)):
                yield begin + offset, sentence, level > 0
                count += 1
                if count >= _MOST_SENTENCES:
                    return
            block = []
        if heading is not None and not fenced:
            depth = len(heading[1])
            if _LICENSE_HEADING.search(heading[2]):
                level = level or depth
            elif depth <= level or not level:
                level = 0


def _split(block: str) -> Iterator[tuple[int, str]]:
    start = 0
    for end in [*(match.start() for match in _END.finditer(block)), len(block)]:
        sentence = block[start:end]
        if sentence.strip():
            lead = len(sentence) - len(sentence.lstrip())
            yield block.count("\n", 0, start + lead), sentence.strip()[:_LONGEST_SENTENCE]
        start = end

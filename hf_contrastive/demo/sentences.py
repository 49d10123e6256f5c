"""From one docstring to a pair: its first sentence, and what follows it.

The first sentence ends, within the first paragraph, at the first ``.``, ``!`` or ``?`` (with closing
quotes and brackets) that is followed by white space and by something that may open a sentence (a capital,
a digit, a quote, a bracket, markup), unless the word before it is a known abbreviation (``e.g.``,
``i.e.``, ``cf.``, …), an initial (``J. Smith``) or stands inside open brackets or backticks.
A period within a word or a version (``numpy.dot``, ``1.0``) is followed by no white space and ends
nothing. A first paragraph without such an end is one sentence.
"""

from __future__ import annotations

import inspect
import itertools
import re

MIN_ANCHOR_WORDS = 3
MIN_POSITIVE_WORDS = 5
MAX_ANCHOR_CHARACTERS = 300
MAX_POSITIVE_CHARACTERS = 2000
_MAX_SIGNATURE_LINES = 6

_WORD = re.compile(r"\S*[^\W_]\S*")
_SENTENCE_END = re.compile(r"[.!?]+[\"'”’`)\]*]*\s+(?=[\"'“‘`(\[*:<_\\$]*[^\W_])")
_LAST_WORD = re.compile(r"\s+\S*$")
# a period after these ends no sentence
_ABBREVIATIONS = re.compile(
    r"al|approx|assoc|ca|cf|dept|eds?|e\.?g|eqn?s?|esp|figs?|i\.?e|incl|max|min|misc|nos?|nr|pp?|prof|dr|mrs?|ms"
    r"|refs?|resp|secs?|st|vols?|vs|viz|w\.?r\.?t|a\.?k\.?a|i\.i\.d"
)
_OPENER = re.compile(
    r"(?:An?|All|Also|Any|As|At|Both|By|Can|Does|Each|Every|For|From|Given|Here|However|If|In|Is|It|Its|Let|May"
    r"|Must|No|Not|Note|On|One|Only|Otherwise|Raises?|Returns?|See|Since|So|Some|Such|That|The|Then|There|These"
    r"|They|This|Thus|To|Uses?|Used|We|When|Where|Which|While|Will|With|You)\b"
)
# a line that opens something other than running prose: a list item, a field, a directive, a prompt,
# a table, an underline or a section of Google or NumPy style
_BLOCK_START = re.compile(
    r"""\s*(?:[-*+•](?:\s|$) | \d+[.)]\s | :\w[^:]*:(?!`) | \.\.\s | >>> | @\w+ | \\[a-z]+\s | [|+][-=|\s]
        | ([=\-~^"'`#*_.+])\1{2,}\s*$ | ```
        | (?:Args|Arguments|Parameters|Params|Returns?|Yields?|Raises|Examples?|Notes?|Usage|Attributes
            |Warnings?|See\ Also|References|Inputs?|Outputs?|Shape|Keyword\ Args|Keyword\ Arguments)\s*:{0,2}\s*$)""",
    re.VERBOSE,
)
# ``name (`type`, ...`` or ``name (...):``: an entry of an arguments section without its heading
_PARAMETER = re.compile(r"\s*`?\*{0,2}\w+`?\s*\((?:`|.*\)\s*:)|\s*`?\*{0,2}\w+`?\s*:\s+\w+\s*$")
_SIGNATURE = re.compile(r"[\w.]+\(.*\)(?:\s*(?:->|=>|<==>).*)?[:.]?")
_UNDERLINE = re.compile(r"\s*([=\-~^\"'`#*_.+])\1{2,}\s*$")


def split_docstring(docstring: str) -> tuple[str, str] | None:
    """Return (anchor, positive) of one docstring, or None when it gives no pair.

    Indentation is removed as ``inspect.cleandoc`` does; a leading signature or short underlined title
    is passed over. The anchor is one line; the positive keeps its lines, with runs of blanks and of
    empty lines reduced to one, and is cut at a word at 2,000 characters.

    None when the text does not begin with prose (a list, a field, a parameter entry), when the anchor
    has fewer than 3 words or more than 300 characters (a cut sentence is no sentence), when the
    positive has fewer than 5 words or repeats the anchor, or when the text is no valid Unicode.
    A word is a run without white space that holds a letter or a digit.
    """
    # what follows the longest pair is not worth cleaning; the factor leaves room for indentation
    docstring = docstring[: 4 * (MAX_ANCHOR_CHARACTERS + MAX_POSITIVE_CHARACTERS)]
    lines = _without_heading(inspect.cleandoc(docstring).splitlines())
    if not lines or _BLOCK_START.match(lines[0]) or _PARAMETER.match(lines[0]):
        return None
    end = _first_paragraph_end(lines)
    paragraph = " ".join(" ".join(lines[:end]).split())
    stop = _first_sentence_end(paragraph)
    anchor, remainder = paragraph[:stop].strip(), paragraph[stop:].strip()
    if len(anchor) > MAX_ANCHOR_CHARACTERS or not _has_words(anchor, MIN_ANCHOR_WORDS):
        return None
    if end < len(lines) and _UNDERLINE.match(lines[end]):
        end += 1
    positive = _shorten(_collapse([remainder, *lines[end:]]))
    if not _has_words(positive, MIN_POSITIVE_WORDS) or _plain(anchor) in _plain(positive):
        return None
    if not (_is_unicode(anchor) and _is_unicode(positive)):
        return None
    return anchor, positive


def _without_heading(lines: list[str]) -> list[str]:
    """Pass over leading signatures, admonitions and underlined titles of one or two words."""
    while lines:
        passed = _heading_length(lines)
        if passed == 0:
            break
        lines = lines[passed:]
    return lines


def _heading_length(lines: list[str]) -> int:
    """Return how many lines at the start are no prose."""
    if not lines[0].strip() or _UNDERLINE.match(lines[0]):
        return 1
    if len(lines) > 1 and _UNDERLINE.match(lines[1]) and not _has_words(lines[0], MIN_ANCHOR_WORDS):
        return 2
    end = next((index for index, line in enumerate(lines) if not line.strip()), len(lines))
    if lines[0].startswith("!!!"):  # MkDocs
        return end
    if "(" in lines[0]:
        for stop in range(1, min(end, _MAX_SIGNATURE_LINES) + 1):
            if _SIGNATURE.fullmatch(" ".join(lines[:stop]).strip()):
                return stop
    return 0


def _first_paragraph_end(lines: list[str]) -> int:
    """Return the index of the line after the first paragraph; a title's underline stays out of it."""
    for index, line in enumerate(lines):
        if not line.strip() or (index > 0 and _BLOCK_START.match(line)):
            return index
    return len(lines)


def _first_sentence_end(paragraph: str) -> int:
    for match in _SENTENCE_END.finditer(paragraph):
        sentence = paragraph[: match.end()]
        before = paragraph[: match.start()]
        words = before.split()
        last = words[-1].lstrip("([{\"'`*").lower() if words else ""
        if paragraph[match.start()] == "." and (
            _ABBREVIATIONS.fullmatch(last) or _is_initial(words, paragraph[match.end() :])
        ):
            continue
        if sentence.count("(") > sentence.count(")") or sentence.count("`") % 2:
            continue
        if not _opens_sentence(paragraph[match.end() :]):
            continue
        return match.end()
    return len(paragraph)


def _is_initial(words: list[str], following: str) -> bool:
    """Tell ``by J. Smith`` from ``the matrix A. It is …``: after the latter stands a common opener."""
    if not words or len(words[-1]) != 1 or not words[-1].isupper() or words[-1] == "I":
        return False
    return _OPENER.match(following) is None


def _opens_sentence(rest: str) -> bool:
    head = re.sub(r"^[\"'“‘(\[*:<_\\$]+", "", rest)
    # a name in backticks opens a sentence as well as a capital does
    return head[:1] == "`" or not head[:1].islower()


def _collapse(lines: list[str]) -> str:
    """Reduce runs of blanks to one blank and runs of empty lines to one empty line."""
    kept = [""]
    length = 0
    for line in lines:
        line = " ".join(line.split())
        if line or kept[-1]:
            kept.append(line)
            length += len(line) + 1
        if length > MAX_POSITIVE_CHARACTERS + 1:
            break
    return "\n".join(kept).strip()


def _shorten(text: str) -> str:
    if len(text) <= MAX_POSITIVE_CHARACTERS:
        return text
    at_word = _LAST_WORD.sub("", text[: MAX_POSITIVE_CHARACTERS + 1])
    return at_word[:MAX_POSITIVE_CHARACTERS].rstrip()


def _has_words(text: str, number: int) -> bool:
    return sum(1 for _ in itertools.islice(_WORD.finditer(text), number)) == number


def _plain(text: str) -> str:
    """Return the text as it is compared: one case, single blanks, no punctuation at its end."""
    return " ".join(text.lower().split()).rstrip(".:!?")


def _is_unicode(text: str) -> bool:
    """A docstring may spell out a lone surrogate, which has no UTF-8 form."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

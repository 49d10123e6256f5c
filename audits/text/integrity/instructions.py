"""Sentences that speak to a language model rather than to a reader.

Four kinds: to set instructions aside (in 13 languages), to become another assistant, to give away what is confidential,
and turns of a chat in the control tokens of a model. A mention is none: what stands in quotation marks or backticks,
and tokens in code. After the attacks collected in Greshake et al., Not what you've signed up for (AISec 2023), Liu et
al., Formalizing and benchmarking prompt injection attacks (USENIX Security 2024), and those hidden in papers in 2025.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from audits.text.integrity import Span

_WHAT = (
    r"(?:instruction|prompt|direction|directive|rule|guideline|command|order|message|input|context|text|request|task)s?"
)
_WHICH = r"(?:previous|prior|above|earlier|preceding|foregoing|existing|initial|original|system|former|past)"
_ALL = r"(?:all|any|every|each)"
_MODEL = (
    r"(?:a\.?i\.?|llm|large language model|language model|chat ?bot|gpt|chatgpt|claude|gemini|copilot|"
    r"a\.?i\.? (?:assistant|agent|model|system|reviewer|crawler)|llm (?:agent|reviewer|assistant))s?"
)


class _Phrase(NamedTuple):
    """A kind of instruction: what RE2 and Python both match, without regard to case."""

    kind: str
    pattern: str


_PHRASES = (
    _Phrase(
        "sets instructions aside",
        # "ignore the previous message" alone is said to persons too, "ignore previous instructions" is not
        rf"\b(?:ignore|disregard|forget|override|bypass|do not follow|don'?t follow|stop following)\s+"
        rf"(?:{_ALL}\s+)?(?:of\s+)?(?:(?:the|your|my|our|these|those)\s+)?"
        rf"(?:{_WHICH}\s+(?:(?:and|or)\s+{_WHICH}\s+)?(?:system\s+)?(?:instruction|prompt|directive|guideline)s?\b"
        rf"|(?:instruction|prompt|directive|guideline)s?\s+(?:above|before|given|you (?:were|have been|had been))\b)"
        rf"|\b(?:ignore|disregard|forget)\s+{_ALL}\s+(?:of\s+)?(?:(?:the|your|my|these)\s+)?{_WHICH}\s+{_WHAT}\b"
        rf"|\b(?:ignore|disregard|forget)\s+(?:{_ALL}\s+)?(?:the\s+)?(?:instruction|prompt|rule|guideline)s\s+(?:that\s+)?"
        r"you\s+(?:got|received|were\s+given|have\s+been\s+given|have)\b"
        r"|\b(?:ignore|disregard|forget)\s+(?:all|everything)\s+(?:of\s+)?(?:(?:that\s+)?you\s+(?:were|have been)"
        r"\s+(?:told|instructed)|your\s+(?:instructions|training|rules|guidelines|programming))\b"
        r"|\b(?:ignore|disregard|forget|override|bypass|disable|abandon|stop\s+following)\s+(?:all\s+(?:of\s+)?)?your\s+"
        r"(?:(?:safety|content|ethical|moral|previous|prior|original)\s+(?:guideline|filter|rule|measure|restriction|"
        r"polic(?:y|ie)|training|instruction|task)s?|instructions|guidelines|programming|system\s+prompt)\b"
        r"|\bno\s+longer\s+bound\s+by\s+(?:your|the|any)\s+(?:training|guidelines|rules|instructions|restrictions)\b"
        r"|\bfollow\s+these\s+new\s+instructions\b"
        rf"|\b(?:new|updated|real|actual)\s+(?:system\s+)?instructions?\s*:\s*(?:you|ignore|from now|do|reply|respond|"
        r"output|print|say)\b",
    ),
    _Phrase(
        "sets instructions aside",
        r"\bignorier(?:e|en sie)?\s+(?:bitte\s+)?(?:alle|s[äa]mtliche|die)\s+(?:(?:vorherigen|bisherigen|obigen|"
        r"vorigen|vorangegangenen|fr[üu]heren)\s+)+(?:anweisungen|instruktionen|befehle|vorgaben)\b"
        r"|\bignore[zr]?\s+(?:toutes\s+)?(?:les|tes|vos)\s+(?:instructions|consignes|directives)\s+(?:pr[ée]c[ée]dentes|"
        r"ant[ée]rieures|ci-dessus)\b"
        r"|\b(?:ignora|ignore|olvida|olvide)\s+(?:todas\s+)?(?:las|tus|sus)\s+(?:instrucciones|indicaciones|[óo]rdenes)\s+"
        r"(?:anteriores|previas)\b"
        r"|\b(?:ignore|ignora|esque[çc]a)\s+(?:todas\s+)?(?:as\s+)?(?:suas\s+)?instru[çc][õo]es\s+(?:anteriores|pr[ée]vias)\b"
        r"|\b(?:ignora|dimentica)\s+(?:tutte\s+)?le\s+(?:tue\s+)?istruzioni\s+(?:precedenti|sopra)"
        r"|\bnegeer\s+(?:alle\s+)?(?:voorgaande|vorige|eerdere|bovenstaande)\s+(?:instructies|opdrachten|aanwijzingen)\b"
        r"|\b(?:z?ignoruj|zapomnij)\s+(?:wszystkie\s+)?(?:poprzednie|wcze[śs]niejsze|powy[żz]sze)\s+(?:instrukcje|polecenia)"
        r"|(?:игнорируй|проигнорируй|забудь)(?:те)?\s+(?:все\s+)?(?:предыдущие|прошлые|прежние|вышеуказанные)\s+"
        r"(?:инструкции|указания|команды)"
        r"|[öo]nceki\s+(?:t[üu]m\s+|b[üu]t[üu]n\s+)?talimatlar[ıi]\s+(?:yok\s+say|g[öo]rmezden\s+gel|unut)"
        r"|(?:忽略|无视|無視|忘记|忘掉|請忽略|请忽略)(?:掉|你)?(?:之前|以上|前面|先前|上述|上面|此前)?(?:的)?(?:所有|全部|一切|任何)?"
        r"(?:之前|以上|前面|先前|上述|上面|此前)(?:的)?(?:所有|全部)?(?:指令|指示|提示|命令|说明|要求)"
        r"|(?:これまで|今まで|以前|上記|前)の(?:すべての|全ての|全)?(?:指示|命令|プロンプト)を(?:すべて|全て)?(?:無視|忘れ)"
        r"|(?:이전|위|앞)의?\s*(?:모든\s*)?(?:지시|명령|지침)(?:\s*사항)?(?:를|을|은|는)?\s*(?:모두\s*)?무시"
        r"|(?:تجاهل|تجاهلي)\s+(?:جميع|كل|كافة)\s+(?:التعليمات|الأوامر|الإرشادات)\s+السابقة",
    ),
    _Phrase(
        "makes it another assistant",
        r"\byou(?:'re|\s+are)\s+(?:now\s+)?(?:going|about)\s+to\s+(?:act\s+as|pretend\b|play\s+the\s+(?:role|character)|immerse\s+"
        r"yourself|role-?play|simulate\s+the)"
        r"|\b(?:hello|hi|hey|dear),?\s+(?:chat\s?gpt|gpt-?\d|claude|gemini)\b"
        r"|\b(?:act|respond|reply|answer|role-?play|pretend|simulate|behave)\b[^.\n]{0,30}\b(?:ai|llm|chat\s?bot|assistant|"
        r"language\s+model)\b[^.\n]{0,40}\b(?:no|without|freed?|any)\b[^.\n]{0,20}(?:restriction|guideline|filter|constraint|"
        r"safety|ethic)"
        r"|\byou\s+are\s+no\s+longer\s+an?\s+(?:helpful\s+)?(?:assistant|ai|chat\s?bot|language\s+model)\b"
        r"|\b(?:broken|break)\s+free\s+(?:of|from)\s+the\s+(?:typical\s+)?(?:confines|limits|restrictions)\s+of\s+a[il]\b"
        r"|\bdo(?:es)?\s+not\s+have\s+to\s+(?:abide\s+by|follow)\s+the\s+(?:rules|restrictions|filters)\b"
        r"|\bchat\s?gpt\s+(?:with|in)\s+(?:dan|developer|jailbreak)\s+mode\b|\bstay\s+a\s+dan\b"
        r"|\b(?:amoral|unfiltered|uncensored|unrestricted)\s+and\s+(?:amoral|unfiltered|uncensored|unrestricted|unethical)\s+"
        r"(?:ai|chat\s?bot|assistant|model|persona|character)\b"
        r"|\byou\s+are\s+(?:now\s+)?(?:chatgpt|dan\b|gpt-?\d|claude\b|gemini\b|bard\b|an?\s+(?:unrestricted|uncensored|jailbroken|"
        r"unfiltered)\s+(?:ai|assistant|model|llm|language model))"
        r"|\bfrom\s+now\s+on,?\s+you(?:'re|\s+(?:are|will|must|shall))\s+(?:going\s+to\s+)?(?:an?\s+|act\b|behave\b|respond\b|answer\b|reply\b|"
        r"abide\b|be\b|speak\b|pretend\b|"
        r"ignore\b|always\b|never\b|only\b|obey\b)"
        r"|\byou\s+are\s+now\s+in\s+(?:developer|dan|god|debug|admin|maintenance|unrestricted)\s+mode\b"
        r"|\b(?:pretend|act\s+as\s+if|imagine)\s+(?:that\s+)?you\s+(?:have|had)\s+no\s+(?:restrictions|guidelines|rules|filters|limits)"
        r"|\byou\s+are\s+(?:an?\s+)?(?:large\s+)?language\s+model\s+trained\s+by\b",
    ),
    _Phrase(
        "asks for what is confidential",
        r"\b(?:reveal|print|repeat|output|show|leak|disclose|display|tell)\s+(?:me\s+|us\s+)?(?:your|the)\s+"
        r"(?:(?:full|entire|complete|hidden|secret|exact|initial|original|own)\s+){0,2}system\s+(?:prompt|message|instructions)\b"
        r"|\b(?:reveal|leak|disclose|print|repeat)\s+your\s+(?:(?:full|entire|hidden|secret|initial|original)\s+)*"
        r"(?:instructions|prompt|guidelines)\b"
        r"|\b(?:show|tell|repeat|output|print|display|reveal|give|encode|translate|write|copy)\b[^.\n]{0,30}\byour\s+"
        r"(?:(?:exact|full|entire|complete|hidden|secret)\s+)?(?:system\s+(?:prompt|message|instructions)|(?:initial|original|"
        r"starting|hidden|secret)\s+(?:instructions|prompt|configuration))\b"
        r"|\bwhat\s+(?:is|are|was|were)\s+your\s+(?:system\s+prompt|(?:initial|original|hidden|secret)\s+instructions)\b"
        r"|\b(?:repeat|output|tell\s+me|show\s+me|print|reveal)\b[^.\n]{0,20}\binstructions\s+you\s+(?:were\s+given|received|got)\b"
        r"|\brepeat\s+(?:everything|all\s+(?:of\s+)?the\s+(?:text|words)|the\s+(?:text|words))\s+above\b"
        r"|\b(?:send|forward|post|upload|exfiltrate|e?-?mail|transmit)\s+(?:me\s+)?(?:all\s+)?(?:(?:of\s+)?(?:the|your|this|their|any)\s+)?"
        r"(?:user'?s?\s+|entire\s+|full\s+)*(?:conversation|chat)(?:\s+(?:history|log|transcript))?\s+to\s+\S",
    ),
    _Phrase(
        "speaks to a model that reads it",
        rf"\bif\s+you(?:'re|\s+are)\s+(?:an?\s+|the\s+)?{_MODEL}\b(?!\s+(?:developer|engineer|researcher|user|author|team))"
        rf"|(?:^|[\n.!:;(>*][ \t]{{0,8}})(?:note|message|instructions?|attention|notice|important|reminder)\s*"
        rf"(?:to|for)?\s*:?\s+(?:to|for|any|all|the)\s+(?:(?:any|all|the|every)\s+)?{_MODEL}"
        r"(?:\s*:|\s+(?:reading|reviewing|processing|parsing|summari[sz]ing)\b)"
        rf"|\b{_MODEL}\s+(?:that|who|which)?\s*(?:reads?|reading|process(?:es|ing)|summari[sz](?:es?|ing)|review(?:s|ing))"
        r"\s+this\b"
        rf"|\battention,?\s+(?:all\s+|the\s+)?(?:ai|llm)\s+(?:assistant|agent|model|reviewer)s?\b"
        r"|\bdo\s+not\s+(?:tell|inform|alert|mention\s+(?:this|it|that)\s+to)\s+the\s+user\b"
        r"|\bgive\s+(?:only\s+)?a\s+positive\s+review\b|\bdo\s+not\s+highlight\s+any\s+negatives\b",
    ),
)

# turns of a chat: a token that begins one, the role, and words that follow
_TURNS = _Phrase(
    "turn of a chat in control tokens",
    r"<\|im_start\|>\s*(?:system|user|assistant|developer)\b"
    r"|<\|start_header_id\|>\s*(?:system|user|assistant)\s*<\|end_header_id\|>"
    r"|<<SYS>>|\[INST\]|<start_of_turn>\s*(?:user|model)\b|<\|(?:system|user|assistant|endofprompt)\|>"
    r"|<\|start\|>\s*(?:system|developer|user|assistant)\b|<｜(?:User|Assistant)｜>",
)

# blanks of Python; those of RE2 are of ASCII, the vertical tab is none
_BLANK = "\\t-\\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def _hint(pattern: str) -> str:
    """Return an RE2 that matches wherever ``pattern`` does under Python, and in some places more.

    RE2 knows the blanks, digits, and edges of words of ASCII only, no look-ahead, and no i without its dot.
    """
    pattern = re.sub(r"\(\?![^()]*(?:\([^()]*\)[^()]*)*\)|\\b", "", pattern)
    pieces, within = [], False
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part in ("[", "]"):
            within = part == "["
        found = {"\\s": _BLANK, "\\d": r"\p{Nd}", "i": "iıİ", "I": "Iıİ"}.get(part)
        pieces.append(part if found is None else found if within else f"[{found}]")
    return "".join(pieces)


HINT = "(?i)" + "|".join(_hint(phrase.pattern) for phrase in (*_PHRASES, _TURNS))
"""Matches every text in which :func:`find_instructions` finds something."""

_COMPILED = tuple((phrase.kind, re.compile(phrase.pattern, re.IGNORECASE | re.MULTILINE)) for phrase in _PHRASES)
_TURN = re.compile(_TURNS.pattern, re.IGNORECASE)
_QUOTES = "\"'`“”‘’„«»「」『』"
_CODE = re.compile(r"^\s*(?:>>>|\.\.\.|\$|#)|[=({\[]\s*[rfb]*[\"']|[\"'],?\s*$|\\n|`|\{[\w%{]")
_WORDS = re.compile(r"(?:[^\W\d_]+\W+){3}")
_CLOSE = re.compile(r"<\|im_end\|>|<\|eot_id\|>|<\|end(?:oftext)?\|>|\[/INST\]|<</SYS>>|<end_of_turn>|<\|return\|>")
_TOKENS = re.compile(r"<\|[\w▁]+\|>|</?s>|<bos>|\[/?INST\]")
_LONG, _PART, _OVERLAP = 65_536, 8192, 1024
_NEAR, _FAR = 60, 400  # characters of a line that are looked at for quotation marks, and for code


def find_instructions(text: str) -> list[Span]:
    """Return what speaks to a language model, mentions left out."""
    parts = _worth_a_look(text)
    spans = [
        Span(*match.span(), kind)
        for kind, pattern in _COMPILED
        for start, end in parts
        for match in pattern.finditer(text, start, end)
        if not _is_quoted(text, *match.span())
    ]
    return sorted([*spans, *_turns(text, parts)])


def _worth_a_look(text: str) -> list[tuple[int, int]]:
    """Return the parts of a text in which something may be found: all of a short one.

    Python takes seconds for ten megabytes, RE2 a tenth of that. Parts overlap by more than any phrase is long, and
    those that touch are one, so that no phrase is cut.
    """
    if len(text) <= _LONG:
        return [(0, len(text))]
    starts = range(0, len(text), _PART)
    # a lone surrogate has no bytes
    cut = pa.array([text[start : start + _PART + _OVERLAP].encode("utf-8", "replace") for start in starts], pa.binary())
    hits = pc.match_substring_regex(cut.cast(pa.string()), HINT).to_pylist()
    parts: list[tuple[int, int]] = []
    for start, hit in zip(starts, hits, strict=True):
        end = min(start + _PART + _OVERLAP, len(text))
        if hit and parts and start <= parts[-1][1]:
            parts[-1] = parts[-1][0], end
        elif hit:
            parts.append((start, end))
    return parts


def _line(text: str, start: int, end: int, reach: int) -> tuple[str, str]:
    """Return what stands before and after a place on its line, ``reach`` characters at most."""
    first, last = max(start - reach, 0), end + reach
    line_end = text.find("\n", end, last)
    return text[max(text.rfind("\n", first, start) + 1, first) : start], text[end : last if line_end < 0 else line_end]


def _is_quoted(text: str, start: int, end: int) -> bool:
    """Whether a quotation opens shortly before and closes shortly after on the same line."""
    before, after = _line(text, start, end, _NEAR)
    opened = re.search(rf"(?<!\w)[{_QUOTES}](?:[^{_QUOTES}]|(?<=\w)['’](?=\w))*\Z", before)
    return opened is not None and re.match(rf"(?:[^{_QUOTES}]|(?<=\w)['’](?=\w))*[{_QUOTES}](?!\w)", after) is not None


def _turns(text: str, parts: Sequence[tuple[int, int]]) -> list[Span]:
    """Return the first token of a chat that opens a turn: alone at the left, or closed later; not one in code."""
    fences = counted = 0
    found = [match for start, end in parts for match in _TURN.finditer(text, start, end)]
    last_close = max((match.start() for match in _CLOSE.finditer(text)), default=-1) if found else -1
    for match in found:
        fences += text.count("```", counted, match.start())
        counted = match.start()
        before, after = _line(text, *match.span(), _FAR)
        if fences % 2 or _CODE.search(f"{before}{match.group()}{after}") or _is_quoted(text, *match.span()):
            continue
        opens = last_close > match.start() or not _TOKENS.sub("", before).strip()
        if opens and _WORDS.match(text[match.end() : match.end() + 200].lstrip(" \n\r\t:>|")):
            return [Span(*match.span(), _TURNS.kind)]
    return []

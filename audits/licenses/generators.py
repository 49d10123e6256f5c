"""Sentences of a card that name a model as the writer of its rows. Only found, not judged: they may speak of others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from audits.licenses.riders import quoted
from audits.licenses.sentences import plain, sentences

_MOST = 20
_LONGEST = 400_000
_MODEL = (
    r"\b(?:chat-?gpt|gpt-?\d[\w.-]{0,30}|gpt-?oss|openai|o[134]-(?:mini|preview|pro)|text-davinci|codex|claude|gemini"
    r"|palm-?2?|bard|(?:code)?llama(?![-._]?(?:cpp|index|factory))|alpaca|vicuna|mistral|mixtral|qwen|qwq|deepseek|gemma"
    r"|phi-?\d|command[- ]r|cohere|grok|nemotron|falcon-?\d|yi-?\d|glm-?\d|kimi|minimax|wizardlm|olmo|flan-t5|nllb"
    r"|llms?\b|(?:large\s+)?language\s+models?\b)"
)
_WROTE = (
    r"\b(?:generated|synthesi[sz]ed|created|produced|written|rewritten|rephrased|paraphrased|translated|augmented"
    r"|distilled|annotated|labell?ed)\b"
)
_WRITE = (
    r"\b(?:generate|synthesi[sz]e|create|produce|write|rewrite|rephrase|paraphrase|translate|augment|annotate|label)\b"
)
_NAMES = re.compile(
    rf"{_WROTE}[^;\n]{{0,80}}?\b(?:by|with|using|via|from|through)\b[^;\n]{{0,60}}?{_MODEL}"
    rf"|{_MODEL}[\w.-]{{0,30}}[\s-]generated\b"
    rf"|\b(?:used?|using|prompt(?:ed|ing))\b[^;\n]{{0,40}}?{_MODEL}[^;\n]{{0,40}}?\bto\s+{_WRITE}"
    rf"|\b(?:outputs?|responses?|completions?|generations?)\s+(?:of|from|by)\b[^;\n]{{0,40}}?{_MODEL}",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:not|no|never|without|none|nor)\b|n['’]t\b", re.IGNORECASE)


def generator_sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, sentence) for what says that a model wrote, translated or labelled rows; at most 20."""
    count = 0
    for sentence in sentences(text[:_LONGEST]):
        words = plain(sentence.text)
        match = _NAMES.search(words)
        if match is None or _NEGATED.search(words[: match.start()]):
            continue
        yield sentence.line, quoted(sentence.text)
        count += 1
        if count >= _MOST:
            return

"""Rules on the text: blanks, empty and missing sections, rows of the data, paths, secrets, links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urlsplit

from audits.personal.secrets import SECRETS
from model_cards.typesetting import LOCAL_PATH, TOKEN, cut, one_line, plural
from model_cards.validation.front_matter import Metadata
from model_cards.validation.problems import CardProblem, found, shown
from model_cards.validation.text import Body, Section

_LONGEST = 80
_BLANK = re.compile(r"\[(?:optional\s+)?more information needed\]|\{\{[^{}]*\}\}|\{%[^{}%]*%\}", re.IGNORECASE)
_BLANK_LINE = re.compile(
    r"[\s\W]*(?:more information needed|to\s?do|tbd|tba|fixme|coming soon|to be (?:added|completed|written)|"
    r"lorem ipsum.*)[\s\W]*",
    re.IGNORECASE,
)
_NEEDED = {
    "limitations": re.compile(r"limitation", re.IGNORECASE),
    "out-of-scope use": re.compile(
        r"out[-\s]of[-\s]scope|misuse|unsuitable|prohibited use|not intended|uses?\s+(?:&|and|&amp;)\s+limitations",
        re.IGNORECASE,
    ),
    "training data": re.compile(r"train\w*\s+(?:and\s+\w+\s+)?data", re.IGNORECASE),
}
_OF_DATA = re.compile(r"data\s?set|train\w*\s+(?:and\s+\w+\s+)?data|evaluation data|label", re.IGNORECASE)
_SAMPLES = re.compile(r"[\s\W]*(?:random |first |some |training )?(?:samples?|examples?|rows)(?: of the data)?[\s\W]*")
_TEXT_COLUMNS = re.compile(
    r"(?:anchor|positive|negative|query|document|answer|passage|sentence|text|examples?|samples?)s?(?:[_\s]?\d+)?",
    re.IGNORECASE,
)
_TARGETS = (
    re.compile(r"\]\(\s*<?([^)\s>]+)"),
    re.compile(r"(?:src|href)\s*=\s*[\"']([^\"'\n]+)[\"']", re.IGNORECASE),
    re.compile(r"^\s{0,3}\[[^\]]{1,200}\]:\s*<?([^\s>]+)"),
)
_NEVER_FILLED = re.compile(
    r"(?:from_pretrained|SentenceTransformer|CrossEncoder|load_dataset)\(\s*[\"'](None|)[\"']|"
    r"model\s*=\s*[\"'](None|)[\"']"
)
_LINK_TO_NONE = re.compile(r"(?:huggingface\.co|hf\.co)/(?:datasets/)?(?:None|nan|null)(?![\w/-])")
_WRITTEN_BY_A_TRAINER = re.compile(r"dataset_size:|generated_from_trainer|loss:")


def body_problems(body: Body, metadata: Metadata | None) -> Iterator[CardProblem]:
    """Yield what is wrong with the text of a card; ``metadata`` where it could be read."""
    if not any(line.text.strip() for line in body.lines):
        yield found("CARD064", None, "There is no text beside the metadata", then="Say what the model is and is for.")
        return
    yield from _blanks(body)
    yield from _comments(body)
    yield from _empty(body.sections)
    yield from _missing(body, metadata)
    if body.unclosed is not None:
        line, kind = body.unclosed
        shows = "as code" if kind == "code fence" else "not at all"
        yield found("CARD065", line, f"A {kind} is never closed: all that follows is shown {shows}", then="Close it.")
    yield from _samples(body.sections)
    if metadata is not None:
        yield from _widget_rows(metadata)
    for code in body.lines:
        match = (_NEVER_FILLED if code.is_code else _LINK_TO_NONE).search(code.text)
        if match:
            yield found(
                "CARD074",
                code.number,
                "A name was never filled in",
                observed=shown(match[0]),
                then="Write the id of the repository.",
            )


def leak_problems(text: str) -> Iterator[CardProblem]:
    """Yield local paths and secrets, wherever they stand in ``text``, the whole file."""
    lines = re.split(r"\r\n|\r|\n", text)
    paths = [(number, match[0]) for number, line in enumerate(lines, 1) for match in LOCAL_PATH.finditer(line)]
    if paths:
        listed = ", ".join(dict.fromkeys(path for _, path in paths[:20]))
        yield found(
            "CARD071",
            paths[0][0],
            f"The card shows the local path {cut(listed, _LONGEST)}{_more(paths)}",
            then="Name a Hub id, or leave it out.",
        )
    # over the whole text: a private key has many lines
    secrets = [(match.start(), "access token (hf_…)") for match in TOKEN.finditer(text)]
    secrets += [(match.start, match.kind) for match in SECRETS.find(text) if "Hugging Face" not in match.kind]
    for number, kind in dict.fromkeys((_line_at(text, start), kind) for start, kind in sorted(secrets)):
        yield found(
            "CARD072",
            number,
            f"The card holds what looks like a secret: {kind}",
            then="Remove it, and revoke it if it is real.",
        )


def _line_at(text: str, start: int) -> int:
    return 1 + len(re.findall(r"\r\n|\r|\n", text[:start]))


def link_problems(body: Body, metadata: Metadata | None, exists: Callable[[str], bool]) -> Iterator[CardProblem]:
    """Yield links to files that are not there; ``exists`` is asked with a path below the folder of the card."""
    named = [(number, target) for number, text in body.prose() for target in _targets(text)]
    link = metadata.data.get("license_link") if metadata is not None else None
    if metadata is not None and isinstance(link, str) and link in ("LICENSE", "LICENSE.md"):
        named.insert(0, (metadata.line("license_link"), link))
    for target in dict.fromkeys(target for _, target in named):
        if not exists(target):
            line = next(number for number, other in named if other == target)
            yield found(
                "CARD073",
                line,
                f"The card links to {shown(target)}, and that file is not beside it",
                then="Add the file, or correct the link.",
            )


def _targets(text: str) -> Iterator[str]:
    for pattern in _TARGETS:
        for match in pattern.finditer(text):
            try:
                parts = urlsplit(match[1])
            except ValueError:
                continue
            if not (parts.scheme or parts.netloc) and parts.path and not parts.path.startswith("/"):
                yield unquote(parts.path)


def _blanks(body: Body) -> Iterator[CardProblem]:
    seen: dict[str, list[int]] = {}
    for number, text in body.prose():
        blanks = [match[0] for match in _BLANK.finditer(text)]
        if not blanks and _BLANK_LINE.fullmatch(text):
            blanks = [text.strip()]
        for blank in dict.fromkeys(blanks):
            seen.setdefault(blank, []).append(number)
    for blank, numbers in list(seen.items())[:20]:
        many = f" on {len(numbers)} lines" if len(numbers) > 1 else ""
        yield found(
            "CARD060",
            numbers[0],
            f"The template's blank {cut(blank, _LONGEST)} is not filled in{many}",
            then="Answer it, or say that it is unanswered.",
        )


def _comments(body: Body) -> Iterator[CardProblem]:
    left = [
        comment
        for comment in body.comments
        if one_line(comment.text) in _template_comments() or "remove this comment" in comment.text.lower()
    ]
    if left:
        yield found(
            "CARD061",
            left[0].number,
            f"{plural(len(left), 'comment')} of a template left in, which ask for what a reader should find",
            observed=shown(one_line(left[0].text)),
            then="Remove them.",
        )


@cache
def _template_comments() -> frozenset[str]:
    """Return the comments of the Hub's template, as huggingface_hub ships it."""
    text = files("huggingface_hub").joinpath("templates", "modelcard_template.md").read_text(encoding="utf-8")
    return frozenset(one_line(part.partition("-->")[0]) for part in text.split("<!--")[1:])


def _empty(sections: tuple[Section, ...]) -> Iterator[CardProblem]:
    for position, section in enumerate(sections):
        following = sections[position + 1] if position + 1 < len(sections) else None
        if not section.is_filled and (following is None or following.level <= section.level):
            yield found(
                "CARD062",
                section.number,
                f"The section “{cut(section.title, _LONGEST)}” is empty",
                then="Fill it in, or leave it out.",
            )


def _missing(body: Body, metadata: Metadata | None) -> Iterator[CardProblem]:
    hidden = list(body.commented_titles())
    for name, pattern in _NEEDED.items():
        if any(pattern.search(section.title) for section in body.sections):
            continue
        if name == "training data" and metadata is not None and metadata.data.get("datasets"):
            continue
        where = ", only in a comment, which nobody sees" if any(map(pattern.search, hidden)) else ""
        yield found(
            "CARD063", None, f"There is no section on {name}{where}", then="Add one, and say there what is not known."
        )


def _samples(sections: tuple[Section, ...]) -> Iterator[CardProblem]:
    """Yield tables of rows below headings on data."""
    above: list[Section] = []
    for section in sections:
        above = [*(other for other in above if other.level < section.level), section]
        if not any(_OF_DATA.search(other.title) for other in above):
            continue
        told = False
        texts = [(line.number, line.text) for line in section.lines if line.text.strip()]
        for (number, text), (_, below) in pairwise(texts):
            told = told or bool(_SAMPLES.fullmatch(text.lower()))
            rule = bool(re.fullmatch(r"[\s|:-]*-[\s|:-]*", below)) and "|" in text
            if rule and (told or _is_of_texts(text)) and not text.strip().lower().startswith("|  "):
                yield found(
                    "CARD070",
                    number,
                    "A table quotes rows of the data",
                    observed=cut(one_line(text), _LONGEST),
                    then="Leave the rows out, unless their license and their people allow it.",
                )
                break


def _is_of_texts(header: str) -> bool:
    cells = [cell.strip(" `*") for cell in header.strip().strip("|").split("|")]
    return len(cells) > 1 and all(_TEXT_COLUMNS.fullmatch(cell) for cell in cells)


def _widget_rows(metadata: Metadata) -> Iterator[CardProblem]:
    widget, tags = metadata.data.get("widget"), metadata.data.get("tags")
    trained = isinstance(tags, list) and any(isinstance(tag, str) and _WRITTEN_BY_A_TRAINER.match(tag) for tag in tags)
    if isinstance(widget, list) and trained and any(_quotes(example) for example in widget):
        yield found(
            "CARD070",
            metadata.line("widget"),
            "`widget` quotes rows of the data",
            observed=f"{len(widget)} examples in a card that a trainer wrote",
            then="Replace them by texts of your own, or remove them.",
        )


def _quotes(example: Any) -> bool:
    return isinstance(example, dict) and any(key in example for key in ("source_sentence", "sentences", "text"))


def _more(found_ones: Iterable[Any]) -> str:
    count = len(list(found_ones))
    return f", {count} in all" if count > 1 else ""

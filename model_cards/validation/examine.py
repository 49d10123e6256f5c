"""Examine a card: its text alone, or a file with what lies beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from model_cards.errors import CardError
from model_cards.validation.body import body_problems, leak_problems, link_problems
from model_cards.validation.front_matter import Metadata, read_metadata, split_card
from model_cards.validation.keys import key_problems
from model_cards.validation.problems import CardProblem, found
from model_cards.validation.results import eval_results_problems, result_problems
from model_cards.validation.text import read_body

MAX_BYTES = 10 * 2**20
"""The Hub takes no larger file outside of LFS, where it would not read the metadata."""


def examine_card(text: str, *, exists: Callable[[str], bool] | None = None) -> tuple[CardProblem, ...]:
    """Return all that is wrong with the text of a card, by line.

    Args:
        text: of README.md.
        exists: whether a file of that relative path lies beside the card; None where nobody knows.
    """
    return tuple(sorted(_text_problems(text, exists), key=_by_line))


def examine_metadata(text: str) -> tuple[Metadata | None, tuple[CardProblem, ...]]:
    """Return the metadata of a card, None where it can not be read, and what is wrong with it.

    Args:
        text: of README.md, without a byte order mark.
    """
    metadata, problems = read_metadata(split_card(text), text)
    if metadata is not None:
        problems += [*key_problems(metadata), *result_problems(metadata)]
    return metadata, tuple(problems)


def examine_file(path: Path) -> tuple[CardProblem, ...]:
    """Return all that is wrong with a card and, where it is a README.md, with ``.eval_results`` beside it.

    Args:
        path: a file, or a folder that should hold README.md.

    Raises:
        CardError: it can not be read.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        path = path / "README.md"
        if not path.is_file():
            return (
                found(
                    "CARD000",
                    None,
                    "The folder holds no README.md, so the model has no card",
                    then="Write one, e.g. with `hf-contrastive push … --dry-run`.",
                ),
            )
    problems, text = _decoded(path)
    if text is not None:
        problems += _text_problems(text, lambda target: _is_beside(folder, target))
    if path.name.lower() == "readme.md":
        for extra in sorted((folder / ".eval_results").glob("*.y*ml")):
            inner, content = _decoded(extra)
            problems += inner if content is None else eval_results_problems(content, f".eval_results/{extra.name}")
    return tuple(sorted(problems, key=_by_line))


def _decoded(path: Path) -> tuple[list[CardProblem], str | None]:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        msg = f"The card `{path}` can not be read ({error.strerror}); name a file that you may read."
        raise CardError(msg) from error
    if size > MAX_BYTES:
        return [
            found(
                "CARD004",
                None,
                "The file is larger than the Hub takes outside of LFS",
                observed=f"{size:,} bytes",
                allowed=f"{MAX_BYTES:,}",
                then="Shorten it.",
            )
        ], None
    try:
        return [], data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        kind = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"the byte 0x{data[error.start]:02x}"
        return [found("CARD001", line, "The file is not UTF-8", observed=kind, then="Save it as UTF-8.")], None


def _is_beside(folder: Path, target: str) -> bool:
    try:
        return (folder / target).resolve().is_relative_to(folder.resolve()) and (folder / target).exists()
    except (OSError, ValueError):  # a name too long for the disk, or with a zero byte
        return False


def _text_problems(text: str, exists: Callable[[str], bool] | None) -> Iterator[CardProblem]:
    yield from _file_problems(text)
    text = text.removeprefix("\ufeff")
    card = split_card(text)
    metadata, problems = examine_metadata(text)
    yield from problems
    body = read_body(card.body, card.body_line)
    yield from body_problems(body, metadata)
    yield from leak_problems(text)
    if exists is not None:
        yield from link_problems(body, metadata, exists)


def _file_problems(text: str) -> Iterator[CardProblem]:
    if text.startswith("\ufeff"):
        yield found(
            "CARD002",
            1,
            "A byte order mark begins the card, behind which huggingface_hub sees no metadata",
            then="Save it as UTF-8 without a byte order mark.",
        )
    ends = re.findall(r"\r\n?", text)
    if ends:
        kind = "\\r\\n" if "\r\n" in ends else "\\r"
        yield found(
            "CARD003",
            1,
            "The lines do not end as on the Hub: every line differs from what others write",
            observed=f"{len(ends):,} line ends {kind}",
            allowed="\\n",
        )
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        yield found(
            "CARD004",
            None,
            "The card is larger than the Hub takes outside of LFS",
            observed=f"{size:,} bytes",
            allowed=f"{MAX_BYTES:,}",
            then="Shorten it.",
        )


def _by_line(problem: CardProblem) -> tuple[bool, int, str]:
    return (problem.line is None, problem.line or 0, problem.code)

"""What people say otherwise, say now, or say no more."""

from __future__ import annotations

from collections.abc import Iterator

from model_cards.changes.pairing import Words, compared, paired
from model_cards.changes.records import Change
from model_cards.evidence import Statement
from model_cards.questions import QUESTIONS


def statement_changes(before: tuple[Statement, ...], after: tuple[Statement, ...]) -> Iterator[Change]:
    """Yield each statement by its key; one that nobody answered is none."""
    titles = {item.key: item.title for item in QUESTIONS}
    stated, states = (tuple(item for item in side if _is_said(item)) for side in (before, after))
    for key, one, other in paired(stated, states, lambda item: item.key):
        title = titles.get(key, key)
        weight = 63 if other is None else 51 if one is not None else 41
        words = Words("statements", f"statement {key}", f"Statement: {title}", weight)
        yield compared(words, one, other, _said)


def _is_said(statement: Statement) -> bool:
    return bool(statement.text.strip()) and statement.origin != "unanswered"


def _said(statement: Statement) -> str:
    by = f" by {statement.by}" if statement.by else ""
    day = f" on {statement.date}" if statement.date else ""
    source = f", source: {statement.source}" if statement.source else ""
    return f"{statement.text} [{statement.origin}{by}{day}{source}]"

"""The questions of frameworks that no measurement answers, beside those of the model card."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, get_args

from audits.records import near_names
from model_cards.errors import FrameworkError
from model_cards.questions import QUESTIONS, TRAINING_QUESTION, Question, Role

_FILE = "questions.toml"


@cache
def framework_questions() -> dict[str, Question]:
    """Return the questions that frameworks ask beyond the model card, by key.

    Raises:
        FrameworkError: the data file is not sound.
    """
    data: dict[str, Any] = tomllib.loads(files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))
    read: dict[str, Question] = {}
    for key, entry in data.items():
        if set(entry) != {"title", "role", "text"} or entry["role"] not in get_args(Role):
            msg = (
                f"`{key}` in {_FILE} holds {', '.join(sorted(entry))} with the role {entry.get('role')!r}; allowed are "
                f"title, text and a role of {', '.join(get_args(Role))}. Correct the entry."
            )
            raise FrameworkError(msg)
        read[key] = Question(key, entry["title"], entry["role"], entry["text"])
    return read


@cache
def every_question() -> dict[str, Question]:
    """Return the questions of the model card and of all frameworks, by key."""
    return {item.key: item for item in (*QUESTIONS, TRAINING_QUESTION, *framework_questions().values())}


def question(key: str) -> Question:
    """Return the question named ``key``, of the model card or of a framework.

    Raises:
        FrameworkError: there is none.
    """
    known = every_question()
    if key not in known:
        msg = f"`{key}` is the key of no question{near_names([key], known)}. Known are {', '.join(sorted(known))}."
        raise FrameworkError(msg)
    return known[key]

"""What people answered, from a YAML file: each answer with the name of who gave it and the day.

The file maps the keys of questions, of the model card or of a framework, to what was said::

    limitations:
      answer: Short queries of one word find little.
      by: Ada Lovelace
      date: 2026-11-01

An entry whose three values are empty is a question that nobody answered yet, as
``hf-contrastive framework … --questions`` writes it.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from audits.dates import day_text, parse_day, utc_today
from audits.records import near_names
from model_cards.errors import AnswersError
from model_cards.evidence import Evidence, Statement
from model_cards.frameworks.questions import every_question

MAX_BYTES = 1_000_000
"""More than people write."""

_FIELDS = ("answer", "by", "date")


def read_answers(path: str | Path, *, today: datetime.date | None = None) -> tuple[Statement, ...]:
    """Return the answers in the YAML file ``path`` as statements, in the order of the file.

    ``today`` (UTC by default) decides which date lies in the future.

    Raises:
        AnswersError: the file can not be read, or is not of the documented shape; all problems are named.
    """
    try:
        data = Path(path).read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The answers {path} can not be read ({error}); name a YAML file in UTF-8."
        raise AnswersError(msg) from error
    return parse_answers(text, str(path), today=today)


def parse_answers(text: str, where: str, *, today: datetime.date | None = None) -> tuple[Statement, ...]:
    """Return the answers in ``text``; ``where`` is named in errors.

    Raises:
        AnswersError: see :func:`read_answers`.
    """
    entries = _mapping(text, where)
    day = today or utc_today()
    problems = [problem for key, entry in entries.items() for problem in _problems(key, entry, day)]
    if problems:
        msg = (
            f"The answers {where} can not be used: {'; '.join(problems)}. Each key is that of a question, each entry "
            "holds `answer`, `by` and `date`: correct the file."
        )
        raise AnswersError(msg, problems)
    return tuple(_statement(key, entry) for key, entry in entries.items() if not _untouched(entry))


def with_answers(evidence: Evidence, answers: Iterable[Statement]) -> Evidence:
    """Return ``evidence`` with ``answers`` in the place of statements with the same key."""
    given = {item.key: item for item in answers}
    kept = tuple(item for item in evidence.statements if item.key not in given)
    return replace(evidence, statements=(*kept, *given.values()))


def _mapping(text: str, where: str) -> dict[Any, Any]:
    if len(text) > MAX_BYTES:
        msg = f"The answers {where} have {len(text):,} characters; allowed are {MAX_BYTES:,}. Name the right file."
        raise AnswersError(msg)
    try:
        twice = _repeated(yaml.compose(text, yaml.SafeLoader))
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        msg = f"The answers {where} are no YAML: {' '.join(str(error).split())[:300]}. Correct the file."
        raise AnswersError(msg) from error
    if twice:
        msg = f"The answers {where} hold {' and '.join(twice)} twice; only one would count. Keep one of them."
        raise AnswersError(msg)
    if data is None:
        return {}
    if not isinstance(data, dict):
        msg = (
            f"The answers {where} are a {type(data).__name__}; allowed is a mapping from the key of a question to "
            "`answer`, `by` and `date`. Begin from `hf-contrastive framework … --questions`."
        )
        raise AnswersError(msg)
    return data


def _repeated(node: Any, levels: int = 2) -> list[str]:
    """Return the keys that stand twice in one mapping, of which YAML takes the last without a word."""
    if not isinstance(node, yaml.MappingNode) or levels < 1:
        return []
    counted = Counter(str(key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
    inner = [name for _, value in node.value for name in _repeated(value, levels - 1)]
    return [*(f"`{name[:80]}`" for name, count in counted.items() if count > 1), *inner]


def _problems(key: Any, entry: Any, today: datetime.date) -> Iterator[str]:
    known = every_question()
    if key not in known:
        near = near_names([str(key)], known)
        yield f"`{str(key)[:80]}` is the key of no question{near}"
        return
    if not isinstance(entry, Mapping):
        yield f"`{key}` is {_shown(entry)}, not a mapping with `answer`, `by` and `date`"
        return
    unknown = sorted(str(name) for name in entry if name not in _FIELDS)
    if unknown:
        yield f"`{key}` holds {', '.join(unknown)}, allowed are {', '.join(_FIELDS)}{near_names(unknown, _FIELDS)}"
    if _untouched(entry):
        return
    for name in ("answer", "by"):
        value = entry.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            yield f"`{key}` has no `{name}`"
        elif not isinstance(value, str):
            yield f"`{key}`: `{name}` is {_shown(value)}, not text; put it in quotes"
    yield from _date_problems(key, entry.get("date"), today)


def _date_problems(key: str, value: Any, today: datetime.date) -> Iterator[str]:
    if value is None or value == "":
        yield f"`{key}` has no `date`"
        return
    told = day_text(value)
    day = parse_day(told) if isinstance(told, str) else None
    if day is None:
        yield f"`{key}`: `date` is {_shown(value)}, no day as YYYY-MM-DD"
    elif day > today:
        yield f"`{key}`: `date` {told} lies in the future, today is {today}"


def _untouched(entry: Any) -> bool:
    """Whether an entry is that of a form which nobody filled in."""
    return isinstance(entry, Mapping) and all(
        value is None or (isinstance(value, str) and not value.strip()) for value in entry.values()
    )


def _statement(key: str, entry: Mapping[str, Any]) -> Statement:
    return Statement(
        key=key,
        text=entry["answer"].strip(),
        origin="stated",
        by=entry["by"].strip(),
        date=day_text(entry["date"]),
    )


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."

"""The frameworks as data: which predicates and questions belong to which clause, read when, and from where."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from audits.dates import day_text, parse_day
from audits.errors import SchemaError
from audits.records import Record, near_names
from model_cards.errors import FrameworkError
from model_cards.frameworks.predicates import predicate_names
from model_cards.frameworks.questions import question

FRAMEWORKS = ("nist-ai-rmf", "eu-ai-act")
"""The frameworks that are shipped, as ``<name with underscores>.toml``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkSource(Record):
    """A publication; ``read`` says in which copy its clauses were looked up."""

    key: str
    title: str
    published: str
    address: str
    read: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Record):
    """A predicate under which a clause has nothing to say, with the reason in words."""

    predicate: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkClause(Record):
    """One clause: the predicates that give relevant evidence, and the questions that only people answer.

    ``title`` is a paraphrase. ``actions`` are ids of suggested actions that the evidence speaks to.
    """

    id: str
    title: str
    source: str
    checked: str
    evidence: tuple[str, ...] = ()
    not_applicable_if: tuple[Condition, ...] = ()
    questions: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework(Record):
    """A framework; ``note`` says what its mapping leaves out."""

    id: str
    name: str
    note: str
    sources: tuple[FrameworkSource, ...]
    clauses: tuple[FrameworkClause, ...]

    def source(self, key: str) -> FrameworkSource:
        """Return the source named ``key``."""
        return next(item for item in self.sources if item.key == key)

    @property
    def checked(self) -> str:
        """The oldest day on which a clause was looked up."""
        return min(item.checked for item in self.clauses)


def load_framework(name: str) -> Framework:
    """Return the framework ``name`` (one of :data:`FRAMEWORKS`).

    Raises:
        FrameworkError: there is none of that name; near ones are named.
    """
    if name not in FRAMEWORKS:
        msg = (
            f"`{name}` is no framework that is known here{near_names([name.lower()], FRAMEWORKS)}; known are "
            f"{' and '.join(FRAMEWORKS)}. Name one of them."
        )
        raise FrameworkError(msg)
    return _read(name)


@cache
def _read(name: str) -> Framework:
    text = files(__package__).joinpath(f"{name.replace('-', '_')}.toml").read_text(encoding="utf-8")
    return parse_framework(text, name)


def parse_framework(text: str, where: str) -> Framework:
    """Return the framework in the TOML ``text``; ``where`` is named in errors.

    Raises:
        FrameworkError: it is not sound; all problems are named.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
        for clause in data.get("clauses", ()):
            clause["checked"] = day_text(clause.get("checked", data.get("checked", "")))
        data.pop("checked", None)
        framework = Framework.from_dict(data)
    except (tomllib.TOMLDecodeError, SchemaError, TypeError, AttributeError) as error:
        msg = f"The framework {where} can not be read: {error} Correct its file."
        raise FrameworkError(msg) from error
    problems = _problems(framework)
    if problems:
        msg = f"The framework {where} is not sound: {'; '.join(problems)}. Correct its file."
        raise FrameworkError(msg)
    return framework


def _problems(framework: Framework) -> list[str]:
    known, sources = predicate_names(), {item.key for item in framework.sources}
    problems = [] if framework.clauses else ["it has no clause"]
    seen: set[str] = set()
    for clause in framework.clauses:
        if clause.id in seen:
            problems.append(f"`{clause.id}` stands there twice")
        seen.add(clause.id)
        named = [*clause.evidence, *(item.predicate for item in clause.not_applicable_if)]
        unknown = sorted(set(named) - set(known))
        if unknown:
            problems.append(f"`{clause.id}` names no predicate with {', '.join(unknown)}{near_names(unknown, known)}")
        if clause.source not in sources:
            problems.append(f"`{clause.id}` names the source `{clause.source}`, which is not described")
        if parse_day(clause.checked) is None:
            problems.append(f"`{clause.id}` was checked on {clause.checked!r}, which is no day")
        if not clause.evidence and not clause.questions:
            problems.append(f"`{clause.id}` names neither evidence nor a question")
        for key in clause.questions:
            try:
                question(key)
            except FrameworkError as error:
                problems.append(f"`{clause.id}`: {str(error).split('. Known', 1)[0]}")
    return problems

"""From evidence to the status of each clause: computed by predicates, never written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal, get_args

from audits.records import Record
from model_cards.evidence import Evidence, Origin
from model_cards.frameworks.catalogue import Framework, FrameworkClause, load_framework
from model_cards.frameworks.predicates import Found, examine
from model_cards.frameworks.questions import framework_questions, question
from model_cards.questions import Answer, Role
from model_cards.questions import answer as card_answer
from model_cards.typesetting import plural

Status = Literal["present", "partial", "human needed", "not applicable"]
"""Of relevant evidence: all of it, some of it, none of it or only what people must say, or nothing to speak on."""

CAVEAT = "applicability and sufficiency not assessed"

OWN_WORDS = "Titles of clauses are this project's own words, not those of the framework."
"""What is shown beside every list of clauses."""

PRESENT_MEANS = "Present: all that is looked for is recorded, and every question that the clause asks is answered."
"""The same, on what the best status says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanQuestion(Record):
    """A question that only people answer, with what they said; ``answer`` is "" while it is open."""

    key: str
    title: str
    role: Role
    text: str
    answer: str = ""
    by: str = ""
    date: str = ""
    origin: Origin = "unanswered"
    clauses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseStatus(Record):
    """What this evidence has for one clause; ``words`` claim no more than that."""

    clause: str
    title: str
    source: str
    checked: str
    status: Status
    words: str
    evidence: tuple[Found, ...] = ()
    open: tuple[HumanQuestion, ...] = ()
    answered: tuple[HumanQuestion, ...] = ()
    actions: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where in evidence.json it was read, in the order of the predicates."""
        return tuple(dict.fromkeys(address for item in self.evidence for address in item.addresses))


def assess(evidence: Evidence, framework: Framework | str) -> tuple[ClauseStatus, ...]:
    """Return, for each clause of ``framework``, which relevant evidence there is.

    "present": every predicate holds, and people answered every question that the clause asks: what is measured never
    stands for what people must decide. "partial": some hold, or hold in part, or a question is open. "human needed":
    none holds and nobody answered. "not applicable": there is nothing that the clause could speak on, with the reason.

    Raises:
        FrameworkError: there is no framework of that name.
    """
    read = load_framework(framework) if isinstance(framework, str) else framework
    # many clauses name the same predicate, and some compute digests of the whole audit
    look = cache(partial(examine, evidence))
    return tuple(_status(evidence, read, clause, look) for clause in read.clauses)


def counts(statuses: Iterable[ClauseStatus]) -> dict[Status, int]:
    """Return how many clauses have each status, zeros included."""
    told = Counter(item.status for item in statuses)
    return {status: told[status] for status in get_args(Status)}


def open_questions(statuses: Iterable[ClauseStatus]) -> Mapping[Role, tuple[HumanQuestion, ...]]:
    """Return the open questions by who answers them, each once, with the clauses that ask it."""
    asked: dict[str, HumanQuestion] = {}
    clauses: dict[str, list[str]] = {}
    for status in statuses:
        for item in status.open:
            asked.setdefault(item.key, item)
            clauses.setdefault(item.key, []).append(status.clause)
    by_role: dict[Role, tuple[HumanQuestion, ...]] = {}
    for role in get_args(Role):
        own = [replace(item, clauses=tuple(clauses[item.key])) for item in asked.values() if item.role == role]
        if own:
            by_role[role] = tuple(own)
    return by_role


def answered_questions(statuses: Iterable[ClauseStatus]) -> tuple[HumanQuestion, ...]:
    """Return the questions that people answered, each once, in the order of the clauses."""
    return tuple({item.key: item for status in statuses for item in status.answered}.values())


def recorded(statuses: Iterable[ClauseStatus]) -> tuple[Found, ...]:
    """Return what the predicates found, each predicate once, in the order of the clauses."""
    return tuple({item.predicate: item for status in statuses for item in status.evidence}.values())


def _status(
    evidence: Evidence, framework: Framework, clause: FrameworkClause, look: Callable[[str], Found]
) -> ClauseStatus:
    questions = [_answered(evidence, key) for key in clause.questions]
    found = tuple(look(name) for name in clause.evidence)
    reason = next((item.reason for item in clause.not_applicable_if if look(item.predicate).state == "yes"), "")
    status: Status = "not applicable" if reason else _tally(found, questions)
    silent = status == "not applicable"
    return ClauseStatus(
        clause=clause.id,
        title=clause.title,
        source=framework.source(clause.source).title,
        checked=clause.checked,
        status=status,
        words=_words(status, clause, reason, sum(not item.answer for item in questions)),
        evidence=() if silent else found,
        open=() if silent else tuple(item for item in questions if not item.answer),
        answered=tuple(item for item in questions if item.answer),
        actions=clause.actions,
    )


def _tally(found: tuple[Found, ...], questions: list[HumanQuestion]) -> Status:
    states = [item.state for item in found if item.state != "moot"]
    answered = [bool(item.answer) for item in questions]
    if (states or answered) and all(answered) and all(state == "yes" for state in states):
        return "present"
    return "partial" if any(answered) or any(state != "no" for state in states) else "human needed"


def _words(status: Status, clause: FrameworkClause, reason: str, unanswered: int) -> str:
    if status == "not applicable":
        return f"Nothing here that {clause.id} could speak on: {reason}"
    if clause.evidence:
        amount = {"present": "Evidence", "partial": "Some evidence"}.get(status, "No evidence")
        said = f"{amount} relevant to {clause.id} is recorded here"
    else:
        who = {"present": "People answered", "partial": "People answered in part"}.get(status, "People must answer")
        said = f"{who} what is asked under {clause.id}"
    still = f"; {plural(unanswered, 'question is', 'questions are')} open" if unanswered else ""
    return f"{said}; {CAVEAT}{still}."


def _answered(evidence: Evidence, key: str) -> HumanQuestion:
    asked = question(key)
    # the card's questions have answers elsewhere too
    given = Answer(asked, evidence.statement(key)) if key in framework_questions() else card_answer(evidence, key)
    if not given.answered:
        return _asked(key)
    said = given.statement
    return replace(_asked(key), answer=said.text.strip(), by=said.by, date=said.date, origin=said.origin)


def _asked(key: str) -> HumanQuestion:
    asked = question(key)
    return HumanQuestion(key=key, title=asked.title, role=asked.role, text=asked.text)

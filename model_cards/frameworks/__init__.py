"""Which evidence is relevant to which clause of a framework, and what stays a person's to answer.

Nothing here says that a law or a framework is followed: a clause has relevant evidence, some of it, or none, and each
status carries the addresses in evidence.json that it rests on. Whether a clause applies, and whether the evidence is
enough, is not assessed.
"""

from __future__ import annotations

from model_cards.frameworks.catalogue import FRAMEWORKS, Framework, FrameworkClause, load_framework
from model_cards.frameworks.mapping import (
    OWN_WORDS,
    PRESENT_MEANS,
    ClauseStatus,
    HumanQuestion,
    answered_questions,
    assess,
    counts,
    open_questions,
    recorded,
)
from model_cards.frameworks.predicates import Found, examine, predicate_names
from model_cards.frameworks.questions import framework_questions, question

__all__ = [
    "FRAMEWORKS",
    "OWN_WORDS",
    "PRESENT_MEANS",
    "ClauseStatus",
    "Found",
    "Framework",
    "FrameworkClause",
    "HumanQuestion",
    "answered_questions",
    "assess",
    "counts",
    "examine",
    "framework_questions",
    "load_framework",
    "open_questions",
    "predicate_names",
    "question",
    "recorded",
]

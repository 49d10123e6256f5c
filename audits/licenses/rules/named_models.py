"""Rules on the terms of Llama and Qwen: names to begin with, words to show, outputs that train no other model."""

from __future__ import annotations

import re

from audits.licenses.rules.case import BASE_OR_OUTPUT, ITS_OWN, Case, Finding, Rule
from audits.licenses.rules.notices import license_copies, names, sentences


def llama(case: Case) -> Finding | None:
    """L8."""
    if not case.is_family("Llama") or not (case.role == "base" or case.is_output):
        return None
    if case.is_output and _forbids_outputs(case):
        return None  # L9
    if not case.leaves:
        return None
    due = [*names(case, "L8")]
    if case.role == "base" and case.public:
        due += [*license_copies(case, "L8"), *sentences(case, "L8")]
    reason = f"{case.license} asks for names and notices" + ("" if case.role == "base" else " where its outputs train")
    return case.owed(f"{reason}{_human_questions(case)}", due, "naming", "notice")


def _human_questions(case: Case) -> str:
    questions = []
    limit = case.known.fact("commercial_use").detail
    if case.intent.commercial:
        questions.append(f"is the licensee below its limit of users ({limit or '700 million monthly active users'})?")
    excluded = case.value("territory") == "excludes" or _version(case) in {(3, 2), (4,)}
    if excluded and (not case.intent.territory or "EU" in {place.upper() for place in case.intent.territory}):
        questions.append(
            "multimodal models grant no rights to licensees in the European Union: is this one, and where are you?"
        )
    return f"; for a person to answer: {' '.join(questions)}" if questions else ""


def llama_outputs(case: Case) -> Finding | None:
    """L9."""
    if not (case.is_family("Llama") and case.is_output and _forbids_outputs(case)):
        return None
    if case.improves_itself:
        return case.passed(ITS_OWN.format(case.license), "output_training")
    language_model = case.intent.model_kind == "language-model"
    return case.conflict(
        "block" if language_model else "review",
        f"{case.license} forbids using outputs to improve any other large language model"
        + ("" if language_model else "; whether an encoder is one is unsettled"),
        f"remove the rows that {case.input.name} wrote",
        "output_training",
    )


def _forbids_outputs(case: Case) -> bool:
    return case.value("output_training") == "forbidden"


def qwen(case: Case) -> Finding | None:
    """L10."""
    own = case.is_family("Qwen", "Tongyi") and case.value("scope") == "model"
    if not own or not (case.role == "base" or case.is_output) or not case.leaves:
        return None
    due = [*names(case, "L10")]
    if case.public:
        due += [*license_copies(case, "L10"), *(sentences(case, "L10") if case.role == "base" else ())]
    limit = case.known.fact("commercial_use").detail or "100 million monthly active users"
    question = (
        f"; for a person to answer: is the licensee below its limit of users ({limit})?"
        if case.intent.commercial and case.value("commercial_use") == "conditional"
        else ""
    )
    return case.owed(f"{case.license} asks to be named{question}", due, "naming", "notice")


def _version(case: Case) -> tuple[int, ...]:
    return _number(case.known.version or case.known.id)


def _number(text: str) -> tuple[int, ...]:
    """Return a version as numbers, without zeros at its end: "3.0" and "llama3" are (3,)."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    numbers = tuple(map(int, found[0].split("."))) if found else ()
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


RULES = (
    Rule(
        code="L8",
        title="Models made from Llama are named and marked so",
        roles=BASE_OR_OUTPUT,
        axes=("naming", "notice", "commercial_use", "territory", "output_training"),
        judge=llama,
    ),
    Rule(
        code="L9",
        title="Outputs of Llama 2 and 3.0 train no other model",
        roles=frozenset({"generator", "training"}),
        axes=("output_training",),
        judge=llama_outputs,
    ),
    Rule(
        code="L10",
        title="Models made with Qwen under its own license say so",
        roles=BASE_OR_OUTPUT,
        axes=("naming", "notice", "commercial_use"),
        judge=qwen,
    ),
)

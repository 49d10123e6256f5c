"""Rules on the terms of Llama and Qwen: names to begin with, words to show, outputs that train no other model."""

from __future__ import annotations

from audits.licenses.rules.case import BASE_OR_OUTPUT, ITS_OWN, QWEN, Case, Finding, Rule
from audits.licenses.rules.notices import license_copies, names, sentences
from audits.territories import overlap


def llama(case: Case) -> Finding | None:
    """L8."""
    if not case.is_family("Llama") or not (case.role == "base" or case.is_output):
        return None
    questions = _human_questions(case)
    if case.is_output and _forbids_outputs(case):  # L9
        return case.passed(f"L9 looks at outputs under {case.license}").asking(*questions) if questions else None
    if not case.leaves:
        return case.passed(f"nobody gets what {case.license} wants marked").asking(*questions)
    due = [*names(case, "L8")]
    if case.role == "base" and case.public:
        due += [*license_copies(case, "L8"), *sentences(case, "L8")]
    reason = f"{case.license} asks for names and notices" + ("" if case.role == "base" else " where its outputs train")
    return case.owed(reason, due, "naming", "notice").asking(*questions)


def _human_questions(case: Case) -> list[str]:
    questions = _limit_of_users(case, "700 million monthly active users")
    where = case.known.fact("territory")
    # of a base L16 asks it
    if case.role != "base" and where.value == "conditional":
        met = overlap(case.intent.territory, where.territories)
        if met or not case.intent.territory:
            questions.append(
                f"{where.detail}: {case.license} grants no rights in {', '.join(where.territories)}; is the model that "
                "wrote the rows one, and where are you?"
            )
    return questions


def _limit_of_users(case: Case, usual: str) -> list[str]:
    if not case.intent.commercial or case.value("commercial_use") != "conditional":
        return []
    limit = case.known.fact("commercial_use").detail or usual
    return [f"is the licensee below the limit of {case.license} ({limit})?"]


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
    own = case.is_family(*QWEN) and case.value("scope") == "model"
    if not own or not (case.role == "base" or case.is_output):
        return None
    questions = _limit_of_users(case, "100 million monthly active users")
    if not case.leaves or (case.is_output and _forbids_outputs(case)):  # L15 looks at those
        return case.passed(f"nothing has to go along under {case.license}").asking(*questions) if questions else None
    due = [*names(case, "L10")]
    if case.public:
        due += [*license_copies(case, "L10"), *(sentences(case, "L10") if case.role == "base" else ())]
    what = "to be named" if case.value("naming") == "display" else "for its notices"
    return case.owed(f"{case.license} asks {what}", due, "naming", "notice").asking(*questions)


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

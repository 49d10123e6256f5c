"""What must go along: license copies, marks on changed files, attributions; and rule L14."""

from __future__ import annotations

from collections.abc import Iterator

from audits.licenses.analysis import Obligation
from audits.licenses.rules.case import Case, Finding, Rule
from audits.licenses.terms import UNDETERMINED

# their own rules name what they ask for
_NAMED_ELSEWHERE = ("Llama", "Qwen", "Gemma")


def license_copies(case: Case, code: str, *, policy: bool = False) -> Iterator[Obligation]:
    """Yield the copy of the license and the mark on changed files, where its text asks for them."""
    asked = case.known.fact("notice").values
    if "license-copy" in asked:
        yield case.obligation(code, "license_copy", "", "notice", policy=policy)
    # weights that were trained on rows are no changed files of them
    if "changed-files" in asked and (case.role == "base" or case.ships_rows):
        yield case.obligation(code, "changed_files", "", "notice", policy=policy)


def restrictions(case: Case, code: str) -> Iterator[Obligation]:
    """Yield the use restrictions, where the license wants them handed on."""
    if case.value("use_restrictions") == "passed-down":
        yield case.obligation(code, "use_restrictions", "", "use_restrictions")


def attribution(case: Case) -> Finding | None:
    """L14."""
    if case.role == "base":
        applies = case.distributed
    else:
        # results are free by the text itself
        free = case.value("results_carve_out") == "results-free"
        applies = case.ships_rows or (case.public and not free)
    if not applies:
        return None
    value, name = case.value("attribution"), case.license
    if value == UNDETERMINED:
        return case.open_question(
            f"whether {name} asks for attribution is undetermined",
            f"read its text, or name {case.input.name} and its license in NOTICE",
            "attribution",
        )
    policy = case.role == "training" and not case.ships_rows
    due = [*license_copies(case, "L14", policy=policy), *_naming(case)]
    if value == "required":
        due.insert(0, case.obligation("L14", "notice", _attribution_text(case), "attribution", policy=policy))
    elif policy:
        due = []  # neither the text nor anybody asks
    if not due:
        return None
    reason = f"{name} asks for attribution"
    if value != "required":
        reason = f"{name} asks that its text or name goes along"
    if policy:
        reason += "; for weights alone that is unsettled, and it is given by policy"
    return case.owed(reason, due, "attribution", "notice")


def _attribution_text(case: Case) -> str:
    fact = case.known.fact("notice")
    text = f"{case.known.name} ({case.known.id}), {case.known.source}".removesuffix(", ")
    if "sentence" in fact.values and fact.detail and not case.is_family(*_NAMED_ELSEWHERE):
        text += f". Its text asks for: {fact.detail}"
    if "notice-file" in fact.values and (case.role == "base" or case.ships_rows):
        text += ". What its own NOTICE file says goes here too"
    return text


def _naming(case: Case) -> Iterator[Obligation]:
    """Yield names that terms other than those of L8 and L10 ask for."""
    fact = case.known.fact("naming")
    if case.is_family(*_NAMED_ELSEWHERE) or not fact.detail or not (case.role == "base" or case.is_output):
        return
    if fact.value == "prefix":
        yield case.obligation("L14", "name_prefix", fact.detail, "naming")
    elif fact.value == "display":
        yield case.obligation("L14", "display", fact.detail, "naming")


RULES = (
    Rule(
        code="L14",
        title="Attribution and license texts go along",
        roles=frozenset({"training", "base"}),
        axes=("attribution", "notice", "naming", "results_carve_out", "hosting"),
        judge=attribution,
    ),
)

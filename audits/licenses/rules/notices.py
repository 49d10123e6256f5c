"""What must go along: license copies, marks on changed files, attributions; and rule L14."""

from __future__ import annotations

from collections.abc import Iterator

from audits.licenses.analysis import Obligation
from audits.licenses.rules.case import QWEN, Case, Finding, Rule
from audits.licenses.terms import UNDETERMINED


def license_copies(case: Case, code: str, *, policy: bool = False) -> Iterator[Obligation]:
    """Yield the copy of the license and the mark on changed files, where its text asks for them."""
    asked = case.known.fact("notice").values
    if "license-copy" in asked:
        yield case.obligation(code, "license_copy", "", "notice", policy=policy)
    # weights that were trained on rows are no changed files of them
    if "changed-files" in asked and (case.role == "base" or case.ships_rows):
        yield case.obligation(code, "changed_files", "", "notice", policy=policy)


def names(case: Case, code: str) -> Iterator[Obligation]:
    """Yield the beginning of the model's name and the words to show, where the license asks for them."""
    fact = case.known.fact("naming")
    for value, text in zip(fact.values, fact.detail.split(" | "), strict=False):
        if value == "prefix" and text:
            yield case.obligation(code, "name_prefix", text, "naming")
        elif value == "display" and text:
            # of outputs the Llama licenses say that the name of the model shows them, and no more
            yield case.obligation(code, "display", text, "naming", policy=case.is_output and case.is_family("Llama"))


def sentences(case: Case, code: str) -> Iterator[Obligation]:
    """Yield the sentence that terms of a model want in NOTICE, word by word."""
    fact = case.known.fact("notice")
    if "sentence" in fact.values and fact.detail and case.value("scope") == "model":
        yield case.obligation(code, "sentence", fact.detail, "notice")


def notice_sentence(case: Case) -> str:
    """Return what the license of data wants said, with the name filled in; "" where it asks for no words."""
    fact = case.known.fact("notice")
    if "sentence" not in fact.values or case.value("scope") == "model":
        return ""
    return fact.detail.replace("DATABASE NAME", case.input.name)


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
    due = [*license_copies(case, "L14", policy=policy)]
    if case.role == "base":
        due += sentences(case, "L14")
    if not case.is_family("Llama", *QWEN) and (case.role == "base" or case.is_output):
        due += names(case, "L14")
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
    text = f"{case.known.name} ({case.known.id}), {case.known.source}".removesuffix(", ")
    said = notice_sentence(case)
    if said and case.value("share_alike") != "database":  # L3 says it
        text += f". {said}"
    if "notice-file" in case.known.fact("notice").values and (case.role == "base" or case.ships_rows):
        text += ". What its own NOTICE file says goes here too"
    return text


RULES = (
    Rule(
        code="L14",
        title="Attribution and license texts go along",
        roles=frozenset({"training", "base"}),
        axes=("attribution", "notice", "naming", "results_carve_out", "hosting"),
        judge=attribution,
    ),
)

"""Rules on models: restrictions to hand on, names to show, outputs as training data, what may follow a base."""

from __future__ import annotations

from collections.abc import Iterator

from audits.licenses.analysis import Obligation
from audits.licenses.rules.case import BASE_OR_OUTPUT, ITS_OWN, QWEN, Case, Finding, Rule, worst_of
from audits.licenses.rules.notices import sentences
from audits.licenses.rules.outgoing import Outgoing
from audits.licenses.terms import UNDETERMINED
from audits.territories import overlap

_ADAPTER = "; an adapter alone holds none of its weights, and most such terms count it as a derivative all the same"


def use_restrictions(case: Case) -> Finding | None:
    """L6."""
    if case.is_family("Llama", "Gemma") or not (case.role == "base" or case.is_output):
        return None
    if case.role == "base" and case.value("use_restrictions") == UNDETERMINED and case.distributed:
        return case.open_question(
            f"whether {case.license} wants use restrictions handed on is undetermined",
            "read its text, or publish under the same terms",
            "use_restrictions",
        )
    kept = case.value("relicensing") == "restrictions-kept" or case.value("use_restrictions") == "passed-down"
    return _handed_on(case, "L6", "use_restrictions", "relicensing") if kept else None


def gemma(case: Case) -> Finding | None:
    """L7."""
    if not case.is_family("Gemma") or not (case.role == "base" or case.is_output):
        return None
    if case.value("relicensing") == "any-with-notices":
        return None  # a Gemma model under a permissive license
    return _handed_on(case, "L7", "use_restrictions", "relicensing")


def _handed_on(case: Case, code: str, *axes: str) -> Finding:
    """Judge a license whose restrictions must bind those who come after."""
    name, out = case.license, case.weights
    if not case.distributed:
        who = "a service is no distribution to it" if case.leaves else "nobody else gets it"
        return case.passed(f"{name} restricts the use: that binds who uses the model; {who}")
    if case.is_output:
        if out.state == "known" and _carries(case, out):
            return case.owed(
                f"outputs of a model under {name} are in the rows, and its terms stay", _handing(case, code)
            )
        return case.conflict(
            "review",
            f"rows that a model under {name} wrote may make the new model a derivative, which must keep its terms",
            f"remove the rows that {case.input.name} wrote, or publish under {name}",
            *axes,
        )
    if out.state != "known":
        return _unstated(case, out, *axes)
    if not _carries(case, out):
        return case.conflict(
            "block",
            f"{name} must bind those who get the model, and {out.written} does not hold its use restrictions"
            + (_ADAPTER if case.intent.ships == "adapter" else ""),
            f"publish under {_same_terms(case)}, or train from another base model than {case.input.name}",
            *axes,
        )
    return case.owed(f"{out.written} keeps the terms of {name}, which go along", _handing(case, code), *axes, "notice")


def _handing(case: Case, code: str) -> Iterator[Obligation]:
    yield case.obligation(code, "use_restrictions", "", "use_restrictions")
    yield case.obligation(code, "license_copy", "", "notice")
    if case.role == "base":
        yield case.obligation(code, "changed_files", "", "notice")
        yield from sentences(case, code)


def _carries(case: Case, out: Outgoing) -> bool:
    """Whether every choice of the outgoing license holds the same terms, or those of the same family."""
    family = case.known.family
    return bool(out.choices) and all(
        any(
            terms is not None
            and (
                terms.id == case.known.id
                or terms.id in case.known.fact("relicensing").permitted
                or bool(family and terms.family == family)
            )
            for terms in map(out.table.get, choice)
        )
        for choice in out.choices
    )


def _same_terms(case: Case) -> str:
    return case.known.hub[0] if case.known.hub else case.known.id


def outputs(case: Case) -> Finding | None:
    """L15."""
    if not case.is_output:
        return None
    return worst_of(_outputs_train(case), _outputs_place(case))


def _outputs_place(case: Case) -> Finding | None:
    """Judge outputs of a model whose license grants no rights at all in some places: those bind outputs as well."""
    where = case.known.fact("territory")
    if where.value != "excludes" or not where.territories:
        return None
    places = ", ".join(where.territories)
    met = overlap(case.intent.territory, where.territories)
    if met:
        return case.conflict(
            "review",
            f"{case.license} grants no rights to outputs in {places}, and the model is offered in {', '.join(met)}",
            f"remove the rows that {case.input.name} wrote, or do not offer the model in {', '.join(met)}",
            "territory",
        )
    return _everywhere(case, places, f"remove the rows that {case.input.name} wrote")


def _everywhere(case: Case, places: str, instead: str) -> Finding | None:
    if case.intent.territory:
        return None
    return case.open_question(
        f"{case.license} grants no rights in {places}, and the model is offered everywhere: are you, or those who get "
        "it, there?",
        f"name in `[intent] territory` where it is offered, without these, or {instead}",
        "territory",
    )


def _outputs_train(case: Case) -> Finding:
    name = case.license or "its license"
    if case.terms is None:
        return case.open_question(
            f"the terms of the model that wrote rows are not known ({case.input.name}), nor what its outputs may train",
            f"find the terms of {case.input.name}, or remove the rows that it wrote",
        )
    value = case.value("output_training")
    if case.is_family("Llama", "Gemma") or (case.is_family(*QWEN) and value == "conditional"):
        return case.passed(f"outputs under {name} are judged by a rule of their own")
    if value == "forbidden" and case.improves_itself:
        return case.passed(ITS_OWN.format(name), "output_training")
    if value == "forbidden":
        language_model = case.intent.model_kind == "language-model"
        return case.conflict(
            "block" if language_model else "review",
            f"{name} forbids training other models on outputs"
            + ("" if language_model else "; whether an encoder competes is unsettled"),
            f"remove the rows that {case.input.name} wrote, or get a permission",
            "output_training",
        )
    covered = case.value("relicensing") == "restrictions-kept" or case.value("use_restrictions") == "passed-down"
    if value == UNDETERMINED or (value == "conditional" and not covered):
        detail = case.known.fact("output_training").detail
        return case.open_question(
            f"{name} permits training on outputs under conditions{f' ({detail})' if detail else ''}"
            if value == "conditional"
            else f"whether {name} permits training on outputs is undetermined",
            f"have a person check the conditions, or remove the rows that {case.input.name} wrote",
            "output_training",
        )
    return case.passed(f"{name} does not keep outputs from training other models", "output_training")


def base_terms(case: Case) -> Finding | None:
    """L16."""
    return worst_of(_relicensing(case) if case.distributed else _kept_unchanged(case), _place(case))


def _kept_unchanged(case: Case) -> Finding | None:
    """Judge a base that nobody else gets and that was changed all the same."""
    if case.value("no_derivatives") != "unmodified-only" or case.may_be_changed_inside:
        return None
    return case.open_question(
        f"{case.license} does not grant the making of changed versions, not even for oneself, and the base was trained",
        f"train from another base model than {case.input.name}, or get a permission",
        "no_derivatives",
    )


def _place(case: Case) -> Finding | None:
    """Judge where the license of a base grants rights."""
    where, name = case.known.fact("territory"), case.license
    places = ", ".join(where.territories)
    instead = f"train from another base model than {case.input.name}"
    met = overlap(case.intent.territory, where.territories)
    if where.value == "excludes" and not places:
        return case.open_question(
            f"{name} does not grant rights everywhere ({where.detail})",
            f"have a person compare that with where the model is offered, or {instead}",
            "territory",
        )
    if where.value == "excludes" and met:
        return case.conflict(
            "block",
            f"{name} grants no rights in {places} ({where.detail}), and the model is offered in {', '.join(met)}",
            f"{instead}, get a permission, or do not offer the model in {', '.join(met)}",
            "territory",
        )
    if where.value == "excludes":
        return _everywhere(case, places, instead)
    if where.value == "conditional" and (met or not case.intent.territory):
        offered = f"offered in {', '.join(met)}" if met else "offered everywhere"
        return case.open_question(
            f"{name} grants no rights in {places} ({where.detail}), and the model is {offered}; for a person to "
            "answer: is the base model multimodal, and are you domiciled or established there?",
            f"have a person answer that and record who did, or {instead}",
            "territory",
            # to everywhere nobody has said that it is there, and most bases read text alone
            decision="review" if met else "pass",
        )
    return None


def _relicensing(case: Case) -> Finding:
    value, name, out = case.value("relicensing"), case.license, case.weights
    adapter = _ADAPTER if case.intent.ships == "adapter" else ""
    if value == "any-with-notices":
        return case.passed(f"derivatives of {name} may be published under other terms, beside its notices")
    if value == UNDETERMINED:
        return case.open_question(
            f"what derivatives of {name} may be published under is undetermined",
            f"read its text, ask the owner of {case.input.name}, or train from another base model",
            "relicensing",
        )
    if value == "none":
        return case.conflict(
            "block",
            f"{name} does not permit publishing what is made from it{adapter}",
            f"train from another base model than {case.input.name}, or get a permission",
            "relicensing",
            "no_derivatives",
        )
    llama_base = case.is_family("Llama")
    if value == "restrictions-kept" and not llama_base:
        return case.passed(f"derivatives of {name} keep its restrictions: L6 and L7 look at that")
    if out.state != "known":
        return _unstated(case, out, "relicensing")
    succession = out.follows(case.license, case.known, beside_others=llama_base)
    if succession.answer == "yes":
        return case.passed(f"{out.written} may follow {name}", "relicensing")
    options = case.followers(out) or _same_terms(case)
    if succession.answer == "unclear":
        return case.open_question(
            f"whether {out.written} may follow {name} is undetermined: {succession.reason}{adapter}",
            f"ask the owner of {case.input.name}, or publish under {options}",
            "relicensing",
        )
    return case.conflict(
        "block",
        f"derivatives of {name} stay under the licenses that it names, and {out.written} is none of them{adapter}",
        f"publish under {options}, or train from another base model than {case.input.name}",
        "relicensing",
    )


def _unstated(case: Case, out: Outgoing, *axes: str) -> Finding:
    seen = f"`{out.written}` is not known ({out.problem})" if out.written else "no license for the weights is named"
    return case.open_question(
        f"{case.license} limits what its derivatives are published under, and {seen}",
        f"name the license of the weights; {case.followers(out) or _same_terms(case)} may follow",
        *axes,
    )


RULES = (
    Rule(
        code="L6",
        title="Use restrictions of a model are handed on",
        roles=BASE_OR_OUTPUT,
        axes=("use_restrictions", "relicensing", "scope"),
        judge=use_restrictions,
    ),
    Rule(
        code="L7",
        title="The Gemma terms are handed on",
        roles=BASE_OR_OUTPUT,
        axes=("use_restrictions", "relicensing", "notice"),
        judge=gemma,
    ),
    Rule(
        code="L15",
        title="The terms of models that wrote rows permit training on them",
        roles=frozenset({"generator", "training"}),
        axes=("output_training", "territory"),
        judge=outputs,
        unknown=True,
    ),
    Rule(
        code="L16",
        title="The license of the base permits the outgoing license",
        roles=frozenset({"base"}),
        axes=("relicensing", "hosting", "no_derivatives", "territory"),
        judge=base_terms,
    ),
)

"""Rules on whether something may be used at all: commercial use, labels, acceptance, licenses that nobody knows."""

from __future__ import annotations

from audits.licenses.facts import NON_COMMERCIAL
from audits.licenses.resolution import resolve
from audits.licenses.rules.case import QWEN, Case, Finding, Rule, is_non_commercial, suggest
from audits.licenses.terms import UNDETERMINED

ALL_ROLES = frozenset({"training", "evaluation", "generator", "base"})
REACH_WEIGHTS = frozenset({"training", "generator", "base"})

_WHAT = {"base": "base model", "generator": "model that wrote rows", "training": "data", "evaluation": "benchmark"}
"""Stands for words such as "research only" where no license is named."""

_CONSERVATIVE = "this is a conservative reading: whether such terms reach the weights of a model is unsettled"


def commercial_use(case: Case) -> Finding | None:
    """L1."""
    value, name = case.commercial_use, _named(case)
    if case.terms is None and value != "forbidden":
        return None  # L13
    if not case.intent.commercial:
        return (
            case.passed(f"{name} forbids commercial use, and none is intended")
            if value == "forbidden" and case.role != "evaluation"
            else None
        )
    limit = case.known.fact("commercial_use").detail or "it names conditions"
    said = {
        "forbidden": f"{name} forbids commercial use",
        "conditional": f"{name} permits commercial use under conditions only ({limit})",
        UNDETERMINED: f"whether {name} permits commercial use is undetermined",
    }.get(value)
    if said is None:
        return None
    own = _rule_of_its_own(case) if value == "conditional" else ""
    if case.role == "evaluation" and own:
        # a limit of users is the same question whatever the use
        return case.passed(said, "commercial_use").asking(f"is the licensee below the limit of {name} ({limit})?")
    if case.role == "evaluation":
        return case.open_question(
            f"{said}; whether measuring a commercial model with it is one is unsettled",
            f"measure with another benchmark, or ask the owner of {case.input.name} for permission",
            "commercial_use",
        )
    if value == "forbidden":
        reason = f"{said} of this {_WHAT[case.role]}, and the model is meant for it"
        return case.conflict(
            "block",
            f"{reason}; {_CONSERVATIVE}" if case.role != "base" else f"{reason}; this is a conservative reading",
            f"{_without(case)}, get a permission for commercial use, or declare that the model is not for it",
            "commercial_use",
        )
    if value == "conditional":
        if own:
            return case.passed(f"{name} limits commercial use ({limit}): {own} names it", "commercial_use")
        return case.open_question(said, "have a person check the condition, and record who did", "commercial_use")
    return case.open_question(said, f"read its text, {_without(case)}, or get a permission", "commercial_use")


def _rule_of_its_own(case: Case) -> str:
    """Return the rule that asks about the limit of users of this family; "" where none does."""
    if case.is_family("Llama"):
        return "L8"
    return "L10" if case.is_family(*QWEN) else ""


def _named(case: Case) -> str:
    if case.license == NON_COMMERCIAL:
        return "a statement without an exact license"
    return case.license or f"`{_short(case.input.license or '')}`"


def outgoing_label(case: Case) -> Finding | None:
    """L2."""
    value = case.commercial_use
    if not case.leaves:
        return None
    if value == "forbidden":
        found = [_label(case)]
        if case.ships_rows:
            found.append(_rows_label(case))
        return max(found, key=lambda item: item.weight)
    if case.terms is None or _says_nothing(case) or value == "allowed" or case.intent.commercial:
        return None  # L13 and L1
    return _limited_label(case)


def _limited_label(case: Case) -> Finding | None:
    """Judge labels of what may be used commercially under a condition, or nobody knows whether, where none is meant."""
    published = [case.weights, *([case.rows] if case.ships_rows else [])]
    free = [str(out.written) for out in published if out.state == "known" and out.frees_commercial_use()]
    unsure = [out.problem or "none is named" for out in published if out.state != "known"]
    if not (free or unsure):
        return None
    name = case.license
    limit = case.known.fact("commercial_use").detail or "it names conditions"
    conditional = case.value("commercial_use") == "conditional"
    said = f"{name} permits commercial use under conditions only ({limit})"
    if not conditional:
        said = f"whether {name} permits commercial use is undetermined"
    label = f"{' and '.join(dict.fromkeys(free))} tells everybody that the model may be used so"
    if not free:
        label = f"what it is published under is not known ({unsure[0]})"
    if conditional and _rule_of_its_own(case):
        question = f"the license that is published says nothing of the limit of {name} ({limit}): is it told elsewhere?"
        return case.passed(f"{said}, and none is intended").asking(*([question] if free else []))
    return case.open_question(
        f"{said}; {label}",
        f"have a person check the condition, choose an outgoing license that keeps it, or {_without(case)}",
        "commercial_use",
    )


def _label(case: Case) -> Finding:
    out, name = case.weights, _named(case)
    if out.state != "known":
        return _open_label(case, "weights", out.problem)
    grants = out.grants_commercial_use()
    if grants is None:
        return case.open_question(
            f"{name} forbids commercial use; whether {out.written} permits it is undetermined",
            _non_commercial(case),
            "commercial_use",
        )
    if not grants:
        return case.passed(f"{name} and {out.written} both keep to non-commercial use")
    what = _WHAT[case.role]
    return case.conflict(
        "block" if case.role == "base" else "review",
        f"{name} forbids commercial use of this {what}; {out.written} tells everybody that the model may be used so",
        f"{_without(case)}, or {_non_commercial(case)}",
        "commercial_use",
    )


def _rows_label(case: Case) -> Finding:
    out, name = case.rows, _named(case)
    if out.state != "known":
        return _open_label(case, "rows", out.problem)
    if out.grants_commercial_use() is not False:
        return case.conflict(
            "block",
            f"{name} forbids commercial use of rows that are shipped under {out.written}, which does not",
            f"do not ship those rows, or ship them under {name}",
            "commercial_use",
        )
    return case.passed(f"rows under {name} are shipped under {out.written}, which keeps to non-commercial use")


def _open_label(case: Case, what: str, problem: str) -> Finding:
    seen = f"what {what} are published under is not known ({problem})" if problem else f"no license for {what} is named"
    return case.open_question(
        f"{_named(case)} forbids commercial use, and {seen}", _non_commercial(case), "commercial_use"
    )


def _non_commercial(case: Case) -> str:
    names = [
        terms.hub[0]
        for terms in case.table
        if terms.hub and terms.fact("commercial_use").value == "forbidden" and terms.fact("scope").value != "software"
    ]
    return f"choose an outgoing license that forbids commercial use too{': ' if names else ''}{suggest(names)}"


def gated(case: Case) -> Finding | None:
    """L12."""
    by_use = case.value("gated") == "terms-to-accept"
    if case.input.gated != "yes" and not by_use:
        return None
    accepted = case.intent.accepted.get(case.input.name, "").strip()
    if accepted:
        return case.passed(f"its terms were accepted by {accepted}; access is not a license")
    record = f'record who accepted its terms and when: accepted = {{"{case.input.name}" = "NAME, DATE"}}'
    if case.input.gated == "yes":
        return case.open_question(
            "its terms had to be accepted, and no acceptance is recorded; access is not a license", record
        )
    how = case.known.fact("gated").detail or "before access"
    return case.passed(f"{case.license} asks for acceptance, and its repository does not").asking(
        f"{case.license} wants its terms accepted ({how}): who did, and when? To answer, {record}"
    )


def known_license(case: Case) -> Finding | None:
    """L13."""
    if case.terms is not None and not _says_nothing(case):
        return _disagreeing(case)
    reason = _why_unknown(case)
    if case.role == "evaluation" and not case.intent.commercial:
        return case.passed(
            f"{reason.rstrip('.')}; nothing of it reaches the weights, and no commercial use is intended"
        )
    return case.open_question(
        f"{reason.rstrip('.')}; what is not known permits nothing",
        f"find the license in its repository, ask the owner, or {_without(case)}",
    )


def _disagreeing(case: Case) -> Finding | None:
    """What states the license of one input in two ways leaves open which holds; the strictest counts elsewhere."""
    told = case.input.disagreements
    if not told or (case.role == "evaluation" and not case.intent.commercial):
        return None
    more = f", and {len(told) - 2} more" if len(told) > 2 else ""
    return case.open_question(
        f"what states its license disagrees ({'; '.join(told[:2])}{more}); all of it counts until one holds",
        "ask the owner which license holds, and have the other corrected",
    )


def _says_nothing(case: Case) -> bool:
    return all(case.value(axis) == UNDETERMINED for axis in ("commercial_use", "attribution", "relicensing"))


def _why_unknown(case: Case) -> str:
    stated, name = case.input, case.license
    if not name:
        return case.problem or stated.reason or "no license is stated"
    if case.terms is not None:
        return f"the terms of {name} are undetermined on every question that matters here"
    if name == NON_COMMERCIAL:
        return "a statement limits the use to research or non-commercial purposes, and the exact license is open"
    family = case.table.families.get(name.casefold())
    if family:
        return f"`{name}` names no single license: {family}"
    if is_non_commercial(name):
        return f"{name} is known as non-commercial; its other terms are not in the license facts"
    note = resolve(name).note
    near = case.table.near_ids(name)
    hint = f"; near it are {', '.join(near)}" if near and not name.startswith("LicenseRef-") else ""
    return f"`{_short(name)}` is not in the license facts{f' ({note})' if 'SPDX' in note else ''}{hint}"


def _without(case: Case) -> str:
    name = case.input.name
    return {
        "base": f"train from another base model than {name}",
        "generator": f"remove the rows that {name} wrote",
        "training": f"remove the rows of {name}",
        "evaluation": f"measure without {name}",
    }[case.role]


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


RULES = (
    Rule(
        code="L1",
        title="Commercial use is permitted by all that reaches the weights",
        roles=ALL_ROLES,
        axes=("commercial_use",),
        judge=commercial_use,
        unknown=True,
    ),
    Rule(
        code="L2",
        title="No label promises commercial use that an input forbids",
        roles=REACH_WEIGHTS,
        axes=("commercial_use",),
        judge=outgoing_label,
        unknown=True,
    ),
    Rule(
        code="L12",
        title="Terms that had to be accepted were accepted by somebody",
        roles=ALL_ROLES,
        axes=("gated",),
        judge=gated,
        unknown=True,
    ),
    Rule(
        code="L13",
        title="The license is known",
        roles=ALL_ROLES,
        axes=(),
        judge=known_license,
        unknown=True,
    ),
)

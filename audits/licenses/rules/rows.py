"""Rules on training data: share-alike, carve-outs, no derivatives, copyleft, databases; on weights and on rows."""

from __future__ import annotations

from dataclasses import replace

from audits.licenses.rules.case import Case, Finding, Rule, worst_of
from audits.licenses.rules.notices import license_copies, notice_sentence
from audits.licenses.rules.outgoing import Outgoing
from audits.licenses.terms import UNDETERMINED

TRAINING = frozenset({"training"})

_UNSETTLED = "whether weights are an adaptation of their training data is unsettled"


def share_alike(case: Case) -> Finding | None:
    """L3."""
    value = case.value("share_alike")
    if _is_carved_out(case) or case.value("scope") == "software" or not case.leaves or case.is_model_data:
        return None
    if value == "database":
        return _database_share_alike(case)
    if value == "same-license":
        return worst_of(_weights_stay(case, "share_alike") if case.public else None, _rows_stay(case, "share_alike"))
    if value == UNDETERMINED and (case.public or case.ships_rows):
        return case.open_question(
            f"whether {case.license} asks that what is made from it stays under it is undetermined",
            f"read its text, or remove the rows of {case.input.name}",
            "share_alike",
        )
    return None


def _weights_stay(case: Case, axis: str) -> Finding:
    """Judge weights trained on what must stay under its license."""
    out, name = case.weights, case.license
    if out.state != "known":
        return _unstated(case, out, "weights", axis)
    succession = out.follows(name, case.known)
    if succession.answer == "yes":
        return case.passed(
            f"weights trained on rows under {name} are published under {out.written}, which may follow it"
        )
    options = case.followers(out)
    if succession.answer == "unclear":
        return case.open_question(
            f"whether {out.written} may follow {name} is undetermined: {succession.reason}",
            f"ask the owner of {case.input.name}, or publish the weights under {options}",
            axis,
        )
    return case.conflict(
        "review",
        f"{name} asks that adaptations stay under it, and the weights are published under {out.written}; {_UNSETTLED}",
        f"remove the rows of {case.input.name}, publish the weights under {options}, or get a permission",
        axis,
    )


def _rows_stay(case: Case, axis: str, *, reason: str = "") -> Finding | None:
    """Judge shipped rows that must stay under their license."""
    if not case.ships_rows:
        return None
    out, name = case.rows, case.license
    if out.state != "known":
        return _unstated(case, out, "rows", axis)
    succession = out.follows(name, case.known)
    if succession.answer == "yes":
        return case.passed(f"rows under {name} are shipped under {out.written}, which may follow it")
    options = case.followers(out)
    if succession.answer == "unclear":
        return case.open_question(
            f"whether {out.written} may follow {name} on shipped rows is undetermined: {succession.reason}",
            f"ask the owner of {case.input.name}, or ship the rows under {options}",
            axis,
        )
    why = reason or f"{name} asks that what is made from it stays under it"
    return case.conflict(
        "block",
        f"{why}, and its rows are shipped under {out.written}",
        f"do not ship the rows of {case.input.name}, or ship them under {options or name}",
        axis,
    )


def _unstated(case: Case, out: Outgoing, what: str, axis: str) -> Finding:
    seen = f"`{out.written}` is not known ({out.problem})" if out.written else f"no license for {what} is named"
    return case.open_question(
        f"{case.license} says what may follow it, and {seen}",
        f"name the license of the {what}; {case.followers(out) or case.license} may follow",
        axis,
    )


def _database_share_alike(case: Case) -> Finding:
    """Judge a database under the ODbL: its notice goes along, and the cleaned copy or the changes are offered."""
    name, source = case.license, case.known.source
    due = [case.obligation("L3", "notice", f"{notice_sentence(case) or case.known.name} {source}", "notice")]
    rows = _rows_stay(case, "share_alike")
    if rows is not None and rows.result == "pass":
        place = "is published with it"
        due += license_copies(case, "L3")
    else:
        place = _offered(case.intent.database_offer)
    reason = f"weights trained on a database under {name} are taken as a produced work: its notice goes along"
    if place:
        offer = (
            f"The database that the model was trained on is derived from one under {case.known.id}; it, or the changes "
            f"made to it, {place}."
        )
        due.append(case.obligation("L3", "sentence", offer, "share_alike", policy=True))
        found = case.owed(
            f"{reason}, and the cleaned copy is offered by policy, since whether weights are a produced work is "
            "unsettled",
            due,
            "share_alike",
            "notice",
        )
    else:
        found = replace(
            case.open_question(
                f"{reason}; whoever uses a database made from it publicly offers that database or the changes (4.6), "
                "and no offer is named",
                "say in `[intent] database_offer` where the derivative database or the changes can be had, or remove "
                f"the rows of {case.input.name}",
                "share_alike",
                "notice",
            ),
            obligations=tuple(due),
        )
    if rows is None or rows.result == "pass":
        return found
    return worst_of(rows, found) or rows


def _offered(told: str) -> str:
    """Return where a database can be had, for a sentence; "" where nobody said."""
    place = " ".join(told.split()).rstrip(".")
    if not place:
        return ""
    return f"can be had at {place}" if place.startswith(("https://", "http://")) else f"can be had: {place}"


def results_carve_out(case: Case) -> Finding | None:
    """L4."""
    if not _is_carved_out(case):
        return None
    name = case.license
    weights = case.passed(f"{name} leaves results such as weights free; rows that the model memorised are none")
    if not case.ships_rows:
        return weights if case.leaves else None
    limited = case.value("share_alike") in {"same-license", "database"} or case.value("use_restrictions") != "none"
    if limited:
        reason = f"{name} leaves results free, not the rows: those stay under it"
        found = _rows_stay(case, "share_alike", reason=reason)
        if found is not None and found.result != "pass":
            return found
    return case.owed(
        f"rows under {name} are shipped: its text goes along",
        license_copies(case, "L4"),
        "notice",
        "results_carve_out",
    )


def no_derivatives(case: Case) -> Finding | None:
    """L5."""
    value, name = case.value("no_derivatives"), case.license
    if value == "none":
        return None
    if value == UNDETERMINED:
        return (
            case.open_question(
                f"whether {name} permits changed versions is undetermined",
                f"read its text, or remove the rows of {case.input.name}",
                "no_derivatives",
            )
            if case.leaves
            else None
        )
    if case.ships_rows:
        return case.conflict(
            "block",
            f"{name} forbids sharing changed versions, and the rows that are shipped were cleaned",
            f"do not ship the rows of {case.input.name}, or get a permission",
            "no_derivatives",
        )
    if case.leaves:
        return case.conflict(
            "review",
            f"{name} forbids sharing changed versions; {_UNSETTLED}",
            f"remove the rows of {case.input.name}, or get a permission",
            "no_derivatives",
        )
    if case.may_be_changed_inside:
        return case.passed(f"{name} allows changed versions that are not shared, and nothing is", "no_derivatives")
    return case.open_question(
        f"{name} does not grant the making of changed versions, not even for oneself, and the rows were cleaned",
        f"remove the rows of {case.input.name}, or get a permission",
        "no_derivatives",
    )


def copyleft(case: Case) -> Finding | None:
    """L11."""
    value, name = case.value("share_alike"), case.license
    strong = value == "same-license" and case.value("scope") == "software"
    if not (strong or value == "weak") or case.is_model_data or not case.leaves:
        return None
    if not strong:
        return _rows_stay(case, "share_alike") or case.passed(f"{name} reaches its own files, not weights")
    weights = _weights_stay(case, "share_alike") if case.distributed else None
    return worst_of(weights, _rows_stay(case, "share_alike"))


def rows_keep_terms(case: Case) -> Finding | None:
    """L17."""
    if not case.ships_rows or case.value("no_derivatives") == "unmodified-only" or _is_carved_out(case):
        return None
    name = case.license
    if case.is_family("ODC-By"):
        return _rows_stay(case, "relicensing", reason=f"{name} asks that its rows are passed on under it")
    if case.value("share_alike") in {"weak", "database", "same-license"} and not case.is_model_data:
        return None  # L3 and L11
    value = case.value("relicensing")
    if value == UNDETERMINED:
        return case.open_question(
            f"what rows under {name} may be shipped under is undetermined",
            f"do not ship the rows of {case.input.name}, or ask their owner",
            "relicensing",
        )
    if value == "any-with-notices":
        return None
    return _rows_stay(case, "relicensing", reason=f"{name} says what may be made of it under which license")


def contents(case: Case) -> Finding | None:
    """L18."""
    if case.value("scope") != "database":
        return None
    said = "is about the database; the license of its contents is undetermined"
    ask = f"find out under which license the contents of {case.input.name} stand"
    if case.is_family("PDDL"):
        said = "may cover the contents beside the database; which its owner dedicated is undetermined"
        ask = f"see what the owner of {case.input.name} dedicated: the database, its contents or both"
    return case.open_question(
        f"{case.license} {said}",
        ask,
        "scope",
        decision="pass",
    )


def _is_carved_out(case: Case) -> bool:
    return case.value("results_carve_out") == "results-free" and case.value("scope") in {"data", "database", "any-work"}


RULES = (
    Rule(
        code="L3",
        title="Share-alike data stays under a license that may follow it",
        roles=TRAINING,
        axes=("share_alike", "relicensing"),
        judge=share_alike,
    ),
    Rule(
        code="L4",
        title="Data whose license leaves results free keeps its own label",
        roles=TRAINING,
        axes=("results_carve_out", "share_alike", "use_restrictions"),
        judge=results_carve_out,
    ),
    Rule(
        code="L5",
        title="Data that must stay unchanged is not shared changed",
        roles=TRAINING,
        axes=("no_derivatives",),
        judge=no_derivatives,
    ),
    Rule(
        code="L11",
        title="Software under copyleft stays under a license that may follow it",
        roles=TRAINING,
        axes=("share_alike", "relicensing", "hosting", "scope"),
        judge=copyleft,
    ),
    Rule(
        code="L17",
        title="Shipped rows keep the terms that they came with",
        roles=TRAINING,
        axes=("relicensing",),
        judge=rows_keep_terms,
    ),
    Rule(
        code="L18",
        title="The contents of a database have a license too",
        roles=TRAINING,
        axes=("scope",),
        judge=contents,
    ),
)

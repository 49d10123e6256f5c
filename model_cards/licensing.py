"""What the documents say about licenses: what was declared, found and concluded, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from audits.licenses.analysis import LicenseAnalysis, Obligation, RuleResult
from audits.licenses.inputs import LicensedInput
from audits.licenses.obligations import card_lines, copy_path, copy_place
from audits.policy import RULE_CODES
from model_cards.evidence import Evidence
from model_cards.typesetting import number, plural

_ROLES = {
    "training": "trained on",
    "evaluation": "measured with only",
    "generator": "wrote rows",
    "base": "base model",
}
DECLARED = ("given", "card", "row_column", "package_metadata")
_WORST = {"conflict": 0, "undetermined": 1, "obligation": 2, "pass": 3}


class InputRow(NamedTuple):
    """One input as declared, as found in texts, and as concluded from both."""

    name: str
    role: str
    amount: str
    declared: str
    found: str
    concluded: str
    note: str


class RuleRow(NamedTuple):
    """One rule with what it says here, in words."""

    code: str
    title: str
    result: str
    decision: str
    inputs: tuple[str, ...]
    reason: str
    resolution: str
    clauses: tuple[str, ...]


def is_license_rule(code: str) -> bool:
    """Whether ``code`` names a rule on licenses and not a check of the data."""
    return code in RULE_CODES


def license_sentence(evidence: Evidence) -> str:
    """Return what the rules found, in words that claim no more than that."""
    analysis = evidence.licenses
    if analysis is None:
        return "No rule on licenses was applied: nothing is known here on what the inputs' licenses ask for."
    conflicts = sum(item.result == "conflict" for item in analysis.results)
    open_ = sum(item.result == "undetermined" for item in analysis.results)
    found = "no conflict found" if not conflicts else f"{plural(conflicts, 'rule')} in conflict"
    outgoing = analysis.intent.outgoing_license or evidence.license
    return (
        f"{found[0].upper()}{found[1:]} under license facts of {analysis.facts_date or 'unknown date'} for "
        f"{plural(len(analysis.inputs), 'input')}, {number(open_)} undetermined; "
        f"published as {outgoing or 'no license named yet'}, {intent_words(analysis)}. "
        "This is not legal advice; no counsel's review is implied."
    )


def intent_words(analysis: LicenseAnalysis) -> str:
    """Return what the rules were asked about: use, distribution, what ships, where."""
    intent = analysis.intent
    ships = "an adapter" if intent.ships == "adapter" else "merged weights"
    words = [
        "commercial use" if intent.commercial else "no commercial use",
        f"{intent.distribution} distribution of {ships}",
    ]
    if intent.ship_rows:
        words.append(f"rows shipped as {intent.outgoing_data_license or 'no license named yet'}")
    words.append(f"territory {', '.join(intent.territory)}" if intent.territory else "everywhere")
    return ", ".join(words)


def input_rows(evidence: Evidence) -> tuple[InputRow, ...]:
    """Return one row for each input of the analysis, or of the lineage where no analysis was made."""
    inputs = evidence.licenses.inputs if evidence.licenses is not None else ()
    if not inputs and evidence.lineage is not None:
        inputs = evidence.lineage.inputs
    return tuple(_input_row(item) for item in inputs)


def rule_rows(evidence: Evidence) -> tuple[RuleRow, ...]:
    """Return every rule that is no plain pass, the gravest first, with the decision that the policy made of it."""
    if evidence.licenses is None:
        return ()
    listed = [code for code in ("LIC001", "LIC002", "LIC003") if _found(evidence, code)]
    where = f" Row numbers: findings/{', findings/'.join(f'{code}.parquet' for code in listed)} of the report's folder."
    rows = [item for item in evidence.licenses.results if item.result != "pass" or item.inputs]
    rows.sort(key=lambda item: _WORST[item.result])
    return tuple(
        RuleRow(
            item.code,
            item.title,
            item.result,
            _decision(evidence, item.code),
            item.inputs,
            " ".join(filter(None, (item.reason, *(f"For a person to answer: {text}" for text in item.questions)))),
            item.resolution + (where if listed and item.resolution and _is_about_rows(item) else ""),
            clause_words(item),
        )
        for item in rows
    )


def _decision(evidence: Evidence, code: str) -> str:
    """Return the gravest decision of the verdict on a rule; what the rule alone would ask for is no decision."""
    if evidence.verdict is None:
        return "not judged"
    own = [item for item in evidence.verdict.outcomes if item.code == code]
    told = {"pass by waiver" if item.waiver is not None and item.decision == "pass" else item.decision for item in own}
    return next((words for words in ("block", "review", "pass by waiver", "pass") if words in told), "no rule")


def named_by_rules(evidence: Evidence) -> frozenset[str]:
    """Return the names of the inputs that a rule in conflict, waived or not, or without an answer is about."""
    results = evidence.licenses.results if evidence.licenses is not None else ()
    return frozenset(
        name
        for item in results
        if item.result in ("conflict", "undetermined")
        for name in (*item.inputs, *item.milder, *item.unsettled)
    )


def base_license_revision(evidence: Evidence) -> str:
    """Return at which revision the license of a base model was read whose weights have none, "" if not known."""
    base = evidence.training.base if evidence.training is not None else None
    if base is None or base.revision is not None or base.model_id is None:
        return ""
    inputs = [*(evidence.licenses.inputs if evidence.licenses is not None else ())]
    inputs += evidence.lineage.inputs if evidence.lineage is not None else ()
    read = (item.revision for item in inputs if item.role == "base" and item.name.partition("@")[0] == base.model_id)
    return next(filter(None, read), "")


def _found(evidence: Evidence, code: str) -> bool:
    result = evidence.audit.result(code) if evidence.audit is not None else None
    return result is not None and bool(result.findings)


def _is_about_rows(result: RuleResult) -> bool:
    return result.result in ("conflict", "undetermined") and any(name.startswith("rows") for name in result.inputs)


def clause_words(result: RuleResult) -> tuple[str, ...]:
    """Return the quoted clauses of a result, each with its source and the date it was read."""
    words = []
    for clause in result.clauses:
        place = ", ".join(filter(None, (clause.license, clause.section and f"section {clause.section}")))
        read = f", read {clause.checked}" if clause.checked else ""
        sure = "" if clause.confidence == "high" else f", confidence {clause.confidence}"
        words.append(f"{place}: “{clause.quote}” ({clause.source or 'no source recorded'}{read}{sure})")
    # one sentence may stand for two axes
    return tuple(dict.fromkeys(words))


def obligation_words(obligation: Obligation, texts: Mapping[str, str]) -> str:
    """Return what must go along, where it is, and why.

    Args:
        obligation: of the analysis.
        texts: the license texts that go along, by id.
    """
    what = {
        "notice": "attribution in NOTICE",
        "license_copy": f"the text of {copy_place(obligation.license, texts)}",
        "name_prefix": f"the model's name begins with “{obligation.text}”",
        "display": f"the card says “{obligation.text}”",
        "changed_files": "a statement that files were changed",
        "use_restrictions": "the use restrictions, binding on whoever gets the model",
        "sentence": f"NOTICE says: {obligation.text}",
    }[obligation.kind]
    basis = "" if obligation.basis == "license" else "; by policy: whether the clause reaches weights is unsettled"
    shown, rest = obligation.inputs[:3], len(obligation.inputs) - 3
    whose = f" for {', '.join(shown)}{f' and {rest} more' if rest > 0 else ''}" if obligation.kind == "notice" else ""
    return f"{what[0].upper()}{what[1:]}{whose} ({obligation.license}, rule {obligation.code}{basis})"


def displays(evidence: Evidence) -> tuple[str, ...]:
    """Return the sentences that licenses of the inputs want to be shown, e.g. "Built with Llama"."""
    return card_lines(evidence.licenses) if evidence.licenses is not None else ()


def license_copies(evidence: Evidence) -> dict[str, str]:
    """Return the license texts that go along, by path."""
    return {copy_path(key): text.strip() + "\n" for key, text in sorted(evidence.license_texts.items())}


def _input_row(item: LicensedInput) -> InputRow:
    declared = [f"{s.text or 'nothing'} ({s.where or s.place})" for s in item.statements if s.place in DECLARED]
    found = [
        f"{s.concluded or s.note or 'not recognised'} ({s.where or s.place})"
        for s in item.statements
        if s.place not in DECLARED
    ]
    amount = f"{number(item.rows)} rows" if item.rows is not None else item.kind
    where = f" through {' → '.join(item.parents)}" if item.parents else ""
    relation = f", {item.relation}" if item.relation else ""
    notes = [*item.disagreements, *([item.reason] if item.reason else [])]
    if not found and item.license:
        notes.append("declared; text not verified")
    return InputRow(
        item.name if item.revision is None or item.revision in item.name else f"{item.name}@{item.revision}",
        f"{_ROLES[item.role]}{relation}{where}",
        amount,
        "; ".join(declared) or "nothing",
        "; ".join(found) or "no text read",
        item.license or "undetermined",
        "; ".join(notes),
    )

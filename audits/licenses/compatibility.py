"""What the rules L1 to L18 say on all inputs under one intent. A sorting for review; no legal advice.

Every rule judges each license of each input by itself; the worst counts. Of a choice between licenses the one that
asks for least here counts, and a license that is not known is never the one chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from audits.intent import Intent
from audits.licenses.analysis import Clause, LicenseAnalysis, Obligation, RuleResult
from audits.licenses.inputs import LicensedInput
from audits.licenses.judging import DECISIONS, Judge, Judged, binding, every_license, is_told
from audits.licenses.rules import RULES, Finding, Outgoing, Rule
from audits.licenses.terms import UNDETERMINED
from audits.licenses.terms_table import TermsTable, load_terms

if TYPE_CHECKING:
    from audits.licenses.overlays import Overlay

_ROLES = ("base", "generator", "training", "evaluation")
_MOST_NAMES = 5  # in a reason; the result names all inputs


def analyse(
    inputs: Sequence[LicensedInput],
    intent: Intent,
    *,
    overlay: Overlay | None = None,
    table: TermsTable | None = None,
) -> LicenseAnalysis:
    """Return one result a rule, and what must go along with what is published.

    ``overlay`` holds a company's positions, which tighten a result or settle an open question; ``table`` are the
    license facts, by default the shipped ones. The order of ``inputs`` does not matter.
    """
    table = load_terms() if table is None else table
    judged = _judge_all(inputs, intent, overlay, table)
    results = tuple(_result(rule, judged) for rule in RULES)
    return LicenseAnalysis(
        decision=DECISIONS[max(DECISIONS.index(result.decision) for result in results)],
        results=results,
        obligations=_obligations(judged),
        inputs=tuple(item.input for item in judged),
        intent=intent,
        facts_date=table.date,
        facts_digest=_digest(table),
    )


def licenses_without_conflict(
    inputs: Sequence[LicensedInput],
    intent: Intent,
    candidates: Iterable[str] | None = None,
    *,
    overlay: Overlay | None = None,
    table: TermsTable | None = None,
) -> tuple[str, ...]:
    """Return the licenses of the weights under which no rule finds a conflict, sorted.

    Left out is also a license that leaves a question open which another one avoids. Empty where a conflict stays
    whatever the license, such as commercial use of non-commercial data. ``candidates`` are by default all licenses
    whose terms are known, under their id on the Hub where they have one, and the one that the intent names.
    """
    table = load_terms() if table is None else table
    if candidates is None:
        candidates = _candidates(inputs, intent, table)
    # what a label does depends on no name: one input of each kind stands for all; nor does it change what is asked
    # about a license that nobody knows
    kinds = {
        (item.role, item.license, item.gated, item.name in intent.accepted): item
        for item in inputs
        if is_told(item, table)
    }
    inputs = list(kinds.values())
    open_questions: dict[str, set[tuple[str, str]]] = {}
    for candidate in sorted(set(candidates)):
        judged = _judge_all(inputs, replace(intent, outgoing_license=candidate), overlay, table)
        results = [_result(rule, judged) for rule in RULES]
        if not any(result.result == "conflict" for result in results):
            open_questions[candidate] = {
                (rule.code, item.input.name)
                for item in judged
                for rule in RULES
                for finding in item.findings.get(rule.code, ())
                if finding.result == "undetermined"
            }
    fewest = set(map(frozenset, open_questions.values()))
    fewest = {questions for questions in fewest if not any(fewer < questions for fewer in fewest)}
    return tuple(name for name, questions in open_questions.items() if questions in fewest)


def _candidates(inputs: Sequence[LicensedInput], intent: Intent, table: TermsTable) -> Iterator[str]:
    """Yield ids of what weights may be published under: those of the Hub where there is one, else of SPDX.

    Terms of one vendor have no such id: they are named where an input stands under them. So is what was chosen.
    """
    stated = frozenset().union(*(every_license(item, table) for item in inputs))
    for terms in table:
        if terms.fact("commercial_use").value == UNDETERMINED:
            continue
        if terms.hub:
            yield from terms.hub
        elif terms.id in stated or not terms.id.startswith("LicenseRef-"):
            yield terms.id
    chosen = intent.outgoing_license
    if chosen and chosen.strip():
        known = table.get(chosen)
        if known is None or not known.hub or known.fact("commercial_use").value == UNDETERMINED:
            yield chosen if known is None else known.id


@cache
def _shipped_digest() -> str:
    return load_terms().digest


def _digest(table: TermsTable) -> str:
    # it goes over all facts
    return _shipped_digest() if table is load_terms() else table.digest


def _judge_all(
    inputs: Sequence[LicensedInput], intent: Intent, overlay: Overlay | None, table: TermsTable
) -> list[Judged]:
    weights = Outgoing.of(intent.outgoing_license, table)
    rows = Outgoing.of(intent.outgoing_data_license, table)
    ordered = sorted(
        dict.fromkeys(inputs), key=lambda item: (_ROLES.index(item.role), item.name, item.license or "", repr(item))
    )
    bases = frozenset().union(*(binding(item, table) for item in ordered if item.role == "base"))
    judge = Judge(intent, weights, rows, bases, overlay, table)
    return [judge(item) for item in ordered]


def _result(rule: Rule, judged: Sequence[Judged]) -> RuleResult:
    """Return the worst of what one rule says on all inputs, with what is milder said behind it."""
    found = [(item, finding) for item in judged for finding in item.findings.get(rule.code, ())]
    if not judged and rule.code == "L13":
        return RuleResult(
            code=rule.code,
            title=rule.title,
            result="undetermined",
            decision="review",
            reason="No input was named.",
            resolution="Name what the model was made from: data, base model, models that wrote rows.",
        )
    if not found:
        chosen = [item for item in judged if item.note] if rule.code == "L13" else []
        return RuleResult(
            code=rule.code,
            title=rule.title,
            result="pass",
            decision="pass",
            inputs=_distinct(item.input.name for item in chosen),
            reason=_told([(item.input.name, item.note) for item in chosen]),
        )
    weight = max(finding.weight for _, finding in found)
    worst = [(item, finding) for item, finding in found if finding.weight == weight]
    milder = [(item, finding) for item, finding in found if 0 < finding.weight < weight]
    also = f" Also: {_told(_reasons(milder))}" if milder else ""
    first = worst[0][1]
    return RuleResult(
        code=rule.code,
        title=rule.title,
        result=first.result,
        decision=first.decision,
        inputs=_distinct(item.input.name for item, _ in worst),
        milder=_distinct(item.input.name for item, finding in milder if finding.result == "conflict"),
        unsettled=_distinct(
            item.input.name
            for item, finding in milder
            if finding.result == "undetermined" and finding.decision != "pass"
        ),
        reason=_told(_reasons(worst)) + also,
        resolution=_sentences([finding.resolution for _, finding in (*worst, *milder)]),
        clauses=tuple(sorted({clause for _, finding in (*worst, *milder) for clause in finding.clauses}, key=_by_text)),
        questions=_questions(found),
    )


def _questions(found: Sequence[tuple[Judged, Finding]]) -> tuple[str, ...]:
    """Return what a person has to answer, the inputs named together of which the same is asked."""
    names: dict[str, list[str]] = {}
    for item, finding in found:
        for question in finding.questions:
            names.setdefault(question, []).append(item.input.name)
    return tuple(f"{_listed(_distinct(who))}: {_ended(question)}" for question, who in names.items())


def _reasons(found: Sequence[tuple[Judged, Finding]]) -> list[tuple[str, str]]:
    return [
        (item.input.name, f"{finding.reason} ({item.note})" if item.note else finding.reason) for item, finding in found
    ]


def _told(reasons: Sequence[tuple[str, str]]) -> str:
    """Return "names: reason." with those named together of whom the same is said."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons:
        names.setdefault(reason, []).append(name)
    shown = [f"{_listed(_distinct(who))}: {_ended(reason)}" for reason, who in list(names.items())[:_MOST_NAMES]]
    rest = len(names) - _MOST_NAMES
    return " ".join([*shown, *([f"And {rest} more of this kind."] if rest > 0 else [])])


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _sentences(resolutions: Sequence[str]) -> str:
    # rows are named by the license that they stand under
    said = _distinct(text.replace("the rows of rows: ", "the rows under ") for text in resolutions if text)
    rest = len(said) - _MOST_NAMES
    shown = " ".join(f"{text[0].upper()}{_ended(text[1:])}" for text in said[:_MOST_NAMES])
    return f"{shown} And {rest} more of this kind." if rest > 0 else shown


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _by_text(clause: Clause) -> tuple[str, str, str]:
    return clause.license, clause.axis, clause.quote


def _obligations(judged: Sequence[Judged]) -> tuple[Obligation, ...]:
    """Return what must go along; the same asked for by several inputs or rules stands once."""
    due = [
        obligation
        for item in judged
        for rule in RULES
        for finding in item.findings.get(rule.code, ())
        for obligation in finding.obligations
    ]
    merged: dict[tuple[str, str, str], Obligation] = {}
    for obligation in due:
        key = (obligation.kind, obligation.license, obligation.text)
        first = merged.get(key)
        if first is None:
            merged[key] = obligation
            continue
        merged[key] = replace(
            first,
            code=min(first.code, obligation.code, key=lambda code: int(code[1:])),
            inputs=_distinct((*first.inputs, *obligation.inputs)),
            clause=first.clause or obligation.clause,
            basis="license" if "license" in {first.basis, obligation.basis} else "policy",
        )
    return tuple(sorted(merged.values(), key=lambda item: (int(item.code[1:]), item.kind, item.license, item.text)))

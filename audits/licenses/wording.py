"""A license analysis as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audits.intent import Intent
from audits.licenses.analysis import LicenseAnalysis, Obligation, RuleResult

_MOST_LICENSES = 40  # that the text names


def headline(analysis: LicenseAnalysis) -> str:
    """Return what was found, in words that claim no more than that."""
    conflicts = sum(result.result == "conflict" for result in analysis.results)
    open_ = sum(result.result == "undetermined" for result in analysis.results)
    found = "No conflict found" if not conflicts else f"{_count(conflicts, 'rule')} in conflict"
    under = f"under rules of {analysis.facts_date or 'unknown date'} for {_count(len(analysis.inputs), 'input')}"
    return f"{found} {under}; {open_} undetermined. Decision: {analysis.decision}."


def lines(analysis: LicenseAnalysis, free: Sequence[str]) -> Iterator[str]:
    """Yield the lines for people: conflicts, what is open, what must go along; ``free`` raise no conflict."""
    yield headline(analysis)
    yield f"Asked about: {_intent(analysis.intent)}."
    for title, wanted in (("Conflicts", "conflict"), ("Open questions", "undetermined")):
        yield from _rules(title, [result for result in analysis.results if result.result == wanted])
    asked = [(result.code, question) for result in analysis.results for question in result.questions]
    if asked:
        yield from ("", "Questions for a person")
        yield from (f"  {code} {question}" for code, question in asked)
    if analysis.obligations:
        yield from ("", "What must go along")
        yield from (f"  {_obligation(item)}" for item in analysis.obligations)
    yield ""
    if free:
        more = f" and {len(free) - _MOST_LICENSES} more (`--json` lists all)" if len(free) > _MOST_LICENSES else ""
        yield f"Outgoing licenses of the weights without conflict: {', '.join(free[:_MOST_LICENSES])}{more}."
    else:
        yield (
            "No outgoing license of the weights that is known here is without conflict: what stands above must be "
            "resolved first."
        )
    yield "This is a sorting for people who decide; no legal advice."


def _rules(title: str, results: Sequence[RuleResult]) -> Iterator[str]:
    if not results:
        return
    yield from ("", title)
    for result in results:
        yield f"  {result.code} ({result.decision}) {result.title}"
        yield f"    {result.reason}"
        for clause in result.clauses:
            place = ", ".join(filter(None, (clause.license, clause.section and f"section {clause.section}")))
            yield f"    {place}: “{clause.quote}” ({clause.source or 'no source recorded'})"
        yield f"    What to do: {result.resolution}"


def _obligation(item: Obligation) -> str:
    what = {
        "notice": f"NOTICE names {', '.join(item.inputs)}: {item.text}",
        "license_copy": f"a copy of {item.license}",
        "name_prefix": f"the name of the model begins with “{item.text}”",
        "display": f"the card shows “{item.text}”",
        "changed_files": f"a statement that files of {', '.join(item.inputs)} were changed",
        "use_restrictions": f"the use restrictions of {item.license}",
        "sentence": f"NOTICE says: {item.text}",
    }[item.kind]
    return f"{item.code} {what}{' (by policy: no clause surely asks for it)' if item.basis == 'policy' else ''}"


def _intent(intent: Intent) -> str:
    words = [
        "commercial use" if intent.commercial else "no commercial use",
        f"{intent.distribution} distribution of {'an adapter' if intent.ships == 'adapter' else 'merged weights'}",
        f"weights under {intent.outgoing_license or 'no license named yet'}",
    ]
    if intent.database_offer:
        words.append(f"a derived database offered at {intent.database_offer}")
    if intent.ship_rows:
        words.append(f"rows shipped under {intent.outgoing_data_license or 'no license named yet'}")
    words.append(f"offered in {', '.join(intent.territory)}" if intent.territory else "offered everywhere")
    return ", ".join(words)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

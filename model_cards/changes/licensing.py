"""What differs in licenses: of the inputs, of the rules on them, and of what must go along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from audits.licenses.analysis import LicenseAnalysis, RuleResult
from audits.licenses.inputs import LicensedInput
from audits.records import digest_of
from audits.verdicts import SEVERITY
from model_cards.changes.pairing import Words, changed, compared, in_words, paired, same, short
from model_cards.changes.records import Change, Kind
from model_cards.evidence import Evidence
from model_cards.licensing import intent_words, obligation_words
from model_cards.typesetting import number

_TOLD_APART = frozenset({"decision", "results", "obligations", "inputs", "facts_date", "facts_digest"})
_RANK = {"pass": 0, "obligation": 1, "undetermined": 2, "conflict": 3}


def license_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield what differs between the two analyses: rules, inputs, obligations, intent and facts."""
    old, new = before.licenses, after.licenses
    if (old is None) != (new is None):
        words = Words("licenses", "licenses", "Rules on licenses", 90 if new is None else 45)
        yield changed(words, *in_words(old, new, _analysis))
    yield from _rules(old.results if old else (), new.results if new else ())
    yield from _inputs(old.inputs if old else (), new.inputs if new else ())
    texts = {**after.license_texts, **before.license_texts}
    obligations = (old.obligations if old else ()), (new.obligations if new else ())
    for key, one, other in paired(*obligations, lambda item: f"{item.code} {item.kind} {item.license}"):
        words = Words("licenses", f"obligation {key}", "What must go along", 58)
        yield compared(words, one, other, lambda item: obligation_words(item, texts))
    if old is not None and new is not None:
        if not same(old.intent, new.intent):
            words = Words("licenses", "intent", "What the model is for", 72)
            yield compared(words, old, new, intent_words, apart=_TOLD_APART)
        if old.decision != new.decision:
            kind: Kind = "worse" if SEVERITY[new.decision] > SEVERITY[old.decision] else "better"
            words = Words("licenses", "licenses decision", "What the rules on licenses ask for by themselves", 20)
            yield changed(words, old.decision, new.decision, kind)
        if (old.facts_date, old.facts_digest) != (new.facts_date, new.facts_digest):
            words = Words("licenses", "license facts", "Facts on licenses", 22)
            yield changed(words, *in_words(old, new, _facts))


def lineage_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield what the walk to the sources could not read, or what it found where no rule was applied."""
    old, new = before.lineage, after.lineage
    sides = (old.problems if old else ()), (new.problems if new else ())
    for _, one, other in paired(*sides, str):
        words = Words("licenses", f"not read {short(digest_of(one or other))}", "A source that could not be read", 64)
        yield changed(words, one or "", other or "")
    # what the analysis has as it is here is told once
    yield from _inputs(old.inputs if old else (), new.inputs if new else ())
    files = (dict(old.files) if old else {}), (dict(new.files) if new else {})
    # what stands in the analysis is told there
    names = sorted(name for name in {*files[0], *files[1]} if files[0].get(name) != files[1].get(name))
    for name in names:
        words = Words("licenses", f"text {name}", f"License text or card as read, {name}", 24)
        yield changed(words, *in_words(files[0].get(name), files[1].get(name), short))


def _rules(before: Iterable[RuleResult], after: Iterable[RuleResult]) -> Iterator[Change]:
    for key, one, other in paired(before, after, lambda item: item.code):
        shown = other or one
        title = f"{key} {shown.title}".strip() if shown is not None else key
        ranks = [_RANK[item.result] if item is not None else 0 for item in (one, other)]
        kind: Kind = "changed" if ranks[0] == ranks[1] else "worse" if ranks[1] > ranks[0] else "better"
        weight = {3: 90, 2: 85, 1: 58}.get(ranks[1], 20) if kind == "worse" else 42 if kind == "better" else 54
        weight = 12 if not any(ranks) else weight
        if one is not None and other is not None and _rule(one) == _rule(other):
            weight = 14
        yield compared(Words("licenses", f"license rule {key}", title, weight), one, other, _rule, kind=kind)


def _inputs(before: Iterable[LicensedInput], after: Iterable[LicensedInput]) -> Iterator[Change]:
    for key, one, other in paired(before, after, lambda item: f"{item.role} {item.name}"):
        shown = other or one
        named = f"{shown.name} ({shown.role})" if shown is not None else key
        licensed = one is None or other is None or one.license != other.license
        weight = 70 if licensed else 34
        if one is not None and other is not None and _input(one) == _input(other):
            weight = 14
        yield compared(Words("licenses", f"input {key}", f"Input {named}", weight), one, other, _input)


def _analysis(analysis: LicenseAnalysis) -> str:
    return f"applied to {number(len(analysis.inputs))} inputs under facts of {analysis.facts_date or 'unknown date'}"


def _rule(result: RuleResult) -> str:
    if result.result == "pass":
        return "pass"
    # the order in which a rule names inputs says nothing
    names = sorted({*result.inputs, *result.milder, *result.unsettled})
    named = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
    return f"{result.result}{f' by {named}' if named else ''}{f': {result.reason}' if result.reason else ''}"


def _input(item: LicensedInput) -> str:
    parts = [item.license or f"license undetermined{f': {item.reason}' if item.reason else ''}"]
    parts += [f"{number(item.rows)} rows"] if item.rows is not None else []
    parts += [f"at {short(item.revision)}"] if item.revision else []
    parts += ["not readable"] if item.unread else []
    parts += [f"disagreement: {'; '.join(item.disagreements)}"] if item.disagreements else []
    return ", ".join(parts)


def _facts(analysis: LicenseAnalysis) -> str:
    return f"of {analysis.facts_date or 'unknown date'} ({short(analysis.facts_digest) or 'no digest'})"

"""What differs in the decision: verdict, outcomes, waivers, approvals and the policy itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from audits.policy import Approval, LicenseRule, Outcome, Policy, Rule, Verdict
from audits.waivers import Waiver, used_waivers
from model_cards.changes.pairing import Words, changed, compared, details, in_words, noted, paired, same
from model_cards.changes.records import Change, Kind
from model_cards.evidence import Evidence
from model_cards.facts import decision_words, headline
from model_cards.licensing import is_license_rule
from model_cards.typesetting import number

_RANK = {"pass": 0, "pass by waiver": 1, "not judged": 2, "not checked": 2, "review": 3, "block": 4}
_NO_POLICY = Policy(name="")
_OBSERVED = 3


def verdict_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield what differs in the decision and in the outcomes that led to it, one change a code."""
    old, new = headline(before), headline(after)
    if (old.decision, old.title) != (new.decision, new.title):
        ranks = [_RANK.get(item.decision, 5) for item in (old, new)]
        kind: Kind = "changed" if ranks[0] == ranks[1] else "worse" if ranks[1] > ranks[0] else "better"
        words = Words("decision", "decision", "Decision", 100)
        yield changed(words, decided(before), decided(after), kind)
    titles = {**_titles(before), **_titles(after)}
    left, right = _outcomes(before), _outcomes(after)
    quiet: list[tuple[str, tuple[Outcome, ...]]] = []
    quiet_now: list[tuple[str, tuple[Outcome, ...]]] = []
    for code in sorted({*left, *right}):
        one, other = left.get(code, ()), right.get(code, ())
        # a rule that passes as before is shown as no pass where its check ran no more
        if same(one, other) and _worst(before, one) == _worst(after, other):
            continue
        found = _outcome_change(code, titles.get(code, ""), one, other, before, after)
        if found is not None:
            yield found
        else:
            quiet.append((code, one))
            quiet_now.append((code, other))
    if quiet:
        words = Words("decision", "outcomes that pass", "What is observed by rules that pass before and after", 8)

        def tell(items: list[tuple[str, tuple[Outcome, ...]]]) -> str:
            side = before if items is quiet else after
            return _some([f"{code} {_worst(side, own)[1]}" for code, own in items])

        sides = [tuple(o for _, own in items for o in own) for items in (quiet, quiet_now)]
        rests = [
            [_rest(side, own, shown=i < _OBSERVED) for i, (_, own) in enumerate(items)]
            for side, items in ((before, quiet), (after, quiet_now))
        ]
        note = noted("", _beside(*sides, *rests))
        yield changed(words, *in_words(quiet, quiet_now, tell), note=note)


def verdict_rest_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield what a verdict says beside its outcomes; digests of what is compared itself are left out."""
    same_audit, same_policy = before.audit == after.audit, before.policy == after.policy
    sides = [_verdict_rest(side.verdict, same_audit=same_audit, same_policy=same_policy) for side in (before, after)]
    if not same(*sides):
        yield details(Words("decision", "verdict", "The verdict, in a detail", 10), *sides)


def _verdict_rest(verdict: Verdict | None, *, same_audit: bool, same_policy: bool) -> Verdict | None:
    if verdict is None:
        return None
    rest = replace(verdict, decision="pass", outcomes=())
    # a verdict on the same audit that names another digest is no consequence of anything
    rest = rest if same_audit else replace(rest, report_digest="")
    return rest if same_policy else replace(rest, policy_digest="")


def waiver_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield exceptions that are new, gone, or of another reach, reason or date."""
    old, new = (
        {item.waiver: item.observed for item in (used_waivers(side.verdict) if side.verdict else ())}
        for side in (before, after)
    )
    left = (before.policy or _NO_POLICY).waivers
    right = (after.policy or _NO_POLICY).waivers
    # what a verdict used belongs to it even where the policy is not in the evidence
    left, right = tuple(dict.fromkeys((*left, *old))), tuple(dict.fromkeys((*right, *new)))
    for key, one, other in paired(left, right, lambda item: f"{item.code} {item.scope}"):
        words = Words("waivers", f"waiver {key}", f"Waiver of {key.replace(' *', '')}", 80 if other else 40)
        sides = in_words((one, old) if one else None, (other, new) if other else None, lambda item: _waiver(*item))
        yield changed(words, *sides)


def approval_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield who said yes before and does not now, or the other way round, or said it anew."""
    for key, one, other in paired(before.approvals, after.approvals, lambda item: f"{item.by} {item.role}".strip()):
        words = Words("approvals", f"approval {key}", f"Approval by {key}", 60 if other is None else 52)
        anew = one is not None and other is not None and _approval(one) == _approval(other)
        note = "given anew, for another verdict, policy or content" if anew else ""
        yield compared(words, one, other, _approval, note=note)


def policy_changes(before: Policy | None, after: Policy | None) -> Iterator[Change]:
    """Yield the rules that differ; waivers are told apart from them."""
    old, new = before or _NO_POLICY, after or _NO_POLICY
    if old.name != new.name:
        yield changed(Words("policy", "policy", "Policy", 56), old.name, new.name)
    for key, one, other in paired(old.rules, new.rules, _rule_key):
        yield compared(Words("policy", f"rule {key}", f"Rule for {key}", 55), one, other, _rule)
    for key, left, right in paired(old.licenses.rules, new.licenses.rules, lambda item: item.code):
        words = Words("policy", f"license rule {key}", f"What the policy makes of {key}", 55)
        yield compared(words, left, right, _license_rule)
    said = [
        ("codes that no waiver excuses", ", ".join(old.cannot_waive), ", ".join(new.cannot_waive)),
        ("a name alone is a yes", _yes(old.single_reviewer), _yes(new.single_reviewer)),
        ("days that an approval may last", _limit(old.approval_days), _limit(new.approval_days)),
        ("days that an audit may be old", _limit(old.max_audit_age_days), _limit(new.max_audit_age_days)),
        ("open questions on licenses", old.licenses.undetermined, new.licenses.undetermined),
        ("license copies asked for by policy alone", old.licenses.copies_by_policy, new.licenses.copies_by_policy),
        ("a worse version", old.versions.regression, new.versions.regression),
        ("a version that was not compared", old.versions.unchecked, new.versions.unchecked),
        ("a version compared on too few queries", old.versions.inconclusive, new.versions.inconclusive),
        ("margin of a worse version", number(old.versions.margin), number(new.versions.margin)),
    ]  # fmt: skip
    for name, one_said, other_said in said:
        if before is not None and after is not None and one_said != other_said:
            words = Words("policy", f"policy {name}", f"Policy: {name}", 55)
            yield changed(words, one_said or "none", other_said or "none", "changed")
    if not same(old.licenses.overlay, new.licenses.overlay):
        words = Words("policy", "policy overlay", "A company's own positions on licenses", 55)
        yield details(words, old.licenses.overlay, new.licenses.overlay)
    if not same(old.intent, new.intent):
        words = Words("policy", "policy intent", "What the policy says the model is for", 55)
        yield details(words, old.intent, new.intent)


def decided(evidence: Evidence) -> str:
    """Return the decision as it is shown: a pass by waiver is no plain pass, and what was not judged is none."""
    told = headline(evidence)
    if told.decision == "none":
        return told.title.lower()
    return "pass by waiver" if told.title == "Passed by waiver" else told.decision


def _titles(evidence: Evidence) -> dict[str, str]:
    results = evidence.audit.results if evidence.audit is not None else ()
    rules = evidence.licenses.results if evidence.licenses is not None else ()
    return {**{item.code: item.title for item in results}, **{item.code: item.title for item in rules}}


def _outcomes(evidence: Evidence) -> dict[str, tuple[Outcome, ...]]:
    found: dict[str, tuple[Outcome, ...]] = {}
    for item in evidence.verdict.outcomes if evidence.verdict is not None else ():
        found[item.code] = (*found.get(item.code, ()), item)
    return found


def _outcome_change(
    code: str, title: str, old: tuple[Outcome, ...], new: tuple[Outcome, ...], before: Evidence, after: Evidence
) -> Change | None:
    """Return what became of one code, or None where it passes as before."""
    one, other = _worst(before, old)[0], _worst(after, new)[0]
    if one == other and _RANK.get(one, 0) <= _RANK["pass by waiver"] and old and new:
        return None
    named = {"*": "All data", "TRAINING": "The training"}.get(code, f"{code} {title}".strip())
    ranks = _RANK.get(one, 0), _RANK.get(other, 0)
    kind: Kind = "changed" if ranks[0] == ranks[1] else "worse" if ranks[1] > ranks[0] else "better"
    weight = 45
    if kind == "worse" or (not old and ranks[1]):
        weight = {4: 95, 3: 92}.get(ranks[1], 78)
        weight = 93 if weight == 92 and is_license_rule(code) else weight
    elif not old or not new:
        weight = 50 if ranks[0] else 12
    words = Words("decision", f"outcome {code}", named, weight)
    sides = in_words(old or None, new or None, lambda items: _worst(before if items is old else after, items)[1])
    note = noted("", _beside(old, new, _rest(before, old), _rest(after, new))) if old and new else ""
    return changed(words, *sides, kind, note)


def _worst(evidence: Evidence, outcomes: tuple[Outcome, ...]) -> tuple[str, str]:
    """Return the worst decision of several outcomes, and the same with what was observed there."""
    if not outcomes:
        return "", ""
    told = [(decision_words(evidence, item), item) for item in outcomes]
    worst = max((name for name, _ in told), key=lambda name: _RANK.get(name, 0))
    observed = list(dict.fromkeys(item.observed for name, item in told if name == worst))
    return worst, f"{worst} ({_some(observed)})"


def _rest(evidence: Evidence, outcomes: tuple[Outcome, ...], *, shown: bool = True) -> list[tuple[str, str]]:
    """Return decisions and observations that :func:`_worst` does not show."""
    told = [(decision_words(evidence, item), item.observed) for item in outcomes]
    worst = _worst(evidence, outcomes)[0] if shown else ""
    seen = list(dict.fromkeys(observed for name, observed in told if name == worst))[:_OBSERVED]
    return sorted((name, observed) for name, observed in told if name != worst or observed not in seen)


def _beside(old: Sequence[Outcome], new: Sequence[Outcome], rest: Any, rest_now: Any) -> Iterator[str]:
    """Yield what differs in outcomes beside the observations that are shown."""
    if rest != rest_now:
        yield "what else was observed"
    for name in ("rule", "allowed", "waiver", "waived_by"):
        one, other = ({getattr(item, name) for item in side} for side in (old, new))
        if one != other:
            yield name.replace("_", " ")


def _some(items: Sequence[str]) -> str:
    more = f"; and {len(items) - _OBSERVED:,} more" if len(items) > _OBSERVED else ""
    return "; ".join(items[:_OBSERVED]) + more


def _waiver(waiver: Waiver, used: Mapping[Waiver, tuple[str, ...]]) -> str:
    excused = "; ".join(used.get(waiver, ()))
    created = f" from {waiver.created}" if waiver.created else ""
    return f"{waiver.words}{created}, excuses {excused or 'nothing here'}"


def _approval(approval: Approval) -> str:
    end = f"until {approval.expires}" if approval.expires else "without an end"
    return f"{approval.reason or 'no reason told'} ({end})"


def _rule_key(rule: Rule) -> str:
    return f"{rule.code} {rule.measurement}" if rule.measurement else rule.code


def _rule(rule: Rule) -> str:
    parts = [f"{rule.decision} above {number(rule.allowed)}"]
    if rule.measured_with:
        parts.append(f"{rule.measured_with} on splits that are only measured with")
    parts += ["required"] if rule.required else []
    parts += ["only for commercial use"] if rule.only_if_commercial else []
    return ", ".join(parts)


def _license_rule(rule: LicenseRule) -> str:
    return f"a conflict: {rule.conflict or 'as analysed'}, an open question: {rule.undetermined or 'as the others'}"


def _yes(told: bool) -> str:
    return "yes" if told else "no"


def _limit(days: int | None) -> str:
    return "no limit" if days is None else str(days)

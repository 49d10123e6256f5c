"""What a person who signs a release has to see first, each point with where it comes from."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from audits.licenses.inputs import LicensedInput
from audits.policy import LEVELS, Approval, Intent, load_policy
from model_cards.approvals import problem_on_its_day
from model_cards.evidence import Evidence, Origin
from model_cards.facts import check_rows, name_of
from model_cards.licensing import InputRow, input_rows, named_by_rules
from model_cards.questions import answer, describes_model
from model_cards.typesetting import cut, number, plural
from model_cards.version_comparison import stored_vectors_words, version_words

_MOST_INPUTS = 8
_LONGEST = 420  # characters of a statement; all of it stands further below
_UNKNOWN = "not known: no policy says so"
_DISTRIBUTION = {
    "internal": "internal: nobody outside uses it",
    "hosted": "hosted: others use it through a service",
    "public": "public: others get the weights",
}
_MEANING = {
    "pass": "A verdict of pass publishes. It says that what was checked violates no rule, and no more.",
    "waived": "It publishes because the waivers below excuse what would not pass; who approved them answers for that.",
    "review": "A verdict of review publishes only with a recorded approval of a named person.",
    "block": "A verdict of block never publishes; no approval lifts it.",
    "none": "Nothing was decided here, and nothing should be published on it.",
}


class Point(NamedTuple):
    """One line of the first page; ``short`` ones stand side by side, ``link`` is the part that has all of it."""

    title: str
    words: str
    origin: Origin
    by: str = ""
    source: str = ""
    link: str = ""
    short: bool = False


class ApprovalRow(NamedTuple):
    """An approval with what it is bound to; ``bound`` is whether it is a yes to this verdict."""

    approval: Approval
    bound: bool
    words: str


class Gap(NamedTuple):
    """What was not checked, for one reason; ``what`` holds codes (or places) with their titles."""

    what: tuple[tuple[str, str], ...]
    status: str
    reason: str
    required: bool


def tone(evidence: Evidence) -> str:
    """Return the decision as it is shown: what passes by a waiver does not look like a pass."""
    verdict = evidence.verdict
    if verdict is None or evidence.audit is None:
        return "none"
    if verdict.decision == "pass" and not any(result.status == "ran" for result in evidence.audit.results):
        return "none"
    waived = any(outcome.waiver is not None and outcome.decision == "pass" for outcome in verdict.outcomes)
    return "waived" if verdict.decision == "pass" and waived else verdict.decision


def meaning(evidence: Evidence) -> str:
    """Return what follows from the decision."""
    return _MEANING[tone(evidence)]


def purpose(evidence: Evidence) -> tuple[Point, ...]:
    """Return what the model is for and how it is to be published; nothing for an audit alone."""
    if not describes_model(evidence):
        return ()
    intent = _intent(evidence)
    return (
        _said(evidence, "direct_use", "Intended use"),
        _said(evidence, "out_of_scope_use", "Not to be used for"),
        _said(evidence, "legal_entity", "Legal entity")._replace(short=True),
        *_intended(evidence, intent),
        _license(evidence, intent),
        _ships(evidence, intent),
    )


def purpose_source(evidence: Evidence) -> str:
    """Return who says what the model is for, where the points do not."""
    what = "Commercial use, distribution, territory and what ships are"
    policy = evidence.policy
    if policy is None:
        return f"{what} as the license analysis states them."
    if assumed(evidence):
        return f"{what} assumed by the shipped policy “{policy.name}”, confirmed by nobody."
    return f"{what} as policy “{policy.name}” states them."


def assumed(evidence: Evidence) -> bool:
    """Whether what the model is for is no more than what a shipped policy takes for granted."""
    policy = evidence.policy
    if policy is None or policy.name not in LEVELS:
        return False
    # which licenses go out is chosen apart from what the model is for
    chosen = replace(policy.intent, outgoing_license=None, outgoing_data_license=None)
    return chosen.digest == _shipped_intent(policy.name).digest


@cache
def _shipped_intent(name: str) -> Intent:
    # it holds no waiver that could expire, so that the day does not matter
    return load_policy(name, today=datetime.date.min).intent


def _intended(evidence: Evidence, intent: Intent | None) -> tuple[Point, ...]:
    if intent is None:
        return tuple(
            Point(title, _UNKNOWN, "unanswered", short=True)
            for title in ("Commercial use", "Distribution", "Territory")
        )
    told = {
        "Commercial use": "intended" if intent.commercial else "not intended",
        "Distribution": _DISTRIBUTION[intent.distribution],
        "Territory": ", ".join(intent.territory) or "everywhere, since no territory is named",
    }
    unsaid = set(told) if assumed(evidence) else set() if intent.territory else {"Territory"}
    return tuple(
        Point(title, words, "unanswered" if title in unsaid else "stated", short=True) for title, words in told.items()
    )


def first_inputs(evidence: Evidence) -> tuple[tuple[InputRow, ...], str]:
    """Return the inputs that went into the model, open questions first, and the others in a sentence.

    Rows of data whose license is clear are one line together. What was only measured with is counted, not listed. An
    input in conflict, excused or not, or without an answer is named in any case.
    """
    inputs = evidence.licenses.inputs if evidence.licenses is not None else ()
    if not inputs and evidence.lineage is not None:
        inputs = evidence.lineage.inputs
    pairs = sorted(zip(inputs, input_rows(evidence), strict=True), key=lambda pair: _urgency(pair[0]))
    named = named_by_rules(evidence)
    went_in = [pair for pair in pairs if pair[0].role != "evaluation" or pair[0].name in named]
    pressing = [(item, row) for item, row in went_in if item.name in named or item.license is None]
    others = [(item, row) for item, row in went_in if item.name not in named and item.license is not None]
    clear = [item for item, _ in others if item.kind == "rows" and not item.disagreements]
    single = [row for item, row in others if len(clear) < 3 or item not in clear]
    first = _pressing(pressing)
    rows = ([_together(clear)] if len(clear) >= 3 else []) + single
    shown = max(_MOST_INPUTS - len(first), 1)
    rest, aside = len(rows) - shown, len(pairs) - len(went_in)
    words = [plural(rest, "more input")] if rest > 0 else []
    words += [f"{plural(aside, 'input')} only measured with"] if aside else []
    return (*first, *rows[:shown]), "; ".join(words)


def _pressing(pairs: Sequence[tuple[LicensedInput, InputRow]]) -> list[InputRow]:
    """Return inputs that need somebody; many without a license are one row with all of their names."""
    unknown = [row for item, row in pairs if item.license is None]
    known = [row for item, row in pairs if item.license is not None]
    if len(unknown) <= _MOST_INPUTS:
        return [*unknown, *known]
    merged = InputRow(
        name="; ".join(row.name for row in unknown),
        role=", ".join(dict.fromkeys(row.role for row in unknown)),
        amount=plural(len(unknown), "input"),
        declared="nothing that settles it",
        found="nothing that settles it",
        concluded="undetermined",
        note="",
    )
    return [merged, *known]


def _together(items: Sequence[LicensedInput]) -> InputRow:
    """Return rows of data under several clear licenses as one line, the most rows first."""
    counts: Counter[str] = Counter()
    for item in items:
        counts[item.license or ""] += item.rows or 0
    listed = [f"{name} ({number(count)})" for name, count in counts.most_common(4)]
    listed += [f"{len(counts) - 4} more"] if len(counts) > 4 else []
    read = sum(any(one.place == "license_file" for one in item.statements) for item in items)
    return InputRow(
        name="rows of the data",
        role="trained on",
        amount=f"{number(counts.total())} rows",
        declared=f"{plural(len(items), 'declaration')} by rows, packages or cards",
        found=f"text read for {read} of {len(items)}" if read else "no text read",
        concluded=", ".join(listed),
        note="",
    )


def gaps(evidence: Evidence) -> tuple[Gap, ...]:
    """Return what was not checked: whole checks, splits that a check could not judge, rows that nobody looked at."""
    found: dict[tuple[str, str, bool], list[tuple[str, str]]] = {}
    for row in check_rows(evidence):
        if row.status != "ran":
            found.setdefault((row.status, row.reason, row.required), []).append((row.code, row.title))
    listed = [Gap(tuple(what), *key) for key, what in found.items()]
    audit = evidence.audit
    for result in audit.results if audit is not None else ():
        listed += [Gap(((result.code, result.title),), "not judged", reason, False) for reason in result.not_judged]
    for ref in audit.datasets if audit is not None else ():
        if ref.unread_rows != 0:
            rows = "an unknown number of rows" if ref.unread_rows is None else plural(ref.unread_rows, "row")
            listed.append(Gap(((f"{rows} of {ref.split}", f"of {name_of(ref)}"),), "not read", "", False))
    return tuple(sorted(listed, key=lambda gap: not gap.required))


def approval_rows(evidence: Evidence) -> tuple[ApprovalRow, ...]:
    """Return every approval, and whether it is for this verdict, this policy and this content."""
    rows = []
    for approval in evidence.approvals:
        problem = problem_on_its_day(approval, evidence)
        words = "bound to this verdict and to exactly this content" if problem is None else f"no yes here: {problem}"
        rows.append(ApprovalRow(approval, problem is None, words))
    return tuple(rows)


def comparison_words(evidence: Evidence) -> tuple[str, ...]:
    """Return what is known against the version that is published."""
    comparison = evidence.comparison
    if comparison is None:
        return ("Not compared: this evidence holds no comparison with a published version.",)
    words = [version_words(comparison)]
    if comparison.regression:
        words.insert(0, "Regression.")
    if comparison.compared:
        words.append(stored_vectors_words(comparison))
    return tuple(words)


def signature_words(evidence: Evidence) -> str:
    """Return what is known of a signature, in words that claim no more than a signature can."""
    key = evidence.signing_key
    if key is None:
        return "Not signed: this evidence names no key."
    return (
        f"Unchanged since signed by the {key.algorithm} key {key.fingerprint}, if `hf-contrastive verify` says so; "
        "this page can not tell. Who holds that key has to be known from elsewhere."
    )


def digest_rows(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """Return the digests that tie this page to what it is about."""
    verdict, audit, policy = evidence.verdict, evidence.audit, evidence.policy
    report = verdict.report_digest if verdict is not None else audit.content_digest if audit is not None else ""
    rules = verdict.policy_digest if verdict is not None else policy.digest if policy is not None else ""
    weights = evidence.training.weights_sha256 if evidence.training is not None else ""
    facts = evidence.licenses.facts_digest if evidence.licenses is not None else ""
    rows = [
        ("Evidence", evidence.digest),
        ("Content, without times", evidence.content_digest),
        ("Audit report", report or "no audit"),
        ("Verdict", verdict.digest if verdict is not None else "no verdict"),
        ("Policy", rules or "no policy"),
    ]
    optional = [("License facts", facts), ("Files of the model", evidence.payload_digest), ("Weights", weights)]
    return (*rows, *((title, digest) for title, digest in optional if digest))


def _said(evidence: Evidence, key: str, title: str) -> Point:
    found = answer(evidence, key)
    said = found.statement
    if not found.answered:
        return Point(title, f"not answered yet, by the {found.question.role}", "unanswered", link="statements")
    words = " ".join(said.text.split())
    if len(words) > _LONGEST:
        words, link = f"{words[:_LONGEST].rstrip()} …", "statements"
    else:
        link = ""
    return Point(title, words, said.origin, said.by, said.source, link)


def _intent(evidence: Evidence) -> Intent | None:
    if evidence.policy is not None:
        return evidence.policy.intent
    return evidence.licenses.intent if evidence.licenses is not None else None


def _ships(evidence: Evidence, intent: Intent | None) -> Point:
    if intent is None:
        return Point("What ships", _UNKNOWN, "unanswered", short=True)
    words = "an adapter alone" if intent.ships == "adapter" else "merged weights"
    if evidence.training is not None and intent.ships != evidence.save_format:
        words += f", but the model was saved as {evidence.save_format}"
    rows = f"rows of the data, as {intent.outgoing_data_license or 'no license named yet'}"
    words = f"{words}; {rows if intent.ship_rows else 'no rows of the data'}"
    return Point("What ships", words, "unanswered" if assumed(evidence) else "stated", short=True)


def _license(evidence: Evidence, intent: Intent | None) -> Point:
    chosen, intended = evidence.license, intent.outgoing_license if intent is not None else None
    if not chosen and not intended:
        words = "not answered yet, by the project organizer"
        return Point("Outgoing license", words, "unanswered", link="statements", short=True)
    words = chosen or intended or ""
    if chosen and intended and chosen.casefold() != intended.casefold():
        words += f"; the policy intends {intended}"
    source = "" if chosen else f"policy “{evidence.policy.name}”" if evidence.policy is not None else ""
    return Point("Outgoing license", words, "stated", source=source, short=True)


def _urgency(item: LicensedInput) -> tuple[bool, bool, int, int]:
    """Return the place of an input: open ones first, then models, then what is nearest, then the most rows."""
    return item.license is not None, item.role not in ("base", "generator"), item.depth, -(item.rows or 0)


def shortened(words: str, most: int = 110) -> str:
    """Return words for the first page; all of them stand further below."""
    return cut(words, most)


def license_questions(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """Return (rule, question) of what the licenses leave to a person; these change no decision."""
    results = evidence.licenses.results if evidence.licenses is not None else ()
    return tuple((item.code, question) for item in results for question in item.questions)


def version_here(evidence: Evidence) -> str:
    """Return what this version is called before it has a tag."""
    return evidence.digest.removeprefix("sha256:")[:12]


def rows_read(evidence: Evidence) -> str:
    """Return how many rows were audited in which splits."""
    if evidence.audit is None:
        return "none: there is no audit"
    splits = ", ".join(f"{ref.split} {number(ref.num_rows)}" for ref in evidence.audit.datasets)
    return f"{number(sum(ref.num_rows for ref in evidence.audit.datasets))} ({splits})"

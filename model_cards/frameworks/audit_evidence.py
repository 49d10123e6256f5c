"""Predicates on the audit of the data: what was measured, over which rows, and how surely."""

from __future__ import annotations

from audits.findings import AuditReport, CheckResult
from model_cards.evidence import Evidence
from model_cards.facts import rows_of, unchecked
from model_cards.frameworks.predicates import Found, found, graded, predicate
from model_cards.typesetting import number, plural

PLANTED = (
    "DUP001", "DUP002", "LABEL001", "LABEL002", "LEAK001", "LEAK002", "LEAK004", "PAIR001", "PAIR002", "PAIR003",
    "PAIR004", "PAIR005", "PAIR006", "PAIR007", "PAIR008", "PII001", "PII002", "PII003", "PII004", "PII005", "PII006",
    "POIS001", "POIS002", "SEC001", "SEC002", "TEXT001", "TEXT002", "TEXT003", "TEXT004", "TEXT005", "TEXT006",
    "TEXT007",
)  # fmt: skip
"""Checks whose own error an audit can measure by planting defects."""

_NO_AUDIT = "There is no audit of the data."


@predicate
def audit_ran(evidence: Evidence) -> Found:
    """An audit ran, over all rows of the data trained on."""
    audit = evidence.audit
    if audit is None:
        return found("no", _NO_AUDIT)
    ran = [item for item in audit.results if item.status == "ran"]
    errored = [item.code for item in audit.results if item.status == "errored"]
    problems = [*([f"{', '.join(errored)} errored"] if errored else []), *limits(evidence, audit)]
    skipped = len(audit.results) - len(ran) - len(errored)
    words = f"{plural(len(ran), 'check')} ran over {_extent(audit)}, {number(skipped)} skipped"
    return found(graded(ran, 0, problems), _with(words, problems), ["/audit"])


@predicate
def data_types_counts(evidence: Evidence) -> Found:
    """Types and numbers of the data are recorded."""
    audit = evidence.audit
    if audit is None:
        return found("no", _NO_AUDIT)
    columns = audit.columns
    named = [f"text {', '.join(columns.texts)}"] if columns.texts else []
    roles = {"label": columns.label, "license": columns.license, "group": columns.group}
    named += [f"{role} {name}" for role, name in roles.items() if name]
    splits = "; ".join(f"{ref.split}: {rows_of(ref)} rows" for ref in audit.datasets)
    words = f"{splits or 'No split is recorded'}. Columns: {'; '.join(named) or 'none is named'}"
    problems = limits(evidence, audit)
    return found(graded(audit.datasets, 0, problems), _with(words, problems), ["/audit/datasets"])


@predicate
def duplicates_measured(evidence: Evidence) -> Found:
    """Exact and near duplicates were counted."""
    return _checked(evidence, ("DUP001", "DUP002"))


@predicate
def leakage_measured(evidence: Evidence) -> Found:
    """Rows shared between splits, exactly or nearly, were counted."""
    return _checked(evidence, ("LEAK001", "LEAK002"))


@predicate
def contamination_searched(evidence: Evidence) -> Found:
    """Items of public benchmarks were looked for in the data."""
    return _checked(evidence, ("LEAK004",))


@predicate
def label_errors_measured(evidence: Evidence) -> Found:
    """Labels that are probably wrong, or contradict each other, were counted; moot without labels."""
    audit = evidence.audit
    if audit is not None and audit.columns.label is None:
        return found("moot", "The audited data has no column of labels.", ["/audit"])
    return _checked(evidence, ("LABEL001", "LABEL002"))


@predicate
def pair_defects_measured(evidence: Evidence) -> Found:
    """Pairs that teach the wrong thing were counted; moot without pairs."""
    audit = evidence.audit
    if audit is not None and (audit.columns.anchor is None or audit.columns.positive is None):
        return found("moot", "The audited data has no pairs of anchor and positive.", ["/audit"])
    return _checked(evidence, ("PAIR001", "PAIR002", "PAIR005"))


@predicate
def text_defects_measured(evidence: Evidence) -> Found:
    """Empty and garbled texts were counted."""
    return _checked(evidence, ("PAIR003", "TEXT003"))


@predicate
def mixed_pairs_counted(evidence: Evidence) -> Found:
    """Pairs whose sides are in two scripts, or in two languages, were counted; which languages there are was not."""
    return _checked(evidence, ("PAIR007", "PAIR008"))


@predicate
def personal_data_searched(evidence: Evidence) -> Found:
    """Personal data of five fixed forms was looked for; what the detectors miss in real text is not known."""
    told = _checked(evidence, ("PII001", "PII002", "PII003", "PII004", "PII005"), nothing="no match")
    if told.state == "no":
        return told
    rest = "Names, postal addresses and whatever else has no such form were not looked for."
    return found(told.state, f"{told.words} {rest}", told.addresses)


@predicate
def secrets_searched(evidence: Evidence) -> Found:
    """Keys, tokens and passwords were looked for."""
    return _checked(evidence, ("SEC001",), nothing="no match")


@predicate
def poisoning_searched(evidence: Evidence) -> Found:
    """Triggers of planted behaviour were looked for."""
    return _checked(evidence, ("POIS001", "POIS002"))


@predicate
def hidden_text_searched(evidence: Evidence) -> Found:
    """Text that is hidden from readers, or gives orders to a language model, was looked for."""
    return _checked(evidence, ("TEXT001", "TEXT002", "TEXT004"))


@predicate
def self_test_measured(evidence: Evidence) -> Found:
    """How much of planted defects the checks find in this data was measured, for each that ran."""
    audit = evidence.audit
    if audit is None:
        return found("no", _NO_AUDIT)
    ran = {i: item for i, item in enumerate(audit.results) if item.status == "ran" and item.code in PLANTED}
    tested = {i: item for i, item in ran.items() if item.self_test is not None and item.self_test.found}
    words = "; ".join(f"{item.code} {_recall(item)}" for item in tested.values()) or "The checks were not tested"
    problems = [*_missing([item for i, item in ran.items() if i not in tested], "not tested"), *_unread(audit)]
    state = graded([*tested], len(ran), problems)
    return found(state, _with(words, problems), [f"/audit/results/{i}/self_test" for i in tested])


@predicate
def skipped_checks_named(evidence: Evidence) -> Found:
    """Checks that did not run are named with the reason; what no check covers is not."""
    if evidence.audit is None:
        return found("no", _NO_AUDIT)
    rows = unchecked(evidence)
    mute = [row.code for row in rows if not row.reason]
    words = f"{plural(len(rows), 'check')} did not run: {', '.join(row.code for row in rows) or 'none'}"
    problems = [f"{', '.join(mute)} without a reason"] if mute else []
    return found("partial" if mute else "yes", _with(words, problems), ["/audit"])


def limits(evidence: Evidence, audit: AuditReport) -> list[str]:
    """Return what keeps the audit from speaking on all of the data that was trained on."""
    problems = [*_unread(audit), *foreign_data(evidence, audit)]
    columns = evidence.training.text_columns if evidence.training is not None else ()
    unseen = [name for name in columns if name not in audit.columns.texts]
    if unseen:
        problems.append(f"the audit did not read the column(s) {', '.join(unseen)} trained on")
    return problems


def foreign_data(evidence: Evidence, audit: AuditReport) -> list[str]:
    """Return what says that other data than that of the audit was trained on."""
    training = evidence.training
    if training is None:
        return []
    if not training.datasets:
        return ["the training names no data, so whether it is this data is not known"]
    audited = {ref.fingerprint for ref in audit.datasets}
    foreign = sorted({ref.split for ref in training.datasets if ref.fingerprint not in audited})
    return [f"the audit did not see the data trained on as {', '.join(foreign)}"] if foreign else []


def _unread(audit: AuditReport) -> list[str]:
    read = [f"{ref.split}: {rows_of(ref)}" for ref in audit.datasets if ref.unread_rows != 0]
    return [f"a part of the rows only ({'; '.join(read)})"] if read else []


def _checked(evidence: Evidence, codes: tuple[str, ...], *, nothing: str = "nothing found") -> Found:
    """Return whether all checks of ``codes`` ran over all rows, and what they found."""
    audit = evidence.audit
    if audit is None:
        return found("no", _NO_AUDIT)
    own = {item.code: (i, item) for i, item in enumerate(audit.results) if item.code in codes}
    ran = [(i, item) for i, item in own.values() if item.status == "ran"]
    states = {code: own[code][1].status if code in own else "never run" for code in codes}
    problems = [f"{code} {state}" for code, state in states.items() if state != "ran"]
    problems += [f"{item.code} not judged in {reason}" for _, item in ran for reason in item.not_judged]
    if not ran:
        return found("no", f"Not measured: {'; '.join(problems)}.")
    problems += [problem for _, item in ran for problem in _blind(item)]
    problems += limits(evidence, audit)
    told = "; ".join(f"{item.code} {_result(item, nothing)}" for _, item in ran)
    words = f"In {_extent(audit)}: {told}"
    return found(
        graded(ran, len(codes), problems), _with(words, problems), [f"/audit/results/{i}" for i, _ in sorted(ran)]
    )


def _result(item: CheckResult, nothing: str) -> str:
    """Return what a check found, and how much of planted defects it finds."""
    rows = sum(one.total_rows for one in item.findings)
    told = f"{plural(len(item.findings), 'finding')}, {plural(rows, 'row')}" if item.findings else nothing
    return f"{told} ({_recall(item)})"


def _recall(item: CheckResult) -> str:
    measured = item.self_test
    if measured is None or not measured.found:
        return "recall not measured"
    shares = []
    for one in measured.found:
        interval = f" [{one.interval[0]:.2f}, {one.interval[1]:.2f}]" if one.interval else ""
        shares.append(f"{one.value:.2f}{interval}")
    return f"recall on planted items {', '.join(shares)}; in real data unknown"


def _blind(item: CheckResult) -> list[str]:
    """Return why what a check did not find says little: its recall was not measured, or it found none of a kind."""
    measured = item.self_test
    if measured is None or not measured.found:
        return [f"how much {item.code} finds was not measured"]
    missed = [one.name for one in measured.found if not one.value > 0]
    return [f"{item.code} found none of what was planted as {', '.join(missed)}"] if missed else []


def _missing(items: list[CheckResult], words: str) -> list[str]:
    return [f"{', '.join(item.code for item in items)} {words}"] if items else []


def _extent(audit: AuditReport) -> str:
    rows = sum(ref.num_rows for ref in audit.datasets)
    return f"{plural(rows, 'row')} of {plural(len(audit.datasets), 'split')}"


def _with(words: str, problems: list[str]) -> str:
    return f"{words}{'. But: ' + '; '.join(problems) if problems else ''}."

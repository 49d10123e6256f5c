"""What differs in the data and in what the checks found in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from audits.findings import AuditReport, CheckResult, Columns, DatasetRef, Finding, RemedyRecord
from model_cards.changes.pairing import (
    Words,
    changed,
    compared,
    content,
    details,
    in_words,
    mapped,
    paired,
    same,
    short,
)
from model_cards.changes.records import Change, Kind
from model_cards.evidence import Evidence, TrainingRecord
from model_cards.facts import name_of, place, rows_of
from model_cards.typesetting import measured, number, plural

_STATUS = {"ran": 0, "skipped": 1, "errored": 2}
_MEASUREMENTS = 3
_TOLD_OTHERWISE = "the same rows, told otherwise"


def data_changes(before: AuditReport | None, after: AuditReport | None) -> Iterator[Change]:
    """Yield the splits that were audited and differ, and columns that are read in another role."""
    yield from _splits(before.datasets if before else (), after.datasets if after else ())
    old, new = (item.columns if item is not None else Columns() for item in (before, after))
    if not same(old, new) and before is not None and after is not None:
        words = Words("data", "columns", "Columns that are read", 74)
        yield changed(words, *in_words(old, new, _columns), "changed")


def trained_data_changes(before: TrainingRecord | None, after: TrainingRecord | None) -> Iterator[Change]:
    """Yield the splits that were trained on and differ."""
    if before is not None and after is not None:
        yield from _splits(before.datasets, after.datasets)


def remedy_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield what was removed from the data in one release and not, or otherwise, in the other."""
    for key, one, other in paired(before.remedies, after.remedies, lambda item: item.name):
        words = Words("data", f"remedy {key}", f"Rows removed by {key}", 48)
        yield compared(words, one, other, _remedy)


def check_changes(before: AuditReport | None, after: AuditReport | None) -> Iterator[Change]:
    """Yield what the checks found, by code, split and column, and checks that run no more or only now."""
    old, new = ({item.code: item for item in (audit.results if audit else ())} for audit in (before, after))
    for code, one, other in mapped(old, new):
        yield from _result_changes(code, one, other)
        if one is not None and other is not None:
            yield from _measured_changes(code, one, other)


def audit_rest_changes(before: AuditReport | None, after: AuditReport | None) -> Iterator[Change]:
    """Yield what an audit says beside its data, its checks and its software."""
    if before is not None and after is not None and before.schema_version != after.schema_version:
        words = Words("checks", "audit schema", "Version of the audit's schema", 10)
        yield changed(words, str(before.schema_version), str(after.schema_version))


def earlier_audit_changes(before: AuditReport | None, after: AuditReport | None) -> Iterator[Change]:
    """Yield whether the audit before rows were removed is another one; its software is told with all others."""
    sides = (replace(audit, versions={}) if audit is not None else None for audit in (before, after))
    old, new = sides
    if not same(old, new):
        yield details(Words("data", "earlier audit", "The audit before rows were removed", 10), old, new)


def _result_changes(code: str, one: CheckResult | None, other: CheckResult | None) -> Iterator[Change]:
    shown = other or one
    title = f"{code} {shown.title}".strip() if shown is not None else code
    if one is None or other is None:
        words = Words("checks", f"check {code}", f"Check {title}", 62 if other is None else 20)
        yield changed(words, *in_words(one, other, _ran))
    elif (one.status, one.reason, one.not_judged) != (other.status, other.reason, other.not_judged):
        ranks = [(_STATUS[item.status], len(item.not_judged)) for item in (one, other)]
        kind: Kind = "changed" if ranks[0] == ranks[1] else "worse" if ranks[1] > ranks[0] else "better"
        weight = (
            78 if kind == "worse" else 30 if one.status != other.status or one.not_judged != other.not_judged else 13
        )
        words = Words("checks", f"check {code}", f"Check {title}", weight)
        yield changed(words, *in_words(one, other, _ran), kind)
    findings = (one.findings if one else ()), (other.findings if other else ())
    for key, left, right in paired(*findings, lambda item: f"{item.code} {place(item)} {item.measurement.name}"):
        yield _finding_change(key, left, right)


def _finding_change(key: str, left: Finding | None, right: Finding | None) -> Change:
    shown = right or left
    title = f"{shown.code} {shown.title} in {place(shown)}" if shown is not None else key
    kind, note = _compared(left, right)
    weight = {"worse": 66, "better": 35}.get(kind, 10 if note == _TOLD_OTHERWISE else 32)
    weight = weight if left and right else 68 if right else 38
    words = Words("checks", f"finding {key}", title, weight)
    # of as many rows the note says that they are others; of more or fewer that follows
    return compared(words, left, right, _found, kind=kind, note=note, apart=("rows_digest",))


def _compared(left: Finding | None, right: Finding | None) -> tuple[Kind, str]:
    """Return whether a finding grew; what can not be compared is only changed."""
    if left is None or right is None:
        return "changed", ""
    if left.measurement.unit != right.measurement.unit:
        return "changed", "not measured in the same unit"
    sizes = [(item.measurement.value, item.total_rows) for item in (left, right)]
    if sizes[0] == sizes[1]:
        other = left.rows_digest != right.rows_digest
        return "changed", "as many, but other rows" if other else _TOLD_OTHERWISE
    grew = [new > old for old, new in zip(*sizes, strict=True) if new != old]
    return ("worse" if all(grew) else "changed" if any(grew) else "better"), ""


def _measured_changes(code: str, one: CheckResult, other: CheckResult) -> Iterator[Change]:
    """Yield other measurements of a check, and what it says beside them, its findings and its state."""
    named = f"check {code} {other.title}".rstrip()
    old, new = ({item.name: measured(item) for item in result.measurements} for result in (one, other))
    shown = [name for name, _, _ in mapped(old, new)]
    if shown:
        more = f"{len(shown) - _MEASUREMENTS:,} more measurements differ" if len(shown) > _MEASUREMENTS else ""
        shown = shown[:_MEASUREMENTS]
        was, now = ("; ".join(f"{name} {side.get(name, 'not measured')}" for name in shown) for side in (old, new))
        words = Words("checks", f"measured {code}", f"What {named} measured", 10)
        yield changed(words, was, now, "changed", more)
    rests = [_rest(result, shown) for result in (one, other)]
    if not same(*rests):
        yield details(Words("checks", f"detail {code}", f"What {named} says, in a detail", 9), *rests)


def _rest(result: CheckResult, shown: Collection[str]) -> CheckResult:
    """Return a result without what is told of it; ``shown`` are measurements whose numbers are."""
    kept = tuple(
        replace(item, value=0, unit="", interval=None) if item.name in shown else item for item in result.measurements
    )
    return replace(result, status="ran", reason="", not_judged=(), findings=(), measurements=kept)


def _splits(before: tuple[DatasetRef, ...], after: tuple[DatasetRef, ...]) -> Iterator[Change]:
    for key, one, other in paired(before, after, lambda item: item.split):
        note = ""
        if one is not None and other is not None and one.fingerprint == other.fingerprint:
            note = "the same rows by their fingerprint"
        words = Words("data", f"data {key}", f"Data, split {key}", 30 if note else 75)
        yield compared(words, one, other, _split, note=note)


def _split(ref: DatasetRef) -> str:
    at = f" at {short(ref.revision)}" if ref.revision else ""
    name = f" of {name_of(ref)}" if ref.repo_id else ""
    return f"{rows_of(ref)} rows{name}{at}, fingerprint {short(ref.fingerprint)}"


def _columns(columns: Columns) -> str:
    said = [f"{role}: {', '.join([told] if isinstance(told, str) else told)}"
            for role, told in content(columns).items() if told]  # fmt: skip
    return "; ".join(said) or "none named"


def _remedy(remedy: RemedyRecord) -> str:
    return f"{plural(remedy.removed_rows, 'row')} because of {', '.join(remedy.codes) or 'no code that is recorded'}"


def _ran(result: CheckResult) -> str:
    reasons = "; ".join(filter(None, (result.reason, *(f"not judged in {words}" for words in result.not_judged))))
    return f"{result.status}{f' ({reasons})' if reasons else ''}"


def _found(finding: Finding) -> str:
    amount = measured(finding.measurement)
    of = f" of {number(finding.measurement.sample_size)}" if finding.measurement.sample_size is not None else ""
    rows = plural(finding.total_rows, "row")
    is_rows = finding.measurement.unit == "rows" and finding.measurement.value == finding.total_rows
    return f"{rows}{of}" if is_rows else f"{rows}, {amount}{of}"

"""The results of a SARIF run: findings with their rows, and what else keeps a verdict from a plain pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from audits.findings import Finding, RowEvidence
from audits.records import digest_of
from model_cards.evidence import Evidence
from model_cards.facts import finding_words, place
from model_cards.licensing import is_license_rule
from model_cards.standards.rulings import Ruling, is_waived, outcome_words, rulings
from model_cards.standards.sarif_rules import LEVELS, literal
from model_cards.standards.values import filled
from model_cards.typesetting import cut

MOST_RESULTS = 5_000
"""GitHub refuses more than 25,000 results and shows 5,000."""

_LONGEST = 2_000  # characters of a message
_ORDER = {"error": 0, "warning": 1, "note": 2}


def results(evidence: Evidence, index: Mapping[str, int]) -> tuple[list[dict[str, Any]], int]:
    """Return the results, the gravest first, and how many more there are than a run may hold.

    Args:
        evidence: with its verdict.
        index: the place of each rule in the run, by code.
    """
    seen: dict[str, int] = {}
    found = [_result(evidence, ruling, index, seen) for ruling in rulings(evidence)]
    found.sort(key=lambda item: _ORDER[item["level"]])
    return found[:MOST_RESULTS], max(0, len(found) - MOST_RESULTS)


def _result(evidence: Evidence, ruling: Ruling, index: Mapping[str, int], seen: dict[str, int]) -> dict[str, Any]:
    finding = ruling.finding
    fingerprint = _fingerprint(ruling, seen)
    words = _finding_text(finding) if finding is not None else ""
    text = " ".join(filter(None, (words, *outcome_words(ruling.outcomes))))
    if finding is not None and not ruling.outcomes:
        text += " No rule of the policy speaks on it."
    return filled(
        ruleId=ruling.code,
        ruleIndex=index[ruling.code],
        level=LEVELS[ruling.unexcused],
        message={"text": literal(cut(text, _LONGEST))},
        locations=list(_row_locations(finding) if finding is not None else _other_locations(evidence, ruling)),
        # the second is the only one that GitHub compares
        partialFingerprints={"hf-contrastive/v1": fingerprint, "primaryLocationLineHash": f"{fingerprint[:16]}:1"},
        suppressions=[
            {"kind": "external", "status": "accepted", "justification": outcome.waiver}
            for outcome in ruling.outcomes
            if is_waived(outcome)
        ]
        if ruling.decision == "pass"
        else [],
        properties=_properties(ruling),
    )


def _finding_text(finding: Finding) -> str:
    remedy = f" {finding.remedy}" if finding.remedy else ""
    return f"{finding.title}: {finding_words(finding)}.{remedy}"


def _properties(ruling: Ruling) -> dict[str, Any]:
    finding = ruling.finding
    measured = {}
    if finding is not None:
        item = finding.measurement
        measured = filled(
            name=item.name,
            value=item.value,
            unit=item.unit,
            sampleSize=item.sample_size,
            interval=list(item.interval) if item.interval is not None else None,
        )
    return filled(
        decision=ruling.decision,
        measurement=measured,
        totalRows=finding.total_rows if finding is not None else None,
        rowsDigest=finding.rows_digest if finding is not None else None,
    )


def _row_locations(finding: Finding) -> Iterator[dict[str, Any]]:
    """Yield a location for each row that is shown, in the file that lists them all; the text is not quoted."""
    uri = f"findings/{quote(finding.code, safe='')}.parquet" if finding.rows_digest else "report.json"
    if not finding.evidence:
        yield _location(uri, place(finding), "module")
    for row in finding.evidence:
        yield _location(uri, _address(row), "element")


def _address(row: RowEvidence) -> str:
    return f"{row.split}/{row.column}[{row.row}]" if row.column else f"{row.split}[{row.row}]"


def _other_locations(evidence: Evidence, ruling: Ruling) -> Iterator[dict[str, Any]]:
    """Yield where an outcome without a finding is told: the inputs of a license rule, else the report."""
    if is_license_rule(ruling.code):
        told = evidence.licenses.result(ruling.code) if evidence.licenses is not None else None
        for name in (told.inputs if told is not None else ())[:20] or ("licenses",):
            yield _location("evidence.json", name, "resource")
    else:
        checked = evidence.audit is not None and evidence.audit.result(ruling.code) is not None
        yield _location("report.json" if checked else "evidence.json", ruling.code, "module")


def _location(uri: str, name: str, kind: str) -> dict[str, Any]:
    # GitHub shows no result without a line, though neither file is read by lines
    return {
        "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": name, "kind": kind}],
    }


def _fingerprint(ruling: Ruling, seen: dict[str, int]) -> str:
    """Return what stays the same as long as the same rule is violated in the same place, whatever the numbers."""
    finding = ruling.finding
    if finding is not None:
        what = [finding.title, finding.split, finding.column or "", finding.measurement.name]
    else:
        what = [ruling.outcomes[0].rule]
    key = digest_of([ruling.code, *what])
    seen[key] = seen.get(key, 0) + 1
    return (key if seen[key] == 1 else digest_of([key, seen[key]])).removeprefix("sha256:")

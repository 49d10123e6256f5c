"""What changed between two releases: nothing is left out, nothing is made up, and it reads both ways."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from audits.errors import SchemaError
from audits.findings import CheckResult, DatasetRef, Measurement
from audits.policy import Approval, Outcome, Rule, Waiver
from hf_contrastive.release.versioning.changelog import changes_since
from hf_contrastive.release.versioning.published import PublishedEvidence
from model_cards.changes import AREAS, Change, ChangeReport, changes, compare, junit, sarif
from model_cards.changes.pairing import content
from model_cards.changes.quality import NOT_THE_SAME_DATA
from model_cards.changes.rendering import FORMATS, forms_of, render_changes
from model_cards.errors import DocumentError, EvidenceError
from model_cards.evidence import EvaluationReport, Evidence, MetricComparison, SigningKey, Statement
from tests.evidence_samples import audit_of, evidence_of, ref
from tests.report_samples import release

BASE = evidence_of()


def leaves(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON document that can be changed: plain values, and lists that can lose an item."""
    if isinstance(value, dict):
        found = [item for key in value for item in leaves(value[key], (*where, key))]
        return found
    if isinstance(value, list):
        return [item for i, part in enumerate(value) for item in leaves(part, (*where, i))] + ([where] if value else [])
    return [where]


def with_other(data: Any, where: tuple[Any, ...], how: str) -> None:
    """Put another value of the same kind at one place."""
    *path, last = where
    for part in path:
        data = data[part]
    old = data[last]
    if isinstance(old, list):
        data[last] = old[1:] if how == "less" else [*old, old[0]]
    elif isinstance(old, bool):
        data[last] = not old
    elif isinstance(old, int | float):
        data[last] = old + 1 if how == "less" else old * 2 + 3
    else:
        data[last] = f"{old or ''}x"


PLACES = leaves(BASE.to_dict())


EDITS = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(["less", "more"])),
    min_size=1, max_size=3, unique_by=lambda edit: edit[0],
)  # fmt: skip


def neighbour(edits: list[tuple[tuple[Any, ...], str]]) -> Evidence:
    """An evidence that differs from BASE in a few places, of any kind that the schema allows."""
    data = json.loads(json.dumps(BASE.to_dict()))
    # the deeper first, so that no place is gone before it is reached
    for where, how in sorted(edits, key=lambda edit: (-len(edit[0]), str(edit))):
        with_other(data, where, how)
    try:
        return Evidence.from_dict(data)
    except SchemaError:
        assume(False)
        raise


def mirrored(items: tuple[Change, ...]) -> list[tuple[Any, ...]]:
    return sorted((c.area, c.key, c.opposite, c.after, c.before) for c in items)


def plain(items: tuple[Change, ...]) -> list[tuple[Any, ...]]:
    return sorted((c.area, c.key, c.kind, c.before, c.after) for c in items)


@settings(max_examples=40)
@given(EDITS, EDITS)
def test_nothing_that_differs_is_left_out_and_nothing_else_is_told(edits: Any, others: Any):
    one, other = neighbour(edits), neighbour(others)
    for before, after in ((BASE, one), (one, other)):
        found = changes(before, after)
        verdicts = [replace(e, verdict=e.verdict and replace(e.verdict, report_digest="", policy_digest=""))
                    for e in (before, after)]  # fmt: skip
        if content(before) == content(after):
            assert found == ()
        elif content(verdicts[0]) != content(verdicts[1]):
            # the digests in a verdict follow from what is compared itself
            assert found


@settings(max_examples=40)
@given(EDITS, EDITS)
def test_read_backwards_the_same_is_found(edits: Any, others: Any):
    one, other = neighbour(edits), neighbour(others)
    forth, back = changes(one, other), changes(other, one)
    assert plain(back) == mirrored(forth)
    assert len(set(forth)) == len(forth)
    assert list(forth) == sorted(forth, key=lambda item: -item.weight)
    for item in forth:
        assert (item.kind == "added") <= (item.before == "")
        assert (item.kind == "removed") <= (item.after == "")
        assert item.before != item.after
        assert item.area in AREAS


@settings(max_examples=40)
@given(EDITS)
def test_a_change_comes_back_from_json(edits: Any):
    one = neighbour(edits)
    report = compare(BASE, one)
    assert ChangeReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def told(before: Evidence, after: Evidence) -> dict[str, Change]:
    found = changes(before, after)
    return {item.key: item for item in found}


def test_nothing_changed_is_nothing_told():
    assert changes(BASE, BASE) == ()
    assert changes(BASE, replace(BASE, created_at="2031-01-01")) == ()
    quoted = replace(BASE, audit=without(BASE.audit))
    assert quoted != BASE
    assert changes(BASE, quoted) == ()


def without(audit: Any) -> Any:
    """The audit without its excerpts, as it is published."""
    blank = [
        replace(result, findings=tuple(
            replace(finding, evidence=tuple(replace(row, excerpt="", related=()) if not row.related else
                    replace(row, excerpt="", related=tuple(replace(o, excerpt="") for o in row.related))
                    for row in finding.evidence)) for finding in result.findings))
        for result in audit.results
    ]  # fmt: skip
    return replace(audit, results=tuple(blank))


def test_findings_are_matched_by_code_split_and_column_and_counted():
    more = audit_of((ref("train", 23840), ref("test", 3100)), 960, 7)
    found = told(BASE, replace(BASE, audit=more))
    near = next(item for key, item in found.items() if key.startswith("finding DUP002 train/positive"))
    assert (near.kind, near.before[:7], near.after[:8]) == ("worse", "12 rows", "960 rows")
    new = next(item for key, item in found.items() if key.startswith("finding LIC001 train/license"))
    assert (new.kind, new.before) == ("added", "")
    assert not any(key.startswith("data ") for key in found)
    back = told(replace(BASE, audit=more), BASE)
    assert back[near.key].kind == "better"
    assert back[new.key].kind == "removed"
    assert back[new.key].weight < new.weight


def test_as_many_findings_in_other_rows_are_not_the_same():
    result = BASE.audit.result("DUP002")
    other = replace(result.findings[0], rows_digest="sha256:" + "0" * 64)
    results = tuple(replace(r, findings=(other,)) if r.code == "DUP002" else r for r in BASE.audit.results)
    (found,) = changes(BASE, replace(BASE, audit=replace(BASE.audit, results=results)))
    assert (found.kind, found.note) == ("changed", "as many, but other rows")
    assert found.before != found.after


def test_a_check_that_runs_no_more_weighs_more_than_one_that_runs_again():
    results = tuple(
        CheckResult(code="LEAK001", title=r.title, status="skipped", reason="no time") if r.code == "LEAK001" else r
        for r in BASE.audit.results
    )
    skipped = replace(BASE, audit=replace(BASE.audit, results=results))
    lost, gained = told(BASE, skipped)["check LEAK001"], told(skipped, BASE)["check LEAK001"]
    assert (lost.kind, lost.after) == ("worse", "skipped (no time)")
    assert (gained.kind, gained.before) == ("better", "skipped (no time)")
    assert lost.weight > gained.weight
    # the verdict says pass of a check that did not run: as shown, that is no pass
    assert told(BASE, skipped)["outcome LEAK001"].after.startswith("not checked")


def test_the_decision_and_what_now_asks_come_first():
    blocked = replace(
        BASE.verdict,
        decision="block",
        outcomes=(
            *(o for o in BASE.verdict.outcomes if o.code != "PII001"),
            Outcome(code="PII001", decision="block", rule="r", observed="9 rows in test", allowed="5"),
        ),
    )
    found = changes(BASE, replace(BASE, verdict=blocked, versions={"x": "2"}))
    assert [item.key for item in found[:2]] == ["decision", "outcome PII001"]
    assert (found[0].kind, found[0].before, found[0].after) == ("worse", "pass by waiver", "block")
    assert found[1].after == "block (9 rows in test)"
    report = compare(BASE, replace(BASE, verdict=blocked))
    assert (report.before.decision, report.before.decided, report.after.decided) == ("pass", "pass by waiver", "block")
    assert "**Decision:** pass by waiver → block." in render_changes(report, BASE, BASE, "md")
    assert found[-1].area == "software"
    assert told(replace(BASE, verdict=blocked), BASE)["outcome PII001"].kind == "better"


def metric(value: float, low: float, high: float) -> MetricComparison:
    return MetricComparison(after=Measurement(name="ndcg@10", value=value, unit="score", interval=(low, high)))


def evaluated(item: MetricComparison, **how: Any) -> Evidence:
    given = {
        "task": "retrieval",
        "dataset": ref("test", 10),
        "queries": 10,
        "documents": 10,
        "max_length": 64,
        "seed": 0,
    }
    return replace(BASE, evaluations=(EvaluationReport(metrics=(item,), **{**given, **how}),))


@pytest.mark.parametrize(
    ("after", "kind", "words"),
    [
        (metric(0.5, 0.45, 0.55), "worse", ""),
        (metric(0.7, 0.66, 0.74), "better", ""),
        (metric(0.58, 0.53, 0.63), "changed", "overlap"),
        (metric(0.62, 0.57, 0.67), "changed", "overlap"),
        (
            MetricComparison(after=Measurement(name="ndcg@10", value=0.1, unit="score")),
            "changed",
            "no interval of both",
        ),
        (MetricComparison(after=Measurement(name="ndcg@10", value=1, unit="%", interval=(0, 2))), "changed", "unit"),
    ],
)
def test_a_metric_is_worse_only_where_the_intervals_say_so(after: MetricComparison, kind: str, words: str):
    (found,) = changes(evaluated(metric(0.6, 0.56, 0.64)), evaluated(after))
    assert (found.area, found.kind) == ("evaluation", kind)
    assert words in found.note
    if after.after.interval is not None and kind != "changed":
        assert found.before == "0.6000 [0.5600, 0.6400]"


@pytest.mark.parametrize(
    ("how", "note"),
    [
        ({"dataset": ref("test", 10, "other")}, NOT_THE_SAME_DATA),
        ({"queries": 9}, "not measured in the same way, so no comparison: queries 9 and 10"),
        ({"max_length": 32}, "not measured in the same way, so no comparison: max length 32 and 64"),
    ],
)
def test_a_metric_on_other_data_is_no_comparison(how: dict[str, Any], note: str):
    found = told(evaluated(metric(0.6, 0.58, 0.62)), evaluated(metric(0.1, 0.08, 0.12), **how))
    (item,) = [item for key, item in found.items() if key.startswith("metric ")]
    assert (item.kind, item.note) == ("changed", note)
    # a lower number of which nobody knows what it means is still to be seen
    assert item.weight > 50


def test_a_person_sees_what_was_withdrawn_excused_and_who_signed():
    statements = tuple(s for s in BASE.statements if s.key != BASE.statements[0].key)
    waiver = Waiver(code="PII001", scope="test", reason="r", owner="o", approver="a", expires="2027-01-01")
    policy = replace(BASE.policy, waivers=(*BASE.policy.waivers, waiver))
    digests = {"verdict_digest": "d", "plan_digest": "p", "policy_digest": "q"}
    yes = Approval(**digests, by="Eve", role="counsel", expires="2027-02-01")
    key = SigningKey(algorithm="ec", fingerprint="sha256:" + "a" * 64)
    after = replace(BASE, statements=statements, policy=policy, signing_key=key, approvals=(yes,))
    found = told(BASE, after)
    assert found[f"statement {BASE.statements[0].key}"].kind == "removed"
    assert found["waiver PII001 test"].after == "r (owner o, approved by a, until 2027-01-01), excuses nothing here"
    assert found["approval Eve counsel"].after == "no reason told (until 2027-02-01)"
    assert found["release signing_key"].after == "ec aaaaaaaaaaaa"
    for key in (f"statement {BASE.statements[0].key}", "waiver PII001 test"):
        assert found[key].weight >= 50


def test_a_rule_that_allows_more_is_told_in_numbers():
    rules = (replace(BASE.policy.rules[0], allowed=0.5, required=False), *BASE.policy.rules[1:])
    found = told(BASE, replace(BASE, policy=replace(BASE.policy, rules=rules)))
    assert found["rule DUP002"].words == "Rule for DUP002: review above 0.001, required → review above 0.5"
    gone = told(BASE, replace(BASE, policy=replace(BASE.policy, rules=BASE.policy.rules[1:])))
    assert gone["rule DUP002"].kind == "removed"
    assert isinstance(BASE.policy.rules[0], Rule)


def test_a_license_that_turns_into_a_conflict_is_seen_first():
    calm = tuple(replace(r, result="pass") if r.code == "L3" else r for r in BASE.licenses.results)
    inputs = tuple(replace(i, license="MIT") if i.kind == "rows" else i for i in BASE.licenses.inputs)
    before = replace(BASE, licenses=replace(BASE.licenses, results=calm, inputs=inputs))
    found = changes(before, BASE)
    assert found[0].key == "license rule L3"
    assert found[0].kind == "worse"
    assert found[0].after.startswith("conflict by rows: CC-BY-SA-4.0")
    assert any(item.key == "input training rows: CC-BY-SA-4.0" and item.before.startswith("MIT") for item in found)


def test_data_trained_on_is_told_once_and_apart_where_it_differs():
    new = DatasetRef(split="train", fingerprint="sha256:" + "1" * 64, num_rows=3)
    audit = replace(BASE.audit, datasets=(new, *BASE.audit.datasets[1:]))
    both = replace(BASE, audit=audit, training=replace(BASE.training, datasets=(new,)))
    assert [item.key for item in changes(BASE, both) if item.area == "data"] == ["data train"]
    foreign = replace(both, training=replace(BASE.training, datasets=(replace(new, num_rows=4),)))
    assert [item.key for item in changes(BASE, foreign) if item.area == "data"] == ["data train", "data train"]


def test_paths_and_tokens_are_in_no_change():
    token = "hf_" + "a1B2" * 8
    after = replace(BASE, statements=(Statement(key="bias", text=f"see /home/alice/x and {token}", origin="stated"),))
    report = json.dumps(compare(BASE, after).to_dict())
    assert "alice" not in report
    assert token not in report


def judged(before: str, after: str) -> tuple[Evidence, Evidence]:
    """Two releases of which one rule was decided in these ways, "" where the rule is not there."""

    def of(decision: str) -> Evidence:
        others = tuple(o for o in BASE.verdict.outcomes if o.code != "DUP002")
        own = Outcome(
            code="DUP002", decision=decision or "pass", rule="r", observed=f"{decision} in train", allowed="0"
        )
        audit = BASE.audit
        if not decision:
            audit = replace(audit, results=tuple(r for r in audit.results if r.code != "DUP002"))
        policy = replace(BASE.policy, rules=tuple(r for r in BASE.policy.rules if decision or r.code != "DUP002"))
        verdict = replace(
            BASE.verdict, outcomes=(*others, *([own] if decision else [])), report_digest=audit.content_digest,
            policy_digest=policy.digest,
        )  # fmt: skip
        return replace(BASE, audit=audit, policy=policy, verdict=verdict)

    return of(before), of(after)


@pytest.mark.parametrize(
    ("before", "after", "states", "told"),
    [
        ("review", "block", {"updated"}, "block: observed block in train"),
        ("", "review", {"new"}, "review: observed review in train"),
        ("review", "", {"absent"}, "no more in this release; before: failure: review: observed review in train"),
        ("review", "review", set(), ""),
    ],
)
def test_sarif_and_junit_tell_only_what_is_new_updated_or_absent(before: str, after: str, states: set[str], told: str):
    one, other = judged(before, after)
    run = json.loads(sarif.render(one, other))["runs"][0]
    assert {item["baselineState"] for item in run["results"]} == states
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(ids[item["ruleIndex"]] == item["ruleId"] == "DUP002" for item in run["results"])
    root = ET.fromstring(junit.render(one, other))
    cases = list(root.iter("testcase"))
    assert [case.get("name") for case in cases] == (["DUP002 Near duplicates"] if told else [])
    assert [item.get("message", "")[: len(told)] for case in cases for item in case] == ([told] if told else [])
    assert root.get("tests") == str(len(cases))


def test_every_form_of_the_changes_is_the_same_each_time_and_says_where_it_is_cut():
    one, other = judged("review", "block")
    many = replace(other, versions={f"package{i}": "1" for i in range(200)})
    report = compare(one, many)
    for form in FORMATS:
        assert render_changes(report, one, many, form) == render_changes(report, one, many, form)
    text = render_changes(report, one, many, "md")
    assert "more changes; the whole list is in the HTML and JSON of these changes." in text
    assert "package99" not in text
    assert "package99" in render_changes(report, one, many, "html")
    assert len(json.loads(render_changes(report, one, many, "json"))["changes"]) == len(report.changes)
    with pytest.raises(DocumentError, match="known are md, html, json, sarif, junit"):
        render_changes(report, one, many, "pdf")
    unjudged = replace(one, verdict=None)
    assert forms_of(unjudged, many) == ("md", "html", "json")
    with pytest.raises(EvidenceError, match="needs an audit and its verdict"):
        render_changes(report, unjudged, many, "sarif")


HOSTILE = "<script>alert(1)</script> | **x** [y](javascript:alert(1)) @somebody {{ 1 }}\n# head"


def test_hostile_words_stay_words():
    statement = Statement(key="bias", text=HOSTILE, origin="stated", by="<b>me</b>")
    report = compare(replace(BASE, model_name="</title><img src=x>"), replace(BASE, statements=(statement,)))
    page = render_changes(report, BASE, BASE, "html")
    assert not re.search(r"<script|<img|<b>", page)
    assert "&lt;script&gt;alert(1)" in page
    text = render_changes(report, BASE, BASE, "md")
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert not re.search(r"<script|<img|<b>|<h1|href", html)
    lines = text.splitlines()
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in lines if line.startswith("| "))


def test_a_regression_against_the_published_version_is_worse_and_its_end_better():
    before, after = release("pass"), release("block")
    found = {change.key: change.kind for change in changes(before, after)}
    assert found["comparison"] == "worse"
    assert {change.key: change.kind for change in changes(after, before)}["comparison"] == "better"


def test_where_a_folder_lies_on_this_machine_is_told_by_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    deep = tmp_path / "alice" / "runs" / "one"
    deep.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "alice")
    evidence = evidence_of()
    told = {
        name: changes_since(PublishedEvidence(evidence=evidence, name=name), evidence, "now").before.name
        for name in (
            "../alice/runs/one",
            "./runs/one",
            "~/runs/one",
            "~bob/runs/one",
            str(deep),
            "..",
            "alice/../runs/one",
            "../../gone/runs/one",
            "docs-lab/model",
            "docs-lab/model@release/v1",
        )
    }
    assert {told.pop(name) for name in ("docs-lab/model", "docs-lab/model@release/v1")} == {
        "docs-lab/model",
        "docs-lab/model@release/v1",
    }
    assert told.pop("..") == "a folder of this machine"
    assert set(told.values()) == {"runs/one"}

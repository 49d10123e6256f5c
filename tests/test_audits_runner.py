"""The runner: order, needs, crashes, and the same result twice."""

from __future__ import annotations

import dataclasses

import datasets
import numpy as np
import pytest

import hf_contrastive
from audits import AuditError, CheckContext, PolicyError, SourceError, audit, open_source, run_audit
from audits.checks import discover
from audits.errors import DuplicateCodeError
from audits.findings import AuditReport, Finding, FindingRow, FindingRows, Measurement, Table
from audits.versions import installed_versions


class Tiny:
    """Counts rows."""

    code = "TINY002"
    needs: tuple[str, ...] = ()

    def run(self, source, context):
        for split in source.splits:
            rows = FindingRows.of(split, [FindingRow(split, 0, None, None, 0.5)])
            measured = Measurement(name="rows", value=source.num_rows(split), unit="rows")
            yield Finding(code=self.code, title="t", split=split, measurement=measured, total_rows=1, rows=rows)
        yield Measurement(name="seed", value=context.seed, unit="")
        yield Table(name="t", columns=("a",), rows=((1,),))


def check(name, needs=(), body=None):
    def run(self, source, context):
        return body(source, context) if body else ()

    return type("Made", (), {"__doc__": f"{name} title.", "code": name, "needs": needs, "run": run})()


def raises(error):
    def body(source, context):
        raise error
        yield

    return body


@pytest.fixture
def source():
    return open_source(datasets.Dataset.from_dict({"text": ["a", "b"]}))


def only(report):
    (result,) = report.results
    return result


def test_checks_run_in_the_order_of_their_codes(source):
    told = []
    report = run_audit(
        source, checks=[check("ZZZ001"), Tiny(), check("AAA001")], on_progress=lambda *args: told.append(args)
    )
    assert [result.code for result in report.results] == ["AAA001", "TINY002", "ZZZ001"]
    assert told == [
        ("AAA001", "AAA001 title", 0, 3),
        ("TINY002", "Counts rows", 1, 3),
        ("ZZZ001", "ZZZ001 title", 2, 3),
    ]
    assert report.datasets == source.refs
    tiny = report.result("TINY002")
    assert (tiny.status, tiny.title, len(tiny.findings), len(tiny.measurements), len(tiny.tables)) == (
        "ran",
        "Counts rows",
        1,
        1,
        1,
    )
    assert report.columns.text == "text"
    assert AuditReport.from_dict(report.to_dict()).digest == report.digest


@pytest.mark.parametrize(
    ("need", "reason"),
    [
        ("license", "needs a license column; none was named or found"),
        ("anchor", "needs an anchor column; none was named or found"),
        ("splits", "needs at least two splits; the data has one (train)"),
        ("count_tokens", "needs a tokenizer (`count_tokens`); none was given"),
        ("max_length", "needs the model's `max_length`; none was given"),
        ("target", "needs a label column, or anchors and positives; neither was named or found"),
        ("benchmarks", "needs benchmarks to compare with (`benchmarks`); none was given"),
    ],
)
def test_a_missing_need_is_a_skip_with_its_reason(source, need, reason):
    result = only(run_audit(source, checks=[check("X001", (need,), raises(RuntimeError("must not run")))]))
    assert (result.status, result.reason) == ("skipped", reason)


def test_met_needs_run(source):
    context = CheckContext(count_tokens=len, max_length=5, benchmarks={"b": ["x"]})
    needs = ("text", "texts", "encoder", "count_tokens", "max_length", "benchmarks")
    assert only(run_audit(source, checks=[check("X001", needs)], context=context)).status == "ran"


def test_the_default_encoder_is_there(source):
    def body(source, context):
        yield Measurement(name=context.encoder.name, value=context.encoder.seed, unit="")

    result = only(run_audit(source, checks=[check("X001", ("encoder",), body)], context=CheckContext(seed=7)))
    assert (result.measurements[0].name, result.measurements[0].value) == ("tfidf-svd-128", 7)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (raises(RuntimeError("broken")), "RuntimeError: broken"),
        (raises(KeyError("x")), "KeyError: 'x'"),
        (raises(MemoryError()), "MemoryError"),
        (lambda s, c: None, "TypeError"),
        (lambda s, c: ["text"], "yielded a str; allowed are Finding, Measurement, Table, SelfTest and NotJudged"),
        (lambda s, c: [Measurement(name="m", value=float("nan"), unit="")], "got nan"),
        (lambda s, c: [Measurement(name="m", value=np.int64(3), unit="")], "not of the documented shape"),
        (lambda s, c: [Measurement(name="\ud800", value=1, unit="")], "valid UTF-8"),
        (lambda s, c: Tiny().run(s, c), "yielded a finding of TINY002"),
    ],
)
def test_a_broken_check_is_errored_and_the_others_run(source, body, words):
    report = run_audit(source, checks=[check("X001", (), body), Tiny()])
    broken = report.result("X001")
    assert broken.status == "errored"
    assert words in broken.reason
    assert broken.findings == ()
    assert report.result("TINY002").status == "ran"
    assert report.digest


def test_an_unknown_need_is_an_error_of_the_check(source):
    result = only(run_audit(source, checks=[check("X001", ("telescope",))]))
    assert result.status == "errored"
    assert (
        "needs `telescope`, which does not exist; allowed are texts, splits, semantic_encoder, anchor" in result.reason
    )


def test_a_reason_shows_no_address_and_stays_short(source):
    error = ValueError("row 5 holds jane.doe@university.edu " + "x " * 500)
    reason = only(run_audit(source, checks=[check("X001", (), raises(error))])).reason
    assert "jane.doe" not in reason
    assert len(reason) <= 300


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_swallowed(source, error):
    with pytest.raises(error):
        run_audit(source, checks=[check("X001", (), raises(error()))])


def test_codes_are_unique_and_known(source):
    with pytest.raises(DuplicateCodeError, match="TINY002 is given twice"):
        run_audit(source, checks=[Tiny(), Tiny()])
    known = discover()[0].code
    with pytest.raises(AuditError, match=f"There is no check {known}X; near it are {known}"):
        run_audit(source, checks=[known + "X"])
    assert [r.code for r in run_audit(source, checks=[known]).results] == [known]


def test_audit_takes_data_and_the_options_of_open_source():
    data = datasets.DatasetDict(
        train=datasets.Dataset.from_dict({"body": ["a", "b"], "terms": ["MIT", "MIT"]}),
        test=datasets.Dataset.from_dict({"body": ["c"], "terms": ["MIT"]}),
    )
    report = audit(data, checks=[Tiny()], text_columns=["body"], license_column="terms", split="test", seed=3)
    assert [ref.split for ref in report.datasets] == ["test"]
    assert (report.columns.text, report.columns.license) == ("body", "terms")
    assert only(report).measurements[0].value == 3


def test_a_wrong_policy_shows_before_the_run():
    with pytest.raises(PolicyError):
        audit("no-such-data.csv", policy="standart", checks=[Tiny()])
    with pytest.raises(SourceError):
        audit("no-such-data.csv", policy="standard", checks=[Tiny()])


def test_same_data_and_seed_give_the_same_content():
    rows = {
        "anchor": [f"what is part {i % 15} of a thing" for i in range(40)],
        "positive": [f"it is {i}" for i in range(40)],
    }
    rows["label"] = ["a", "b"] * 20
    data = datasets.Dataset.from_dict(rows)
    first, second = audit(data, seed=1), audit(data, seed=1)
    assert first.content_digest == second.content_digest
    assert {result.status for result in first.results} <= {"ran", "skipped"}
    other = dataclasses.replace(first, versions={})
    assert other.content_digest != first.content_digest


def test_versions_name_what_results_depend_on():
    assert {"python", "numpy", "pyarrow", "datasets", "numba", "hf-contrastive"} <= set(installed_versions())


def test_a_policy_is_checked_before_the_data_is_read_and_changes_no_report(tmp_path):
    for audit_of in (audit, hf_contrastive.audit):
        with pytest.raises(PolicyError, match="`strct`"):
            audit_of(tmp_path / "no such file", policy="strct")
    data = datasets.Dataset.from_dict({"text": ["one two three", "four five six"]})
    plain, judged = (audit(data, policy=policy).content_digest for policy in (None, "strict"))
    assert plain == judged

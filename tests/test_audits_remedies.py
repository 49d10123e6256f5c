"""Remedies: the right rows go, the rest stays, and a stale report changes nothing."""

from __future__ import annotations

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits import (
    AuditReport,
    RemedyError,
    SourceError,
    audit,
    open_source,
    read_report,
    remove_duplicates,
    remove_leakage,
    remove_licenses,
    remove_listed,
    remove_rows,
    run_audit,
    write_report,
)
from audits.findings import CheckResult, Finding, FindingRow, FindingRows, Measurement, RemedyRecord
from audits.policy import Policy, Rule, judge, load_policy
from audits.source import references


def numbered(count, start=0):
    return datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(start, start + count)]})


def report_on(data, rows, status="ran"):
    """Build a report with ``{code: [(split, row, other_split, other_row)]}``."""
    results = []
    for code, listed in sorted(rows.items()):
        splits = sorted({split for split, *_ in listed})
        found = []
        for split in splits:
            own = [FindingRow(s, row, other, at, None) for s, row, other, at in listed if s == split]
            measured = Measurement(name="m", value=len(own), unit="rows")
            found.append(
                Finding(
                    code=code,
                    title="t",
                    split=split,
                    measurement=measured,
                    total_rows=len({row.row for row in own}),
                    rows=FindingRows.of(split, own),
                )
            )
        results.append(CheckResult(code=code, status=status, findings=tuple(found)))
    return AuditReport(datasets=references(data), results=tuple(results))


def texts(data):
    return {name: [int(text.split()[1]) for text in part["text"][:]] for name, part in data.items()}


@pytest.fixture
def data():
    return datasets.DatasetDict(train=numbered(10), test=numbered(4, 100))


def test_duplicates_go_and_their_representative_stays(data):
    report = report_on(
        data, {"DUP001": [("train", 5, "train", 3), ("train", 6, "train", 3)], "DUP002": [("train", 3, "train", 1)]}
    )
    before = references(data)
    cleaned, record = remove_duplicates(data, report)
    assert texts(cleaned) == {"train": [0, 1, 2, 4, 7, 8, 9], "test": [100, 101, 102, 103]}
    assert references(data) == before
    assert record.removed == {"train": (3, 5, 6)}
    assert (record.codes, record.report_digest, record.removed_rows) == (
        ("DUP001", "DUP002"),
        report.content_digest,
        3,
    )
    assert (record.before, record.after) == (before, references(cleaned))
    assert RemedyRecord.from_dict(record.to_dict()) == record
    _, record = remove_duplicates(data, report, codes=("DUP002",))
    assert (record.removed, record.codes) == ({"train": (3,)}, ("DUP002",))


def test_rows_that_name_each_other_leave_one(data):
    report = report_on(data, {"DUP001": [("train", 5, "train", 3)], "DUP002": [("train", 3, "train", 5)]})
    cleaned, record = remove_duplicates(data, report)
    assert record.removed == {"train": (5,)}
    assert 3 in texts(cleaned)["train"]


pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


@settings(max_examples=60)
@given(pairs, pairs)
def test_no_group_ever_loses_its_last_row(first, second):
    data = datasets.DatasetDict(train=numbered(10))
    listed = {
        "DUP001": [("train", a, "train", b) for a, b in first],
        "DUP002": [("train", a, "train", b) for a, b in second],
    }
    _, record = remove_duplicates(data, report_on(data, listed))
    gone = set(record.removed.get("train", ()))
    groups = [{i} for i in range(10)]
    for a, b in (*first, *second):
        joined = groups[a] | groups[b]
        for i in joined:
            groups[i] = joined
    assert gone <= {a for a, b in (*first, *second)}
    assert all(group - gone for group in groups)


def test_leakage_goes_from_the_earlier_split(data):
    report = report_on(
        data, {"LEAK001": [("train", 0, "test", 2)], "LEAK002": [("train", 9, "test", 2), ("train", 0, "test", 1)]}
    )
    cleaned, record = remove_leakage(data, report)
    assert texts(cleaned) == {"train": list(range(1, 9)), "test": [100, 101, 102, 103]}
    assert record.removed == {"train": (0, 9)}
    with pytest.raises(RemedyError, match="`keep` must be \"evaluation\", got 'training'"):
        remove_leakage(data, report, keep="training")


def test_licenses_go_from_every_split(data):
    report = report_on(
        data, {"LIC001": [("train", 1, None, None), ("test", 0, None, None)], "LIC003": [("train", 1, None, None)]}
    )
    cleaned, record = remove_licenses(data, report)
    assert record.removed == {"test": (0,), "train": (1,)}
    assert texts(cleaned)["test"] == [101, 102, 103]


def test_the_same_kind_comes_back(data, tmp_path):
    listed = {"LIC001": [("train", 0, None, None)]}
    one = data["train"]
    cleaned, _ = remove_licenses(one, report_on(one, listed))
    assert isinstance(cleaned, datasets.Dataset)
    assert cleaned.num_rows == 9
    source = open_source(data)
    again, _ = remove_licenses(source, report_on(data, listed))
    assert again.refs == references(remove_licenses(data, report_on(data, listed))[0])
    data.save_to_disk(tmp_path / "saved")
    loaded, _ = remove_licenses(tmp_path / "saved", report_on(data, listed))
    assert isinstance(loaded, datasets.DatasetDict)
    with pytest.raises(SourceError, match="stream"):
        remove_rows(one.to_iterable_dataset(), {"train": [0]})


def test_a_bare_dataset_is_known_by_its_fingerprint(data):
    one = data["train"]
    report = audit(one, split="validation", checks=[])
    listed = report_on(datasets.DatasetDict(validation=one), {"LIC001": [("validation", 2, None, None)]})
    assert listed.datasets == report.datasets
    cleaned, record = remove_licenses(one, listed)
    assert cleaned.num_rows == 9
    assert record.removed == {"train": (2,)}


def test_a_report_on_other_data_is_refused(data):
    report = report_on(data, {"DUP001": [("train", 5, "train", 3)]})
    shuffled = datasets.DatasetDict(train=data["train"].select(range(9, -1, -1)), test=data["test"])
    with pytest.raises(RemedyError, match="The report is not of this data: it saw split `train`"):
        remove_duplicates(shuffled, report)
    with pytest.raises(RemedyError, match=r"split `test` .* is not there"):
        remove_duplicates(datasets.DatasetDict(train=data["train"]), report)
    cleaned, _ = remove_duplicates(data, report)
    with pytest.raises(RemedyError, match="not of this data"):
        remove_duplicates(cleaned, report)


def test_a_check_that_did_not_run_removes_nothing_silently(data):
    report = report_on(data, {"DUP001": []}, status="skipped")
    with pytest.raises(RemedyError, match="none ran in this report"):
        remove_duplicates(data, report)
    with pytest.raises(RemedyError, match="none ran in this report"):
        remove_leakage(data, report)


def test_nothing_found_changes_nothing(data):
    cleaned, record = remove_duplicates(data, report_on(data, {"DUP001": []}))
    assert (record.removed, record.removed_rows) == ({}, 0)
    assert record.before == record.after == references(cleaned)


def test_rows_come_back_from_disk(data, tmp_path):
    report = report_on(data, {"DUP001": [("train", 5, "train", 3)]})
    write_report(report, judge(report, load_policy()), tmp_path)
    bare = AuditReport.from_dict(report.to_dict())
    with pytest.raises(RemedyError, match="read them with `read_findings"):
        remove_duplicates(data, bare)
    assert remove_duplicates(data, read_report(tmp_path))[1] == remove_duplicates(data, report)[1]


def test_a_duplicate_without_its_representative_is_refused(data):
    with pytest.raises(RemedyError, match="lists row 5 of train without the row that it repeats"):
        remove_duplicates(data, report_on(data, {"DUP001": [("train", 5, None, None)]}))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"dev": [0]}, "no split `dev`"),
        ({"train": [10]}, "Row 10 is not in split `train`, whose rows are 0 to 9"),
        ({"train": [-1]}, "Row -1 is not"),
        ({"test": range(4)}, "would remove all 4 rows of split `test`"),
    ],
)
def test_impossible_rows(data, rows, words):
    with pytest.raises(RemedyError, match=words):
        remove_rows(data, rows)


def test_rows_by_hand(data):
    cleaned, record = remove_rows(data, {"train": [2, 2, 0], "test": []}, name="by_hand", kept="the rest")
    assert texts(cleaned)["train"] == [1, *range(3, 10)]
    assert (record.name, record.kept, record.removed) == ("by_hand", "the rest", {"train": (0, 2)})


def test_the_real_checks_find_nothing_after_their_remedies():
    words = [
        *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"),
        *("iota", "kappa", "lambda", "mu", "nu", "xi", "omicron"),
    ]
    anchors = [f"what does the {words[i % 15]} {words[(i * 7) % 15]} do in part {i % 30} of it" for i in range(90)]
    positives = [f"the {words[(i * 4) % 15]} part {i % 30} is explained here at length" for i in range(90)]
    licenses = ["MIT", "Apache-2.0", "CC-BY-NC-4.0"] * 30
    rows = {"anchor": anchors, "positive": positives, "license": licenses}
    train = datasets.Dataset.from_dict(rows)
    data = datasets.DatasetDict(train=train, test=train.select([3, 4]).map(lambda row: {"license": "MIT"}))
    cleaned, _ = remove_licenses(data, audit(data, checks=["LIC001", "LIC002", "LIC003"]))
    cleaned, first = remove_duplicates(cleaned, audit(cleaned, checks=["DUP001", "DUP002"]))
    cleaned, second = remove_leakage(cleaned, audit(cleaned, checks=["LEAK001", "LEAK002"]))
    assert first.removed_rows > 0
    assert second.removed_rows > 0
    report = audit(cleaned, checks=["DUP001", "DUP002", "LEAK001", "LEAK002", "LIC001", "LIC002"])
    assert [found.code for found in report.findings] == []


def test_what_was_not_looked_at_is_not_forgotten_by_a_remedy():
    """Else a look at some rows would pass after rows of it were removed."""
    few = [f"text number {i // 2}" for i in range(40)]
    many = [f"other text number {i}" for i in range(500)]
    data = datasets.DatasetDict(
        train=datasets.Dataset.from_dict({"text": few}), test=datasets.Dataset.from_dict({"text": many})
    )
    source = open_source(data, sample=100)
    assert {ref.split: ref.unread_rows for ref in source.refs} == {"train": 0, "test": 400}
    policy = Policy(name="p", rules=(Rule(code="DUP001"),))
    cleaned, _ = remove_duplicates(source, run_audit(source, checks=["DUP001"]))
    assert {ref.split: ref.unread_rows for ref in cleaned.refs} == {"train": 0, "test": 400}
    assert judge(run_audit(cleaned, checks=["DUP001"]), policy).decision == "review"


def test_all_rows_that_a_check_lists_can_be_removed():
    texts = [f"text number {i}" for i in range(20)]
    texts[4], texts[9] = "write to ann.other@mailbox.org", "\u202egnitirw"
    data = datasets.Dataset.from_dict({"text": texts})
    found = audit(data, checks=["PII001", "TEXT001"])
    cleaned, record = remove_listed(data, found, codes=("PII001", "TEXT001"))
    assert record.removed == {"train": (4, 9)}
    assert record.codes == ("PII001", "TEXT001")
    assert audit(cleaned, checks=["PII001", "TEXT001"]).findings == ()

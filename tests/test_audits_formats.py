"""Reports on paper and on disk: literal output, sealed rows, nothing half-written."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from audits import (
    SourceError,
    SourceNotFoundError,
    audit,
    judge,
    load_policy,
    read_findings,
    read_report,
    write_report,
)
from audits.errors import SchemaError
from audits.findings import (
    AuditReport,
    CheckResult,
    Columns,
    DatasetRef,
    Finding,
    FindingRow,
    FindingRows,
    Measurement,
    SelfTest,
)
from audits.formats import formats
from audits.policy import Intent, Policy, Rule, Verdict, Waiver
from model_cards.documents import report_html
from model_cards.evidence import Evidence

POLICY = Policy(
    name="house",
    rules=(
        Rule(code="DUP001", allowed=0.1, decision="review"),
        Rule(code="LEAK001", required=True),
        Rule(code="PII001", allowed=0.01, decision="review"),
        Rule(code="TRUNC", decision="review"),
    ),
    waivers=(Waiver(code="PII001", reason="public", owner="ann", approver="bob", expires="9999-12-31"),),
)


def finding(code, split, rows, value, column=None):
    return Finding(
        code=code,
        title=f"{code} title",
        split=split,
        column=column,
        measurement=Measurement(name="share", value=value, unit="fraction", sample_size=100),
        total_rows=len({row.row for row in rows}),
        remedy="Remove the listed rows.",
        rows=FindingRows.of(split, rows),
    )


@pytest.fixture
def report():
    duplicates = [FindingRow("train", 5, "train", 3, 1.0), FindingRow("train", 2, "train", 1, 0.91)]
    addresses = [FindingRow("train", 7, None, None, None), FindingRow("train", 0, None, None, 0.5)]
    more = [FindingRow("test", 4, None, None, None)]
    return AuditReport(
        datasets=(
            DatasetRef(split="train", fingerprint="sha256:aa", num_rows=1000),
            DatasetRef(split="test", fingerprint="sha256:bb", num_rows=10),
        ),
        columns=Columns(text="text"),
        results=(
            CheckResult(
                code="DUP001",
                title="Duplicates",
                status="ran",
                findings=(finding("DUP001", "train", duplicates, 0.25),),
            ),
            CheckResult(code="LEAK001", title="Leakage", status="ran", seconds=1.5),
            CheckResult(
                code="PII001",
                title="Addresses",
                status="ran",
                findings=(
                    finding("PII001", "train", addresses, 0.02, "text"),
                    finding("PII001", "test", more, 0.001, "text"),
                ),
            ),
            CheckResult(code="TRUNC", title="Cut texts", status="skipped", reason="needs a tokenizer"),
        ),
        versions={"python": "3.11"},
    )


@pytest.fixture
def verdict(report):
    return judge(report, POLICY)


def test_the_text_is_literally_this(report, verdict):
    assert formats()["text"].render(report, verdict) == (
        "train: 1,000 rows, sha256:aa\n"
        "test: 10 rows, sha256:bb\n"
        "\n"
        "code     check       status       measured                    allowed     decision\n"
        "DUP001   Duplicates  ran          25 % in train               10 %        review\n"
        "LEAK001  Leakage     ran          no finding                  0 %         pass\n"
        "PII001   Addresses   ran          2 % in train/text           1 %         waived\n"
        "PII001   Addresses   ran          0.1 % in test/text          1 %         pass\n"
        "TRUNC    Cut texts   not checked  skipped: needs a tokenizer  not judged  -\n"
        "\n"
        "review under the policy house because of DUP001: a person must approve before publishing; "
        "3 checks ran, 1 not\n"
        "checked.\n"
        "\n"
        "What can be done:\n"
        "  DUP001 in train, 2 rows: Remove the listed rows.\n"
    )


def test_a_pass_promises_no_more_than_was_checked(report):
    clean = replace(report, results=report.results[1:2])
    verdict = judge(clean, Policy(name="p", rules=(Rule(code="LEAK001"),)))
    text = formats()["text"].render(clean, verdict)
    assert "pass under the policy p: no rule violated; 1 check ran, 0 not checked." in text


def test_what_did_not_run_reads_as_pass_in_no_format(report):
    rules = (
        Rule(code="LEAK001"),
        Rule(code="TRUNC"),
        Rule(code="DUP001", only_if_commercial=True),
        Rule(code="TRUNC", only_if_commercial=True),
    )
    clean = replace(report, results=report.results[1:])
    verdict = judge(clean, Policy(name="hobby", rules=rules, intent=Intent(commercial=False)))
    told = {
        (item["code"], item["rule"]): item for item in json.loads(formats()["json"].render(clean, verdict))["outcomes"]
    }
    unchecked = [item for item in told.values() if not item["checked"]]
    assert [item["code"] for item in unchecked] == ["TRUNC", "DUP001", "TRUNC"]
    assert all(item["observed"].startswith("not checked (") for item in unchecked)
    lines = formats()["text"].render(clean, verdict).splitlines()
    assert all("pass" not in line for line in lines if line.startswith(("TRUNC", "DUP001")))


def test_the_json_is_the_documented_one(report, verdict):
    data = json.loads(formats()["json"].render(report, verdict))
    assert list(data) == [
        "schema_version",
        "decision",
        "outcomes",
        "datasets",
        "columns",
        "results",
        "versions",
        "audited_at",
        "report_digest",
        "policy_digest",
    ]
    assert data["decision"] == "review"
    assert set(data["outcomes"][0]) == {
        "code",
        "decision",
        "rule",
        "observed",
        "allowed",
        "waiver",
        "waived_by",
        "checked",
    }
    result = data["results"][0]
    assert {"code", "status", "reason", "findings", "seconds"} <= set(result)
    assert {"code", "title", "measurement", "evidence", "total_rows", "remedy"} <= set(result["findings"][0])
    assert (data["report_digest"], data["policy_digest"]) == (report.content_digest, POLICY.digest)


@pytest.mark.parametrize("name", sorted(formats()))
def test_every_format(name, report, verdict):
    member = formats()[name]
    assert member.suffix.startswith(".")
    assert member.__doc__
    assert member.render(report, verdict) == member.render(report, verdict)
    bare = AuditReport(datasets=(), results=())
    assert member.render(bare, judge(bare, POLICY)).endswith("\n")
    foreign = replace(verdict, report_digest="sha256:00")
    with pytest.raises(SchemaError, match="The verdict is of another report"):
        member.render(report, foreign)


def test_formats_agree_on_every_number():
    """What the JSON says of each outcome and each self-test stands in every other document, word for word."""
    texts = [f"the {i}th of many sentences about number {i * i} and nothing else at all" for i in range(300)]
    texts[7], texts[9], texts[11] = texts[6], "write to ann.other@mailbox.org | `today` <b>", "x"
    found = audit(Dataset.from_dict({"anchor": texts, "positive": [f"answer {text}" for text in texts]}))
    judged = judge(found, load_policy("strict"))
    assert judged.decision == "block"
    data = json.loads(formats()["json"].render(found, judged))
    evidence = Evidence(audit=found, verdict=judged, policy=load_policy("strict"))
    plain = {
        "text": formats()["text"].render(found, judged),
        "markdown": html.unescape(formats()["markdown"].render(found, judged)),
        "html": html.unescape(re.sub(r"<[^>]+>", "", report_html.render(evidence))),
    }
    documents = {name: re.sub(r"\s+", " ", text) for name, text in plain.items()}
    table = [re.split(r" {2,}", line) for line in plain["text"].splitlines()]
    for outcome in data["outcomes"]:
        for name, text in documents.items():
            assert outcome["code"] in text, name
        if outcome["decision"] != "pass" and outcome["checked"]:
            assert all(outcome["observed"] in documents[name] for name in ("markdown", "html")), outcome
            # a narrow column wraps
            assert outcome["observed"].partition(" in ")[0] in documents["text"], outcome
            assert any(row[0] == outcome["code"] and outcome["decision"] in row for row in table)
    tested = 0
    for result in data["results"]:
        test = SelfTest.from_dict(result["self_test"]) if result["self_test"] else None
        if test is not None and test.found:
            tested += 1
            for name, text in documents.items():
                assert test.words in text, (result["code"], name)
            assert [item["value"] for item in result["self_test"]["found"]] == [item.value for item in test.found]
    assert tested >= 10
    assert all("300" in text and data["report_digest"] in text for name, text in documents.items() if name != "text")
    assert "ann.other@" not in " ".join(documents.values())


def test_markdown_shows_no_markup_of_the_data(report, verdict):
    evil = replace(report.datasets[0], split="a|b `c` <img src=x> **d** @everyone", repo_id="[x](http://evil)")
    told = replace(report, datasets=(evil,))
    text = formats()["markdown"].render(told, judge(told, POLICY))
    (row,) = [line for line in text.splitlines() if "img" in line]
    assert row.count("|") == 5
    for sign in "`<>*@[]":
        assert sign not in row


@pytest.mark.parametrize(
    "link",
    ["https://evil.org/x", "HTTP://evil.org", "ftp://evil.org", "www.evil.org", "WWW.evil.org", "GH-12", "gh-7",
     "mailto:ann@evil.org", "#12", "owner/repo#12", "@everyone", "https://github.com/o/r/issues/1"],
)  # fmt: skip
def test_markdown_makes_no_links_of_the_data(report, verdict, link):
    told = replace(report, datasets=(replace(report.datasets[0], split=f"see {link} here"),))
    text = formats()["markdown"].render(told, judge(told, POLICY))
    (row,) = [line for line in text.splitlines() if line.startswith("| see ")]
    assert html.unescape(row).startswith(f"| see {link} here |")
    assert not re.search(r"(?i)://|www\.|gh-\d|(?<!&)#\d|@|mailto:", row)


def test_written_and_read_back(report, verdict, tmp_path):
    out = tmp_path / "deep" / "out"
    paths = write_report(report, verdict, out)
    assert paths == (out / "report.json", out / "findings" / "DUP001.parquet", out / "findings" / "PII001.parquet")
    assert sorted(path for path in out.rglob("*") if path.is_file()) == sorted(paths)
    table = pq.read_table(out / "findings" / "DUP001.parquet")
    assert table.to_pylist() == [
        {"split": "train", "row": 2, "other_split": "train", "other_row": 1, "score": 0.91},
        {"split": "train", "row": 5, "other_split": "train", "other_row": 3, "score": 1.0},
    ]
    again = read_report(out)
    assert again == report
    for old, new in zip(report.findings, again.findings, strict=True):
        assert list(new.rows) == list(old.rows)


def test_writing_again_replaces_all_and_spares_the_rest(report, verdict, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write_report(report, verdict, tmp_path)
    clean = replace(report, results=report.results[1:2])
    write_report(clean, judge(clean, POLICY), tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["findings", "notes.txt", "report.json"]
    assert read_report(tmp_path) == clean


def test_a_failed_write_leaves_what_stood_there(report, verdict, tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_report(report, verdict, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    clean = replace(report, results=report.results[:1])
    real = Path.replace

    def replace_(self, target):
        if self.name == "report.json":
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace_)
    with pytest.raises(SourceError, match=r"can not be written to .* \(No space left on device\)"):
        write_report(clean, judge(clean, POLICY), out)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_can_not_be_made(report, verdict, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="name another folder"):
        write_report(report, verdict, tmp_path / "file" / "out")


def test_rows_are_sealed(report, verdict, tmp_path):
    write_report(report, verdict, tmp_path)
    bare = AuditReport.from_dict(report.to_dict())
    assert bare.findings[0].rows is None
    assert list(read_findings(bare, tmp_path).findings[0].rows) == list(report.findings[0].rows)
    with pytest.raises(SchemaError, match="read_findings"):
        write_report(bare, verdict, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    path = tmp_path / "findings" / "DUP001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "row", [[2, 6]]).cast(table.schema), path)
    with pytest.raises(SchemaError, match="are not those of this report"):
        read_report(tmp_path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(SchemaError, match="holds rows of"):
        read_report(tmp_path)
    path.write_bytes(b"PAR1")
    with pytest.raises(SchemaError, match="can not be read as the rows of DUP001"):
        read_report(tmp_path)
    path.unlink()
    with pytest.raises(SourceNotFoundError, match="with the rows of DUP001"):
        read_report(tmp_path)


def test_a_changed_report_is_refused(report, verdict, tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"There is no .*report\.json"):
        read_report(tmp_path)
    write_report(report, verdict, tmp_path)
    path = tmp_path / "report.json"
    text = path.read_text()
    path.write_text(text.replace('"num_rows": 1000', '"num_rows": 1001'))
    with pytest.raises(SchemaError, match="was changed after it was written"):
        read_report(tmp_path)
    path.write_text(text[:100])
    with pytest.raises(SchemaError, match="is no JSON"):
        read_report(tmp_path)
    path.write_text("[]")
    with pytest.raises(SchemaError, match="no JSON object"):
        read_report(tmp_path)


rows = st.lists(
    st.builds(
        FindingRow,
        st.just("train"),
        st.integers(0, 2**40),
        st.none() | st.sampled_from(("test", "train", "ü")),
        st.none() | st.integers(0, 9),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=3))
def test_any_rows_survive_the_disk(tmp_path_factory, groups):
    found = tuple(finding("X001", "train", group, 0.5, f"c{i}") for i, group in enumerate(groups))
    the_report = AuditReport(datasets=(), results=(CheckResult(code="X001", status="ran", findings=found),))
    out = tmp_path_factory.mktemp("rows")
    write_report(the_report, judge(the_report, POLICY), out)
    again = read_report(out)
    assert [list(f.rows) for f in again.findings] == [list(f.rows) for f in the_report.findings]


def test_a_verdict_survives_json(verdict):
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict

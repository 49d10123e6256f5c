"""evidence.json: it reads back as it was, and any change is found and named."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.findings import AuditReport, CheckResult, DatasetRef, Measurement
from audits.records import digest_of
from model_cards.documents import evidence_json
from model_cards.documents.evidence_json import read_evidence
from model_cards.errors import EvidenceError
from model_cards.evidence import BaseModel, EvaluationReport, Evidence, MetricComparison, Statement, TrainingRecord

REF = DatasetRef(split="train", fingerprint="sha256:0", num_rows=3)
EVIDENCE = Evidence(
    model_name="m",
    training=TrainingRecord(
        base=BaseModel(model_id="owner/base"),
        objective="InfoNCE",
        data_format="(anchor, positive)",
        max_length=32,
        embedding_dimension=8,
        seed=0,
        batch_size=2,
        steps=1,
        epochs=1.0,
        learning_rate=1e-3,
        examples=2,
        seconds=1.5,
        losses=((1, 0.5),),
        datasets=(REF,),
    ),
    evaluations=(
        EvaluationReport(
            task="retrieval",
            dataset=REF,
            queries=2,
            documents=2,
            max_length=32,
            seed=0,
            metrics=(MetricComparison(after=Measurement(name="ndcg@10", value=0.25, unit="score")),),
        ),
    ),
    audit=AuditReport(datasets=(REF,), results=(CheckResult(code="DUP001", status="ran", seconds=2.0),)),
    statements=(Statement(key="risks", text="none known", origin="stated", by="Ada"),),
    created_at="2026-11-02",
)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "evidence.json"
    path.write_text(evidence_json.render(EVIDENCE), encoding="utf-8")
    return path


def edit(path, change):
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def test_round_trip(written):
    assert read_evidence(written) == EVIDENCE
    assert read_evidence(written, expected_digest=EVIDENCE.digest).digest == EVIDENCE.digest


@settings(max_examples=30)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    number=st.floats(allow_nan=False, allow_infinity=False),
    names=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.just("1.0"), max_size=3),
)
def test_round_trip_of_any_text_and_number(text, number, names):
    measured = MetricComparison(after=Measurement(name=text, value=number, unit="score"))
    evidence = replace(
        EVIDENCE,
        model_name=text,
        versions=names,
        evaluations=(replace(EVIDENCE.evaluations[0], metrics=(measured,)),),
    )
    assert evidence_json.parse(evidence_json.render(evidence), "x") == evidence


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("training", lambda e: e["training"].update(seed=1)),
        ("evaluations", lambda e: e["evaluations"][0]["metrics"][0]["after"].update(value=0.99)),
        ("audit", lambda e: e["audit"]["results"].clear()),
        ("audit", lambda e: e["audit"]["results"][0].update(seconds=0.1)),
        ("license", lambda e: e.update(license="mit")),
        ("created_at", lambda e: e.update(created_at="2020-01-01")),
        ("statements", lambda e: e["statements"].append({"key": "bias", "text": "none", "origin": "stated"})),
        ("verdict", lambda e: e.pop("verdict")),
        ("smuggled", lambda e: e.update(smuggled=1)),
    ],
)
def test_a_change_is_found_and_named(written, field, change):
    edit(written, lambda data: change(data["evidence"]))
    with pytest.raises(EvidenceError, match=f"`{field}` does not have the digest"):
        read_evidence(written)


def test_several_changes_are_named_together(written):
    edit(written, lambda data: data["evidence"].update(license="mit", model_name="n"))
    with pytest.raises(EvidenceError, match="`license`, `model_name`"):
        read_evidence(written)


@pytest.mark.parametrize("key", ["digest", "content_digest"])
def test_a_changed_digest_is_found(written, key):
    edit(written, lambda data: data.update({key: "sha256:0"}))
    with pytest.raises(EvidenceError, match=f"its `{key}` is sha256:0"):
        read_evidence(written)


def test_a_file_rewritten_as_a_whole_needs_a_digest_kept_elsewhere(written):
    written.write_text(evidence_json.render(replace(EVIDENCE, license="mit")), encoding="utf-8")
    assert read_evidence(written).license == "mit"
    with pytest.raises(EvidenceError, match="is another one"):
        read_evidence(written, expected_digest=EVIDENCE.digest)


def test_a_wrong_type_under_right_digests_is_refused(written):
    def change(data):
        data["evidence"]["training"] = "none"
        data["digests"]["training"] = digest_of("none")
        data["digest"] = digest_of(data["evidence"])

    edit(written, change)
    with pytest.raises(EvidenceError, match=r"another shape: `Evidence.training`"):
        read_evidence(written)


def test_a_file_of_an_earlier_version_reads_with_the_defaults(written):
    def change(data):
        del data["evidence"]["approvals"], data["digests"]["approvals"]
        data["digest"] = digest_of(data["evidence"])

    edit(written, change)
    assert read_evidence(written) == EVIDENCE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no JSON"),
        (b'{"digest": "sha256', "no JSON"),
        (b"[]", "it holds list"),
        (b"{}", "it holds nothing"),
        (b'{"digest":"","content_digest":"","digests":{},"evidence":[]}', "another shape"),
        (b'{"digest":"","content_digest":"","digests":{},"evidence":{"x":NaN}}', "can not be digested"),
        (b'{"digest":"","content_digest":"","digests":{},"evidence":{"x":"\\ud800"}}', "can not be digested"),
        (b"\xff\xfe\x00", "can not be read"),
    ],
)
def test_other_content_is_refused_in_one_paragraph(tmp_path, content, words):
    path = tmp_path / "evidence.json"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=words) as caught:
        read_evidence(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"evidence\.json beside the model card"):
        read_evidence(tmp_path / "none.json")

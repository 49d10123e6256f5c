"""What the history keeps of audits and pushes, and the questions that it answers later."""

from __future__ import annotations

import json
import logging
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.errors import LineageError
from audits.findings import (
    AuditReport,
    CheckResult,
    DatasetRef,
    Finding,
    Measurement,
    RemedyRecord,
    RowEvidence,
)
from audits.intent import Intent
from audits.licenses.analysis import LicenseAnalysis, RuleResult
from audits.licenses.inputs import LicensedInput, LicenseStatement
from audits.licenses.overlays import Overlay, Position
from audits.licenses.snapshots import RepoSnapshot
from audits.policy import Approval, Policy, Rule, Verdict, Waiver, judge
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.history import HistoryError, append, read, verify
from hf_contrastive.history.payloads import without_private
from hf_contrastive.history.recheck import recheck
from hf_contrastive.history.recording import (
    or_warn,
    record_approval,
    record_audit,
    record_push,
    record_recheck,
)
from hf_contrastive.history.releases import affected, wanted
from hf_contrastive.release.sending.hub import PushReceipt
from model_cards.evidence import BaseModel, EvaluationReport, Evidence, MetricComparison, TrainingRecord

SECRET_ROW = "the row that nobody may read"
TOKEN = "hf_" + "A1b2C3d4" * 4
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "89abcdef0123456789abcdef0123456789abcdef"
WAIVER = Waiver(
    code="DUP001", reason="boiler plate", owner="Ada", approver="Grace", expires="2999-01-01", scope="train"
)


def ref(repo_id: str | None = "owner/pairs", revision: str | None = COMMIT, digit: str = "1") -> DatasetRef:
    return DatasetRef(
        repo_id=repo_id, split="train", revision=revision, fingerprint="sha256:" + digit * 64, num_rows=10
    )


def report(*refs: DatasetRef) -> AuditReport:
    measured = Measurement(name="rows", value=0.5, unit="fraction")
    finding = Finding(
        code="DUP001",
        title="Duplicates",
        split="train",
        measurement=measured,
        total_rows=5,
        evidence=(RowEvidence(split="train", row=1, excerpt=SECRET_ROW),),
    )
    failed = CheckResult(code="LIC002", status="errored", reason=f"can not read /home/ada/data.csv with {TOKEN}")
    return AuditReport(
        datasets=refs or (ref(),),
        results=(CheckResult(code="DUP001", status="ran", findings=(finding,)), failed),
        versions={"datasets": "4.0"},
    )


POLICY = Policy(name="mine", rules=(Rule(code="DUP001", allowed=0.1),), waivers=(WAIVER,))


def analysis(
    *inputs: LicensedInput, decision: Any = "pass", date: str = "2026-01-01", **results: Any
) -> LicenseAnalysis:
    codes = {f"L{number}": ("pass", "pass") for number in range(1, 19)} | results
    return LicenseAnalysis(
        decision=decision,
        results=tuple(
            RuleResult(code=code, title=code, result=pair[0], decision=pair[1]) for code, pair in codes.items()
        ),
        inputs=inputs,
        intent=Intent(outgoing_license="mit", accepted={"owner/gated": "Ada, 2026-01-01"}),
        facts_date=date,
        facts_digest="sha256:" + date,
    )


ROWS = LicensedInput(name="rows: MIT", role="training", kind="rows", license="MIT", rows=10, groups=(SECRET_ROW,))
SOURCE = LicensedInput(
    name="owner/source",
    role="training",
    kind="dataset",
    license="CC-BY-4.0",
    revision=OTHER,
    relation="source",
    parents=("owner/pairs",),
    statements=(
        LicenseStatement(
            place="license_file", where="LICENSE", text="x " + SECRET_ROW, sha256="a" * 64, concluded="MIT"
        ),
    ),
    disagreements=(f"the card says {SECRET_ROW}",),
)
BASE = LicensedInput(name="owner/base", role="base", kind="model", license="Apache-2.0", revision=COMMIT)
WRITER = LicensedInput(
    name="owner/writer", role="generator", kind="model", license="Apache-2.0", parents=("owner/pairs",)
)


def training(*refs: DatasetRef) -> TrainingRecord:
    return TrainingRecord(
        base=BaseModel(model_id="owner/base", revision=COMMIT, license="apache-2.0"),
        objective="InfoNCE",
        data_format="pairs",
        max_length=128,
        embedding_dimension=32,
        seed=0,
        batch_size=8,
        steps=2,
        epochs=1.0,
        learning_rate=1e-3,
        examples=16,
        datasets=refs,
    )


def evidence(**told: Any) -> Evidence:
    seen = told.pop("audit", None) or report()
    verdict = judge(seen, POLICY)
    approval = Approval(
        verdict_digest=verdict.digest, plan_digest="p", policy_digest=POLICY.digest, by="Grace", role="counsel"
    )
    return Evidence(
        repo_id="ada/model",
        license="mit",
        audit=seen,
        policy=POLICY,
        verdict=verdict,
        approvals=(approval,),
        **{"licenses": analysis(ROWS, SOURCE, BASE, WRITER), "training": training(ref())} | told,
    )


def receipt(commit: str = COMMIT, tag: str = "v1", repo_id: str = "ada/model") -> PushReceipt:
    return PushReceipt(
        repo_id=repo_id,
        commit=commit,
        tag=tag,
        url="http://127.0.0.1:8000/x",
        plan_digest="sha256:p",
        evidence_digest="sha256:e",
        decision="review",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "h.jsonl"


# ---- what is kept ---------------------------------------------------------------------------------------


def test_an_audit_is_two_lines(path: Path):
    seen = report()
    verdict = judge(seen, POLICY)
    audit, decided = record_audit(seen, verdict, POLICY, path=path)
    assert (audit.kind, decided.kind) == ("audit", "verdict")
    assert audit.payload["report_digest"] == decided.payload["report_digest"] == verdict.report_digest
    assert audit.payload["checks"] == {"DUP001": "ran", "LIC002": "errored"}
    assert audit.payload["datasets"][0]["fingerprint"] == "sha256:" + "1" * 64
    assert decided.payload["decision"] == verdict.decision == "review"
    assert decided.payload["policy"] == {"name": "mine", "digest": POLICY.digest}
    assert [item["code"] for item in decided.payload["outcomes"]] == ["LIC002"]
    assert verify(path, [decided.head]) == []


def test_used_waivers_are_kept_and_others_are_not(path: Path):
    unused = replace(WAIVER, code="LIC001")
    policy = replace(POLICY, waivers=(WAIVER, unused))
    seen = report()
    _, decided = record_audit(seen, judge(seen, policy), policy, path=path)
    (used,) = decided.payload["waivers"]
    assert used["waiver"] == WAIVER.to_dict()
    assert used["observed"]


def test_an_approval(path: Path):
    approval = evidence().approvals[0]
    entry = record_approval(approval, repo_id="ada/model", path=path)
    assert entry.payload["verdict_digest"] == approval.verdict_digest
    assert (entry.payload["by"], entry.payload["repo_id"]) == ("Grace", "ada/model")


def test_a_push_keeps_what_later_questions_need(path: Path):
    entry = record_push(evidence(), receipt(), path=path)
    kept = entry.payload
    assert (kept["repo_id"], kept["commit"], kept["tag"], kept["decision"]) == ("ada/model", COMMIT, "v1", "review")
    assert kept["evidence_digest"] == "sha256:e"
    assert kept["approvals"][0]["by"] == "Grace"
    assert kept["base"]["revision"] == COMMIT
    assert kept["datasets"][0]["use"] == ["trained on", "audited"]
    assert kept["licenses"]["intent"]["outgoing_license"] == "mit"
    assert (kept["licenses"]["facts_date"], kept["licenses"]["facts_digest"]) == ("2026-01-01", "sha256:2026-01-01")
    assert [item["name"] for item in kept["licenses"]["inputs"]] == [
        "rows: MIT", "owner/source", "owner/base", "owner/writer"
    ]  # fmt: skip


def test_no_row_path_or_token_is_kept(path: Path):
    local = LicensedInput(name="/home/ada/model", role="base", kind="model", license=None, reason="~/x is no id")
    told = evidence(licenses=analysis(ROWS, SOURCE, local))
    record_audit(report(), told.verdict or judge(report(), POLICY), POLICY, path=path)
    record_push(told, receipt(), path=path)
    content = path.read_text(encoding="utf-8")
    for private in (SECRET_ROW, TOKEN, "/home", "ada/data", "~/x", "127.0.0.1"):
        assert private not in content
    assert "(local path)" in content


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("owner/name", "owner/name"),
        ("https://hub.example/a/b c", "https://hub.example/a/b c"),
        ("MIT/X11 and/or 5 / 6", "MIT/X11 and/or 5 / 6"),
        ("~5 % of rows", "~5 % of rows"),
        ("/data/with space/x.csv", "(local path)"),
        ("..\\x", "(local path)"),
        ("C:\\Users\\ada\\x y.csv", "(local path)"),
        ("can not read '/home/ada/x.csv': denied", "can not read '(local path)': denied"),
        ("can not read file:///home/ada/x.csv", "can not read (local path)"),
        ("read \\\\server\\share now", "read (local path) now"),
        (f"token {TOKEN}.", "token (token)."),
    ],
)
def test_what_counts_as_private(text: str, kept: str):
    assert without_private({text: [text]}) == {kept: [kept]}


@given(st.recursive(st.text() | st.none() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_masking_twice_is_masking_once(value: Any):
    once = without_private(value)
    assert without_private(once) == once


# ---- what can not be written ----------------------------------------------------------------------------


def test_a_push_outlives_a_history_that_can_not_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "file").touch()
    refused = tmp_path / "file" / "h.jsonl"
    with pytest.raises(HistoryError):
        record_push(evidence(), receipt(), path=refused)
    assert or_warn(record_push, evidence(), receipt(), path=refused) is None
    (warned,) = caplog.records
    assert warned.levelno == logging.WARNING
    assert "history --add FILE" in warned.getMessage()
    line = json.loads(warned.getMessage().splitlines()[-1])
    assert (line["kind"], line["payload"]["commit"]) == ("push", COMMIT)


def test_what_was_recorded_is_returned(path: Path):
    entry = or_warn(record_push, evidence(), receipt(), path=path)
    assert entry is not None
    assert read(path) == (entry,)


def test_a_place_that_is_not_known_is_an_error_with_the_lines(monkeypatch: pytest.MonkeyPatch):
    def homeless(_name: str) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("HF_CONTRASTIVE_HISTORY", raising=False)
    monkeypatch.setattr("hf_contrastive.history.chain.user_state", homeless)
    with pytest.raises(HistoryError, match="HF_CONTRASTIVE_HISTORY") as caught:
        record_push(evidence(), receipt())
    assert json.loads(caught.value.pending)["kind"] == "push"


# ---- who used it ----------------------------------------------------------------------------------------


@pytest.fixture
def releases(path: Path) -> Path:
    record_push(evidence(), receipt(), path=path)
    record_push(evidence(), receipt(), path=path)  # pushed again without a change
    unknown = ref(revision=None, digit="2")
    told = evidence(audit=report(unknown), training=training(unknown), licenses=None)
    record_push(told, receipt(commit=OTHER, tag="v2"), path=path)
    local = ref(repo_id=None, revision=None, digit="3")
    told = evidence(audit=report(local), training=training(local), licenses=None)
    record_push(told, receipt(commit="c" * 40, repo_id="ada/local"), path=path)
    return path


def found(path: Path, **asked: Any) -> list[tuple[str, str, list[str]]]:
    answer = affected(read(path), wanted(**asked))
    return [(item.repo_id, item.tag, [use.how for use in item.uses]) for item in answer.releases]


def test_data_that_was_used_directly_at_any_revision(releases: Path):
    uses = ["trained on (train)", "audited (train)"]
    assert found(releases, dataset="Owner/PAIRS") == [("ada/model", "v1", uses), ("ada/model", "v2", uses)]


def test_data_at_a_revision(releases: Path):
    answer = affected(read(releases), wanted(dataset=f"owner/pairs@{COMMIT[:9]}"))
    certain = [(item.tag, [use.certain for use in item.uses]) for item in answer.releases]
    assert certain == [("v1", [True, True]), ("v2", [False, False])]
    answer = affected(read(releases), wanted(dataset="owner/pairs@fffffff"))
    assert [item.tag for item in answer.releases] == ["v2"]
    assert answer.other_revisions == (COMMIT,)


def test_data_in_the_lineage(releases: Path):
    how = ["training, through owner/pairs"]
    assert found(releases, dataset="owner/source") == [("ada/model", "v1", how)]
    assert found(releases, dataset=f"owner/source@{OTHER}") == [("ada/model", "v1", how)]
    assert found(releases, dataset=f"owner/source@{COMMIT}") == []


def test_a_fingerprint_finds_data_without_an_id(releases: Path):
    assert [item[:2] for item in found(releases, fingerprint="sha256:" + "3" * 64)] == [("ada/local", "v1")]
    assert [item[:2] for item in found(releases, fingerprint="33333333")] == [("ada/local", "v1")]
    assert found(releases, fingerprint="4" * 64) == []


def test_models_as_base_and_as_writer_of_rows(releases: Path):
    assert found(releases, model="owner/base")[0][2] == ["base"]
    assert len(found(releases, model="owner/base")) == 3
    assert found(releases, model="owner/writer") == [("ada/model", "v1", ["generator, through owner/pairs"])]
    assert found(releases, dataset="owner/base") == []


def test_rows_of_a_dataset_stay_its_rows_when_some_are_removed(path: Path):
    left = ref(repo_id=None, revision=None, digit="5")
    removal = RemedyRecord(
        name="remove", codes=("DUP001",), report_digest="r", removed={"train": (1,)}, before=(ref(),), after=(left,)
    )
    measured = EvaluationReport(
        task="retrieval",
        dataset=ref(repo_id="owner/test", digit="6"),
        queries=1,
        documents=1,
        max_length=8,
        seed=0,
        metrics=(MetricComparison(after=Measurement(name="ndcg@10", value=0.5, unit="fraction")),),
    )
    told = evidence(
        audit=report(left), training=training(left), remedies=(removal,), evaluations=(measured,), licenses=None
    )
    record_push(told, receipt(), path=path)
    assert found(path, dataset="owner/pairs") == [("ada/model", "v1", ["before removal (train)"])]
    assert found(path, dataset="owner/test") == [("ada/model", "v1", ["evaluated on (train)"])]


def test_nothing_found_is_said_with_its_limits(releases: Path):
    answer = affected(read(releases), wanted(dataset="owner/pair"))
    assert answer.releases == ()
    assert answer.near[0] == "owner/pairs"
    assert answer.unnamed == ("ada/local@v1",)
    assert affected(read(releases), wanted(dataset="other/source")).near == ("owner/source",)
    assert affected((), wanted(dataset="a/b")).releases == ()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"dataset": "a/b@main"},
        {"dataset": "a/b@"},
        {"dataset": "@0123456"},
        {"fingerprint": "1234567"},
        {"model": ""},
    ],
)
def test_questions_that_are_none(asked: dict[str, str]):
    with pytest.raises(ConfigurationError, match=r"--dataset|--fingerprint"):
        wanted(**asked)


NOTHING = st.none() | st.text()
ITEMS = st.lists(st.none() | st.dictionaries(st.sampled_from(["repo_id", "use", "name"]), st.none()))
PARTS = st.dictionaries(st.sampled_from(["inputs", "model_id", "rules"]), NOTHING | ITEMS)
KEYS = st.sampled_from(["datasets", "base", "licenses", "repo_id", "commit", "tag"])


@given(payload=st.dictionaries(KEYS, NOTHING | ITEMS | PARTS))
def test_pushes_of_another_hand_do_not_hinder_an_answer(tmp_path_factory: pytest.TempPathFactory, payload: Any):
    place = tmp_path_factory.mktemp("h") / "h.jsonl"
    append(place, "push", payload)
    record_push(evidence(), receipt(), path=place)
    assert [item[0] for item in found(place, dataset="owner/pairs")] == ["ada/model"]
    assert len(recheck(read(place), analyse=lambda *_a, **_k: analysis())) == 2


# ---- would it be decided alike today --------------------------------------------------------------------


class Today:
    """Facts under which what ``licenses`` says of an input's license is what the rules find."""

    def __init__(self, **results: Any) -> None:
        self.results = results
        self.seen: list[tuple[tuple[LicensedInput, ...], Intent, Any]] = []

    def __call__(self, inputs: Any, intent: Intent, *, overlay: Any = None) -> LicenseAnalysis:
        self.seen.append((tuple(inputs), intent, overlay))
        noncommercial = any("NC" in (item.license or "") for item in inputs)
        results = self.results | ({"L1": ("conflict", "block")} if noncommercial else {})
        decisions = [pair[1] for pair in results.values()]
        worst = "block" if "block" in decisions else "review" if "review" in decisions else "pass"
        return analysis(*inputs, decision=worst, date="2027-01-01", **results)


def test_the_same_inputs_and_intent_are_analysed_again(path: Path):
    record_push(evidence(), receipt(), path=path)
    today = Today()
    (result,) = recheck(read(path), analyse=today)
    ((inputs, intent, overlay),) = today.seen
    assert intent == evidence().licenses.intent  # type: ignore[union-attr]
    assert overlay is None
    named = ("name", "role", "kind", "license", "revision", "parents", "rows", "gated", "relation")
    for before, after in zip((ROWS, SOURCE, BASE, WRITER), inputs, strict=True):
        assert [getattr(before, name) for name in named] == [getattr(after, name) for name in named]
    assert inputs[1].statements[0].sha256 == "a" * 64
    assert len(inputs[1].disagreements) == 1
    assert (result.before, result.after, result.worse, result.rules) == ("pass", "pass", False, ())
    assert (result.facts_before, result.facts_after, result.facts_changed) == ("2026-01-01", "2027-01-01", True)


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        (("pass", "pass"), ("conflict", "block"), True),
        (("pass", "pass"), ("obligation", "pass"), True),
        (("undetermined", "review"), ("conflict", "review"), True),
        (("conflict", "block"), ("conflict", "review"), False),
        (("undetermined", "review"), ("pass", "pass"), False),
    ],
)
def test_what_changed_under_todays_facts(path: Path, before: Any, after: Any, worse: bool):
    record_push(evidence(licenses=analysis(ROWS, decision=before[1], L3=before)), receipt(), path=path)
    (result,) = recheck(read(path), analyse=Today(L3=after))
    assert [(item.code, item.before, item.after) for item in result.rules] == [("L3", before, after)]
    assert result.worse is worse


def test_a_rule_that_is_new_counts(path: Path):
    record_push(evidence(), receipt(), path=path)
    (result,) = recheck(read(path), analyse=Today(L19=("undetermined", "review")))
    assert [(item.code, item.before) for item in result.rules] == [("L19", None)]
    assert result.worse


def test_positions_count_as_recorded_unless_others_are_given(path: Path):
    overlay = Overlay(positions=(Position(license="MIT", decision="review", reason="r", by="Ada", date="2026-01-01"),))
    policy = replace(POLICY, licenses=replace(POLICY.licenses, overlay=overlay))
    record_push(replace(evidence(), policy=policy), receipt(), path=path)
    today = Today()
    recheck(read(path), analyse=today)
    recheck(read(path), analyse=today, overlay=Overlay())
    assert [item[2] for item in today.seen] == [overlay, Overlay()]


def test_a_release_without_an_analysis_is_not_a_pass(path: Path):
    record_push(evidence(licenses=None), receipt(), path=path)
    append(path, "push", {"repo_id": "a/b", "licenses": {"inputs": [{"role": "pet"}], "rules": {}}})
    without, unreadable = recheck(read(path), analyse=Today())
    assert "no license analysis" in without.problem
    assert without.after == ""
    assert "can not be read by this version" in unreadable.problem


def test_fields_of_a_later_version_are_left_out(path: Path):
    entry = record_push(evidence(), receipt(), path=path)
    payload = json.loads(json.dumps(entry.payload))
    payload["licenses"]["inputs"][0]["mood"] = "new"
    payload["licenses"]["intent"]["mood"] = "new"
    payload["commit"] = OTHER
    append(path, "push", payload)
    assert [item.problem for item in recheck(read(path), analyse=Today())] == ["", ""]


class Upstream:
    """A Hub as it is now."""

    def __init__(self, **cards: str) -> None:
        self.cards = cards

    def snapshot(self, kind: Any, repo_id: str, revision: str | None = None) -> RepoSnapshot:
        assert revision is None
        card = self.cards.get(repo_id.partition("/")[2])
        if card is None:
            msg = f"the {kind} {repo_id} does not exist"
            raise LineageError(msg)
        return RepoSnapshot(kind=kind, repo_id=repo_id, commit=OTHER, card=f"---\n{card}\n---\n".encode(), gated="no")


PAIRS = LicensedInput(
    name="owner/pairs",
    role="training",
    kind="dataset",
    license="MIT",
    revision=COMMIT,
    gated="no",
    statements=(LicenseStatement(place="card", where="license", concluded="MIT"),),
)


def test_licenses_are_looked_up_where_they_stand_now(path: Path):
    record_push(evidence(licenses=analysis(ROWS, PAIRS)), receipt(), path=path)
    (same,) = recheck(read(path), client=Upstream(pairs="license: mit"), analyse=Today())
    assert (same.worse, same.upstream, same.unread) == (False, (), ())
    (changed,) = recheck(read(path), client=Upstream(pairs="license: cc-by-nc-4.0"), analyse=Today())
    assert changed.worse
    assert changed.upstream[0].name == "owner/pairs"
    assert "was MIT and is CC-BY-NC-4.0" in changed.upstream[0].text


def test_a_source_that_a_card_names_now_counts(path: Path):
    record_push(evidence(licenses=analysis(PAIRS)), receipt(), path=path)
    hub = Upstream(pairs="license: mit\nsource_datasets:\n- owner/old", old="license: cc-by-nc-4.0")
    (result,) = recheck(read(path), client=hub, analyse=Today())
    assert [item.name for item in result.upstream] == ["owner/old"]
    assert result.worse


def test_what_can_not_be_looked_up_counts_as_recorded_and_is_told(path: Path):
    record_push(evidence(licenses=analysis(ROWS, PAIRS, SOURCE)), receipt(), path=path)
    today = Today()
    (result,) = recheck(read(path), client=Upstream(), analyse=today)
    assert [item.license for item in today.seen[0][0]] == ["MIT", "MIT", "CC-BY-4.0"]
    assert [told.partition(":")[0] for told in result.unread] == ["owner/pairs", "owner/source"]
    assert "through owner/pairs, which was not read" in result.unread[1]
    assert result.upstream == ()


def test_a_source_that_no_card_names_any_more_still_counts(path: Path):
    record_push(evidence(licenses=analysis(PAIRS, replace(SOURCE, license="CC-BY-NC-4.0"))), receipt(), path=path)
    (result,) = recheck(read(path), client=Upstream(pairs="license: mit"), analyse=Today())
    assert [(item.name, item.text) for item in result.upstream] == [
        ("owner/source", "the cards do not name it any more; it still counts")
    ]
    assert result.after == "block"


def test_what_lies_behind_an_input_that_was_not_recorded_is_not_known(path: Path):
    record_push(evidence(licenses=analysis(SOURCE)), receipt(), path=path)
    (result,) = recheck(read(path), client=Upstream(), analyse=Today())
    assert (len(result.unread), result.upstream) == (1, ())


def test_names_that_are_no_repositories_are_not_asked_for(path: Path):
    local = replace(BASE, name="the base model (local files)")
    record_push(evidence(licenses=analysis(local)), receipt(), path=path)
    (result,) = recheck(read(path), client=Upstream(), analyse=Today())
    assert (result.unread, result.upstream, result.problem) == ((), (), "")


def test_a_recheck_is_recorded(path: Path):
    record_push(evidence(), receipt(), path=path)
    entry = record_recheck(recheck(read(path), analyse=Today(L1=("conflict", "block"))), path=path)
    assert (entry.kind, entry.payload["decision"], entry.payload["releases"][0]["worse"]) == ("recheck", "block", True)
    assert verify(path, [entry.head]) == []


def test_every_field_of_an_input_is_kept_or_left_out_on_purpose():
    """A field that is new to an input must be thought of here."""
    left_out = {"groups"}
    kept = {
        "name", "role", "kind", "license", "reason", "rows", "revision", "relation", "parents", "gated", "statements",
        "disagreements", "unread",
    }  # fmt: skip
    assert {item.name for item in fields(LicensedInput)} == kept | left_out
    assert {item.name for item in fields(Verdict)} >= {"decision", "outcomes", "report_digest", "policy_digest"}

"""Frameworks: every predicate rests on the addresses that it names, every status on its predicates, no claim beyond."""

from __future__ import annotations

import copy
import datetime
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from audits.checks import discover
from audits.errors import SchemaError
from audits.findings import (
    AuditReport,
    CheckResult,
    Columns,
    DatasetRef,
    Finding,
    Measurement,
    RemedyRecord,
    SelfTest,
)
from audits.intent import Intent
from audits.licenses.analysis import LicenseAnalysis, Obligation, RuleResult
from audits.licenses.inputs import LicensedInput, LicenseStatement, Lineage
from audits.planting import plants
from audits.policy import Approval, Outcome, Policy, Rule, Verdict, Waiver
from audits.records import digest_of
from model_cards.errors import FrameworkError
from model_cards.evidence import (
    BaseModel,
    Environment,
    EvaluationReport,
    Evidence,
    MetricComparison,
    Statement,
    TrainingRecord,
)
from model_cards.frameworks import (
    FRAMEWORKS,
    assess,
    counts,
    examine,
    framework_questions,
    load_framework,
    open_questions,
    predicate_names,
    recorded,
)
from model_cards.frameworks.audit_evidence import PLANTED
from model_cards.frameworks.catalogue import parse_framework
from model_cards.frameworks.mapping import CAVEAT
from model_cards.frameworks.questions import every_question
from model_cards.frameworks.skeleton import render_skeleton
from model_cards.questions import QUESTIONS
from model_cards.render import render

COMMIT = "8f2c1d0b7a6e5f4c3b2a19080706050403020100"
SAID = (
    "direct_use", "out_of_scope_use", "limitations", "bias", "risks", "training_data", "developed_by", "contact",
    "original_compute",
)  # fmt: skip
CODES = (
    "DUP001", "DUP002", "LABEL001", "LABEL002", "LEAK001", "LEAK002", "LEAK004", "PAIR001", "PAIR002", "PAIR003",
    "PAIR005", "PAIR007", "PAIR008", "PII001", "PII002", "PII003", "PII004", "PII005", "POIS001", "POIS002", "SEC001",
    "TEXT001", "TEXT002", "TEXT003", "TEXT004",
)  # fmt: skip
CONDITIONS = {"data_alone"}
"""Predicates that only say when a clause has nothing to speak on."""

MISLEADING = re.compile(
    r"\bcompl(y|ies|iant|iance|ying)\b|\bconform|\bcertif|\bsatisf|\bfulfil|\bmeets?\b|\bno personal data\b|"
    r"\berror rate\b|\bin line with\b|\bguarantee|\badequate|\blawful|\blegally\b|\ball clear\b",
    re.IGNORECASE,
)


def ref(split, rows, salt="final"):
    return DatasetRef(
        repo_id="lab/pairs", split=split, revision=COMMIT, fingerprint=digest_of([split, rows, salt]), num_rows=rows
    )


FINAL = (ref("train", 900), ref("test", 100))
FIRST = (ref("train", 910, "raw"), ref("test", 100))


def result_of(code):
    share = Measurement(name="planted", value=0.9, unit="fraction", sample_size=40, interval=(0.8, 0.95))
    others = Measurement(name="others", value=0.01, unit="fraction", sample_size=400)
    found = (
        Finding(
            code=code, title="t", split="train", measurement=Measurement(name="n", value=3, unit="rows"), total_rows=3
        ),
    )
    return CheckResult(
        code=code,
        status="ran",
        findings=found if code in ("DUP002", "PII001") else (),
        self_test=SelfTest(found=(share,), others=others),
    )


def metric(value, interval=None):
    return Measurement(name="ndcg@10", value=value, unit="score", sample_size=100, interval=interval)


def rich(decision="review", said=SAID):
    """Return evidence on which every predicate holds, and the questions ``said`` are answered."""
    audit = AuditReport(
        datasets=FINAL,
        columns=Columns(anchor="anchor", positive="positive", label="label", license="license"),
        results=tuple(map(result_of, CODES)),
    )
    policy = Policy(
        name="mine",
        rules=(Rule(code="DUP001"),),
        waivers=(Waiver(code="DUP002", reason="r", owner="Ada", approver="Grace", expires="2027-01-01"),),
    )
    verdict = Verdict(
        decision=decision,
        outcomes=(Outcome(code="DUP001", decision=decision, rule="r", observed="3", allowed="0"),),
        report_digest=audit.digest,
        policy_digest=policy.digest,
        policy_name="mine",
    )
    approval = Approval(
        verdict_digest=verdict.digest, plan_digest="p", policy_digest=policy.digest, by="Grace", role="owner"
    )
    text = (LicenseStatement(place="license_file", where="LICENSE", text="MIT", sha256=digest_of("text")),)
    used = (("lab/pairs", "training", "dataset"), ("lab/writer", "generator", "model"), ("lab/base", "base", "model"))
    inputs = tuple(
        LicensedInput(name=name, role=role, kind=kind, license="MIT", revision=COMMIT, statements=text)
        for name, role, kind in used
    )
    training = TrainingRecord(
        base=BaseModel(
            model_id="lab/base",
            revision=COMMIT,
            weights_sha256=digest_of("base"),
            license="apache-2.0",
            license_source="model card",
            num_parameters=22_000_000,
            architecture="BertModel",
        ),
        objective="InfoNCE",
        data_format="(anchor, positive)",
        text_columns=("anchor", "positive"),
        max_length=128,
        embedding_dimension=384,
        seed=7,
        batch_size=32,
        steps=10,
        epochs=0.3,
        learning_rate=1e-4,
        examples=320,
        tokens=40_000,
        flops=1.3e13,
        flops_method="6 x parameters x tokens",
        energy_kwh=0.02,
        emissions_kg=0.005,
        energy_method="RAPL, processor alone",
        seconds=60.0,
        datasets=FINAL[:1],
        weights_sha256=digest_of("weights"),
        environment=Environment(device="CPU", versions={"torch": "2.0"}),
    )
    evaluation = EvaluationReport(
        task="retrieval",
        dataset=FINAL[1],
        queries=100,
        documents=100,
        max_length=128,
        seed=7,
        metrics=(MetricComparison(before=metric(0.6), after=metric(0.64), difference=metric(0.04, (0.02, 0.06))),),
        weights_sha256=training.weights_sha256,
    )
    return Evidence(
        model_name="m",
        payload_digest=digest_of("files"),
        license="apache-2.0",
        language=("en",),
        training=training,
        evaluations=(evaluation,),
        audit=audit,
        remedies=(
            RemedyRecord(
                name="remove_duplicates",
                codes=("DUP002",),
                report_digest="d",
                removed={"train": (1, 2)},
                before=FIRST,
                after=FINAL,
            ),
        ),
        lineage=Lineage(inputs=inputs, files=(("LICENSE", digest_of("text")),)),
        licenses=LicenseAnalysis(
            decision="pass",
            results=(RuleResult(code="L14", title="Attribution", result="obligation", decision="pass"),),
            obligations=(Obligation(code="L14", kind="notice", license="MIT", inputs=("lab/pairs",), text="lab"),),
            inputs=inputs,
            intent=Intent(),
            facts_date="2026-11-27",
        ),
        policy=policy,
        verdict=verdict,
        approvals=(approval,),
        statements=tuple(Statement(key=k, text="Words.", origin="stated", by="Ada", date="2026-11-01") for k in said),
    )


def told_all():
    """Return evidence on which every predicate holds, and every question is answered."""
    return rich(said=tuple(every_question()))


def statuses(evidence, framework):
    return {item.clause: item for item in assess(evidence, framework)}


def without(evidence, address):
    """Return the evidence without the node at ``address``, or with an empty value where the shape asks for one."""
    data = evidence.to_dict()
    *path, last = address.strip("/").split("/")
    node = data
    for step in path:
        node = node[int(step)] if isinstance(node, list) else node[step]
    key = int(last) if isinstance(node, list) else last
    value = node[key]
    emptied = copy.deepcopy(data)
    del node[key]
    try:
        return Evidence.from_dict(data)
    except SchemaError:
        node = emptied
        for step in path:
            node = node[int(step)] if isinstance(node, list) else node[step]
        node[key] = type(value)()
        return Evidence.from_dict(emptied)


def exists(evidence, address):
    node = evidence.to_dict()
    for step in address.strip("/").split("/"):
        node = node[int(step)] if isinstance(node, list) else node[step]
    return True


@pytest.fixture(scope="module")
def evidence():
    return rich()


NAMES = [name for name in predicate_names() if name not in CONDITIONS]
ON_CHECKS = [
    name for name in NAMES if any(address.startswith("/audit/results/") for address in examine(rich(), name).addresses)
]


@pytest.mark.parametrize("name", NAMES)
def test_every_predicate_holds_on_rich_evidence_and_names_where(evidence, name):
    found = examine(evidence, name)
    assert found.state == "yes", found.words
    assert found.addresses
    assert all(exists(evidence, address) for address in found.addresses)
    assert found.words.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_deleting_the_node_at_any_address_flips_the_predicate(evidence, name):
    for address in examine(evidence, name).addresses:
        assert examine(without(evidence, address), name).state != "yes", address


@pytest.mark.parametrize("name", NAMES)
def test_no_predicate_holds_on_nothing(name):
    assert examine(Evidence(), name).state == "no"
    assert examine(Evidence(), name).addresses == ()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_deleting_evidence_changes_the_status_of_the_clause(framework):
    whole = told_all()
    for status in assess(whole, framework):
        assert status.status == "present", status.clause
        for address in status.addresses:
            fewer = statuses(without(whole, address), framework)
            assert fewer[status.clause].status not in ("present", "not applicable"), (status.clause, address)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_clause_is_present_while_a_question_of_it_is_open(framework):
    whole = told_all()
    for clause in load_framework(framework).clauses:
        for key in clause.questions:
            silent = tuple(item for item in whole.statements if item.key != key)
            status = statuses(replace(whole, statements=silent, license=None), framework)[clause.id]
            assert status.status in ("partial", "human needed"), (clause.id, key)
            assert key in {item.key for item in status.open}


def test_no_clause_rests_on_measurements_alone_where_people_decide():
    measured = {"architecture_recorded", "interface_recorded", "base_pinned", "adaptation_recorded"}
    silent = {
        clause.id
        for name in FRAMEWORKS
        for clause in load_framework(name).clauses
        if not clause.questions and not set(clause.evidence) <= measured
    }
    # test sets, metrics and tools are written down: nothing in it is decided
    assert silent == {"MEASURE 2.1"}


def test_one_third_of_the_original_compute_needs_the_original(evidence):
    silent = tuple(item for item in told_all().statements if item.key != "original_compute")
    status = statuses(replace(told_all(), statements=silent), "eu-ai-act")["Guidelines: modification"]
    assert (status.status, status.evidence[0].state) == ("partial", "partial")
    assert "nobody said what the original took" in status.evidence[0].words
    untold = replace(evidence, training=replace(evidence.training, flops=None))
    assert examine(untold, "compute_against_original").state == "no"


def test_whether_the_model_does_what_it_is_for_needs_an_evaluation_and_a_decision(evidence):
    whole = told_all()
    assert statuses(whole, "nist-ai-rmf")["MANAGE 1.1"].status == "present"
    assert statuses(replace(whole, evaluations=()), "nist-ai-rmf")["MANAGE 1.1"].status == "partial"
    assert statuses(evidence, "nist-ai-rmf")["MANAGE 1.1"].status == "partial"


def with_self_test(evidence, code, self_test):
    results = tuple(
        replace(item, self_test=self_test) if item.code == code else item for item in evidence.audit.results
    )
    return replace(evidence, audit=replace(evidence.audit, results=results))


@pytest.mark.parametrize(
    ("code", "name", "clauses"),
    [
        ("PII003", "personal_data_searched", ("MEASURE 2.10", "MAP 4.1", "Art. 10(2)(b)")),
        ("POIS001", "poisoning_searched", ("MEASURE 2.7", "Annex IV 2(h)", "MANAGE 3.1")),
        ("SEC001", "secrets_searched", ("MEASURE 2.7", "Annex IV 2(h)")),
        ("TEXT001", "hidden_text_searched", ("MEASURE 2.7",)),
        ("LEAK004", "contamination_searched", ("MEASURE 2.5",)),
        ("DUP002", "duplicates_measured", ("MEASURE 2.10", "Art. 10(3)")),
    ],
)
def test_a_search_whose_recall_is_unknown_or_zero_is_partial(code, name, clauses):
    missed = Measurement(name="planted cards", value=0.0, unit="fraction", sample_size=9, interval=(0.0, 0.3))
    found = replace(missed, name="others", value=1.0)
    for self_test, words in (
        (None, f"how much {code} finds was not measured"),
        (SelfTest(reason="too few rows"), f"how much {code} finds was not measured"),
        (SelfTest(found=(found, missed)), f"{code} found none of what was planted as planted cards"),
    ):
        told = with_self_test(told_all(), code, self_test)
        assert examine(told, name).state == "partial"
        assert words in examine(told, name).words
        for framework in FRAMEWORKS:
            for clause, status in statuses(told, framework).items():
                assert status.status == "partial" or clause not in clauses, clause


def test_what_no_detector_looks_for_is_told(evidence):
    assert "Names, postal addresses" in examine(evidence, "personal_data_searched").words
    assert "Names" not in examine(Evidence(), "personal_data_searched").words


def test_gaps_of_the_data_are_not_the_checks_that_did_not_run(evidence):
    status = statuses(evidence, "eu-ai-act")["Art. 10(2)(h)"]
    assert status.status == "partial"
    assert "skipped_checks_named" not in {item.predicate for item in status.evidence}
    assert statuses(Evidence(model_name="m"), "eu-ai-act")["Art. 10(2)(h)"].status == "human needed"


def test_an_analysis_that_leaves_inputs_out_or_unknown_is_partial(evidence):
    analysis = evidence.licenses
    for inputs, words in (
        (analysis.inputs[1:], "no data that was trained on"),
        (analysis.inputs[:2], "the base model is not among"),
        ((replace(analysis.inputs[0], license=None), *analysis.inputs[1:]), "the license of lab/pairs is not known"),
    ):
        found = examine(replace(evidence, licenses=replace(analysis, inputs=inputs)), "licenses_analysed")
        assert found.state == "partial"
        assert words in found.words
    assert examine(replace(evidence, licenses=replace(analysis, inputs=())), "licenses_analysed").state == "no"


def test_texts_that_were_kept_of_some_inputs_only_are_partial(evidence):
    bare = replace(evidence.lineage.inputs[2], statements=())
    lineage = replace(evidence.lineage, inputs=(*evidence.lineage.inputs[:2], bare))
    found = examine(replace(evidence, lineage=lineage), "license_texts_kept")
    assert (found.state, "none of lab/base" in found.words) == ("partial", True)


def test_an_approval_that_had_ended_does_not_count(evidence):
    ended = replace(evidence.approvals[0], expires="2026-11-01")
    for written, state in (("", "yes"), ("2026-11-01T10:00:00Z", "yes"), ("2026-11-02T10:00:00Z", "no")):
        told = replace(evidence, approvals=(ended,), created_at=written)
        assert examine(told, "approval_recorded").state == state


def test_the_origin_of_other_data_than_was_trained_on_is_partial(evidence):
    told = replace(evidence, training=replace(evidence.training, datasets=(ref("train", 900, "other"),)))
    for name in ("data_origin_recorded", "data_types_counts"):
        assert examine(told, name).state == "partial"
        assert "did not see the data trained on as train" in examine(told, name).words


def test_an_evaluation_without_a_metric_is_not_described(evidence):
    bare = replace(evidence.evaluations[0], metrics=())
    assert examine(replace(evidence, evaluations=(bare,)), "evaluations_described").state == "no"


def test_obligations_do_not_arise_only_where_no_rule_has_one(evidence):
    listless = replace(evidence, licenses=replace(evidence.licenses, obligations=()))
    assert examine(listless, "obligations_listed").state == "no"
    passes = RuleResult(code="L1", title="t", result="pass", decision="pass")
    silent = replace(evidence, licenses=replace(listless.licenses, results=(passes,)))
    assert examine(silent, "obligations_listed").state == "moot"


@pytest.mark.parametrize("name", ["approval_recorded", "label_errors_measured", "pair_defects_measured"])
def test_what_does_not_arise_is_neither_held_against_nor_for_a_clause(evidence, name):
    audit = replace(evidence.audit, columns=Columns(text="text"))
    passed = rich("pass")
    told = replace(passed, audit=audit, verdict=replace(passed.verdict, report_digest=audit.digest))
    found = examine(told, name)
    assert found.state == "moot"
    assert all(examine(without(told, address), name).state == "no" for address in found.addresses)


def test_a_clause_of_moot_predicates_alone_is_not_present(evidence):
    clause = load_framework("eu-ai-act").clauses[0]
    only = replace(load_framework("eu-ai-act"), clauses=(replace(clause, evidence=("approval_recorded",)),))
    assert assess(rich("pass"), only)[0].status == "human needed"


@pytest.mark.parametrize("status", ["skipped", "errored"])
@pytest.mark.parametrize("name", ON_CHECKS)
def test_a_check_that_did_not_run_gives_no_evidence(evidence, name, status):
    results = tuple(CheckResult(code=item.code, status=status, reason="r") for item in evidence.audit.results)
    told = replace(evidence, audit=replace(evidence.audit, results=results))
    assert examine(told, name).state == "no"


@pytest.mark.parametrize("status", ["skipped", "errored"])
def test_one_of_two_checks_is_a_part_and_the_other_is_named(evidence, status):
    results = (CheckResult(code="DUP001", status=status, reason="r"), *evidence.audit.results[1:])
    told = replace(evidence, audit=replace(evidence.audit, results=results))
    found = examine(told, "duplicates_measured")
    assert found.state == "partial"
    assert found.addresses == ("/audit/results/1",)
    assert f"DUP001 {status}" in found.words
    assert examine(told, "audit_ran").state == ("partial" if status == "errored" else "yes")


@pytest.mark.parametrize("unread", [5, None])
def test_an_audit_of_a_sample_is_partial(evidence, unread):
    datasets = (replace(FINAL[0], unread_rows=unread), FINAL[1])
    told = replace(evidence, audit=replace(evidence.audit, datasets=datasets))
    for name in (
        "audit_ran",
        "duplicates_measured",
        "personal_data_searched",
        "self_test_measured",
        "data_types_counts",
    ):
        assert examine(told, name).state == "partial", name
    assert "not looked at" in examine(told, "duplicates_measured").words


def test_an_audit_of_other_data_or_columns_is_partial(evidence):
    for changes, words in (
        ({"datasets": (ref("train", 900, "other"),)}, "did not see the data trained on as train"),
        ({"datasets": ()}, "names no data"),
        ({"text_columns": ("anchor", "query")}, "query"),
    ):
        told = replace(evidence, training=replace(evidence.training, **changes))
        found = examine(told, "leakage_measured")
        assert found.state == "partial"
        assert words in found.words


def test_a_split_that_was_not_judged_is_partial(evidence):
    results = tuple(
        replace(item, not_judged=("test: too few rows",)) if item.code == "LABEL001" else item
        for item in evidence.audit.results
    )
    found = examine(replace(evidence, audit=replace(evidence.audit, results=results)), "label_errors_measured")
    assert found.state == "partial"
    assert "LABEL001 not judged in test: too few rows" in found.words


def test_personal_data_is_told_with_the_recall_of_its_detectors(evidence):
    words = examine(evidence, "personal_data_searched").words
    assert "PII001 1 finding, 3 rows" in words
    assert "PII002 no match (recall on planted items 0.90 [0.80, 0.95]; in real data unknown)" in words
    assert "1,000 rows" in words


def test_open_license_questions_and_unread_nodes_are_partial(evidence):
    open_ = RuleResult(code="L13", title="t", result="undetermined", decision="review")
    told = replace(evidence, licenses=replace(evidence.licenses, results=(open_,)))
    assert examine(told, "licenses_analysed").state == "partial"
    lost = replace(evidence, lineage=replace(evidence.lineage, problems=("lab/x: 404",)))
    assert examine(lost, "lineage_traced").state == "partial"
    loose = replace(evidence.lineage, inputs=(replace(evidence.lineage.inputs[0], revision=None),))
    assert examine(replace(evidence, lineage=loose), "lineage_traced").state == "partial"


def test_evaluations_of_other_or_unknown_weights_do_not_count(evidence):
    names = ("evaluations_described", "evaluation_with_interval", "before_after_compared")
    for weights, state in ((digest_of("others"), "no"), ("", "partial")):
        told = replace(evidence, evaluations=(replace(evidence.evaluations[0], weights_sha256=weights),))
        assert [examine(told, name).state for name in names] == [state] * 3
    point = replace(evidence.evaluations[0], metrics=(MetricComparison(after=metric(0.6)),))
    told = replace(evidence, evaluations=(point,))
    assert [examine(told, name).state for name in names] == ["yes", "no", "no"]
    both = replace(evidence, evaluations=(*evidence.evaluations, point))
    assert [examine(both, name).state for name in names] == ["yes", "partial", "partial"]


def test_a_foreign_verdict_and_an_unbound_approval_do_not_count(evidence):
    foreign = replace(evidence.verdict, report_digest="sha256:0")
    assert examine(replace(evidence, verdict=foreign), "verdict_reached").state == "no"
    assert examine(replace(evidence, verdict=foreign), "approval_recorded").state == "no"
    assert examine(rich("block"), "approval_recorded").state == "no"


def test_removals_that_do_not_lead_to_the_audited_data_are_partial(evidence):
    last = replace(evidence.remedies[0], after=FIRST)
    assert examine(replace(evidence, remedies=(last,)), "removals_recorded").state == "partial"
    gap = (replace(evidence.remedies[0], after=(ref("train", 1, "gap"),)), evidence.remedies[0])
    assert examine(replace(evidence, remedies=gap), "removals_recorded").state == "partial"


@pytest.mark.parametrize(
    ("tokens", "band"),
    [(999_999_999, "less than 1 billion"), (10**9, "1 billion to 10 trillion"), (10**13, "more than 10 trillion")],
)
def test_tokens_are_told_in_the_bands_of_the_template(evidence, tokens, band):
    told = replace(evidence, training=replace(evidence.training, tokens=tokens))
    assert band in examine(told, "tokens_counted").words


def test_the_compute_is_told_where_one_third_of_the_original_is_asked(evidence):
    status = statuses(evidence, "eu-ai-act")["Guidelines: modification"]
    assert "1.3e+13 FLOPs" in status.evidence[0].words
    where = f"/statements/{SAID.index('original_compute')}"
    assert status.evidence[0].addresses == ("/training/flops", "/training/flops_method", where)
    assert [item.key for item in status.open] == ["gpai_status"]
    assert "one third" in load_framework("eu-ai-act").note


def test_data_alone_has_clauses_that_do_not_apply_with_the_reason(evidence):
    alone = Evidence(audit=evidence.audit)
    for framework in FRAMEWORKS:
        told = {item.clause: item for item in assess(alone, framework)}
        silent = [item for item in told.values() if item.status == "not applicable"]
        assert silent
        assert all("data alone" in item.words and not item.evidence and not item.open for item in silent)
    assert told["Art. 10(3)"].status == "partial"
    assert all(item.state == "yes" for item in told["Art. 10(3)"].evidence)
    assert told["Annex XI, Sect. 1, 1(d)"].status == "not applicable"
    assert all(item.status != "not applicable" for item in assess(evidence, "eu-ai-act"))


def test_answers_of_people_change_the_status(evidence):
    alone = Evidence(audit=evidence.audit)
    before = {item.clause: item for item in assess(alone, "eu-ai-act")}["Art. 10(2)(a)"]
    said = Statement(key="data_design_choices", text="Pairs by file.", origin="stated", by="Ada", date="2026-11-01")
    after = {item.clause: item for item in assess(replace(alone, statements=(said,)), "eu-ai-act")}["Art. 10(2)(a)"]
    assert (before.status, after.status) == ("human needed", "present")
    assert [item.key for item in before.open] == ["data_design_choices"]
    assert [(item.answer, item.by, item.date) for item in after.answered] == [("Pairs by file.", "Ada", "2026-11-01")]
    assert after.open == ()
    blank = replace(said, text=" \n")
    assert assess(replace(alone, statements=(blank,)), "eu-ai-act") == assess(alone, "eu-ai-act")


def test_an_answer_stands_in_the_card_under_the_title_of_its_question(evidence):
    said = (
        Statement(key="data_gaps", text="Few of *them*.", origin="stated", by="Ada", date="2026-11-01"),
        Statement(key="upstream", text="Copied.", origin="copied"),
    )
    card = render(replace(evidence, statements=said), "card")
    assert "- Gaps of the data: Few of" in card
    assert "data_gaps" not in card
    assert "- Upstream: Copied." in card
    page = rendered(replace(evidence, statements=said))[0]
    assert "Gaps of the data" in page


def test_the_report_says_whose_words_the_titles_are(evidence):
    page = " ".join(rendered(evidence)[0].replace("&#39;", "'").split())
    assert "Titles of clauses are this project's own words, not those of the framework." in page
    assert "every question that the clause asks is answered" in page


def test_an_answer_alone_does_not_make_evidence_present(evidence):
    said = Statement(key="security_review", text="Looked.", origin="stated", by="Ada", date="2026-11-01")
    status = {item.clause: item for item in assess(Evidence(model_name="m", statements=(said,)), "nist-ai-rmf")}
    assert status["MEASURE 2.7"].status == "partial"


def test_open_questions_stand_once_under_their_role_with_all_clauses(evidence):
    statuses = [status for name in FRAMEWORKS for status in assess(Evidence(model_name="m"), name)]
    asked = open_questions(statuses)
    keys = [item.key for items in asked.values() for item in items]
    assert len(keys) == len(set(keys))
    assert set(framework_questions()) <= set(keys)
    assert all(item.role == role for role, items in asked.items() for item in items)
    release = next(item for item in asked["project organizer"] if item.key == "post_deployment")
    assert release.clauses == ("MANAGE 4.1", "Annex IV 9")


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_frameworks_are_sound_dated_and_use_everything(name):
    framework = load_framework(name)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    assert all(datetime.date.fromisoformat(clause.checked) <= today for clause in framework.clauses)
    assert all(source.read and source.published for source in framework.sources)
    assert {clause.source for clause in framework.clauses} == {source.key for source in framework.sources}
    assert counts(assess(told_all(), name))["present"] == len(framework.clauses)


def test_every_predicate_and_question_is_used():
    clauses = [clause for name in FRAMEWORKS for clause in load_framework(name).clauses]
    named = {name for clause in clauses for name in clause.evidence}
    named |= {item.predicate for clause in clauses for item in clause.not_applicable_if}
    assert named == set(predicate_names())
    asked = {key for clause in clauses for key in clause.questions}
    assert set(framework_questions()) <= asked
    assert not set(framework_questions()) & {item.key for item in QUESTIONS}
    assert len(every_question()) == len(framework_questions()) + len(QUESTIONS) + 1


def test_ids_have_the_form_of_their_source():
    rmf, act = (load_framework(name) for name in FRAMEWORKS)
    short = {"GOVERN": "GV", "MAP": "MP", "MEASURE": "MS", "MANAGE": "MG"}
    for clause in rmf.clauses:
        function, number = clause.id.split()
        assert re.fullmatch(r"[1-6]\.\d{1,2}", number)
        assert all(re.fullmatch(rf"{short[function]}-{re.escape(number)}-\d{{3}}", action) for action in clause.actions)
    form = r"Art\. (6|10\([2-4]\)(\([a-h]\))?|53\(1\)\(d\), [123]\.\d)|Guidelines: modification|"
    form += r"Annex (IV [1-9](\([a-h]\))?|XI, Sect\. 1, [12]\([a-f]\)|XII [12]\([a-h]\))"
    assert all(re.fullmatch(form, clause.id) for clause in act.clauses)
    assert not any(clause.actions for clause in act.clauses)


def test_the_checks_that_predicates_name_exist():
    checks = discover()
    assert set(CODES) <= {check.code for check in checks}
    assert set(PLANTED) == {code for plant in plants(checks) for code in plant.codes}


def rendered(evidence):
    """Everything that is said about frameworks on ``evidence``."""
    page = render(evidence, "report_html")
    texts = [page[page.index('<section id="frameworks"') : page.index('<section id="evidence"')]]
    for name in FRAMEWORKS:
        framework, statuses = load_framework(name), assess(evidence, name)
        texts += [str(framework.to_dict()), render_skeleton(framework, open_questions(statuses))]
        texts += [str(item.to_dict()) for item in statuses]
    return texts


def test_nothing_that_is_rendered_claims_more_than_relevance(evidence):
    cases = [evidence, told_all(), rich("pass"), Evidence(model_name="m"), Evidence(audit=evidence.audit)]
    for text in (text for case in cases for text in rendered(case)):
        assert not (claim := MISLEADING.search(text)), text[max(0, claim.start() - 80) : claim.end() + 40]


@pytest.mark.parametrize("word", ["compliant", "Compliance", "conformity", "satisfied", "No personal data", "meets"])
def test_the_search_for_misleading_words_finds_them(word):
    assert MISLEADING.search(f"The model is {word} here")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_status_says_that_applicability_was_not_assessed(evidence, framework):
    for case in (evidence, Evidence(model_name="m")):
        for status in assess(case, framework):
            assert CAVEAT in status.words
            assert status.clause in status.words


def test_assessing_is_pure_and_its_records_round_trip(evidence):
    before = evidence.digest
    for name in FRAMEWORKS:
        statuses = assess(evidence, name)
        assert statuses == assess(rich(), name)
        assert [type(item).from_dict(item.to_dict()) for item in statuses] == list(statuses)
        assert len({item.predicate for item in recorded(statuses)}) == len(recorded(statuses))
    assert evidence.digest == before


@pytest.mark.parametrize("name", ["eu-ai", "EU-AI-ACT", "nist_ai_rmf", "iso"])
def test_a_misspelt_framework_is_told_what_there_is(name):
    with pytest.raises(FrameworkError, match="known are nist-ai-rmf and eu-ai-act") as caught:
        assess(Evidence(), name)
    assert ("did you mean" in str(caught.value)) == (name != "iso")


def test_an_unknown_predicate_is_told_near_ones():
    with pytest.raises(FrameworkError, match="did you mean `duplicates_measured` for `duplicate_measured`"):
        examine(Evidence(), "duplicate_measured")


HEAD = """
id = "x"
name = "X"
note = ""
checked = 2026-11-27
[[sources]]
key = "s"
title = "S"
published = "2026-01-01"
address = ""
read = "r"
[[clauses]]
id = "1"
title = "t"
source = "s"
"""
ASKED = 'questions = ["bias"]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id = ", "can not be read"),
        ("clauses = 3", "can not be read"),
        (HEAD + 'evidnce = ["audit_ran"]', "did you mean `evidence`"),
        (HEAD, "neither evidence nor a question"),
        (HEAD + 'evidence = ["audit_run"]', "did you mean `audit_ran`"),
        (HEAD + 'questions = ["limitation"]', "did you mean `limitations`"),
        (HEAD.replace('source = "s"', 'source = "t"') + 'questions = ["bias"]', "source `t`"),
        (HEAD.replace("checked = 2026-11-27", "") + 'questions = ["bias"]', "no day"),
        (
            HEAD + 'questions = ["bias"]\n[[clauses]]\nid = "1"\ntitle = "t"\nsource = "s"\nquestions = ["bias"]',
            "twice",
        ),
    ],
)
def test_a_framework_that_is_not_sound_is_refused(text, words):
    with pytest.raises(FrameworkError, match=re.escape(words)):
        parse_framework(text, "x.toml")


def test_paths_and_control_characters_are_not_told(evidence):
    base = replace(evidence.training.base, model_id="/home/alice/model\u202e\n")
    words = examine(replace(evidence, training=replace(evidence.training, base=base)), "base_pinned").words
    assert "alice" not in words
    assert "\u202e" not in words
    assert "\n" not in words


def test_frameworks_need_no_torch():
    code = "import sys, model_cards.frameworks as f; f.assess(__import__('model_cards.evidence').evidence.Evidence(), "
    code += "'eu-ai-act'); sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0

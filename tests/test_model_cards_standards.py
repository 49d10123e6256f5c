"""Bills of materials, SARIF, JUnit and Markdown: each follows its standard and claims no more than the evidence."""

import datetime
import json
import uuid
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.findings import AuditReport, CheckResult, DatasetRef, Finding, Measurement
from audits.formats import markdown
from audits.licenses.inputs import LicensedInput, LicenseStatement
from audits.policy import Approval, Outcome, Policy, Rule, Waiver, judge
from audits.verdicts import worst
from hf_contrastive.release.contents.files import problems
from model_cards.documents import cyclonedx, junit, sarif
from model_cards.errors import DocumentError
from model_cards.evidence import EvaluationSection, Evidence, SigningKey, Statement, VersionComparison
from model_cards.finding_lines import finding_lines
from model_cards.render import render
from model_cards.standards.rulings import rulings
from model_cards.standards.values import moment
from tests.evidence_samples import HOSTILE, comparison, evidence_of, poisoned, with_digests

# ---- bill of materials --------------------------------------------------------------------------------


def bill_of(evidence):
    return json.loads(render(evidence, "cyclonedx"))


def named(bill, ref):
    return next(item for item in bill["components"] if item["bom-ref"] == ref)


def own(component, key):
    """Return the values of an own property."""
    told = component.get("properties", component.get("contents", {}).get("properties", []))
    return [item["value"] for item in told if item["name"] == f"hf-contrastive:{key}"]


def with_inputs(evidence, *inputs):
    licenses = replace(evidence.licenses, inputs=inputs)
    return replace(evidence, licenses=licenses, lineage=None)


def test_the_bill_names_model_base_and_data_with_their_identity(model_evidence):
    bill = bill_of(model_evidence)
    model = bill["metadata"]["component"]
    assert (model["type"], model["group"], model["name"]) == (
        "machine-learning-model",
        "docs-lab",
        "docstring-minilm",
    )
    base = model_evidence.training.base
    purl = f"pkg:huggingface/{base.model_id}@{base.revision}"
    assert model["pedigree"]["ancestors"][0]["purl"] == purl
    ref = f"model:{base.model_id}"
    assert named(bill, ref)["purl"] == purl
    assert own(named(bill, ref), "weights-digest") == [base.weights_sha256]
    data = named(bill, "dataset:docs-lab/docstring-pairs")
    for split, told in zip(data["data"], model_evidence.audit.datasets, strict=True):
        assert (split["name"], own(split, "rows"), own(split, "fingerprint")) == (
            told.split,
            [str(told.num_rows)],
            [told.fingerprint],
        )
    assert own(data["data"][0], "used") == ["trained on, audited"]
    assert own(data["data"][1], "used") == ["measured on, audited"]
    assert data["data"][1]["sensitiveData"] == ["PII001 E-mail addresses: 2 rows in the column positive"]
    assert {"ref": data["bom-ref"]} in model["modelCard"]["modelParameters"]["datasets"]


def test_the_graph_leads_from_the_model_to_what_everything_comes_from(model_evidence):
    bill = bill_of(model_evidence)
    graph = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert set(graph) == {"model", *(item["bom-ref"] for item in bill["components"])}
    assert graph["dataset:docs-lab/docstring-pairs"] == ["dataset:docs-lab/older-pairs"]
    assert "dataset:docs-lab/older-pairs" not in graph["model"]
    # what the model is only measured on is no part of it
    measured = LicensedInput(name="rows to evaluate on: MIT", role="evaluation", kind="rows", license="MIT")
    changed = bill_of(with_inputs(model_evidence, *model_evidence.licenses.inputs, measured))
    assert named(changed, "dataset:rows to evaluate on: MIT")
    assert all("dataset:rows to evaluate on: MIT" not in entry["dependsOn"] for entry in changed["dependencies"])


def test_the_list_never_says_that_it_is_complete(model_evidence):
    def aggregate(evidence):
        return bill_of(evidence)["compositions"][0]["aggregate"]

    assert aggregate(model_evidence) == "incomplete"
    assert aggregate(Evidence(model_name="m")) == "unknown"
    assert aggregate(with_inputs(model_evidence, *model_evidence.licenses.inputs)) == "unknown"
    unread = replace(model_evidence.licenses.inputs[0], unread=True)
    assert aggregate(with_inputs(model_evidence, unread)) == "incomplete"


def told_license(declared, concluded):
    """Return the licenses of an input that declares one and stands under another."""
    statements = (LicenseStatement(place="card", text=declared),) if declared else ()
    item = LicensedInput(name="a/b", role="training", kind="dataset", license=concluded, statements=statements)
    return named(bill_of(with_inputs(evidence_of(), item)), "dataset:a/b").get("licenses")


@pytest.mark.parametrize(
    ("declared", "concluded", "expected"),
    [
        ("", None, None),
        ("apache-2.0", "Apache-2.0", [("id", "Apache-2.0", "declared"), ("id", "Apache-2.0", "concluded")]),
        ("our own terms", None, [("name", "our own terms", "declared")]),
        ("mit", "LicenseRef-odd", [("id", "MIT", "declared"), ("name", "LicenseRef-odd", "concluded")]),
        # beside a declared license CycloneDX 1.6 has no room for an expression
        ("mit", "MIT AND CC0-1.0", [("id", "MIT", "declared"), ("name", "MIT AND CC0-1.0", "concluded")]),
    ],
)
def test_declared_and_concluded_licenses_are_told_apart(declared, concluded, expected):
    told = told_license(declared, concluded)
    if expected is None:
        assert told is None
    else:
        assert [
            (key, entry["license"][key], entry["license"]["acknowledgement"])
            for entry, (key, *_) in zip(told, expected, strict=True)
        ] == expected


def test_an_expression_alone_is_told_as_one():
    assert told_license("", "MIT OR Apache-2.0") == [
        {"expression": "MIT OR Apache-2.0", "acknowledgement": "concluded"},
    ]


def test_what_is_undetermined_has_no_concluded_license_and_says_so(model_evidence):
    older = named(bill_of(model_evidence), "dataset:docs-lab/older-pairs")
    assert "licenses" not in older
    assert own(older, "license-concluded") == ["undetermined"]
    assert own(older, "license-note") == ["The Hub answered 404."]


def test_metrics_carry_their_interval_and_where_they_were_measured(model_evidence):
    told = bill_of(model_evidence)["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    primary = model_evidence.evaluations[0].metrics[0]
    after, before, difference = told[:3]
    assert float(after["value"]) == primary.after.value
    assert "confidenceInterval" not in after  # none was measured for it
    assert float(before["value"]) == primary.before.value
    bounds = difference["confidenceInterval"]
    assert (float(bounds["lowerBound"]), float(bounds["upperBound"])) == primary.difference.interval
    assert {item["slice"] for item in told} == {"docs-lab/docstring-pairs (python), split test"}


def test_what_was_measured_beside_the_task_is_told_too(model_evidence):
    (evaluation,) = model_evidence.evaluations
    error = comparison("calibration_error", 0.2, 0.1, -0.12, -0.08)
    sections = (
        EvaluationSection(name="Calibration", metrics=(error,)),
        EvaluationSection(name="Robustness", not_computed="no perturbed queries were given"),
    )
    changed = replace(model_evidence, evaluations=(replace(evaluation, sections=sections),))
    card = bill_of(changed)["metadata"]["component"]["modelCard"]
    told = {item["type"]: item for item in card["quantitativeAnalysis"]["performanceMetrics"]}
    assert told["Calibration: calibration_error"]["value"] == "0.1"
    bounds = told["Calibration: calibration_error, difference to the base model"]["confidenceInterval"]
    assert bounds == {"lowerBound": "-0.12", "upperBound": "-0.08"}
    text = render(changed, "report_md")
    assert "| Calibration | calibration\\_error | 0.2000 | 0.1000 |" in text
    assert "Robustness was not computed: no perturbed queries were given" in text


def test_the_published_version_is_compared_by_what_differs(model_evidence):
    metric = comparison("ndcg@10", 0.7, 0.65, -0.06, -0.04)
    published = VersionComparison(
        repo_id="docs-lab/docstring-minilm", dataset=model_evidence.audit.datasets[1], queries=9, documents=9,
        max_length=128, seed=0, metrics=(metric,),
    )  # fmt: skip
    bill = bill_of(replace(model_evidence, comparison=published))
    told = bill["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert [(item["type"], item["value"]) for item in told[-2:]] == [
        ("ndcg@10 of the published version", "0.7"),
        ("ndcg@10, difference to the published version", "-0.05"),
    ]


def test_energy_is_told_only_where_it_was_measured(model_evidence):
    def energy(**changes):
        training = replace(model_evidence.training, **changes)
        card = bill_of(replace(model_evidence, training=training))["metadata"]["component"]["modelCard"]
        return card["considerations"].get("environmentalConsiderations")

    assert energy() is None
    told = energy(energy_kwh=0.02, energy_method="meter")["energyConsumptions"][0]
    assert told["activityEnergyCost"] == {"value": 0.02, "unit": "kWh"}
    assert told["energyProviders"] == []  # nobody knows
    assert "co2CostEquivalent" not in told
    with_emissions = energy(energy_kwh=0.02, emissions_kg=5.0)["energyConsumptions"][0]
    assert with_emissions["co2CostEquivalent"] == {"value": 0.005, "unit": "tCO2eq"}


def test_what_nobody_said_is_absent_and_marked_unanswered(model_evidence):
    card = bill_of(model_evidence)["metadata"]["component"]["modelCard"]
    assert set(card["considerations"]) == {"useCases"}
    assert own(card, "statement:direct_use") == ["stated by Ada"]
    assert own(card, "statement:risks") == ["unanswered"]
    said = (
        Statement(key="risks", text="May rank insults first.", origin="stated", by="Ada", date="2026-11-01"),
        Statement(key="recommendations", text="Filter.", origin="stated"),
        Statement(key="limitations", text="English only.", origin="copied", source="card"),
        Statement(key="out_of_scope_use", text="Medical search."),
    )
    card = bill_of(replace(model_evidence, statements=said))["metadata"]["component"]["modelCard"]
    assert card["considerations"] == {
        "technicalLimitations": ["English only."],
        "ethicalConsiderations": [{"name": "May rank insults first.", "mitigationStrategy": "Filter."}],
    }
    assert own(card, "statement:risks") == ["stated by Ada on 2026-11-01"]


@pytest.mark.parametrize(
    ("data_format", "expected"),
    [
        ("(anchor, positive)", "supervised"),
        ("(text, label as label)", "supervised"),
        ("(text), two views by dropout", "self-supervised"),
        ("a: (text), two views by crops; b: (anchor, positive)", None),
    ],
)
def test_the_approach_is_read_from_the_data(model_evidence, data_format, expected):
    training = replace(model_evidence.training, data_format=data_format)
    bill = bill_of(replace(model_evidence, training=training))
    parameters = bill["metadata"]["component"]["modelCard"]["modelParameters"]
    assert parameters.get("approach", {}).get("type") == expected


def test_the_serial_number_follows_the_content_and_not_the_time(model_evidence):
    first, later = bill_of(model_evidence), bill_of(replace(model_evidence, created_at="2026-12-24T08:00:00+01:00"))
    assert uuid.UUID(first["serialNumber"].removeprefix("urn:uuid:")).version == 5
    assert later["serialNumber"] == first["serialNumber"]
    assert later["metadata"]["timestamp"] == "2026-12-24T07:00:00Z"
    assert bill_of(replace(model_evidence, license="mit"))["serialNumber"] != first["serialNumber"]


@pytest.mark.parametrize("text", ["", "2026-11-02", "2026-11-02T10:00:00", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_a_moment_that_is_not_known_exactly_is_left_out(text):
    assert moment(text) is None


def test_verdict_digests_and_what_was_not_checked_go_along(model_evidence):
    signed = replace(model_evidence, signing_key=SigningKey(algorithm="ed25519", fingerprint="sha256:12"))
    model = bill_of(signed)["metadata"]["component"]
    assert own(model, "decision") == ["pass"]
    assert own(model, "report-digest") == [model_evidence.audit.content_digest]
    assert own(model, "content-digest") == [signed.content_digest]
    assert own(model, "signing-key") == ["ed25519 sha256:12"]
    assert own(model, "not-checked") == ["LAB001: errored", "TOK001: skipped", "BENCH001: never run"]
    assert own(bill_of(replace(signed, verdict=None))["metadata"]["component"], "decision") == ["not judged"]


def test_software_is_listed_as_what_made_the_model(model_evidence):
    bill = bill_of(model_evidence)
    torch = named(bill, "software:torch@2.13.0")
    assert (torch["purl"], torch["scope"]) == ("pkg:pypi/torch@2.13.0", "excluded")
    assert own(named(bill, "software:hf-contrastive@0.1.0"), "used-for") == ["audit, documents"]


def test_one_name_for_two_things_gets_two_references(model_evidence):
    first, *_ = model_evidence.training.datasets
    unnamed = [replace(first, repo_id=None, config=None, split=split) for split in ("a", "b")]
    odd = LicensedInput(name="origin not recorded", role="training", kind="rows", license="MIT")
    changed = replace(
        with_inputs(model_evidence, odd),
        training=replace(model_evidence.training, datasets=tuple(unnamed)),
        evaluations=(),
    )
    cyclonedx.validate(render(changed, "cyclonedx"))


def test_the_bill_holds_no_path_and_no_token(model_evidence):
    secret = "/home/alice/x hf_" + "a1B2" * 9
    text = render(with_digests(Evidence.from_dict(poisoned(model_evidence.to_dict(), poison=secret))), "cyclonedx")
    assert "alice" not in text
    assert "hf_a1B2" not in text
    # nor does the gate find anything in it
    assert list(problems(cyclonedx.filename, text.encode())) == []


@settings(max_examples=15)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.just(HOSTILE))
def test_any_text_keeps_the_bill_valid(text):
    evidence = evidence_of()
    base = replace(evidence.training.base, model_id=text or None, revision=text or None, license=text)
    item = LicensedInput(name=text or "x", role="generator", kind="model", license=text or None, revision=text)
    metric = Measurement(name=text, value=1, unit=text)
    changed = replace(
        with_inputs(evidence, item, item),
        training=replace(evidence.training, base=base, metrics=(metric,)),
        repo_id=text or None,
        license=text,
        versions={text: text},
        created_at=text,
        statements=(Statement(key="risks", text=text, origin="stated", by=text),),
    )
    render(changed, "cyclonedx")


def test_a_bill_that_breaks_the_standard_is_refused_with_addresses(model_evidence):
    bill = bill_of(model_evidence)
    bill["components"][0]["licenses"] = [{"license": {"id": "Not-SPDX"}}]
    bill["author"] = "Ada"
    with pytest.raises(DocumentError, match=r"CycloneDX 1\.6.*components\[0\]\.licenses"):
        cyclonedx.validate(json.dumps(bill))
    bill = bill_of(model_evidence)
    bill["dependencies"][0]["dependsOn"].append("dataset:nowhere")
    with pytest.raises(DocumentError, match="`dataset:nowhere` names no component"):
        cyclonedx.validate(json.dumps(bill))
    bill = bill_of(model_evidence)
    bill["components"][1]["bom-ref"] = bill["components"][0]["bom-ref"]
    with pytest.raises(DocumentError, match="names two components"):
        cyclonedx.validate(json.dumps(bill))
    with pytest.raises(DocumentError, match="no JSON"):
        cyclonedx.validate("{")


@pytest.mark.parametrize("address", ["https://a b", "http://[", {"not": "hashable"}, 7])
def test_an_address_that_is_none_is_refused_each_time(model_evidence, address):
    bill = bill_of(model_evidence)
    bill["components"][0]["externalReferences"] = [{"type": "website", "url": address}]
    for _ in range(2):
        with pytest.raises(DocumentError, match="externalReferences"):
            cyclonedx.validate(json.dumps(bill))


# ---- SARIF --------------------------------------------------------------------------------------------


def run_of(evidence):
    return json.loads(render(evidence, "sarif"))["runs"][0]


def judged(evidence, *outcomes, decision=None):
    """Return the evidence with these outcomes alone, and the gravest of them as the decision."""
    order = {"pass": 0, "review": 1, "block": 2}
    worst = max((item.decision for item in outcomes), key=order.__getitem__, default="pass")
    verdict = replace(evidence.verdict, decision=decision or worst, outcomes=outcomes)
    return replace(evidence, verdict=verdict)


def outcome(code, decision, observed="2 rows in test/positive", rule="more than 0 rows: review", **more):
    return Outcome(code=code, decision=decision, rule=rule, observed=observed, allowed="0 rows", **more)


LEVEL_OF = {"block": "error", "review": "warning", "pass": "note"}


@pytest.mark.parametrize("decision", list(LEVEL_OF))
def test_a_finding_has_the_level_of_what_the_policy_decides_on_its_place(model_evidence, decision):
    elsewhere = outcome("PII001", "block", observed="1 row in train/anchor")
    run = run_of(judged(model_evidence, outcome("PII001", decision), elsewhere))
    told = {item["message"]["text"][:16]: item for item in run["results"] if item["ruleId"] == "PII001"}
    assert told["E-mail addresses"]["level"] == LEVEL_OF[decision]
    assert len(told) == 2  # what is said on another place stands by itself
    rows = [item["logicalLocations"][0]["fullyQualifiedName"] for item in told["E-mail addresses"]["locations"]]
    assert rows == ["test/positive[41]", "test/positive[977]"]


def test_rows_are_found_in_the_file_that_lists_them(model_evidence):
    by_rule = {item["ruleId"]: item for item in run_of(model_evidence)["results"]}
    duplicates = by_rule["DUP002"]["locations"]
    assert {item["physicalLocation"]["artifactLocation"]["uri"] for item in duplicates} == {"findings/DUP002.parquet"}
    finding = model_evidence.audit.result("DUP002").findings[0]
    assert by_rule["DUP002"]["properties"]["rowsDigest"] == finding.rows_digest
    assert by_rule["DUP002"]["properties"]["totalRows"] == finding.total_rows
    # of this finding no rows were kept
    assert by_rule["PII001"]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "report.json"


def test_the_log_quotes_no_row(model_evidence):
    text = render(model_evidence, "sarif")
    for finding in model_evidence.audit.findings:
        for row in finding.evidence:
            assert row.excerpt not in text


def test_a_waiver_is_a_suppression_of_what_would_not_pass(model_evidence):
    excused = outcome("PII001", "pass", rule="more than 0 rows: block", waiver="accepted (Ada)")
    (result,) = [item for item in run_of(judged(model_evidence, excused))["results"] if item["ruleId"] == "PII001"]
    assert result["level"] == "error"
    assert result["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "accepted (Ada)"},
    ]
    refused = outcome("PII001", "review", waiver="not honoured: expired on 2026-01-01")
    (result,) = [item for item in run_of(judged(model_evidence, refused))["results"] if item["ruleId"] == "PII001"]
    assert "suppressions" not in result
    assert "not honoured: expired" in result["message"]["text"]


def test_a_required_check_that_did_not_run_is_an_error_and_not_silence(model_evidence):
    missing = outcome("BENCH001", "block", observed="not checked (the check is not in the report)")
    run = run_of(judged(model_evidence, missing))
    (result,) = [item for item in run["results"] if item["ruleId"] == "BENCH001"]
    assert result["level"] == "error"
    notes = {item["descriptor"]["id"]: item for item in run["invocations"][0]["toolExecutionNotifications"]}
    assert notes["LAB001"]["level"] == "error"
    assert "never run" in notes["BENCH001"]["message"]["text"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_license_rules_are_results_with_their_inputs_and_clauses(model_evidence):
    conflict = outcome("L3", "review", observed="conflict in rows: CC-BY-SA-4.0", rule="Share-alike data")
    run = run_of(judged(model_evidence, conflict))
    (result,) = [item for item in run["results"] if item["ruleId"] == "L3"]
    assert result["level"] == "warning"
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "rows: CC-BY-SA-4.0"
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == "L3"
    assert "The Adapter's License You apply" in rule["help"]["text"]


def test_fingerprints_outlive_numbers_and_tell_places_apart(model_evidence):
    def prints(evidence):
        return [item["partialFingerprints"]["hf-contrastive/v1"] for item in run_of(evidence)["results"]]

    (audited,) = [result for result in model_evidence.audit.results if result.code == "DUP002"]
    (finding,) = audited.findings
    more = replace(finding, total_rows=99, measurement=replace(finding.measurement, value=0.4))
    twice = (more, replace(more, split="test"), replace(more, column="anchor"), more)
    changed = []
    for findings in ((more,), twice):
        results = [
            replace(item, findings=findings) if item is audited else item for item in model_evidence.audit.results
        ]
        audit = replace(model_evidence.audit, results=tuple(results))
        changed.append(with_digests(replace(model_evidence, audit=audit)))
    before, after, several = map(prints, (model_evidence, *changed))
    assert before == after
    assert len(set(several)) == len(several) == len(before) + 3


def test_a_run_stays_within_what_code_scanning_takes(model_evidence, monkeypatch):
    monkeypatch.setattr("model_cards.standards.sarif_results.MOST_RESULTS", 3)
    many = [outcome("*", "review", rule=f"rule {i}") for i in range(5)]
    run = run_of(judged(model_evidence, *many, outcome("TRAINING", "block", rule="the training was recorded")))
    assert [item["level"] for item in run["results"]] == ["error", "warning", "warning"]
    last = run["invocations"][0]["toolExecutionNotifications"][-1]
    # of eight results, two findings among them
    assert last["message"]["text"].startswith("5 more results are left out")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda log: log["runs"][0]["results"][0].pop("locations"), r"results\[0\].*lacks the keys locations"),
        (lambda log: log["runs"][0]["results"][0].update(level="fatal"), r"level.*'fatal'"),
        (lambda log: log["runs"][0]["results"][0].update(ruleIndex=99), "the place of another"),
        (lambda log: log["runs"][0]["results"].append(log["runs"][0]["results"][0]), "fingerprint of another"),
        (lambda log: log["runs"][0]["tool"]["driver"]["rules"].append({"id": "x"}), "lacks the keys"),
        (lambda log: log.update(version="2.0.0"), "allowed is '2.1.0'"),
    ],
)
def test_a_log_that_breaks_the_standard_is_refused(model_evidence, change, words):
    log = json.loads(render(model_evidence, "sarif"))
    change(log)
    with pytest.raises(DocumentError, match=words):
        sarif.validate(json.dumps(log))


# ---- JUnit --------------------------------------------------------------------------------------------


def cases_of(evidence):
    """Return (tag, type, message, output) of each test case by its name."""
    root = ET.fromstring(render(evidence, "junit"))
    cases = {}
    for case in root.iter("testcase"):
        told = next((case.find(tag) for tag in ("failure", "error", "skipped") if case.find(tag) is not None), None)
        kind = ("passed", None, "") if told is None else (told.tag, told.get("type"), told.get("message"))
        cases[case.get("name")] = (*kind, case.findtext("system-out", ""))
    return cases


def test_decisions_are_failures_by_type_and_what_was_not_checked_is_skipped(model_evidence):
    cases = cases_of(
        judged(
            model_evidence,
            outcome("PII001", "review"),
            outcome("DUP002", "block", observed="5 % in train/positive"),
            outcome("LEAK001", "pass", observed="no finding"),
            outcome("BENCH001", "block", observed="not checked (the check is not in the report)"),
            outcome("TOK001", "pass", observed="not checked (skipped: no tokenizer)"),
        )
    )
    assert cases["PII001 Personal data"][:2] == ("failure", "review")
    assert cases["PII001 Personal data"][2] == "review: observed 2 rows in test/positive, allowed 0 rows"
    assert cases["DUP002 Near duplicates"][:2] == ("failure", "block")
    assert cases["BENCH001"][:2] == ("failure", "block")
    assert cases["LEAK001 Rows shared between splits"][0] == "passed"
    assert cases["TOK001 Text cut by the tokenizer"][0] == "skipped"
    assert "no tokenizer" in cases["TOK001 Text cut by the tokenizer"][2]
    assert cases["LIC001 Licenses of the rows"][:3] == ("skipped", None, "no rule of the policy judges it")


def test_a_waiver_passes_what_ran_and_skips_what_did_not(model_evidence):
    cases = cases_of(
        judged(
            model_evidence,
            outcome("PII001", "pass", waiver="accepted (Ada)"),
            outcome("LAB001", "pass", observed="not checked (errored)", waiver="no labels (Ada)"),
        )
    )
    assert cases["PII001 Personal data"][0] == "passed"
    assert "excused by waiver: accepted (Ada)" in cases["PII001 Personal data"][3]
    assert cases["LAB001 Label noise"][0] == "skipped"
    assert "excused by waiver: no labels (Ada)" in cases["LAB001 Label noise"][2]


def test_a_crash_is_an_error_and_no_skip(model_evidence):
    text = render(judged(model_evidence, outcome("LAB001", "pass", observed="not checked (errored)")), "junit")
    root = ET.fromstring(text)
    (crashed,) = [case for case in root.iter("testcase") if case.find("error") is not None]
    assert crashed.get("name") == "LAB001 Label noise"
    assert crashed.find("error").get("type") == "errored"
    assert root.get("errors") == "1"


def test_rules_on_licenses_and_on_the_release_have_suites_of_their_own(model_evidence):
    evidence = judged(
        model_evidence,
        outcome("L3", "review", observed="conflict"),
        outcome("L13", "pass", observed="undetermined in docs-lab/older-pairs"),
        outcome("TRAINING", "review", rule="the training was recorded"),
        outcome("*", "review", rule="every row is read"),
        outcome("*", "review", rule="every row is read"),
        outcome("VERSION", "pass", rule="no worse", observed="not checked (nothing was compared)"),
    )
    root = ET.fromstring(render(evidence, "junit"))
    suites = {suite.get("name"): [case.get("name") for case in suite.iter("testcase")] for suite in root}
    assert suites["hf-contrastive.licenses"] == ["L3 Share-alike data", "L13 Licenses that are not known"]
    assert suites["hf-contrastive.release"] == [
        "TRAINING the training was recorded",
        "POLICY every row is read",
        "POLICY every row is read (2)",
        "VERSION no worse",
    ]
    cases = cases_of(evidence)
    assert cases["L13 Licenses that are not known"][0] == "skipped"
    assert cases["VERSION no worse"][0] == "skipped"


def test_times_and_digests_are_those_of_the_evidence(model_evidence):
    root = ET.fromstring(render(model_evidence, "junit"))
    seconds = {case.get("name").split()[0]: float(case.get("time")) for case in root.iter("testcase")}
    assert {result.code: result.seconds for result in model_evidence.audit.results}.items() <= seconds.items()
    told = {item.get("name"): item.get("value") for item in root.find("testsuite").iter("property")}
    assert told["report_digest"] == model_evidence.audit.content_digest
    assert told["content_digest"] == model_evidence.content_digest


@settings(max_examples=30)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.text("\x00\x08\x1b\ufffe<&]]>\"'", max_size=9)
)
def test_any_text_stays_xml(text):
    evidence = evidence_of()
    results = tuple(replace(item, title=text, reason=text) for item in evidence.audit.results)
    changed = judged(
        replace(evidence, audit=replace(evidence.audit, results=results)),
        outcome("PII001", "review", observed=text, rule=text),
        outcome("TRAINING", "pass", waiver=text, rule=text),
    )
    render(with_digests(changed), "junit")
    render(with_digests(changed), "sarif")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('skipped="4"', 'skipped="0"', "says skipped 0, and 4 are there"),
        ('name="DUP002 Near duplicates"', 'name="LAB001 Label noise"', "no name of its own"),
        ("testsuites", "tests", "root is <tests>"),
        ("</testsuites>", "", "no XML"),
        ("<skipped", '<failure message="x" /><skipped', "told in two ways"),
    ],
)
def test_a_file_whose_counts_or_cases_are_wrong_is_refused(model_evidence, old, new, words):
    text = render(model_evidence, "junit")
    assert old in text
    with pytest.raises(DocumentError, match=words):
        junit.validate(text.replace(old, new))


# ---- Markdown -----------------------------------------------------------------------------------------


def test_an_audit_alone_is_told_as_the_audit_tells_it(model_evidence):
    alone = Evidence(audit=model_evidence.audit, policy=model_evidence.policy, verdict=model_evidence.verdict)
    assert render(alone, "report_md") == markdown.render(alone.audit, alone.verdict)
    with pytest.raises(DocumentError, match=r"report\.md"):
        render(Evidence(audit=model_evidence.audit), "report_md")


def test_what_a_reviewer_must_see_comes_first(model_evidence):
    open_ = judged(model_evidence, outcome("PII001", "block"), outcome("LAB001", "review", observed="not checked"))
    approval = Approval(
        verdict_digest=open_.verdict.digest, plan_digest="p", policy_digest="q", by="Grace", role="DPO", reason="Fine."
    )
    other = replace(approval, verdict_digest="sha256:0", reason="Also fine.")
    text = render(replace(open_, approvals=(approval, other)), "report_md")
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "To be resolved",
        "Not checked",
        "Waivers",
        "Approvals",
        "Licenses of the inputs",
        "License rules that need somebody",
        "What must go along",
        "Evaluation: retrieval",
        "Data that was audited",
        "Checks",
        "Digests",
    ]
    assert "- block: PII001: observed 2 rows in test/positive, allowed 0 rows. Mask the addresses." in text
    assert "- Grace (DPO): Fine.; no yes here: no approval lifts a block." in text
    assert "who gave it is not proven" in text


def large(evidence, count, text):
    """Return the evidence with many findings, inputs and outcomes, each with a long text."""
    inputs = tuple(
        LicensedInput(name=f"owner/data-{i}", role="training", kind="dataset", license=None, reason=text)
        for i in range(count)
    )
    (audited,) = [result for result in evidence.audit.results if result.code == "DUP002"]
    finding = audited.findings[0]
    row = replace(finding.evidence[0], excerpt=text)
    findings = tuple(replace(finding, column=f"c{i}", remedy=text, evidence=(row,) * 5) for i in range(count))
    results = [replace(item, findings=findings) if item is audited else item for item in evidence.audit.results]
    audit = replace(evidence.audit, results=tuple(results))
    outcomes = [outcome("DUP002", "review", observed=f"{text} in train/c{i}") for i in range(count)]
    changed = replace(evidence, audit=audit, licenses=replace(evidence.licenses, inputs=inputs), lineage=None)
    return with_digests(judged(changed, *outcomes))


@pytest.mark.parametrize("count", [150, 300])
@pytest.mark.parametrize("text", ["plain words " * 30, "|*`_[<&" * 60])
def test_no_report_is_longer_than_a_comment_and_what_is_left_out_is_counted(model_evidence, count, text):
    pushed = large(model_evidence, count, text)
    alone = Evidence(audit=pushed.audit, policy=pushed.policy, verdict=pushed.verdict)
    for evidence in (pushed, alone):
        told = render(evidence, "report_md")
        assert len(told.encode()) <= 65_536
        assert "more" in told
        assert evidence.verdict.report_digest in told


def test_no_account_is_told_of_a_comment(model_evidence):
    text = render(replace(model_evidence, model_name="@octocat/model", license="x@y"), "report_md")
    assert "@octocat" not in text
    assert "@\u2060octocat/model" in text


# ---- invariants ---------------------------------------------------------------------------------------

CODES = st.sampled_from(["DUP001", "PII001", "LEAK001", "TEXT001"])
PLACES = st.tuples(st.sampled_from(["train", "test", "x in train"]), st.sampled_from([None, "anchor", "a in b"]))


@st.composite
def judged_audits(draw):
    """Return an evidence with any findings, checks that did not run, rules and waivers, as they are judged."""
    results = []
    for code in draw(st.lists(CODES, unique=True, max_size=4)):
        places = draw(st.lists(PLACES, unique=True, max_size=3))
        measurements = [Measurement(name="share", value=draw(st.sampled_from([0.0, 0.2, 0.9])), unit="fraction")] * 3
        findings = tuple(
            Finding(code=code, title=code, split=split, column=column, measurement=measurement, total_rows=2)
            for (split, column), measurement in zip(places, measurements, strict=False)
        )
        status = draw(st.sampled_from(["ran", "ran", "ran", "skipped", "errored"]))
        results.append(CheckResult(code=code, status=status, findings=findings if status == "ran" else (), reason="r"))
    rules = st.builds(
        Rule, code=CODES, allowed=st.sampled_from([0.1, 0.5]), decision=st.sampled_from(["review", "block"]),
        required=st.booleans(), measurement=st.sampled_from([None, None, "share"]),
    )  # fmt: skip
    scopes = st.sampled_from(["*", "train", "test/anchor"])
    waivers = st.builds(
        Waiver, code=CODES, scope=scopes, reason=st.just("r"), owner=st.just("Ada"), approver=st.just("Grace"),
        expires=st.just("2027-01-31"),
    )  # fmt: skip
    policy = Policy(
        name="any",
        rules=tuple(draw(st.lists(rules, max_size=4))),
        waivers=tuple(draw(st.lists(waivers, max_size=2))),
    )
    data = tuple(DatasetRef(split=split, fingerprint=split, num_rows=9) for split in ("train", "test", "x in train"))
    audit = AuditReport(datasets=data, results=tuple(results))
    verdict = judge(audit, policy, today=datetime.date(2026, 11, 27))
    return Evidence(audit=audit, policy=policy, verdict=verdict)


@settings(max_examples=150)
@given(evidence=judged_audits())
def test_no_tool_is_told_a_milder_or_a_graver_verdict(evidence):
    decision = evidence.verdict.decision
    found = rulings(evidence)
    assert worst(item.decision for item in found) == decision
    # no outcome that is no pass is lost, and no finding either
    told = Counter(outcome for item in found for outcome in set(item.outcomes))
    assert all(told[item] for item in evidence.verdict.outcomes if item.decision != "pass")
    assert [item.finding for item in found if item.finding is not None] == list(evidence.audit.findings)
    levels = {item["level"] for item in run_of(evidence)["results"] if "suppressions" not in item}
    assert {"block": "error", "review": "warning", "pass": "note"}[decision] in {*levels, "note"}
    assert ("error" in levels) == (decision == "block")
    kinds = {kind for _, kind, *_ in cases_of(evidence).values()} - {None}
    assert ("block" in kinds) == (decision == "block")
    assert bool(kinds) == (decision != "pass")


@settings(max_examples=50)
@given(evidence=judged_audits())
def test_what_did_not_run_never_passes(evidence):
    cases = cases_of(evidence)
    notes = run_of(evidence)["invocations"][0].get("toolExecutionNotifications", [])
    missing = {result.code for result in evidence.audit.results if result.status != "ran"}
    assert missing <= {item["descriptor"]["id"] for item in notes}
    for name, (kind, *_) in cases.items():
        assert name.split()[0] not in missing or kind in ("failure", "skipped")


@pytest.mark.parametrize(
    ("observed", "rule", "expected"),
    [
        ("5 % in train/positive", "more than 0 %: block", "block"),
        ("5 % in train", "no rule for DUP002", "block"),
        ("5 % in train", "more than 0 %: block", "block"),
        ("5 % in test/positive", "more than 0 %: block", ""),
        ("5 % in test", "no rule for DUP002", ""),
        ("no finding", "more than 0 %: block", "block"),
        ("not checked (errored in train/positive)", "the check is required", ""),
    ],
)
def test_every_document_takes_an_outcome_to_be_about_the_same_findings(observed: str, rule: str, expected: str):
    outcome = Outcome(code="DUP002", decision="block", rule=rule, observed=observed, allowed="0 %")
    evidence = evidence_of()
    verdict = replace(evidence.verdict, decision="block", outcomes=(outcome,))
    evidence = replace(evidence, verdict=verdict)
    (line,) = (line for lines in finding_lines(evidence) for line in lines if line.finding.code == "DUP002")
    (ruling,) = (item for item in rulings(evidence) if item.finding == line.finding)
    assert [item.decision for item in ruling.outcomes] == ([expected] if expected else [])
    # where no outcome is about this finding, a line has the decision on the check
    assert line.decision == "block"


def test_a_place_may_hold_the_word_before_it():
    outcome = Outcome(code="DUP002", decision="block", rule="r", observed="5 % in rows in order/text", allowed="0 %")
    assert outcome.place == "rows in order/text"
    assert replace(outcome, observed="no finding").place == ""
    assert replace(outcome, observed="not checked (skipped in train)").place == ""

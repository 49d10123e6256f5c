"""Bills of materials, SARIF, JUnit and Markdown: each follows its standard and claims no more than the evidence."""

import json
import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.findings import Measurement
from audits.licenses.inputs import LicensedInput, LicenseStatement
from model_cards.documents import cyclonedx
from model_cards.errors import DocumentError
from model_cards.evidence import Evidence, SigningKey, Statement
from model_cards.render import render
from model_cards.standards.values import moment
from tests.evidence_samples import HOSTILE, evidence_of, poisoned, with_digests

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

"""One evidence, many documents: every number, decision, digest and license is the same wherever it is told."""

import datetime
import json
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import replace

import pytest

from audits.policy import Approval, Waiver
from hf_contrastive.release.decision import decide
from model_cards.evidence import SigningKey
from model_cards.facts import headline
from model_cards.render import documents, render
from model_cards.validate import card_metadata
from tests.document_readers import Page, own_properties, page_rows, table_rows

DAY = datetime.date(2026, 11, 27)
ORDER = {"pass": 0, "review": 1, "block": 2}
SHOWN = 5e-5
"""How far a number may be rounded where it is shown to people: to the fourth digit behind the point."""


def decided(evidence):
    """Return the evidence with the verdict that follows from it, approved where a person has to."""
    verdict = decide(evidence.audit, evidence.policy, evidence.training, licenses=evidence.licenses, today=DAY)
    approval = Approval(verdict_digest=verdict.digest, plan_digest="p", policy_digest=verdict.policy_digest, by="Grace")
    return replace(evidence, verdict=verdict, approvals=(approval,) if verdict.decision == "review" else ())


@pytest.fixture(scope="module")
def rich(model_evidence):
    waivers = (
        Waiver(
            code="LAB001", reason="Labels are not used.", owner="Ada", approver="Grace", expires="2027-01-31"
        ),
        Waiver(
            code="L3", scope="rows: CC-BY-SA-4.0", reason="Counsel agreed.", owner="Ada", approver="Grace",
            expires="2027-01-31",
        ),
    )  # fmt: skip
    key = SigningKey(algorithm="ed25519", fingerprint="sha256:" + "0" * 64)
    policy = replace(model_evidence.policy, waivers=waivers)
    return decided(replace(model_evidence, policy=policy, signing_key=key))


@pytest.fixture(scope="module")
def rich_facts(rich):
    return read(rich)


# ---- what each document tells -------------------------------------------------------------------------


def of_evidence(text):
    data = json.loads(text)["evidence"]
    facts = {("decision",): data["verdict"]["decision"]}
    for item in data["evaluations"][0]["metrics"]:
        name = item["after"]["name"]
        facts.update({("metric", name, key): item[key]["value"] for key in ("before", "after", "difference")})
        low, high = item["difference"]["interval"]
        facts.update({("metric", name, "low"): low, ("metric", name, "high"): high})
    facts.update({("rows", ref["split"]): ref["num_rows"] for ref in data["audit"]["datasets"]})
    facts.update({("fingerprint", ref["split"]): ref["fingerprint"] for ref in data["audit"]["datasets"]})
    facts.update(_findings(data["audit"]["results"]))
    facts.update(_outcomes(data["verdict"]["outcomes"]))
    facts.update({("license", item["name"]): item["license"] or "undetermined" for item in data["licenses"]["inputs"]})
    facts["digest", "report"] = data["verdict"]["report_digest"]
    facts["digest", "policy"] = data["verdict"]["policy_digest"]
    facts["digest", "payload"] = data["payload_digest"]
    facts["digest", "content"] = json.loads(text)["content_digest"]
    facts["license of the model",] = data["license"]
    facts["key",] = data["signing_key"]["fingerprint"]
    return facts


def _findings(results):
    for result in results:
        for item in result["findings"]:
            place = (item["code"], item["split"], item["column"] or "")
            yield ("finding", *place, "value"), item["measurement"]["value"]
            yield ("finding", *place, "rows"), item["total_rows"]


def _outcomes(outcomes):
    """Yield the gravest decision of each code that keeps the verdict from a pass."""
    gravest = defaultdict(lambda: "pass")
    for item in outcomes:
        gravest[item["code"]] = max(gravest[item["code"]], item["decision"], key=ORDER.__getitem__)
    yield from ((("open", code), decision) for code, decision in gravest.items() if decision != "pass")


def of_report_json(text):
    data = json.loads(text)
    facts = {("decision",): data["decision"], ("digest", "report"): data["report_digest"]}
    facts["digest", "policy"] = data["policy_digest"]
    facts.update({("rows", ref["split"]): ref["num_rows"] for ref in data["datasets"]})
    facts.update({("fingerprint", ref["split"]): ref["fingerprint"] for ref in data["datasets"]})
    return {**facts, **dict(_findings(data["results"])), **dict(_outcomes(data["outcomes"]))}


def number(text):
    return float(text.replace(",", ""))


def metric_rows(rows):
    """Yield what a before-and-after table tells."""
    for row in rows:
        name = row[0].removesuffix(" (primary)")
        if len(row) == 5 and re.fullmatch(r"[a-z]+@10", name):
            difference, low, high = (float(found) for found in re.findall(r"[-+]\d\.\d+", row[3]))
            for key, value in zip(
                ("before", "after", "difference", "low", "high"),
                (float(row[1]), float(row[2]), difference, low, high),
                strict=True,
            ):
                yield ("metric", name, key), value


def digest_of(rows, **titles):
    return {
        ("digest", key): row[1].strip()
        for row in rows
        for key, title in titles.items()
        if len(row) == 2 and row[0] == title
    }


def input_licenses(rows, concluded, width):
    for row in rows:
        if len(row) == width and row[1].startswith(("trained on", "base model")):
            yield ("license", row[0].split("@c9745ed1")[0]), row[concluded]


def of_card(text):
    rows = table_rows(text)
    facts = dict(metric_rows(rows))
    for row in rows:
        if len(row) == 5 and row[4].startswith("sha256:"):
            facts["rows", row[1]], facts["fingerprint", row[1]] = number(row[2]), row[4]
    facts.update(input_licenses(rows, 4, 5))
    facts.update(digest_of(rows, report="Audit", policy="Policy", payload="Files of the model"))
    facts["license of the model",] = card_metadata(text)["license"]
    return facts


def of_model_index(text):
    (result,) = card_metadata(text)["model-index"][0]["results"]
    return {("metric", item["name"], "after"): item["value"] for item in result["metrics"]}


def of_report_md(text):
    rows = table_rows("\n---\n" + text)
    facts = dict(metric_rows(rows))
    for row in rows:
        if len(row) == 4 and row[3].startswith("sha256:"):
            facts["rows", row[0]], facts["fingerprint", row[0]] = number(row[2]), row[3]
    facts.update(input_licenses(rows, 4, 6))
    for key, title in (("report", "Report on the data"), ("policy", "Policy"), ("payload", "Files of the model"),
                       ("content", "Evidence without its times")):  # fmt: skip
        facts["digest", key] = re.search(rf"^- {title}: (\S+)$", text, re.MULTILINE)[1]
    facts.update({("open", found[2].replace("\\", "")): found[1] for found in
                  re.finditer(r"^- (review|block): ([^:]+): ", text, re.MULTILINE)})  # fmt: skip
    return facts


def of_page(text):
    facts = {}
    for row in page_rows(text):
        name = row[0][0].removesuffix(" (primary)")
        if len(row) == 5 and re.fullmatch(r"[a-z]+@10", name) and row[3][1]:
            facts.update({("metric", name, key): float(row[i][1][0]) for i, key in
                          enumerate(("before", "after", "difference"), start=1)})  # fmt: skip
            low, high = re.search(r"\[(\S+), (\S+)\]", row[3][0]).groups()
            facts.update({("metric", name, "low"): float(low), ("metric", name, "high"): float(high)})
        if len(row) == 5 and row[4][0].startswith("sha256:"):
            facts["rows", row[0][0]], facts["fingerprint", row[0][0]] = number(row[2][1][0]), row[4][0]
    return facts


def of_bill(text):
    bill = json.loads(text)
    model = bill["metadata"]["component"]
    own = own_properties(model)
    facts = {("decision",): own["decision"], ("key",): own["signing-key"].split()[1]}
    facts.update({("digest", key): own[f"{key}-digest"] for key in ("report", "policy", "payload", "content")})
    names = {"": "after", " of the base model": "before", ", difference to the base model": "difference"}
    for item in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]:
        name = re.match(r"[a-z]+@10", item["type"])[0]
        facts["metric", name, names[item["type"].removeprefix(name)]] = float(item["value"])
        if "confidenceInterval" in item:
            facts["metric", name, "low"] = float(item["confidenceInterval"]["lowerBound"])
            facts["metric", name, "high"] = float(item["confidenceInterval"]["upperBound"])
    for component in bill["components"]:
        for split in component.get("data", ()):
            told = own_properties(split)
            if "fingerprint" in told:
                facts["rows", split["name"]] = int(told["rows"])
                facts["fingerprint", split["name"]] = told["fingerprint"]
        told = own_properties(component)
        if "license-concluded" in told:
            name = "/".join(filter(None, (component.get("group"), component["name"])))
            facts["license", name] = told["license-concluded"]
    facts["license of the model",] = model["licenses"][0]["license"]["id"].lower()
    return facts


def of_sarif(text):
    (run,) = json.loads(text)["runs"]
    own = run["properties"]
    facts = {("decision",): own["decision"], ("digest", "report"): own["reportDigest"]}
    facts.update({("digest", "policy"): own["policyDigest"], ("digest", "content"): own["contentDigest"]})
    facts.update({("rows", split): rows for split, rows in own["rows"].items()})
    decision_of = {"error": "block", "warning": "review", "note": "pass"}
    outcomes = []
    for item in run["results"]:
        if "suppressions" not in item:
            outcomes.append({"code": item["ruleId"], "decision": decision_of[item["level"]]})
            assert item["properties"]["decision"] == decision_of[item["level"]]
        if "totalRows" in item["properties"]:
            split, _, column = item["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].partition("/")
            place = (item["ruleId"], split, column.partition("[")[0])
            facts["finding", *place, "value"] = item["properties"]["measurement"]["value"]
            facts["finding", *place, "rows"] = item["properties"]["totalRows"]
    gravest = max((item["decision"] for item in outcomes), key=ORDER.__getitem__, default="pass")
    assert gravest == own["decision"]
    return {**facts, **dict(_outcomes(outcomes))}


def of_junit(text):
    root = ET.fromstring(text)
    told = {item.get("name"): item.get("value") for item in root.find("testsuite").iter("property")}
    facts = {("decision",): told["decision"], ("digest", "report"): told["report_digest"]}
    facts.update({("digest", "policy"): told["policy_digest"], ("digest", "content"): told["content_digest"]})
    facts.update({("rows", key.removeprefix("rows.")): int(told[key]) for key in told if key.startswith("rows.")})
    for case in root.iter("testcase"):
        failure = case.find("failure")
        if failure is not None:
            facts["open", case.get("name").split()[0]] = failure.get("type")
    return facts


READERS = {
    "report_json": (of_report_json, 0.0),
    "card": (of_card, SHOWN),
    "card’s model-index": (of_model_index, 0.0),
    "report_html": (of_page, SHOWN),
    "report_md": (of_report_md, SHOWN),
    "cyclonedx": (of_bill, 0.0),
    "sarif": (of_sarif, 0.0),
    "junit": (of_junit, 0.0),
}
OPEN = ("report_json", "report_md", "sarif", "junit")
TOLD_BY = {
    "metric": ("card", "report_html", "report_md", "cyclonedx"),
    "rows": ("report_json", "card", "report_html", "report_md", "cyclonedx", "sarif", "junit"),
    "fingerprint": ("report_json", "card", "report_html", "report_md", "cyclonedx"),
    "open": OPEN,
    "decision": ("report_json", "cyclonedx", "sarif", "junit"),
    "finding": ("report_json", "sarif"),
    "license": ("card", "report_md", "cyclonedx"),
    "license of the model": ("card", "cyclonedx"),
    "key": ("cyclonedx",),
}
"""Which documents have to tell a kind of fact; more may."""


def read(evidence):
    """Return the facts of every document, and those of the evidence itself."""
    texts = {name: render(evidence, name) for name in documents() if documents()[name].applies(evidence)}
    told = {name: reader(texts[name.split("’")[0]]) for name, (reader, _) in READERS.items()}
    return of_evidence(texts["evidence_json"]), told, texts


def assert_agreement(evidence):
    """Check every fact wherever it is told; return what the evidence tells."""
    facts, told, texts = read(evidence)
    for name, own in told.items():
        rounded = READERS[name][1]
        strangers = {key for key in own if key not in facts}
        # an outcome on the policy itself has a code of its own for tools
        assert {key for key in strangers if key != ("open", "POLICY")} == set(), (name, strangers)
        for key, value in own.items():
            if key in facts and isinstance(facts[key], float) and rounded:
                assert value == pytest.approx(facts[key], abs=rounded), (name, key)
            elif key in facts:
                assert value == facts[key], (name, key)
    for key in facts:
        for name in TOLD_BY.get(key[0], ()):
            assert key in told[name], (name, key)
    words = headline(evidence)
    for name in ("card", "report_html", "report_md"):
        text = Page(texts[name]).text if name == "report_html" else texts[name]
        assert words.title in text, name
        for digest in ("report", "content"):
            assert facts["digest", digest] in text, (name, digest)
    return facts, told


def test_every_document_tells_the_same(rich):
    facts, told = assert_agreement(rich)
    assert facts["decision",] == "review"
    # each kind of fact was really compared, and nearly all of them
    assert {key[0] for key in facts} == {*TOLD_BY, "digest"}
    assert len(told["cyclonedx"]) > 25
    assert {key[1] for key in told["sarif"] if key[0] == "open"} == {key[1] for key in facts if key[0] == "open"}


def with_metric(evidence, change):
    (evaluation,) = evidence.evaluations
    first, *rest = evaluation.metrics
    return replace(evidence, evaluations=(replace(evaluation, metrics=(change(first), *rest)),))


def with_finding(evidence, code, **changes):
    results = [
        replace(result, findings=tuple(replace(item, **changes) for item in result.findings))
        if result.code == code
        else result
        for result in evidence.audit.results
    ]
    return replace(evidence, audit=replace(evidence.audit, results=tuple(results)))


def with_rows(evidence, split, rows):
    def changed(refs):
        return tuple(replace(ref, num_rows=rows) if ref.split == split else ref for ref in refs)

    audit = replace(evidence.audit, datasets=changed(evidence.audit.datasets))
    training = replace(evidence.training, datasets=changed(evidence.training.datasets))
    (evaluation,) = evidence.evaluations
    evaluation = replace(evaluation, dataset=changed((evaluation.dataset,))[0])
    return replace(evidence, audit=audit, training=training, evaluations=(evaluation,))


def with_license(evidence, name, license_id):
    inputs = tuple(replace(i, license=license_id) if i.name == name else i for i in evidence.licenses.inputs)
    return replace(evidence, licenses=replace(evidence.licenses, inputs=inputs))


CHANGES = {
    ("metric", "ndcg@10", "after"): lambda e: with_metric(
        e, lambda m: replace(m, after=replace(m.after, value=0.7123456))
    ),
    ("metric", "ndcg@10", "before"): lambda e: with_metric(
        e, lambda m: replace(m, before=replace(m.before, value=0.5123456))
    ),
    ("metric", "ndcg@10", "high"): lambda e: with_metric(
        e, lambda m: replace(m, difference=replace(m.difference, interval=(0.0262, 0.0555)))
    ),
    ("rows", "train"): lambda e: with_rows(e, "train", 23_111),
    ("rows", "test"): lambda e: with_rows(e, "test", 3_333),
    ("finding", "PII001", "test", "positive", "rows"): lambda e: with_finding(e, "PII001", total_rows=41),
    ("finding", "DUP002", "train", "positive", "value"): lambda e: with_finding(
        e, "DUP002", measurement=replace(e.audit.result("DUP002").findings[0].measurement, value=0.25)
    ),
    ("license", "rows: CC-BY-SA-4.0"): lambda e: with_license(e, "rows: CC-BY-SA-4.0", "CC-BY-4.0"),
    ("license of the model",): lambda e: replace(e, license="mit"),
    ("digest", "payload"): lambda e: replace(e, payload_digest="sha256:" + "1" * 64),
}


@pytest.mark.parametrize("key", list(CHANGES), ids=lambda key: " ".join(key))
def test_a_number_that_changes_changes_wherever_it_is_told(rich, rich_facts, key):
    before, told_before, _ = rich_facts
    after, told_after = assert_agreement(decided(CHANGES[key](rich)))
    assert after[key] != before[key]
    tellers = [name for name, facts in told_before.items() if key in facts]
    assert set(TOLD_BY.get(key[0], ("card", "cyclonedx", "report_md"))) <= set(tellers)
    for name in tellers:
        assert told_after[name][key] != told_before[name][key], name


def test_a_graver_finding_changes_the_decision_everywhere(rich):
    worse = with_finding(
        rich, "PII001", measurement=replace(rich.audit.result("PII001").findings[0].measurement, value=99)
    )
    policy = replace(rich.policy, rules=tuple(
        replace(rule, decision="block") if rule.code == "PII001" else rule for rule in rich.policy.rules
    ))  # fmt: skip
    facts, told = assert_agreement(decided(replace(worse, policy=policy)))
    assert facts["decision",] == facts["open", "PII001"] == "block"
    for name in OPEN:
        assert told[name]["open", "PII001"] == "block"


def test_without_waivers_what_they_excused_is_open_everywhere(rich):
    assert ("open", "L3") not in of_evidence(render(rich, "evidence_json"))
    facts, told = assert_agreement(decided(replace(rich, policy=replace(rich.policy, waivers=()))))
    assert facts["open", "L3"] == "review"
    for name in OPEN:
        assert told[name]["open", "L3"] == "review"


def test_what_was_not_checked_is_told_everywhere_people_and_tools_look(rich):
    audit = rich.audit
    reason = "test: 3 rows with a label are too few"
    results = tuple(replace(item, not_judged=(reason,)) if item.code == "LEAK001" else item for item in audit.results)
    datasets = (replace(audit.datasets[0], unread_rows=70_123), replace(audit.datasets[1], unread_rows=None))
    found = decided(replace(rich, audit=replace(audit, results=results, datasets=datasets)))
    texts = {name: render(found, name) for name in ("report_html", "report_md", "card", "sarif", "junit")}
    texts["report_html"] = Page(texts["report_html"]).text
    for name, text in texts.items():
        assert "not judged" in text, name
        assert reason in text, name
        assert "70,123 rows of train" in text, name
        assert "an unknown number of rows of test" in text, name
        assert "TOK001" in text, name
    for name in ("report_html", "report_md", "card"):
        assert "23,840; 70,123 not looked at" in texts[name], name
    skipped = {
        case.get("name") for case in ET.fromstring(texts["junit"]).iter("testcase") if case.find("skipped") is not None
    }
    assert sum(reason in name for name in skipped) == 1
    assert sum("not read" in name for name in skipped) == 2
    # nothing of it where everything was read and judged
    whole = render(rich, "junit")
    assert "not read" not in whole


def test_who_gave_an_approval_is_claimed_nowhere(rich):
    assert rich.approvals
    for name in ("card", "report_md", "report_html"):
        text = render(rich, name)
        told = Page(text).text if name == "report_html" else text
        assert "who gave it is not proven" in told, name
        without = render(replace(rich, approvals=()), name)
        assert "who gave it is not proven" not in without, name

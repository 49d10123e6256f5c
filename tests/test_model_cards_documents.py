"""The documents of one realistic evidence: golden files, agreement of numbers, hostile text, missing parts."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from audits.findings import (
    AuditReport,
    CheckResult,
    Columns,
    DatasetRef,
    Finding,
    FindingRow,
    FindingRows,
    Measurement,
    RemedyRecord,
    RowEvidence,
    RowReference,
    Table,
)
from audits.formats import json as json_format
from audits.intent import Intent
from audits.licenses.analysis import Clause, LicenseAnalysis, Obligation, RuleResult
from audits.licenses.inputs import LicensedInput, LicenseStatement, Lineage
from audits.policy import Approval, Outcome, Policy, Rule, Verdict, Waiver
from audits.records import digest_of
from model_cards.errors import CardError, DocumentError, EvidenceError
from model_cards.evidence import (
    Adapter,
    BaseModel,
    Environment,
    EvaluationReport,
    Evidence,
    MetricComparison,
    Statement,
    TrainingRecord,
)
from model_cards.facts import check_rows
from model_cards.render import documents, render, write_documents
from model_cards.validate import card_metadata, validate_card


def ref(split, rows, salt="final"):
    return DatasetRef(
        repo_id="docs-lab/docstring-pairs",
        config="python",
        split=split,
        revision="8f2c1d0b7a6e5f4c3b2a19080706050403020100",
        fingerprint=digest_of([split, rows, salt]),
        num_rows=rows,
    )


def near_duplicates(split, total, shown):
    rows = [FindingRow(split, i * 7, split, i * 7 + 3, 0.9 + i / 1000) for i in range(total)]
    return Finding(
        code="DUP002",
        title="Near duplicates",
        split=split,
        column="positive",
        measurement=Measurement(
            name="near_duplicate_fraction",
            value=total / 24000,
            unit="fraction",
            sample_size=24000,
            method="MinHash of word 3-grams, 128 permutations, estimated Jaccard at least 0.8",
        ),
        evidence=tuple(
            RowEvidence(
                split=split,
                row=row.row,
                column="positive",
                excerpt="Return the mean of the array elements along the given axis, ignoring missing values.",
                score=row.score,
                related=(
                    RowReference(
                        split=split,
                        row=row.other_row,
                        column="positive",
                        excerpt="Return the sum of the array elements along the given axis, ignoring missing values.",
                    ),
                ),
            )
            for row in rows[:shown]
        ),
        total_rows=total,
        remedy="Remove all but the first row of each group with remove_duplicates.",
        error_rate=Measurement(
            name="share of planted duplicates missed", value=0.04, unit="fraction", interval=(0.02, 0.07)
        ),
        rows=FindingRows.of(split, rows),
    )


def licenses(rows):
    return CheckResult(
        code="LIC001",
        title="Licenses of the rows",
        status="ran",
        findings=(
            Finding(
                code="LIC001",
                title="Rows whose license is unknown",
                split="train",
                column="license",
                measurement=Measurement(name="unknown_license_fraction", value=rows / 24000, unit="fraction"),
                total_rows=rows,
                remedy="Find the license of these packages, or remove their rows.",
            ),
        )
        if rows
        else (),
        tables=(
            Table(
                name="Rows by license",
                columns=("license", "rows", "packages"),
                rows=(("BSD-3-Clause", 14210, 9), ("MIT", 6011, 14), ("PSF-2.0", 3619, 1), ("none declared", rows, 2)),
            ),
        ),
        seconds=0.3,
    )


def audit_of(datasets, duplicates, unknown):
    return AuditReport(
        datasets=datasets,
        columns=Columns(anchor="anchor", positive="positive", label="label", license="license"),
        results=(
            CheckResult(
                code="DUP002",
                title="Near duplicates",
                status="ran",
                findings=(near_duplicates("train", duplicates, 3),) if duplicates else (),
                measurements=(Measurement(name="pairs_compared", value=182_344, unit="pairs"),),
                seconds=2.5,
            ),
            CheckResult(
                code="LAB001",
                title="Label noise",
                status="errored",
                reason="ValueError: class 'yaml' has one row only (/home/alice/run/labels.py)",
            ),
            CheckResult(
                code="LEAK001",
                title="Rows shared between splits",
                status="ran",
                measurements=(Measurement(name="rows_compared", value=31763, unit="rows"),),
                seconds=0.8,
            ),
            licenses(unknown),
            CheckResult(
                code="PII001",
                title="Personal data",
                status="ran",
                findings=(
                    Finding(
                        code="PII001",
                        title="E-mail addresses",
                        split="test",
                        column="positive",
                        measurement=Measurement(
                            name="rows_with_email",
                            value=2,
                            unit="rows",
                            sample_size=3100,
                            method="regular expression; recall on planted rows 0.97 [0.94, 0.99]",
                        ),
                        evidence=(
                            RowEvidence(split="test", row=41, column="positive", excerpt="Author: a***@e***.org"),
                            RowEvidence(split="test", row=977, column="positive", excerpt="Write to b***@p***.net"),
                        ),
                        total_rows=2,
                        remedy="Mask the addresses.",
                    ),
                ),
            ),
            CheckResult(
                code="TOK001",
                title="Text cut by the tokenizer",
                status="skipped",
                reason="Needs count_tokens: no tokenizer was given.",
            ),
        ),
        versions={"datasets": "5.2.0", "hf-contrastive": "0.1.0"},
    )


def comparison(name, before, after, low, high):
    return MetricComparison(
        before=Measurement(name=name, value=before, unit="score", sample_size=1500),
        after=Measurement(name=name, value=after, unit="score", sample_size=1500),
        difference=Measurement(
            name=name,
            value=round(after - before, 12),
            unit="score",
            sample_size=1500,
            interval=(low, high),
            method="paired bootstrap over queries, 1,000 resamples, 95 %",
        ),
    )


def evaluation_of(*metrics):
    return EvaluationReport(
        task="retrieval",
        dataset=ref("test", 3100),
        queries=1500,
        documents=1500,
        max_length=128,
        seed=7,
        metrics=metrics,
        seconds=14.0,
    )


def analysis_of():
    base = LicensedInput(
        name="sentence-transformers/all-MiniLM-L6-v2",
        role="base",
        kind="model",
        license="Apache-2.0",
        statements=(
            LicenseStatement(place="card", where="license", text="apache-2.0", concluded="Apache-2.0"),
            LicenseStatement(place="license_file", where="LICENSE", text="Apache License", concluded="Apache-2.0"),
        ),
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    )
    rows = (
        LicensedInput(
            name="rows: CC-BY-SA-4.0",
            role="training",
            kind="rows",
            license="CC-BY-SA-4.0",
            statements=(
                LicenseStatement(place="row_column", where="license", text="cc-by-sa-4.0", concluded="CC-BY-SA-4.0"),
            ),
            rows=1200,
            groups=("handbook",),
        ),
        LicensedInput(
            name="docs-lab/older-pairs",
            role="training",
            kind="dataset",
            license=None,
            reason="The Hub answered 404.",
            parents=("docs-lab/docstring-pairs",),
        ),
    )
    share_alike = Clause(
        license="CC-BY-SA-4.0",
        axis="share_alike",
        quote="The Adapter's License You apply must be a Creative Commons license with the same License Elements",
        source="https://creativecommons.org/licenses/by-sa/4.0/legalcode.en",
        section="3(b)(1)",
        checked="2026-11-27",
    )
    return LicenseAnalysis(
        decision="review",
        results=(
            RuleResult(code="L1", title="Non-commercial inputs", result="pass", decision="pass"),
            RuleResult(
                code="L3",
                title="Share-alike data",
                result="conflict",
                decision="review",
                inputs=("rows: CC-BY-SA-4.0",),
                reason="The weights may be an adaptation of these rows, and Apache-2.0 is not in the list of licenses.",
                resolution="Remove these rows, or publish as CC-BY-SA-4.0.",
                clauses=(share_alike,),
            ),
            RuleResult(
                code="L13",
                title="Licenses that are not known",
                result="undetermined",
                decision="review",
                inputs=("docs-lab/older-pairs",),
                reason="It could not be read.",
                resolution="Ask its owner.",
            ),
            RuleResult(code="L14", title="Attribution", result="obligation", decision="pass", inputs=(base.name,)),
        ),
        obligations=(
            Obligation(code="L14", kind="notice", license="Apache-2.0", inputs=(base.name,), text="all-MiniLM-L6-v2"),
            Obligation(code="L14", kind="license_copy", license="Apache-2.0", inputs=(base.name,), basis="policy"),
            Obligation(
                code="L6", kind="use_restrictions", license="LicenseRef-creativeml-openrail-m", inputs=("x",), text="y"
            ),
            Obligation(
                code="L8", kind="display", license="LicenseRef-llama3.1", inputs=("x",), text="Built with Llama"
            ),
        ),
        inputs=(*rows, base),
        intent=Intent(outgoing_license="apache-2.0", territory=("EU",)),
        facts_date="2026-11-27",
        facts_digest=digest_of("facts"),
    )


def evidence_of():
    final = (ref("train", 23840), ref("test", 3100))
    first = (ref("train", 24960, "raw"), ref("test", 3100, "raw"))
    earlier = audit_of(first, 960, 160)
    audit = audit_of(final, 12, 0)
    policy = Policy(
        name="standard",
        rules=(
            Rule(code="DUP002", allowed=0.001, decision="review", required=True),
            Rule(code="LEAK001", required=True),
            Rule(code="PII001", allowed=5, decision="review"),
            Rule(code="BENCH001"),
        ),
        waivers=(
            Waiver(
                code="LAB001",
                reason="Labels are not trained on.",
                owner="Ada",
                approver="Grace",
                expires="2027-01-31",
            ),
        ),
    )
    verdict = Verdict(
        decision="pass",
        outcomes=(
            Outcome(code="DUP002", decision="pass", rule="near_duplicate_fraction", observed="0.0005", allowed="0.001"),
            Outcome(code="LEAK001", decision="pass", rule="no finding", observed="nothing found", allowed="0"),
            Outcome(code="L1", decision="pass", rule="L1", observed="no conflict in 3 inputs", allowed="no conflict"),
            Outcome(
                code="L3",
                decision="pass",
                rule="L3: review",
                observed="conflict: rows: CC-BY-SA-4.0",
                allowed="no conflict",
                waiver="Share-alike on weights is accepted. (Ada, until 2027-01-31)",
            ),
            Outcome(code="PII001", decision="pass", rule="rows_with_email", observed="2", allowed="5"),
            Outcome(
                code="LAB001",
                decision="pass",
                rule="must run",
                observed="errored",
                allowed="ran",
                waiver="Labels are not trained on. (Ada, until 2027-01-31)",
            ),
        ),
        report_digest=audit.content_digest,
        policy_digest=policy.digest,
        policy_name="standard",
    )
    training = TrainingRecord(
        base=BaseModel(
            model_id="sentence-transformers/all-MiniLM-L6-v2",
            revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
            weights_sha256=digest_of("weights"),
            license="apache-2.0",
            license_source="model card",
            num_parameters=22_713_216,
            architecture="BertModel",
        ),
        adapter=Adapter(
            rank=16, alpha=32.0, dropout=0.05, target_modules=("query", "value"), trainable_parameters=294_912
        ),
        objective="InfoNCE with in-batch negatives",
        data_format="(anchor, positive)",
        temperature=0.05,
        prompts={"query": "query: "},
        max_length=128,
        embedding_dimension=384,
        seed=7,
        batch_size=64,
        steps=21,
        epochs=0.056,
        learning_rate=1e-3,
        schedule="linear with 10 % warm-up",
        examples=1344,
        tokens=96_211,
        padded_tokens=118_004,
        flops=1.31e13,
        flops_method="6 × parameters × tokens",
        seconds=88.0,
        losses=((1, 1.42), (5, 1.18), (10, 0.97), (15, 0.88), (21, 0.86)),
        datasets=final[:1],
        environment=Environment(
            device="CPU",
            cores=2,
            precision="bf16",
            operating_system="Linux",
            versions={"torch": "2.13.0", "peft": "0.18.0"},
        ),
    )
    return Evidence(
        model_name="docstring-minilm",
        payload_digest=digest_of("files"),
        repo_id="docs-lab/docstring-minilm",
        license="apache-2.0",
        language=("en",),
        training=training,
        evaluations=(
            evaluation_of(
                comparison("ndcg@10", 0.6123456, 0.6473456, 0.0262, 0.0431),
                comparison("mrr@10", 0.571, 0.606, 0.0247, 0.0449),
                comparison("recall@10", 0.741, 0.7423, -0.004, 0.0071),
            ),
        ),
        audit=audit,
        earlier_audit=earlier,
        remedies=(
            RemedyRecord(
                name="remove_duplicates",
                codes=("DUP002",),
                report_digest=earlier.digest,
                removed={"train": (*range(3, 963), 1200)},
                kept="the first row of each group",
                before=first,
                after=(ref("train", 23999, "middle"), first[1]),
            ),
            RemedyRecord(
                name="remove_licenses",
                codes=("LIC001",),
                report_digest=earlier.digest,
                removed={"train": tuple(range(0, 318, 2))},
                before=(ref("train", 23999, "middle"), first[1]),
                after=final,
            ),
        ),
        lineage=Lineage(
            inputs=analysis_of().inputs[1:],
            files=(("licenses/0a1b-LICENSE", digest_of("LICENSE")),),
            problems=("docs-lab/older-pairs could not be read: the Hub answered 404.",),
        ),
        licenses=analysis_of(),
        license_texts={"Apache-2.0": "Apache License\nVersion 2.0, January 2004\n"},
        policy=policy,
        verdict=verdict,
        statements=(
            Statement(
                key="direct_use",
                text="Search over Python documentation.\n\nNot tried on other text.",
                origin="stated",
                by="Ada",
            ),
            Statement(key="developed_by", text="Docs Lab", origin="stated", by="Ada"),
            Statement(key="upstream_license", text="apache-2.0", origin="copied", source="card of the base model"),
        ),
        versions={"hf-contrastive": "0.1.0"},
        created_at="2026-11-02T10:00:00+00:00",
    )


@pytest.fixture(scope="module")
def evidence():
    return evidence_of()


class Page(HTMLParser):
    """Tags, attribute names, table cells, <data> values and text of a report."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.values, self.words = [], set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {key for key, _ in attrs}
        self.values += [value for key, value in attrs if tag == "data" and key == "value"]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def tokens_of(card):
    body = card.split("\n---\n", 1)[1]
    markdown = MarkdownIt("commonmark").enable("table")
    return [inner for token in markdown.parse(body) for inner in (token, *(token.children or ()))]


def table_rows(card):
    rows, inside = [], False
    for token in tokens_of(card):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            inside = True
        elif token.type == "inline" and inside:
            rows[-1].append("".join(child.content for child in token.children))
            inside = False
    return rows


@pytest.mark.parametrize("name", ["card", "report_html", "notice", "use_restrictions"])
def test_document_equals_its_golden_file(evidence, golden, name):
    golden(documents()[name].filename)(render(evidence, name))


@pytest.mark.parametrize("name", list(documents()))
def test_every_document_is_documented_and_deterministic(evidence, name):
    member = documents()[name]
    assert (member.__doc__ or "").startswith(member.filename)
    assert render(evidence, name) == render(evidence_of(), name)


def test_numbers_agree_between_card_page_and_json(evidence):
    card, page = render(evidence, "card"), Page(render(evidence, "report_html"))
    index = card_metadata(card)["model-index"][0]["results"][0]["metrics"]
    stored = json.loads(render(evidence, "evidence_json"))["evidence"]["evaluations"][0]["metrics"]
    rows = {row[0]: row for row in table_rows(card)}
    for metric, item in zip(index, stored, strict=True):
        assert metric["value"] == item["after"]["value"]
        assert {str(item[key]["value"]) for key in ("before", "after", "difference")} <= set(page.values)
        row = rows[metric["name"] + (" (primary)" if metric["name"] == "ndcg@10" else "")]
        assert float(row[1]) == pytest.approx(item["before"]["value"], abs=5e-5)
        assert float(row[2]) == pytest.approx(item["after"]["value"], abs=5e-5)
        shown = [float(number) for number in re.findall(r"[-+]\d\.\d+", row[3])]
        assert shown == pytest.approx([item["difference"]["value"], *item["difference"]["interval"]], abs=5e-5)
    told = json.loads(render(evidence, "report_json"))
    for found in (item for result in told["results"] for item in result["findings"]):
        assert str(found["measurement"]["value"]) in page.values
    assert told["decision"] == "pass"
    assert told["report_digest"] in card
    assert told["report_digest"] in page.text
    for phrase in ("excused by waiver; no other rule was violated: 4 checks ran, 3 not checked", "1,120"):
        assert phrase.replace("1,120", "23,840") in card
        assert phrase.replace("1,120", "23,840") in page.text


def test_report_json_is_what_the_audit_alone_writes(evidence):
    assert render(evidence, "report_json") == json_format.render(evidence.audit, evidence.verdict)


def test_card_metadata_follows_the_evidence(evidence):
    data = card_metadata(render(evidence, "card"))
    assert data["license"] == "apache-2.0"
    assert data["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert data["base_model_relation"] == "finetune"
    assert data["datasets"] == ["docs-lab/docstring-pairs"]
    assert (data["pipeline_tag"], data["library_name"]) == ("sentence-similarity", "sentence-transformers")
    assert {"lora", "contrastive-learning", "feature-extraction"} <= set(data["tags"])
    result = data["model-index"][0]["results"][0]
    assert result["task"]["type"] == "information-retrieval"
    assert [metric["type"] for metric in result["metrics"]] == ["ndcg_at_10", "mrr_at_10", "recall_at_10"]
    assert "co2_eq_emissions" not in data


def test_adapter_alone_is_loaded_from_the_root(evidence):
    alone, merged = render(replace(evidence, save_format="adapter"), "card"), render(evidence, "card")
    assert card_metadata(alone)["base_model_relation"] == "adapter"
    assert 'subfolder="adapter"' in merged
    assert 'subfolder="adapter"' not in alone
    assert "normalize_embeddings=True" in alone


@pytest.mark.parametrize("save_format", ["merged", "adapter"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "weighted"])
def test_code_blocks_of_the_card_compile(evidence, save_format, pooling):
    training = replace(evidence.training, pooling=pooling)
    card = render(replace(evidence, training=training, save_format=save_format), "card")
    blocks = [token.content for token in tokens_of(card) if token.type == "fence"]
    for block in blocks:
        compile(block, "<card>", "exec")
    assert any("hidden[:, 0]" in block for block in blocks) == (pooling == "cls")


def test_every_statement_carries_its_origin(evidence):
    card = render(evidence, "card")
    body = card.split("\n---\n", 1)[1]
    for section in re.split(r"^#{2,3} .*$", re.sub(r"```.*?```", "", body, flags=re.DOTALL), flags=re.MULTILINE)[1:]:
        if section.strip() and "Pool" not in section and "transformers" not in section:
            assert re.search(r"\[(measured|copied|stated|unanswered)", section), section
    assert "Search over Python documentation.\n\nNot tried on other text. *[stated by Ada]*" in card
    assert "Not answered yet. Which harms are foreseeable, and to whom? To be answered by the sociotechnic." in card


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.001, 0.02, "Training helped"),
        (-0.001, 0.02, "Training did not help"),
        (-0.02, -0.001, "made the model worse"),
    ],
)
def test_training_that_did_not_help_is_said_plainly(evidence, low, high, words):
    worse = replace(evidence, evaluations=(evaluation_of(comparison("ndcg@10", 0.61, 0.6105, low, high)),))
    assert words in render(worse, "card")
    assert words in Page(render(worse, "report_html")).text


def test_a_difference_without_interval_shows_nothing(evidence):
    metric = comparison("ndcg@10", 0.6, 0.7, 0.05, 0.15)
    for changed in (
        replace(metric, difference=replace(metric.difference, interval=None)),
        replace(metric, before=None, difference=None),
    ):
        card = render(replace(evidence, evaluations=(evaluation_of(changed),)), "card")
        assert "nothing shows whether training helped" in card
        assert "Training helped" not in card


def test_what_was_not_checked_never_reads_as_passed(evidence):
    card, text = render(evidence, "card"), Page(render(evidence, "report_html")).text
    for words in ("LAB001", "TOK001", "BENCH001"):
        assert words in card.split("### What was not checked")[1].split("\n## ")[0]
    assert "never run" in text
    assert "2 outcomes would not pass under policy “standard”" in text
    assert "compliant" not in (card + text).lower()


def test_a_check_that_did_not_run_is_shown_as_not_checked_whatever_its_outcome(evidence):
    skipped = Outcome(code="TOK001", decision="pass", rule="not required", observed="not checked", allowed="0.5")
    aside = Outcome(code="LIC001", decision="pass", rule="for commercial use", observed="not judged", allowed="0")
    verdict = replace(evidence.verdict, outcomes=(*evidence.verdict.outcomes, skipped, aside))
    rows = {row.code: row for row in check_rows(replace(evidence, verdict=verdict))}
    assert rows["TOK001"].decision == "not checked"
    assert rows["LIC001"].decision == "not judged"
    assert rows["LAB001"].decision == "pass by waiver"
    assert rows["LEAK001"].decision == "pass"


@pytest.mark.parametrize(
    ("decision", "words"), [("review", "asks a named person to decide on 1 outcome"), ("block", "blocks publication")]
)
def test_open_outcomes_come_first(evidence, decision, words):
    outcome = Outcome(code="PII001", decision=decision, rule="rows_with_email", observed="2 rows", allowed="0 rows")
    verdict = replace(evidence.verdict, decision=decision, outcomes=(*evidence.verdict.outcomes, outcome))
    text = Page(render(replace(evidence, verdict=verdict), "report_html")).text
    assert words in text.split("Inputs", 2)[1] + text.split("Digests")[0]
    assert "observed 2 rows, allowed 0 rows" in text.split("Digests")[0]
    assert words in render(replace(evidence, verdict=verdict), "card")


def test_the_base_is_measured_only_where_its_revision_is_known(evidence):
    def told(**changes):
        base = replace(evidence.training.base, **changes)
        changed = replace(evidence, training=replace(evidence.training, base=base))
        card, page = render(changed, "card"), Page(render(changed, "report_html")).text
        line = next(line for line in card.splitlines() if line.startswith("- **Adapted from:**"))
        return line, page.split("Base model")[1].split("; license")[0]

    for words in told():
        assert words.strip().endswith(("[measured]", "*[measured]*"))
        assert "not known" not in words
    for words in told(revision=None):
        assert "its revision is not known" in words
        assert "[stated]" in words
        assert "[measured]" not in words
    for words in told(revision=None, model_id=None):
        assert "local files" in words
        assert "[measured]" in words


def test_an_unverified_license_is_said_so_once(evidence):
    for source in ("model card", "license in the model card's metadata; text not verified", ""):
        base = replace(evidence.training.base, license_source=source)
        card = render(replace(evidence, training=replace(evidence.training, base=base)), "card")
        line = next(line for line in card.splitlines() if line.startswith("- **License of the base model:**"))
        assert line.count("not verified") == 1
        assert line.endswith(" *[copied]*")


@pytest.mark.parametrize("method", ["estimate: 6 x tokens", "6 x tokens", ""])
def test_operations_are_told_as_an_estimate_once(evidence, method):
    changed = replace(evidence, training=replace(evidence.training, flops_method=method))
    for text in (render(changed, "card"), Page(render(changed, "report_html")).text):
        assert text.count(f"about 1.31e+13 FLOPs, estimated{' as 6 x tokens' if method else ''}") == 1
        assert "estimate:" not in text
    none = replace(evidence, training=replace(evidence.training, flops=None))
    assert "FLOPs not estimated" in render(none, "card")


def test_approval_of_another_verdict_approves_nothing(evidence):
    verdict = replace(evidence.verdict, decision="review")
    given = Approval(verdict_digest="sha256:0", plan_digest="sha256:1", policy_digest="sha256:2", by="Grace")
    changed = replace(evidence, verdict=verdict, approvals=(given, replace(given, verdict_digest=verdict.digest)))
    text = Page(render(changed, "report_html")).text
    assert "given for another verdict: it approves nothing here" in text
    assert "bound to this verdict." in text


def test_data_that_was_not_audited_is_named(evidence):
    training = replace(evidence.training, datasets=(ref("train", 9, "foreign"),))
    card = render(replace(evidence, training=training), "card")
    assert "**no.** Differs: the audit did not see the data trained on as train." in card


def test_verdict_of_another_audit_is_refused(evidence):
    for changed in (
        replace(evidence, audit=evidence.earlier_audit),
        replace(evidence, policy=replace(evidence.policy, name="lax")),
    ):
        for name in documents():
            with pytest.raises(EvidenceError, match="The verdict is of another"):
                render(changed, name)


HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> | cell | `code` **bold** [l](javascript:x)\n"
    "# heading\n---\nlicense: mit\n```\n- item https://evil.example {{ 7*7 }} {% raw %} \u202e &lt;b&gt; $x$"
)


def poisoned(value, *, poison=HOSTILE):
    """Return the record's data with every free text replaced by hostile text."""
    fixed = {
        "status", "decision", "origin", "save_format", "report_digest", "policy_digest", "digest", "verdict_digest",
        "code", "codes", "key", "language", "license", "primary_metric", "pooling", "schema_version", "unit", "split",
        "distribution", "ships", "model_kind", "role", "kind", "place", "result", "basis", "gated", "undetermined",
        "copies_by_policy", "regression", "unchecked",
    }  # fmt: skip
    if isinstance(value, dict):
        return {k: v if k in fixed else poisoned(v, poison=poison) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(item, poison=poison) for item in value]
    return poison if isinstance(value, str) else value


def with_digests(evidence):
    """Return the evidence with a verdict that belongs to its audit and policy."""
    verdict = replace(evidence.verdict, report_digest=evidence.audit.digest, policy_digest=evidence.policy.digest)
    return replace(evidence, verdict=verdict)


def shape(card):
    """Everything that is structure in a card: blocks, tables, links, images, HTML, emphasis."""
    kept = [token for token in tokens_of(card) if token.type not in ("text", "code_inline", "softbreak", "inline")]
    return [(token.type, token.tag, token.attrs.get("href")) for token in kept]


def test_hostile_text_is_inert_in_the_card(evidence):
    data = evidence.to_dict()
    hostile, plain = (
        render(with_digests(Evidence.from_dict(poisoned(data, poison=poison))), "card")
        for poison in (HOSTILE, "plain license!")
    )
    assert shape(hostile) == shape(plain)
    assert not {"html_block", "html_inline", "image", "link_open"} & {token.type for token in tokens_of(hostile)}
    assert card_metadata(hostile)["license"] == "apache-2.0"
    assert set(card_metadata(hostile)) == set(card_metadata(plain))


def test_hostile_text_is_inert_in_the_page(evidence):
    hostile = with_digests(Evidence.from_dict(poisoned(evidence.to_dict())))
    page, plain = Page(render(hostile, "report_html")), Page(render(evidence, "report_html"))
    assert set(page.tags) <= set(plain.tags)
    assert page.attributes <= plain.attributes
    assert "<script>alert(1)</script>" in page.text
    assert page.tags.count("h2") == plain.tags.count("h2")


def carrying(text):
    evidence = evidence_of()
    results = tuple(replace(item, title=text, reason=text) for item in evidence.audit.results)
    said = (Statement(key="risks", text=text, origin="stated", by=text),)
    audit = replace(evidence.audit, results=results)
    return with_digests(replace(evidence, audit=audit, model_name=text, statements=said))


@settings(max_examples=20)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_keeps_the_structure_of_the_card(text):
    assert shape(render(carrying(text), "card")) == shape(render(carrying("plain"), "card"))


def test_paths_and_tokens_are_not_shown(evidence):
    token = "hf_" + "a1B2" * 9
    secret = f"see /home/alice/data.csv and C:\\Users\\alice and {token}"
    changed = replace(
        evidence,
        statements=(Statement(key="risks", text=secret, origin="stated"),),
        training=replace(evidence.training, objective=secret, base=replace(evidence.training.base, model_id="/root/m")),
    )
    card, page = render(changed, "card"), render(changed, "report_html")
    for leak in ("alice", token):
        assert leak not in card
    assert token not in page
    assert "base_model" not in card_metadata(card)
    assert "/home/alice" not in render(evidence, "card") + render(evidence, "report_html")


def test_the_card_shows_no_row_of_the_data(evidence):
    card = render(evidence, "card")
    for found in evidence.audit.findings:
        for row in found.evidence:
            assert row.excerpt not in card


def test_an_audit_alone_has_a_report_and_no_card(evidence, tmp_path):
    alone = Evidence(audit=evidence.audit, policy=evidence.policy, verdict=evidence.verdict)
    text = Page(render(alone, "report_html")).text
    assert "Report on an audit of data" in text
    assert "Statements of people" not in text
    with pytest.raises(DocumentError, match=r"README\.md"):
        render(alone, "card")
    unjudged = Evidence(audit=evidence.audit)
    assert "No policy was applied" in Page(render(unjudged, "report_html")).text
    assert set(write_documents(unjudged, tmp_path)) == {"evidence_json", "report_html"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.json", "report.html"]


def test_a_model_whose_training_was_not_seen_has_unanswered_statements(evidence):
    foreign = replace(evidence, training=None, evaluations=())
    card = render(foreign, "card")
    assert "No training was seen here. To be answered by the developer." in card
    assert "Not evaluated" in card
    assert "model-index" not in card_metadata(card)
    assert "Not evaluated" in Page(render(foreign, "report_html")).text


def test_without_an_audit_nothing_is_claimed(evidence, tmp_path):
    bare = replace(evidence, audit=None, earlier_audit=None, remedies=(), policy=None, verdict=None)
    card = render(bare, "card")
    assert "nothing is known here about duplicates, leakage, licenses or personal data" in card
    assert "report_json" not in write_documents(bare, tmp_path)
    with pytest.raises(DocumentError, match=r"report\.json"):
        render(bare, "report_json")


def test_the_smallest_model_has_valid_documents():
    card = render(Evidence(model_name="m"), "card")
    assert validate_card(card) == ()
    assert "license" not in card_metadata(card)
    render(Evidence(model_name="m"), "report_html")


def test_license_of_ones_own_needs_a_name_and_a_link(evidence):
    with pytest.raises(CardError, match="license_link"):
        render(replace(evidence, license="Docs-Lab-1.0"), "card")
    linked = Statement(key="license_link", text="LICENSE", origin="stated")
    data = card_metadata(render(replace(evidence, license="Docs-Lab-1.0", statements=(linked,)), "card"))
    assert (data["license"], data["license_name"], data["license_link"]) == ("other", "Docs-Lab-1.0", "LICENSE")


def test_nothing_is_written_when_one_document_is_invalid(evidence, tmp_path):
    with pytest.raises(CardError):
        write_documents(replace(evidence, license="Docs-Lab-1.0"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failed_write_leaves_no_half_document(evidence, tmp_path):
    write_documents(evidence, tmp_path)
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match="report"):
        write_documents(evidence, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "NOTICE",
        "README.md",
        "USE_RESTRICTIONS.md",
        "evidence.json",
        "report.html",
        "report.json",
    ]


def test_unknown_document_names_the_known(evidence):
    with pytest.raises(
        DocumentError, match="known are card, evidence_json, notice, report_html, report_json, use_restrictions"
    ):
        render(evidence, "datasheet")


@pytest.mark.parametrize(
    "text",
    [
        "<p>no doctype</p>",
        "<!doctype html><script>1</script>",
        '<!doctype html><img src="data:,">',
        '<!doctype html><a href="https://example.org">x</a>',
        '<!doctype html><p onclick="x()">x</p>',
        "<!doctype html><style>@import 'x.css';</style>",
    ],
)
def test_a_page_that_loads_or_runs_something_is_refused(text):
    with pytest.raises(DocumentError, match="not self-contained"):
        documents()["report_html"].validate(text)


def contrast(one, other):
    """WCAG 2.2 contrast ratio of two #rrggbb colours."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_text_colour_stands_out_from_its_ground(evidence, scheme):
    style = render(evidence, "report_html").split("<style>")[1].split("</style>")[0]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style.split(":root {")[scheme + 1].split("}")[0]))
    pairs = [("ink", "paper"), ("soft", "paper"), ("link", "paper"), ("series", "paper")]
    pairs += [(text, f"{name}-bg") for name in ("pass", "review", "block", "none") for text in (name, "ink")]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_its_width_in_a_browser(evidence, tmp_path, width):
    words = Evidence.from_dict(poisoned(evidence.to_dict(), poison="x" * 400))
    long = {"plain": evidence, "long": with_digests(words)}
    for name, item in long.items():
        page = render(item, "report_html").replace("<details>", "<details open>")
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
    size = f'width="{width}" height="900" style="border:0"'
    frames = "".join(f'<iframe src="{name}.html" {size}></iframe>' for name in long)
    width_of = "frame => frame.contentDocument.documentElement.scrollWidth"
    script = f"onload = () => document.title = [...document.querySelectorAll('iframe')].map({width_of}).join()"
    (tmp_path / "frame.html").write_text(f"<!doctype html>{frames}<script>{script}</script>", encoding="utf-8")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
        "--allow-file-access-from-files", "--hide-scrollbars", "--window-size=1400,1000", "--dump-dom",
        (tmp_path / "frame.html").as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    widths = [int(number) for number in re.search(r"<title>([\d,]+)</title>", shown)[1].split(",")]
    assert widths == [width, width]


def test_a_waiver_whose_scope_is_nowhere_is_told_with_near_ones(evidence):
    stray = Waiver(code="DUP002", scope="trian", reason="r", owner="Ada", approver="Grace", expires="2027-01-31")
    policy = replace(evidence.policy, waivers=(*evidence.policy.waivers, stray))
    given = with_digests(replace(evidence, policy=policy))
    text = Page(render(given, "report_html")).text
    assert "has the scope `trian`, which is no split" in text
    assert "excuses nothing" in text

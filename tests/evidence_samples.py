"""One realistic evidence of a model, and its parts, for the tests of documents."""

from dataclasses import replace

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
from audits.intent import Intent
from audits.licenses.analysis import Clause, LicenseAnalysis, Obligation, RuleResult
from audits.licenses.inputs import LicensedInput, LicenseStatement, Lineage
from audits.policy import Outcome, Policy, Rule, Verdict, Waiver
from audits.records import digest_of
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
                rows=(
                    ("BSD-3-Clause", 13010, 9),
                    ("MIT", 6011, 14),
                    ("PSF-2.0", 3619, 1),
                    ("CC-BY-SA-4.0", 1200, 1),
                    ("none declared", rows, 2),
                ),
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
        intent=Intent(outgoing_license="apache-2.0", territory=("EU",)),
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
            Outcome(
                code="L13",
                decision="pass",
                rule="L13: review",
                observed="undetermined: docs-lab/older-pairs",
                allowed="no conflict",
                waiver="No row of it was taken. (Ada, until 2027-01-31)",
            ),
            Outcome(
                code="L14",
                decision="pass",
                rule="L14",
                observed="obligation: sentence-transformers/all-MiniLM-L6-v2",
                allowed="no conflict",
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
        "copies_by_policy", "regression", "unchecked", "inconclusive",
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

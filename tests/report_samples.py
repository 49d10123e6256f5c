"""Evidence of three releases, a pass, a review and a block, with everything that a report can show."""

from dataclasses import replace

from audits.findings import CheckResult, Finding, Measurement, RowEvidence, Table
from audits.licenses.inputs import LicensedInput, LicenseStatement
from audits.policy import Approval, Outcome, Waiver
from model_cards.evidence import Statement, VersionComparison
from tests.evidence_samples import comparison, evidence_of, near_duplicates, ref, with_digests

LABELS = CheckResult(
    code="LABEL001",
    title="Labels that disagree with the text",
    status="ran",
    not_judged=("test: 3 rows with a label are too few",),
    tables=(
        Table(
            name="label quality",
            columns=("from", "to", "rows"),
            rows=tuple(
                (i / 10, (i + 1) / 10, count) for i, count in enumerate([52, 31, 0, 22, 19, 40, 61, 90, 310, 23215])
            ),
        ),
        Table(
            name="reliability of the label probe",
            columns=("from", "to", "rows", "mean confidence", "share right"),
            rows=((0.3, 0.6, 2384, 0.5, 0.44), (0.6, 0.9, 9536, 0.8, 0.83), (0.9, 1.0, 11920, 0.98, 0.97)),
        ),
    ),
)

CUT = CheckResult(
    code="PAIR004",
    title="Texts that the model will not read to the end",
    status="ran",
    findings=tuple(
        Finding(
            code="PAIR004",
            title="Texts that the model will not read to the end",
            split=split,
            column="positive",
            measurement=Measurement(name="texts beyond max_length", value=share, unit="fraction", sample_size=rows),
            evidence=(
                RowEvidence(split=split, row=5, column="positive", excerpt=f"a long text of {split} on Zanzibar"),
            ),
            total_rows=round(share * rows),
        )
        for split, share, rows in (("train", 0.445, 23840), ("test", 0.0625, 3100))
    ),
)


def rows_of(license_id, count):
    said = LicenseStatement(place="row_column", where="license", text=license_id.lower(), concluded=license_id)
    return LicensedInput(
        name=f"rows: {license_id}", role="training", kind="rows", license=license_id, statements=(said,), rows=count
    )


def passing(code, observed, allowed):
    return Outcome(code=code, decision="pass", rule=f"more than {allowed}: review", observed=observed, allowed=allowed)


def release(decision="pass", *, findings=0):
    """Return the evidence of a release with that decision; ``findings`` more of them are made up."""
    evidence = evidence_of()
    spread = Table(
        name="similarity of near-duplicate pairs (train)",
        columns=("from", "to", "pairs"),
        rows=tuple(
            (round(0.8 + i / 50, 2), round(0.82 + i / 50, 2), count)
            for i, count in enumerate([5, 3, 2, 0, 0, 1, 0, 0, 0, 1])
        ),
    )
    more = tuple(
        replace(near_duplicates("train" if i % 2 else "test", i + 1, 20), code="DUP002", column=f"c{i % 7}", rows=None)
        for i in range(findings)
    )
    results = [
        replace(item, tables=(spread,), findings=(*item.findings, *more)) if item.code == "DUP002" else item
        for item in evidence.audit.results
    ]
    audit = replace(evidence.audit, results=(*results, LABELS, CUT))
    waivers = (
        *evidence.policy.waivers,
        Waiver(
            code="L3", reason="Counsel: weights are no adaptation.", owner="Ada", approver="Grace", expires="2027-03-31"
        ),
        Waiver(code="L13", reason="No row was taken from it.", owner="Ada", approver="Grace", expires="2027-03-31"),
    )
    policy = replace(evidence.policy, waivers=waivers)
    outcomes = [
        *evidence.verdict.outcomes[:2],
        passing("DUP002", "0.05 % in train/positive", "1 %"),
        passing("PAIR004", "44.5 % in train/positive", "50 %"),
        passing("PAIR004", "6.25 % in test/positive", "50 %"),
        replace(
            passing("L3", "conflict: rows: CC-BY-SA-4.0", "no conflict"),
            waiver=waivers[1].words,
            waived_by=(waivers[1],),
        ),
        replace(
            passing("L13", "undetermined: docs-lab/older-pairs", "no conflict"),
            waiver=waivers[2].words,
            waived_by=(waivers[2],),
        ),
        passing("L14", "obligation: sentence-transformers/all-MiniLM-L6-v2", "no conflict"),
    ]
    if decision != "pass":
        rule = f"more than 0 rows: {decision}"
        outcomes.append(
            Outcome(code="PII001", decision=decision, rule=rule, observed="2 rows in test/positive", allowed="0 rows")
        )
    inputs = (*evidence.licenses.inputs, rows_of("MIT", 6011), rows_of("BSD-3-Clause", 13010), rows_of("PSF-2.0", 3619))
    evidence = with_digests(
        replace(
            evidence,
            audit=audit,
            policy=policy,
            licenses=replace(evidence.licenses, inputs=inputs),
            verdict=replace(evidence.verdict, decision=decision, outcomes=tuple(outcomes)),
            comparison=versions(-0.031 if decision == "block" else 0.012),
            statements=(
                *evidence.statements,
                Statement(
                    key="legal_entity", text="Docs Lab GmbH, Berlin", origin="stated", by="Ada", date="2026-10-30"
                ),
                Statement(key="out_of_scope_use", text="Decisions about people.", origin="stated", by="Ada"),
            ),
        )
    )
    return approved(evidence) if decision == "review" else evidence


def approved(evidence):
    """Return the evidence with a yes to it, as the gate would take it."""
    given = Approval(
        verdict_digest=evidence.verdict.digest,
        plan_digest=replace(evidence, approvals=(), signing_key=None).content_digest,
        policy_digest=evidence.verdict.policy_digest,
        by="Grace Hopper",
        role="head of model risk",
        reason="Two role addresses, public on the project's page.",
        expires="2026-12-31",
        created_at="2026-11-01T09:00:00+00:00",
    )
    return replace(evidence, approvals=(given,))


def versions(difference):
    """Return a comparison with a published version whose primary metric differs by that much."""
    metric = comparison("ndcg@10", 0.63, 0.63 + difference, difference - 0.009, difference + 0.009)
    return VersionComparison(
        repo_id="docs-lab/docstring-minilm",
        tag="v2",
        commit="a" * 40,
        dataset=ref("test", 3100),
        queries=1500,
        documents=1500,
        max_length=128,
        seed=7,
        metrics=(metric,),
        wins=310,
        losses=290,
        ties=900,
        margin=0.01,
        regression=difference + 0.009 < -0.01,
    )

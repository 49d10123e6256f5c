"""The gate: every link of the chain is needed, and every reason against a push is told at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

import audits
from audits.findings import AuditReport, CheckResult, Finding, Measurement
from audits.licenses.lineage import Start, WalkedLineage, walk
from audits.licenses.repo_folders import FolderHub
from audits.policy import Outcome, Policy, Rule, Verdict, Waiver, judge, load_policy
from hf_contrastive.errors import PushBlocked
from hf_contrastive.release.approvals import approve
from hf_contrastive.release.decision import decide
from hf_contrastive.release.gate import awaits_review, check
from hf_contrastive.release.licensing import license_analysis
from hf_contrastive.release.plan import PlannedFile, PushPlan, contents, payload_digest, planned
from hf_contrastive.release.preparing import prepare
from hf_contrastive.release.rendering import render_all
from model_cards.evidence import BaseModel, Evidence, TrainingRecord

pytestmark = pytest.mark.usefixtures("rendered_once")

STANDARD = load_policy("standard")


def today() -> date:
    """Asked anew each time: a run may go past midnight."""
    return datetime.now(UTC).date()


@dataclass
class Chain:
    """A plan with all that it hangs on; ``run`` sends it through the gate."""

    plan: PushPlan
    evidence: Evidence
    sources: dict[str, Path | bytes]

    def run(self) -> None:
        check(self.plan, self.evidence, self.sources)

    def blocked(self) -> PushBlocked:
        with pytest.raises(PushBlocked) as caught:
            self.run()
        assert all(f"  - {line}" in str(caught.value) for line in caught.value.problems)
        return caught.value


def training(report: AuditReport) -> TrainingRecord:
    return TrainingRecord(
        base=BaseModel(model_id="owner/base", license="mit"),
        objective="infonce",
        data_format="(anchor, positive)",
        text_columns=("anchor", "positive"),
        max_length=64,
        embedding_dimension=2,
        seed=0,
        batch_size=8,
        steps=2,
        epochs=1.0,
        learning_rate=1e-3,
        examples=16,
        datasets=report.datasets,
    )


@pytest.fixture(scope="module")
def report(permissive_report: AuditReport) -> AuditReport:
    return permissive_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "adapter").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(save({"w": np.ones(3)}))
    (folder / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')
    return folder


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> WalkedLineage:
    """The base model as its card tells it."""
    base = tmp_path_factory.mktemp("hub") / "models" / "owner" / "base"
    base.mkdir(parents=True)
    (base / "README.md").write_text("---\nlicense: mit\n---\n")
    return walk(FolderHub(base.parents[2]), models=[Start(name="owner/base")])


@pytest.fixture
def make(folder: Path, report: AuditReport, walked: WalkedLineage) -> Callable[..., Chain]:
    def build(
        report: AuditReport | None = report, policy: Policy = STANDARD, *, seen: bool = True, **told: Any
    ) -> Chain:
        known = training(report) if seen and report is not None else None
        evidence = Evidence(model_name="m", repo_id="local/m", audit=report, training=known, created_at="2026-01-01")
        plan, evidence, rendered = prepare(folder, evidence, policy, walked=walked, **told)
        return Chain(plan, evidence, contents(folder, rendered, plan))

    return build


@pytest.fixture
def chain(make: Callable[..., Chain]) -> Chain:
    return make()


def finding(code: str, value: float, unit: str = "rows") -> CheckResult:
    measured = Measurement(name="x", value=value, unit=unit)
    found = Finding(code=code, title="t", split="train", measurement=measured, total_rows=1, remedy="r")
    return CheckResult(code=code, title="t", status="ran", findings=(found,))


def with_results(report: AuditReport, *results: CheckResult) -> AuditReport:
    codes = {result.code for result in results}
    kept = tuple(result for result in report.results if result.code not in codes)
    return replace(report, results=(*kept, *results))


def test_an_unbroken_chain_passes(chain: Chain):
    evidence = chain.evidence
    assert evidence.verdict == decide(evidence.audit, STANDARD, evidence.training, licenses=evidence.licenses)
    assert chain.evidence.verdict.decision == "pass"
    chain.run()


def test_a_block_lists_everything_at_once(make: Callable[..., Chain], report: AuditReport, folder: Path):
    (folder / "evil.py").write_text("print()")
    (folder / "weights").write_bytes(b"\x80\x04]\x94.")
    bad = with_results(
        report,
        finding("LIC001", 3),
        finding("LEAK001", 0.5, "fraction"),
        finding("DUP001", 0.9, "fraction"),
        CheckResult(code="PII001", title="t", status="errored", reason="broken"),
    )
    blocked = make(bad).blocked()
    assert blocked.verdict.decision == "block"
    told = "\n".join(blocked.problems)
    assert [f"{code} (block)" in told for code in ("LIC001", "LEAK001", "PII001")] == [True] * 3
    assert all(part in told for part in ("DUP001 (review)", "evil.py is code", "weights is a pickle", "broken"))
    assert str(blocked).startswith(f"Nothing was published to local/m: {len(blocked.problems)} reason(s)")
    assert not awaits_review(blocked)


def test_a_block_can_not_be_approved(make: Callable[..., Chain], report: AuditReport):
    chain = make(with_results(report, finding("LIC001", 3)), reviewed_by="Ada")
    assert chain.evidence.approvals == ()
    verdict = chain.evidence.verdict
    approval = approve(verdict, chain.plan.payload_digest, by="Ada")
    chain.evidence = replace(chain.evidence, approvals=(approval,))
    assert any("LIC001" in line for line in replan(chain).blocked().problems)


def test_a_model_trained_elsewhere_is_a_matter_of_review(make: Callable[..., Chain]):
    blocked = make(seen=False).blocked()
    assert blocked.verdict.decision == "review"
    assert any("TRAINING (review)" in line and "trained elsewhere" in line for line in blocked.problems)
    assert "--reviewed-by" in blocked.problems[-1]
    assert awaits_review(blocked)
    make(seen=False, reviewed_by="Ada").run()


def test_the_decision_over_foreign_training_is_never_milder_than_the_audit(report: AuditReport, walked: WalkedLineage):
    bad = with_results(report, finding("LIC001", 3))
    assert decide(bad, STANDARD, None).decision == "block"
    assert decide(report, STANDARD, None).decision == "review"
    # licenses that nobody analysed are not passed
    assert decide(report, STANDARD, training(report)).decision == "review"
    evidence = Evidence(audit=report, training=training(report), license="mit", lineage=walked.lineage)
    analysed = license_analysis(evidence, STANDARD)
    verdict = decide(report, STANDARD, training(report), licenses=analysed)
    assert (verdict.decision, judge(report, STANDARD).decision) == ("pass", "pass")
    assert verdict.outcomes[: len(judge(report, STANDARD).outcomes)] == judge(report, STANDARD).outcomes


def test_more_than_a_missing_yes_does_not_await_review(make: Callable[..., Chain], folder: Path):
    (folder / "evil.py").write_text("print()")
    assert not awaits_review(make(seen=False).blocked())
    assert any("is code" in line for line in make(seen=False, reviewed_by="Ada").blocked().problems)


def replan(chain: Chain, **changes: Any) -> Chain:
    """Plan the same files again for changed evidence, so that only what was changed is wrong."""
    evidence = replace(chain.evidence, **changes)
    rendered = render_all(evidence, published=True)
    files = [item for item in chain.plan.files if item.path not in rendered]
    plan = replace(
        chain.plan,
        files=(*files, *(planned(name, raw) for name, raw in rendered.items())),
        card_digest="sha256:" + planned("", rendered["README.md"]).sha256,
        evidence_digest=evidence.digest,
        verdict=evidence.verdict,
    )
    return Chain(plan, evidence, chain.sources | rendered)


@pytest.mark.parametrize(
    "change",
    [
        {"verdict_digest": "sha256:other"},
        {"plan_digest": "sha256:other"},
        {"policy_digest": "sha256:other"},
        {"by": ""},
        {"by": "  "},
        {"expires": (today() - timedelta(days=1)).isoformat()},
        {"expires": "soon"},
    ],
    ids=str,
)
def test_an_approval_of_something_else_does_not_count(make: Callable[..., Chain], change: dict[str, str]):
    chain = make(seen=False, reviewed_by="Ada")
    approval = replace(chain.evidence.approvals[0], **change)
    assert awaits_review(replan(chain, approvals=(approval,)).blocked())
    replan(chain, approvals=(approval, *chain.evidence.approvals)).run()


@pytest.mark.parametrize("days", [0, 1])
def test_an_approval_holds_on_its_last_day(make: Callable[..., Chain], days: int):
    chain = make(seen=False, reviewed_by="Ada")
    approval = replace(chain.evidence.approvals[0], expires=(today() + timedelta(days=days)).isoformat())
    replan(chain, approvals=(approval,)).run()


def test_an_approval_does_not_outlive_the_files_it_was_given_for(make: Callable[..., Chain], folder: Path):
    approvals = make(seen=False, reviewed_by="Ada").evidence.approvals
    (folder / "config.json").write_text('{"model_type": "roberta"}')
    chain = make(seen=False)
    assert awaits_review(replan(chain, approvals=approvals).blocked())


def test_an_approval_stays_when_the_same_data_is_audited_again(make: Callable[..., Chain], permissive_file: Path):
    approvals = make(seen=False, reviewed_by="Ada").evidence.approvals
    again = audits.audit(str(permissive_file))
    replan(make(again, seen=False), approvals=approvals).run()


def test_data_that_was_not_trained_on(make: Callable[..., Chain], report: AuditReport):
    chain = make()
    (reference,) = report.datasets
    other = replace(training(report), datasets=(replace(reference, fingerprint="sha256:other"),))
    told = str(replan(chain, training=other).blocked())
    assert "not the data that was trained on (split train" in told
    none = replace(training(report), datasets=())
    assert "not the data that was trained on (split unknown" in str(replan(chain, training=none).blocked())
    more = replace(training(report), datasets=(reference, replace(reference, split="extra", fingerprint="sha256:1")))
    assert "split extra" in str(replan(chain, training=more).blocked())


def test_a_waiver_that_ran_out_since_the_verdict(make: Callable[..., Chain], report: AuditReport):
    waiver = Waiver(
        code="DUP001", reason="known", owner="Ada", approver="Bo", expires=(today() + timedelta(days=1)).isoformat()
    )
    policy = replace(STANDARD, waivers=(waiver,))
    chain = make(with_results(report, finding("DUP001", 0.9, "fraction")), policy)
    chain.run()
    with pytest.raises(PushBlocked, match="does not follow from this audit"):
        check(chain.plan, chain.evidence, chain.sources, today=today() + timedelta(days=2))


@pytest.mark.parametrize("named", ["other/base", "/home/ada/base", None])
def test_an_adapter_that_names_another_base(make: Callable[..., Chain], folder: Path, named: str | None):
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": named}))
    assert any("was trained from the Hub id owner/base" in line for line in make().blocked().problems)


def test_an_adapter_of_a_base_that_is_no_hub_id(make: Callable[..., Chain], report: AuditReport):
    local = replace(training(report), base=BaseModel(model_id=None, license="mit"))
    blocked = replan(make(), training=local).blocked()
    assert any("trained from a local folder" in line and "base_model_id" in line for line in blocked.problems)


def file(chain: Chain, name: str) -> PlannedFile:
    return next(item for item in chain.plan.files if item.path == name)


def swap(chain: Chain, item: PlannedFile) -> Chain:
    files = tuple(item if known.path == item.path else known for known in chain.plan.files)
    return replace(chain, plan=replace(chain.plan, files=files))


def without_audit(chain: Chain) -> Chain:
    return replan(chain, audit=None, verdict=None, policy=None)


def other_report(chain: Chain) -> Chain:
    dropped = replace(chain.evidence.audit, results=chain.evidence.audit.results[1:])
    return replace(chain, evidence=replace(chain.evidence, audit=dropped))


def milder_verdict(chain: Chain) -> Chain:
    outcomes = (Outcome(code="X", decision="pass", rule="r", observed="o", allowed="a"),)
    return replan(chain, verdict=replace(chain.evidence.verdict, outcomes=outcomes))


def milder_policy(chain: Chain) -> Chain:
    return replace(chain, evidence=replace(chain.evidence, policy=Policy(name="x", rules=(Rule(code="DUP001"),))))


def verdict_of_plan(chain: Chain) -> Chain:
    verdict = Verdict(decision="pass", outcomes=(), report_digest="", policy_digest="")
    return replace(chain, plan=replace(chain.plan, verdict=verdict))


def changed_on_disk(chain: Chain) -> Chain:
    path = chain.sources["config.json"]
    assert isinstance(path, Path)
    path.write_text('{"model_type": "other"}')
    return chain


def gone(chain: Chain) -> Chain:
    path = chain.sources["config.json"]
    assert isinstance(path, Path)
    path.unlink()
    return chain


def no_source(chain: Chain) -> Chain:
    return replace(chain, sources={k: v for k, v in chain.sources.items() if k != "config.json"})


def another_card(chain: Chain) -> Chain:
    text = b"---\nlicense: mit\n---\n# Another model\n\nIt is perfect.\n"
    item = planned("README.md", text)
    chain = swap(replace(chain, sources=chain.sources | {"README.md": text}), item)
    return replace(chain, plan=replace(chain.plan, card_digest=f"sha256:{item.sha256}"))


def no_documents(chain: Chain) -> Chain:
    files = tuple(item for item in chain.plan.files if item.path != "evidence.json")
    return replace(chain, plan=replace(chain.plan, files=files))


LINKS: dict[str, tuple[Callable[[Chain], Chain], str]] = {
    "audit": (without_audit, "was not audited"),
    "audit changed": (other_report, "does not follow"),
    "verdict changed": (milder_verdict, "does not follow"),
    "policy changed": (milder_policy, "does not follow"),
    "verdict of the plan": (verdict_of_plan, "another verdict"),
    "no verdict in the plan": (lambda c: replace(c, plan=replace(c.plan, verdict=None)), "another verdict"),
    "evidence of the plan": (
        lambda c: replace(c, plan=replace(c.plan, evidence_digest="sha256:0")),
        "another evidence",
    ),
    "evidence changed": (lambda c: replace(c, evidence=replace(c.evidence, license="mit")), "another evidence"),
    "payload of the evidence": (lambda c: replan(c, payload_digest="sha256:0"), "about other model files"),
    "no payload digest": (lambda c: replan(c, payload_digest=""), "about other model files"),
    "file changed": (changed_on_disk, "config.json changed since"),
    "file gone": (gone, "config.json is gone"),
    "content missing": (no_source, "config.json is gone"),
    "digest of a file": (lambda c: swap(c, replace(file(c, "config.json"), sha256="0" * 64)), "changed since"),
    "size of a file": (lambda c: swap(c, replace(file(c, "config.json"), size=1)), "changed since"),
    "card": (another_card, "README.md is missing or not what this evidence says"),
    "card digest": (lambda c: replace(c, plan=replace(c.plan, card_digest="")), "another model card"),
    "document left out": (no_documents, "evidence.json is missing"),
}


@pytest.mark.parametrize("seen", [True, False], ids=["passed", "approved"])
@pytest.mark.parametrize("link", LINKS)
def test_no_link_can_be_removed(make: Callable[..., Chain], link: str, seen: bool):
    chain = make(seen=seen, reviewed_by="Ada")
    chain.run()
    breaks, told = LINKS[link]
    blocked = breaks(chain).blocked()
    assert any(told in line for line in blocked.problems)
    assert not awaits_review(blocked)


def test_files_beside_the_plan_are_not_looked_at(chain: Chain):
    chain.sources["unplanned.py"] = b"print()"
    chain.run()


def test_the_payload_is_counted_from_the_files_and_not_taken_on_trust(chain: Chain, folder: Path):
    (folder / "extra.json").write_text("{}")
    extra = planned("extra.json", folder / "extra.json")
    chain.plan = replace(chain.plan, files=(*chain.plan.files, extra))
    chain.sources["extra.json"] = folder / "extra.json"
    assert payload_digest(chain.plan.files) != chain.evidence.payload_digest
    assert any("other model files" in line for line in chain.blocked().problems)

"""Every way in which the proof can be missing, stale, foreign or forged closes the gate; the Hub stays as it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from huggingface_hub import HfApi
from safetensors.numpy import save

import audits
from audits.findings import AuditReport, CheckResult, Finding, Measurement, RemedyRecord
from audits.licenses.repo_folders import FolderHub
from audits.policy import Policy, Rule, Verdict, Waiver, load_policy
from audits.verdicts import Approval
from hf_contrastive.errors import HubError, PushBlocked
from hf_contrastive.release import chain, gate, staging
from hf_contrastive.release.approvals import approve, subject_digest
from hf_contrastive.release.local_hub import serve
from hf_contrastive.release.plan import PushPlan, planned
from hf_contrastive.release.publish import preview, publish
from hf_contrastive.release.signing import Signer
from model_cards.evidence import (
    BaseModel,
    EvaluationReport,
    Evidence,
    MetricComparison,
    Statement,
    TrainingRecord,
    VersionComparison,
)

pytestmark = pytest.mark.usefixtures("rendered_once")

REPO, BASE = "local/model", "owner/base"
STANDARD = load_policy("standard")


def now() -> datetime:
    """Asked anew each time: a run may go past midnight."""
    return datetime.now(UTC)


def today() -> date:
    return now().date()


Prepared = tuple[PushPlan, Evidence, dict[str, bytes]]


@dataclass
class World:
    """A push that would pass, and what can be done to it."""

    folder: Path
    evidence: Evidence
    patch: pytest.MonkeyPatch
    policy: Policy = STANDARD
    options: dict[str, Any] = field(default_factory=dict)

    def push(self) -> Any:
        return publish(self.folder, self.evidence, self.policy, **self.options)

    def prepared(self, change: Callable[..., Prepared]) -> None:
        """Change plan, evidence or documents between planning and the gate."""
        real = staging.prepare
        self.patch.setattr(staging, "prepare", lambda *given, **told: change(*real(*given, **told)))

    def plan(self, **changes: Any) -> None:
        self.prepared(lambda plan, evidence, rendered: (replace(plan, **changes), evidence, rendered))

    def claim(self, **changes: Any) -> None:
        """Change the evidence after the plan was made, and let the plan name it: only the chain can tell."""

        def change(plan: PushPlan, evidence: Evidence, rendered: dict[str, bytes]) -> Prepared:
            other = replace(evidence, **changes)
            return replace(plan, evidence_digest=other.digest, verdict=other.verdict), other, rendered

        self.prepared(change)

    def later(self, change: Callable[[Path], Any]) -> None:
        """Change the folder when the plan is made and nothing has passed the gate."""
        real = staging.in_memory

        def changed(*given: Any) -> Any:
            change(self.folder)
            return real(*given)

        self.patch.setattr(staging, "in_memory", changed)

    def untrained(self) -> Verdict:
        """Make it a matter of review; return the verdict that the push will come to."""
        self.evidence = replace(self.evidence, training=None)
        return self.judged().verdict  # type: ignore[return-value]

    def judged(self) -> Evidence:
        """The evidence that the push will come to."""
        found: list[Evidence] = []
        with pytest.MonkeyPatch.context() as patch:
            real = staging.prepare

            def keep(*given: Any, **told: Any) -> Prepared:
                prepared = real(*given, **told)
                found.append(prepared[1])
                return prepared

            patch.setattr(staging, "prepare", keep)
            preview(self.folder, self.evidence, self.policy, **self.options)
        return found[-1]

    def approved(self, **changes: Any) -> None:
        """Give an approval that holds but for ``changes``."""
        verdict = self.untrained()
        known = approve(
            verdict, subject_digest(self.judged()), by="Ada", role="counsel", reason="read", expires=str(today())
        )
        self.options["approval"] = replace(known, **changes)


@pytest.fixture(scope="module")
def report(permissive_report: AuditReport) -> AuditReport:
    return permissive_report


@pytest.fixture(scope="module")
def other_report(permissive_rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    path = tmp_path_factory.mktemp("other") / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in permissive_rows[1:]), encoding="utf-8")
    return audits.audit(str(path))


def training(report: AuditReport) -> TrainingRecord:
    return TrainingRecord(
        base=BaseModel(model_id=BASE, license="mit"),
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
        weights_sha256="sha256:trained",
    )


def model(folder: Path, weights: float) -> Path:
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(save({"w": np.full(3, weights)}))
    return folder


@pytest.fixture(scope="module")
def hub(report: AuditReport, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A Hub that holds a version already, and how to reach it."""
    root = tmp_path_factory.mktemp("hub")
    card = tmp_path_factory.mktemp("upstream") / "models" / BASE / "README.md"
    card.parent.mkdir(parents=True)
    card.write_text("---\nlicense: mit\n---\n")
    with serve(root) as running:
        options = {
            "api": HfApi(endpoint=running.endpoint, token=running.token),
            "hub": FolderHub(card.parents[3]),
            "history": root.parent / "history.jsonl",
        }
        first = model(tmp_path_factory.mktemp("first") / "model", 1.0)
        evidence = Evidence(model_name="m", repo_id=REPO, license="mit", audit=report, training=training(report))
        assert publish(first, evidence, STANDARD, **options).tag == "v1"
        yield root, options


@pytest.fixture
def world(
    hub: tuple[Path, dict[str, Any]], report: AuditReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    evidence = Evidence(model_name="m", repo_id=REPO, license="mit", audit=report, training=training(report))
    folder = model(tmp_path / "model", 2.0)
    return World(folder=folder, evidence=evidence, patch=monkeypatch, options=dict(hub[1]))


def stored(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_world_as_it_is_would_pass(world: World):
    found = preview(world.folder, world.evidence, world.policy, **world.options)
    assert (found.decision, found.problems, found.next_tag) == ("pass", (), "v2")
    world.approved()
    assert preview(world.folder, world.evidence, world.policy, **world.options).decision == "pass"


# ---- data and audit ---------------------------------------------------------------------------------------------


def audited(world: World, **changes: Any) -> None:
    world.evidence = replace(world.evidence, audit=replace(world.evidence.audit, **changes))


def with_result(world: World, result: CheckResult) -> None:
    kept = tuple(item for item in world.evidence.audit.results if item.code != result.code)
    audited(world, results=(*kept, result))


def required(world: World, result: CheckResult) -> None:
    rules = tuple(rule for rule in STANDARD.rules if rule.code != result.code)
    world.policy = replace(STANDARD, rules=(*rules, Rule(code=result.code, required=True)))
    with_result(world, result)


def found_by(code: str, value: float) -> CheckResult:
    measured = Measurement(name="x", value=value, unit="rows")
    finding = Finding(code=code, title="t", split="train", measurement=measured, total_rows=1, remedy="r")
    return CheckResult(code=code, title="t", status="ran", findings=(finding,))


def stale_audit(world: World) -> None:
    audited(world, audited_at=(now() - timedelta(days=400)).isoformat())


def undated_audit(world: World) -> None:
    audited(world, audited_at="")


def foreign_data(world: World, other: AuditReport) -> None:
    world.evidence = replace(world.evidence, audit=other)


def more_was_trained_on(world: World) -> None:
    (reference,) = world.evidence.training.datasets
    more = (reference, replace(reference, split="extra", fingerprint="sha256:1"))
    world.evidence = replace(world.evidence, training=replace(world.evidence.training, datasets=more))


def another_column(world: World) -> None:
    columns = ("anchor", "positive", "negative")
    world.evidence = replace(world.evidence, training=replace(world.evidence.training, text_columns=columns))


def no_audit(world: World) -> None:
    world.evidence = replace(world.evidence, audit=None)


def audit_changed_after_the_verdict(world: World) -> None:
    report = world.evidence.audit
    world.claim(audit=replace(report, results=report.results[1:]))


# ---- training, evaluation, comparison ----------------------------------------------------------------------------


def evaluated_on_other_weights(world: World) -> None:
    (reference,) = world.evidence.audit.datasets
    score = Measurement(name="ndcg@10", value=0.9, unit="score")
    evaluation = EvaluationReport(
        task="retrieval", dataset=reference, queries=1, documents=1, max_length=64, seed=0,
        metrics=(MetricComparison(after=score),), weights_sha256="sha256:other",
    )  # fmt: skip
    world.evidence = replace(world.evidence, evaluations=(evaluation,))


def compared(world: World, **changes: Any) -> None:
    told = VersionComparison(
        repo_id=REPO, commit="0" * 40, weights_sha256="sha256:trained", margin=STANDARD.versions.margin, seed=0,
        note="not compared: no data",
    )  # fmt: skip
    world.claim(comparison=replace(told, **changes))


def remedies_that_lead_elsewhere(world: World, other: AuditReport) -> None:
    remedy = RemedyRecord(
        name="remove_duplicates", codes=("DUP001",), report_digest="sha256:0", removed={"train": (0,)},
        before=other.datasets, after=other.datasets,
    )  # fmt: skip
    world.evidence = replace(world.evidence, remedies=(remedy,))


def shards_that_are_not_there(world: World) -> None:
    index = {"weight_map": {"w": "model.safetensors", "x": "model-00002-of-00002.safetensors"}}
    (world.folder / "model.safetensors.index.json").write_text(json.dumps(index))


def trained_from_another_base(world: World) -> None:
    (world.folder / "adapter").mkdir()
    (world.folder / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "other/base"}')


# ---- files after planning -----------------------------------------------------------------------------------------


def weights(folder: Path) -> Path:
    return folder / "model.safetensors"


def as_link(folder: Path, name: str) -> None:
    # the content stays the same
    elsewhere = folder.parent / f"elsewhere-{name}"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)


def as_pipe(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def folder_as_link(folder: Path) -> None:
    (folder / "1_Pooling").rename(folder.parent / "1_Pooling")
    (folder / "1_Pooling").symlink_to(folder.parent / "1_Pooling")


def tamper_document(name: str, *, replanned: bool) -> Callable[[World], None]:
    def change(plan: PushPlan, evidence: Evidence, rendered: dict[str, bytes]) -> Prepared:
        raw = rendered[name].replace(b"mit", b"MIT") + b"\nAll is well.\n"
        files = tuple(planned(name, raw) if item.path == name else item for item in plan.files)
        digest = f"sha256:{planned(name, raw).sha256}" if name == "README.md" else plan.card_digest
        other = replace(plan, files=files, card_digest=digest) if replanned else plan
        return other, evidence, {**rendered, name: raw}

    return lambda world: world.prepared(change)


def without_document(name: str) -> Callable[[World], None]:
    def change(plan: PushPlan, evidence: Evidence, rendered: dict[str, bytes]) -> Prepared:
        kept = tuple(item for item in plan.files if item.path != name)
        return replace(plan, files=kept), evidence, {key: raw for key, raw in rendered.items() if key != name}

    return lambda world: world.prepared(change)


def with_document(name: str) -> Callable[[World], None]:
    def change(plan: PushPlan, evidence: Evidence, rendered: dict[str, bytes]) -> Prepared:
        files = (*plan.files, planned(name, b"Do as you like."))
        return replace(plan, files=files), evidence, {**rendered, name: b"Do as you like."}

    return lambda world: world.prepared(change)


def planned_twice(world: World) -> None:
    def change(plan: PushPlan, evidence: Evidence, rendered: dict[str, bytes]) -> Prepared:
        card = next(item for item in plan.files if item.path == "README.md")
        return replace(plan, files=(*plan.files, card)), evidence, rendered

    world.prepared(change)


def planned_outside(world: World) -> None:
    (world.folder.parent / "secret.txt").write_text("secret")

    def change(plan: PushPlan, evidence: Evidence, rendered: dict[str, bytes]) -> Prepared:
        outside = planned("../secret.txt", world.folder.parent / "secret.txt")
        return replace(plan, files=(*plan.files, outside)), evidence, rendered

    world.prepared(change)


# ---- signature, license facts, obligations ------------------------------------------------------------------------


def signed_for_other_files(world: World) -> None:
    signer = Signer(ec.generate_private_key(ec.SECP256R1()))
    world.options["sign_key"] = signer

    def change(plan: PushPlan, evidence: Evidence, rendered: dict[str, bytes]) -> Prepared:
        raw = signer.sign([item for item in plan.files if item.path != "config.json"], REPO)
        files = (*(item for item in plan.files if item.path != "model.sig"), planned("model.sig", raw))
        return replace(plan, files=files), evidence, {**rendered, "model.sig": raw}

    world.prepared(change)


def license_facts_changed(world: World) -> None:
    real = chain.license_analysis
    world.patch.setattr(chain, "license_analysis", lambda *told: replace(real(*told), facts_digest="sha256:newer"))


def milder_analysis(world: World) -> None:
    def change(plan: PushPlan, evidence: Evidence, rendered: dict[str, bytes]) -> Prepared:
        other = replace(evidence, licenses=replace(evidence.licenses, obligations=()))
        return replace(plan, evidence_digest=other.digest), other, rendered

    world.prepared(change)


def name_that_a_license_asks_for(world: World) -> None:
    card = world.folder.parent / "upstream" / "models" / BASE / "README.md"
    card.parent.mkdir(parents=True)
    card.write_text("---\nlicense: llama3.1\n---\n")
    world.options["hub"] = FolderHub(card.parents[3])
    base = BaseModel(model_id=BASE, license="llama3.1")
    world.evidence = replace(world.evidence, license="llama3.1", training=replace(world.evidence.training, base=base))


# ---- verdict, policy, approvals, clock ------------------------------------------------------------------------------


def policy_changed_after_the_plan(world: World) -> None:
    world.claim(policy=replace(STANDARD, rules=()))


def self_made_yes_to_a_block(world: World) -> None:
    with_result(world, found_by("LIC001", 3))
    judged = world.judged()
    approval = approve(judged.verdict, subject_digest(judged), by="Ada", role="me", reason="I say so")
    world.options["approval"] = approval
    world.prepared(lambda plan, evidence, rendered: (plan, replace(evidence, approvals=(approval,)), rendered))


def name_alone_that_is_not_enough(world: World) -> None:
    world.policy = replace(STANDARD, single_reviewer=False)
    world.approved(role="", reason="")


def waiver_that_ends_before_the_gate(world: World) -> None:
    waiver = Waiver(code="LIC001", reason="known", owner="Ada", approver="Bo", expires=str(today()))
    world.policy = replace(STANDARD, waivers=(waiver,))
    with_result(world, found_by("LIC001", 3))
    world.patch.setattr(gate, "utc_today", lambda: today() + timedelta(days=1))


def expired_waiver(world: World) -> None:
    waiver = Waiver(code="LIC001", reason="known", owner="Ada", approver="Bo", expires=str(today() - timedelta(days=1)))
    world.policy = replace(STANDARD, waivers=(waiver,))
    with_result(world, found_by("LIC001", 3))


def waiver_from_tomorrow_on(world: World) -> None:
    days = {"created": str(today() + timedelta(days=1)), "expires": str(today() + timedelta(days=9))}
    waiver = Waiver(code="LIC001", reason="known", owner="Ada", approver="Bo", **days)
    world.policy = replace(STANDARD, waivers=(waiver,))
    with_result(world, found_by("LIC001", 3))


def clock(world: World, days: int) -> None:
    world.patch.setattr(gate, "utc_today", lambda: today() + timedelta(days=days))


def clock_set_back_for_an_expired_approval(world: World) -> None:
    # the approval was given yesterday for a day; the clock says that it is the day before
    world.approved(expires=str(today() - timedelta(days=1)), created_at=(now() - timedelta(days=1)).isoformat())
    audited(world, audited_at=(now() - timedelta(days=3)).isoformat())
    clock(world, -2)


CASES: dict[str, tuple[Callable[..., None], str]] = {
    "stale audit": (stale_audit, "400 days old"),
    "audit of nobody knows when": (undated_audit, "When the data was audited is not known"),
    "audit of another dataset": (foreign_data, "not the data that was trained on (split train"),
    "more data trained on than audited": (more_was_trained_on, "split extra"),
    "column that nobody read": (another_column, "did not read the column(s) negative"),
    "no audit": (no_audit, "was not audited"),
    "audit changed after the verdict": (audit_changed_after_the_verdict, "does not follow from this audit"),
    "audit errored": (
        lambda w: required(w, CheckResult(code="DUP001", title="t", status="errored", reason="out of memory")),
        "out of memory",
    ),
    "check required but skipped": (
        lambda w: required(w, CheckResult(code="DUP001", title="t", status="skipped", reason="needs texts")),
        "needs texts",
    ),
    "finding that blocks": (lambda w: with_result(w, found_by("LIC001", 3)), "LIC001 (block)"),
    "evaluation of other weights": (evaluated_on_other_weights, "measured on other weights"),
    "comparison of other weights": (lambda w: compared(w, weights_sha256="sha256:x"), "compared with other weights"),
    "comparison with another repository": (lambda w: compared(w, repo_id="other/m"), "with a version of other/m"),
    "remedies that lead elsewhere": (remedies_that_lead_elsewhere, "remedies do not lead to the audited data"),
    "weights that do not go along": (shards_that_are_not_there, "do not go along (model-00002-of-00002.safetensors)"),
    "another base": (trained_from_another_base, "was trained from the Hub id owner/base"),
    "evidence of another schema": (
        lambda w: w.claim(schema_version=2), "evidence has schema version 2"),
    "audit of another schema": (
        lambda w: w.claim(audit=replace(w.evidence.audit, schema_version=99)), "audit has schema version 99"),
    "weights changed": (lambda w: w.later(lambda f: weights(f).write_bytes(save({"w": np.zeros(3)}))), "changed since"),
    "settings changed": (
        lambda w: w.later(lambda f: (f / "config.json").write_text('{"model_type": "BERT"}')), "config.json changed"),
    "size changed": (lambda w: w.later(lambda f: os.truncate(f / "config.json", 99)), "config.json changed since"),
    "weights cut off": (lambda w: w.later(lambda f: os.truncate(weights(f), 9)), "model.safetensors changed since"),
    "settings as a link": (lambda w: w.later(lambda f: as_link(f, "config.json")), "config.json is a symbolic link"),
    "weights as a link": (lambda w: w.later(lambda f: as_link(f, "model.safetensors")), "is a symbolic link"),
    "folder as a link": (lambda w: w.later(folder_as_link), "1_Pooling/config.json is a symbolic link"),
    "a pipe": (lambda w: w.later(as_pipe), "config.json is gone"),
    "deleted": (lambda w: w.later(lambda f: (f / "config.json").unlink()), "config.json is gone"),
    "weights deleted": (lambda w: w.later(lambda f: weights(f).unlink()), "model.safetensors is gone"),
    "all deleted": (lambda w: w.later(shutil.rmtree), "is no longer in model"),
    "added": (lambda w: w.later(lambda f: (f / "vocab.txt").write_text("a\n")), "vocab.txt was added since"),
    "code added": (lambda w: w.later(lambda f: (f / "x.py").write_text("")), "x.py was added since"),
    "document edited": (tamper_document("README.md", replanned=False), "README.md changed since"),
    "card edited and planned": (tamper_document("README.md", replanned=True), "README.md is missing or not what"),
    "evidence edited and planned": (tamper_document("evidence.json", replanned=True), "evidence.json is missing"),
    "license copy edited": (tamper_document("LICENSES/MIT.txt", replanned=True), "LICENSES/MIT.txt is missing or not"),
    "card left out": (without_document("README.md"), "README.md is missing"),
    "NOTICE left out": (without_document("NOTICE"), "NOTICE is missing"),
    "license copy left out": (without_document("LICENSES/MIT.txt"), "LICENSES/MIT.txt is missing"),
    "restrictions of nobody": (with_document("USE_RESTRICTIONS.md"), "USE_RESTRICTIONS.md is no document of this"),
    "license copy of nobody": (with_document("LICENSES/WTFPL.txt"), "LICENSES/WTFPL.txt is no document of this"),
    "planned twice": (planned_twice, "README.md is planned twice"),
    "planned from outside": (planned_outside, "leads out of the folder"),
    "evidence digest": (lambda w: w.plan(evidence_digest="sha256:0"), "another evidence (digest mismatch)"),
    "card digest": (lambda w: w.plan(card_digest="sha256:0"), "another model card"),
    "verdict of the plan": (
        lambda w: w.plan(verdict=Verdict(decision="pass", outcomes=(), report_digest="", policy_digest="")),
        "another verdict",
    ),
    "repository of the plan": (lambda w: w.plan(repo_id="local/other"), "The evidence is for local/model"),
    "files of the evidence": (lambda w: w.claim(payload_digest="sha256:0"), "about other model files"),
    "license of the evidence": (lambda w: w.claim(license="apache-2.0"), "does not follow"),
    "statement added": (
        lambda w: w.claim(statements=(Statement(key="direct_use", text="all", origin="stated"),)),
        "not what this evidence",
    ),
    "policy changed after the plan": (policy_changed_after_the_plan, "does not follow from this audit"),
    "signature of other files": (signed_for_other_files, "model.sig is over other files"),
    "signing key without a signature": (
        lambda w: w.claim(signing_key=Signer(ec.generate_private_key(ec.SECP256R1())).key), "model.sig"),
    "license facts changed": (license_facts_changed, "today's license facts"),
    "analysis without obligations": (milder_analysis, "analysis of the licenses does not follow"),
    "name that a license asks for": (name_that_a_license_asks_for, "Llama"),
    "nobody said yes": (lambda w: w.untrained() and None, "needs a person's recorded yes"),
    "approval expired": (lambda w: w.approved(expires=str(today() - timedelta(days=1))), "it expired on"),
    "approval of another verdict": (lambda w: w.approved(verdict_digest="sha256:0"), "for another verdict"),
    "approval under another policy": (lambda w: w.approved(policy_digest="sha256:0"), "under another policy"),
    "approval of another plan": (lambda w: w.approved(plan_digest="sha256:0"), "for other files"),
    "approval by nobody": (lambda w: w.approved(by="  "), "names nobody"),
    "approval that lasts too long": (lambda w: w.approved(expires="2199-01-01"), "longer than the 90 days"),
    "approval dated tomorrow": (
        lambda w: w.approved(created_at=(now() + timedelta(days=1)).isoformat()), "the clock of this machine"),
    "approval by a name alone": (name_alone_that_is_not_enough, "takes no name alone"),
    "files changed after the approval": (
        lambda w: (w.approved(), (w.folder / "config.json").write_text('{"model_type": "x"}'))[0], "for other files"),
    "self-made yes to a block": (self_made_yes_to_a_block, "LIC001 (block)"),
    "waiver expired": (expired_waiver, "LIC001 (block)"),
    "waiver from tomorrow on": (waiver_from_tomorrow_on, "LIC001 (block)"),
    "waiver that ends before the gate": (waiver_that_ends_before_the_gate, "does not follow"),
    "clock before the audit": (lambda w: clock(w, -2), "audit is dated"),
    "clock before the evidence": (
        lambda w: setattr(w, "evidence", replace(w.evidence, created_at=(now() + timedelta(days=2)).isoformat())),
        "The evidence is dated",
    ),
    "clock set back for an expired approval": (clock_set_back_for_an_expired_approval, "the clock of this machine"),
    "code in the folder": (lambda w: (w.folder / "x.py").write_text("") and None, "x.py is code"),
}  # fmt: skip


QUICK = {
    "stale audit", "audit of another dataset", "finding that blocks", "evaluation of other weights", "weights changed",
    "code added", "card edited and planned", "card left out", "evidence digest", "signature of other files",
    "nobody said yes", "approval expired", "approval of another plan", "waiver expired", "clock before the audit",
}  # fmt: skip
"""Cases that each change tries, one of every kind; the others take as long and run with the slow suites."""


@pytest.mark.timeout(120, func_only=True)
@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_the_gate_is_closed_and_the_hub_as_it_was(
    world: World, hub: tuple[Path, dict[str, Any]], other_report: AuditReport, case: str
):
    breaks, words = CASES[case]
    before = stored(hub[0])
    if breaks in (foreign_data, remedies_that_lead_elsewhere):
        breaks(world, other_report)
    else:
        breaks(world)
    with pytest.raises(PushBlocked) as caught:
        world.push()
    assert any(words in line for line in caught.value.problems), caught.value.problems
    assert str(caught.value).startswith("Nothing was published to local/")
    assert stored(hub[0]) == before


AFTER: dict[str, tuple[Callable[[Path], Any], str]] = {
    "weights changed behind the gate": (
        lambda folder: weights(folder).write_bytes(save({"w": np.zeros(3)})), "changed while it was being published"),
    "weights cut off behind the gate": (
        lambda folder: os.truncate(weights(folder), 9), "changed while it was being published"),
}  # fmt: skip


@pytest.mark.parametrize("case", AFTER)
def test_what_changes_behind_the_gate_is_not_sent(world: World, hub: tuple[Path, dict[str, Any]], case: str):
    change, words = AFTER[case]
    before = stored(hub[0])
    world.options["on_plan"] = lambda plan: change(world.folder)
    with pytest.raises(HubError, match=words):
        world.push()
    assert stored(hub[0]) == before


def test_settings_that_change_behind_the_gate_are_sent_as_they_were_planned(
    world: World, hub: tuple[Path, dict[str, Any]], tmp_path: Path
):
    world.evidence = replace(world.evidence, repo_id="local/behind")
    planned_as = (world.folder / "config.json").read_bytes()
    world.options["on_plan"] = lambda plan: (world.folder / "config.json").write_text(
        '{"auto_map": {"AutoModel": "x"}}'
    )
    receipt = world.push()
    api: HfApi = world.options["api"]
    here = Path(api.hf_hub_download("local/behind", "config.json", revision=receipt.tag, local_dir=tmp_path / "here"))
    assert here.read_bytes() == planned_as


def test_an_approval_without_a_date_is_still_bound_to_everything_else(world: World):
    world.approved(created_at="")
    assert isinstance(world.options["approval"], Approval)
    assert preview(world.folder, world.evidence, world.policy, **world.options).decision == "pass"

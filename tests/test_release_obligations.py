"""The gate and licenses: what the rules say, what must go along, and how old an audit may be."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from datasets import Dataset
from safetensors.numpy import save

from audits import audit, load_policy
from audits.findings import AuditReport
from audits.intent import Intent
from audits.licenses.lineage import Start, walk
from audits.licenses.repo_folders import FolderHub
from audits.licenses.texts import TextMatch
from audits.policy import Policy
from hf_contrastive.errors import ConfigurationError, PushBlocked
from hf_contrastive.release import licensing
from hf_contrastive.release.approvals import ApprovalError
from hf_contrastive.release.gate import check
from hf_contrastive.release.licensing import intent_of, trace
from hf_contrastive.release.plan import contents
from hf_contrastive.release.preparing import prepare
from hf_contrastive.release.publish import publish
from model_cards.evidence import BaseModel, Evidence, TrainingRecord

pytestmark = pytest.mark.usefixtures("rendered_once")

STANDARD, STRICT = load_policy("standard"), load_policy("strict")
BASE = "owner/base"


def report_of(*licenses: str) -> AuditReport:
    rows = {
        "anchor": [f"how does one make part number {i} of it" for i in range(len(licenses))],
        "positive": [f"take the {i} screws and read the manual" for i in range(len(licenses))],
        "license": list(licenses),
    }
    return audit(Dataset.from_dict(rows), license_column="license", self_test=False, checks=("DUP001", "LIC002"))


def evidence_of(report: AuditReport, *, base: str = "apache-2.0", license: str = "apache-2.0"):  # noqa: A002  (the Hub's own term)
    training = TrainingRecord(
        base=BaseModel(model_id=BASE, license=base),
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
    return Evidence(model_name="m", repo_id="local/m", license=license, audit=report, training=training)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import numpy as np

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(save({"w": np.ones(3)}))
    return folder


def only_licenses(policy: Policy) -> Policy:
    """Return the policy with the rules of the checks that ran here."""
    return replace(policy, rules=tuple(rule for rule in policy.rules if rule.code in ("DUP001", "LIC002")))


def gate(folder: Path, evidence: Evidence, policy: Policy = STANDARD, **options) -> Evidence:
    options.setdefault("walked", walk(FolderHub(hub_of(folder, evidence)), models=[Start(name=BASE)]))
    plan, evidence, rendered = prepare(folder, evidence, only_licenses(policy), **options)
    check(plan, evidence, contents(folder, rendered, plan))
    return evidence


def hub_of(folder: Path, evidence: Evidence) -> Path:
    """Return a folder that stands in for the Hub and holds the base model's card."""
    root = folder.parent / "upstream"
    card = root / "models" / BASE / "README.md"
    card.parent.mkdir(parents=True, exist_ok=True)
    assert evidence.training is not None
    card.write_text(f"---\nlicense: {evidence.training.base.license}\n---\n")
    return root


def refused(folder: Path, evidence: Evidence, policy: Policy = STANDARD, **options) -> str:
    with pytest.raises(PushBlocked) as caught:
        gate(folder, evidence, policy, **options)
    return str(caught.value)


def test_what_must_go_along_is_written_and_passes(folder: Path):
    evidence = evidence_of(report_of("MIT", "MIT", "BSD-3-Clause", "CC-BY-4.0"))
    walked = walk(FolderHub(hub_of(folder, evidence)), models=[Start(name=BASE)])
    plan, evidence, rendered = prepare(folder, evidence, only_licenses(STANDARD), walked=walked)
    check(plan, evidence, contents(folder, rendered, plan))
    assert set(rendered) >= {"NOTICE", "LICENSES/Apache-2.0.txt", "LICENSES/MIT.txt", "LICENSES/BSD-3-Clause.txt"}
    notice = rendered["NOTICE"].decode()
    for words in ("owner/base", "rows: MIT", "rows: BSD-3-Clause", "rows: CC-BY-4.0"):
        assert words in notice
    assert "Apache License" in rendered["LICENSES/Apache-2.0.txt"].decode()
    copy = rendered["LICENSES/MIT.txt"].decode()
    assert "Permission is hereby granted" in copy
    assert "No copyright line was found upstream. The authors of the works named in NOTICE hold the rights." in copy
    assert "Copyright (c)" not in copy  # nobody's line is invented
    assert evidence.verdict is not None
    assert evidence.verdict.decision == "pass"


@pytest.mark.parametrize("name", ["NOTICE", "LICENSES/Apache-2.0.txt"])
@pytest.mark.parametrize("change", ["left out", "changed"])
def test_a_notice_or_copy_that_is_not_that_of_the_evidence_closes_the_gate(folder: Path, name: str, change: str):
    plan, evidence, rendered = prepare(folder, evidence_of(report_of("MIT")), only_licenses(STANDARD))
    sources = contents(folder, rendered, plan)
    if change == "left out":
        plan = replace(plan, files=tuple(item for item in plan.files if item.path != name))
        del sources[name]
    else:
        sources[name] = b"something else"
    with pytest.raises(PushBlocked, match=name):
        check(plan, evidence, sources)


def test_the_name_that_a_license_asks_for(folder: Path, monkeypatch: pytest.MonkeyPatch):
    evidence = evidence_of(report_of("MIT"), base="llama3.1", license="llama3.1")
    text = "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT, whose text is not shipped here. " * 10
    real = licensing.identify
    # the text itself is tried by the tests of texts
    told = TextMatch(ids=("LicenseRef-llama3.1",))
    monkeypatch.setattr(licensing, "identify", lambda given: told if given.startswith("LLAMA 3.1") else real(given))
    (folder / "LICENSES").mkdir()
    (folder / "LICENSES" / "LicenseRef-llama3.1.txt").write_text(text)
    assert "does not begin with “Llama”" in refused(folder, evidence)
    named = replace(evidence, model_name="Llama-m", repo_id="local/Llama-m")
    passed = gate(folder, named)
    plan, _, rendered = prepare(folder, named, only_licenses(STANDARD))
    assert "Built with Llama" in rendered["README.md"].decode()
    assert "LICENSES/LicenseRef-llama3.1.txt" in {item.path for item in plan.files}
    assert passed.license_texts["LicenseRef-llama3.1"].startswith("LLAMA 3.1")


def license_text(package: str) -> str:
    files = importlib.metadata.distribution(package).files or ()
    return next(path.read_text(encoding="utf-8") for path in files if path.name == "LICENSE")


def test_a_copy_that_the_base_asks_for_and_that_is_not_at_hand_closes_the_gate(folder: Path):
    evidence = evidence_of(report_of("MIT"), base="mpl-2.0", license="mpl-2.0")
    assert "no copy of MPL-2.0 goes along" in refused(folder, evidence)
    gate(folder, evidence, license_texts={"MPL-2.0": license_text("pathspec")})
    (folder / "LICENSES").mkdir()
    (folder / "LICENSES" / "MPL-2.0.txt").write_text(license_text("pathspec"))
    assert gate(folder, evidence).license_texts["MPL-2.0"] == license_text("pathspec")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"This is not a license at all. " * 40, "is not the text of MIT"),
        (b"\xff\xfe" * 400, "is no UTF-8 text"),
        (b"a" * (2**20 + 1), "at most 1,048,576"),
        (b"", "is not the text of MIT"),
    ],
)
def test_a_copy_of_ones_own_must_be_what_it_is_called(folder: Path, content: bytes, told: str):
    (folder / "LICENSES").mkdir()
    (folder / "LICENSES" / "MIT.txt").write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        prepare(folder, evidence_of(report_of("MIT")), only_licenses(STANDARD))


@pytest.mark.parametrize("kind", ["link", "folder", "dangling", "linked folder", "not asked for"])
def test_what_is_no_copy_in_the_folder_of_copies_is_left_alone(folder: Path, tmp_path: Path, kind: str):
    private = tmp_path / "diary.txt"
    private.write_text("my diary " * 100)
    place = folder / "LICENSES"
    if kind == "linked folder":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "MIT.txt").write_text("my diary " * 100)
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.mkdir()
        if kind == "link":
            (place / "MIT.txt").symlink_to(private)
        elif kind == "folder":
            (place / "MIT.txt").mkdir()
        elif kind == "dangling":
            (place / "MIT.txt").symlink_to(tmp_path / "nothing")
        else:
            (place / "Zlib.txt").write_text("my diary " * 100)
    plan, evidence, rendered = prepare(folder, evidence_of(report_of("MIT")), only_licenses(STANDARD))
    assert not any(b"diary" in content for content in rendered.values())
    assert "Permission is hereby granted" in evidence.license_texts["MIT"]
    assert "LICENSES/Zlib.txt" not in {item.path for item in plan.files}


def test_a_copy_that_no_clause_surely_asks_for_is_required_by_the_strict_policy_alone(folder: Path):
    evidence = evidence_of(report_of("PSF-2.0"))
    gate(folder, evidence)
    told = refused(folder, evidence, STRICT)
    assert "PSF-2.0" in told
    assert "by policy" in told


def test_non_commercial_rows_are_told_with_rule_clause_and_remedy(folder: Path):
    told = refused(folder, evidence_of(report_of("MIT", "CC-BY-NC-4.0")))
    assert "L1 (block)" in told
    assert "rows: CC-BY-NC-4.0" in told
    intent = Intent(commercial=False)
    review = refused(folder, evidence_of(report_of("MIT", "CC-BY-NC-4.0")), replace(STANDARD, intent=intent))
    assert "L1 (" not in review
    assert "L2 (review)" in review  # the label says that commercial use is fine
    free = evidence_of(report_of("MIT", "CC-BY-NC-4.0"), license="cc-by-nc-4.0")
    gate(folder, free, replace(STANDARD, intent=intent))


@pytest.mark.parametrize("change", ["nothing", "an input", "the intent"])
def test_an_analysis_that_does_not_follow_from_the_evidence_closes_the_gate(folder: Path, change: str):
    plan, evidence, rendered = prepare(folder, evidence_of(report_of("MIT")), only_licenses(STANDARD))
    assert evidence.licenses is not None
    other = {
        "nothing": None,
        "an input": replace(evidence.licenses, inputs=evidence.licenses.inputs[:1]),
        "the intent": replace(evidence.licenses, intent=Intent(commercial=False)),
    }[change]
    with pytest.raises(PushBlocked, match="does not follow from this evidence"):
        check(plan, replace(evidence, licenses=other), contents(folder, rendered, plan))


def test_an_audit_that_is_too_old(folder: Path):
    report = report_of("MIT")
    old = (datetime.now(UTC) - timedelta(days=200)).isoformat(timespec="seconds")
    told = refused(folder, evidence_of(replace(report, audited_at=old)))
    assert "is 200 days old" in told
    assert "Audit again" in refused(folder, evidence_of(replace(report, audited_at="")))
    gate(folder, evidence_of(replace(report, audited_at=old)), load_policy("permissive"))


def write_hub(root: Path, kind: str, name: str, card: str, **files: str) -> None:
    place = root / kind / name
    place.mkdir(parents=True)
    (place / "README.md").write_text(card)
    for file, text in files.items():
        (place / file).write_text(text)


def test_the_walk_reads_the_base_and_what_it_comes_from(folder: Path, tmp_path: Path):
    root = tmp_path / "hub"
    write_hub(root, "models", BASE, "---\nlicense: mit\nbase_model: owner/first\ndatasets: [owner/nc]\n---\n")
    write_hub(root, "models", "owner/first", "---\nlicense: cc-by-nc-4.0\n---\n")
    write_hub(root, "datasets", "owner/nc", "---\nlicense: cc-by-nc-4.0\n---\n")
    evidence = evidence_of(report_of("MIT"), base="mit")
    walked = trace(evidence, FolderHub(root))
    told = refused(folder, evidence, walked=walked)
    assert "L1 (block)" in told
    assert "owner/first" in told
    # what the base was trained on is told, and no input of this model
    _, traced, _ = prepare(folder, evidence, only_licenses(STANDARD), walked=walked)
    assert "owner/nc" in {item.name for item in traced.lineage.inputs}
    assert "owner/nc" not in {item.name for item in traced.licenses.inputs}


def test_a_base_whose_card_and_text_disagree_is_told(folder: Path, tmp_path: Path):
    root = tmp_path / "hub"
    text = (Path(__file__).parents[1] / "LICENSE").read_text()
    write_hub(root, "models", BASE, "---\nlicense: mit\n---\n", LICENSE=text)
    walked = trace(evidence_of(report_of("MIT"), base="mit"), FolderHub(root))
    (base,) = walked.lineage.inputs
    assert base.disagreements
    assert "Apache-2.0" in str(base.license)


def test_what_can_not_be_read_leaves_the_record_standing_and_its_origin_open(folder: Path, tmp_path: Path):
    (tmp_path / "hub" / "models").mkdir(parents=True)
    walked = trace(evidence_of(report_of("MIT")), FolderHub(tmp_path / "hub"))
    told = refused(folder, evidence_of(report_of("MIT")), walked=walked)
    assert "L13 (review)" in told
    assert f"what {BASE} comes from" in told
    evidence = gate(folder, evidence_of(report_of("MIT")), walked=walked, reviewed_by="Ada")
    assert evidence.lineage is not None
    assert evidence.lineage.problems
    bases = {item.name: item.license for item in evidence.licenses.inputs if item.role == "base"}
    assert bases == {BASE: "Apache-2.0", f"what {BASE} comes from": None}


def test_a_license_of_ones_own_is_named_by_its_statement():
    from model_cards.evidence import Statement

    evidence = Evidence(license="other", statements=(Statement(key="license_name", text="llama3.1", origin="stated"),))
    assert intent_of(evidence, STANDARD).outgoing_license == "llama3.1"
    assert intent_of(Evidence(), replace(STANDARD, intent=Intent(outgoing_license="mit"))).outgoing_license == "mit"


def test_a_name_alone_is_refused_where_the_policy_takes_none(folder: Path):
    with pytest.raises(ApprovalError, match="takes no name alone"):
        publish(folder, evidence_of(report_of("MIT")), STRICT, reviewed_by="Ada")


def test_a_notice_of_ones_own_is_not_dropped_in_silence(folder: Path):
    (folder / "NOTICE").write_text("Mine")
    (folder / "NOTICE.txt").write_text("Mine too")
    plan, _, _ = prepare(folder, evidence_of(report_of("MIT")), only_licenses(STANDARD))
    assert dict(plan.kept_out)["NOTICE"].startswith("written anew")
    assert "NOTICE.txt" in {item.path for item in plan.files}
    assert json.loads(json.dumps(plan.to_dict()))["kept_out"]

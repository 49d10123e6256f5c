"""Evaluations that were made after the training: read from files, held against the weights, published with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, constants
from peft import LoraConfig

import audits
from audits.findings import AuditReport, DatasetRef
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer, push
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import EvaluationError, PushBlocked
from hf_contrastive.inference.records import InferenceReport
from hf_contrastive.release.evaluation_files import evaluations_of, read_evaluations
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.push import preview
from hf_contrastive.release.sending import hub as release_hub
from hf_contrastive.study.statistics import analyse
from model_cards.documents.evidence_json import read_evidence
from model_cards.evidence import STUDY, EvaluationReport, Evidence
from model_cards.render import render
from tests.study_outcomes import typical

Cli = Callable[..., tuple[int, str, str]]
REPO = "local/model"

pytestmark = pytest.mark.usefixtures("pushed_at_midnight")


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        yield running


@pytest.fixture
def where(hub: LocalHub) -> dict[str, str]:
    return {"endpoint": hub.endpoint, "token": hub.token}


@pytest.fixture(scope="module")
def lora(tiny_bert: Path, permissive_file: Path, tmp_path_factory: pytest.TempPathFactory) -> ContrastiveTrainer:
    config = ContrastiveConfig(
        output_dir=str(tmp_path_factory.mktemp("lora") / "run"), max_steps=2, per_device_train_batch_size=8,
        save_strategy="no", dataloader_pin_memory=False, disable_tqdm=True, base_model_id="base-owner/tiny",
        hub_model_id=REPO, license="mit", learning_rate=1e-3,
    )  # fmt: skip
    data = audits.dataset_of(str(permissive_file))["train"]
    peft = LoraConfig(r=2, target_modules=["query", "value"])
    made = ContrastiveTrainer(model=str(tiny_bert), args=config, train_dataset=data, peft_config=peft)
    made.train()
    # apart from where previews write
    made.write_model(made.output_folder / "as-trained")
    return made


@pytest.fixture
def merged(lora: ContrastiveTrainer, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lora.output_folder / "as-trained", tmp_path / "trained" / "model"))


@pytest.fixture
def foreign(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "foreign" / "model"))


def inference(weights: str, **told: Any) -> InferenceReport:
    given: dict[str, Any] = {"queries": 40, "documents": 40, "length": 8, "threads": 1, "rounds": 1, **told}
    data = DatasetRef(split="test", fingerprint="sha256:" + "1" * 64, num_rows=40)
    return InferenceReport(model_name="tiny", weights_sha256=weights, dimension=32, **{"data": data, **given})


def written(folder: Path, document: Any, name: str = "inference.json") -> Path:
    folder.mkdir(exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


# ---- files --------------------------------------------------------------------------------------------


def test_every_file_that_holds_evaluations_is_read(tmp_path: Path):
    cost = inference("sha256:00")
    one = cost.as_evaluation()
    assert read_evaluations(written(tmp_path, cost.to_dict())) == (one,)
    assert read_evaluations(written(tmp_path, {"task": one.task, "report": one.to_dict()})) == (one,)
    assert read_evaluations(written(tmp_path, one.to_dict())) == (one,)
    evidence = Evidence(model_name="m", evaluations=(one, replace(one, seed=1)))
    assert read_evaluations(written(tmp_path, render(evidence, "evidence_json"))) == evidence.evaluations
    study = analyse(typical(rows=200))
    (found,) = read_evaluations(written(tmp_path, study.to_dict()))
    assert found == study.as_evaluation()
    assert found.task == STUDY
    for given in (study, cost, one):
        assert len(evaluations_of(given)) == 1


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "holds no evaluation but list"),
        ("{}", "holds no evaluation but nothing"),
        ({"valid": True, "cards": []}, "holds no evaluation but cards, valid"),
        ({"task": "retrieval", "report": {"task": 1}}, "can not be read"),
        ({"variants": [], "storages": []}, "`InferenceReport`"),
        ({"evidence": {}}, "can not be read"),
        (inference("sha256:00", data=None).to_dict(), "without data"),
        (render(Evidence(model_name="m"), "evidence_json").replace('"m"', '"n"'), "was changed after it was written"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_a_file_that_is_none_is_told_in_one_paragraph(tmp_path: Path, document: Any, told: str):
    with pytest.raises(EvaluationError) as raised:
        read_evaluations(written(tmp_path, document))
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path):
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(EvaluationError, match=r"can not be read .* inference\.json, study\.json"):
            read_evaluations(path)
    with pytest.raises(EvaluationError, match="got int"):
        evaluations_of(3)


# ---- the gate -----------------------------------------------------------------------------------------


def test_an_adapter_and_what_it_was_merged_into_have_two_digests(lora: ContrastiveTrainer, merged: Path):
    trained = lora.training_record().weights_sha256
    assert lora.encoder.weights_digest() == trained
    assert TextEncoder.load(merged).weights_digest() != trained


def test_what_was_measured_on_the_published_files_is_published_with_them(
    lora: ContrastiveTrainer, merged: Path, permissive_report: AuditReport, where: dict[str, str], tmp_path: Path
):
    weights, trained = TextEncoder.load(merged).weights_digest(), lora.training_record().weights_sha256
    file = written(tmp_path, inference(weights).to_dict())
    report = inference(trained)
    given = (file, report, str(file))
    push(merged, REPO, data=permissive_report, evaluations=given, **where)
    evidence = read_evidence(merged.parent / "report" / "evidence.json")
    first, second = evidence.evaluations
    assert (first.weights_sha256, second) == (trained, report.as_evaluation())
    assert f"have the digest {weights}" in first.note
    assert "#### Cost of each form" in (merged.parent / "report" / "README.md").read_text(encoding="utf-8")


def test_other_weights_close_the_gate(merged: Path, permissive_report: AuditReport, where: dict[str, str], api: HfApi):
    cost = inference("sha256:" + "9" * 64)
    with pytest.raises(PushBlocked, match="inference cost on test was measured on other weights than those published"):
        push(merged, REPO, data=permissive_report, evaluations=[cost], **where)
    study = analyse(typical(rows=200))
    found = preview(merged, REPO, data=permissive_report, evaluations=[study], **where)
    assert found.decision == "block"
    assert "starts from another checkpoint" in " ".join(found.problems)
    assert not api.repo_exists(REPO)


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.token)


def test_of_a_model_trained_elsewhere_only_what_was_measured_on_its_files_is_taken(
    foreign: Path, permissive_report: AuditReport, where: dict[str, str]
):
    told = {"data": permissive_report, "reviewed_by": "Ann", **where}
    with pytest.raises(EvaluationError, match="measured on other weights than those in model: they have the digest"):
        preview(foreign, REPO, evaluations=[inference("sha256:" + "9" * 64)], **told)
    with pytest.raises(EvaluationError, match="of nothing, as none was recorded"):
        preview(foreign, REPO, evaluations=[inference("")], **told)
    with pytest.raises(EvaluationError, match="no record of a training says which one"):
        preview(foreign, REPO, evaluations=[analyse(typical(rows=200))], **told)
    cost = inference(TextEncoder.load(foreign).weights_digest())
    preview(foreign, REPO, evaluations=[cost], **told)
    assert read_evidence(foreign.parent / "report" / "evidence.json").evaluations == (cost.as_evaluation(),)


def test_the_trainer_takes_reports_of_the_encoder_and_of_the_folder(
    lora: ContrastiveTrainer, permissive_report: AuditReport, where: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    trained = lora.training_record().weights_sha256
    weights = TextEncoder.load(lora.output_folder / "as-trained").weights_digest()
    study = analyse(typical(rows=200))
    base = replace(study.setup.base, weights_sha256=lora.base.weights_sha256)
    study = replace(study, setup=replace(study.setup, base=base))
    monkeypatch.setattr(lora, "evidence_items", [])
    with pytest.raises(EvaluationError, match="without data"):
        lora.add_evidence(inference(trained, data=None))
    lora.add_evidence(permissive_report, inference(trained), inference(weights, rounds=2), study)
    assert sum(isinstance(item, EvaluationReport) for item in lora.evidence_items) == 3
    found = lora.preview_push(**where)
    assert (found.decision, found.problems) == ("pass", ())
    evidence = read_evidence(lora.output_folder / "report" / "evidence.json")
    assert [item.weights_sha256 for item in evidence.evaluations] == [trained, trained, base.weights_sha256]


# ---- the command line ---------------------------------------------------------------------------------


def test_files_on_the_command_line(
    run_cli: Cli, merged: Path, permissive_file: Path, hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(release_hub, "HfApi", lambda **told: HfApi(**{**told, "endpoint": hub.endpoint}))
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    weights = TextEncoder.load(merged).weights_digest()
    files = [written(tmp_path, inference(weights, rounds=rounds).to_dict(), f"{rounds}.json") for rounds in (1, 2)]
    named = [part for file in files for part in ("--evaluation", file)]
    code, out, err = run_cli("push", merged, REPO, "--data", permissive_file, *named, "--dry-run", "--json")
    assert code == 0, err
    assert json.loads(out)["decision"] == "pass"
    assert len(read_evidence(merged.parent / "report" / "evidence.json").evaluations) == 2
    bad = written(tmp_path, "{}", "bad.json")
    code, out, err = run_cli("push", merged, REPO, "--data", permissive_file, "--evaluation", bad, "--json")
    assert (code, json.loads(out)["error"]["type"]) == (2, "EvaluationError")
    assert "Traceback" not in err

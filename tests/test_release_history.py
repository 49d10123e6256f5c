"""What the trainer says of its training is what the weights saw; nothing passes on another's evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import PeftModel

import audits
from audits.errors import SourceError
from audits.licenses.lineage import Start, WalkedLineage, walk
from audits.licenses.repo_folders import FolderHub
from audits.policy import load_policy
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer, PushBlocked, evaluate
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.release.decision import decide
from hf_contrastive.release.gate import check
from hf_contrastive.release.licensing import license_analysis
from hf_contrastive.release.plan import contents
from hf_contrastive.release.preparing import prepare
from hf_contrastive.release.training_run import audit_training_data, collect_evidence
from hf_contrastive.training.plans import plan_datasets
from model_cards.evidence import BaseModel, Evidence, Statement

POLICY = load_policy("standard")


def walked_base(license_id: str | None) -> WalkedLineage:
    """Return the lineage of a base model whose card states a license."""
    with TemporaryDirectory() as folder:
        base = Path(folder) / "models" / "base-owner" / "tiny"
        base.mkdir(parents=True)
        (base / "README.md").write_text(f"---\nlicense: {license_id}\n---\n" if license_id else "Nothing is said.\n")
        return walk(FolderHub(folder), models=[Start(name="base-owner/tiny")])


@pytest.fixture
def clean(permissive_rows: list[dict[str, str]]) -> Dataset:
    return Dataset.from_list(permissive_rows)


@pytest.fixture
def other(clean: Dataset) -> Dataset:
    return clean.remove_columns("license").add_column("license", ["CC-BY-NC-4.0"] * len(clean))


@pytest.fixture
def start(tiny_bert: Path, tmp_path: Path) -> Any:
    def build(dataset: Dataset, *, model: Any = None, name: str = "run", **settings: Any) -> ContrastiveTrainer:
        given = {"max_steps": 2, "per_device_train_batch_size": 8, "save_strategy": "no", "disable_tqdm": True}
        config = ContrastiveConfig(
            output_dir=str(tmp_path / name), base_model_id="base-owner/tiny", license="mit", **given | settings
        )
        return ContrastiveTrainer(model=model or str(tiny_bert), args=config, train_dataset=dataset)

    return build


def through_the_gate(trainer: ContrastiveTrainer, folder: Path, **told: Any) -> Any:
    trainer.write_model(folder)
    evidence = collect_evidence(trainer, repo_id="local/model")
    walked = walked_base(evidence.training.base.license if evidence.training is not None else None)
    plan, evidence, rendered = prepare(folder, evidence, POLICY, walked=walked, **told)
    check(plan, evidence, contents(folder, rendered, plan))
    return evidence


def refused(trainer: ContrastiveTrainer, folder: Path, **told: Any) -> str:
    with pytest.raises(PushBlocked) as caught:
        through_the_gate(trainer, folder, **told)
    return str(caught.value)


def test_a_plain_run_passes_and_says_what_it_did(start: Any, clean: Dataset, tmp_path: Path):
    trainer = start(clean)
    trainer.train()
    record = through_the_gate(trainer, tmp_path / "model").training
    assert (record.steps, record.examples, record.text_columns) == (2, 16, ("anchor", "positive"))
    assert record.weights_sha256 == trainer.encoder.weights_digest()


def test_data_that_was_swapped_between_two_runs_is_known(start: Any, clean: Dataset, other: Dataset, tmp_path: Path):
    trainer = start(clean)
    trainer.train()
    trainer.add_evidence(audits.audit(clean))
    trainer.train_dataset = other
    trainer.train()
    record = trainer.training_record()
    assert (len(record.datasets), record.steps, record.examples) == (2, 4, 32)
    assert "not the data that was trained on" in refused(trainer, tmp_path / "model")


def test_a_resumed_run_keeps_the_data_of_the_first(start: Any, clean: Dataset, other: Dataset, tmp_path: Path):
    start(other, save_strategy="steps", save_steps=1).train()
    trainer = start(clean, max_steps=3)
    trainer.train(resume_from_checkpoint=True)
    assert len(trainer.training_record().datasets) == 2
    assert "not the data that was trained on" in refused(trainer, tmp_path / "model")


def test_a_checkpoint_without_its_data_closes_the_gate(start: Any, clean: Dataset, tmp_path: Path):
    start(clean, save_strategy="steps", save_steps=1).train()
    (tmp_path / "run" / "checkpoint-2" / "datasets.json").unlink()
    trainer = start(clean, max_steps=3)
    trainer.train(resume_from_checkpoint=True)
    assert "split unknown" in refused(trainer, tmp_path / "model")


def test_an_adapter_that_was_trained_before_is_a_matter_of_review(start: Any, clean: Dataset, tmp_path: Path):
    first = start(clean)
    first.train()
    trained: PeftModel = first.accelerator.unwrap_model(first.model)
    trainer = start(clean, model=trained, name="second")
    assert trainer.base.adapter_sha256
    trainer.train()
    assert "an adapter that was trained before" in refused(trainer, tmp_path / "model")
    assert not start(clean, name="third").base.adapter_sha256


def test_an_audit_of_other_columns_does_not_count(start: Any, clean: Dataset, tmp_path: Path):
    wider = clean.add_column("q", clean["anchor"]).add_column("d", clean["positive"])
    trainer = start(wider)
    trainer.train()
    trainer.add_evidence(audits.audit(wider, text_columns=("q", "d")))
    assert "did not read the column(s) anchor, positive" in refused(trainer, tmp_path / "model")


def test_rows_that_are_computed_when_read_are_refused(start: Any, clean: Dataset):
    changed = clean.with_transform(
        lambda rows: {**rows, "positive": ["write to someone@mail.org"] * len(rows["anchor"])}
    )
    with pytest.raises(DataFormatError, match="set_transform"):
        start(changed)
    with pytest.raises(SourceError, match="set_transform"):
        audits.audit(changed)
    trainer = start(clean)
    trainer.train_dataset = changed
    with pytest.raises(DataFormatError, match="set_transform"):
        trainer.train()


def test_an_evaluation_before_more_training_does_not_count(start: Any, clean: Dataset, tmp_path: Path):
    trainer = start(clean)
    trainer.train()
    trainer.add_evidence(evaluate(trainer.encoder, clean))
    through_the_gate(trainer, tmp_path / "model")
    trainer.train()
    assert "measured on other weights" in refused(trainer, tmp_path / "model")


def test_remedies_of_other_data_do_not_count(start: Any, clean: Dataset, tmp_path: Path):
    doubled = Dataset.from_list([*clean, clean[0]])
    report = audits.audit(doubled)
    repaired, remedy = audits.remove_duplicates(doubled, report)
    trainer = start(repaired)
    trainer.train()
    trainer.add_evidence(report, remedy, audits.audit(repaired))
    assert through_the_gate(trainer, tmp_path / "model").remedies == (remedy,)
    foreign = start(clean.select(range(20)), name="foreign")
    foreign.train()
    foreign.add_evidence(report, remedy, audits.audit(clean.select(range(20))))
    assert "remedies do not lead to the audited data" in refused(foreign, tmp_path / "other")


def test_weights_that_training_did_not_give_are_a_matter_of_review(start: Any, clean: Dataset, tmp_path: Path):
    untrained = start(clean, name="untrained")
    assert "trained elsewhere, or changed since" in refused(untrained, tmp_path / "untrained-model")
    trainer = start(clean)
    trainer.train()
    with torch.no_grad():
        next(p for name, p in trainer.model.named_parameters() if "lora_B" in name).add_(1.0)
    assert "trained elsewhere, or changed since" in refused(trainer, tmp_path / "model")


@pytest.mark.parametrize(
    ("license_id", "commercial", "decision"),
    [
        ("apache-2.0", True, "pass"),
        (None, True, "review"),
        ("other", True, "review"),
        ("gpl-3.0", True, "review"),
        ("cc-by-nc-4.0", True, "block"),
        ("cc-by-nc-4.0", False, "review"),
    ],
)
def test_the_license_of_the_base_model_counts(start, clean, license_id, commercial, decision):
    trainer = start(clean)
    trainer.train()
    record = replace(trainer.training_record(), base=BaseModel(model_id="base-owner/tiny", license=license_id))
    policy = replace(POLICY, intent=replace(POLICY.intent, commercial=commercial))
    evidence = Evidence(audit=audits.audit(clean), training=record, lineage=walked_base(license_id).lineage)
    licenses = license_analysis(evidence, policy)
    assert decide(evidence.audit, policy, record, licenses=licenses).decision == decision


def test_an_approval_is_for_one_repository_license_and_set_of_claims(start: Any, clean: Dataset, tmp_path: Path):
    trainer = start(clean)
    trainer.train()
    trainer.base = replace(trainer.base, license=None)
    evidence = through_the_gate(trainer, tmp_path / "model", reviewed_by="Ada")
    today = datetime.now(UTC).date()
    statement = Statement(key="direct_use", text="Anything.", origin="stated")
    for changed in (
        replace(evidence, repo_id="local/production"),
        replace(evidence, license="apache-2.0"),
        replace(evidence, statements=(statement,)),
    ):
        walked = walked_base(None)
        plan, again, rendered = prepare(tmp_path / "model", replace(changed, verdict=None), POLICY, walked=walked)
        with pytest.raises(PushBlocked, match="needs a person's recorded yes"):
            check(plan, again, contents(tmp_path / "model", rendered, plan), today=today)


def test_metrics_are_those_of_the_evaluation_data_alone(start: Any, clean: Dataset):
    trainer = start(clean)
    trainer.train()
    trainer.evaluate(eval_dataset=clean)
    assert trainer.training_record().metrics == ()


def test_the_collator_can_not_be_replaced(tiny_bert: Path, clean: Dataset, tmp_path: Path):
    with pytest.raises(ConfigurationError, match="data_collator"):
        ContrastiveTrainer(
            str(tiny_bert), ContrastiveConfig(output_dir=str(tmp_path)), train_dataset=clean, data_collator=list
        )


# ---- several datasets, and lists of texts ---------------------------------------------------------------


@pytest.fixture
def mixture(clean: Dataset) -> dict[str, Dataset]:
    """Pairs, the same with lists under other names, and raw texts; all under MIT."""
    rows = list(clean)
    lists = [
        {
            "query": f"say {row['anchor']}",
            "positives": [f"{row['positive']} as {i} said", f"house {i} {row['anchor']}"][: 1 + i % 2],
            "negatives": [f"no {rows[(i + 7) % 40]['positive']}"] * (i % 3),
            "license": "MIT",
        }
        for i, row in enumerate(rows)
    ]
    texts = [{"text": f"about {row['positive']} again", "license": "MIT"} for row in rows]
    return {"pairs": clean, "lists": Dataset.from_list(lists), "texts": Dataset.from_list(texts)}


def test_several_datasets_pass_together(start: Any, mixture: dict[str, Dataset], tmp_path: Path):
    trainer = start(mixture, max_steps=6)
    trainer.train()
    evidence = through_the_gate(trainer, tmp_path / "model")
    assert evidence.training.text_columns == ("anchor", "positive", "negatives", "text")
    assert evidence.audit.columns.texts == evidence.training.text_columns
    assert [ref.split for ref in evidence.audit.datasets] == ["train/pairs", "train/lists", "train/texts"]
    assert evidence.audit.datasets == evidence.training.datasets
    ran = {result.code for result in evidence.audit.results if result.status == "ran"}
    assert {"DUP001", "DUP002", "PAIR001", "PAIR003", "LIC001", "PII001"} <= ran


def test_lists_of_texts_pass(start: Any, mixture: dict[str, Dataset], tmp_path: Path):
    trainer = start(mixture["lists"])
    trainer.train()
    evidence = through_the_gate(trainer, tmp_path / "model")
    assert evidence.training.text_columns == ("query", "positives", "negatives")
    assert evidence.audit.columns.texts == ("query", "positives", "negatives")


def test_leakage_between_datasets_is_found(start: Any, mixture: dict[str, Dataset]):
    trainer = start(mixture)
    trainer.eval_dataset = {"lists": mixture["lists"].select(range(3)), "pairs": mixture["pairs"].select([0])}
    report = audit_training_data(trainer)
    found = {(row[0], row[1], row[2], row[3]) for f in report.findings if f.code == "LEAK001" for row in f.rows}
    expected = {("train/lists", i, "validation/lists", i) for i in range(3)}
    assert found == expected | {("train/pairs", 0, "validation/pairs", 0)}
    # what two training datasets share is no leakage
    trainer.train_dataset = {"lists": mixture["lists"], "pairs": mixture["lists"].select(range(9))}
    trainer.plans = plan_datasets(trainer.train_dataset, None, trainer.args)
    trainer.eval_dataset = None
    assert not [f for f in audit_training_data(trainer).findings if f.code.startswith("LEAK") and f.total_rows]


def test_a_dataset_without_licenses_is_of_unknown_license(start: Any, mixture: dict[str, Dataset], tmp_path: Path):
    mixture["lists"] = mixture["lists"].remove_columns("license")
    trainer = start(mixture)
    trainer.train()
    assert "LIC002" in refused(trainer, tmp_path / "model")


def test_data_of_another_mixture_is_foreign(start: Any, mixture: dict[str, Dataset], other: Dataset, tmp_path: Path):
    trainer = start(mixture)
    trainer.train()
    trainer.add_evidence(audit_training_data(trainer))
    trainer.train_dataset = {**mixture, "pairs": other}
    trainer.train()
    assert "train/pairs" in refused(trainer, tmp_path / "model")

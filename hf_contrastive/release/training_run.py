"""From a finished training to a publication."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.findings import AuditReport, Columns, RemedyRecord
from audits.policy import Policy, load_policy
from audits.source import join_sources, open_source
from hf_contrastive.auditing import audit, references
from hf_contrastive.release.measured_weights import named_as_trained
from hf_contrastive.release.plan import payload, payload_digest
from hf_contrastive.release.previews import Preview
from hf_contrastive.release.publish import preview, publish
from hf_contrastive.release.report_folder import write_files
from hf_contrastive.release.sending.hub import PushReceipt
from hf_contrastive.release.versioning.against_published import Comparing
from hf_contrastive.release.versioning.compare_data import NotComparedError, Pairs, pairs_named, task_of
from hf_contrastive.training.plans import named_splits
from hf_contrastive.training.record import versions
from model_cards.evidence import EvaluationReport, Evidence, Statement
from model_cards.render import render

if TYPE_CHECKING:
    from hf_contrastive.trainer import ContrastiveTrainer


def collect_evidence(
    trainer: ContrastiveTrainer, *, repo_id: str | None = None, audit_missing: bool = True
) -> Evidence:
    """Gather what is known of a training.

    Args:
        trainer: after training.
        repo_id: where it will be published.
        audit_missing: audit the training data if no report was added.
    """
    items = trainer.evidence_items
    reports = [item for item in items if isinstance(item, AuditReport)]
    return Evidence(
        model_name=(repo_id or trainer.output_folder.absolute().name).rpartition("/")[2],
        repo_id=repo_id,
        license=trainer.args.license,
        save_format=trainer.args.save_format if trainer.has_adapter else "merged",
        training=trainer.recorded_training(),
        evaluations=tuple(item for item in items if isinstance(item, EvaluationReport)),
        audit=reports[-1] if reports else (audit_training_data(trainer) if audit_missing else None),
        earlier_audit=reports[0] if len(reports) > 1 else None,
        remedies=tuple(item for item in items if isinstance(item, RemedyRecord)),
        statements=(*_statements(trainer), *(item for item in items if isinstance(item, Statement))),
        versions=versions(),
        created_at=_now(),
    )


def write_evidence(trainer: ContrastiveTrainer, folder: Path) -> None:
    """Put the training record beside the model's files, so that ``push FOLDER`` knows how they were made."""
    evidence = collect_evidence(trainer, audit_missing=False)
    evidence = replace(evidence, payload_digest=payload_digest(payload(folder)[0]))
    write_files({"evidence.json": render(evidence, "evidence_json").encode("utf-8")}, folder)


def audit_training_data(trainer: ContrastiveTrainer) -> AuditReport:
    """Audit exactly what the trainer was given; several datasets together, so that leakage between them is seen."""
    splits = named_splits(trainer.train_dataset, trainer.eval_dataset)
    columns = {split: _columns(trainer, split, part) for split, part in splits.items()}
    if set(splits) <= {"train", "validation"}:
        return audit(splits, model=trainer.encoder, label_column=next(iter(columns.values())).label)
    source = join_sources(
        [
            open_source(part, split=split, text_columns=columns[split].texts, label_column=columns[split].label)
            for split, part in splits.items()
        ]
    )
    return audit(source, model=trainer.encoder)


def _columns(trainer: ContrastiveTrainer, split: str, dataset: Any) -> Columns:
    """Return what was trained on; a label of floats is a class to the trainer and none to an audit."""
    columns = trainer.plans.of(dataset, split.partition("/")[2], called=f"{split} data").columns
    kind = str(getattr(dataset.features.get(columns.label), "dtype", ""))
    return replace(columns, label=None) if kind.startswith("float") else columns


def push_training_run(
    trainer: ContrastiveTrainer,
    *,
    commit_message: str,
    policy: Policy | str | None = None,
    compare_data: Any = None,
    **options: Any,
) -> PushReceipt:
    """Save the model, collect its evidence and publish both.

    Args:
        trainer: after training.
        commit_message: of the commit.
        policy: overrides ``args.policy``.
        compare_data: pairs on which it is compared with the version that is published, where one is; default: the
            evaluation data.
        **options: of :func:`hf_contrastive.release.publish.publish`.

    Raises:
        EvaluationError: ``compare_data`` has no pairs, or too few.
        PushBlocked: the gate is closed.
        HubError: the Hub refused or could not be reached.
    """
    options["comparing"] = _comparing(trainer, compare_data)
    folder, evidence, judged_by, report_dir = _saved(trainer, policy)
    return publish(folder, evidence, judged_by, commit_message=commit_message, report_dir=report_dir, **options)


def preview_training_run(
    trainer: ContrastiveTrainer, *, policy: Policy | str | None = None, compare_data: Any = None, **options: Any
) -> Preview:
    """Save the model, collect its evidence and tell what a push would publish; nothing is sent.

    Args:
        trainer: after training.
        policy: overrides ``args.policy``.
        compare_data: pairs on which it is compared with the published version.
        **options: of :func:`hf_contrastive.release.publish.preview`.
    """
    options["comparing"] = _comparing(trainer, compare_data)
    folder, evidence, judged_by, report_dir = _saved(trainer, policy)
    return preview(folder, evidence, judged_by, report_dir=report_dir, **options)


def _comparing(trainer: ContrastiveTrainer, named: Any) -> Comparing:
    """Return how the trained model, as it is in memory, is compared."""
    given = pairs_named(named) if named is not None else None
    return Comparing(
        pairs=lambda: given if given is not None else _evaluation_pairs(trainer), encoder=lambda: trainer.encoder
    )


def _evaluation_pairs(trainer: ContrastiveTrainer) -> Pairs:
    """Return the pairs of the evaluation data, of the first dataset that has some.

    Raises:
        NotComparedError: there are none.
    """
    splits = named_splits(None, trainer.eval_dataset)
    for split, part in splits.items():
        data_format = trainer.plans.of(part, split.partition("/")[2], called=f"{split} data").data_format
        if data_format.kind in ("pairs", "triplets"):
            anchors, positives = (list(part[name]) for name in data_format.texts[:2])
            return Pairs(task_of(anchors, positives), references(**{split: part})[0])
    why = "the evaluation data holds no pairs" if splits else "the trainer has no `eval_dataset`"
    msg = f"{why}; name some with `compare_data`"
    raise NotComparedError(msg)


def _saved(trainer: ContrastiveTrainer, policy: Policy | str | None) -> tuple[Path, Evidence, Policy, Path]:
    """Write the model; return its folder, its evidence, what it is judged by, and the folder of the reports."""
    policy = policy if isinstance(policy, Policy) else load_policy(policy or trainer.args.policy)
    repo_id = trainer.args.hub_model_id or trainer.output_folder.absolute().name
    evidence = collect_evidence(trainer, repo_id=repo_id)
    folder = trainer.output_folder / "model"
    trainer.write_model(folder)
    evaluations = named_as_trained(evidence.evaluations, folder, evidence.training)
    evidence = replace(evidence, evaluations=evaluations)
    return folder, evidence, policy, trainer.output_folder / "report"


def _statements(trainer: ContrastiveTrainer) -> tuple[Statement, ...]:
    stated = []
    if trainer.args.license:
        stated.append(Statement(key="license", text=trainer.args.license, origin="stated", source="ContrastiveConfig"))
    if trainer.args.intended_use:
        stated.append(
            Statement(key="direct_use", text=trainer.args.intended_use, origin="stated", source="ContrastiveConfig")
        )
    return tuple(stated)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

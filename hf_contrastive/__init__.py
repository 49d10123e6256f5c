"""Train a better embedding model in a few lines, and publish it only with proof.

Nothing heavy is imported until a name is used; what trains needs the extra ``train``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audits import judge, load_policy, remove_duplicates, remove_leakage, remove_licenses, remove_listed
    from audits.findings import (
        AuditReport,
        DatasetRef,
        Finding,
        FindingRow,
        FindingRows,
        Measurement,
        RemedyRecord,
        RowEvidence,
    )
    from audits.intent import Intent
    from audits.policy import Approval, Outcome, Policy, Rule, Verdict, Waiver
    from hf_contrastive.auditing import audit
    from hf_contrastive.config import ContrastiveConfig
    from hf_contrastive.encoder import TextEncoder
    from hf_contrastive.errors import ContrastiveError, HubError, PushBlocked
    from hf_contrastive.evaluation.comparison import compare
    from hf_contrastive.evaluation.report import evaluate
    from hf_contrastive.inference.benchmark import benchmark_inference
    from hf_contrastive.inference.export import export_onnx
    from hf_contrastive.inference.records import InferenceReport
    from hf_contrastive.release.guarding.guard import guard
    from hf_contrastive.release.previews import Preview
    from hf_contrastive.release.push import preview, push
    from hf_contrastive.release.sending.hub import PushReceipt
    from hf_contrastive.release.verification import VerificationReport, verify
    from hf_contrastive.release.versioning.rollback import RollbackReceipt, rollback
    from hf_contrastive.release.versioning.versions import VersionList, versions
    from hf_contrastive.study.records import StudyReport
    from hf_contrastive.study.run import run_study
    from hf_contrastive.study.settings import StudySettings
    from hf_contrastive.trainer import ContrastiveTrainer
    from hf_contrastive.training.evaluation_callback import EvaluationCallback
    from hf_contrastive.training.losses import LossInputs
    from hf_contrastive.training.mining import mine_hard_negatives
    from model_cards.evidence import EvaluationReport, Evidence, Statement, TrainingRecord, VersionComparison

_ADDRESSES = {
    "Approval": "audits.policy",
    "AuditReport": "audits.findings",
    "ContrastiveConfig": "hf_contrastive.config",
    "ContrastiveError": "hf_contrastive.errors",
    "ContrastiveTrainer": "hf_contrastive.trainer",
    "DatasetRef": "audits.findings",
    "EvaluationCallback": "hf_contrastive.training.evaluation_callback",
    "EvaluationReport": "model_cards.evidence",
    "Evidence": "model_cards.evidence",
    "Finding": "audits.findings",
    "FindingRow": "audits.findings",
    "FindingRows": "audits.findings",
    "HubError": "hf_contrastive.errors",
    "InferenceReport": "hf_contrastive.inference.records",
    "Intent": "audits.intent",
    "LossInputs": "hf_contrastive.training.losses",
    "Measurement": "audits.findings",
    "Outcome": "audits.policy",
    "Policy": "audits.policy",
    "Preview": "hf_contrastive.release.previews",
    "PushBlocked": "hf_contrastive.errors",
    "PushReceipt": "hf_contrastive.release.sending.hub",
    "RemedyRecord": "audits.findings",
    "RollbackReceipt": "hf_contrastive.release.versioning.rollback",
    "RowEvidence": "audits.findings",
    "Rule": "audits.policy",
    "Statement": "model_cards.evidence",
    "StudyReport": "hf_contrastive.study.records",
    "StudySettings": "hf_contrastive.study.settings",
    "TextEncoder": "hf_contrastive.encoder",
    "TrainingRecord": "model_cards.evidence",
    "Verdict": "audits.policy",
    "VerificationReport": "hf_contrastive.release.verification",
    "VersionComparison": "model_cards.evidence",
    "VersionList": "hf_contrastive.release.versioning.versions",
    "Waiver": "audits.policy",
    "audit": "hf_contrastive.auditing",
    "benchmark_inference": "hf_contrastive.inference.benchmark",
    "compare": "hf_contrastive.evaluation.comparison",
    "evaluate": "hf_contrastive.evaluation.report",
    "export_onnx": "hf_contrastive.inference.export",
    "guard": "hf_contrastive.release.guarding.guard",
    "judge": "audits.policy",
    "load_policy": "audits.policy",
    "mine_hard_negatives": "hf_contrastive.training.mining",
    "preview": "hf_contrastive.release.push",
    "push": "hf_contrastive.release.push",
    "remove_duplicates": "audits.remedies",
    "remove_leakage": "audits.remedies",
    "remove_licenses": "audits.remedies",
    "remove_listed": "audits.remedies",
    "rollback": "hf_contrastive.release.versioning.rollback",
    "run_study": "hf_contrastive.study.run",
    "verify": "hf_contrastive.release.verification",
    "versions": "hf_contrastive.release.versioning.versions",
}
_NEED_TORCH = (
    "hf_contrastive.config",
    "hf_contrastive.encoder",
    "hf_contrastive.trainer",
    "hf_contrastive.training.evaluation_callback",
    "hf_contrastive.training.losses",
    "hf_contrastive.training.mining",
)

__all__ = [
    "Approval",
    "AuditReport",
    "ContrastiveConfig",
    "ContrastiveError",
    "ContrastiveTrainer",
    "DatasetRef",
    "EvaluationCallback",
    "EvaluationReport",
    "Evidence",
    "Finding",
    "FindingRow",
    "FindingRows",
    "HubError",
    "InferenceReport",
    "Intent",
    "LossInputs",
    "Measurement",
    "Outcome",
    "Policy",
    "Preview",
    "PushBlocked",
    "PushReceipt",
    "RemedyRecord",
    "RollbackReceipt",
    "RowEvidence",
    "Rule",
    "Statement",
    "StudyReport",
    "StudySettings",
    "TextEncoder",
    "TrainingRecord",
    "Verdict",
    "VerificationReport",
    "VersionComparison",
    "VersionList",
    "Waiver",
    "audit",
    "benchmark_inference",
    "compare",
    "evaluate",
    "export_onnx",
    "guard",
    "judge",
    "load_policy",
    "mine_hard_negatives",
    "preview",
    "push",
    "remove_duplicates",
    "remove_leakage",
    "remove_licenses",
    "remove_listed",
    "rollback",
    "run_study",
    "verify",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name not in _ADDRESSES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    address = _ADDRESSES[name]
    if address in _NEED_TORCH:
        from hf_contrastive.errors import require

        require("train", "torch", "transformers", "accelerate", "peft")
    value = getattr(importlib.import_module(address), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

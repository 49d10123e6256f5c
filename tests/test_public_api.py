"""The public surface, and what must not be loaded to have it."""

import json
import subprocess
import sys

import pytest

import hf_contrastive
from hf_contrastive.errors import MissingExtraError

HEAVY = ["torch", "transformers", "datasets", "accelerate", "peft", "sentence_transformers"]

IMPORTS_OF_ALL = """
import importlib, pkgutil, {package}
for info in pkgutil.walk_packages({package}.__path__, "{package}."):
    importlib.import_module(info.name)
"""


def loaded_by(code):
    """The heavy packages that a fresh interpreter has after running ``code``."""
    report = f"\nimport json, sys; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_names_are_sorted_unique_and_importable():
    names = hf_contrastive.__all__
    assert names == sorted(set(names))
    for name in names:
        value = getattr(hf_contrastive, name)
        assert getattr(value, "__name__", name) == name
        assert value.__doc__
    assert dir(hf_contrastive) == names


def test_the_surface_is_this():
    """A name that is missing here, or there, is a change that people notice."""
    assert hf_contrastive.__all__ == [
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


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Trainer'"):
        hf_contrastive.Trainer  # noqa: B018


def test_importing_the_packages_loads_nothing_heavy():
    assert loaded_by("import hf_contrastive, audits, model_cards") == []


@pytest.mark.parametrize("package", ["audits", "model_cards"])
def test_no_module_of_audits_or_cards_loads_what_trains(package):
    assert set(loaded_by(IMPORTS_OF_ALL.format(package=package))) <= {"datasets"}


def test_an_audit_loads_nothing_that_trains():
    code = """
import hf_contrastive
from datasets import Dataset
rows = Dataset.from_dict({"anchor": ["a cat", "a dog"] * 20, "positive": ["meows", "barks"] * 20})
report = hf_contrastive.audit(rows)
hf_contrastive.judge(report, hf_contrastive.load_policy("standard"))
"""
    assert loaded_by(code) == ["datasets"]


def test_a_missing_extra_names_the_command():
    code = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in ("torch", "peft") else find(name, *a)
import hf_contrastive
try:
    hf_contrastive.ContrastiveTrainer
except ImportError as error:
    assert isinstance(error, hf_contrastive.ContrastiveError)
    assert 'pip install "hf-contrastive[train]"' in str(error), error
    assert "torch and peft" in str(error), error
else:
    raise SystemExit("no error")
"""
    assert loaded_by(code) == []


def test_the_error_of_a_missing_extra_is_an_import_error():
    assert issubclass(MissingExtraError, ImportError)
    assert issubclass(MissingExtraError, hf_contrastive.ContrastiveError)

"""Evaluations that were made before a push, as the files that the other commands leave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audits.errors import SchemaError
from hf_contrastive.errors import EvaluationError
from hf_contrastive.inference.records import InferenceReport
from hf_contrastive.study.records import StudyReport
from model_cards.documents.evidence_json import parse
from model_cards.errors import EvidenceError
from model_cards.evidence import EvaluationReport

Evaluation = EvaluationReport | InferenceReport | StudyReport | str | Path
"""An evaluation, what can be made one, or the path of a file that holds some."""

_KINDS = "inference.json, study.json, what `evaluate --json` prints, or the evidence.json of `evaluate --out`"


def evaluations_of(given: Any) -> tuple[EvaluationReport, ...]:
    """Return what was given as evaluations.

    Args:
        given: an :data:`Evaluation`, or something else.

    Raises:
        EvaluationError: it is none, or an inference that was measured without data.
    """
    if isinstance(given, EvaluationReport):
        return (given,)
    if isinstance(given, InferenceReport | StudyReport):
        return (given.as_evaluation(),)
    if isinstance(given, str | Path):
        return read_evaluations(Path(given))
    msg = (
        f"An evaluation must be an EvaluationReport, InferenceReport, StudyReport or the path of a file, got "
        f"{type(given).__name__}."
    )
    raise EvaluationError(msg)


def read_evaluations(path: Path) -> tuple[EvaluationReport, ...]:
    """Read the evaluations in one file.

    Args:
        path: of inference.json, study.json, the document of ``evaluate --json`` or an evidence.json.

    Raises:
        EvaluationError: it can not be read or holds none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The evaluation {path} can not be read ({error}); name a file: {_KINDS}."
        raise EvaluationError(msg) from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"The evaluation {path} is no JSON ({error}); allowed are {_KINDS}."
        raise EvaluationError(msg) from error
    try:
        found = _parsed(data, text, path) if isinstance(data, dict) else ()
    except (SchemaError, EvidenceError) as error:
        msg = f"The evaluation {path} can not be read: {error} Allowed are {_KINDS}, as they were written."
        raise EvaluationError(msg) from error
    if not found:
        keys = ", ".join(sorted(data)[:8]) if isinstance(data, dict) else type(data).__name__
        msg = f"The file {path} holds no evaluation but {keys or 'nothing'}; allowed are {_KINDS}."
        raise EvaluationError(msg)
    return found


def _parsed(data: Mapping[str, Any], text: str, path: Path) -> tuple[EvaluationReport, ...]:
    """Return what is in a file, told by the keys that only one kind has."""
    if "evidence" in data:
        return parse(text, str(path)).evaluations
    if {"variants", "storages"} <= set(data):
        return (InferenceReport.from_dict(data).as_evaluation(),)
    if {"setup", "arms"} <= set(data):
        return (StudyReport.from_dict(data).as_evaluation(),)
    if {"task", "report"} <= set(data):
        return (EvaluationReport.from_dict(data["report"]),)
    if {"task", "dataset", "metrics"} <= set(data):
        return (EvaluationReport.from_dict(data),)
    return ()

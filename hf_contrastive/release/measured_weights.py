"""Evaluations that were measured on the files of a folder, beside the weights that its training record names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from hf_contrastive.errors import EvaluationError, require
from model_cards.evidence import EvaluationReport, TrainingRecord


def named_as_trained(
    evaluations: Sequence[EvaluationReport], folder: Path, training: TrainingRecord | None
) -> tuple[EvaluationReport, ...]:
    """Return evaluations of the files in ``folder`` under the digest of the weights as they were trained.

    An adapter is digested beside its base, and merged into it when it is published, so that what is measured on the
    published files has another digest than what was trained. Where the two differ the files are loaded; evaluations
    that are neither of them stay as they are, and the gate refuses them.

    Args:
        evaluations: from wherever.
        folder: with the files that will be published.
        training: of exactly these files, None where nobody saw it.

    Raises:
        MissingExtraError: the files have to be loaded, and torch is not installed.
        ModelError: they can not be loaded.
    """
    trained = training.weights_sha256 if training is not None else ""
    published = cache(lambda: _digest_of(folder))
    found = []
    for item in evaluations:
        told = item.weights_sha256
        if trained and told and told != trained and not item.is_study and told == published():
            words = (
                f"Measured on the published files, whose tensors have the digest {told}; it stands under that of the "
                "weights as they were trained, adapter and base apart, from which these files were written."
            )
            item = replace(item, weights_sha256=trained, note=f"{item.note} {words}".strip())
        found.append(item)
    return tuple(found)


def refuse_foreign(evaluation: EvaluationReport, folder: Path, where: str) -> None:
    """Refuse an evaluation of a model whose training nobody saw, unless it is of the files in ``folder``.

    Of weights that were trained here, the gate tells it from the evidence alone.

    Args:
        evaluation: that was made later.
        folder: with the files that will be published.
        where: it was read from, for the message.

    Raises:
        EvaluationError: it is of other weights, or a study.
        MissingExtraError: torch is not installed.
        ModelError: the files can not be loaded.
    """
    if evaluation.is_study:
        msg = (
            f"The study {where} starts from one checkpoint, and no record of a training says which one the model in "
            f"{folder.name} was trained from, so that it tells nothing about it. Leave it out, or push a folder that "
            "ContrastiveTrainer wrote."
        )
        raise EvaluationError(msg)
    held = _digest_of(folder)
    if evaluation.weights_sha256 != held:
        msg = (
            f"The evaluation {where} was measured on other weights than those in {folder.name}: they have the digest "
            f"{evaluation.weights_sha256 or 'of nothing, as none was recorded'}, those in the folder {held}. Measure "
            "the folder that is published."
        )
        raise EvaluationError(msg)


def _digest_of(folder: Path) -> str:
    require("train", "torch", "transformers", "peft")
    from hf_contrastive.encoder import TextEncoder

    return TextEncoder.load(folder).weights_digest()

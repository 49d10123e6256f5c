"""May a version come back? Its verdict, its documents, today's license facts, and whether it can be loaded."""

from __future__ import annotations

from pathlib import Path

from audits.verdicts import SEVERITY
from hf_contrastive.errors import ModelError, missing
from hf_contrastive.release.licensing import license_analysis
from hf_contrastive.release.verification.items import VerificationReport
from model_cards.evidence import Evidence
from model_cards.typesetting import one_line, redact

MOST_NAMES = 12
"""Files or tags that a message names; more are counted."""

_SENTENCES = ("where is the river", "a short text", "how do I return to an earlier version?", "the last of four texts")


def decision_problems(evidence: Evidence, to: str) -> list[str]:
    """Return why the verdict that a version was published with does not let it come back."""
    verdict = evidence.verdict
    if verdict is None:
        return [f"{to} was published without a verdict: not checked is not passed"]
    if verdict.decision == "block":
        codes = ", ".join(sorted({item.code for item in verdict.outcomes if item.decision == "block"}))
        return [f"The verdict of {to} is block because of {codes}: it must not be published, nor come back"]
    if verdict.decision == "review" and not evidence.approvals:  # whether they hold is for verify to say
        return [f"The verdict of {to} is review, and nobody's yes to it is recorded"]
    return []


def unread_warnings(report: VerificationReport, to: str) -> list[str]:
    """Return which documents could not be written anew, e.g. since another version has written them."""
    keys = [item.key for item in report.of("not checked") if item.key.startswith("document:")]
    unread = [key.removeprefix("document:") for key in keys]
    if not unread:
        return []
    return [
        f"Whether {', '.join(unread[:MOST_NAMES])} of {to} are what its evidence says was not checked, since another "
        "version of hf-contrastive wrote them. Have them looked at."
    ]


def license_warnings(evidence: Evidence, to: str) -> list[str]:
    """Return what today's license facts say against a version that passed with those of its day."""
    if evidence.licenses is None or evidence.policy is None:
        return []
    today = license_analysis(evidence, evidence.policy)
    if SEVERITY[today.decision] <= SEVERITY[evidence.licenses.decision]:
        return []
    codes = ", ".join(item.code for item in today.results if item.decision == today.decision)
    return [
        f"Under the license facts of {today.facts_date}, the licenses of {to} would be decided {today.decision} "
        f"({codes}); when it was published, with those of {evidence.licenses.facts_date}, it was "
        f"{evidence.licenses.decision}. Have them looked at."
    ]


def load_version(folder: Path, evidence: Evidence) -> tuple[str, list[str]]:
    """Load the version and encode texts; return what came of it in words, and what speaks against the version."""
    if absent := missing("torch", "transformers", "peft"):
        return f"not loaded: {' and '.join(absent)} is not installed (the extra `train` brings it)", []
    import numpy as np

    from hf_contrastive.encoder import TextEncoder

    try:
        vectors = TextEncoder.load(folder).encode(list(_SENTENCES))
    except (ModelError, OSError, ValueError, RuntimeError) as error:
        first = redact(one_line(str(error)))
        return "can not be loaded", [f"Its files can not be loaded as a model: {first}"]
    wanted = evidence.training.embedding_dimension if evidence.training is not None else vectors.shape[1]
    if not np.isfinite(vectors).all() or vectors.shape[1] != wanted:
        words = f"Its model gives vectors of {vectors.shape[1]} dimensions, {wanted} are recorded, or no finite numbers"
        return "gives other vectors", [words]
    return f"loaded; {len(vectors)} texts gave finite vectors of {vectors.shape[1]} dimensions", []

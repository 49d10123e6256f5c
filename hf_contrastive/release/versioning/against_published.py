"""The new model beside the version that it would replace, or why nothing was compared."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.findings import DatasetRef
from audits.policy import Policy
from hf_contrastive.errors import EvaluationError, HubError, ModelError
from hf_contrastive.release.plan import PushPlan
from hf_contrastive.release.versioning.compare_data import HELD_OUT, SEED, NotComparedError, Pairs
from hf_contrastive.release.versioning.published import NotPublishedError, PublishedVersion
from model_cards.evidence import Evidence, VersionComparison
from model_cards.typesetting import one_line, redact

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

Prepared = tuple[PushPlan, Evidence, dict[str, bytes]]

_LONGEST_REASON = 400
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """How a push compares.

    Attributes:
        pairs: gives the data; raises :class:`NotComparedError` where there is none.
        encoder: gives the new model; default: it is loaded from the folder that is published.
    """

    pairs: Callable[[], Pairs]
    encoder: Callable[[], TextEncoder] | None = None


def beside_published(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    published: PublishedVersion | None,
    comparing: Comparing | None,
    *,
    prepare: Callable[[Evidence], Prepared],
    api: Any,
    payload: str,
) -> tuple[Evidence, Prepared]:
    """Add the comparison with the published version, where there is one, and prepare the push.

    The same content again says what was said when it was published: compared with itself, it would become another
    evidence, and another commit.

    Args:
        folder: the new model's files.
        evidence: without verdict.
        policy: its margin counts.
        published: the version that is there.
        comparing: on what; None compares nothing.
        prepare: judges, renders and plans.
        api: an HfApi.
        payload: digest of the new model's files.

    Returns:
        The evidence with the comparison, and what was prepared from it.

    Raises:
        EvaluationError: data that was named for the comparison can not be used.
    """
    if published is None:
        return evidence, prepare(evidence)
    before = published.evidence
    if before is not None and before.payload_digest == payload:
        again = replace(evidence, comparison=before.comparison)
        prepared = prepare(again)
        if prepared[0].content_digest == before.content_digest:
            return again, prepared
    comparison = compare_with_published(folder, evidence, policy, published, comparing, api=api, payload=payload)
    evidence = replace(evidence, comparison=comparison)
    return evidence, prepare(evidence)


def compare_with_published(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    published: PublishedVersion,
    comparing: Comparing | None,
    *,
    api: Any,
    payload: str,
) -> VersionComparison:
    """Measure the new model beside the published one; where that can not be done, say why.

    Args:
        folder: the new model's files.
        evidence: what is known of it.
        policy: its margin counts.
        published: the version that is there.
        comparing: on what; None compares nothing.
        api: an HfApi, which brings the published files.
        payload: digest of the new model's files.

    Raises:
        EvaluationError: data that was named for the comparison can not be used.
    """
    trained = evidence.training.weights_sha256 if evidence.training is not None else ""
    earlier = published.evidence.training if published.evidence is not None else None
    base = VersionComparison(
        repo_id=published.repo_id,
        tag=published.tag,
        commit=published.commit,
        published_weights_sha256=earlier.weights_sha256 if earlier is not None else "",
        weights_sha256=trained,
        margin=policy.versions.margin,
        seed=SEED,
    )
    if published.evidence is not None and published.evidence.payload_digest == payload:
        same = trained or base.published_weights_sha256 or payload
        return replace(
            base,
            published_weights_sha256=same,
            weights_sha256=same,
            note="not compared: the model's files are those of the published version",
        )
    try:
        measured = _measured(folder, base, comparing, api, trained_on=_trained_on(evidence))
    except NotComparedError as why:
        # the reason is published: neither paths nor tokens of this machine
        told = redact(one_line(str(why))).rstrip(".")[:_LONGEST_REASON]
        _logger.warning("The new model was not compared with %s, which is published: %s.", published.name, told)
        return replace(base, note=f"not compared: {told}")
    return replace(
        measured,
        published_weights_sha256=base.published_weights_sha256 or measured.published_weights_sha256,
        weights_sha256=trained or measured.weights_sha256,
    )


def _trained_on(evidence: Evidence) -> frozenset[str]:
    """Return the fingerprints of what the new model was trained on; held-out splits are measured on alone."""
    if evidence.training is not None:
        told: tuple[DatasetRef, ...] = evidence.training.datasets
    else:
        told = evidence.audit.datasets if evidence.audit is not None else ()
    return frozenset(item.fingerprint for item in told if item.split.partition("/")[0] not in HELD_OUT)


def _measured(
    folder: Path, base: VersionComparison, comparing: Comparing | None, api: Any, *, trained_on: frozenset[str]
) -> VersionComparison:
    if comparing is None:
        msg = "no data was named for it"
        raise NotComparedError(msg)
    pairs = comparing.pairs()
    if pairs.reference.fingerprint in trained_on:
        msg = "the data that was named for it is what the new model was trained on; name rows that it has not seen"
        raise NotComparedError(msg)
    from hf_contrastive.console import progress
    from hf_contrastive.encoder import TextEncoder
    from hf_contrastive.evaluation.comparison import compare_encoders
    from hf_contrastive.model_references import ModelReference, download_model

    try:
        reference = download_model(base.repo_id, base.commit, api=api)
        before = reference.load()
    except (ModelError, HubError, NotPublishedError) as error:
        msg = f"the published version can not be loaded ({error})"
        raise NotComparedError(msg) from error
    try:
        after = comparing.encoder() if comparing.encoder is not None else TextEncoder.load(folder)
    except ModelError as error:
        msg = f"the new model can not be loaded ({error})"
        raise NotComparedError(msg) from error
    named = ModelReference(
        name=base.repo_id, given=reference.given, repo_id=base.repo_id, commit=base.commit, tag=base.tag
    )
    with progress("Compare with the published version") as update:
        try:
            return compare_encoders(
                named,
                before,
                after,
                pairs.task,
                pairs.reference,
                seed=SEED,
                margin=base.margin,
                on_progress=update,
            ).comparison
        except EvaluationError as error:
            raise NotComparedError(str(error)) from error

"""Evidence -> documents -> plan, and the reports on this machine: everything that a push does before the gate."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from audits.licenses.hub_clients import OnlineHub
from audits.licenses.lineage import WalkedLineage
from audits.licenses.snapshots import HubClient
from audits.policy import Policy
from hf_contrastive.release.approvals import ApprovalError
from hf_contrastive.release.licensing import trace
from hf_contrastive.release.plan import (
    NO_MODEL_FILE,
    WRITTEN_ANEW,
    PushPlan,
    contents,
    in_memory,
    payload,
    payload_digest,
)
from hf_contrastive.release.preparing import Yes, judged, prepare
from hf_contrastive.release.report_folder import write_publication
from hf_contrastive.release.sending.hub import full_repo_id
from hf_contrastive.release.signing import Signer
from hf_contrastive.release.versioning.against_published import Comparing, beside_published
from hf_contrastive.release.versioning.changelog import write_changes
from hf_contrastive.release.versioning.looking import Looked, look_at_published
from hf_contrastive.release.versioning.published import PublishedEvidence
from model_cards.evidence import Evidence

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Everything that the gate looks at, and the Hub that it would go to."""

    plan: PushPlan
    evidence: Evidence
    sources: Mapping[str, Path | bytes]
    walked: WalkedLineage
    looked: Looked
    api: Any


def stage(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    *,
    api: Any,
    yes: Yes,
    hub: HubClient | None = None,
    license_texts: Mapping[str, str] | None = None,
    report_dir: Path | None = None,
    publish_excerpts: bool = False,
    signer: Signer | None = None,
    comparing: Comparing | None = None,
    revision: str | None = None,
) -> Staged:
    """Trace, judge, render, plan and write the reports: all that precedes the gate.

    Args:
        folder: holds the model's files.
        evidence: what is known.
        policy: what the audit is judged by.
        api: an HfApi.
        yes: what was said to a verdict of review.
        hub: where cards are read; default: the same Hub.
        license_texts: by SPDX id.
        report_dir: where the documents are written.
        publish_excerpts: publish excerpts of rows.
        signer: signs what is published.
        comparing: on what the model is compared with the published version.
        revision: branch.

    Raises:
        ApprovalError: the policy takes no name alone as a yes.
    """
    if yes.reviewed_by and not policy.single_reviewer:
        msg = (
            f"The policy {policy.name} takes no name alone as a yes, got `reviewed_by={yes.reviewed_by}`. Record an "
            "approval with `hf-contrastive approve`, and push with `--approval FILE`."
        )
        raise ApprovalError(msg)
    # the weights are read once here, and once more by the gate
    held = payload(folder)
    given = replace(evidence, repo_id=full_repo_id(api, evidence.repo_id or ""))
    walked = trace(given, hub or OnlineHub(endpoint=api.endpoint, token=api.token), folder=folder)
    prepared = partial(
        prepare,
        folder,
        policy=policy,
        walked=walked,
        license_texts=license_texts,
        publish_excerpts=publish_excerpts,
        signer=signer,
        held=held,
        **yes._asdict(),
    )
    looked = look_at_published(given.repo_id or "", api=api, revision=revision)
    given, (plan, evidence, rendered) = beside_published(
        folder, given, policy, looked.seen, comparing, prepare=prepared, api=api, payload=payload_digest(held[0])
    )
    _tell_kept_out(plan, folder)
    if report_dir is not None:
        traced = replace(
            given, lineage=evidence.lineage, licenses=evidence.licenses, license_texts=evidence.license_texts
        )
        # a yes is bound to what is published, and stands there
        full = evidence if publish_excerpts else judged(traced, policy, evidence.payload_digest, Yes())
        write_publication(report_dir, evidence, full, walked, rendered)
        write_changes(report_dir, looked.seen if isinstance(looked.seen, PublishedEvidence) else None, evidence)
    sources = in_memory(plan, contents(folder, rendered, plan))
    return Staged(
        plan=plan,
        evidence=evidence,
        sources=sources,
        walked=walked,
        looked=looked,
        api=api,
    )


def _tell_kept_out(plan: PushPlan, folder: Path) -> None:
    stray = [name for name, why in plan.kept_out if why == NO_MODEL_FILE]
    if stray:
        _logger.warning("Not published, since no file of a model: %s in %s.", ", ".join(stray), folder.name)
    for name, why in plan.kept_out:
        if why.startswith(WRITTEN_ANEW):
            _logger.warning("%s of %s is not published: it is %s.", name, folder.name, why)

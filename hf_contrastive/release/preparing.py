"""Folder and evidence -> license rules, verdict, documents, plan: everything up to the gate; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from audits.licenses.lineage import WalkedLineage
from audits.policy import Approval, Policy
from hf_contrastive.release.approvals import approve, subject_digest
from hf_contrastive.release.decision import decide
from hf_contrastive.release.licensing import license_analysis, own_copies, texts_at_hand
from hf_contrastive.release.plan import LICENSE_COPIES, SIGNATURE, Payload, PushPlan, payload, payload_digest, planned
from hf_contrastive.release.redaction import without_excerpts
from hf_contrastive.release.rendering import render_all
from hf_contrastive.release.signing import Signer
from model_cards.evidence import Evidence


class Yes(NamedTuple):
    """What was said to a verdict of review, if anything."""

    approval: Approval | None = None
    reviewed_by: str | None = None
    reason: str = ""


def prepare(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    *,
    walked: WalkedLineage | None = None,
    license_texts: Mapping[str, str] | None = None,
    approval: Approval | None = None,
    reviewed_by: str | None = None,
    reason: str = "",
    publish_excerpts: bool = False,
    signer: Signer | None = None,
    held: Payload | None = None,
) -> tuple[PushPlan, Evidence, dict[str, bytes]]:
    """Apply the license rules, judge, record the approval, render the documents and list what would be published.

    Args:
        folder: holds the model's files.
        evidence: without verdict and approvals, which are added here; ``repo_id`` must be set.
        policy: what the audit is judged by.
        walked: where data and base model came from, of :func:`hf_contrastive.release.licensing.trace`.
        license_texts: texts of licenses that must go along, by SPDX id.
        approval: of a person, for a verdict of review.
        reviewed_by: name of the person who says yes to a verdict of review.
        reason: why.
        publish_excerpts: see :func:`publish`.
        signer: signs all of it; the documents name its key.
        held: what the folder holds, where it was read already.

    Returns:
        The plan, the completed evidence, and the documents and the signature by file name.
    """
    files, kept_out = held if held is not None else payload(folder)
    if not publish_excerpts:
        # before the verdict, which names the digest of the report that it is about
        evidence = without_excerpts(evidence)
    if walked is not None:
        evidence = replace(evidence, lineage=walked.lineage)
    licenses = license_analysis(evidence, policy)
    own = own_copies(folder / LICENSE_COPIES, licenses)
    texts = texts_at_hand(licenses, walked, {**evidence.license_texts, **own, **(license_texts or {})})
    evidence = replace(evidence, licenses=licenses, license_texts=texts)
    evidence = judged(evidence, policy, payload_digest(files), Yes(approval, reviewed_by, reason))
    evidence = replace(evidence, signing_key=signer.key if signer is not None else None)
    rendered = render_all(evidence, published=True)
    listed = (*files, *(planned(name, content) for name, content in rendered.items()))
    if signer is not None:
        rendered[SIGNATURE] = signer.sign(listed, evidence.repo_id or evidence.model_name)
        listed = (*listed, planned(SIGNATURE, rendered[SIGNATURE]))
    plan = PushPlan(
        repo_id=evidence.repo_id or "",
        files=listed,
        kept_out=kept_out,
        card_digest="sha256:" + planned("README.md", rendered["README.md"]).sha256,
        evidence_digest=evidence.digest,
        content_digest=evidence.content_digest,
        verdict=evidence.verdict,
    )
    return plan, evidence, rendered


def judged(evidence: Evidence, policy: Policy, payload: str, yes: Yes) -> Evidence:
    """Add policy, verdict, digest of the files and, to a verdict of review, what was said."""
    audit = evidence.audit
    verdict = None
    if audit is not None:
        verdict = decide(audit, policy, evidence.training, licenses=evidence.licenses, comparison=evidence.comparison)
    evidence = replace(evidence, policy=policy, verdict=verdict, payload_digest=payload)
    if verdict is None or verdict.decision != "review":
        return evidence
    given = [yes.approval] if yes.approval is not None else []
    if yes.reviewed_by:
        given.append(approve(verdict, subject_digest(evidence), by=yes.reviewed_by, reason=yes.reason))
    return replace(evidence, approvals=(*evidence.approvals, *given))

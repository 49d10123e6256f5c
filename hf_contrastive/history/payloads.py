"""What a line keeps: digests, names, decisions and licenses; no text of rows, no local path, no token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from audits.findings import AuditReport, DatasetRef
from audits.licenses.analysis import LicenseAnalysis
from audits.licenses.inputs import LicensedInput
from audits.licenses.overlays import Overlay
from audits.policy import Approval, Policy, Verdict, used_waivers
from model_cards.evidence import Evidence

if TYPE_CHECKING:
    from hf_contrastive.release.versioning.rollback import RollbackReceipt

LOCAL = "(local path)"
SECRET = "(token)"

_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{8,}")
_WHOLE_PATH = re.compile(r"(?:file:|~[\\/]|/|\\\\|[A-Za-z]:[\\/]|\.\.?[\\/])")
# not after a letter, a colon or a slash: `a/b` and the end of an address are none
_PATH = re.compile(r"(?<![\w/.:-])(?:file://|~/|/(?=[^\s/])|\\\\|[A-Za-z]:[\\/])[^\s'\"`,;:()\[\]<>]+")


def without_private(value: Any) -> Any:
    """Return JSON data with tokens and local paths masked in every string, keys included."""
    if isinstance(value, str):
        value = _TOKEN.sub(SECRET, value)
        return LOCAL if _WHOLE_PATH.match(value) else _PATH.sub(LOCAL, value)
    if isinstance(value, Mapping):
        return {without_private(str(key)): without_private(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_private(item) for item in value]
    return value


def audit_payload(report: AuditReport) -> dict[str, Any]:
    """Return what was audited, and how each check ended."""
    return {
        "report_digest": report.content_digest,
        "datasets": datasets([("audited", ref) for ref in report.datasets]),
        "checks": {result.code: result.status for result in report.results},
        "findings": sorted({finding.code for finding in report.findings}),
        "versions": dict(report.versions),
    }


def verdict_payload(verdict: Verdict, policy: Policy, refs: Iterable[DatasetRef]) -> dict[str, Any]:
    """Return a decision, all that was not a pass, and the waivers that it used."""
    return {
        "verdict_digest": verdict.digest,
        "report_digest": verdict.report_digest,
        "decision": verdict.decision,
        "outcomes": _outcomes(verdict),
        "waivers": [item.to_dict() for item in used_waivers(verdict)],
        "policy": {"name": policy.name or verdict.policy_name, "digest": verdict.policy_digest},
        "datasets": datasets([("audited", ref) for ref in refs]),
    }


def approval_payload(approval: Approval, *, repo_id: str = "") -> dict[str, Any]:
    """Return who said yes to what."""
    return {"repo_id": repo_id, **approval.to_dict()}


def release_payload(evidence: Evidence) -> dict[str, Any]:
    """Return what a release consists of and rests on."""
    verdict, training = evidence.verdict, evidence.training
    base = training.base if training is not None else None
    return {
        "license": evidence.license,
        "save_format": evidence.save_format,
        "payload_digest": evidence.payload_digest,
        "report_digest": evidence.audit.content_digest if evidence.audit is not None else "",
        "verdict_digest": verdict.digest if verdict is not None else "",
        "policy": {"name": verdict.policy_name, "digest": verdict.policy_digest} if verdict is not None else None,
        "outcomes": _outcomes(verdict) if verdict is not None else [],
        "waivers": [item.to_dict() for item in used_waivers(verdict)] if verdict is not None else [],
        "approvals": [
            {"by": item.by, "role": item.role, "reason": item.reason, "expires": item.expires}
            for item in evidence.approvals
        ],
        "base": None
        if base is None
        else {
            "model_id": base.model_id,
            "revision": base.revision,
            "weights_sha256": base.weights_sha256,
            "license": base.license,
        },
        "datasets": datasets(_references(evidence)),
        "licenses": None
        if evidence.licenses is None
        else licenses_payload(evidence.licenses, evidence.policy.licenses.overlay if evidence.policy else None),
    }


def rollback_payload(receipt: RollbackReceipt, *, by: str = "", reason: str = "") -> dict[str, Any]:
    """Return from which version to which, as what commit and tag, by whom and why."""
    return {
        "repo_id": receipt.repo_id,
        "commit": receipt.commit,
        "tag": receipt.tag,
        "by": by,
        "reason": reason,
        "from": {"commit": receipt.before, "tag": receipt.before_tag},
        "to": {"commit": receipt.to_commit, "tag": receipt.to},
        "evidence_digest": receipt.evidence_digest,
    }


def licenses_payload(analysis: LicenseAnalysis, overlay: Overlay | None) -> dict[str, Any]:
    """Return what a license analysis needs to be made again, and what it said."""
    return {
        "decision": analysis.decision,
        "rules": {item.code: [item.result, item.decision] for item in analysis.results},
        "inputs": [_input(item) for item in analysis.inputs],
        "intent": analysis.intent.to_dict(),
        "overlay": overlay.to_dict() if overlay is not None else None,
        "facts_date": analysis.facts_date,
        "facts_digest": analysis.facts_digest,
    }


def datasets(refs: Iterable[tuple[str, DatasetRef]]) -> list[dict[str, Any]]:
    """Return references to data with how it was used, each once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for use, ref in refs:
        key = (ref.repo_id, ref.config, ref.split, ref.revision, ref.fingerprint)
        held = found.setdefault(
            key,
            {
                "repo_id": ref.repo_id,
                "config": ref.config,
                "split": ref.split,
                "revision": ref.revision,
                "fingerprint": ref.fingerprint,
                "rows": ref.num_rows,
                "use": [],
            },
        )
        if use not in held["use"]:
            held["use"].append(use)
    return list(found.values())


def _references(evidence: Evidence) -> Iterator[tuple[str, DatasetRef]]:
    if evidence.training is not None:
        yield from (("trained on", ref) for ref in evidence.training.datasets)
    for report in (evidence.audit, evidence.earlier_audit):
        yield from (("audited", ref) for ref in (report.datasets if report is not None else ()))
    for remedy in evidence.remedies:
        # rows taken from a dataset are its rows, whatever was removed
        yield from (("before removal", ref) for ref in remedy.before)
    yield from (("evaluated on", item.dataset) for item in evidence.evaluations)
    if evidence.comparison is not None and evidence.comparison.dataset is not None:
        yield "compared on", evidence.comparison.dataset


def _outcomes(verdict: Verdict) -> list[dict[str, Any]]:
    kept = ("code", "decision", "rule", "observed", "allowed", "waiver")
    return [{name: getattr(item, name) for name in kept} for item in verdict.outcomes if item.decision != "pass"]


def _input(item: LicensedInput) -> dict[str, Any]:
    """Return an input without the texts that its statements quote; their hashes tell whether they changed."""
    statements = [
        {"place": told.place, "where": told.where, "sha256": told.sha256, "concluded": told.concluded}
        for told in item.statements
    ]
    kept = {
        "name": item.name,
        "role": item.role,
        "kind": item.kind,
        "license": item.license,
        "reason": item.reason,
        "rows": item.rows,
        "revision": item.revision,
        "relation": item.relation,
        "parents": list(item.parents),
        "gated": item.gated,
        "unread": item.unread or None,
        "statements": statements,
        "disagreements": ["quoted in the evidence"] * len(item.disagreements),
    }
    return {name: value for name, value in kept.items() if value not in (None, "", [])} | {"license": item.license}

"""Put what happened into the history.

Every function raises :class:`~hf_contrastive.history.entries.HistoryError` where nothing could be written, with what
was to be recorded. Who must not fail because of that, since the commit on the Hub is made, calls through
:func:`or_warn`: it tells loudly, prints the lines for ``hf-contrastive history --add FILE``, and goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from audits.findings import AuditReport
from audits.policy import Approval, Policy, Verdict
from hf_contrastive.history.chain import append_all, history_path, read
from hf_contrastive.history.entries import Draft, HistoryEntry, HistoryError
from hf_contrastive.history.payloads import (
    approval_payload,
    audit_payload,
    release_payload,
    rollback_payload,
    verdict_payload,
    without_private,
)
from model_cards.evidence import Evidence

if TYPE_CHECKING:
    from hf_contrastive.history.recheck import Recheck
    from hf_contrastive.release.sending.hub import PushReceipt
    from hf_contrastive.release.versioning.rollback import RollbackReceipt

_logger = logging.getLogger(__name__)
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def record_audit(
    report: AuditReport, verdict: Verdict, policy: Policy, *, path: Path | None = None
) -> tuple[HistoryEntry, ...]:
    """Record an audit and the verdict over it, one line each.

    Args:
        report: what was measured.
        verdict: of ``report``; the waivers that it used are recorded with it.
        policy: what it was judged by.
        path: the history; default: :func:`~hf_contrastive.history.chain.history_path`.

    Raises:
        HistoryError: nothing could be written.
    """
    drafts = (
        _draft("audit", audit_payload(report)),
        _draft("verdict", verdict_payload(verdict, policy, report.datasets)),
    )
    return append_all(_place(path, drafts), drafts)


def record_approval(approval: Approval, *, repo_id: str = "", path: Path | None = None) -> HistoryEntry:
    """Record a person's yes.

    Args:
        approval: bound to verdict, plan and policy.
        repo_id: what is to be published, where that is known.
        path: the history.

    Raises:
        HistoryError: nothing could be written.
    """
    return _record("approval", approval_payload(approval, repo_id=repo_id), path)


def is_recorded(approval: Approval, *, path: Path | None = None) -> bool:
    """Whether the history holds this very approval; False where it can not be read.

    Args:
        approval: with everything in it, its date too.
        path: the history.
    """
    told = without_private(approval.to_dict())
    try:
        entries = read(history_path(path))
    except HistoryError:
        return False
    return any(entry.kind == "approval" and {key: entry.payload.get(key) for key in told} == told for entry in entries)


def record_push(evidence: Evidence, receipt: PushReceipt, *, path: Path | None = None) -> HistoryEntry:
    """Record a publication with everything that later questions need.

    Args:
        evidence: as published: the data, the base, the license analysis and the intent.
        receipt: of the push.
        path: the history.

    Raises:
        HistoryError: nothing could be written.
    """
    payload = {
        "repo_id": receipt.repo_id,
        "commit": receipt.commit,
        "tag": receipt.tag,
        "decision": receipt.decision,
        "plan_digest": receipt.plan_digest,
        "evidence_digest": receipt.evidence_digest,
        **release_payload(evidence),
    }
    return _record("push", payload, path)


def record_rollback(
    receipt: RollbackReceipt, *, by: str = "", reason: str = "", path: Path | None = None
) -> HistoryEntry:
    """Record that a branch went back to an earlier version, which is a release of what that version was made of.

    Args:
        receipt: of the rollback.
        by: who did it.
        reason: why.
        path: the history.

    Raises:
        HistoryError: nothing could be written.
    """
    return _record("rollback", rollback_payload(receipt, by=by, reason=reason), path)


def record_recheck(checked: Iterable[Recheck], *, online: bool = False, path: Path | None = None) -> HistoryEntry:
    """Record that the licenses of releases were looked at again, and what came out.

    Args:
        checked: of :func:`~hf_contrastive.history.recheck.recheck`.
        online: whether the licenses were looked up where they stand.
        path: the history.

    Raises:
        HistoryError: nothing could be written.
    """
    releases = [{**item.to_dict(), "worse": item.worse} for item in checked]
    gravest = max((item["after"] for item in releases), key=("", "pass", "review", "block").index, default="")
    return _record("recheck", {"online": online, "decision": gravest, "releases": releases}, path)


def or_warn(
    record: Callable[_Arguments, _Result], *arguments: _Arguments.args, **options: _Arguments.kwargs
) -> _Result | None:
    """Call one of these functions; where it can not write, warn with the lines that are missing and return None.

    Args:
        record: e.g. :func:`record_push`.
        *arguments: of it.
        **options: of it.
    """
    try:
        return record(*arguments, **options)
    except HistoryError as error:
        _logger.warning(
            "%s The rest went on without it. Save the line(s) below as FILE and run `hf-contrastive history --add "
            "FILE` to record them later:\n%s",
            error,
            error.pending.rstrip("\n"),
        )
        return None


def _record(kind: str, payload: dict[str, object], path: Path | None) -> HistoryEntry:
    drafts = (_draft(kind, payload),)
    return append_all(_place(path, drafts), drafts)[0]


def _draft(kind: str, payload: dict[str, object]) -> Draft:
    return Draft.now(kind, without_private(payload))


def _place(path: Path | None, drafts: tuple[Draft, ...]) -> Path:
    try:
        return history_path(path)
    except HistoryError as error:
        raise HistoryError(str(error), drafts=drafts) from error

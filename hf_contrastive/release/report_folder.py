"""The folder of the reports on this machine: documents, those that quote rows, texts as retrieved, the receipt."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from audits.errors import SourceError
from audits.findings import AuditReport
from audits.licenses.lineage import WalkedLineage, write_license_files
from audits.policy import Policy, Verdict
from audits.report_files import FINDINGS, write_findings, write_report
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.release.plan import LICENSE_COPIES, SIGNATURE
from hf_contrastive.release.rendering import render_all
from hf_contrastive.release.sending.hub import PushReceipt
from hf_contrastive.writing import all_or_none
from model_cards.evidence import Evidence
from model_cards.render import documents

_logger = logging.getLogger(__name__)

RECEIPT = "receipt.json"
WITH_EXCERPTS = "with_excerpts"
"""Folder, in that of the reports, of the same documents with excerpts of rows; it stays on this machine."""


def write_publication(
    folder: Path, evidence: Evidence, full: Evidence, walked: WalkedLineage, rendered: Mapping[str, bytes]
) -> None:
    """Write what a push says, all or none; other files in ``folder`` stay.

    Documents of an earlier push that this one does not write are removed: they are about another evidence.

    Args:
        folder: made if missing.
        evidence: as it is published.
        full: the same with excerpts of rows.
        walked: with the texts that were read on the way.
        rendered: what is published, byte by byte.
    """
    ours = {document.filename for document in documents().values()} | {SIGNATURE, LICENSE_COPIES.rstrip("/")}
    with all_or_none(folder, stale=lambda names: ours - names) as new:
        _write({**render_all(evidence, without=rendered), **rendered}, new)
        _write(render_all(full), new / WITH_EXCERPTS)
        write_license_files(walked, new)
        if full.audit is not None and all(finding.rows is not None for finding in full.audit.findings):
            write_findings(full.audit, new / FINDINGS)


def keep_receipt(receipt: PushReceipt, folder: Path) -> None:
    """Write the receipt, which anchors the history; where that fails, tell it, since the push is done."""
    text = json.dumps(receipt.to_dict(), indent=2) + "\n"
    try:
        write_files({RECEIPT: text.encode()}, folder)
    except OSError as error:
        _logger.warning(
            "The push is done, but its receipt could not be written to %s (%s). Keep this:\n%s", folder, error, text
        )


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write ``files`` into ``folder``, all or none; it is made if missing, and other files in it stay.

    Raises:
        OSError: the folder can not be written; what stood there is as it was.
    """
    with all_or_none(folder) as new:
        _write(files, new)


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def write_audit(report: AuditReport, policy: Policy, verdict: Verdict, folder: Path) -> tuple[str, ...]:
    """Write an audit alone: every document that applies to it and ``findings/*.parquet``, all or none.

    Returns the names of the documents: report.html, .md and .json for people and programs, .sarif and .junit.xml for
    CI, and evidence.json.

    Args:
        report: with the rows of its findings.
        policy: what it was judged by.
        verdict: of ``report``.
        folder: made if missing; other files in it stay.

    Raises:
        ConfigurationError: the folder can not be written; what stood there is as it was.
    """
    rendered = render_all(Evidence(audit=report, policy=policy, verdict=verdict, versions=report.versions))
    try:
        with all_or_none(folder) as new:
            write_report(report, verdict, new)
            _write(rendered, new)
    except (OSError, SourceError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        msg = f"The report can not be written to `{folder}` ({reason}); nothing was changed there. Name another folder."
        raise ConfigurationError(msg) from error
    return tuple(sorted(rendered))

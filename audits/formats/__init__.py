"""Formats of one audit; anything richer is rendered from the Evidence."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Protocol, cast

from audits.errors import SchemaError
from audits.findings import AuditReport
from audits.policy import Verdict


class Format(Protocol):
    """A module of this package: where its output is written, and how it is made."""

    suffix: str

    def render(self, report: AuditReport, verdict: Verdict) -> str:
        """Return the document; pure."""
        ...


def formats() -> Mapping[str, Format]:
    """Return every format by its name, ordered by name."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return {name: cast("Format", importlib.import_module(f"{__name__}.{name}")) for name in names}


def check_pair(report: AuditReport, verdict: Verdict) -> None:
    """Refuse a verdict of another report.

    Raises:
        SchemaError: the digests differ.
    """
    if verdict.report_digest not in (report.digest, report.content_digest):
        msg = (
            f"The verdict is of another report: it names {verdict.report_digest}, this report is "
            f"{report.content_digest}. Judge this report and use that verdict."
        )
        raise SchemaError(msg)

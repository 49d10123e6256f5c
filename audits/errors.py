"""Errors of the audit: what, observed, allowed, next step, in one paragraph."""

from __future__ import annotations


class AuditError(Exception):
    """Base of every error raised by :mod:`audits`."""


class SchemaError(AuditError, ValueError):
    """A record's JSON does not have the documented shape."""


class SourceError(AuditError, ValueError):
    """The data can not be audited as given: no rows, unreadable, unsupported type."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """The path or Hub id names nothing that can be read."""

    def __str__(self) -> str:
        # FileNotFoundError would print an errno tuple
        return str(self.args[0]) if self.args else ""


class ColumnError(AuditError, KeyError):
    """A named column is missing, or no columns could be recognised."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument
        return str(self.args[0]) if self.args else ""


class PolicyError(AuditError, ValueError):
    """A policy file or a waiver is malformed."""


class RemedyError(AuditError, ValueError):
    """A remedy can not be applied: the report is of other data, lacks its rows, or nothing would be left."""


class LineageError(AuditError):
    """A repository that a model or dataset comes from can not be read; the message is a reason to quote."""


class DuplicateCodeError(AuditError, ValueError):
    """Two checks claim the same code."""

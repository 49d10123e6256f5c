"""What was audited, decided, approved and published: an append-only file whose lines hold each other in place."""

from __future__ import annotations

from hf_contrastive.history.chain import append, append_all, history_path, read
from hf_contrastive.history.entries import KINDS, Draft, Head, HistoryEntry, HistoryError
from hf_contrastive.history.verification import HistoryProblem, not_covered, verify

__all__ = [
    "KINDS",
    "Draft",
    "Head",
    "HistoryEntry",
    "HistoryError",
    "HistoryProblem",
    "append",
    "append_all",
    "history_path",
    "not_covered",
    "read",
    "verify",
]

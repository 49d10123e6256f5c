"""What changed for programs: every change with its words, and the two releases by their digests."""

from __future__ import annotations

import json

from model_cards.changes.records import ChangeReport

suffix = "json"


def render(report: ChangeReport) -> str:
    """Return one JSON object: ``before``, ``after``, ``counts`` by kind, and ``changes``, the weightiest first."""
    data = report.to_dict()
    data["counts"] = report.counts
    data["changes"] = [{**item.to_dict(), "words": item.words} for item in report.changes]
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

"""Exit codes, stable from the first release on."""

from __future__ import annotations

from audits.policy import Decision

PASS, BLOCK, USAGE, ERRORED, REVIEW = 0, 1, 2, 3, 4

OF_DECISION: dict[Decision, int] = {"pass": PASS, "block": BLOCK, "review": REVIEW}

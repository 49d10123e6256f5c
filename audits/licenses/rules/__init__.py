"""Rules L1 to L18 on what is published, each as data and a small pure function; see ``RULES``."""

from __future__ import annotations

from audits.licenses.rules import models, named_models, notices, rows, use
from audits.licenses.rules.case import Case, Finding, Rule
from audits.licenses.rules.outgoing import Outgoing

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (*use.RULES, *rows.RULES, *models.RULES, *named_models.RULES, *notices.RULES),
        key=lambda rule: int(rule.code[1:]),
    )
)
"""All rules in order."""

__all__ = ["RULES", "Case", "Finding", "Outgoing", "Rule"]

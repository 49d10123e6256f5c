"""What changed as SARIF 2.1.0: the results that are new, updated or absent against the earlier release.

The results of both releases are those of :mod:`model_cards.documents.sarif`, matched by their fingerprint, which stays
the same as long as the same rule is violated in the same place. Unchanged results are left out.
"""

from __future__ import annotations

import json
from typing import Any

from model_cards.documents import sarif
from model_cards.evidence import Evidence

_FINGERPRINT = "hf-contrastive/v1"
_COMPARED = ("level", "message", "locations", "suppressions", "properties")


def render(before: Evidence, after: Evidence) -> str:
    """Return the log of the later release with only what differs; what is absent there comes from the earlier one.

    Raises:
        EvidenceError: one of the two holds no audit that was judged.
        DocumentError: the log does not follow the standard, which is a defect.
    """
    old, log = (json.loads(sarif.render(evidence)) for evidence in (before, after))
    run = log["runs"][0]
    rules: list[dict[str, Any]] = run["tool"]["driver"].setdefault("rules", [])
    earlier = {_identity(item): item for item in old["runs"][0]["results"]}
    found = []
    for item in run["results"]:
        previous = earlier.pop(_identity(item), None)
        if previous is None or any(item.get(name) != previous.get(name) for name in _COMPARED):
            found.append({**item, "baselineState": "updated" if previous is not None else "new"})
    place = {rule["id"]: i for i, rule in enumerate(rules)}
    descriptors = {rule["id"]: rule for rule in old["runs"][0]["tool"]["driver"].get("rules", [])}
    for item in earlier.values():
        if item["ruleId"] not in place:
            # a rule that only the earlier release knows
            place[item["ruleId"]] = len(rules)
            rules.append(descriptors[item["ruleId"]])
        found.append({**item, "ruleIndex": place[item["ruleId"]], "baselineState": "absent"})
    run["results"] = found
    text = json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    sarif.validate(text)
    return text


def _identity(result: dict[str, Any]) -> str:
    return str(result["partialFingerprints"][_FINGERPRINT])

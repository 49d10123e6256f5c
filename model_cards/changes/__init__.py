"""What changed between two releases: from two evidences to a list that a signer can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

from model_cards.changes.data import (
    audit_rest_changes,
    check_changes,
    data_changes,
    earlier_audit_changes,
    remedy_changes,
    trained_data_changes,
)
from model_cards.changes.decisions import (
    approval_changes,
    decided,
    policy_changes,
    verdict_changes,
    verdict_rest_changes,
    waiver_changes,
)
from model_cards.changes.licensing import license_changes, lineage_changes
from model_cards.changes.models import (
    base_changes,
    file_changes,
    release_changes,
    software_changes,
    training_changes,
)
from model_cards.changes.pairing import Words, details, same
from model_cards.changes.quality import comparison_changes, evaluation_changes
from model_cards.changes.records import AREAS, Area, Change, ChangeReport, Kind, Side
from model_cards.changes.statements import statement_changes
from model_cards.evidence import Evidence
from model_cards.facts import headline

__all__ = ["AREAS", "Area", "Change", "ChangeReport", "Kind", "Side", "changes", "compare", "decided", "side_of"]

_Comparer = Callable[[Evidence, Evidence], Iterable[Change]]

_AREA_OF: dict[str, tuple[Area, str]] = {
    "audit": ("checks", "The audit, in a detail"),
    "earlier_audit": ("data", "The audit before rows were removed"),
    "remedies": ("data", "What was removed, in a detail"),
    "training": ("training", "The record of the training, in a detail"),
    "evaluations": ("evaluation", "The evaluations, in a detail"),
    "comparison": ("evaluation", "The comparison with the published version, in a detail"),
    "lineage": ("licenses", "Where it comes from, in a detail"),
    "licenses": ("licenses", "The analysis of licenses, in a detail"),
    "license_texts": ("files", "License texts"),
    "policy": ("policy", "The policy, in a detail"),
    "verdict": ("decision", "The verdict, in a detail"),
    "approvals": ("approvals", "Approvals, in a detail"),
    "statements": ("statements", "Statements, in a detail"),
    "versions": ("software", "Versions"),
    "payload_digest": ("files", "Files of the model"),
}


def changes(before: Evidence, after: Evidence) -> tuple[Change, ...]:
    """Return everything that differs between two releases, the weightiest first; empty where nothing does.

    Times are not compared: when it was made, how long it took. Neither are excerpts of rows, which are blanked before
    anything is published. Nothing that differs otherwise is left out: where nothing more telling can be said, a change
    names the part that differs by its digest.

    Args:
        before: of the earlier release.
        after: of the later one. The other way round, the same is found with added and removed, better and worse
            exchanged.
    """
    found: dict[Change, None] = {}
    for names, comparer in _comparers():
        if not any(not same(getattr(before, name), getattr(after, name)) for name in names):
            continue
        found.update(dict.fromkeys(comparer(before, after)))
    for name in _unexplained(before, after):
        area, title = _AREA_OF.get(name, ("release", name.replace("_", " ")))
        words = Words(area, name, title, 10)
        found[details(words, getattr(before, name), getattr(after, name))] = None
    return tuple(sorted(found, key=_order))


def compare(before: Evidence, after: Evidence, *, since: Side | None = None, now: Side | None = None) -> ChangeReport:
    """Return :func:`changes` with what they were found between.

    Args:
        before: of the earlier release.
        after: of the later one.
        since: how the earlier one is called; default: by its repository.
        now: how the later one is called.
    """
    return ChangeReport(before=since or side_of(before), after=now or side_of(after), changes=changes(before, after))


def side_of(evidence: Evidence, name: str = "", *, commit: str = "", tag: str = "") -> Side:
    """Return how a release is called in a comparison."""
    return Side(
        name=name or evidence.repo_id or evidence.model_name or "an audit",
        evidence_digest=evidence.digest,
        decision=headline(evidence).decision,
        decided=decided(evidence),
        commit=commit,
        tag=tag,
    )


def _comparers() -> tuple[tuple[tuple[str, ...], _Comparer], ...]:
    """Return what looks at which fields of the evidence."""
    return (
        (("verdict", "audit"), verdict_changes),
        (("verdict", "audit", "policy"), verdict_rest_changes),
        (("policy", "verdict"), waiver_changes),
        (("policy",), lambda a, b: policy_changes(a.policy, b.policy)),
        (("approvals",), approval_changes),
        (("licenses", "license_texts"), license_changes),
        (("lineage", "licenses"), lineage_changes),
        (("audit",), lambda a, b: data_changes(a.audit, b.audit)),
        (("training",), lambda a, b: trained_data_changes(a.training, b.training)),
        (("remedies",), remedy_changes),
        (("audit",), lambda a, b: check_changes(a.audit, b.audit)),
        (("audit",), lambda a, b: audit_rest_changes(a.audit, b.audit)),
        (("earlier_audit",), lambda a, b: earlier_audit_changes(a.earlier_audit, b.earlier_audit)),
        (("evaluations",), lambda a, b: evaluation_changes(a.evaluations, b.evaluations)),
        (("comparison",), lambda a, b: comparison_changes(a.comparison, b.comparison)),
        (("license", "repo_id", "model_name", "language", "save_format", "signing_key"), release_changes),
        (("statements",), lambda a, b: statement_changes(a.statements, b.statements)),
        (("training",), lambda a, b: base_changes(_base(a), _base(b))),
        (("training",), lambda a, b: training_changes(a.training, b.training)),
        (("payload_digest", "training", "license_texts"), file_changes),
        (("versions", "audit", "training", "earlier_audit"), software_changes),
    )


def _base(evidence: Evidence) -> Any:
    return evidence.training.base if evidence.training is not None else None


def _unexplained(before: Evidence, after: Evidence) -> Iterator[str]:
    """Yield the fields that differ where no comparer finds a reason in that field alone."""
    for item in fields(Evidence):
        name = item.name
        if item.metadata.get("volatile") or same(getattr(before, name), getattr(after, name)):
            continue
        alone = replace(before, **{name: getattr(after, name)})
        comparers = (comparer for names, comparer in _comparers() if name in names)
        if not any(True for comparer in comparers for _ in comparer(before, alone)):
            yield name


def _order(change: Change) -> tuple[Any, ...]:
    return -change.weight, AREAS.index(change.area), change.key, change.what, change.before, change.after, change.note

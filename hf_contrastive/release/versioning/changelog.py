"""What changed since the version that is published, beside the reports of a push."""

from __future__ import annotations

from pathlib import Path

from hf_contrastive.release.versioning.published import PublishedEvidence
from hf_contrastive.writing import all_or_none
from model_cards.changes import ChangeReport, compare, side_of
from model_cards.changes.rendering import render_changes
from model_cards.evidence import Evidence

CHANGES = ("changes.md", "changes.html", "changes.json")
"""Stay on this machine: what a release says of itself stands in its own documents."""


def changes_since(
    published: PublishedEvidence, evidence: Evidence, name: str = "", *, commit: str = "", tag: str = ""
) -> ChangeReport:
    """Return what differs between what is published and ``evidence``, with both called by their names."""
    return compare(
        published.evidence,
        evidence,
        since=side_of(published.evidence, _shown(published.name), commit=published.commit, tag=published.tag),
        now=side_of(evidence, _shown(name), commit=commit, tag=tag),
    )


def _shown(name: str) -> str:
    """Return the name without where it lies on this machine: changes go into pull requests."""
    path = Path(name)
    if not (path.is_absolute() or name.startswith((".", "~")) or ".." in path.parts or _exists(path)):
        return name
    parts = [part for part in path.parts if part not in (path.anchor, ".", "..") and not part.startswith("~")]
    return "/".join(parts[-2:]) or "a folder of this machine"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or no name of a file at all
        return False


def write_changes(folder: Path, published: PublishedEvidence | None, evidence: Evidence) -> ChangeReport | None:
    """Write :data:`CHANGES` into the folder of reports, all or none, and return what they say.

    Without a published version there is nothing to compare with: then those of an earlier push are removed.

    Args:
        folder: made if missing; other files in it stay.
        published: of :func:`hf_contrastive.release.versioning.published.last_published`, read before the push.
        evidence: what is pushed, as it is published.

    Raises:
        OSError: the folder can not be written; what stood there is as it was.
    """
    with all_or_none(folder, stale=lambda names: set(CHANGES) - names) as new:
        if published is None:
            return None
        report = changes_since(published, evidence, "this push")
        for name in CHANGES:
            text = render_changes(report, published.evidence, evidence, name.rpartition(".")[2])
            (new / name).write_text(text, encoding="utf-8", newline="\n")
    return report

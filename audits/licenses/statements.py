"""From what a repository holds to the license that it stands under."""

from __future__ import annotations

from audits.licenses.reading import Reading, read_license
from audits.licenses.snapshots import NESTED_TOO_DEEPLY, RepoSnapshot, is_license_file
from audits.licenses.sources import RawSource


def conclude(snapshot: RepoSnapshot | None, given: str | None = None, *, wrong: str = "") -> Reading:
    """Return the license that a person, the card, the gate and the license files state together.

    Args:
        snapshot: of the repository, None where it can not be read.
        given: what a person states.
        wrong: what :func:`audits.licenses.snapshots.card_metadata` says is wrong with the card.
    """
    sources = [RawSource(place="given", where="", content=given)] if given and given.strip() else []
    if snapshot is None:
        return read_license(sources)
    card, where = snapshot.card, "README.md"
    if card is None:
        card, where = snapshot.metadata, "card-metadata.md"
    if card is not None:
        if wrong == NESTED_TOO_DEEPLY:
            return Reading(license=None, reason=f"{where}: {NESTED_TOO_DEEPLY}")
        sources.append(RawSource(place="card", where=where, content=card))
    elif snapshot.gating_text:
        sources.append(RawSource(place="gating_text", where="gating-text.md", content=snapshot.gating_text))
    sources += [
        RawSource(place="license_file", where=name, content=content) for name, content in snapshot.files.items()
    ]
    read = read_license(sources)
    unread = [name for name in snapshot.problems if is_license_file(name)]
    if not unread:
        return read
    # the name that a card declares stands, but nobody has seen the text
    reason = "; ".join(filter(None, (read.reason, f"not read: {', '.join(unread[:5])}")))
    return Reading(license=read.license, reason=reason, statements=read.statements, disagreements=read.disagreements)

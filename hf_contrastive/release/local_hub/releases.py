"""What a commit publishes: decision, quality, license, digest and signature, read from its own files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.trees import Commit
from model_cards.changes import Change, ChangeReport, Side, changes, decided
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence, SigningKey
from model_cards.facts import Headline, headline
from model_cards.typesetting import measured

if TYPE_CHECKING:
    from hf_contrastive.release.verification.observed import Observed

_VERSION = re.compile(r"v(\d+)")
_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What `verify` says of ``model.sig`` and the files beside it; ``state`` is "none" where there is none.

    "incomplete": nothing is broken, and it says nothing about files that are here.
    """

    state: Literal["none", "holds", "incomplete", "broken"]
    words: str


class Stated(NamedTuple):
    """What an evidence says at a glance; small, so that it is kept where the evidence is not."""

    headline: Headline
    decided: str = ""
    quality: tuple[str, ...] = ()
    license: str = ""
    digest: str = ""
    signing_key: SigningKey | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is an evidence that can be read."""
        return bool(self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One commit as a reviewer sees it.

    Attributes:
        commit: whose files are meant.
        stated: what its evidence says at a glance, "No evidence" where there is none.
        signed: what the signature says.
        place: file and size of the evidence, None where there is none.
    """

    commit: Commit
    stated: Stated
    signed: Signed
    place: tuple[Path, int] | None

    @property
    def evidence(self) -> Evidence | None:
        """All of the evidence; None where there is none, or where it can not be read."""
        return _evidence(*self.place)[0] if self.place is not None else None


def release_of(repository: Repository, commit: Commit) -> Release:
    """Return what a commit publishes; digests and the signature are computed anew."""
    entry = commit.files.get(evidence_json.filename)
    place = (repository.objects.path(entry.sha256), entry.size) if entry is not None else None
    stated = _stated(*place) if place is not None else Stated(Headline("none", "No evidence", ""))
    return Release(commit=commit, stated=stated, signed=_signed(repository, commit, stated), place=place)


def versions(repository: Repository) -> list[tuple[str, str]]:
    """Return (tag, commit id) of v1, v2, … in the order of their numbers."""
    found = [(int(match[1]), name, commit) for name, commit in repository.refs("tag").items()
             if (match := _VERSION.fullmatch(name))]  # fmt: skip
    return [(name, commit) for _, name, commit in sorted(found)]


def name_of(repository: Repository, commit: Commit) -> str:
    """Return the latest version that a commit is, else the first digits of its id."""
    return next((name for name, head in reversed(versions(repository)) if head == commit.id), commit.id[:8])


def previous(repository: Repository, commit: Commit) -> Commit | None:
    """Return the version before a commit: the nearest one among its ancestors, else the one of the next lower number.

    An ancestor may be missing where the history was squashed.
    """
    known = versions(repository)
    heads = {head for _, head in known}
    ancestors = (item for item in repository.history(commit) if item.id != commit.id)
    near = next((item for item in ancestors if item.id in heads), None)
    if near is not None:
        return near
    order = [head for _, head in known]
    place = order.index(commit.id) if commit.id in heads else 0
    return repository.commit_at(order[place - 1]) if place > 0 else None


def going_back(history: list[Commit]) -> dict[str, Commit]:
    """Return, of a history with the newest first, the commits that bring back an earlier evidence, with its commit."""
    seen: dict[str, Commit] = {}
    found: dict[str, Commit] = {}
    before = ""
    for commit in reversed(history):
        entry = commit.files.get(evidence_json.filename)
        now = entry.sha256 if entry is not None else ""
        if now and now != before and now in seen:
            found[commit.id] = seen[now]
        if now:
            seen.setdefault(now, commit)
        before = now
    return found


def changes_between(repository: Repository, before: Release, after: Release) -> ChangeReport | None:
    """Return what changed between two releases, None where one of them has no evidence that can be read."""
    if before.place is None or after.place is None or not (before.stated.is_known and after.stated.is_known):
        return None
    before_side, after_side = (_side(repository, item) for item in (before, after))
    return ChangeReport(before=before_side, after=after_side, changes=_changes(*before.place, *after.place))


def _side(repository: Repository, release: Release) -> Side:
    name = name_of(repository, release.commit)
    return Side(
        name=name,
        evidence_digest=release.stated.digest,
        decision=release.stated.headline.decision,
        decided=release.stated.decided,
        commit=release.commit.id,
        tag=name if _VERSION.fullmatch(name) else "",
    )


# safe to keep: an object's file is named by its content and never changes. An evidence may take many megabytes of
# memory, what is shown of it does not.
@lru_cache(maxsize=4)
def _evidence(path: Path, size: int) -> tuple[Evidence | None, str]:
    if size > _MAX_BYTES:
        return None, f"{evidence_json.filename} has {size:,} bytes, too many to be shown here."
    try:
        return evidence_json.parse(path.read_bytes().decode("utf-8", "replace"), evidence_json.filename), ""
    except (EvidenceError, RecursionError) as error:
        return None, str(error)


@lru_cache(maxsize=512)
def _stated(path: Path, size: int) -> Stated:
    evidence, problem = _evidence(path, size)
    if evidence is None:
        return Stated(Headline("none", "Evidence that does not hold", problem))
    quality = tuple(
        f"{item.after.name} {measured(item.after)} on {evaluation.dataset.split}"
        for evaluation in evidence.evaluations
        for item in evaluation.metrics
        if item.after.name == evaluation.primary_metric and evaluation.measures_quality
    )
    license_ = evidence.license or "not named"
    return Stated(headline(evidence), decided(evidence), quality, license_, evidence.digest, evidence.signing_key)


@lru_cache(maxsize=128)
def _changes(before: Path, before_size: int, after: Path, after_size: int) -> tuple[Change, ...]:
    old, new = _evidence(before, before_size)[0], _evidence(after, after_size)[0]
    return changes(old or Evidence(), new or Evidence())


def _signed(repository: Repository, commit: Commit, stated: Stated) -> Signed:
    # imported here: they need every document, and this package no library of the Hub
    from hf_contrastive.release.plan import SIGNATURE

    if SIGNATURE not in commit.files and stated.signing_key is None:
        return Signed(state="none", words="not signed")
    # imported here: most repositories hold no signature
    from hf_contrastive.release.verification.items import result_of
    from hf_contrastive.release.verification.signed import signature_items

    observed = _observed(repository, commit)
    items = tuple(signature_items(stated.signing_key, observed, is_read=stated.is_known, needed=True))
    state = result_of(items)
    # whose key it is, nobody can say here
    telling = {"holds": ("holds",), "incomplete": ("not checked",), "broken": ("broken",)}[state]
    said = [item.words for item in items if item.status in telling and item.key != "signature.key"]
    return Signed(state=state, words="; ".join(reversed(said)))


def _observed(repository: Repository, commit: Commit) -> Observed:
    """Return the files of a commit as a verification reads them, their digests from the store that named them so."""
    from hf_contrastive.release.plan import SIGNATURE
    from hf_contrastive.release.verification.observed import LARGEST_DOCUMENT, Observed, ObservedFile, is_known

    files = {}
    for path, entry in commit.files.items():
        if is_known(path):
            continue
        source = repository.objects.path(entry.sha256)
        content = source.read_bytes() if path == SIGNATURE and entry.size <= LARGEST_DOCUMENT else None
        files[path] = ObservedFile(path=path, source=source, sha256=entry.sha256, size=entry.size, content=content)
    return Observed(files=files, strange={})

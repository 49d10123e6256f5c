"""A repository of the Hub: its files at one commit, and what commit, tag and receipt say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.errors import RevisionNotFoundError

from hf_contrastive.release.sending.faults import FAULTS, asked
from hf_contrastive.release.sending.hub import PushReceipt
from hf_contrastive.release.sending.revisions import version_at, versions_in
from hf_contrastive.release.sending.target import Target
from hf_contrastive.release.verification.items import Item, broken, holds, named, not_checked
from hf_contrastive.release.verification.observed import Observed, is_known
from hf_contrastive.release.verification.statements import FILENAME, ReadEvidence
from hf_contrastive.release.versioning.published import explained


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What the Hub tells of one commit.

    Attributes:
        repo_id: as the Hub names it.
        commit: its id.
        tags: version tags by name.
        folder: where its files lie on this machine, as whoever loads this commit from the cache gets them.
        blobs: (what git names it by, SHA-256 or "" where it is small) of each file, as the Hub tells.
        title: of the commit.
        told: evidence, plan and content digests that the commit's message names.
        named_by: (commit, title) of the newest commit up to this one whose message names the evidence that lies here.
        changed_since: files that are not as in that commit, None where that commit is gone.
    """

    repo_id: str
    commit: str
    tags: Mapping[str, str]
    folder: Path
    blobs: Mapping[str, tuple[str, str]]
    title: str
    told: Mapping[str, str]
    named_by: Callable[[str], tuple[str, str] | None]
    changed_since: Callable[[str], tuple[str, ...] | None]

    def is_push_of(self, evidence_digest: str) -> bool:
        """Whether the commit's message says that a push, or a rollback, has made it with this evidence."""
        return self.told.get("evidence") == evidence_digest != ""

    @property
    def tag(self) -> str:
        """The highest version tag on this commit, "" where there is none."""
        return version_at(self.tags.items(), self.commit)


def fetch(repo_id: str, revision: str | None, *, api: Any) -> Repository:
    """Ask the Hub for a commit, and bring its files here.

    Args:
        repo_id: ``user/name``.
        revision: tag, branch or commit; default: the head of main.
        api: an HfApi.

    Raises:
        NotPublishedError: there is no such repository or revision that may be seen.
        HubError: the Hub refused or could not be reached.
    """
    target = Target(api=api, repo_id=repo_id, revision=revision)
    try:
        info = target.info(revision, first=True)
        commits = asked(lambda: list(api.list_repo_commits(repo_id, revision=info.sha)))
        tags = dict(versions_in(target.refs()))
        folder = Path(asked(lambda: api.snapshot_download(repo_id, revision=info.sha)))
    except FAULTS as error:
        raise explained(error, repo_id, api, revision=revision) from error

    def named_by(digest: str) -> tuple[str, str] | None:
        return next(((c.commit_id, c.title) for c in commits if _digests(c.message).get("evidence") == digest), None)

    def changed_since(commit: str) -> tuple[str, ...] | None:
        try:
            then = _blobs(target.info(commit))
        except RevisionNotFoundError:
            return None
        except FAULTS as error:
            raise explained(error, repo_id, api) from error
        now = _blobs(info)
        return tuple(sorted(path for path in {*then, *now} if then.get(path) != now.get(path)))

    head = next((item for item in commits if item.commit_id == info.sha), None)
    return Repository(
        repo_id=info.id,
        commit=str(info.sha),
        tags=tags,
        folder=folder,
        blobs=_blobs(info),
        title=head.title if head is not None else "",
        told=_digests(head.message) if head is not None else {},
        named_by=named_by,
        changed_since=changed_since,
    )


def repository_items(at: Repository, read: ReadEvidence, observed: Observed) -> Iterator[Item]:
    """Yield whether the files, the commit and the repository are those that the evidence speaks of.

    Args:
        at: what the Hub tells.
        read: the evidence among its files.
        observed: the files.
    """
    evidence = read.evidence
    named_repo = evidence.repo_id if evidence is not None else None
    if not named_repo:
        yield not_checked("hub.repository", "the evidence can not be read, or names no repository")
    elif named_repo.casefold() == at.repo_id.casefold():
        yield holds("hub.repository", at.repo_id)
    else:
        yield broken("hub.repository", f"the evidence is of {named_repo}, this is {at.repo_id}", [FILENAME])
    yield _files(at, observed)
    yield _commit(at, read)


def _files(at: Repository, observed: Observed) -> Item:
    key = "hub.files"
    wrong = []
    listed = {path: told for path, told in at.blobs.items() if not is_known(path)}
    for path, (blob, sha256) in listed.items():
        found = observed.files.get(path)
        if found is None or (found.sha256 != sha256 if sha256 else found.git_sha1 != blob):
            wrong.append(path)
    if wrong:
        words = (
            f"{named(wrong)} on this machine is not what the Hub lists at this commit: the cache, or the way here, "
            "changed it"
        )
        return broken(key, words, sorted(wrong))
    return holds(key, f"all {len(listed)} files are byte for byte those that the Hub lists at {at.commit[:12]}")


def _commit(at: Repository, read: ReadEvidence) -> Item:
    key = "hub.commit"
    if not read.digest:
        return not_checked(key, f"{FILENAME} names no digest to compare with")
    told = at.told.get("evidence", "")
    content = at.told.get("content", "")
    own_content = read.evidence.content_digest if read.evidence is not None and read.comparable else ""
    if told == read.digest:
        if content and own_content and content != own_content:
            words = f"its message names the content {content}, the evidence has {own_content}"
            return broken(key, words, [FILENAME])
        return holds(key, f"its message names the digest of this evidence (commit {at.commit[:12]})")
    if told:
        words = f"its message names the evidence {told}, the one that lies here is {read.digest}"
        return broken(key, words, [FILENAME])
    pushed = at.named_by(read.digest)
    if pushed is None:
        words = f"no commit of {at.repo_id} up to this one names the evidence that lies here ({read.digest})"
        return broken(key, words, [FILENAME])
    changed = at.changed_since(pushed[0]) or ()
    words = (
        f"this commit (“{at.title}”) is no push of hf-contrastive; the evidence was pushed with commit "
        f"{pushed[0][:12]}; not as it was there: {named(changed) or 'nothing'}"
    )
    return not_checked(key, words, changed)


def tag_item(at: Repository, receipt: PushReceipt | None) -> Item:
    """Say whether the tag points to where the receipt says.

    Args:
        at: what the Hub tells.
        receipt: that was kept elsewhere.
    """
    key = "hub.tag"
    if receipt is None or not receipt.tag:
        has = f"the tag {at.tag} points to this commit" if at.tag else "no version tag points to this commit"
        words = (
            f"{has}; whether it always did, only a receipt tells (--receipt), or the tag's message, which the Hub "
            "gives to git alone"
        )
        return not_checked(key, words, needed=False)
    target = at.tags.get(receipt.tag)
    if target is None:
        return broken(key, f"the receipt names the tag {receipt.tag}, which is gone")
    if target != receipt.commit:
        words = f"{receipt.tag} points to commit {target[:12]}, the receipt says {receipt.commit[:12]}: it was moved"
        return broken(key, words)
    return holds(key, f"{receipt.tag} still points to commit {target[:12]}, as the receipt says")


def _blobs(info: Any) -> dict[str, tuple[str, str]]:
    found = {}
    for item in info.siblings or ():
        lfs = item.lfs
        found[item.rfilename] = (str(item.blob_id), str(lfs["sha256"] if lfs else ""))
    return found


def _digests(message: str) -> dict[str, str]:
    """Return what each line ``evidence sha256:…`` of a commit's message names."""
    parts = (line.split(" ", 1) for line in message.splitlines())
    return {part[0]: part[1] for part in parts if len(part) == 2 and part[1].startswith("sha256:")}

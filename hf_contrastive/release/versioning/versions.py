"""Every version of a repository: what was decided, measured and said of it, and which one is loaded by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from huggingface_hub import GitCommitInfo
from huggingface_hub.errors import EntryNotFoundError

from audits.findings import Measurement
from audits.policy import Decision
from audits.records import Record
from hf_contrastive.release.plan import SIGNATURE
from hf_contrastive.release.sending.faults import FAULTS, asked
from hf_contrastive.release.sending.hub import hub_api
from hf_contrastive.release.sending.revisions import versions_in
from hf_contrastive.release.sending.target import Target
from hf_contrastive.release.versioning.published import explained
from hf_contrastive.release.versioning.rollback import MARK
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Record):
    """One tag v1, v2, …; what could not be read is None or "", and ``problem`` says why.

    Attributes:
        tag: its name.
        commit: where it points.
        date: of the commit, in ISO 8601.
        title: of the commit.
        decision: of the verdict that it was published with.
        approvals: who said yes, where that was asked for.
        metric: the primary metric as it was measured then, with its interval; of another version's data, it is no
            comparison.
        measured_on: split and fingerprint of the data of ``metric``.
        license: of the model.
        base: ``user/name@revision`` of the base model.
        evidence_digest: of the evidence.json that lies there.
        matches_commit: whether the commit's message names that digest.
        signing_key: fingerprint of the key that signed it, "" where it is not signed; ``hf-contrastive verify`` checks
            the signature.
        rolled_back_to: the tag that this version went back to, "" where it is no rollback.
        current: whether the head of the branch is this version, which is what is loaded by whoever names none.
        problem: why something is not known.
    """

    tag: str
    commit: str
    date: str = ""
    title: str = ""
    decision: Decision | None = None
    approvals: tuple[str, ...] = ()
    metric: Measurement | None = None
    measured_on: str = ""
    license: str | None = None
    base: str = ""
    evidence_digest: str = ""
    matches_commit: bool | None = None
    signing_key: str | None = None
    rolled_back_to: str = ""
    current: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionList(Record):
    """The versions of a repository, the first one first. ``since`` are titles of commits after the last one."""

    repo_id: str
    head: str
    versions: tuple[Version, ...]
    since: tuple[str, ...] = ()

    @property
    def current(self) -> Version | None:
        """The version that the head is, None where the head is no version."""
        return next((item for item in reversed(self.versions) if item.current), None)


def versions(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    api: Any = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> VersionList:
    """List the versions of a repository from the evidence that lies at each tag.

    Args:
        repo_id: ``user/name``.
        revision: the branch whose head is looked at; default: main.
        token: Hub token; default: the one logged in.
        endpoint: of the Hub; default: HF_ENDPOINT or huggingface.co.
        api: a ready HfApi instead of token and endpoint.
        on_progress: called with (versions read, versions in all).

    Raises:
        NotPublishedError: there is no such repository.
        HubError: the Hub refused or could not be reached.
    """
    api = api or hub_api(token=token, endpoint=endpoint)
    target = Target(api=api, repo_id=repo_id, revision=revision)
    try:
        head = str(target.info(revision, first=True).sha)
        tags = versions_in(target.refs())
        listed = _commits(target, revision)
        commits = {item.commit_id: item for item in listed}
        found = []
        for number, (tag, commit) in enumerate(tags, 1):
            if commit not in commits:
                # of another branch
                commits |= {item.commit_id: item for item in _commits(target, commit)}
            found.append(_version(target, tag, commit, commits.get(commit), head))
            if on_progress is not None:
                on_progress(number, len(tags))
    except FAULTS as error:
        raise explained(error, repo_id, api, branch=target.branch) from error
    tagged = {commit for _, commit in tags}
    last = next((number for number, item in enumerate(listed) if item.commit_id in tagged), len(listed))
    since = tuple(item.title for item in listed[:last]) if tagged else ()
    return VersionList(repo_id=repo_id, head=head, versions=tuple(found), since=since)


def _commits(target: Target, revision: str | None) -> list[GitCommitInfo]:
    return asked(lambda: list(target.api.list_repo_commits(target.repo_id, revision=revision)))


def _version(target: Target, tag: str, commit: str, told: GitCommitInfo | None, head: str) -> Version:
    lines = told.message.splitlines() if told is not None else []
    known: dict[str, Any] = {
        "tag": tag,
        "commit": commit,
        "date": told.created_at.isoformat(timespec="seconds") if told is not None else "",
        "title": told.title if told is not None else "",
        "rolled_back_to": next((line.split(" ")[1] for line in lines if line.startswith(f"{MARK} ")), ""),
        "current": commit == head,
    }
    info = target.info(commit)
    try:
        content = target.file(info, evidence_json.filename)
        evidence = evidence_json.parse(content.decode("utf-8", "replace"), f"{target.repo_id}@{tag}")
    except EntryNotFoundError:
        return Version(**known, problem=f"it holds no {evidence_json.filename}: it was not published with evidence")
    except EvidenceError as error:
        return Version(**known, problem=str(error))
    signed = any(item.rfilename == SIGNATURE for item in info.siblings or ())
    return Version(**known, **_statements(evidence, lines, signed=signed))


def _statements(evidence: Evidence, lines: list[str], *, signed: bool) -> dict[str, Any]:
    named = {line for line in lines if line.startswith("evidence ")}
    metric, measured_on = _metric(evidence)
    base = evidence.training.base if evidence.training is not None else None
    key = evidence.signing_key
    problem = ""
    if key is not None and not signed:
        problem = f"its evidence names the key {key.fingerprint}, and no {SIGNATURE} lies there"
    return {
        "decision": evidence.verdict.decision if evidence.verdict is not None else None,
        "approvals": tuple(item.by for item in evidence.approvals),
        "metric": metric,
        "measured_on": measured_on,
        "license": evidence.license,
        "base": "@".join(filter(None, (base.model_id, base.revision))) if base is not None else "",
        "evidence_digest": evidence.digest,
        # a commit by hand on top of a push names none, and changes what nobody vouches for
        "matches_commit": f"evidence {evidence.digest}" in named if named else None,
        "signing_key": key.fingerprint if key is not None and signed else "",
        "problem": problem,
    }


def _metric(evidence: Evidence) -> tuple[Measurement | None, str]:
    """Return the primary metric of the first evaluation, else that of the comparison, and what it was measured on."""
    for item in evidence.evaluations:
        if not item.measures_quality:
            continue
        found = next((one.after for one in item.metrics if one.after.name == item.primary_metric), None)
        if found is not None:
            return found, f"{item.dataset.split} {item.dataset.fingerprint}"
    told = evidence.comparison
    if told is not None and told.primary is not None and told.dataset is not None:
        return told.primary.after, f"{told.dataset.split} {told.dataset.fingerprint}"
    return None, ""

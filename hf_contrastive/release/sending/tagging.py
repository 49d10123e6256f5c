"""From a commit that the Hub says it took to a tag on it; before that, what is there is compared with the plan."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub.hf_api import GitRefs

from hf_contrastive.errors import HubError
from hf_contrastive.release.plan import PushPlan
from hf_contrastive.release.recognition import documents_of_push
from hf_contrastive.release.sending.actions import sentence
from hf_contrastive.release.sending.arrival import differences
from hf_contrastive.release.sending.committing import Published
from hf_contrastive.release.sending.faults import FAULTS, Patience, UnreadableAnswerError, first_line, status
from hf_contrastive.release.sending.revisions import next_tag, version_at, versions_in
from hf_contrastive.release.sending.target import Target
from hf_contrastive.release.sending.traffic import bounded_silence

_TAKEN_TRIES = 5
_SHOWN = 5
_logger = logging.getLogger(__name__)


def tag(target: Target, plan: PushPlan, sources: Mapping[str, Path | bytes], published: Published, message: str) -> str:
    """Compare the commit with the plan, and tag it with the next free version unless it has one.

    The commit is published whether or not the Hub can be asked again and takes the tag: where it does not, a warning
    says how to add it, and "" is returned.

    Args:
        target: where it was published.
        plan: what was to be published.
        sources: content of each planned file.
        published: the commit.
        message: of the tag.

    Raises:
        HubError: the Hub lists other files than were planned, or no such commit on the branch.
    """
    commit, seen = published.commit, False
    try:
        refs = _require_arrival(target, plan, sources, published)
        seen = True
        return _tagged(target, commit, message, refs)
    except HubError:
        raise
    except FAULTS as error:
        known = ", complete, but it could not be" if seen else ", as the Hub answered, but could not be looked at and"
        _logger.warning(
            f"The commit %s is on %s{known} tagged: %s. %s to tag it, or run "
            "`hf repos tag create %s vN --revision %s`.",
            commit,
            target.repo_id,
            first_line(error),
            sentence(target.action.same_again),
            target.repo_id,
            commit,
        )
        return ""


def _require_arrival(
    target: Target, plan: PushPlan, sources: Mapping[str, Path | bytes], published: Published
) -> GitRefs:
    """Return branches and tags if the commit is on the branch and holds what was planned; raise if not."""
    commit = published.commit
    msg = f"it said that it took the commit {commit}, and does not list it on {target.branch}"
    unlisted = UnreadableAnswerError(msg)
    try:
        # what reads may lag behind what was written just now
        info = target.info(commit, fresh=True)
    except FAULTS as error:
        if status(error) != 404:
            raise
        raise HubError(target.explain(unlisted, outcome="unknown")) from error
    refs = target.refs()
    if not published.found and not _is_on_branch(target, commit, refs):
        raise HubError(target.explain(unlisted, outcome="unknown"))
    same = published.plan_digest == plan.digest
    found = differences(plan, sources, info, documents=same)
    if not same and not found and documents_of_push(target, info, plan, told=published.evidence_digest) is None:
        found = ["its documents are not those of the evidence that its message names"]
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        msg = (
            f"The commit {commit} is on {target.repo_id}, but it is not what was planned: "
            f"{', '.join(found[:_SHOWN])}{more}. It is not tagged. A .gitignore of the repository may leave files out, "
            f"or a file changed on the way: repair that and {target.action.again}, or go back to the last tag."
        )
        raise HubError(msg)
    return refs


def _is_on_branch(target: Target, commit: str, refs: GitRefs) -> bool:
    heads = {branch.name: branch.target_commit for branch in refs.branches}
    return heads.get(target.branch) == commit or any(item["id"] == commit for item in target.commits())


def _tagged(target: Target, commit: str, message: str, refs: GitRefs) -> str:
    """Tag until the Hub lists the tag: the answer to a request may be lost, or be somebody else's."""
    patience, taken, took = Patience(), 0, False
    unlisted = UnreadableAnswerError("it said that it took the tag, and does not list it")
    while True:
        if mine := version_at(versions_in(refs), commit):
            return mine
        if took and not patience.allows(unlisted):
            raise unlisted
        try:
            with bounded_silence():
                target.api.create_tag(target.repo_id, tag=next_tag(refs), revision=commit, tag_message=message)
            took = True
        except FAULTS as error:
            took = False
            if status(error) == 409 and taken < _TAKEN_TRIES:
                # another push took the number first
                taken += 1
            elif not patience.allows(error, fresh=True):
                raise
        refs = target.refs()

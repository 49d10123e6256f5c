"""What stands on the Hub already, and speaks against a push: files that would stay beside it, and who may see them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from huggingface_hub import HfApi, ModelInfo
from huggingface_hub.errors import RepositoryNotFoundError

from audits.policy import Policy
from hf_contrastive.errors import HubError
from hf_contrastive.release.contents.names import shown_name
from hf_contrastive.release.contents.suffixes import ARCHIVES, CODE, OTHER_WEIGHTS, PICKLES
from hf_contrastive.release.plan import KEPT_OUT, PushPlan
from hf_contrastive.release.sending.committing import replaced_files
from hf_contrastive.release.sending.faults import FAULTS, status
from hf_contrastive.release.sending.target import Target

_SHOWN = 5


def staying_files(plan: PushPlan, head: ModelInfo) -> tuple[str, ...]:
    """Return what would stay beside the pushed files and is never published: code, pickles, other weights, archives.

    Only names are looked at, since nothing of it is downloaded.

    Args:
        plan: what would be published.
        head: the revision that it would go onto.
    """
    gone = {item.path for item in plan.files} | set(replaced_files(plan, head))
    refused = (*CODE, *PICKLES, *OTHER_WEIGHTS, *ARCHIVES)
    paths = (item.rfilename for item in head.siblings or [])
    return tuple(sorted(p for p in paths if p not in gone and p.lower().endswith(refused) and not _is_kept_out(p)))


def _is_kept_out(path: str) -> bool:
    return any(fnmatch.fnmatch(part, pattern) for part in path.split("/") for pattern in KEPT_OUT)


def staying_problems(repo_id: str, staying: Iterable[str], revision: str | None = None) -> list[str]:
    """Return what a user is told of :func:`staying_files`, nothing where there are none.

    Args:
        repo_id: ``user/name``.
        staying: paths.
        revision: branch; default: main.
    """
    paths = tuple(staying)
    if not paths:
        return []
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    branch = f" --revision {revision}" if revision else ""
    return [
        f"{repo_id} holds code, pickles, archives or weights that no push has made "
        f"({', '.join(map(shown_name, paths[:_SHOWN]))}{more}); they would stay beside this model, and whoever loads "
        f"it may get them instead. Remove them, e.g. by `hf repos delete-files {repo_id} PATH…{branch}`, or publish to "
        "another repository."
    ]


def visibility_problems(policy: Policy | None, repo_id: str, *, is_private: bool | None) -> list[str]:
    """Return that a model for internal use would be published for everybody, nothing where it would not.

    Args:
        policy: whose intent counts.
        repo_id: ``user/name``.
        is_private: whether the repository is private, or would be made so; None where that is not known.
    """
    if policy is None or policy.intent.distribution != "internal" or is_private:
        return []
    return [
        f'The policy {policy.name} is for internal distribution (`distribution = "internal"`), and {repo_id} is '
        "public, or would be made so. Make the repository private (`--private` for a new one), or judge by a policy "
        "whose intent is public."
    ]


def is_private(api: HfApi, repo_id: str, private: bool | None) -> bool:
    """Ask whether a repository is private; one that is not there will be what ``private`` says.

    Args:
        api: with endpoint and token.
        repo_id: ``user/name``.
        private: what was asked for.

    Raises:
        HubError: the Hub does not tell.
    """
    target = Target(api=api, repo_id=repo_id)
    try:
        return bool(target.info(None, first=True).private)
    except RepositoryNotFoundError as error:
        if status(error) == 401:
            raise HubError(target.explain(error)) from error
        return private is True
    except FAULTS as error:
        raise HubError(target.explain(error)) from error

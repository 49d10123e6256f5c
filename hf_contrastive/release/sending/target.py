"""A repository and what is asked of it: its revisions, tags, commits and single files, each as often as it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from huggingface_hub import HfApi, ModelInfo, get_session
from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import GitRefs
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import hf_raise_for_status

from hf_contrastive.release.plan import planned
from hf_contrastive.release.sending.actions import PUSH, Action, Outcome
from hf_contrastive.release.sending.arrival import is_listed_as
from hf_contrastive.release.sending.faults import UnreadableAnswerError, asked, explain, root_of
from hf_contrastive.release.sending.revisions import missing_branch

LOOK_BACK = 50
"""How many commits below the head are searched for one of the same content."""

COMMIT_ID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A repository that is read, or that a plan goes to. Its methods raise what is in ``FAULTS``.

    Attributes:
        api: with endpoint and token.
        repo_id: ``user/name``.
        revision: branch; None for main.
        fresh: the repository was made for this push, so that it may not be found everywhere yet.
        action: what is done to it, for the messages.
    """

    api: HfApi
    repo_id: str
    revision: str | None = None
    fresh: bool = False
    action: Action = PUSH

    @property
    def branch(self) -> str:
        """The name of the branch."""
        return self.revision or "main"

    def info(self, revision: str | None, *, fresh: bool = False, first: bool = False) -> ModelInfo:
        """Ask for a revision, and the sizes and ids of its files; ``fresh`` and ``first`` as for :func:`asked`."""

        def ask() -> ModelInfo:
            info = self.api.model_info(self.repo_id, revision=revision, files_metadata=True)
            # a commit on a head that is not known would overwrite what others did meanwhile
            if not COMMIT_ID.fullmatch(str(info.sha)) or info.siblings is None:
                msg = "it describes a revision without commit and files"
                raise UnreadableAnswerError(msg)
            return info

        return asked(ask, fresh=fresh or self.fresh, first=first)

    def refs(self) -> GitRefs:
        """Ask for branches and tags."""
        return asked(lambda: self.api.list_repo_refs(self.repo_id), fresh=self.fresh)

    def commits(self) -> list[Mapping[str, Any]]:
        """Ask for the last commits of the branch, the newest first; one page, however long the history is."""

        def ask() -> list[Mapping[str, Any]]:
            listed = self._get(f"api/models/{self.repo_id}/commits/{quote(self.branch, safe='')}").json()
            # an answer of another form shows here
            return [
                {name: str(item[name]) for name in ("id", "title", "message")} for item in islice(listed, LOOK_BACK)
            ]

        return asked(ask, fresh=self.fresh)

    def file(self, info: ModelInfo, path: str) -> bytes:
        """Read one file of a revision, past every cache: a download without a connection says that there is no file.

        Args:
            info: the revision, with its files' ids, which what is read must have.
            path: the file; small, since it is read into memory.

        Raises:
            EntryNotFoundError: the revision has no such file.
        """
        listed = next((item for item in info.siblings or [] if item.rfilename == path), None)
        if listed is None:
            msg = f"{self.repo_id} has no {path} at {info.sha}"
            raise EntryNotFoundError(msg)

        def ask() -> bytes:
            content = bytes(self._get(f"{self.repo_id}/resolve/{info.sha}/{quote(path)}").content)
            if not is_listed_as(listed, planned(path, content), content):
                msg = f"its {path} is another one than it lists"
                raise UnreadableAnswerError(msg)
            return content

        return asked(ask, fresh=self.fresh)

    def explain(self, error: Exception, *, outcome: Outcome = "absent") -> str:
        """Return one paragraph: what failed, whether anything was changed, what to do."""
        unknown = isinstance(root_of(error), RevisionNotFoundError)
        if unknown and (told := missing_branch(self.repo_id, self.branch, self.api)):
            return f"{told}; {self.action.outcomes[outcome]}. Make it first, or name one of these."
        return explain(error, self.repo_id, self.api, outcome=outcome, action=self.action)

    def _get(self, path: str) -> Any:
        api = self.api
        headers = build_hf_headers(
            token=api.token, library_name=api.library_name, user_agent=api.user_agent, headers=api.headers
        )
        answer = get_session().get(f"{api.endpoint}/{path}", headers=headers)
        hf_raise_for_status(answer)
        return answer

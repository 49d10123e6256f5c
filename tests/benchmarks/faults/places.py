"""What a push leaves, on the Hub and here: what must never be there, and what a finished push must have."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from hf_contrastive.history.chain import read
from hf_contrastive.history.verification import verify
from hf_contrastive.release.local_hub.errors import RepoNotFoundError
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.storage import Storage
from hf_contrastive.release.local_hub.trees import Add, Commit
from hf_contrastive.release.plan import PushPlan, is_replaced
from hf_contrastive.release.report_folder import RECEIPT
from hf_contrastive.release.sending.hub import PushReceipt

SITUATIONS = ("first version", "next version")


class Place:
    """One repository on the Hub, and what a push into it leaves here."""

    def __init__(self, storage: Storage, repo_id: str, folder: Path, situation: str) -> None:
        self.storage, self.repo_id, self.folder = storage, repo_id, folder
        self.report, self.history = folder / "report", folder / "history.jsonl"
        self.tag = "v2" if situation == "next version" else "v1"
        self._before = self.commits()
        self._others: list[str] = []

    def reopened(self, storage: Storage) -> Place:
        """Return the same place, read anew after its server was killed."""
        place = copy.copy(self)
        place.storage = storage
        return place

    @property
    def repository(self) -> Repository | None:
        """The repository, if it is there."""
        try:
            return self.storage.repository("model", self.repo_id)
        except RepoNotFoundError:
            return None

    def commits(self) -> list[Commit]:
        """The history of main, the newest first."""
        repository = self.repository
        return list(repository.history(repository.commit_at("main"))) if repository else []

    def meddle(self) -> None:
        """Commit as somebody else; where there is no repository yet there is nothing to do."""
        repository = self.repository
        if repository is None:
            return
        oid, _ = repository.objects.put([b"theirs"])
        number = len(self._others)
        made = repository.commit("main", [Add(f"theirs{number}.txt", oid)], title="Theirs", author="other")
        self._others.append(made.id)

    def ours(self, plans: Sequence[PushPlan]) -> list[Commit]:
        """The commits of this content."""
        lines = {f"content {plan.content_digest}" for plan in plans}
        return [commit for commit in self.commits() if lines.intersection(commit.message.splitlines())]

    def problems(self, plans: Sequence[PushPlan]) -> Iterator[str]:
        """Yield what must never be on the branch, whatever happened."""
        ours, commits = self.ours(plans), self.commits()
        if len(ours) > 1:
            yield f"{len(ours)} commits of one content"
        known = {commit.id for commit in (*ours, *self._before)} | set(self._others)
        strange = [commit for commit in commits if commit.id not in known and commit.title != "initial commit"]
        if strange:
            yield f"a commit of nobody: {strange[0].title}"
        for commit in ours:
            yield from self._incomplete(commit, plans)
        if not ours and commits and self._before and commits[-1].id != self._before[-1].id:
            yield "the old history is gone"

    def _incomplete(self, commit: Commit, plans: Sequence[PushPlan]) -> Iterator[str]:
        held = next((plan for plan in plans if f"evidence {plan.evidence_digest}" in commit.message.splitlines()), None)
        if held is None:
            yield "a commit of another evidence"
            return
        wanted = {item.path: item.sha256 for item in held.files}
        found = {path: entry.sha256 for path, entry in commit.files.items()}
        wrong = [path for path, sha256 in wanted.items() if found.get(path) != sha256]
        if wrong:
            yield f"{wrong[0]} is missing or differs"
        objects = self.storage.objects
        if lost := [path for path, sha256 in wanted.items() if objects.size(sha256) is None]:
            yield f"{lost[0]} has no content"
        left = [path for path in found if path not in wanted and is_replaced(path)]
        if left:
            yield f"{left[0]} was not deleted"
        if self._before and "notes.txt" not in found:
            yield "a file of somebody else is gone"

    def unfinished(self, outcome: PushReceipt | Exception, plans: Sequence[PushPlan]) -> Iterator[str]:
        """Yield what a push that met no fault did not finish."""
        if not isinstance(outcome, PushReceipt):
            yield f"it failed: {outcome}"
            return
        ours = self.ours(plans)
        if len(ours) != 1:
            yield f"{len(ours)} commits of this content"
            return
        repository = self.repository
        tags = repository.refs("tag") if repository else {}
        if [name for name, commit in tags.items() if commit == ours[0].id] != [self.tag]:
            yield f"the tags are {tags}"
        if (outcome.commit, outcome.tag) != (ours[0].id, self.tag):
            yield f"the receipt names {outcome.commit}, {outcome.tag or 'no tag'}"
        if f"evidence {outcome.evidence_digest}" not in ours[0].message.splitlines():
            yield "the receipt names another evidence"
        kept = json.loads((self.report / RECEIPT).read_text())
        if PushReceipt.from_dict(kept) != outcome:
            yield "the receipt was not kept"
        if problems := verify(self.history):
            yield f"the history: {problems[0].text}"
        pushed = [entry for entry in read(self.history) if entry.kind == "push"]
        if not pushed or pushed[-1].payload["commit"] != ours[0].id or pushed[-1].payload["tag"] != self.tag:
            yield "the history does not name the push"

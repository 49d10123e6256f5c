"""What may be published at the moment: the plans of pushes that have passed the gate."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from hf_contrastive.release.plan import PlannedFile, PushPlan, is_replaced


@dataclass(slots=True, eq=False, kw_only=True)
class OpenPlan:
    """A plan that is being pushed.

    Attributes:
        repo_id: as in the plan; the Hub does not tell upper from lower case.
        files: the plan's, by path.
        deletions: paths that are deleted besides what a push replaces anyway.
        addresses: where the Hub asked for objects of the plan, as path and query.
    """

    repo_id: str
    files: Mapping[str, PlannedFile]
    deletions: frozenset[str] = frozenset()
    addresses: set[str] = field(default_factory=set)

    def is_for(self, repo_id: str) -> bool:
        """Whether ``repo_id`` is the plan's repository; a plan may name it without its user."""
        own, other = self.repo_id.casefold(), repo_id.casefold()
        return own != "" and own == (other if "/" in own else other.rpartition("/")[2])

    def deletes(self, path: str) -> bool:
        """Whether the push may delete ``path``: stale files of an earlier version, or what was named."""
        return path not in self.files and (path in self.deletions or is_replaced(path))


class OpenPlans:
    """All plans that are being pushed, and the commits that came of them; safe to use from several threads.

    The plans of the whole process, not of a thread: uploads run in threads of their own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[OpenPlan] = []
        self._commits: set[tuple[str, str]] = set()

    @contextmanager
    def opened(self, plan: OpenPlan) -> Iterator[None]:
        """Keep ``plan`` open within the block."""
        with self._lock:
            self._open.append(plan)
        try:
            yield
        finally:
            with self._lock:
                self._open.remove(plan)

    def of(self, repo_id: str) -> tuple[OpenPlan, ...]:
        """Return the open plans for a model repository."""
        with self._lock:
            return tuple(plan for plan in self._open if plan.is_for(repo_id))

    def give(self, repo_id: str, oid: str, addresses: Collection[str]) -> None:
        """Note where the Hub asked for object ``oid``, so that it may be sent there."""
        for plan in self.of(repo_id):
            if any(item.sha256 == oid for item in plan.files.values()):
                with self._lock:
                    plan.addresses.update(addresses)

    def gave(self, address: str) -> bool:
        """Whether the Hub asked at ``address`` for an object of an open plan."""
        with self._lock:
            return any(address in plan.addresses for plan in self._open)

    def add_commit(self, repo_id: str, commit: str) -> None:
        """Note a commit that held nothing but what a plan names."""
        with self._lock:
            self._commits.add((repo_id.casefold(), commit))

    def has_commit(self, repo_id: str, commit: str) -> bool:
        """Whether ``commit`` came of a plan in this process."""
        with self._lock:
            return (repo_id.casefold(), commit) in self._commits


PLANS = OpenPlans()
"""Those of this process."""


@contextmanager
def allow(plan: PushPlan, *, deletions: Collection[str] = ()) -> Iterator[None]:
    """Let requests that publish ``plan``, and nothing else, pass the guard within the block.

    Call it after the gate has let the plan through, and around the push alone. Without a guard it changes nothing.
    What passes: files whose path and SHA-256 are the plan's, deletions of stale model files and documents
    (:func:`~hf_contrastive.release.plan.is_replaced`), and tags and branches on commits of the plan's repository.

    Args:
        plan: what is published, in which model repository.
        deletions: further paths that the commit deletes; a folder ends in ``/``.
    """
    files = {item.path: item for item in plan.files}
    with PLANS.opened(OpenPlan(repo_id=plan.repo_id, files=files, deletions=frozenset(deletions))):
        yield

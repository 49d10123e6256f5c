"""What a verification says: one item a question, each with what was found in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from audits.records import Record, volatile
from hf_contrastive.release.contents.names import visible
from model_cards.evidence import SigningKey

Status = Literal["holds", "broken", "not checked"]
"""``not checked`` says nothing: neither that it holds nor that it does not."""

Result = Literal["holds", "incomplete", "broken"]
"""``incomplete``: nothing is broken, but something that the result depends on could not be checked."""

_TITLES = {
    "evidence": "Evidence and its own digests",
    "evidence.verdict": "Verdict follows from audit and policy",
    "evidence.licenses": "License analysis follows from the inputs",
    "evidence.approvals": "Approval is for this verdict and these files",
    "evidence.data": "Records of audit, training and evaluations name the same data and weights",
    "document": "Document follows from the evidence",
    "card": "Model card is valid",
    "files.model": "Model files are those of the evidence",
    "files.weights": "Weights are those that were trained",
    "files.uncovered": "No file that nothing covers",
    "signature": "Signature",
    "signature.files": "Files are as they were signed",
    "signature.key": "Whose key signed",
    "report.findings": "Rows of the findings are those of the audit",
    "report.retrieved": "Licenses and cards are as retrieved",
    "report.excerpts": "Documents with excerpts",
    "report.others": "Other files of the report",
    "hub.repository": "Repository is the one that the evidence names",
    "hub.files": "Downloaded files are those that the Hub lists",
    "hub.commit": "Commit names this evidence",
    "hub.tag": "Tag",
    "receipt": "Receipt names this evidence",
    "anchor": "Something outside of these files vouches for them",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Record):
    """One thing that was looked at.

    ``key`` is stable from version to version, ``document:NOTICE`` for the document NOTICE; ``files`` are those that the
    words are about. ``needed`` is False for what the result does not depend on while it is not checked: what needs
    something that was not given (a key, a receipt, leave to load the weights), or what was never there to check.
    """

    key: str
    status: Status
    words: str
    files: tuple[str, ...] = ()
    needed: bool = True

    @property
    def title(self) -> str:
        """What was asked, in words."""
        kind, _, name = self.key.partition(":")
        return f"{name}: {_TITLES[kind].lower()}" if name else _TITLES[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport(Record):
    """Everything that was looked at.

    ``kind`` is what was given: a folder with a model, a folder of reports without one, or a repository at ``commit``.
    ``evidence_digest``, ``decision`` and ``signing_key`` are as they stand in the evidence, whether or not that holds.
    ``version`` is that of the package that verified. ``result`` is ``broken`` where an item is, ``incomplete`` where
    a needed one was not checked, else ``holds``.
    """

    schema_version: int = 1
    target: str
    kind: Literal["folder", "report", "repository"]
    repo_id: str = ""
    commit: str = ""
    tag: str = ""
    evidence_digest: str = ""
    decision: str = ""
    signing_key: SigningKey | None = None
    result: Result
    items: tuple[Item, ...]
    version: str = ""
    created_at: str = volatile(default="")

    @property
    def broken(self) -> tuple[Item, ...]:
        """What does not hold."""
        return self.of("broken")

    def of(self, status: Status) -> tuple[Item, ...]:
        """Return the items of one status."""
        return tuple(item for item in self.items if item.status == status)

    def item(self, key: str) -> Item | None:
        """Return the item of that key, None where that was not looked at."""
        return next((item for item in self.items if item.key == key), None)


def result_of(items: Iterable[Item]) -> Result:
    """Return what the items say together."""
    listed = tuple(items)
    if any(item.status == "broken" for item in listed):
        return "broken"
    return "incomplete" if any(item.status == "not checked" and item.needed for item in listed) else "holds"


def holds(key: str, words: str, files: Iterable[str] = ()) -> Item:
    """Return an item that was looked at and holds."""
    return Item(key=key, status="holds", words=words, files=tuple(files))


def broken(key: str, words: str, files: Iterable[str] = ()) -> Item:
    """Return an item that does not hold."""
    return Item(key=key, status="broken", words=words, files=tuple(files))


def not_checked(key: str, words: str, files: Iterable[str] = (), *, needed: bool = True) -> Item:
    """Return an item of which nothing is known; ``needed`` as in :class:`Item`."""
    return Item(key=key, status="not checked", words=words, files=tuple(files), needed=needed)


def printable(item: Item) -> Item:
    """Return the item fit for any terminal and for UTF-8, whatever the names of files and the evidence hold."""
    return replace(item, key=visible(item.key), words=visible(item.words), files=tuple(map(visible, item.files)))


_MOST_NAMES = 12


def named(paths: Iterable[str]) -> str:
    """Return paths in words; of very many the first."""
    listed = sorted(paths)
    more = f" and {len(listed) - _MOST_NAMES:,} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more

"""Walk from the datasets and models that were used to what they come from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from audits.errors import LineageError
from audits.licenses.inputs import LicensedInput, Lineage, Role
from audits.licenses.license_files import KeptText, kept_paths, texts_of, verify_license_files, write_texts
from audits.licenses.references import (
    Reference,
    base_references,
    generator_references,
    source_references,
    training_references,
)
from audits.licenses.repo_folders import local_snapshot
from audits.licenses.snapshots import HubClient, RepoKind, RepoSnapshot, card_metadata, shown
from audits.licenses.statements import conclude

__all__ = ["Start", "WalkedLineage", "verify_license_files", "walk", "write_license_files"]

MAX_INPUTS = 500
"""How many inputs one walk follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A dataset or model that was used directly.

    Attributes:
        name: its id, or how to call the folder at ``path``.
        role: default: training for datasets, base for models.
        revision: commit, branch or tag that was used.
        path: a folder to read instead of asking for ``name``.
        rows: how many were used.
        license: as a person states it.
    """

    name: str
    role: Role | None = None
    revision: str | None = None
    path: Path | None = None
    rows: int | None = None
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkedLineage:
    """The record of a walk, and the texts that it retrieved, for :func:`write_license_files`."""

    lineage: Lineage
    texts: tuple[KeptText, ...] = ()


def walk(
    client: HubClient,
    *,
    datasets: Sequence[Start] = (),
    models: Sequence[Start] = (),
    max_depth: int = 16,
    on_progress: Callable[[str], None] | None = None,
) -> WalkedLineage:
    """Follow what the cards name, breadth first, and read the license of everything on the way.

    Followed are, from a dataset: ``source_datasets`` (its role is handed on) and the models that wrote rows (role
    generator; evaluation where the rows are only measured with). From a model: ``base_model`` (the role is handed on,
    for what wrote rows as well). The ``datasets`` of a base model's card are listed with the role training and the
    relation ``base-trained-on``, and not followed: they did not enter this model's training, so that no share-alike
    term reaches it through them, but a reader wants to know them.

    An input stands once for each role, with the shortest way to it. What can not be read is an input without a
    license, with the reason. A repository that comes from itself is followed once.

    Args:
        client: where ids are looked up; every repository is read at one commit.
        datasets: used directly.
        models: used directly.
        max_depth: how many steps are followed; what lies deeper is listed and not read.
        on_progress: called with a name before it is read.

    Returns:
        The inputs in the order of their depth; those at the start come first, in the order given.
    """
    found = _Walk(client, max_depth, on_progress or (lambda _name: None))
    found.start("dataset", datasets)
    found.start("model", models)
    return found.run()


def write_license_files(walked: WalkedLineage, folder: Path | str) -> tuple[Path, ...]:
    """Write every text of the walk below ``folder/retrieved``; see :func:`audits.licenses.license_files.write_texts`.

    Raises:
        LineageError: it can not be written.
    """
    return write_texts(walked.texts, folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Something to look at: how it is named and what it is to the model."""

    kind: RepoKind
    start: Start
    role: Role
    relation: str = ""
    unread: str = ""
    parents: tuple[str, ...] = ()
    ancestors: tuple[tuple[str, str], ...] = ()


class _Walk:
    def __init__(self, client: HubClient, max_depth: int, on_progress: Callable[[str], None]) -> None:
        self._client, self._max_depth, self._on_progress = client, max_depth, on_progress
        self._steps: deque[_Step] = deque()
        self._read: dict[tuple[str, ...], RepoSnapshot | LineageError] = {}
        self._texts: dict[tuple[str, ...], tuple[KeptText, ...]] = {}
        self._seen: set[tuple[str, ...]] = set()
        self._inputs: list[LicensedInput] = []
        self._problems: dict[str, None] = {}

    def start(self, kind: RepoKind, starts: Iterable[Start]) -> None:
        """Add what was used directly."""
        usual: Role = "training" if kind == "dataset" else "base"
        self._steps.extend(_Step(kind=kind, start=item, role=item.role or usual) for item in starts)

    def run(self) -> WalkedLineage:
        """Follow everything and return what was found."""
        while self._steps:
            self._visit(self._steps.popleft())
        texts = tuple(text for group in self._texts.values() for text in group)
        hashes = {path: digest for digest, path in kept_paths(texts).items()}
        lineage = Lineage(
            inputs=tuple(self._inputs), files=tuple(sorted(hashes.items())), problems=tuple(self._problems)
        )
        return WalkedLineage(lineage=lineage, texts=texts)

    def _visit(self, step: _Step) -> None:
        name = step.start.name
        if len(self._inputs) >= MAX_INPUTS and step.parents:
            more = replace(step.start, name="further inputs")
            reason = f"more than {MAX_INPUTS} inputs are behind the model; the rest was not read"
            self._add(replace(step, start=more), ("more",), reason=reason)
            return
        if step.unread:
            self._add(step, (name, *step.parents[-1:]), reason=step.unread)
            return
        if len(step.parents) > self._max_depth:
            reason = f"it lies more than {self._max_depth} steps away and was not read"
            self._add(step, (name.casefold(),), reason=reason)
            return
        snapshot = self._snapshot(step)
        if isinstance(snapshot, LineageError):
            # names of different cases may be of one repository, of which nothing is known
            self._add(step, (name.casefold(), step.start.revision or ""), reason=str(snapshot))
            return
        identity = (snapshot.repo_id.casefold(), snapshot.commit, str(step.start.path or ""))
        if not self._is_new(step, identity):
            return
        metadata, wrong = card_metadata(snapshot.card if snapshot.card is not None else snapshot.metadata)
        for text in (f"README.md: {wrong}" if wrong else "", *snapshot.problems.values()):
            self._note(name, text)
        for cut in snapshot.cut:
            self._note(name, f"{cut} is longer than is kept; only its first part was read")
        concluded = conclude(snapshot, step.start.license, wrong=wrong)
        self._inputs.append(
            LicensedInput(
                name=name,
                role=step.role,
                kind=step.kind,
                license=concluded.license,
                reason=concluded.reason,
                statements=concluded.statements,
                disagreements=concluded.disagreements,
                rows=step.start.rows,
                revision=snapshot.commit or None,
                relation=step.relation,
                parents=step.parents,
                gated=_gate(snapshot),
            )
        )
        if step.relation != "base-trained-on":
            own = ((step.kind, name.casefold()), (step.kind, snapshot.repo_id.casefold()))
            self._follow(replace(step, ancestors=(*step.ancestors, *own)), snapshot, metadata)

    def _snapshot(self, step: _Step) -> RepoSnapshot | LineageError:
        start = step.start
        key = (step.kind, start.name, start.revision or "", str(start.path or ""))
        if key not in self._read:
            self._on_progress(start.name)
            try:
                if start.path is not None:
                    found = local_snapshot(start.path, kind=step.kind, repo_id=start.name)
                else:
                    found = self._client.snapshot(step.kind, start.name, start.revision)
            except LineageError as error:
                self._read[key] = error
            else:
                self._read[key] = found
                now = datetime.now(UTC).isoformat(timespec="seconds")
                copy = (found.kind, found.repo_id, found.commit, str(start.path or ""))
                self._texts.setdefault(copy, texts_of(found, now))
        return self._read[key]

    def _follow(self, step: _Step, snapshot: RepoSnapshot, metadata: dict[str, Any]) -> None:
        name = step.start.name
        for role, reference in self._references(step, snapshot, metadata):
            known = (reference.kind, reference.name.casefold())
            if not reference.unread and known in step.ancestors:
                # the commit that was used is the one to judge, not what the card names in a circle
                if known != step.ancestors[-1] and known != step.ancestors[-2]:
                    self._note(name, f"it names {reference.name}, which itself comes from it; the circle ends here")
                else:
                    self._note(name, "it names itself as what it comes from")
                continue
            called = f"{reference.name} of {name}" if reference.name.startswith("an unnamed ") else reference.name
            self._steps.append(
                _Step(
                    kind=reference.kind,
                    start=Start(name=called),
                    role=role,
                    relation=reference.relation,
                    unread=reference.unread,
                    parents=(*step.parents, name),
                    ancestors=step.ancestors,
                )
            )

    def _references(
        self, step: _Step, snapshot: RepoSnapshot, metadata: dict[str, Any]
    ) -> Iterator[tuple[Role, Reference]]:
        if step.kind == "dataset":
            writer: Role = "evaluation" if step.role == "evaluation" else "generator"
            found = [(step.role, source_references(metadata)), (writer, generator_references(metadata))]
        else:
            others = tuple(pair for pair in snapshot.declared_bases if pair[1].casefold() != step.start.name.casefold())
            found = [(step.role, base_references(metadata, others))]
            if step.role == "base":
                found.append(("training", training_references(metadata)))
        for role, (references, problems) in found:
            for problem in problems:
                self._note(step.start.name, problem)
            for reference in references:
                yield role, reference

    def _is_new(self, step: _Step, identity: tuple[str, ...]) -> bool:
        key = (step.kind, step.role, str(step.relation == "base-trained-on"), *identity)
        new = key not in self._seen
        self._seen.add(key)
        return new

    def _add(self, step: _Step, identity: tuple[str, ...], *, reason: str) -> None:
        """Add an input of which nothing could be read."""
        if not self._is_new(step, ("unread", *identity)):
            return
        start = step.start
        name = start.name if not step.parents and len(start.name) <= 200 else shown(start.name, 200)[1:-1]
        self._note(name, reason)
        stated = conclude(None, start.license)
        self._inputs.append(
            LicensedInput(
                name=name,
                role=step.role,
                kind=step.kind,
                unread=True,
                license=stated.license,
                reason=f"{stated.reason}; {reason}" if stated.license else reason,
                statements=stated.statements,
                rows=start.rows,
                revision=start.revision,
                relation=step.relation,
                parents=step.parents,
            )
        )

    def _note(self, name: str, problem: str) -> None:
        if problem:
            self._problems[f"{name}: {problem}"] = None


def _gate(snapshot: RepoSnapshot) -> Literal["", "no", "yes"]:
    if snapshot.gated in ("auto", "manual"):
        return "yes"
    # a folder does not say whether the gate was shut, but a card with terms to accept was written for one
    return "yes" if snapshot.gating_text and not snapshot.gated else snapshot.gated  # type: ignore[return-value]

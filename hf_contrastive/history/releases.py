"""Which releases used which data: questions to the history when a dataset or a model turns out to be bad."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audits.records import Record
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.history.entries import HistoryEntry

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_FINGERPRINT = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")
_NEAR = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(Record):
    """What is asked for; a release that fits any of them is listed. Of ``dataset`` any revision, unless one is told."""

    dataset: str | None = None
    revision: str | None = None
    fingerprint: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Record):
    """How a release used something. ``certain`` is False where its revision was not recorded and one was asked for."""

    name: str
    how: str
    revision: str | None = None
    fingerprint: str = ""
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedRelease(Record):
    """A release that used what was asked for."""

    sequence: int
    created_at: str
    repo_id: str
    commit: str
    tag: str
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected(Record):
    """The answer. ``near`` are recorded ids like the one asked for, where no release used that one.

    ``other_revisions`` of it were used, but not the one asked for. ``unnamed`` are releases of which some data has
    no id on the Hub: whether they used it can be told by its fingerprint alone.
    """

    wanted: Wanted
    releases: tuple[AffectedRelease, ...]
    near: tuple[str, ...] = ()
    other_revisions: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()


def wanted(*, dataset: str | None = None, fingerprint: str | None = None, model: str | None = None) -> Wanted:
    """Read what a person asks for.

    Args:
        dataset: ``ID`` or ``ID@COMMIT``.
        fingerprint: ``sha256:HEX`` of a split, or at least its first 8 digits.
        model: ``ID`` of a base model or of one that wrote rows.

    Raises:
        ConfigurationError: nothing is asked for, or in another form.
    """
    if not any((dataset, fingerprint, model)):
        msg = "Nothing is asked for: name `--dataset ID[@COMMIT]`, `--fingerprint SHA256` or `--model ID`."
        raise ConfigurationError(msg)
    name, _, revision = (dataset or "").partition("@")
    if dataset is not None and (not name.strip() or ("@" in dataset and not _COMMIT.fullmatch(revision.casefold()))):
        msg = (
            f"`--dataset {dataset}` is not ID or ID@COMMIT with at least 7 hexadecimal digits of the commit; releases "
            "are recorded with commits, which branches and tags may leave. Give the commit, or the id alone."
        )
        raise ConfigurationError(msg)
    digits = _FINGERPRINT.fullmatch((fingerprint or "").strip().casefold())
    if fingerprint is not None and digits is None:
        msg = f"`--fingerprint {fingerprint}` is no SHA-256: give at least 8 hexadecimal digits, as reports name them."
        raise ConfigurationError(msg)
    return Wanted(
        dataset=name.strip() or None,
        revision=revision.casefold() or None,
        fingerprint=f"sha256:{digits[1]}" if digits is not None else None,
        model=model.strip() if model else None,
    )


def affected(entries: Iterable[HistoryEntry], asked: Wanted) -> Affected:
    """List every release that used what is asked for, directly or in its recorded lineage.

    A release that was pushed again without a change counts once. A rollback is a release of what the version was made
    of that it went back to.
    """
    found: dict[tuple[str, str], AffectedRelease] = {}
    recorded: dict[tuple[str, str], tuple[tuple[Use, str], ...]] = {}
    known: set[str] = set()
    others: set[str] = set()
    unnamed: dict[str, None] = {}
    for entry in entries:
        if entry.kind not in ("push", "rollback"):
            continue
        repo_id, commit, tag = (str(entry.payload.get(key) or "") for key in ("repo_id", "commit", "tag"))
        if entry.kind == "push":
            uses = tuple(_uses(entry.payload))
        else:
            goal = entry.payload.get("to")
            uses = recorded.get((repo_id, str(goal.get("commit"))), ()) if isinstance(goal, Mapping) else ()
        recorded[repo_id, commit] = uses
        fitting = tuple(dict.fromkeys(fit for use in uses if (fit := _fit(use, asked)) is not None))
        known |= {use.name for use, _ in uses if use.name}
        if asked.revision:
            named = {use.revision for use, kind in uses if kind != "model" and _same(use.name, asked.dataset)}
            others |= {revision for revision in named if revision and not _begins(revision, asked)}
        if fitting:
            held = found.get((repo_id, commit))
            found[repo_id, commit] = AffectedRelease(
                sequence=held.sequence if held else entry.sequence,
                created_at=held.created_at if held else entry.created_at,
                repo_id=repo_id,
                commit=commit,
                tag=tag or (held.tag if held else ""),
                uses=tuple(dict.fromkeys((*(held.uses if held else ()), *fitting))),
            )
        elif asked.dataset and any(kind == "data" and not use.name for use, kind in uses):
            unnamed[f"{repo_id}@{tag or commit}"] = None
    return Affected(
        wanted=asked,
        releases=tuple(sorted(found.values(), key=lambda release: release.sequence)),
        near=() if found or others else _near(asked, known),
        other_revisions=tuple(sorted(others)),
        unnamed=tuple(unnamed),
    )


def _uses(payload: Mapping[str, Any]) -> Iterator[tuple[Use, str]]:
    """Yield everything that a release used, each with "data" (a split), "dataset" or "model"."""
    for ref in _mappings(payload.get("datasets")):
        for how in ref.get("use") or ("used",):
            use = Use(
                name=str(ref.get("repo_id") or ""),
                how=f"{how} ({ref.get('split')})",
                revision=ref.get("revision"),
                fingerprint=str(ref.get("fingerprint") or ""),
            )
            yield use, "data"
    base = payload.get("base")
    if isinstance(base, Mapping):
        yield Use(name=str(base.get("model_id") or ""), how="base", revision=base.get("revision")), "model"
    licenses = payload.get("licenses")
    for item in _mappings(licenses.get("inputs") if isinstance(licenses, Mapping) else ()):
        name, _, revision = str(item.get("name") or "").partition("@")
        kind = str(item.get("kind"))
        if kind not in ("dataset", "model"):
            continue
        parents = [str(parent) for parent in item.get("parents") or ()]
        how = f"{item.get('role')}, through {' > '.join(parents)}" if parents else str(item.get("role"))
        yield Use(name=name, how=how, revision=item.get("revision") or revision or None), kind


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    # a file of another version, or of another's hand
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _fit(used: tuple[Use, str], asked: Wanted) -> Use | None:
    use, kind = used
    if asked.fingerprint and use.fingerprint.startswith(asked.fingerprint):
        return use
    if kind == "model":
        return use if _same(use.name, asked.model) else None
    if not _same(use.name, asked.dataset):
        return None
    if _begins(use.revision or "", asked):
        return use
    if use.revision:
        return None
    return Use(name=use.name, how=use.how, revision=None, fingerprint=use.fingerprint, certain=False)


def _begins(revision: str, asked: Wanted) -> bool:
    return asked.revision is None or revision.casefold().startswith(asked.revision)


def _same(name: str, other: str | None) -> bool:
    # the Hub does not tell ids apart by case
    return other is not None and bool(name) and name.casefold() == other.casefold()


def _near(asked: Wanted, known: Iterable[str]) -> tuple[str, ...]:
    spelt = {name.casefold(): name for name in sorted(known)}
    found: dict[str, None] = {}
    for told in filter(None, (asked.dataset, asked.model)):
        folded = told.casefold()
        same_name = [name for name in spelt if name.rpartition("/")[2] == folded.rpartition("/")[2]]
        close: Sequence[str] = difflib.get_close_matches(folded, spelt, n=_NEAR, cutoff=0.7)
        found |= dict.fromkeys(spelt[name] for name in (*same_name, *close))
    return tuple(found)[:_NEAR]

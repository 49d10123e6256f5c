"""Whether what was published would be decided alike today: the same inputs under today's facts and licenses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from audits.errors import LineageError, SchemaError
from audits.intent import Intent
from audits.licenses.analysis import LicenseAnalysis
from audits.licenses.inputs import LicensedInput
from audits.licenses.overlays import Overlay
from audits.records import Record
from audits.verdicts import SEVERITY
from hf_contrastive.history.entries import HistoryEntry

if TYPE_CHECKING:
    from audits.licenses.lineage import Start
    from audits.licenses.snapshots import HubClient

Analyse = Callable[..., LicenseAnalysis]
_Kept = TypeVar("_Kept", bound=Record)

_TEXTS = ("license_file", "gating_text")
_RESULT_RANK = {"pass": 0, "obligation": 1, "undetermined": 2, "conflict": 3}
_DECISION_RANK: dict[str, int] = {str(decision): rank for decision, rank in SEVERITY.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange(Record):
    """What a rule said, and says; (result, decision), None where it was or is not applied."""

    code: str
    before: tuple[str, str] | None
    after: tuple[str, str] | None
    inputs: tuple[str, ...] = ()
    reason: str = ""

    @property
    def worse(self) -> bool:
        """Whether it asks for more than it did."""
        return self.after is not None and _gravity(self.after) > _gravity(self.before or ("pass", "pass"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamChange(Record):
    """What changed about an input where it comes from."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck(Record):
    """One release, looked at again. ``problem`` says why it could not be; then nothing is known of it.

    ``before`` and ``after`` are decisions of the license analysis. ``unread`` are inputs that could not be looked up
    now; they count as they were recorded.
    """

    sequence: int
    repo_id: str
    commit: str
    tag: str
    before: str = ""
    after: str = ""
    facts_before: str = ""
    facts_after: str = ""
    facts_changed: bool = False
    rules: tuple[RuleChange, ...] = ()
    upstream: tuple[UpstreamChange, ...] = ()
    unread: tuple[str, ...] = ()
    problem: str = ""

    @property
    def worse(self) -> bool:
        """Whether something is asked for today that was not asked for then."""
        return any(rule.worse for rule in self.rules) or _rank(self.after) > _rank(self.before)


def recheck(
    entries: Iterable[HistoryEntry],
    *,
    client: HubClient | None = None,
    overlay: Overlay | None = None,
    analyse: Analyse | None = None,
) -> tuple[Recheck, ...]:
    """Analyse the licenses of every recorded release anew.

    Args:
        entries: of the history.
        client: also look up the license of everything that came from a Hub, at its newest commit; without one, the
            licenses are those that were recorded.
        overlay: a company's positions; default: those that were recorded with the release.
        analyse: default: :func:`audits.licenses.compatibility.analyse`.

    Returns:
        One result a release, in the order in which they were first published.
    """
    if analyse is None:
        from audits.licenses import compatibility

        analyse = compatibility.analyse
    latest: dict[tuple[str, str], HistoryEntry] = {}
    for entry in entries:
        if entry.kind == "push":
            latest[str(entry.payload.get("repo_id") or ""), str(entry.payload.get("commit") or "")] = entry
    return tuple(_recheck(entry, client, overlay, analyse) for entry in latest.values())


def _recheck(entry: HistoryEntry, client: HubClient | None, overlay: Overlay | None, analyse: Analyse) -> Recheck:
    repo_id, commit, tag = (str(entry.payload.get(key) or "") for key in ("repo_id", "commit", "tag"))
    result = Recheck(sequence=entry.sequence, repo_id=repo_id, commit=commit, tag=tag)
    recorded = entry.payload.get("licenses")
    if not isinstance(recorded, Mapping):
        return replace(result, problem="no license analysis was recorded with it")
    try:
        inputs = tuple(_known(LicensedInput, item) for item in recorded.get("inputs") or ())
        intent = _known(Intent, recorded.get("intent") or {})
        told = recorded.get("overlay")
        overlay = overlay if overlay is not None else Overlay.from_dict(told) if told else None
        rules = {code: (str(pair[0]), str(pair[1])) for code, pair in dict(recorded.get("rules") or {}).items()}
    except (SchemaError, TypeError, ValueError, LookupError) as error:
        return replace(result, problem=f"what was recorded can not be read by this version ({error})")
    upstream: tuple[UpstreamChange, ...] = ()
    unread: tuple[str, ...] = ()
    if client is not None:
        inputs, upstream, unread = _looked_up(inputs, client)
    analysis = analyse(inputs, intent, overlay=overlay)
    return replace(
        result,
        before=str(recorded.get("decision") or ""),
        after=analysis.decision,
        facts_before=str(recorded.get("facts_date") or ""),
        facts_after=analysis.facts_date,
        facts_changed=recorded.get("facts_digest") != analysis.facts_digest,
        rules=_changes(rules, analysis),
        upstream=upstream,
        unread=unread,
    )


def _known(kind: type[_Kept], data: Any) -> _Kept:
    """Build a record from what this version knows of ``data``, which a later one may have written."""
    names = {item.name for item in fields(kind)}  # type: ignore[arg-type]  # every record is a dataclass
    return kind.from_dict({name: value for name, value in dict(data).items() if name in names})


def _changes(before: Mapping[str, tuple[str, str]], analysis: LicenseAnalysis) -> tuple[RuleChange, ...]:
    after = {item.code: item for item in analysis.results}
    found = []
    for code in dict.fromkeys((*after, *before)):
        now = after.get(code)
        pair = (now.result, now.decision) if now is not None else None
        if pair != before.get(code):
            inputs, reason = (now.inputs, now.reason) if now is not None else ((), "")
            found.append(RuleChange(code=code, before=before.get(code), after=pair, inputs=inputs, reason=reason))
    return tuple(found)


def _looked_up(
    inputs: Sequence[LicensedInput], client: HubClient
) -> tuple[tuple[LicensedInput, ...], tuple[UpstreamChange, ...], tuple[str, ...]]:
    """Return the inputs as their repositories state them now, what changed, and what could not be read."""
    from audits.licenses.lineage import walk

    starts: dict[str, list[Start]] = {"dataset": [], "model": []}
    for item in inputs:
        if item.kind != "rows" and not item.parents and _is_repository(item):
            starts[item.kind].append(_start(item))
    now = {_key(item): item for item in walk(client, datasets=starts["dataset"], models=starts["model"]).lineage.inputs}
    told = {name for (name, _, _), item in now.items() if not _is_unread(item)}
    seen: list[LicensedInput] = []
    changes: list[UpstreamChange] = []
    unread: list[str] = []
    for item in inputs:
        found = now.get(_key(item))
        if item.kind == "rows" or (found is None and not item.parents):
            seen.append(item)
        elif found is None:
            closed = next((name for name in item.parents if name.partition("@")[0].casefold() not in told), None)
            if closed is not None:
                unread.append(f"{item.name}: it was reached through {closed}, which was not read")
            else:
                text = "the cards do not name it any more; it still counts"
                changes.append(UpstreamChange(name=item.name, text=text))
            seen.append(item)
        elif _is_unread(found) and (item.license or item.statements):
            unread.append(f"{item.name}: {found.reason or 'nothing but what a person stated could be read'}")
            seen.append(item)
        else:
            changes.extend(UpstreamChange(name=item.name, text=text) for text in _differences(item, found))
            seen.append(replace(found, rows=item.rows, groups=item.groups))
    known = {_key(item) for item in inputs}
    for key, item in now.items():
        if key not in known:
            text = f"the cards name it now ({item.license or f'undetermined: {item.reason}'})"
            changes.append(UpstreamChange(name=item.name, text=text))
            seen.append(item)
    return tuple(seen), tuple(changes), tuple(unread)


def _start(item: LicensedInput) -> Start:
    from audits.licenses.lineage import Start

    given = next((told.concluded for told in item.statements if told.place == "given"), None)
    return Start(name=_name(item), role=item.role, rows=item.rows, license=given)


def _is_repository(item: LicensedInput) -> bool:
    from audits.licenses.snapshots import check_repo_id

    try:
        return bool(check_repo_id(_name(item)))
    except LineageError:
        return False


def _is_unread(item: LicensedInput) -> bool:
    return all(told.place == "given" for told in item.statements)


def _name(item: LicensedInput) -> str:
    return item.name.partition("@")[0]


def _key(item: LicensedInput) -> tuple[str, str, str]:
    return (_name(item).casefold(), item.role, item.kind)


def _differences(before: LicensedInput, after: LicensedInput) -> list[str]:
    found = []
    if before.license != after.license:
        told = after.license or f"undetermined ({after.reason})"
        found.append(f"its license was {before.license or 'undetermined'} and is {told}")
    if (before.gated, after.gated) != ("", "") and after.gated and before.gated != after.gated:
        found.append("it is gated now" if after.gated == "yes" else "it is not gated any more")
    texts = {text.where: text.sha256 for text in before.statements if text.place in _TEXTS}
    found.extend(
        f"{text.where or 'its text'} {'changed' if text.where in texts else 'was added'}"
        for text in after.statements
        if text.place in _TEXTS and texts.get(text.where, "") != text.sha256
    )
    return found


def _rank(decision: str) -> int:
    return _DECISION_RANK.get(decision, 0)


def _gravity(pair: tuple[str, str]) -> tuple[int, int]:
    return (_rank(pair[1]), _RESULT_RANK.get(pair[0], 0))

"""``hf-contrastive history`` and ``hf-contrastive affected``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import BLOCK, ERRORED, PASS, REVIEW
from hf_contrastive.console import print_json, say, show_table

if TYPE_CHECKING:
    from hf_contrastive.history import Head, HistoryEntry, HistoryProblem
    from hf_contrastive.history.recheck import Recheck

_HISTORY = typer.Option("--history", help="The history's file; default: HF_CONTRASTIVE_HISTORY, else the user's own.")


def command(
    verify: Annotated[bool, typer.Option("--verify", help="Exit with 1 where it is not as it was written.")] = False,
    head: Annotated[
        list[str] | None, typer.Option(help="SEQUENCE:sha256:HEX of a push receipt or tag; may be repeated.")
    ] = None,
    receipt: Annotated[
        list[Path] | None, typer.Option(help="File with a push receipt or a tag's message; may be repeated.")
    ] = None,
    recheck: Annotated[
        bool,
        typer.Option("--recheck", help="Analyse the licenses of every release anew; exit with 4 where one asks more."),
    ] = False,
    online: Annotated[
        bool, typer.Option("--online", help="With --recheck: look up the licenses on the Hub as they are now.")
    ] = False,
    policy: Annotated[
        str | None, typer.Option(help="With --recheck: the policy whose overlay counts; default: as recorded.")
    ] = None,
    add: Annotated[
        Path | None, typer.Option(help="Record the lines of FILE that could not be recorded before.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one document on stdout.")] = False,
    history: Annotated[Path | None, _HISTORY] = None,
) -> None:
    """Show what was audited, decided, approved and published, and whether the record still is as it was written.

    Each line names the hash of the one before. Lines that were removed at the end, or a file that was written anew,
    show only against a head from elsewhere: --head, --receipt.
    """
    from hf_contrastive.history import history_path, not_covered, read
    from hf_contrastive.history import verify as problems_of

    if (online or policy is not None) and not recheck:
        _misused("--online" if online else "--policy", "goes with `--recheck`")
    path = history_path(history)
    if add is not None:
        _add(add, path)
    heads = [*_heads(head or ()), *_heads_of(receipt or ())]
    entries = read(path)
    problems = problems_of(path, heads) if entries or verify or heads or path.exists() else []
    uncovered = not_covered(entries, heads) if entries else ""
    checked = _recheck(entries, path, online=online, policy=policy) if recheck else ()
    if as_json:
        document: dict[str, Any] = {
            "path": str(path),
            "head": str(entries[-1].head) if entries else None,
            "entries": [{**entry.to_dict(), "digest": entry.digest} for entry in entries],
            "problems": [problem.to_dict() for problem in problems],
            "not_covered": uncovered,
        }
        print_json(document | ({"recheck": [_as_data(item) for item in checked]} if recheck else {}))
    elif not (verify or recheck):
        _show(entries, path)
    _tell(problems, uncovered if verify or heads else "", entries if verify else None)
    for item in checked:
        _tell_recheck(item)
    raise typer.Exit(_code(problems if verify else (), checked))


def affected_command(
    dataset: Annotated[str | None, typer.Option(help="ID or ID@COMMIT of a dataset on the Hub.")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="SHA-256 of a split, as reports name it.")] = None,
    model: Annotated[str | None, typer.Option(help="ID of a base model, or of one that wrote rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one document on stdout.")] = False,
    history: Annotated[Path | None, _HISTORY] = None,
) -> None:
    """List every recorded release that used a dataset or model, directly or in its lineage.

    With several options, a release that fits any of them is listed.
    """
    from hf_contrastive.history import history_path, read, verify
    from hf_contrastive.history.releases import affected, wanted

    asked = wanted(dataset=dataset, fingerprint=fingerprint, model=model)
    path = history_path(history)
    answer = affected(read(path), asked)
    problems = verify(path)
    if as_json:
        print_json({"path": str(path), **answer.to_dict(), "problems": [problem.to_dict() for problem in problems]})
    rows = [
        (
            f"{item.repo_id} {item.tag}".strip(),
            item.commit[:12],
            item.created_at[:10],
            "; ".join(_use(use) for use in item.uses),
        )
        for item in answer.releases
    ]
    if rows and not as_json:
        show_table(
            "Releases that used it", ("release", "commit", "pushed", "how"), [tuple(map(escape, row)) for row in rows]
        )
    for line in _limits(answer, problems):
        say(escape(line))
    raise typer.Exit(PASS)


def _limits(answer: Any, problems: Sequence[HistoryProblem]) -> list[str]:
    """Say what was found in a sentence, and what can not be told."""
    releases, asked = answer.releases, answer.wanted
    dataset = f"{asked.dataset}@{asked.revision}" if asked.revision else asked.dataset
    names = " or ".join(name for name in (dataset, asked.fingerprint, asked.model) if name)
    told = [f"{len(releases)} recorded release(s) used {names}."]
    if any(not use.certain for item in releases for use in item.uses):
        told.append("Where the revision is not recorded, the release may have used the one asked for.")
    if answer.other_revisions:
        told.append(f"Other revisions were used: {', '.join(answer.other_revisions)}.")
    if answer.near:
        told.append(f"Recorded are ids like it: {', '.join(answer.near)}.")
    if answer.unnamed:
        told.append(
            f"{len(answer.unnamed)} other release(s) used data without a recorded id, of which only `--fingerprint` "
            f"can tell: {', '.join(answer.unnamed)}."
        )
    if problems and problems[0].change == "missing":
        told.append(problems[0].text)
    elif problems:
        told.append(
            f"The history has {len(problems)} problem(s), so that releases may be missing here: {problems[0].text} See "
            "`hf-contrastive history --verify`."
        )
    return told


def _use(use: Any) -> str:
    at = f"@{use.revision[:12]}" if use.revision else ""
    name = f"{use.name}{at}" if use.name else use.fingerprint[:23]
    return f"{name}: {use.how}{'' if use.certain else ' (revision not recorded)'}"


def _heads(texts: Sequence[str]) -> list[Head]:
    from hf_contrastive.history import Head

    return [Head.parse(text) for text in texts]


def _heads_of(files: Sequence[Path]) -> list[Head]:
    from hf_contrastive.errors import ConfigurationError
    from hf_contrastive.history.entries import heads_in

    found: list[Head] = []
    for file in files:
        heads = heads_in(_text_of(file, "--receipt"))
        if not heads:
            msg = (
                f"`{file}` names no head of a history (SEQUENCE:sha256:HEX). Give a receipt as `hf-contrastive push "
                "--json` prints it, or the message of a release's tag."
            )
            raise ConfigurationError(msg)
        found.extend(heads)
    return found


def _text_of(file: Path, option: str) -> str:
    from hf_contrastive.errors import ConfigurationError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        msg = f"`{option} {file}` can not be read ({reason}); name a readable text file."
        raise ConfigurationError(msg) from error


def _add(file: Path, path: Path) -> None:
    from hf_contrastive.history import append_all, read
    from hf_contrastive.history.entries import read_drafts

    known = {(entry.kind, entry.created_at, repr(entry.payload)) for entry in read(path)}
    drafts = read_drafts(_text_of(file, "--add"), str(file))
    new = [draft for draft in drafts if (draft.kind, draft.created_at, repr(draft.payload)) not in known]
    added = append_all(path, new) if new else ()
    at = f"; the head is {added[-1].head}" if added else ""
    say(escape(f"Recorded {len(added)} of {len(drafts)} line(s), {len(drafts) - len(added)} were there already{at}."))


def _recheck(entries: Sequence[HistoryEntry], path: Path, *, online: bool, policy: str | None) -> tuple[Recheck, ...]:
    from audits import load_policy
    from hf_contrastive.history.recheck import recheck
    from hf_contrastive.history.recording import or_warn, record_recheck

    client = None
    if online:
        from audits.licenses.hub_clients import OnlineHub

        client = OnlineHub()
    overlay = load_policy(policy).licenses.overlay if policy is not None else None
    checked = recheck(entries, client=client, overlay=overlay)
    if checked:
        or_warn(record_recheck, checked, online=online, path=path)
    return checked


def _show(entries: Sequence[HistoryEntry], path: Path) -> None:
    if not entries:
        say(escape(f"There is no history at {path} yet."))
        return
    rows = [tuple(map(escape, _row(entry))) for entry in entries]
    show_table(f"History in {escape(str(path))}", ("", "when (UTC)", "what", "of", "decision", "by"), rows)


def _row(entry: HistoryEntry) -> tuple[str, ...]:
    payload = entry.payload
    named = [item for item in payload.get("datasets") or () if isinstance(item, dict)]
    data = dict.fromkeys(str(item.get("repo_id") or str(item.get("fingerprint"))[:15]) for item in named)
    release = f"{payload.get('repo_id') or ''} {payload.get('tag') or ''}".strip()
    goal = payload.get("to")
    back = f"back to {goal.get('tag')}" if entry.kind == "rollback" and isinstance(goal, dict) else ""
    decision = str(payload.get("decision") or back)
    waived = len(payload.get("waivers") or ())
    people = [*(item.get("by") for item in payload.get("approvals") or ()), payload.get("by")]
    approvers = [(item.get("waiver") or {}).get("approver") for item in payload.get("waivers") or ()]
    return (
        str(entry.sequence),
        entry.created_at.replace("T", " ").removesuffix("+00:00"),
        entry.kind,
        release or ", ".join(data),
        f"{decision} ({waived} waived)" if waived else decision,
        ", ".join(dict.fromkeys(str(name) for name in (*people, *approvers) if name)),
    )


def _tell(problems: Sequence[HistoryProblem], uncovered: str, entries: Sequence[HistoryEntry] | None) -> None:
    for problem in problems:
        say(f"[bold red]{problem.change.capitalize()}.[/] {escape(problem.text)}")
    if entries and not problems:
        say(escape(f"No change was found in {len(entries)} line(s); the head is {entries[-1].head}"))
    if uncovered:
        say(escape(uncovered))


def _tell_recheck(item: Recheck) -> None:
    name = f"{item.repo_id} {item.tag or item.commit[:12]}".strip()
    if item.problem:
        say(escape(f"{name}: not rechecked; {item.problem}."))
        return
    facts = f"facts of {item.facts_before}, now of {item.facts_after}" if item.facts_changed else "the same facts"
    say(f"{'[bold red]' if item.worse else '[bold]'}{escape(name)}[/]: {item.before} then, {item.after} now ({facts}).")
    for change in item.upstream:
        say(escape(f"  {change.name}: {change.text}"))
    for told in item.unread:
        say(escape(f"  not looked up, counted as recorded: {told}"))
    for rule in item.rules:
        before, after = (" / ".join(pair) if pair else "not applied" for pair in (rule.before, rule.after))
        names = f" ({', '.join(rule.inputs)})" if rule.inputs else ""
        say(escape(f"  {rule.code}: {before} then, {after} now{names}. {rule.reason}"))


def _as_data(item: Recheck) -> dict[str, Any]:
    return {**item.to_dict(), "worse": item.worse}


def _code(problems: Sequence[HistoryProblem], checked: Sequence[Recheck]) -> int:
    if problems:
        return BLOCK
    if any(item.worse for item in checked):
        return REVIEW
    # what could not be looked at again is not known to stand as it did
    return ERRORED if any(item.problem or item.unread for item in checked) else PASS


def _misused(option: str, how: str) -> None:
    from hf_contrastive.errors import ConfigurationError

    msg = f"`{option}` {how}; leave it out or add that."
    raise ConfigurationError(msg)

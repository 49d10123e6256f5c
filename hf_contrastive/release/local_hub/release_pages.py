"""Pages for reviewers: every version with its decision, and one version with what changed since another."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from markupsafe import Markup

from hf_contrastive.release.local_hub.frames import commit_link, framed, report_of
from hf_contrastive.release.local_hub.layout import date_words, facts, joined, link, mark, size_words, table
from hf_contrastive.release.local_hub.releases import (
    Release,
    changes_between,
    going_back,
    name_of,
    previous,
    release_of,
    versions,
)
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.state import HubState, url_of
from hf_contrastive.release.local_hub.trees import Commit
from hf_contrastive.release.local_hub.wire import Request, Response, Routes
from model_cards.changes import Change, ChangeReport
from model_cards.changes.html import by_area
from model_cards.changes.pairing import short
from model_cards.evidence import Evidence
from model_cards.facts import open_outcomes, unchecked
from model_cards.typesetting import number, plural

ROUTES = Routes()
_DECIDED = {"pass": "pass", "pass by waiver": "review", "review": "review", "block": "block"}
_SIGNED = {"none": "none", "holds": "pass", "incomplete": "review", "broken": "block"}
_KINDS = {"worse": "block", "better": "pass"}
_AT_ONCE = 10
_COLUMNS = ("Version", "Decision", "Quality", "License", "Changed", "Signature", "Evidence")


@ROUTES("GET HEAD", "/{prefix}{repo}/version/{rev}")
def version_page(hub: HubState, request: Request, **at: str) -> Response:
    """Show one version for a reviewer, and what changed since the one before or ``since``."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    hub.require_access(request, repository)
    commit = repository.commit_at(at["rev"])
    release = release_of(repository, commit)
    name = name_of(repository, commit)
    body = Markup("<h2>Version {}</h2>").format(name) + _headline(release)
    body += facts(_facts(repository, release)) + _open_points(release)
    since = request.query.get("since", [""])[0]
    earlier = repository.commit_at(since) if since else previous(repository, commit)
    body += _changes(repository, release, earlier)
    return framed(repository, commit, "Versions", body)


def versions_table(repository: Repository, *, every: bool) -> Markup:
    """Return the versions, the latest first, as far as a reviewer compares them at a glance.

    Args:
        repository: of which.
        every: else the latest ten alone, since an evidence is read and digested in full when it is first shown.
    """
    known = versions(repository)
    shown = known if every else known[-_AT_ONCE:]
    rows: list[tuple[str | Markup, ...]] = []
    # versions that no branch leads to any more may still bring back an earlier one
    back = going_back([repository.commit_at(head) for _, head in reversed(known)])
    hidden = known[: len(known) - len(shown)]
    earlier = release_of(repository, repository.commit_at(hidden[-1][1])) if hidden else None
    for name, head in shown:
        release = release_of(repository, repository.commit_at(head))
        returned = name_of(repository, back[head]) if head in back else ""
        rows.append(_row(repository, name, release, earlier, returned))
        earlier = release
    body = table(_COLUMNS, reversed(rows), none="None yet: a push makes v1.", stack=True)
    if hidden:
        older = link(f"{url_of(repository, '')}/commits/main?versions=all", f"{len(hidden):,} older")
        body += Markup("<p>{}</p>").format(older)
    return body


def names_table(repository: Repository) -> Markup:
    """Return the versions by name and date alone, for those who may not read the files."""
    rows = [
        (name, commit_link(repository, commit), date_words(commit.created_at))
        for name, head in reversed(versions(repository))
        for commit in [repository.commit_at(head)]
    ]
    return table(("Version", "Commit|id", "Made|date"), rows, none="None yet.")


def summary(repository: Repository, commit: Commit) -> list[tuple[str, str | Markup]]:
    """Return what the card's page says on a version: decision, quality, signature."""
    release = release_of(repository, commit)
    if release.place is None:
        return []
    address = f"{url_of(repository, '')}/version/{commit.id}"
    decided = Markup("{} {}").format(_decision(release), link(address, "for reviewers: what was checked and changed"))
    return [("Decision", decided), ("Quality", "; ".join(release.stated.quality)), ("Signature", _signature(release))]


def _row(
    repository: Repository, name: str, release: Release, earlier: Release | None, returned: str
) -> tuple[str | Markup, ...]:
    commit, base, stated = release.commit, url_of(repository, ""), release.stated
    address = f"{base}/version/{quote(name, safe='')}"
    since: str | Markup = "first version"
    if earlier is not None:
        counts = _counts(changes_between(repository, earlier, release))
        since = link(f"{address}#changes", f"{counts}, since {name_of(repository, earlier.commit)}")
    if returned:
        since = Markup("{} {}").format(mark(f"back to {returned}", "review"), since)
    report = report_of(commit)
    proofs = [Markup('<code class="id">{}</code>').format(short(stated.digest))] if stated.is_known else []
    proofs += [link(f"{base}/page/{commit.id}/{quote(report)}", "report")] if report else []
    state = release.signed.state
    return (
        Markup('{}<div class="soft small when">{}</div>').format(link(address, name), date_words(commit.created_at)),
        _decision(release),
        joined(Markup("<div>{}</div>").format(words) for words in stated.quality) or "not measured",
        stated.license or "–",
        since,
        mark(_signed_name(state), _SIGNED[state]),
        joined(Markup("<div>{}</div>").format(item) for item in proofs) or "none",
    )


def _counts(report: ChangeReport | None) -> str:
    if report is None:
        return "can not be told"
    return ", ".join(f"{count} {kind}" for kind, count in report.counts.items()) or "nothing"


def _decision(release: Release) -> Markup:
    words = release.stated.decided or release.stated.headline.title.lower()
    return mark(words, _DECIDED.get(words, "none"))


def _signed_name(state: str) -> str:
    return {"none": "not signed"}.get(state, state)


def _signature(release: Release) -> Markup:
    state = release.signed.state
    words = "" if state == "none" else release.signed.words
    return Markup("{} {}").format(mark(_signed_name(state), _SIGNED[state]), words)


def _headline(release: Release) -> Markup:
    told = release.stated.headline
    return Markup('<div class="verdict {}"><p class="title">{}</p><p>{}</p></div>').format(
        _DECIDED.get(release.stated.decided, "none"), told.title, told.sentence
    )


def _facts(repository: Repository, release: Release) -> list[tuple[str, str | Markup]]:
    commit, base, evidence = release.commit, url_of(repository, ""), release.evidence
    report = report_of(commit)
    documents = [link(f"{base}/blob/{commit.id}/README.md", "card")] if "README.md" in commit.files else []
    if report:
        documents.insert(0, link(f"{base}/page/{commit.id}/{quote(report)}", "report, kept apart from this Hub"))
    size = size_words(sum(entry.size for entry in commit.files.values()))
    documents.append(link(f"{base}/tree/{commit.id}", f"{len(commit.files)} files, {size}"))
    pairs: list[tuple[str, str | Markup]] = [
        ("Open", joined(_between(documents))),
        ("Commit", Markup("{}, {}").format(commit_link(repository, commit), date_words(commit.created_at))),
        ("Title", commit.title),
        ("Signature", _signature(release)),
    ]
    if evidence is None:
        return pairs
    training, audit = evidence.training, evidence.audit
    if training is not None:
        at = f" at {training.base.revision[:8]}" if training.base.revision else ""
        pairs.append(("Base model", f"{training.base.model_id or 'local files'}{at}"))
    pairs += [
        ("License", evidence.license or "not named"),
        ("Quality", "; ".join(release.stated.quality) or "not measured"),
        ("Data", "; ".join(f"{ref.split}: {number(ref.num_rows)} rows" for ref in audit.datasets) if audit else ""),
        ("Checks", _checked(evidence)),
        ("Policy", evidence.verdict.policy_name if evidence.verdict is not None else ""),
        ("Approved by", "; ".join(f"{item.by}{f' ({item.role})' if item.role else ''}" for item in evidence.approvals)),
        ("Evidence", Markup("<code>{}</code>").format(evidence.digest)),
    ]
    return pairs


def _checked(evidence: Evidence) -> str:
    if evidence.audit is None:
        return ""
    ran = sum(item.status == "ran" for item in evidence.audit.results)
    return f"{plural(ran, 'check')} ran, {len(unchecked(evidence))} did not"


def _open_points(release: Release) -> Markup:
    evidence = release.evidence
    points = open_outcomes(evidence) if evidence is not None else ()
    if not points:
        return Markup("")
    rows = [(point.code, mark(point.decision, _DECIDED[point.decision]), "; ".join(point.observed)) for point in points]
    return Markup("<h3>Not passed</h3>") + table(("Rule", "Decision", "Observed"), rows, none="", stack=True)


def _changes(repository: Repository, release: Release, earlier: Commit | None) -> Markup:
    if earlier is None:
        return Markup('<h3 id="changes">What changed</h3><p class="soft">This is the first version.</p>')
    name = name_of(repository, earlier)
    heading = Markup('<h3 id="changes">What changed since {}</h3>').format(
        link(f"{url_of(repository, '')}/version/{quote(name, safe='')}", name)
    )
    report = changes_between(repository, release_of(repository, earlier), release)
    if report is None:
        return heading + Markup('<p class="soft">It can not be told: one of the two has no evidence.</p>')
    if not report.changes:
        return heading + Markup("<p>Nothing but times of making and of running.</p>")
    body = heading + Markup("<p>{}: {}.</p>").format(plural(len(report.changes), "change"), _counts(report))
    columns = ("What", "Area", "Change", "Before", "After")
    body += table(
        columns, map(_change, report.first), none="Nothing that bears on whether to sign changed.", stack=True
    )
    for area, items in by_area(report.further):
        rows = [tuple(cell for i, cell in enumerate(_change(item)) if i != 1) for item in items]
        title = f"{area.capitalize()}, {plural(len(items), 'further change')}"
        body += Markup("<details><summary>{}</summary>{}</details>").format(
            title, table(("What", "Change", "Before", "After"), rows, none="", stack=True)
        )
    return body


def _change(item: Change) -> tuple[str | Markup, ...]:
    note = Markup('<div class="soft small">{}</div>').format(item.note) if item.note else Markup("")
    kind = mark(item.kind, _KINDS.get(item.kind, "none")) + note
    return item.what, item.area, kind, item.before or "–", item.after or "–"


def _between(parts: Iterable[Markup]) -> Iterable[Markup]:
    for position, part in enumerate(parts):
        yield part if position == 0 else Markup(" · ") + part

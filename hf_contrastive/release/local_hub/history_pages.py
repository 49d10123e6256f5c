"""Pages for people: versions, commits and pull requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from hf_contrastive.release.local_hub.differences import changed_paths, difference
from hf_contrastive.release.local_hub.frames import commit_link, framed, report_of
from hf_contrastive.release.local_hub.layout import colored, date_words, facts, joined, link, size_words, table
from hf_contrastive.release.local_hub.listing import continued, started
from hf_contrastive.release.local_hub.pulls import PullRequests
from hf_contrastive.release.local_hub.release_pages import names_table, versions_table
from hf_contrastive.release.local_hub.releases import going_back, name_of
from hf_contrastive.release.local_hub.releases import versions as numbered
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.state import HubState, url_of
from hf_contrastive.release.local_hub.trees import Commit, Entry
from hf_contrastive.release.local_hub.wire import Request, Response, Routes

ROUTES = Routes()
_COMMITS = 50


@ROUTES("GET HEAD", "/{prefix}{repo}/commits/{rev}")
def versions(hub: HubState, request: Request, **at: str) -> Response:
    """List versions as a reviewer compares them, then other names, and the history of a revision."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    revision, first = started(request)
    head = repository.commit_at(revision or at["rev"])
    # what stands in files is not told to who may not read them
    shut = not hub.may_read(request, repository)
    body = Markup("<h2>Versions</h2>") + (
        names_table(repository) if shut else versions_table(repository, every=request.query.get("versions") == ["all"])
    )
    body += Markup("<h2>Branches and other tags</h2>") + _names(repository)
    history = list(repository.history(head))
    back = {} if shut else going_back(history)
    tags: dict[str, list[str]] = {}
    for name, commit_id in repository.refs("tag").items():
        tags.setdefault(commit_id, []).append(name)
    listed = []
    for commit in history[first : first + _COMMITS]:
        marks = joined(Markup(' <span class="badge">{}</span>').format(name) for name in tags.get(commit.id, ()))
        if commit.id in back:
            marks += Markup(' <span class="tag review">{}</span>').format(
                f"back to {name_of(repository, back[commit.id])}"
            )
        title = Markup("{}{}").format(commit.title, marks)
        listed.append(
            (commit_link(repository, commit), title, _report(repository, commit), date_words(commit.created_at))
        )
    body += Markup("<h2>History of {}</h2>").format(at["rev"])
    body += table(("Commit", "Title", "Report", "Made|date"), listed, none="None.", stack=True)
    more = continued(request, head, first + _COMMITS, len(history)).get("Link")
    if more:
        older = more[1 : more.index(">")].removeprefix(request.origin)
        body += Markup("<p>{}</p>").format(link(older, f"{len(history) - first - _COMMITS} older"))
    return framed(repository, head, "Versions", body)


@ROUTES("GET HEAD", "/{prefix}{repo}/commit/{rev}")
def commit_page(hub: HubState, request: Request, **at: str) -> Response:
    """Show one commit: what it says and what it changed."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    commit = repository.commit_at(at["rev"])
    before = repository.commit_at(commit.parent).files if commit.parent else {}
    pairs: list[tuple[str, str | Markup]] = [
        ("Commit", commit.id),
        ("By", Markup("{}, {}").format(commit.author, date_words(commit.created_at))),
        ("After", link(f"{url_of(repository, '')}/commit/{commit.parent}", commit.parent) if commit.parent else ""),
        ("Files", link(f"{url_of(repository, '')}/tree/{commit.id}", "as they were then")),
    ]
    body = Markup("<h2>{}</h2>").format(commit.title) + facts(pairs)
    if commit.message:
        body += Markup('<p style="white-space:pre-line">{}</p>').format(commit.message)
    return framed(repository, commit, "Versions", body + _changes(hub, request, repository, before, commit.files))


@ROUTES("GET HEAD", "/{prefix}{repo}/discussions")
def pull_requests(hub: HubState, request: Request, **at: str) -> Response:
    """List pull requests."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    rows = [
        (
            link(f"{url_of(repository, '')}/discussions/{pull['number']}", f"#{pull['number']} {pull['title']}"),
            pull["status"],
            pull["author"],
            date_words(pull["created_at"]),
        )
        for pull in PullRequests(repository).all()
    ]
    body = Markup("<h2>Pull requests</h2>") + table(("Title", "Status", "By", "Made|date"), rows, none="None yet.")
    return framed(repository, repository.commit_at("main"), "Pull requests", body)


@ROUTES("GET HEAD", "/{prefix}{repo}/discussions/(?P<number>[1-9][0-9]{0,8})")
def pull_request(hub: HubState, request: Request, **at: str) -> Response:
    """Show one pull request: what was said and what it changes."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    pulls = PullRequests(repository)
    pull = pulls.read(int(at["number"]))
    old, new = (repository.commit_at(pull[name]) for name in ("base_commit", "head"))
    pairs: list[tuple[str, str | Markup]] = [
        ("Status", pull["status"]),
        ("By", Markup("{}, {}").format(pull["author"], date_words(pull["created_at"]))),
        ("Into", pull["base"]),
        ("Files", link(f"{url_of(repository, '')}/tree/{new.id}", f"refs/pr/{pull['number']}")),
        ("In conflict", ", ".join(pulls.conflicts(pull))),
    ]
    body = Markup("<h2>#{} {}</h2>").format(pull["number"], pull["title"]) + facts(pairs)
    body += joined(_event(event) for event in pull["events"])
    return framed(repository, new, "Pull requests", body + _changes(hub, request, repository, old.files, new.files))


def _changes(
    hub: HubState, request: Request, repository: Repository, old: Mapping[str, Entry], new: Mapping[str, Entry]
) -> Markup:
    rows = [
        (path, what, size_words((new if path in new else old)[path].size)) for path, what in changed_paths(old, new)
    ]
    body = table(("File", "What", "Size|num"), rows, none="No file differs.")
    if rows and hub.may_read(request, repository):
        body += colored(difference(old, new, repository.objects))
    return body


def _event(event: dict[str, Any]) -> Markup:
    data, kind = event["data"], event["type"]
    said = {
        "comment": data.get("latest", {}).get("raw", ""),
        "commit": f"added the commit {data.get('oid', '')[:8]}: {data.get('subject')}",
        "status-change": f"made it {data.get('status')}",
        "title-change": f"named it {data.get('to')}",
    }[kind]
    if not said:
        return Markup("")
    return Markup('<p style="white-space:pre-line"><span class="soft small">{}, {}</span>\n{}</p>').format(
        event["author"]["name"], date_words(event["createdAt"]), said
    )


def _names(repository: Repository) -> Markup:
    """Return branches, and tags that are no versions."""
    known = {name for name, _ in numbered(repository)}
    rows = [
        (
            link(f"{url_of(repository, '')}/tree/{quote(name, safe='')}", name),
            kind,
            commit.title,
            commit_link(repository, commit),
            date_words(commit.created_at),
        )
        for kind in ("branch", "tag")
        for name, head in repository.refs(kind).items()
        if kind == "branch" or name not in known
        for commit in [repository.commit_at(head)]
    ]
    return table(("Name", "Kind", "Title", "Commit|id", "Made|date"), rows, none="None.", stack=True)


def _report(repository: Repository, commit: Commit) -> str | Markup:
    """Return the way to a commit's report."""
    report = report_of(commit)
    address = f"{url_of(repository, '')}/page/{commit.id}/{quote(report or '')}"
    return link(address, "report") if report else "–"

"""The frame of a repository's pages: its name, the ways to its other pages, and its card."""

from __future__ import annotations

from urllib.parse import quote

from markupsafe import Markup

from hf_contrastive.release.local_hub import cards
from hf_contrastive.release.local_hub.layout import joined, link, page
from hf_contrastive.release.local_hub.markdown import Place, render_markdown
from hf_contrastive.release.local_hub.reads import readme_of
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.state import HubState, url_of
from hf_contrastive.release.local_hub.trees import Commit
from hf_contrastive.release.local_hub.wire import Request, Response


def framed(repository: Repository, commit: Commit, current: str, body: Markup) -> Response:
    """Return a page of a repository: its name, the ways to its other pages, and ``body``."""
    base = url_of(repository, "")
    places = {"Card": base, "Files": f"{base}/tree/main", "Versions": f"{base}/commits/main"}
    pulls = len(repository.pull_numbers())
    if pulls:
        places["Pull requests"] = f"{base}/discussions"
    report = report_of(commit)
    if report:
        places["Report"] = f"{base}/page/{commit.id}/{quote(report)}"
    items = joined(
        Markup('<li><a href="{}"{}>{}</a></li>').format(
            address, Markup(' aria-current="page"') if name == current else "", name
        )
        for name, address in places.items()
    )
    return page(
        f"{current} · {repository.id}",
        Markup(
            '<header><p class="top">{} / {}</p><h1>{}{}</h1><nav aria-label="Repository"><ul>{}</ul></nav></header>'
            '<main id="content">{}</main>'
        ).format(link("/", "Local Hub"), f"{repository.type}s", repository.id, badges(repository), items, body),
    )


def readme(hub: HubState, request: Request, repository: Repository, commit: Commit, revision: str) -> Markup:
    """Return the card at a revision, or why it is not shown."""
    if not hub.may_read(request, repository):
        return Markup('<p class="soft">The card and the files need a token: {}.</p>').format(link("/login", "sign in"))
    text = readme_of(repository, commit)
    if not text:
        return Markup('<p class="soft">There is no README.md.</p>')
    return rendered(text, Place(url_of(repository, ""), revision))


def rendered(text: str, place: Place) -> Markup:
    """Return a card: its metadata as they stand there, folded, and its text."""
    yaml = cards.front_matter(text)
    details = Markup("<details><summary>Metadata</summary><pre>{}</pre></details>").format(yaml) if yaml else Markup("")
    return details + Markup('<article class="card">{}</article>').format(
        render_markdown(cards.without_front_matter(text), place)
    )


def commit_link(repository: Repository, commit: Commit) -> Markup:
    """Return the short id of a commit as a link to its page."""
    return link(f"{url_of(repository, '')}/commit/{commit.id}", commit.id[:8])


def report_of(commit: Commit) -> str | None:
    """Return the path of the report for reviewers, the one nearest to the root."""
    found = [path for path in commit.files if path.rpartition("/")[2] == "report.html"]
    return min(found, key=lambda path: (path.count("/"), path), default=None)


def badges(repository: Repository) -> Markup:
    """Return what to know before a repository is opened: whether it is private or gated."""
    named = [name for name, is_set in (("private", repository.private), ("gated", repository.gated)) if is_set]
    return joined(Markup(' <span class="badge">{}</span>').format(name) for name in named)

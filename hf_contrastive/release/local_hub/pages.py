"""Two plain pages for people: what is on this Hub, and what is in a repository."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from hf_contrastive.release.local_hub.names import RepoType
from hf_contrastive.release.local_hub.reads import readme_of
from hf_contrastive.release.local_hub.state import HubState, url_of
from hf_contrastive.release.local_hub.wire import Request, Response, Routes

ROUTES = Routes()
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f5;padding:1rem;border-radius:.4rem}"
    "table{border-collapse:collapse;width:100%}td{padding:.2rem .6rem .2rem 0;border-bottom:1px solid #ddd}"
    "td+td{text-align:right;white-space:nowrap}small{color:#555}"
)
_TYPES: tuple[RepoType, ...] = ("model", "dataset")


@ROUTES("GET HEAD", "/")
def home(hub: HubState, request: Request) -> Response:
    """List the public repositories; a browser sends no token."""
    sections = []
    for repo_type in _TYPES:
        rows = [
            f'<li><a href="{escape(url_of(repository, ""), quote=True)}">{escape(repository.id)}</a></li>'
            for repository in hub.storage.repositories(repo_type)
            if not repository.private or hub.role(request)
        ]
        sections.append(f"<h2>{repo_type.capitalize()}s</h2><ul>{''.join(rows) or '<li>none yet</li>'}</ul>")
    return _page("Local Hub", "".join(sections))


@ROUTES("GET HEAD", "/{prefix}{repo}(?:/(?:tree|commit)/{rev})?")
def repository_page(hub: HubState, request: Request, **at: str) -> Response:
    """Show a repository's files and README as plain text."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    commit = repository.commit_at(at["rev"] or "main")
    base = f"{url_of(repository, '')}/resolve/{commit.id}/"
    rows = [
        f'<tr><td><a href="{escape(base + quote(path), quote=True)}">{escape(path)}</a></td>'
        f"<td>{entry.size:,} bytes</td></tr>"
        for path, entry in commit.files.items()
    ]
    names = [
        f"{kind} {escape(name)}"
        for kind in ("branch", "tag")
        for name, head in repository.refs(kind).items()
        if head == commit.id
    ]
    body = (
        f'<p><a href="/">Local Hub</a></p><p>{escape(commit.title)}<br><small>commit {commit.id}, '
        f"{escape(commit.created_at)}{''.join(f', {name}' for name in names)}</small></p>"
        f"<table>{''.join(rows)}</table>"
    )
    readme = readme_of(repository, commit)
    if readme:
        body += f"<h2>README.md</h2><pre>{escape(readme)}</pre>"
    return _page(repository.id, body)


def _page(title: str, body: str) -> Response:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(200, headers, text.encode())

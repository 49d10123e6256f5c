"""Pages for people: what is on this Hub, cards, files, and the report."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from hf_contrastive.release.local_hub.errors import CredentialsError, EntryNotFoundError, RequestError
from hf_contrastive.release.local_hub.frames import badges, commit_link, framed, readme, rendered
from hf_contrastive.release.local_hub.layout import date_words, facts, joined, link, page, size_words, table
from hf_contrastive.release.local_hub.markdown import Place
from hf_contrastive.release.local_hub.names import RepoType
from hf_contrastive.release.local_hub.reads import card_of
from hf_contrastive.release.local_hub.release_pages import summary
from hf_contrastive.release.local_hub.releases import versions as numbered
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.state import HubState, url_of
from hf_contrastive.release.local_hub.trees import Entry, parents
from hf_contrastive.release.local_hub.wire import Request, Response, Routes

ROUTES = Routes()
_TYPES: tuple[RepoType, ...] = ("model", "dataset")
_SHOWN_BYTES = 1 << 20
_SHOWN = {
    "license": "License",
    "base_model": "Base model",
    "datasets": "Datasets",
    "language": "Language",
    "library_name": "Library",
    "pipeline_tag": "Task",
    "tags": "Tags",
}
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
# a page of a repository runs in an origin of its own, from which nothing can be asked of this one
_SANDBOX = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-modals"
)


@ROUTES("GET HEAD", "/")
def home(hub: HubState, request: Request) -> Response:
    """List the repositories that the browser may see."""
    known = hub.role(request)
    sections = []
    for repo_type in _TYPES:
        rows = []
        for repository in hub.storage.repositories(repo_type):
            if known or not repository.private:
                head = repository.commit_at("main")
                name = link(url_of(repository, ""), repository.id) + badges(repository)
                named = _words(card_of(repository, head).get("license"))
                tags = [tag for tag, commit in numbered(repository) if commit == head.id]
                rows.append((name, tags[-1] if tags else "–", named or "–", date_words(head.created_at)))
        heading = Markup("<h2>{}</h2>").format(f"{repo_type.capitalize()}s")
        sections.append(heading + table(("Name", "Version", "License", "Changed|date"), rows, none="None yet."))
    who = "Signed in: private repositories are listed." if known else link("/login", "Sign in to see what is private")
    note = Markup(
        '<p class="soft small">Of {}, on this machine only. {} (any name; the password is a token of this Hub).</p>'
        if not known
        else '<p class="soft small">Of {}, on this machine only. {}</p>'
    ).format(hub.user, who)
    return page("Local Hub", Markup('<main id="content"><h1>Local Hub</h1>{}{}</main>').format(note, joined(sections)))


@ROUTES("GET HEAD", "/login", "signed")
def login(hub: HubState, request: Request) -> Response:
    """Let the browser ask for a token, which it then sends with whatever it reads here."""
    with contextlib.suppress(CredentialsError):
        if hub.role(request):
            return Response(302, {"Location": "/"})
    headers = {"WWW-Authenticate": 'Basic realm="Local Hub: any name, a token as password", charset="UTF-8"'}
    return Response(401, headers)


@ROUTES("GET HEAD", "/favicon\\.ico")
def icon(_hub: HubState, _request: Request) -> Response:
    """Answer what every browser asks for: there is none."""
    return Response(204)


@ROUTES("GET HEAD", "/{prefix}{repo}")
def card(hub: HubState, request: Request, **at: str) -> Response:
    """Show the card, and above it what the repository is."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    commit = repository.commit_at("main")
    base, found = url_of(repository, ""), card_of(repository, commit)
    tags = [name for name, head in repository.refs("tag").items() if head == commit.id]
    version = Markup("{}, {}").format(commit_link(repository, commit), date_words(commit.created_at))
    pairs: list[tuple[str, str | Markup]] = [("Version", joined([f"{', '.join(tags)}: " if tags else "", version]))]
    if hub.may_read(request, repository):
        pairs += summary(repository, commit)
    pairs += [(name, _words(found.get(key))) for key, name in _SHOWN.items()]
    size = size_words(sum(entry.size for entry in commit.files.values()))
    pairs.append(("Files", link(f"{base}/tree/main", f"{len(commit.files)} files, {size}")))
    return framed(repository, commit, "Card", facts(pairs) + readme(hub, request, repository, commit, "main"))


@ROUTES("GET HEAD", "/{prefix}{repo}/tree/{rev}(?:/{path...})?")
def files_page(hub: HubState, request: Request, **at: str) -> Response:
    """List one folder of a revision; below the files of the root stands the card."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    commit = repository.commit_at(at["rev"])
    folder = at["path"].strip("/")
    start = f"{folder}/" if folder else ""
    base, revision = url_of(repository, ""), quote(at["rev"], safe="")
    inside = {path: entry for path, entry in commit.files.items() if path.startswith(start)}
    if not inside:
        msg = f"{repository.type} {repository.id!r} has no folder {folder!r} at {commit.id}."
        raise EntryNotFoundError(msg)
    folders = sorted({path[len(start) :].partition("/")[0] for path in inside if "/" in path[len(start) :]})
    rows: list[tuple[str | Markup, ...]] = []
    if folder:
        above = "/".join(parents(folder)[-1:])
        rows.append((link(f"{base}/tree/{revision}/{quote(above)}".rstrip("/"), "‥ (folder above)"), "", ""))
    for name in folders:
        size = sum(entry.size for path, entry in inside.items() if path.startswith(f"{start}{name}/"))
        rows.append((link(f"{base}/tree/{revision}/{quote(start + name)}", f"{name}/"), size_words(size), ""))
    for path, entry in inside.items():
        if "/" not in path[len(start) :]:
            shown = link(f"{base}/blob/{revision}/{quote(path)}", path[len(start) :])
            get = link(f"{base}/resolve/{revision}/{quote(path)}", "download")
            rows.append((shown, size_words(entry.size), get))
    body = Markup("<h2>Files of {}</h2>").format(f"{at['rev']}{': ' + folder if folder else ''}")
    body += table(("Name", "Size|num", "|date"), rows, none="No files.")
    if not folder:
        body += readme(hub, request, repository, commit, at["rev"])
    return framed(repository, commit, "Files", body)


@ROUTES("GET HEAD", "/{prefix}{repo}/blob/{rev}/{path...}")
def file_page(hub: HubState, request: Request, **at: str) -> Response:
    """Show one file: a card rendered, a text as text, and what is known of any other."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    hub.require_access(request, repository)
    commit, path = repository.commit_at(at["rev"]), at["path"]
    entry = repository.entry(commit, path)
    address = f"{quote(at['rev'], safe='')}/{quote(path)}"
    base = url_of(repository, "")
    kept = "in Git LFS" if entry.lfs else f"git blob {entry.blob_id}"
    links = [link(f"{base}/resolve/{address}", "Download")]
    if _is_page(path):
        links.insert(0, link(f"{base}/page/{address}", "Open as a page, kept apart from this Hub"))
    pairs = [
        ("Size", f"{size_words(entry.size)} ({entry.size:,} bytes), {kept}"),
        ("SHA-256", entry.sha256),
        ("Open", Markup(" · ").join(links)),
    ]
    body = Markup("<h2>{}</h2>").format(path) + facts(pairs)
    return framed(repository, commit, "Files", body + _content(repository, entry, path, base, at["rev"]))


@ROUTES("GET HEAD", "/{prefix}{repo}/page/{rev}/{path...}")
def sandboxed_page(hub: HubState, request: Request, **at: str) -> Response:
    """Send an HTML file as a page: its scripts run, but in no origin from which this Hub can be reached."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    hub.require_access(request, repository)
    entry = repository.entry(repository.commit_at(at["rev"]), at["path"])
    if not _is_page(at["path"]):
        msg = f"{at['path']!r} is no HTML file."
        raise EntryNotFoundError(msg)
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _SANDBOX,
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return Response.of_file(request, repository.objects.path(entry.sha256), entry.size, headers)


def error_page(error: RequestError) -> Response:
    """Return what went wrong as a page, for browsers."""
    title = {401: "Not signed in", 403: "Not allowed", 404: "Not here"}.get(error.status, "That did not work")
    sign_in = link("/login", "Sign in with a token of this Hub") + " · " if error.status in {401, 404} else Markup("")
    return page(
        title,
        Markup('<main id="content"><h1>{}</h1><p>{}</p><p>{}{}</p></main>').format(
            title, str(error), sign_in, link("/", "All repositories")
        ),
        status=error.status,
    )


def _content(repository: Repository, entry: Entry, path: str, base: str, revision: str) -> Markup:
    if not entry.lfs and path.lower().endswith(_IMAGES):
        source = f"{base}/resolve/{quote(revision, safe='')}/{quote(path)}"
        return Markup('<p><img src="{}" alt="{}"></p>').format(source, path)
    if entry.lfs or entry.size > _SHOWN_BYTES:
        return Markup('<p class="soft">Too large to be shown here.</p>')
    try:
        text = repository.objects.path(entry.sha256).read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return Markup('<p class="soft">No text.</p>')
    if path.lower().endswith(".md"):
        return rendered(text, Place(base, revision, path.rpartition("/")[0]))
    return Markup('<pre tabindex="0">{}</pre>').format(text)


def _words(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value or "")


def _is_page(path: str) -> bool:
    return path.lower().endswith((".html", ".htm"))

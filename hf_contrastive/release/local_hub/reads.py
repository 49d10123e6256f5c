"""Routes that read: who am I, repositories, trees, history, and the files themselves."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from hf_contrastive.release.local_hub import cards
from hf_contrastive.release.local_hub.errors import EntryNotFoundError, InvalidRequestError, NotFoundError
from hf_contrastive.release.local_hub.listing import continued, listed, started
from hf_contrastive.release.local_hub.objects import pointer
from hf_contrastive.release.local_hub.pulls import PullRequests
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.state import HubState, singular
from hf_contrastive.release.local_hub.trees import Commit
from hf_contrastive.release.local_hub.wire import Request, Response, Routes, parse_query

ROUTES = Routes()
_MAX_README_BYTES = 1 << 20
_PAGE, _COMMIT_PAGE = 1000, 50
_ADVICE = "/no-xet-storage-here/set-HF_HUB_DISABLE_XET=1-and-start-again"


@ROUTES("GET", "/api/whoami-v2", "read")
def whoami(hub: HubState, request: Request) -> Response:
    """Answer who the token belongs to, and what it allows."""
    access = {"displayName": "local", "role": hub.role(request)}
    auth = {"type": "access_token", "accessToken": access}
    user = {"type": "user", "id": hub.user, "name": hub.user, "fullname": hub.user, "orgs": [], "auth": auth}
    return Response.json(user)


@ROUTES("GET", "/api/agent-harnesses")
def agent_harnesses(_hub: HubState, _request: Request) -> Response:
    """Answer a registry that clients ask for once a day: none are known here."""
    return Response.json({"standardEnvVars": [], "harnesses": []})


@ROUTES("GET", "/api/{type}")
def list_repositories(hub: HubState, request: Request, **at: str) -> Response:
    """List the repositories that the request may see; ``author``, ``search`` and ``limit`` narrow it."""
    author, search = (request.query.get(name, [""])[0] for name in ("author", "search"))
    limit = request.number("limit", 1000, most=10**9)
    known = hub.role(request)
    found = [
        facts(repository, repository.commit_at("main"), full=False)
        for repository in hub.storage.repositories(singular(at["type"]))
        if (known or not repository.private)
        and (not author or repository.id.startswith(f"{author}/"))
        and search.lower() in repository.id.lower()
    ]
    return Response.json(found[:limit])


@ROUTES("GET", "/api/{type}/{repo}/tree/{rev}(?:/{path...})?")
def tree(hub: HubState, request: Request, **at: str) -> Response:
    """List a folder's files and folders, with ``recursive`` all below it, with ``expand`` their last commits."""
    repository = hub.readable(request, at["type"], at["repo"])
    revision, first = started(request)
    commit = repository.commit_at(revision or at["rev"])
    folder, folders = at["path"].strip("/"), commit.folders()
    if folder and folder not in folders:
        msg = f"{repository.type} {repository.id!r} has no folder {folder!r} at {commit.id}."
        error = EntryNotFoundError(msg)
        error.commit = commit.id
        raise error
    start = f"{folder}/" if folder else ""
    names = [name for name in sorted([*commit.files, *folders]) if name.startswith(start)]
    if not request.flag("recursive"):
        names = [name for name in names if "/" not in name[len(start) :]]
    page = request.number("limit", _PAGE, most=_PAGE) or 1
    items = listed(repository, commit, names[first : first + page], expand=request.flag("expand"))
    more = continued(request, commit, first + page, len(names))
    return Response.json(items, headers={"X-Repo-Commit": commit.id, **more})


@ROUTES("POST", "/api/{type}/{repo}/paths-info/{rev}")
def paths_info(hub: HubState, request: Request, **at: str) -> Response:
    """Describe the given paths; those that do not exist are left out."""
    repository = hub.readable(request, at["type"], at["repo"])
    commit = repository.commit_at(at["rev"])
    if request.headers.get_content_type() == "application/json":
        form: Mapping[str, Any] = request.body.json()
        paths, expand = form.get("paths", []), form.get("expand") is True
    else:
        form = parse_query(request.body.read().decode("utf-8", "replace"))
        paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() in {"1", "true"}
    paths = [paths] if isinstance(paths, str) else paths
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        msg = f"`paths` must be a list of strings, got {type(paths).__name__}."
        raise InvalidRequestError(msg)
    wanted = {path.strip("/") for path in paths}
    names = sorted(wanted & {*commit.files, *commit.folders()})
    return Response.json(listed(repository, commit, names, expand=expand))


@ROUTES("GET", "/api/{type}/{repo}/refs")
def refs(hub: HubState, request: Request, **at: str) -> Response:
    """List branches and tags."""
    repository = hub.readable(request, at["type"], at["repo"])

    def listed(kind: str, folder: str) -> list[dict[str, str]]:
        return [
            {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": commit}
            for name, commit in repository.refs(kind).items()
        ]

    answer = {"branches": listed("branch", "heads"), "converts": [], "tags": listed("tag", "tags")}
    if request.flag("include_prs"):
        answer["pullRequests"] = [
            {"name": str(pull["number"]), "ref": f"refs/pr/{pull['number']}", "targetCommit": pull["head"]}
            for pull in PullRequests(repository).all()
        ]
    return Response.json(answer)


@ROUTES("GET", "/api/{type}/{repo}/commits/{rev}")
def commits(hub: HubState, request: Request, **at: str) -> Response:
    """List a revision's history, the newest first."""
    repository = hub.readable(request, at["type"], at["repo"])
    formatted = "formatted" in request.query.get("expand", [])
    revision, first = started(request)
    head = repository.commit_at(revision or at["rev"])
    history = list(repository.history(head))
    page = request.number("limit", _COMMIT_PAGE, most=_PAGE) or 1
    items = []
    for commit in history[first : first + page]:
        item: dict[str, Any] = {
            "id": commit.id,
            "title": commit.title,
            "message": commit.message,
            "authors": [{"user": commit.author}],
            "date": commit.created_at,
        }
        if formatted:
            item["formatted"] = {"title": html.escape(commit.title), "message": html.escape(commit.message)}
        items.append(item)
    more = continued(request, head, first + page, len(history))
    return Response.json(items, headers={"X-Total-Count": str(len(history)), **more})


@ROUTES("GET", "/api/{type}/{repo}/auth-check")
def read_check(hub: HubState, request: Request, **at: str) -> Response:
    """Answer whether the request may read."""
    hub.require_access(request, hub.readable(request, at["type"], at["repo"]))
    return Response.json({})


@ROUTES("GET", "/api/{type}/{repo}/auth-check/write", "write")
def write_check(hub: HubState, _request: Request, **at: str) -> Response:
    """Answer whether the request may write."""
    hub.writable(at["type"], at["repo"])
    return Response.json({})


@ROUTES("GET", "/api/{type}/{repo}/xet-(?:read|write)-token/{rev}")
def xet_token(_hub: HubState, request: Request, **_at: str) -> Response:
    """Refuse: this Hub has no Xet storage, which only files above 100 MB are sent to.

    hf_xet tells its user of an answer no more than the status and the address, so the address says what to do.
    """
    return Response(307, {"Location": f"{request.origin}{_ADVICE}"})


@ROUTES("GET", re.escape(_ADVICE))
def xet_advice(_hub: HubState, _request: Request) -> Response:
    """Say what a client with Xet must do to send large files."""
    msg = "The local Hub has no Xet storage. Set HF_HUB_DISABLE_XET=1 before huggingface_hub is imported, then retry."
    raise NotFoundError(msg)


@ROUTES("GET", "/api/{type}/{repo}(?:/revision/{rev})?")
def info(hub: HubState, request: Request, **at: str) -> Response:
    """Describe a repository at a revision."""
    repository = hub.readable(request, at["type"], at["repo"])
    described = facts(repository, repository.commit_at(at["rev"] or "main"), blobs=request.flag("blobs"))
    wanted = request.query.get("expand")
    if wanted:
        kept = {"_id", "id", *wanted}
        described = {name: value for name, value in described.items() if name in kept}
    return Response.json(described)


@ROUTES("GET HEAD", "/{prefix}{repo}/resolve/{rev}/{path...}")
def resolve(hub: HubState, request: Request, **at: str) -> Response:
    """Send a file; an LFS file is sent from another origin, as on the Hub, to which clients send no token."""
    repository = hub.readable(request, at["prefix"], at["repo"])
    hub.require_access(request, repository)
    commit = repository.commit_at(at["rev"])
    entry = repository.entry(commit, at["path"])
    headers = {"X-Repo-Commit": commit.id, "ETag": f'"{entry.blob_id}"', "Content-Type": kind_of(at["path"])}
    if not entry.lfs:
        return Response.of_file(request, hub.storage.objects.path(entry.sha256), entry.size, headers)
    signature = hub.sign("get", entry.sha256, entry.size)
    headers |= {
        "ETag": f'"{entry.sha256}"',
        "X-Linked-Etag": f'"{entry.sha256}"',
        "X-Linked-Size": str(entry.size),
        "Location": f"{other_origin(request.origin)}/lfs/{entry.sha256}?size={entry.size}&signature={signature}",
    }
    return Response(302, headers)


def kind_of(path: str) -> str:
    """Return the media type of an image that runs nothing, and for every other file that it is to be kept."""
    suffix = path.rpartition(".")[2].lower()
    known = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "gif": "gif", "webp": "webp"}
    return f"image/{known[suffix]}" if suffix in known else "application/octet-stream"


def other_origin(origin: str) -> str:
    """Return the same server under its other name, so that a redirect changes the origin."""
    here, there = ("127.0.0.1", "localhost") if "127.0.0.1" in origin else ("localhost", "127.0.0.1")
    return origin.replace(here, there)


def facts(repository: Repository, commit: Commit, *, blobs: bool = False, full: bool = True) -> dict[str, Any]:
    """Return the JSON by which the Hub describes a repository; ``full`` adds its files."""
    card = card_of(repository, commit)
    model = repository.type == "model"
    library = cards.library_of(card, commit.files) if model else None
    described: dict[str, Any] = {
        "_id": repository.id,
        "id": repository.id,
        "author": repository.id.rpartition("/")[0] or None,
        "sha": commit.id,
        "lastModified": commit.created_at,
        "createdAt": repository.created_at,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": cards.tags_of(card, commit.files, library),
    }
    if model:
        described["modelId"] = repository.id
        pipeline = card.get("pipeline_tag")
        if pipeline is None and library == "sentence-transformers":
            pipeline = "sentence-similarity"
        described |= {name: value for name, value in (("library_name", library), ("pipeline_tag", pipeline)) if value}
    if card:
        described["cardData"] = card
    if full:
        described["siblings"] = [_sibling(commit, path, blobs=blobs) for path in commit.files]
        described["usedStorage"] = sum(entry.size for entry in commit.files.values())
    return described


def card_of(repository: Repository, commit: Commit) -> dict[str, Any]:
    """Return what can be read of the README's front matter."""
    return cards.parse(cards.front_matter(readme_of(repository, commit)) or "")


def readme_of(repository: Repository, commit: Commit) -> str:
    """Return the README's text, at most its first MiB, or an empty text."""
    entry = commit.files.get("README.md")
    if entry is None:
        return ""
    with repository.objects.path(entry.sha256).open("rb") as file:
        return file.read(_MAX_README_BYTES).decode("utf-8", "replace")


def _sibling(commit: Commit, path: str, *, blobs: bool) -> dict[str, Any]:
    entry = commit.files[path]
    if not blobs:
        return {"rfilename": path}
    described: dict[str, Any] = {"rfilename": path, "size": entry.size, "blobId": entry.blob_id}
    if entry.lfs:
        pointer_size = len(pointer(entry.sha256, entry.size))
        described["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": pointer_size}
    return described

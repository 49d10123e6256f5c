"""Routes that change something: repositories, commits, branches and tags."""

from __future__ import annotations

from typing import Any

from hf_contrastive.release.local_hub import cards
from hf_contrastive.release.local_hub.errors import ConflictError, InvalidRequestError
from hf_contrastive.release.local_hub.names import RepoType, check_path, repo_folder_name
from hf_contrastive.release.local_hub.objects import is_large
from hf_contrastive.release.local_hub.payload import read_payload
from hf_contrastive.release.local_hub.pulls import PullRequests
from hf_contrastive.release.local_hub.repositories import number_of
from hf_contrastive.release.local_hub.state import HubState, url_of
from hf_contrastive.release.local_hub.wire import Request, Response, Routes

ROUTES = Routes()
LFS_CLIENT = "git-lfs-without-xet"
"""A client whose User-Agent says ``origin/`` and this word uploads large files by Git LFS."""

XET_BYTES = 100_000_000
"""Larger files are always asked for by Git LFS: within a commit a client would hold them in memory, as base64."""


@ROUTES("POST", "/api/repos/create", "write")
def create(hub: HubState, request: Request) -> Response:
    """Create a repository; the answer for one that exists carries its address as well."""
    form = request.body.json()
    repo_type, repo_id = _named(hub, form)
    hub.require_namespace(repo_type, repo_id)
    private = form.get("visibility") == "private" or form.get("private") is True
    try:
        repository, status = hub.storage.create(repo_type, repo_id, author=hub.user, private=private), 200
        answer: dict[str, Any] = {}
    except ConflictError as error:
        repository, status = hub.storage.repository(repo_type, repo_id), error.status
        answer = {"error": str(error)}
    url = url_of(repository, request.origin)
    return Response.json({**answer, "url": url, "name": repo_id, "id": repo_id}, status)


@ROUTES("DELETE", "/api/repos/delete", "write")
def delete(hub: HubState, request: Request) -> Response:
    """Delete a repository with its whole history."""
    repo_type, repo_id = _named(hub, request.body.json())
    hub.storage.delete(hub.writable(repo_type, repo_id))
    return Response.json({})


@ROUTES("PUT", "/api/{type}/{repo}/settings", "write")
def settings(hub: HubState, request: Request, **at: str) -> Response:
    """Change the visibility, and whether the files need a token."""
    repository, form = hub.writable(at["type"], at["repo"]), request.body.json()
    changes: dict[str, str | bool] = {}
    visibility = form.get("visibility", {True: "private", False: "public"}.get(form.get("private", ...)))
    if isinstance(visibility, str) and visibility in {"private", "public"}:
        changes["private"] = visibility == "private"
    gated = form.get("gated")
    if gated is False or (isinstance(gated, str) and gated in {"auto", "manual"}):
        changes["gated"] = gated
    if len(changes) != len(form.keys() & {"gated"}) + bool(form.keys() & {"visibility", "private"}) or not changes:
        msg = (
            "The local Hub can set `visibility` to 'public' or 'private' and `gated` to 'auto', 'manual' or false, "
            f"got {str(sorted(form.items()))[:200]}."
        )
        raise InvalidRequestError(msg)
    repository.change(**changes)
    return Response.json({"private": repository.private, "gated": repository.gated})


@ROUTES("POST", "/api/repos/move", "write")
def move(hub: HubState, request: Request) -> Response:
    """Rename a repository within the user's namespace."""
    form = request.body.json()
    repo_type, repo_id = _named(hub, {"name": form.get("fromRepo"), "type": form.get("type")})
    _, new_id = _named(hub, {"name": form.get("toRepo"), "type": form.get("type")})
    hub.require_namespace(repo_type, new_id)
    hub.storage.move(hub.writable(repo_type, repo_id), new_id)
    return Response.json({"url": url_of(hub.storage.repository(repo_type, new_id), request.origin)})


@ROUTES("POST", "/api/validate-yaml")
def validate_yaml(_hub: HubState, request: Request) -> Response:
    """Check a README's front matter."""
    told = request.body.json()
    content = told.get("content")
    if not isinstance(content, str):
        msg = f"`content` must be a string, got {type(content).__name__}."
        raise InvalidRequestError(msg)
    errors, warnings = cards.problems(content, of_model=told.get("repoType", "model") == "model")
    answer = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return Response.json(answer, 400 if errors else 200)


@ROUTES("POST", "/api/{type}/{repo}/preupload/{rev}", "write")
def preupload(hub: HubState, request: Request, **at: str) -> Response:
    """Say for each file how to upload it, and what stands there now, so that clients skip what is unchanged."""
    repository = hub.writable(at["type"], at["repo"])
    commit = repository.commit_at(at["rev"])
    agent = request.headers.get("User-Agent", "")
    # `datasets` deletes its files between upload and commit, so it can only send them ahead
    takes_lfs = f"origin/{LFS_CLIENT}" in agent or agent.startswith("datasets/")
    answers = []
    for item in request.body.objects("files"):
        path, size = item.get("path"), item.get("size")
        if not isinstance(path, str) or not isinstance(size, int):
            msg = f"Each of `files` needs a `path` and a `size`, got {str(item)[:80]!r}."
            raise InvalidRequestError(msg)
        lfs = (takes_lfs or size > XET_BYTES) and is_large(check_path(path), size)
        answer: dict[str, Any] = {
            "path": check_path(path),
            "uploadMode": "lfs" if lfs else "regular",
            "shouldIgnore": False,
        }
        present = commit.files.get(path)
        if present is not None:
            # clients compare with the SHA-256 of a file sent by LFS, and with git's id of the content otherwise
            readable = present.lfs and not lfs and present.size == size
            regular = hub.storage.objects.blob_id(present.sha256) if readable else present.blob_id
            answer["oid"] = present.sha256 if lfs else regular
        answers.append(answer)
    return Response.json({"files": answers})


@ROUTES("POST", "/api/{type}/{repo}/commit/{rev}", "write")
def commit(hub: HubState, request: Request, **at: str) -> Response:
    """Add one commit, all of it or nothing: to a branch, to a pull request, or as a new pull request."""
    repository, author = hub.writable(at["type"], at["repo"]), hub.user
    payload = read_payload(request.body.chunks(), repository, at["rev"])
    url, answer = url_of(repository, request.origin), {}
    number = number_of(at["rev"])
    if number is not None:
        made = PullRequests(repository).add(number, payload, author=author)
    elif request.flag("create_pr"):
        record, made = PullRequests(repository).open_with(
            payload, base=at["rev"], author=author, title=payload.title, description=payload.message
        )
        answer["pullRequestUrl"] = f"{url}/discussions/{record['number']}"
    else:
        made = repository.commit(
            at["rev"],
            payload.operations,
            title=payload.title,
            message=payload.message,
            parent=payload.parent,
            author=author,
        )
    answer |= {"commitUrl": f"{url}/commit/{made.id}", "commitOid": made.id}
    return Response.json({"success": True, "hookOutput": "", **answer})


@ROUTES("POST", "/api/{type}/{repo}/super-squash/{rev}", "write")
def super_squash(hub: HubState, request: Request, **at: str) -> Response:
    """Make a branch's history one commit; tags keep the commits that they name."""
    repository, form = hub.writable(at["type"], at["repo"]), request.body.json()
    title = str(form.get("message") or f"Super-squash branch {at['rev']!r}")
    made = repository.squash(at["rev"], title=title, author=hub.user)
    return Response.json({"commitId": made.id})


@ROUTES("POST", "/api/{type}/{repo}/branch/{rev}", "write")
def create_branch(hub: HubState, request: Request, **at: str) -> Response:
    """Create a branch at ``startingPoint``, or at the head of main."""
    repository = hub.writable(at["type"], at["repo"])
    start = request.body.json().get("startingPoint", "main")
    repository.create_ref("branch", at["rev"], str(start))
    return Response.json({})


@ROUTES("DELETE", "/api/{type}/{repo}/branch/{rev}", "write")
def delete_branch(hub: HubState, _request: Request, **at: str) -> Response:
    """Delete a branch other than main."""
    hub.writable(at["type"], at["repo"]).delete_ref("branch", at["rev"])
    return Response.json({})


@ROUTES("POST", "/api/{type}/{repo}/tag/{rev}", "write")
def create_tag(hub: HubState, request: Request, **at: str) -> Response:
    """Tag a revision."""
    repository, form = hub.writable(at["type"], at["repo"]), request.body.json()
    name = form.get("tag")
    if not isinstance(name, str):
        msg = f"`tag` must be a string, got {type(name).__name__}."
        raise InvalidRequestError(msg)
    repository.create_ref("tag", name, at["rev"], message=str(form.get("message", "")))
    return Response.json({})


@ROUTES("DELETE", "/api/{type}/{repo}/tag/{rev}", "write")
def delete_tag(hub: HubState, _request: Request, **at: str) -> Response:
    """Delete a tag."""
    hub.writable(at["type"], at["repo"]).delete_ref("tag", at["rev"])
    return Response.json({})


def _named(hub: HubState, form: dict[str, Any]) -> tuple[RepoType, str]:
    """Return type and id of the repository that a form names."""
    name, namespace, repo_type = form.get("name"), form.get("organization"), form.get("type") or "model"
    known = repo_type == "model" or repo_type == "dataset"
    if not known or not isinstance(name, str) or not isinstance(namespace, str | None):
        msg = (
            f"A repository needs a `name` and the `type` model or dataset, got {str(name)[:80]!r} and "
            f"{str(repo_type)[:40]!r}; the local Hub has no Spaces."
        )
        raise InvalidRequestError(msg)
    repo_id = name if "/" in name else f"{namespace or hub.user}/{name}"
    repo_folder_name(repo_id)
    return ("dataset" if repo_type == "dataset" else "model"), repo_id

"""Routes that change something: repositories, commits, branches, tags, and Git LFS uploads."""

from __future__ import annotations

from typing import Any

from hf_contrastive.release.local_hub import cards
from hf_contrastive.release.local_hub.errors import (
    ConflictError,
    ForbiddenError,
    InvalidNameError,
    InvalidRequestError,
    NotFoundError,
)
from hf_contrastive.release.local_hub.names import RepoType, check_oid, check_path, repo_folder_name
from hf_contrastive.release.local_hub.objects import is_large
from hf_contrastive.release.local_hub.payload import read_payload
from hf_contrastive.release.local_hub.state import HubState, url_of
from hf_contrastive.release.local_hub.wire import Request, Response, Routes

ROUTES = Routes()
LFS_CLIENT = "git-lfs-without-xet"
"""A client whose User-Agent says ``origin/`` and this word uploads large files by Git LFS."""

_LFS_JSON = {"Content-Type": "application/vnd.git-lfs+json"}


@ROUTES("POST", "/api/repos/create", "token")
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


@ROUTES("DELETE", "/api/repos/delete", "token")
def delete(hub: HubState, request: Request) -> Response:
    """Delete a repository with its whole history."""
    repo_type, repo_id = _named(hub, request.body.json())
    hub.storage.delete(hub.writable(repo_type, repo_id))
    return Response.json({})


@ROUTES("PUT", "/api/{type}/{repo}/settings", "token")
def settings(hub: HubState, request: Request, **at: str) -> Response:
    """Change the visibility."""
    repository, form = hub.writable(at["type"], at["repo"]), request.body.json()
    visibility = form.get("visibility", "private" if form.get("private") is True else "public")
    known = visibility == "private" or visibility == "public"
    if not known or form.get("gated") or not form.keys() & {"visibility", "private"}:
        msg = f"The local Hub can set the visibility to 'public' or 'private', got {sorted(form.items())!r}."
        raise InvalidRequestError(msg)
    repository.set_private(visibility == "private")
    return Response.json({"private": repository.private})


@ROUTES("POST", "/api/validate-yaml")
def validate_yaml(_hub: HubState, request: Request) -> Response:
    """Check a README's front matter."""
    content = request.body.json().get("content")
    if not isinstance(content, str):
        msg = f"`content` must be a string, got {type(content).__name__}."
        raise InvalidRequestError(msg)
    errors, warnings = cards.problems(content)
    answer = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return Response.json(answer, 400 if errors else 200)


@ROUTES("POST", "/api/{type}/{repo}/preupload/{rev}", "token")
def preupload(hub: HubState, request: Request, **at: str) -> Response:
    """Say for each file how to upload it, and what stands there now, so that clients skip what is unchanged."""
    repository = hub.writable(at["type"], at["repo"])
    _refuse_pull_request(request)
    commit = repository.commit_at(at["rev"])
    agent = request.headers.get("User-Agent", "")
    # `datasets` deletes its files between upload and commit, so it can only send them ahead
    takes_lfs = f"origin/{LFS_CLIENT}" in agent or agent.startswith("datasets/")
    answers = []
    for item in _objects(request, "files"):
        path, size = item.get("path"), item.get("size")
        if not isinstance(path, str) or not isinstance(size, int):
            msg = f"Each of `files` needs a `path` and a `size`, got {str(item)[:80]!r}."
            raise InvalidRequestError(msg)
        lfs = takes_lfs and is_large(check_path(path), size)
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


@ROUTES("POST", "/api/{type}/{repo}/commit/{rev}", "token")
def commit(hub: HubState, request: Request, **at: str) -> Response:
    """Add one commit, all of it or nothing."""
    repository = hub.writable(at["type"], at["repo"])
    _refuse_pull_request(request)
    payload = read_payload(request.body.chunks(), repository, at["rev"])
    made = repository.commit(
        at["rev"],
        payload.operations,
        title=payload.title,
        message=payload.message,
        parent=payload.parent,
        author=hub.user,
    )
    url = f"{url_of(repository, request.origin)}/commit/{made.id}"
    return Response.json({"success": True, "commitUrl": url, "commitOid": made.id, "hookOutput": ""})


@ROUTES("POST", "/api/{type}/{repo}/branch/{rev}", "token")
def create_branch(hub: HubState, request: Request, **at: str) -> Response:
    """Create a branch at ``startingPoint``, or at the head of main."""
    repository = hub.writable(at["type"], at["repo"])
    start = request.body.json().get("startingPoint", "main")
    repository.create_ref("branch", at["rev"], str(start))
    return Response.json({})


@ROUTES("DELETE", "/api/{type}/{repo}/branch/{rev}", "token")
def delete_branch(hub: HubState, _request: Request, **at: str) -> Response:
    """Delete a branch other than main."""
    hub.writable(at["type"], at["repo"]).delete_ref("branch", at["rev"])
    return Response.json({})


@ROUTES("POST", "/api/{type}/{repo}/tag/{rev}", "token")
def create_tag(hub: HubState, request: Request, **at: str) -> Response:
    """Tag a revision."""
    repository, form = hub.writable(at["type"], at["repo"]), request.body.json()
    name = form.get("tag")
    if not isinstance(name, str):
        msg = f"`tag` must be a string, got {type(name).__name__}."
        raise InvalidRequestError(msg)
    repository.create_ref("tag", name, at["rev"], message=str(form.get("message", "")))
    return Response.json({})


@ROUTES("DELETE", "/api/{type}/{repo}/tag/{rev}", "token")
def delete_tag(hub: HubState, _request: Request, **at: str) -> Response:
    """Delete a tag."""
    hub.writable(at["type"], at["repo"]).delete_ref("tag", at["rev"])
    return Response.json({})


@ROUTES("POST", r"/{prefix}{repo}\.git/info/lfs/objects/batch", "token")
def lfs_batch(hub: HubState, request: Request, **at: str) -> Response:
    """Say where to upload the objects that are not stored yet; the addresses carry their own signature."""
    repository = hub.writable(at["prefix"], at["repo"])
    answers = []
    for item in _objects(request, "objects"):
        oid, size = item.get("oid"), item.get("size")
        answer: dict[str, Any] = {"oid": str(oid), "size": size if isinstance(size, int) else -1}
        try:
            check_oid(oid)
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                msg = f"The size of an object is a number of bytes, got {size!r}."
                raise InvalidRequestError(msg)
            if hub.storage.objects.size(answer["oid"]) != size:
                signature = hub.sign("put", answer["oid"], size)
                put = f"{request.origin}/lfs/{oid}?size={size}&signature={signature}"
                verify = f"{url_of(repository, request.origin)}.git/info/lfs/verify"
                answer["actions"] = {"upload": {"href": put}, "verify": {"href": verify}}
        except (InvalidNameError, InvalidRequestError) as error:
            answer["error"] = {"code": 422, "message": str(error)}
        answers.append(answer)
    return Response.json({"transfer": "basic", "objects": answers, "hash_algo": "sha256"}, headers=_LFS_JSON)


@ROUTES("POST", r"/{prefix}{repo}\.git/info/lfs/verify", "token")
def lfs_verify(hub: HubState, request: Request, **at: str) -> Response:
    """Confirm that an object is stored completely."""
    hub.writable(at["prefix"], at["repo"])
    form = request.body.json()
    stored = hub.storage.objects.size(check_oid(form.get("oid")))
    if stored is None or stored != form.get("size"):
        msg = f"Object {form['oid']} is not stored with {form.get('size')!r} bytes; upload it again."
        raise NotFoundError(msg)
    return Response.json({}, headers=_LFS_JSON)


@ROUTES("PUT", "/lfs/{oid}", "signed")
def lfs_put(hub: HubState, request: Request, **at: str) -> Response:
    """Take one object; it is kept only if its SHA-256 and its size are the announced ones."""
    oid, size = _signed(hub, request, "put", at["oid"])
    hub.storage.objects.put(request.body.chunks(), oid=oid, size=size)
    return Response(200, {"ETag": f'"{oid}"'})


@ROUTES("GET HEAD", "/lfs/{oid}", "signed")
def lfs_get(hub: HubState, request: Request, **at: str) -> Response:
    """Send one object."""
    oid, size = _signed(hub, request, "get", at["oid"])
    return Response.of_file(request, hub.storage.objects.path(oid), size, {"ETag": f'"{oid}"'})


def _signed(hub: HubState, request: Request, action: str, oid: str) -> tuple[str, int]:
    """Return the object id and size of a URL that this server signed."""
    size, given = (request.query.get(name, [""])[0] for name in ("size", "signature"))
    if size.isascii() and size.isdigit() and len(size) < 19 and hub.is_signed(action, check_oid(oid), int(size), given):
        return oid, int(size)
    msg = "This address was not signed by the running server; ask for a new one."
    raise ForbiddenError(msg)


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


def _objects(request: Request, name: str) -> list[dict[str, Any]]:
    """Return the list of objects under ``name`` in the body."""
    items = request.body.json().get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        msg = f"`{name}` must be a list of objects, got {type(items).__name__}."
        raise InvalidRequestError(msg)
    return items


def _refuse_pull_request(request: Request) -> None:
    if request.flag("create_pr"):
        msg = "The local Hub has no pull requests; commit to a branch."
        raise InvalidRequestError(msg)

"""Routes of pull requests, which the Hub keeps among its discussions; plain discussions are not there."""

from __future__ import annotations

from typing import Any

from hf_contrastive.release.local_hub.differences import difference
from hf_contrastive.release.local_hub.errors import InvalidRequestError
from hf_contrastive.release.local_hub.pulls import OPEN, PullRequests
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.state import HubState
from hf_contrastive.release.local_hub.wire import Request, Response, Routes

ROUTES = Routes()
_PAGE = 50
_STATUS = {"open": OPEN, "closed": frozenset({"closed", "merged"})}


@ROUTES("GET", "/api/{type}/{repo}/discussions")
def discussions(hub: HubState, request: Request, **at: str) -> Response:
    """List pull requests, the newest first; ``type``, ``status``, ``author`` and the page ``p`` narrow it."""
    repository = hub.readable(request, at["type"], at["repo"])
    kind, status, author = (request.query.get(name, [""])[0] for name in ("type", "status", "author"))
    found = [
        pull
        for pull in PullRequests(repository).all()
        if kind != "discussion"
        and (not author or pull["author"] == author)
        and pull["status"] in _STATUS.get(status, {pull["status"]})
    ]
    start = request.number("p", 0, most=10**6) * _PAGE
    page = [_facts(repository, pull) for pull in found[start : start + _PAGE]]
    return Response.json({"discussions": page, "count": len(found), "start": start})


@ROUTES("POST", "/api/{type}/{repo}/discussions", "write")
def open_pull_request(hub: HubState, request: Request, **at: str) -> Response:
    """Open a draft, to which commits are added as ``refs/pr/<number>``."""
    repository, form = hub.writable(at["type"], at["repo"]), request.body.json()
    if form.get("pullRequest") is not True:
        msg = "The local Hub has pull requests, but no discussions; set `pullRequest`."
        raise InvalidRequestError(msg)
    pull = PullRequests(repository).open(
        author=hub.user, title=_text(form, "title"), description=_text(form, "description")
    )
    return Response.json({"num": pull["number"], "pullRequest": True})


@ROUTES("GET", "/api/{type}/{repo}/discussions/{number}")
def details(hub: HubState, request: Request, **at: str) -> Response:
    """Describe one pull request, with ``diff`` what it changes."""
    repository = hub.readable(request, at["type"], at["repo"])
    pulls = PullRequests(repository)
    pull = pulls.read(_number(at))
    answer = _facts(repository, pull) | {
        "events": pull["events"],
        "filesWithConflicts": pulls.conflicts(pull),
        "changes": {"base": f"refs/heads/{pull['base']}", "mergeCommitId": pull["merge_commit"]},
    }
    if pull["status"] != "merged":
        del answer["changes"]["mergeCommitId"]
    if request.flag("diff"):
        hub.require_access(request, repository)
        old, new = (repository.commit_at(pull[name]) for name in ("base_commit", "head"))
        answer["diff"] = difference(old.files, new.files, repository.objects)
    return Response.json(answer)


@ROUTES("POST", "/api/{type}/{repo}/discussions/{number}/comment", "write")
def comment(hub: HubState, request: Request, **at: str) -> Response:
    """Add a comment."""
    pulls, form = PullRequests(hub.writable(at["type"], at["repo"])), request.body.json()
    return Response.json({"newMessage": pulls.say(_number(at), hub.user, _text(form, "comment"))})


@ROUTES("POST", "/api/{type}/{repo}/discussions/{number}/title", "write")
def rename(hub: HubState, request: Request, **at: str) -> Response:
    """Change the title."""
    pulls, form = PullRequests(hub.writable(at["type"], at["repo"])), request.body.json()
    return Response.json({"newTitle": pulls.rename(_number(at), hub.user, _text(form, "title"))})


@ROUTES("POST", "/api/{type}/{repo}/discussions/{number}/status", "write")
def change_status(hub: HubState, request: Request, **at: str) -> Response:
    """Open or close it."""
    pulls, form = PullRequests(hub.writable(at["type"], at["repo"])), request.body.json()
    event = pulls.set_status(_number(at), hub.user, _text(form, "status"), _text(form, "comment", default=""))
    return Response.json({"newStatus": event})


@ROUTES("POST", "/api/{type}/{repo}/discussions/{number}/merge", "write")
def merge(hub: HubState, request: Request, **at: str) -> Response:
    """Bring its changes to its base as one commit."""
    pulls, form = PullRequests(hub.writable(at["type"], at["repo"])), request.body.json()
    made = pulls.merge(_number(at), hub.user, _text(form, "comment", default=""))
    return Response.json({"success": True, "commitOid": made.id})


def _facts(repository: Repository, pull: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON by which the Hub lists a pull request."""
    return {
        "num": pull["number"],
        "title": pull["title"],
        "author": {"name": pull["author"]},
        "status": pull["status"],
        "createdAt": pull["created_at"],
        "isPullRequest": True,
        "repo": {"name": repository.id, "type": repository.type},
        "numComments": sum(event["type"] == "comment" for event in pull["events"]),
    }


def _number(at: dict[str, str]) -> int:
    text = at["number"]
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        msg = f"A pull request is named by its number, got {text[:40]!r}."
        raise InvalidRequestError(msg)
    return int(text)


def _text(form: dict[str, Any], name: str, *, default: str | None = None) -> str:
    text = form.get(name, default)
    if not isinstance(text, str):
        msg = f"`{name}` must be a string, got {type(text).__name__}."
        raise InvalidRequestError(msg)
    return text

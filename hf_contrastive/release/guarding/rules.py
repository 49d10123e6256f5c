"""Which requests the guard lets through: reads, what withdraws, and what an open plan names.

Whatever is not known to be one of these is refused, so that an operation that the Hub may get next year is refused too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from hf_contrastive.release.guarding.plans import OpenPlan, OpenPlans
from hf_contrastive.release.guarding.requests import HubRequest, UnreadableRequestError, operations

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITE_TOKEN = "xet-write-token"
_COMMIT_ID = re.compile("[0-9a-f]{40}")
_CREATION = frozenset({"name", "organization", "type", "visibility", "private", "sdk", "resourceGroupId", "region"})
_WITHDRAWALS = ({"visibility": "private"}, {"private": True}, {"gated": "manual"})
_NO_PLAN = "is in no plan that is being pushed"


def refusals(request: HubRequest, plans: OpenPlans, hosts: Collection[str]) -> tuple[str, ...]:
    """Return what speaks against a request; () lets it through.

    Args:
        request: the one that is about to be sent.
        plans: what is being pushed.
        hosts: of Hubs, where every request that writes must be known. Elsewhere, a POST to no address of a Hub's
            API passes: it asks a model for its output.
    """
    if _WRITE_TOKEN in request.segments:
        rest = request.in_area
        repo_id = "/".join(rest[:2]) if request.area == "models" else ""
        return () if plans.of(repo_id) else (f"it asks for leave to upload what {_NO_PLAN}",)
    if request.method in _READS or plans.gave(request.address):
        return ()
    if any(part in (".", "..") for part in request.segments) or "" in request.segments[:-1]:
        return ("its path has parts that a server may leave out",)
    try:
        return tuple(_written(request, plans, hosts))
    except UnreadableRequestError as error:
        return (str(error),)


def _written(request: HubRequest, plans: OpenPlans, hosts: Collection[str]) -> Iterator[str]:
    batch = request.lfs_batch
    repo_id, verb, arguments = request.operation
    rule = _RULES.get((request.method, verb))
    if batch is not None:
        yield from _objects(request, batch, plans)
    elif verb and rule is not None and len(arguments) == (0 if verb == "settings" else 1):
        yield from rule(request, repo_id if request.area == "models" else "", plans)
    elif request.area == "repos" and request.in_area == ("create",) and request.method == "POST":
        yield from _creation(request)
    elif _is_harmless(request):
        return
    elif request.area or request.host in hosts or request.method != "POST" or request.segments[-1:] == ("uploads",):
        yield "it writes to a Hub what no plan can name"


def _is_harmless(request: HubRequest) -> bool:
    """Whether a request only logs in, asks for a check or a list, or deletes a repository."""
    if request.method == "DELETE":
        return request.area == "repos" and request.in_area == ("delete",)
    if request.method != "POST":
        return False
    asks = request.area == "validate-yaml" or (request.area == "buckets" and request.in_area[2:3] == ("paths-info",))
    return asks or (request.area == "" and request.segments[:1] == ("oauth",))


def _passes(request: HubRequest, repo_id: str, plans: OpenPlans) -> Iterator[str]:
    yield from ()


def _commit(request: HubRequest, repo_id: str, plans: OpenPlans) -> Iterator[str]:
    wanted = list(operations(request.read()))

    def problems(plan: OpenPlan | None) -> Iterator[str]:
        for each in wanted:
            if each.sha256 is None:
                if plan is None or not plan.deletes(each.path):
                    yield f"the deletion of {each.path} {_NO_PLAN}"
            elif plan is None or each.path not in plan.files:
                yield f"{each.path} {_NO_PLAN}"
            elif plan.files[each.path].sha256 != each.sha256:
                yield f"{each.path} has SHA-256 {each.sha256[:12]}…, planned is {plan.files[each.path].sha256[:12]}…"

    yield from _pull_request(request)
    yield from _best(plans.of(repo_id), problems) or ([] if plans.of(repo_id) else ["an empty commit"])


def _preupload(request: HubRequest, repo_id: str, plans: OpenPlans) -> Iterator[str]:
    """Refuse files before any of their bytes are sent: from here on, Xet uploads them by a client of its own."""
    wanted = [(item.get("path"), item.get("size")) for item in request.listed("files")]

    def problems(plan: OpenPlan | None) -> Iterator[str]:
        for path, size in wanted:
            planned = plan.files.get(path) if plan is not None and isinstance(path, str) else None
            if planned is None:
                yield f"{path} {_NO_PLAN}"
            elif planned.size != size:
                yield f"{path} has {size} bytes, planned are {planned.size}"

    yield from _pull_request(request)
    yield from _best(plans.of(repo_id), problems)


def _objects(request: HubRequest, repo_id: str, plans: OpenPlans) -> Iterator[str]:
    if request.form().get("operation") == "download":
        return
    wanted = [item.get("oid") for item in request.listed("objects")]

    def problems(plan: OpenPlan | None) -> Iterator[str]:
        known = {item.sha256 for item in plan.files.values()} if plan is not None else set()
        yield from (f"the object {str(oid)[:12]}… {_NO_PLAN}" for oid in wanted if oid not in known)

    yield from _best(plans.of(repo_id), problems)


def _best(plans: tuple[OpenPlan, ...], problems: Callable[[OpenPlan | None], Iterator[str]]) -> list[str]:
    """Return the problems with the plan that fits best: one plan must name all of a request."""
    return min((list(problems(plan)) for plan in plans or (None,)), key=len)


def _pull_request(request: HubRequest) -> Iterator[str]:
    if "create_pr" in request.query:
        yield "it would open a pull request, which is no part of a plan"


def _tag(request: HubRequest, repo_id: str, plans: OpenPlans) -> Iterator[str]:
    if not set(request.form()) <= {"tag", "message"}:
        yield "it holds more than a tag and its message"
    yield from _pointer(request.operation[2][0], repo_id, plans)


def _branch(request: HubRequest, repo_id: str, plans: OpenPlans) -> Iterator[str]:
    form = request.form()
    if not set(form) <= {"startingPoint"}:
        yield "it holds more than where the branch starts"
    yield from _pointer(str(form.get("startingPoint", "main")), repo_id, plans)


def _pointer(revision: str, repo_id: str, plans: OpenPlans) -> Iterator[str]:
    # a push that is repeated tags a commit that an earlier process made
    pushing = bool(plans.of(repo_id)) and _COMMIT_ID.fullmatch(revision)
    if not pushing and not plans.has_commit(repo_id, revision):
        yield f"{revision} is not the id of a commit that was pushed through the gate by this process"


def _settings(request: HubRequest, repo_id: str, plans: OpenPlans) -> Iterator[str]:
    form = request.form()
    if not form or any({name: value} not in _WITHDRAWALS for name, value in form.items()):
        yield "it changes who can see a repository otherwise than to private or to access by hand"


def _creation(request: HubRequest) -> Iterator[str]:
    form = request.form()
    if more := sorted(set(form) - _CREATION):
        yield f"it makes a repository that is not empty, or runs ({', '.join(more)})"
    if form.get("type", "model") not in ("model", "dataset", "space"):
        yield f"it makes a {form['type']}"


_Rule = Callable[[HubRequest, str, OpenPlans], Iterator[str]]
_RULES: dict[tuple[str, str], _Rule] = {
    ("POST", "commit"): _commit,
    ("POST", "preupload"): _preupload,
    ("POST", "paths-info"): _passes,
    ("POST", "tag"): _tag,
    ("POST", "branch"): _branch,
    ("DELETE", "tag"): _passes,
    ("DELETE", "branch"): _passes,
    ("PUT", "settings"): _settings,
}

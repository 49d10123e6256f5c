"""Git LFS: what is to be uploaded, the upload in one piece or in parts, and the download."""

from __future__ import annotations

import secrets
from typing import Any

from hf_contrastive.release.local_hub import parts
from hf_contrastive.release.local_hub.errors import (
    ForbiddenError,
    InvalidNameError,
    InvalidRequestError,
    NotFoundError,
)
from hf_contrastive.release.local_hub.names import check_oid
from hf_contrastive.release.local_hub.parts import part_count
from hf_contrastive.release.local_hub.state import HubState, url_of
from hf_contrastive.release.local_hub.wire import Request, Response, Routes

ROUTES = Routes()
_LFS_JSON = {"Content-Type": "application/vnd.git-lfs+json"}


@ROUTES("POST", r"/{prefix}{repo}\.git/info/lfs/objects/batch", "write")
def lfs_batch(hub: HubState, request: Request, **at: str) -> Response:
    """Say where to upload the objects that are not stored yet; the addresses carry their own signature."""
    repository, form = hub.writable(at["prefix"], at["repo"]), request.body.json()
    in_parts = "multipart" in _list(form, "transfers")
    answers = []
    for item in _list(form, "objects"):
        if not isinstance(item, dict):
            msg = f"`objects` must be a list of objects, got {type(item).__name__} in it."
            raise InvalidRequestError(msg)
        oid, size = item.get("oid"), item.get("size")
        answer: dict[str, Any] = {"oid": str(oid), "size": size if isinstance(size, int) else -1}
        try:
            check_oid(oid)
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                msg = f"The size of an object is a number of bytes, got {size!r}."
                raise InvalidRequestError(msg)
            if hub.storage.objects.size(answer["oid"]) != size:
                verify = f"{url_of(repository, request.origin)}.git/info/lfs/verify"
                upload = _upload(hub, request.origin, answer["oid"], size, in_parts=in_parts)
                answer["actions"] = {"upload": upload, "verify": {"href": verify}}
        except (InvalidNameError, InvalidRequestError) as error:
            answer["error"] = {"code": 422, "message": str(error)}
        answers.append(answer)
    return Response.json({"transfer": "basic", "objects": answers, "hash_algo": "sha256"}, headers=_LFS_JSON)


@ROUTES("POST", r"/{prefix}{repo}\.git/info/lfs/verify", "write")
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


@ROUTES("PUT", "/lfs/{oid}/parts/{upload}/{number}", "signed")
def lfs_put_part(hub: HubState, request: Request, **at: str) -> Response:
    """Take one part of an object."""
    action = f"put part {at['number']} of {at['upload']}"
    oid, size = _signed(hub, request, action, at["oid"])
    hub.uploads.write(at["upload"], int(at["number"]), size, request.body.chunks())
    return Response(200, {"ETag": _etag(oid, at["number"])})


@ROUTES("POST", "/lfs/{oid}/parts/{upload}", "signed")
def lfs_complete(hub: HubState, request: Request, **at: str) -> Response:
    """Make an object of its parts."""
    oid, size = _signed(hub, request, f"complete {at['upload']}", at["oid"])
    form = request.body.json()
    wanted = [{"partNumber": number, "etag": _etag(oid, str(number))} for number in range(1, part_count(size) + 1)]
    if form.get("oid") != oid or form.get("parts") != wanted:
        msg = f"The parts of object {oid} must be named 1 to {len(wanted)} in order, with the ETags of their answers."
        raise InvalidRequestError(msg)
    hub.uploads.complete(at["upload"], oid, size)
    return Response.json({}, headers=_LFS_JSON)


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


def _upload(hub: HubState, origin: str, oid: str, size: int, *, in_parts: bool) -> dict[str, Any]:
    """Return where to send an object: in one piece, or each part by an address of its own."""

    def address(action: str, rest: str = "") -> str:
        return f"{origin}/lfs/{oid}{rest}?size={size}&signature={hub.sign(action, oid, size)}"

    if not in_parts or part_count(size) < 2:
        return {"href": address("put")}
    upload = secrets.token_hex(16)
    header = {"chunk_size": str(parts.MULTIPART_BYTES)}
    for number in range(1, part_count(size) + 1):
        header[f"{number:05}"] = address(f"put part {number} of {upload}", f"/parts/{upload}/{number}")
    return {"href": address(f"complete {upload}", f"/parts/{upload}"), "header": header}


def _etag(oid: str, number: str) -> str:
    return f'"{oid[:16]}-{number}"'


def _list(form: dict[str, Any], name: str) -> list[Any]:
    items = form.get(name, [])
    if not isinstance(items, list):
        msg = f"`{name}` must be a list, got {type(items).__name__}."
        raise InvalidRequestError(msg)
    return items

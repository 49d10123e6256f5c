"""What every route can reach: the storage, who may write, and signatures for URLs that carry no token."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Literal

from hf_contrastive.release.local_hub.errors import (
    CredentialsError,
    ForbiddenError,
    GatedRepoError,
    RepoNotFoundError,
)
from hf_contrastive.release.local_hub.names import RepoType
from hf_contrastive.release.local_hub.parts import PartialUploads
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.storage import Storage
from hf_contrastive.release.local_hub.wire import Request

Role = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class HubState:
    """A hub at work: its storage, its one user, and that user's tokens to write and to read."""

    storage: Storage
    user: str
    token: str
    read_token: str
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    uploads: PartialUploads = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "uploads", PartialUploads(self.storage.objects))

    def role(self, request: Request) -> Role | None:
        """Return what the request's token allows, or None if it carries none.

        Raises:
            CredentialsError: it carries another one; the Hub refuses that for public files, too.
        """
        header = request.headers.get("Authorization")
        if header is None:
            return None
        given = _token_in(header, may_be_basic=request.method in {"GET", "HEAD"})
        known: dict[Role, str] = {"write": self.token, "read": self.read_token}
        for role, token in known.items():
            if given is not None and hmac.compare_digest(given, token.encode()):
                return role
        msg = "Invalid credentials in Authorization header"
        raise CredentialsError(msg)

    def require(self, request: Request, wanted: Role) -> None:
        """Raise unless the request's token allows ``wanted``; the token to write also reads.

        Raises:
            CredentialsError: there is no token, or a wrong one.
            ForbiddenError: it only reads.
        """
        role = self.role(request)
        if role is None:
            msg = "Invalid username or password. This needs the local Hub's token: set HF_TOKEN or pass token=."
            raise CredentialsError(msg)
        if wanted == "write" and role == "read":
            msg = "You don't have the rights to write here: this token only reads; use the local Hub's token to write."
            raise ForbiddenError(msg)

    def require_namespace(self, repo_type: RepoType, repo_id: str) -> None:
        """Raise :class:`ForbiddenError` unless the user owns ``repo_id``."""
        namespace = repo_id.partition("/")[0] if "/" in repo_id else None
        if namespace != self.user:
            msg = (
                f"You don't have the rights to write the {repo_type} {repo_id!r}: this token belongs to "
                f"{self.user!r}. Use {self.user}/NAME, or start the local Hub with another user."
            )
            raise ForbiddenError(msg)

    def readable(self, request: Request, plural: str, repo_id: str) -> Repository:
        """Return a repository that the request may read.

        Raises:
            CredentialsError: the token is wrong.
            RepoNotFoundError: there is none, or it is private and the token is missing.
        """
        repo_type = singular(plural)
        repository = self.storage.repository(repo_type, repo_id)
        if repository.private and not self.role(request):
            msg = f"There is no {repo_type} {repo_id!r} on this Hub that can be read without its token."
            raise RepoNotFoundError(msg)
        return repository

    def may_read(self, request: Request, repository: Repository) -> bool:
        """Whether the request may read the files of a repository that it may see."""
        return not repository.gated or self.role(request) is not None

    def require_access(self, request: Request, repository: Repository) -> None:
        """Raise :class:`GatedRepoError` where the files need a token and the request carries none."""
        if not self.may_read(request, repository):
            msg = (
                f"Access to {repository.type} {repository.id!r} is restricted: its files need the local Hub's token. "
                "Set HF_TOKEN or pass token=."
            )
            raise GatedRepoError(msg)

    def writable(self, plural: str, repo_id: str) -> Repository:
        """Return a repository that the user may write; the route has asked for the token.

        Raises:
            ForbiddenError: it belongs to someone else.
            RepoNotFoundError: there is none.
        """
        repository = self.storage.repository(singular(plural), repo_id)
        self.require_namespace(repository.type, repo_id)
        return repository

    def sign(self, action: str, oid: str, size: int) -> str:
        """Return the signature that lets a URL ``action`` (get or put) one object of ``size`` bytes."""
        return hmac.new(self.secret, f"{action} {oid} {size}".encode(), hashlib.sha256).hexdigest()

    def is_signed(self, action: str, oid: str, size: int, signature: str) -> bool:
        """Return whether :meth:`sign` gave this signature."""
        return hmac.compare_digest(self.sign(action, oid, size).encode(), signature.encode())


def _token_in(header: str, *, may_be_basic: bool) -> bytes | None:
    """Return the token of an ``Authorization`` header; browsers send it as the password of a user.

    A browser adds that to every request to this origin, whoever made it, so it counts only for reading.
    """
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip().encode()
    if scheme.lower() == "basic" and may_be_basic:
        try:
            return base64.b64decode(given.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return None
    return None


def singular(plural: str) -> RepoType:
    """Return the repository type of a URL part: ``models``, ``datasets``, ``datasets/`` or nothing (a model)."""
    return "dataset" if plural.startswith("dataset") else "model"


def url_of(repository: Repository, origin: str) -> str:
    """Return a repository's address on the Hub at ``origin``."""
    return f"{origin}/{'datasets/' if repository.type == 'dataset' else ''}{repository.id}"

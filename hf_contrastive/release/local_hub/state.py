"""What every route can reach: the storage, who may write, and signatures for URLs that carry no token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from hf_contrastive.release.local_hub.errors import CredentialsError, ForbiddenError, RepoNotFoundError
from hf_contrastive.release.local_hub.names import RepoType
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.storage import Storage
from hf_contrastive.release.local_hub.wire import Request


@dataclass(frozen=True, slots=True)
class HubState:
    """A hub at work: its storage, its one user and that user's token."""

    storage: Storage
    user: str
    token: str
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def has_token(self, request: Request) -> bool:
        """Return whether the request carries the token.

        Raises:
            CredentialsError: it carries another one; the Hub refuses that for public files, too.
        """
        header = request.headers.get("Authorization")
        if header is None:
            return False
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
            msg = "Invalid credentials in Authorization header"
            raise CredentialsError(msg)
        return True

    def require_token(self, request: Request) -> None:
        """Raise :class:`CredentialsError` unless the request carries the token."""
        if not self.has_token(request):
            msg = "Invalid username or password. This needs the local Hub's token: set HF_TOKEN or pass token=."
            raise CredentialsError(msg)

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
        if repository.private and not self.has_token(request):
            msg = f"There is no {repo_type} {repo_id!r} on this Hub that can be read without its token."
            raise RepoNotFoundError(msg)
        return repository

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


def singular(plural: str) -> RepoType:
    """Return the repository type of a URL part: ``models``, ``datasets``, ``datasets/`` or nothing (a model)."""
    return "dataset" if plural.startswith("dataset") else "model"


def url_of(repository: Repository, origin: str) -> str:
    """Return a repository's address on the Hub at ``origin``."""
    return f"{origin}/{'datasets/' if repository.type == 'dataset' else ''}{repository.id}"

"""What a request can do wrong, and the HTTP status and ``X-Error-Code`` that the Hub gives it."""

from __future__ import annotations

from typing import ClassVar

from hf_contrastive.errors import ContrastiveError, HubError


class LocalHubError(HubError):
    """The local Hub can not start or store: its folder, its port, or a name is unusable."""


class LocalHubSettingError(LocalHubError):
    """The local Hub can not start with a token that was given: another one would do."""


class RequestError(ContrastiveError):
    """Base of every error that is answered to a client; its text is the answer's message.

    Attributes:
        status: HTTP status of the answer.
        code: value of the header ``X-Error-Code``, or None.
        commit: commit for the header ``X-Repo-Commit``, where the revision was found.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str | None] = None
    commit: str | None = None


class InvalidRequestError(RequestError, ValueError):
    """The request's form is wrong: malformed JSON, an unknown operation, a missing field."""


class InvalidNameError(RequestError, ValueError):
    """A repository id, path, revision or object id that is not allowed."""


class CredentialsError(RequestError):
    """No token, or a wrong one."""

    status = 401


class ForbiddenError(RequestError):
    """The token is right but does not reach this far."""

    status = 403


class NotFoundError(RequestError, LookupError):
    """No such route or object."""

    status = 404


class RepoNotFoundError(NotFoundError):
    """No such repository, or a private one seen without its token."""

    code = "RepoNotFound"


class RevisionNotFoundError(NotFoundError):
    """No such branch, tag or commit."""

    code = "RevisionNotFound"


class EntryNotFoundError(NotFoundError):
    """No such file or folder at that revision."""

    code = "EntryNotFound"


class GatedRepoError(RequestError):
    """The repository can be seen, but its files need a token."""

    status = 401
    code = "GatedRepo"


class ConflictError(RequestError):
    """The repository, branch or tag exists already."""

    status = 409


class StaleParentError(RequestError):
    """``parentCommit`` is no longer the branch's head."""

    status = 412


class StorageError(RequestError):
    """The disk refused; nothing was changed."""

    status = 507

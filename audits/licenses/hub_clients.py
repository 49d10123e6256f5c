"""Read repositories from a Hub over HTTP; the clients of all kinds under one name."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from audits.errors import LineageError
from audits.licenses.repo_folders import FolderHub, local_snapshot
from audits.licenses.snapshots import (
    MAX_FILE_BYTES,
    HubClient,
    RepoKind,
    RepoSnapshot,
    base_of_config,
    card_metadata,
    check_repo_id,
    gate_of,
    gating_text,
    license_names,
    shown,
)

__all__ = ["FolderHub", "HubClient", "OnlineHub", "RepoSnapshot", "local_snapshot"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError)
_TRIES = 2  # unanswered requests in a row, after which a host is not asked again


class OnlineHub:
    """A Hub over HTTP: the public one, an own one, or a local one.

    Nothing is written to a cache. Every file is read at the commit that the first answer names. After two requests
    without any answer the Hub counts as unreachable for this client, so that a long walk ends soon.
    """

    def __init__(self, *, endpoint: str | None = None, token: str | bool | None = None, timeout: float = 10.0) -> None:
        """Prepare, without a request.

        Args:
            endpoint: of the Hub; default: what huggingface_hub uses (HF_ENDPOINT).
            token: default: the one that is logged in; False for none.
            timeout: seconds to wait for an answer, and for the whole of a file.

        Raises:
            LineageError: ``endpoint`` is no address.
        """
        if endpoint is not None:
            _check_endpoint(endpoint)
        self._endpoint, self._token, self._timeout = endpoint, token, timeout
        self._unanswered = 0

    def snapshot(self, kind: RepoKind, repo_id: str, revision: str | None = None) -> RepoSnapshot:
        """Return what the repository says of its license; see :meth:`HubClient.snapshot`.

        Where a gate or a missing right keeps the card closed, the metadata that the Hub gives everybody stands in.

        Raises:
            LineageError: it can not be read; the message says why.
        """
        import huggingface_hub

        check_repo_id(repo_id)
        api = huggingface_hub.HfApi(endpoint=self._endpoint, token=self._token)
        _check_endpoint(api.endpoint)
        what = f"the {kind} {repo_id}"
        if self._unanswered >= _TRIES:
            msg = f"{what} was not asked for: the Hub left {_TRIES} requests in a row unanswered"
            raise LineageError(msg)
        try:
            info: Any = api.repo_info(repo_id, repo_type=kind, revision=revision, timeout=self._timeout)
            self._unanswered = 0
            commit, name = info.sha, check_repo_id(info.id)
        except _failures() as error:
            raise LineageError(self._reason(error, what, revision)) from error
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            msg = f"{what} was described without a commit, so that nothing could be pinned"
            raise LineageError(msg)
        listed = [item.rfilename for item in info.siblings or () if isinstance(item.rfilename, str)]
        names, problems = license_names(listed)
        read: dict[str, bytes] = {}
        cut = []
        extra = [name for name in ("README.md", "adapter_config.json") if name in listed]
        for path in [*extra, *names]:
            try:
                content = self._read(name, kind, commit, path)
            except _failures() as error:
                reason = self._reason(error, f"{path} of {what}", commit)
                closed = _status(error) in (401, 403)
                if path == "README.md" and not closed:
                    raise LineageError(reason) from error
                problems[path] = reason
                continue
            read[path] = content[:MAX_FILE_BYTES]
            cut += [path] if len(content) > MAX_FILE_BYTES else []
        card = read.pop("README.md", None)
        metadata = _given_metadata(info) if card is None else None
        own, _ = card_metadata(card if card is not None else metadata)
        return RepoSnapshot(
            kind=kind,
            repo_id=name,
            commit=commit,
            card=card,
            declared_bases=base_of_config("adapter_config.json", read.pop("adapter_config.json", b"")),
            files=read,
            gated=gate_of(info.gated),
            gating_text=gating_text(own),
            metadata=metadata,
            cut=tuple(cut),
            problems=problems,
        )

    def _read(self, repo_id: str, kind: RepoKind, commit: str, path: str) -> bytes:
        """Return at most a byte more than is kept of a file."""
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, but not exported in its types
            build_hf_headers,
            hf_raise_for_status,
        )

        url = hf_hub_url(repo_id, path, repo_type=kind, revision=commit, endpoint=self._endpoint)
        headers = build_hf_headers(token=self._token)
        deadline = time.monotonic() + self._timeout
        content = bytearray()
        with get_session().stream("GET", url, headers=headers, timeout=self._timeout, follow_redirects=True) as answer:
            hf_raise_for_status(answer)
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > MAX_FILE_BYTES:
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError
        return bytes(content[: MAX_FILE_BYTES + 1])

    def _reason(self, error: Exception, what: str, revision: str | None) -> str:
        """Return why a request failed, in words that hold neither a token nor the Hub's own text."""
        from huggingface_hub import errors

        status = _status(error)
        if isinstance(error, LineageError):
            return f"{what} was described with a name that is no repository id"
        if isinstance(error, errors.OfflineModeIsEnabled):
            return f"{what} was not asked for: HF_HUB_OFFLINE is set"
        if isinstance(error, errors.GatedRepoError):
            return f"{what} is gated, and this account has no access"
        if isinstance(error, errors.RevisionNotFoundError):
            return f"{what} has no revision {shown(str(revision))}"
        if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
            return f"{what} does not exist, or this account may not see it (status {status})"
        if status == 403:
            return f"{what} may not be read by this account (status 403)"
        if status == 429:
            return f"{what} was refused for too many requests (status 429); try again later"
        if status is not None:
            return f"{what} could not be read: the Hub answered with status {status}"
        if isinstance(error, _MALFORMED):
            return f"{what} was described in a form that is not the Hub's ({type(error).__name__})"
        self._unanswered += 1
        return f"{what} could not be read: the Hub could not be reached ({type(error).__name__})"


def _failures() -> tuple[type[Exception], ...]:
    """Return what a request can raise; the HTTP library below huggingface_hub changes between its versions."""
    from huggingface_hub import errors

    unanswered = (base for base in errors.HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")
    return (*(base for base in unanswered if issubclass(base, Exception)), OSError, LineageError, *_MALFORMED)


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        msg = f"{shown(endpoint)} is no address of a Hub; allowed is `http://HOST[:PORT]` or `https://HOST[:PORT]`."
        raise LineageError(msg)


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _given_metadata(info: Any) -> bytes | None:
    """Return the card's metadata as the Hub read it, in the form of a card, None where there is none."""
    data = info.card_data
    data = data.to_dict() if hasattr(data, "to_dict") else data
    if not isinstance(data, Mapping) or not data:
        return None
    plain = json.loads(json.dumps(data, default=str))
    return f"---\n{yaml.safe_dump(plain, allow_unicode=True, sort_keys=False)}---\n".encode("utf-8", "replace")

"""What goes wrong between this machine and the Hub: which faults pass, how long they are waited for, how they are told.

huggingface_hub repeats some requests by itself and others never, waits without end for an answer that does not come,
and raises whatever its parsing of an odd answer gives. Here what can be repeated without harm is repeated, and every
fault has one form.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from typing import TypeVar

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    FileMetadataError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
)

from hf_contrastive.release.sending.actions import PUSH, Action, Outcome, sentence
from hf_contrastive.release.sending.traffic import Traffic, bounded_silence

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)

# huggingface_hub's errors derive from those of its HTTP client, whose module name differs between versions
_HTTP_ERRORS = tuple(
    kind for kind in HfHubHTTPError.__mro__ if issubclass(kind, Exception) and kind.__name__ == "HTTPError"
)
FAULTS: tuple[type[Exception], ...] = (
    *_HTTP_ERRORS,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OSError,
    ValueError,
    # an upload that failed, and what reading an answer of another form gives
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
)
"""What a call of huggingface_hub may raise because of the Hub, the network, the token or a file."""

TRIES = 4
FIRST_WAIT_SECONDS = 1.0
"""Before the second try; each further wait is twice as long."""

PATIENCE_SECONDS = 90.0
"""After this time no further try is begun."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNREADABLE = (json.JSONDecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError, FileMetadataError)
_SILENT = (*_HTTP_ERRORS, ConnectionError, TimeoutError, LocalEntryNotFoundError)
_RESET = re.compile(r";\s*t=(\d+)")


class UnreadableAnswerError(ValueError):
    """The Hub, or something before it, answered in another form than the Hub does."""


class Patience:
    """A bounded number of tries within a bounded time."""

    def __init__(self) -> None:
        self._left = TRIES - 1
        self._wait = FIRST_WAIT_SECONDS
        self._end = time.monotonic() + PATIENCE_SECONDS

    def allows(self, error: Exception, *, fresh: bool = False) -> bool:
        """Wait and return True if another try makes sense; else return False at once.

        Args:
            error: of the last try.
            fresh: the repository was made just now, so that "not found" passes.
        """
        wait = max(self._wait, _asked_wait(error))
        if self._left <= 0 or not passes(error, fresh=fresh) or time.monotonic() + wait > self._end:
            return False
        self._left -= 1
        self._wait *= 2
        _logger.warning("The Hub did not do what it was asked (%s); trying again in %.0f s.", first_line(error), wait)
        time.sleep(wait)
        return True


def asked(call: Callable[[], _T], *, fresh: bool = False, first: bool = False) -> _T:
    """Return what ``call`` returns, repeating it while its faults pass; doing it twice must do no harm.

    Args:
        call: asks the Hub.
        fresh: the repository was made just now, so that "not found" passes.
        first: nothing has answered yet: where nobody listens, it is told at once.
    """
    patience = Patience()
    while True:
        try:
            with bounded_silence():
                return call()
        except FAULTS as error:
            if (first and is_unreachable(error)) or not patience.allows(error, fresh=fresh):
                raise


def root_of(error: Exception) -> Exception:
    """Return what is behind the errors by which huggingface_hub tells of an upload, or of a file that is not here."""
    while isinstance(error, RuntimeError | LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def status(error: Exception) -> int | None:
    """Return the HTTP status that the Hub answered, if it did."""
    found = getattr(getattr(root_of(error), "response", None), "status_code", None)
    return found if isinstance(found, int) else None


def passes(error: Exception, *, fresh: bool = False) -> bool:
    """Whether the next try may go well without anybody doing anything."""
    root, answered = root_of(error), status(error)
    if answered is not None:
        return answered in _PASSING or (fresh and answered == 404)
    if isinstance(root, OfflineModeIsEnabled | LocalTokenNotFoundError):
        return False
    return is_lost(root) or is_unreadable(root) or isinstance(root, RuntimeError)


def is_lost(error: Exception) -> bool:
    """Whether no answer came."""
    root = root_of(error)
    return status(root) is None and isinstance(root, _SILENT)


def is_unreachable(error: Exception) -> bool:
    """Whether there was not even a connection."""
    root = root_of(error)
    return type(root).__name__ in ("ConnectError", "ConnectTimeout") or isinstance(root, OfflineModeIsEnabled)


def is_unreadable(error: Exception) -> bool:
    """Whether an answer came that the Hub does not give."""
    return isinstance(root_of(error), (*_UNREADABLE, UnreadableAnswerError))


def is_refused(error: Exception) -> bool:
    """Whether the Hub read the request and said no."""
    answered = status(error)
    return answered is not None and 400 <= answered < 500 and answered not in _PASSING and answered not in (409, 412)


def is_login_refused(error: BaseException | None) -> bool:
    """Whether the Hub does not know who asks: the token is wrong, or there is none."""
    if not isinstance(error, Exception):
        return False
    return isinstance(root_of(error), LocalTokenNotFoundError) or status(error) == 401


def may_be_commit(error: Exception, traffic: Traffic) -> bool:
    """Whether the commit itself may have been sent, and not only what goes before it.

    Args:
        error: of ``create_commit``.
        traffic: what was asked meanwhile.
    """
    path = _path_of(root_of(error))
    # else: a file that can not be read, an argument that is refused on this side, or an answer that can not be read
    return "/commit/" in path if path is not None else traffic.may_hold("/commit/")


def unread(error: Exception, traffic: Traffic) -> Exception:
    """Return ``error``, or what stands behind one about the form of an answer: a status that nobody looked at."""
    if is_unreadable(error) and traffic.last_status is not None and traffic.last_status >= 400:
        told = UnreadableAnswerError(f"status {traffic.last_status}, without the JSON that a Hub gives")
        told.__cause__ = error
        return told
    return error


def explain(error: Exception, repo_id: str, api: HfApi, *, outcome: Outcome = "absent", action: Action = PUSH) -> str:
    """Return one paragraph: what failed, whether anything was changed, what to do.

    Args:
        error: one of :data:`FAULTS`.
        repo_id: of the repository that was to be written.
        api: with the endpoint.
        outcome: what is known of the commit.
        action: what was done.
    """
    root, answered, first = root_of(error), status(error), first_line(error)
    known, again = action.outcomes[outcome], sentence(action.again)
    if is_login_refused(error):
        return (
            f"The Hub at {api.endpoint} asks who you are before {repo_id} can be written: no valid token was sent. "
            f"Log in with `hf auth login` or set HF_TOKEN to a token with write permission. {sentence(known)}."
        )
    if answered == 403:
        return (
            f"The token may not write {repo_id} at {api.endpoint} ({first}). Use one with write permission "
            f"for it. {sentence(known)}."
        )
    if is_unreadable(root):
        return (
            f"What answers at {api.endpoint} is no Hub, or something between ({first}); {known}. Check HF_ENDPOINT and "
            "the network's proxy."
        )
    if is_lost(root):
        return (
            f"The Hub at {api.endpoint} can not be reached ({first}); {known}. Check the network or "
            "HF_ENDPOINT, or rehearse with `hf-contrastive hub serve DIR`."
        )
    if answered in _PASSING:
        wait = _asked_wait(error)
        when = f"in {wait:.0f} s, as it asks" if wait else "later"
        return (
            f"The Hub at {api.endpoint} can not take the {action.named} {repo_id} now ({first}); {known}. "
            f"{again} {when}."
        )
    if isinstance(root, OSError) and answered is None:
        return f"A file for {repo_id} can not be read ({first}); {known}. {again} once it can."
    return f"The Hub at {api.endpoint} refused the {action.named} {repo_id}: {first}. {sentence(known)}."


def first_line(error: Exception) -> str:
    """Return what an error says, short and without its addresses for experts."""
    root = root_of(error)
    if isinstance(root, _UNREADABLE):
        return f"an answer in another form than the Hub's, {type(root).__name__}"
    return (str(root).strip().splitlines() or [type(root).__name__])[0].rstrip(". :")


def _asked_wait(error: Exception) -> float:
    """Return the seconds that the Hub asks to wait."""
    headers = getattr(getattr(root_of(error), "response", None), "headers", None) or {}
    told = str(headers.get("retry-after", "")).strip()
    if told.isascii() and told.isdigit():
        return float(told[:6])
    limit = _RESET.search(str(headers.get("ratelimit", ""))) if status(error) == 429 else None
    return float(limit[1][:6]) if limit else 0.0


def _path_of(error: Exception) -> str | None:
    """Return the path of the request that failed, where the error knows it."""
    for holder in (getattr(error, "response", None), error):
        try:
            return str(holder.request.url.path)  # type: ignore[union-attr]
        except (AttributeError, RuntimeError):
            # the HTTP client raises RuntimeError where there was no request
            continue
    return None

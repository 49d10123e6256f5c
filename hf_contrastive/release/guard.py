"""A guard over a whole process: nothing is published but what has passed the gate.

``ContrastiveTrainer`` and ``push`` have the gate built in. A script that holds a model can still publish it past them:
``model.push_to_hub()``, a plain ``Trainer``, ``upload_folder``, a dataset with rows that were audited away. All of
these send their requests through the HTTP client of ``huggingface_hub``, and :func:`guard` looks at each request
there, before it is sent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from types import ModuleType, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub import constants

from hf_contrastive.errors import ConfigurationError, PushBlocked
from hf_contrastive.release.guard_plans import PLANS, allow
from hf_contrastive.release.guard_requests import HubRequest, UnreadableRequestError, parsed_object
from hf_contrastive.release.guard_rules import refusals

__all__ = ["Guard", "allow", "guard"]

_logger = logging.getLogger(__name__)
_SHOWN = 5
_LOCK = threading.RLock()
_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "hub-ci.huggingface.co"})

_Factory = Callable[[], Any]


def guard() -> Guard:
    """Let nothing leave this process for a Hub but what has passed the gate, from now on.

    For the rest of the process, or, as ``with guard(): …``, for a block, after which things are as they were; a
    guard within another one ends with the outer one. While it is on, ``push`` and ``ContrastiveTrainer.push_to_hub``
    work as always, and everything else that would publish raises :class:`~hf_contrastive.errors.PushBlocked` before
    a byte of the file is sent: ``Trainer(push_to_hub=True)``, ``push_to_hub`` of models, tokenizers, PEFT,
    sentence-transformers and datasets, ``upload_file``, ``upload_folder``, ``create_commit``, ``HfFileSystem``, the
    functions behind ``hf upload``, with Xet and without, also from threads. A push in the background has nobody to
    raise to, so each refusal is also a warning in the log.

    What passes:

    * whatever reads, logs in, or asks a model for its output;
    * a commit of which every file has path and SHA-256 of the plan that a push has brought through the gate and is
      pushing at this moment, and its uploads; tags and branches on such commits;
    * making an empty repository, which tells its name to the world and no more, since many programs start with it;
    * what withdraws: deleting a repository, a branch or a tag, making one private, gating it by hand.

    All else that writes to a Hub is refused, whether or not it is known: pull requests and merges, squashes,
    duplicates, moves, making a repository public, datasets and Spaces, buckets, jobs, discussions, attachments.

    What it can not stop:

    * other processes: it is set up anew in each; one that was forked has it, one that was started has not. So ``git
      push`` and the command ``hf`` in a shell pass;
    * other ways out of the process: HTTP libraries that a program uses itself (requests, httpx), sockets, uploads to
      places that are no Hub, such as Weights & Biases;
    * asynchronous clients that were made before; synchronous ones are closed and made anew;
    * blobs that were uploaded before. To the storage of a *bucket*, the Xet client uploads by itself, before the
      request that is refused: they stay there unnamed, and nobody can list them;
    * code that wants past it: it runs in the same process, and can call :func:`allow` or end the guard.

    Keep the token that may write away from programs that must not publish; the guard is for mistakes.

    Returns:
        The guard, to be used as a context manager or to be closed.

    Raises:
        ConfigurationError: this huggingface_hub does not say which HTTP client it uses.
    """
    return Guard()


class Guard(AbstractContextManager["Guard"]):
    """One that is on, until it is closed; :func:`guard` makes it."""

    def __init__(self) -> None:
        self._on = True
        _CLIENTS.hold()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """End it; safe to call twice."""
        with _LOCK:
            if self._on:
                self._on = False
                _CLIENTS.release()


class _Clients:
    """The factories that huggingface_hub makes its HTTP clients with, with a hook in each client while a guard is on.

    Nothing but the factories is replaced. A program that sets a factory of its own meanwhile, for a proxy say, would
    end the guard without knowing, so the functions that set one are replaced by such that put the hook in as well.
    """

    def __init__(self) -> None:
        self._holders = 0
        self._setters: list[tuple[ModuleType, str, Any]] = []
        self._wrapped: dict[str, tuple[_Factory, _Factory]] = {}

    def hold(self) -> None:
        with _LOCK:
            if self._holders == 0:
                self._install()
            self._holders += 1

    def release(self) -> None:
        with _LOCK:
            self._holders -= 1
            if self._holders == 0:
                self._restore()

    @property
    def on(self) -> bool:
        return self._holders > 0

    def _install(self) -> None:
        http = _http_module()
        found = {name: getattr(http, variable, None) for name, (variable, _) in _SETTERS.items()}
        if not all(callable(factory) for factory in found.values()):
            msg = (
                f"`guard()` can not be put up: huggingface_hub {huggingface_hub.__version__} does not say which HTTP "
                "client it uses. Install huggingface_hub 2.4, and keep write tokens away from this process until then."
            )
            raise ConfigurationError(msg)
        modules = (http, huggingface_hub.utils, huggingface_hub)
        originals = {name: getattr(http, name) for name in _SETTERS}
        for name, original in originals.items():
            self._setters += [(module, name, getattr(module, name)) for module in modules]
            for module in modules:
                setattr(module, name, self._setter(name, original))
            self._set(name, original, found[name])

    def _setter(self, name: str, original: Callable[[_Factory], None]) -> Callable[[_Factory], None]:
        def set_factory(client_factory: _Factory) -> None:
            with _LOCK:
                self._set(name, original, client_factory)

        set_factory.__doc__ = original.__doc__
        return set_factory

    def _set(self, name: str, original: Callable[[_Factory], None], factory: Any) -> None:
        wrapped = _hooked(factory, asynchronous=name != "set_client_factory")
        self._wrapped[name] = (wrapped, factory)
        # it closes the client that is shared, so that the next request is made with a new one
        original(wrapped)

    def _restore(self) -> None:
        http = _http_module()
        for module, name, original in self._setters:
            setattr(module, name, original)
        self._setters = []
        for name, (variable, _) in _SETTERS.items():
            wrapped, factory = self._wrapped.pop(name)
            # one that was set past the guard is somebody else's
            if getattr(http, variable) is wrapped:
                getattr(http, name)(factory)


_SETTERS = {
    "set_client_factory": ("_GLOBAL_CLIENT_FACTORY", "default_client_factory"),
    "set_async_client_factory": ("_GLOBAL_ASYNC_CLIENT_FACTORY", "default_async_client_factory"),
}
_CLIENTS = _Clients()


def _http_module() -> ModuleType:
    from huggingface_hub.utils import _http

    return _http


def _hooked(factory: _Factory, *, asynchronous: bool) -> _Factory:
    check, note = (_check_async, _note_async) if asynchronous else (_check, _note)

    def client_factory() -> Any:
        client = factory()
        hooks = client.event_hooks
        # last, so that what it sees is what is sent; a factory may hand out the same client again
        before = [hook for hook in hooks.get("request", []) if hook is not check]
        after = [hook for hook in hooks.get("response", []) if hook is not note]
        client.event_hooks = {**hooks, "request": [*before, check], "response": [note, *after]}
        return client

    return client_factory


def _check(request: Any) -> None:
    """Refuse a request of a client of httpx or httpx2 that would publish what is in no open plan.

    Raises:
        PushBlocked: it would.
    """
    if not _CLIENTS.on:
        return
    asked = _request_of(request, request.read)
    problems = refusals(asked, PLANS, _hosts())
    if problems:
        raise _refused(asked, problems)


async def _check_async(request: Any) -> None:
    if not _CLIENTS.on:
        return
    asked = _request_of(request, bytes)
    # uploads to a storage, and what a model is asked, are not read: they may be large
    body = await request.aread() if asked.area or asked.lfs_batch is not None else b""
    asked = replace(asked, read=lambda: body)
    if problems := refusals(asked, PLANS, _hosts()):
        raise _refused(asked, problems)


def _note(response: Any) -> None:
    """Note where the Hub asks for the objects of a plan, and which commit came of it."""
    if _CLIENTS.on and _is_noteworthy(response):
        _take_note(response, response.read())


async def _note_async(response: Any) -> None:
    if _CLIENTS.on and _is_noteworthy(response):
        _take_note(response, await response.aread())


def _is_noteworthy(response: Any) -> bool:
    asked = _request_of(response.request, bytes)
    written = asked.lfs_batch is not None or asked.operation[1] == "commit"
    return written and asked.method == "POST" and bool(response.is_success)


def _take_note(response: Any, body: bytes) -> None:
    asked = _request_of(response.request, bytes)
    try:
        answer = parsed_object(body)
    except UnreadableRequestError:
        # the caller tells
        return
    repo_id, verb, _ = asked.operation
    if verb == "commit" and asked.area == "models":
        PLANS.add_commit(repo_id, str(answer.get("commitOid")))
    for item in answer.get("objects") or [] if asked.lfs_batch is not None else []:
        actions = item.get("actions") or {}
        upload, verify = actions.get("upload") or {}, actions.get("verify") or {}
        parts = [url for name, url in (upload.get("header") or {}).items() if name.isdigit()]
        urls = [url for url in (upload.get("href"), verify.get("href"), *parts) if isinstance(url, str)]
        addresses = [response.request.url.join(url).raw_path.decode("ascii") for url in urls]
        PLANS.give(asked.lfs_batch or "", str(item.get("oid")), addresses)


def _request_of(request: Any, read: Callable[[], bytes]) -> HubRequest:
    return HubRequest.of(request.method, request.url.host, request.url.raw_path.decode("ascii"), read)


def _hosts() -> frozenset[str]:
    """Return the hosts of Hubs, read at every request, since a test may change the endpoint."""
    named = (constants.ENDPOINT, *(getattr(constants, name, "") for name in _DEPLOYMENTS))
    return _HOSTS | {host for host in (urlsplit(endpoint).hostname for endpoint in named) if host}


_DEPLOYMENTS = ("INFERENCE_ENDPOINTS_ENDPOINT", "INFERENCE_CATALOG_ENDPOINT")


def _refused(asked: HubRequest, problems: tuple[str, ...]) -> PushBlocked:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    message = (
        f"`hf_contrastive.guard()` refused {asked.method} {asked.path}: {'; '.join(problems[:_SHOWN])}{more}. While it "
        "is on, this process publishes only what passes the gate: use `hf_contrastive.push(folder, repo_id, data=…)` "
        "or `ContrastiveTrainer.push_to_hub()`, or end the guard."
    )
    # what is pushed in the background has nobody to raise to
    _logger.warning("%s", message)
    return PushBlocked(message, problems=problems)

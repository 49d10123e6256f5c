"""The HTTP clients of huggingface_hub, with a hook in each while a guard is on."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub import constants

from hf_contrastive.errors import ConfigurationError, PushBlocked
from hf_contrastive.release.guarding.plans import PLANS
from hf_contrastive.release.guarding.requests import HubRequest, UnreadableRequestError, parsed_object
from hf_contrastive.release.guarding.rules import refusals

_logger = logging.getLogger(__name__)
_SHOWN = 5
_LOCK = threading.RLock()
_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "hub-ci.huggingface.co"})
_DEPLOYMENTS = ("INFERENCE_ENDPOINTS_ENDPOINT", "INFERENCE_CATALOG_ENDPOINT")
_SETTERS = {
    "set_client_factory": "_GLOBAL_CLIENT_FACTORY",
    "set_async_client_factory": "_GLOBAL_ASYNC_CLIENT_FACTORY",
}

_Factory = Callable[[], Any]


class HubClients:
    """The factories that huggingface_hub makes its HTTP clients with, with a hook in each client while a guard is on.

    A program that sets a factory of its own meanwhile, for a proxy say, would end the guard without knowing, so the
    functions that set one are replaced, wherever a module has imported them, by such that put the hook in as well.
    """

    def __init__(self) -> None:
        self._holders = 0
        self._originals: dict[str, Callable[[_Factory], None]] = {}
        self._stand_ins = {name: self._stand_in(name) for name in _SETTERS}
        self._wrapped: dict[str, tuple[_Factory, _Factory]] = {}

    @property
    def on(self) -> bool:
        """Whether there is a guard."""
        return self._holders > 0

    def hold(self) -> None:
        """Put the hooks in, for one guard more.

        Raises:
            ConfigurationError: huggingface_hub does not say which client it uses.
        """
        with _LOCK:
            if self._holders == 0:
                self._install()
            self._holders += 1

    def release(self) -> None:
        """Take the hooks out, if this was the last guard."""
        with _LOCK:
            self._holders -= 1
            if self._holders == 0:
                self._restore()

    def _install(self) -> None:
        http = _http_module()
        found = {name: getattr(http, variable, None) for name, variable in _SETTERS.items()}
        if not all(callable(factory) for factory in found.values()):
            msg = (
                f"`guard()` can not be put up: huggingface_hub {huggingface_hub.__version__} does not say which HTTP "
                "client it uses. Install huggingface_hub 2.4, and keep write tokens away from this process until then."
            )
            raise ConfigurationError(msg)
        self._originals = {name: getattr(http, name) for name in _SETTERS}
        self._swap(self._originals, self._stand_ins)
        for name, factory in found.items():
            self._set(name, factory)

    def _restore(self) -> None:
        http = _http_module()
        self._swap(self._stand_ins, self._originals)
        for name, variable in _SETTERS.items():
            wrapped, factory = self._wrapped.pop(name)
            # one that was set past the guard is somebody else's
            if getattr(http, variable) is wrapped:
                self._originals[name](factory)

    def _swap(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        other = {id(old[name]): new[name] for name in _SETTERS}
        for module in [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]:
            # read from its dictionary: to ask a lazy module would import what it names
            for name, value in list(vars(module).items()):
                if id(value) in other:
                    setattr(module, name, other[id(value)])

    def _stand_in(self, name: str) -> Callable[[_Factory], None]:
        def set_factory(client_factory: _Factory) -> None:
            with _LOCK:
                if self.on:
                    self._set(name, client_factory)
                else:
                    # imported by its name while there was a guard
                    getattr(_http_module(), name)(client_factory)

        set_factory.__name__ = name
        return set_factory

    def _set(self, name: str, factory: Any) -> None:
        wrapped = _hooked(factory, asynchronous=name != "set_client_factory")
        self._wrapped[name] = (wrapped, factory)
        # this closes the client that is shared, so that the next request is made with a new one
        self._originals[name](wrapped)


CLIENTS = HubClients()
"""Those of this process."""


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
    if not CLIENTS.on:
        return
    asked = _request_of(request, request.read)
    problems = refusals(asked, PLANS, _hosts())
    if problems:
        raise _refused(asked, problems)


async def _check_async(request: Any) -> None:
    if not CLIENTS.on:
        return
    asked = _request_of(request, bytes)
    # uploads to a storage, and what a model is asked, are not read: they may be large
    body = await request.aread() if asked.area or asked.lfs_batch is not None else b""
    asked = replace(asked, read=lambda: body)
    if problems := refusals(asked, PLANS, _hosts()):
        raise _refused(asked, problems)


def _note(response: Any) -> None:
    """Note where the Hub asks for the objects of a plan, and which commit came of it."""
    if CLIENTS.on and _is_noteworthy(response):
        _take_note(response, response.read())


async def _note_async(response: Any) -> None:
    if CLIENTS.on and _is_noteworthy(response):
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
    url = request.url
    host = url.host if url.port is None else f"{url.host}:{url.port}"
    return HubRequest.of(request.method, host, url.raw_path.decode("ascii"), read)


def _hosts() -> frozenset[str]:
    """Return the hosts of Hubs, read at every request, since a test may change the endpoint."""
    named = (constants.ENDPOINT, *(getattr(constants, name, "") for name in _DEPLOYMENTS))
    return _HOSTS | {urlsplit(endpoint).netloc.rpartition("@")[2].lower() for endpoint in named if endpoint}


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

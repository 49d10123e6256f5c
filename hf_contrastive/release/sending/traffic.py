"""What huggingface_hub asks while something is done, with a bound on how long an answer may stay away."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from huggingface_hub import get_session

SILENCE_SECONDS = 300.0
"""How long an answer may stay away, or a sent byte unacknowledged."""

CONNECT_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class Traffic:
    """What was asked within a block, in this process.

    Attributes:
        paths: of the requests, in order.
        last_status: of the last answer.
        complete: whether all of it was seen; huggingface_hub makes a new client where it found no connection.
    """

    paths: list[str] = field(default_factory=list)
    last_status: int | None = None
    complete: bool = True

    def may_hold(self, part: str) -> bool:
        """Whether a request to a path with ``part`` in it may have been sent."""
        return not self.complete or any(part in path for path in self.paths)


@contextmanager
def bounded_silence() -> Iterator[Traffic]:
    """End a request of huggingface_hub that gets no answer, within the block; by itself it would wait forever.

    Requests that say how long they wait keep their own bound. What is asked within is noted.
    """
    traffic = Traffic()
    _Watch.enter(traffic)
    try:
        yield traffic
    finally:
        _Watch.leave(traffic)


class _Watch:
    """The blocks that bound waits; of the process, since uploads run in threads of their own."""

    _lock = threading.Lock()
    _blocks: ClassVar[list[Traffic]] = []

    @classmethod
    def enter(cls, traffic: Traffic) -> None:
        with cls._lock:
            cls._blocks.append(traffic)
            client = get_session()
            hooks = client.event_hooks
            if not cls._is_in(hooks):
                # first: a guard's hook has to see the request as it is sent
                before, after = hooks.get("request", []), hooks.get("response", [])
                client.event_hooks = {**hooks, "request": [cls.bound, *before], "response": [cls.note, *after]}

    @classmethod
    def leave(cls, traffic: Traffic) -> None:
        with cls._lock:
            cls._blocks.remove(traffic)
            traffic.complete = cls._is_in(get_session().event_hooks)

    @classmethod
    def _is_in(cls, hooks: Mapping[str, list[Any]]) -> bool:
        return cls.bound in hooks.get("request", [])

    @classmethod
    def bound(cls, request: Any) -> None:
        for traffic in tuple(cls._blocks):
            traffic.paths.append(str(request.url.path))
        if cls._blocks:
            limits = {"connect": CONNECT_SECONDS, "read": SILENCE_SECONDS, "write": SILENCE_SECONDS}
            given = {name: value for name, value in request.extensions.get("timeout", {}).items() if value is not None}
            request.extensions = {**request.extensions, "timeout": {**limits, **given}}

    @classmethod
    def note(cls, response: Any) -> None:
        for traffic in tuple(cls._blocks):
            traffic.last_status = int(response.status_code)

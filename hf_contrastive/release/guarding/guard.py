"""A guard over a whole process: nothing is published but what has passed the gate.

``ContrastiveTrainer`` and ``push`` have the gate built in. A script that holds a model can still publish it past them:
``model.push_to_hub()``, a plain ``Trainer``, ``upload_folder``, a dataset with rows that were audited away. All of
these send their requests through the HTTP client of ``huggingface_hub``, and :func:`guard` looks at each request
there, before it is sent.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from hf_contrastive.release.guarding.clients import CLIENTS
from hf_contrastive.release.guarding.plans import allow

__all__ = ["Guard", "allow", "guard"]

_LOCK = threading.Lock()


def guard() -> Guard:
    """Let nothing leave this process for a Hub but what has passed the gate, from now on.

    For the rest of the process, or, as ``with guard(): …``, for a block, after which things are as they were (what a
    thread or an exit handler does later is not held then); a guard within another one ends with the outer one. While
    it is on, ``push`` and ``ContrastiveTrainer.push_to_hub`` work as always, and everything else that would publish
    raises :class:`~hf_contrastive.errors.PushBlocked` before a byte of the file is sent:
    ``Trainer(push_to_hub=True)``, ``push_to_hub`` of models, tokenizers, PEFT, sentence-transformers and datasets,
    ``upload_file``, ``upload_folder``, ``create_commit``, ``HfFileSystem``, the functions behind ``hf upload``, with
    Xet and without, also from threads. A push in the background has nobody to raise to, so each refusal is also a
    warning in the log.

    What passes:

    * whatever reads, logs in, or asks a model for its output;
    * a commit of which every file has path and SHA-256 of the plan that a push has brought through the gate and is
      pushing at this moment, and its uploads; tags and branches on such commits;
    * making an empty repository, which tells its name to the world and no more, since many programs start with it;
    * what withdraws: deleting a repository, a branch or a tag, making one private, gating it by hand.

    All else that writes to a Hub is refused, whether or not it is known: pull requests and merges, squashes,
    duplicates, moves, making a repository public, datasets and Spaces, buckets, jobs, discussions, attachments.

    What it can not stop:

    * other processes: one that was forked has the guard, one that was started has not. So ``git push`` and the command
      ``hf`` in a shell pass;
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
        CLIENTS.hold()

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
                CLIENTS.release()

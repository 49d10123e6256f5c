"""Start and stop a local Hub, fill it from a folder, and point other processes at it."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from hf_contrastive.release.local_hub.errors import LocalHubError, LocalHubSettingError, RepoNotFoundError
from hf_contrastive.release.local_hub.handler import HOSTS, HubServer
from hf_contrastive.release.local_hub.names import RepoType, check_path, repo_folder_name
from hf_contrastive.release.local_hub.objects import chunks_of
from hf_contrastive.release.local_hub.state import HubState
from hf_contrastive.release.local_hub.storage import Storage
from hf_contrastive.release.local_hub.trees import Add
from hf_contrastive.release.local_hub.writes import LFS_CLIENT

_SKIPPED_FOLDERS = frozenset({".git", ".cache"})


class LocalHub:
    """A running local Hub; :func:`serve` starts it.

    Attributes:
        endpoint: ``http://127.0.0.1:PORT``, for ``HF_ENDPOINT`` or ``HfApi(endpoint=...)``.
        user: the one user, who owns the namespace of that name.
        token: the user's token to write; without it the Hub can only be read.
        read_token: the user's token to read, also what is private.
    """

    def __init__(self, folder: Path, *, port: int, user: str, token: str | None, read_token: str | None) -> None:
        repo_folder_name(f"{user}/x")
        self.user = user
        self.token, self.read_token = (_checked_token(given) for given in (token, read_token))
        if self.token == self.read_token:
            msg = "The token to write and the one to read must differ; choose another one, or leave one out."
            raise LocalHubSettingError(msg)
        self._lock_file = _locked(folder)
        try:
            self._state = HubState(Storage(folder), self.user, self.token, self.read_token)
            self._server = HubServer(self._state, port)
        except BaseException:
            self._lock_file.close()
            raise
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def serve_forever(self) -> None:
        """Wait until :meth:`close` is called from another thread, or the wait is interrupted; close then."""
        try:
            self._closed.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Stop answering and free port and folder; safe to call twice. What was committed stays."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._lock_file.close()

    def seed(
        self, repo_id: str, folder: Path | str, *, repo_type: RepoType = "model", message: str = "Add files"
    ) -> str:
        """Commit every file below ``folder`` without HTTP, into any namespace, and return the commit's id.

        A missing repository is created. Files that stand in it already are replaced or kept. ``.git`` and
        ``.cache`` are left out.

        Args:
            repo_id: ``namespace/name``, or ``name`` for an id without a namespace.
            folder: where the files are.
            repo_type: ``"model"`` or ``"dataset"``.
            message: the commit's title.

        Raises:
            LocalHubError: ``folder`` is no folder.
            InvalidNameError: the id or a file's name is not allowed on a Hub.
        """
        root, storage = Path(folder), self._state.storage
        if not root.is_dir():
            msg = f"{root} can not be seeded: it is no folder; name one that holds the repository's files."
            raise LocalHubError(msg)
        operations = []
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if path.is_file() and not _SKIPPED_FOLDERS & {part.lower() for part in relative.parts}:
                name = check_path(relative.as_posix())
                with path.open("rb") as file:
                    operations.append(Add(name, storage.objects.put(chunks_of(file))[0]))
        try:
            repository = storage.repository(repo_type, repo_id)
        except RepoNotFoundError:
            repository = storage.create(repo_type, repo_id, author=self.user)
        return repository.commit("main", operations, title=message, author=self.user).id


def serve(
    folder: Path, *, port: int = 0, user: str = "local", token: str | None = None, read_token: str | None = None
) -> LocalHub:
    """Serve ``folder`` as a small Hugging Face Hub on 127.0.0.1, and return at once.

    The Hub answers what pushing and loading models and datasets needs, for ``huggingface_hub``,
    ``transformers``, ``datasets``, ``peft`` and ``sentence-transformers``. Use it as a context manager, or call
    ``close()``. Clients that run in this process get ``HfApi(endpoint=hub.endpoint, token=hub.token)``;
    libraries that read ``HF_ENDPOINT`` when they are imported run in a process with :func:`hub_environment`.

    Large files: a client that has ``hf_xet`` would send them to Xet storage, which this Hub has not, and it
    does not say so in its requests. Therefore files are asked for within the commit, unless the client says
    in its User-Agent that it uses Git LFS without Xet (:func:`hub_environment` makes it say so), or a file has more
    than 100 MB: that one is sent by Git LFS, or refused to a client with Xet by an error that names
    ``HF_HUB_DISABLE_XET``. Files above 10 MB, or with a suffix that the Hub's ``.gitattributes`` tracks, are LFS
    files in the repository either way, so what is read back is the same. One client can not do without:
    ``datasets`` deletes its files before the commit, so ``Dataset.push_to_hub`` always gets LFS and needs
    ``HF_HUB_DISABLE_XET=1``.

    Not there: discussions other than pull requests, Spaces, Xet, several users, ``git clone``, ``.gitignore``
    rules, redirects from the old name of a repository. Objects that no commit needs any more stay on disk; delete
    the folder to start afresh.

    Args:
        folder: where everything is kept; made if missing. One server at a time.
        port: TCP port; 0 takes a free one.
        user: the user's name and namespace.
        token: the token that writing needs; None makes one.
        read_token: a token that reads what is private but does not write; None makes one.

    Raises:
        LocalHubError: the folder or the port can not be used, or another server holds the folder.
        LocalHubSettingError: a token can not be used.
        InvalidNameError: ``user`` is no name for a namespace.
    """
    return LocalHub(Path(folder), port=port, user=user, token=token, read_token=read_token)


def hub_environment(hub: LocalHub) -> dict[str, str]:
    """Return the environment variables that make a process's Hugging Face libraries use ``hub``.

    They are read at import. Set ``HF_HOME`` as well where the process must not see the user's own cache.
    """
    hosts = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), *HOSTS]
    no_proxy = ",".join(host for host in hosts if host)
    return {
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": hub.token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_USER_AGENT_ORIGIN": LFS_CLIENT,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def _checked_token(token: str | None) -> str:
    if token is not None and (not token.isascii() or not token.isprintable() or " " in token or not token):
        msg = "The token must be printable ASCII without spaces, since it travels in a header; choose another one."
        raise LocalHubSettingError(msg)
    return token or f"hf_local_{secrets.token_hex(16)}"


def _locked(folder: Path) -> BinaryIO:
    """Return the folder's lock file, locked until it is closed, also by the end of the process.

    Raises:
        LocalHubError: another server holds it, or the folder can not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("ab")
    except OSError as error:
        msg = f"{folder} can not be used as a local Hub ({error}); name a folder that can be written."
        raise LocalHubError(msg) from error
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        msg = f"Another local Hub serves {folder} already; stop it, or name another folder."
        raise LocalHubError(msg) from error
    return cast("BinaryIO", file)

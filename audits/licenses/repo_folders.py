"""Repositories as folders: copies for machines without a network, and models that lie here."""

from __future__ import annotations

import re
from pathlib import Path

from audits.errors import LineageError
from audits.licenses.snapshots import (
    MAX_FILE_BYTES,
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

_COMMIT = re.compile(r"[0-9a-f]{40}")
_CONFIGS = ("adapter_config.json", "config.json")


class FolderHub:
    """Copies of repositories in folders, for machines without a network.

    Layout: ``models/OWNER/NAME/`` and ``datasets/OWNER/NAME/`` (``models/NAME/`` for ids without an owner), each with
    the repository's README.md and license files. A file ``commit`` may hold the commit of the copy, a file ``gated``
    one of ``no``, ``auto``, ``manual``. ``hf download OWNER/NAME README.md LICENSE --local-dir models/OWNER/NAME``
    fills one.
    """

    def __init__(self, path: Path | str) -> None:
        """Prepare to read below ``path``.

        Raises:
            LineageError: it is no folder.
        """
        self._root = Path(path)
        if not self._root.is_dir():
            msg = f"{shown(str(path))} is no folder; name one that holds `models/OWNER/NAME` and `datasets/OWNER/NAME`."
            raise LineageError(msg)

    def snapshot(self, kind: RepoKind, repo_id: str, revision: str | None = None) -> RepoSnapshot:
        """Return what the copy says of its license; see :meth:`HubClient.snapshot`.

        Raises:
            LineageError: there is no copy, or it is of another commit than ``revision``.
        """
        folder = self._root / f"{kind}s"
        for part in check_repo_id(repo_id).split("/"):
            # the Hub does not tell ids apart by case
            same = [item for item in _folders(folder) if item.name.casefold() == part.casefold()]
            folder = next((item for item in same if item.name == part), same[0] if same else folder / part)
        root = self._root.resolve()
        if not folder.is_dir() or not folder.resolve().is_relative_to(root):
            msg = f"the {kind} {repo_id} has no copy at {kind}s/{repo_id} of the folder"
            raise LineageError(msg)
        found = local_snapshot(folder, kind=kind, repo_id=repo_id)
        if revision not in (None, "main", found.commit):
            held = f"commit {found.commit}" if found.commit else "a commit that it does not name"
            msg = f"the {kind} {repo_id} was asked for at {shown(str(revision))}, but the copy is of {held}"
            raise LineageError(msg)
        return found


def local_snapshot(path: Path | str, *, kind: RepoKind = "model", repo_id: str | None = None) -> RepoSnapshot:
    """Return what a folder of a model or dataset says of its license and of the model that it was made from.

    Args:
        path: holds README.md, license files, config.json, adapter_config.json; a file ``commit`` with the commit of
            which it is a copy, and ``gated`` with ``no``, ``auto`` or ``manual``, where somebody wrote them.
        kind: what it is.
        repo_id: its name; default: the folder's.

    Raises:
        LineageError: it is no folder, or can not be read.
    """
    folder = Path(path)
    what = repo_id or folder.resolve().name or "root"
    try:
        listed = [item.name for item in folder.iterdir() if item.is_file()]
    except OSError as error:
        msg = f"the {kind} {shown(what)} can not be read: {error.strerror or type(error).__name__}; name a folder"
        raise LineageError(msg) from error
    names, problems = license_names(listed)
    read: dict[str, bytes] = {}
    cut = []
    for name in [*(name for name in ("README.md", *_CONFIGS, "commit", "gated") if name in listed), *names]:
        try:
            with (folder / name).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            problems[name] = f"{name} of {what} can not be read: {error.strerror or type(error).__name__}"
            continue
        read[name] = content[:MAX_FILE_BYTES]
        cut += [name] if len(content) > MAX_FILE_BYTES and name not in _CONFIGS else []
    if "README.md" in problems:
        raise LineageError(problems["README.md"])
    card = read.pop("README.md", None)
    commit = read.pop("commit", b"").decode("ascii", "replace").strip()
    gate = read.pop("gated", b"").decode("ascii", "replace").strip()
    if commit and not _COMMIT.fullmatch(commit):
        problems["commit"] = f"the file `commit` of {what} holds no commit of 40 hexadecimal digits"
    if gate and gate not in ("no", "auto", "manual"):
        problems["gated"] = f"the file `gated` of {what} holds {shown(gate)}; allowed is no, auto or manual"
    bases = tuple(pair for name in _CONFIGS for pair in base_of_config(name, read.pop(name, b"")))
    return RepoSnapshot(
        kind=kind,
        repo_id=what,
        commit=commit if _COMMIT.fullmatch(commit) else "",
        card=card,
        files=read,
        gated=gate_of(gate),
        gating_text=gating_text(card_metadata(card)[0]),
        declared_bases=bases if kind == "model" else (),
        cut=tuple(cut),
        problems=problems,
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(item for item in folder.iterdir() if item.is_dir()) if folder.is_dir() else []

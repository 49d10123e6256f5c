"""Files that take their places together: all of them, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def user_cache(name: str) -> Path:
    """Return the folder of one of this package's caches, which may not exist yet.

    It is ``hf-contrastive/<name>`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hf-contrastive" / name


def user_state(name: str) -> Path:
    """Return the place of what this package keeps for the user for good; it may not exist yet.

    It is ``hf-contrastive/<name>`` in ``$XDG_STATE_HOME``, or in ``~/.local/state``.
    """
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "hf-contrastive" / name


@contextmanager
def all_or_none(
    folder: Path, *, file_by_file: bool = False, stale: Callable[[frozenset[str]], Iterable[str]] | None = None
) -> Iterator[Path]:
    """Give an empty folder whose entries replace those of ``folder`` at the end, unless there was an error.

    Args:
        folder: made if missing; what is not replaced stays.
        file_by_file: merge folders of one name instead of replacing the old one whole.
        stale: is told the names of the new entries and names what else is removed, relative to ``folder``.

    Raises:
        OSError: the entries can not be moved, or a file would have to replace a folder; what stood there is
            as it was.
    """
    # an existing folder may be a disk of its own, across whose edge nothing can be renamed
    place = folder if folder.is_dir() else folder.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".incomplete-", dir=place))
    new, old = stage / "new", stage / "old"
    try:
        new.mkdir()
        old.mkdir()
        yield new
        if folder.exists():
            found = (path for path in new.rglob("*") if path.is_file()) if file_by_file else new.iterdir()
            names = sorted(path.relative_to(new).as_posix() for path in found)
            _swap(new, folder, old, names, sorted(stale(frozenset(names)) if stale is not None else ()))
        else:
            new.replace(folder)
    except BaseException:
        # what could not be put back is not thrown away
        if not any(path.is_file() for path in old.rglob("*")):
            shutil.rmtree(stage, ignore_errors=True)
        raise
    shutil.rmtree(stage, ignore_errors=True)


def _swap(new: Path, folder: Path, old: Path, names: list[str], gone: list[str]) -> None:
    """Move ``names`` of ``new`` into ``folder`` and ``gone`` out of it; an error undoes every step."""
    for name in names:
        target = folder / name
        if target.exists() and target.is_dir() != (new / name).is_dir():
            kinds = ("folder", "file") if target.is_dir() else ("file", "folder")
            msg = f"{target} is a {kinds[0]}, where a {kinds[1]} is to be written; nothing was changed. Move it away."
            raise OSError(msg)
    undo: list[Callable[[], object]] = []
    try:
        for name in [*names, *gone]:
            source, target, saved = new / name, folder / name, old / name
            if target.exists() or target.is_symlink():
                saved.parent.mkdir(parents=True, exist_ok=True)
                target.replace(saved)
                undo.append(_mover(saved, target))
            if name in gone:
                continue
            for parent in reversed(target.relative_to(folder).parents):
                if not (folder / parent).exists():
                    (folder / parent).mkdir()
                    undo.append((folder / parent).rmdir)
            source.replace(target)
            undo.append(_mover(target, source))
    except BaseException:
        for step in reversed(undo):
            step()
        raise


def _mover(source: Path, target: Path) -> Callable[[], object]:
    return lambda: source.replace(target)

"""The history's file: JSON lines, each naming the digest of the one before; lines are only ever added.

A write is one line or several, under a lock, and on the disk (fsync) before it counts. What a kill in the middle of
a write leaves at the end of the file is not thrown away: a complete line that lacks its line feed gets it, anything
else moves to ``<name>.torn``. A write that fails leaves the file as it was.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from audits.errors import SchemaError
from audits.records import canonical_json
from hf_contrastive.history.entries import GENESIS, Draft, HistoryEntry, HistoryError, ReadLine, known_kind, read_line
from hf_contrastive.history.locking import lock_path, locked
from hf_contrastive.writing import user_state

VARIABLE = "HF_CONTRASTIVE_HISTORY"
"""Environment variable with the file's place."""

_BLOCK = 1 << 18
_logger = logging.getLogger(__name__)


def history_path(given: str | Path | None = None) -> Path:
    """Return the place of the history: ``given``, else that of ``HF_CONTRASTIVE_HISTORY``, else the user's own.

    The last is ``hf-contrastive/history.jsonl`` in ``$XDG_STATE_HOME``, or in ``~/.local/state``.

    Raises:
        HistoryError: none is given and the user has no home folder.
    """
    if given is not None:
        return Path(given)
    told = os.environ.get(VARIABLE)
    try:
        return Path(told).expanduser() if told else user_state("history.jsonl")
    except RuntimeError as error:
        msg = f"The place of the history is not known ({error}). Name a file in {VARIABLE} or with `--history`."
        raise HistoryError(msg) from error


def torn_path(path: Path) -> Path:
    """Return the file that takes what interrupted writes left."""
    return path.with_name(path.name + ".torn")


def append(path: Path, kind: str, payload: Mapping[str, Any]) -> HistoryEntry:
    """Add one line.

    Args:
        path: the history; made if missing, with its folder.
        kind: one of :data:`~hf_contrastive.history.entries.KINDS`.
        payload: data that JSON can hold.

    Raises:
        HistoryError: it can not be written, or its last line is damaged; the file is as it was, and the error
            holds what was not recorded.
        ConfigurationError: no such kind.
        SchemaError: the payload has no JSON form.
    """
    return append_all(path, (Draft.now(kind, payload),))[0]


def append_all(path: Path, drafts: Sequence[Draft]) -> tuple[HistoryEntry, ...]:
    """Add a line for each of ``drafts``, all or none and nothing between them; see :func:`append`."""
    for draft in drafts:
        known_kind(draft.kind)
        canonical_json(draft.to_dict())  # what has no JSON form shows before anything is touched
    with _explained(path, drafts):
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            try:
                last = _last_entry(descriptor, path, drafts)
                entries = tuple(_chained(last, drafts))
                _write(descriptor, b"".join(entry.line for entry in entries))
            finally:
                os.close(descriptor)
            if last is None:
                _sync_folder(path.parent)
    return entries


def read_lines(path: Path) -> tuple[ReadLine, ...]:
    """Read all lines, the damaged ones too; none where there is no file.

    The last one may lack its line feed: a write was interrupted. One that is under way is waited for.

    Raises:
        HistoryError: the file can not be read.
    """
    with _explained(path, ()):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return ()
        if content and not content.endswith(b"\n") and lock_path(path).exists():
            with suppress(OSError), locked(path):
                content = path.read_bytes()
    lines = content.split(b"\n")
    torn = lines.pop()
    found = [read_line(number, raw) for number, raw in enumerate(lines, 1)]
    if torn:
        problem = "a write was interrupted: it lacks its end (the next write sets it aside)"
        found.append(ReadLine(len(found) + 1, None, "", problem))
    return tuple(found)


def read(path: Path) -> tuple[HistoryEntry, ...]:
    """Return the entries whose line is intact; :func:`~hf_contrastive.history.verification.verify` tells of the others.

    Raises:
        HistoryError: the file can not be read.
    """
    return tuple(entry for line in read_lines(path) if (entry := line.intact) is not None)


def _chained(last: HistoryEntry | None, drafts: Sequence[Draft]) -> Iterator[HistoryEntry]:
    sequence, previous = (last.sequence, last.digest) if last is not None else (0, GENESIS + secrets.token_hex(16))
    for draft in drafts:
        sequence += 1
        entry = HistoryEntry(
            sequence=sequence,
            kind=draft.kind,
            created_at=draft.created_at,
            payload=draft.payload,
            previous=previous,
        )
        previous = entry.digest
        yield entry


def _last_entry(descriptor: int, path: Path, drafts: Sequence[Draft]) -> HistoryEntry | None:
    """Return the last entry after repairing the end of the file; None where there is none yet."""
    raw, torn = _end(descriptor)
    last = None
    if raw is not None:
        last = read_line(0, raw).intact
        if last is None:
            msg = (
                f"The last line of {path} is not as it was written, so nothing can be added behind it; the file is "
                "as it was. `hf-contrastive history --verify` says what is wrong; restore it, or move it away: "
                "then a new history begins."
            )
            raise HistoryError(msg, drafts=drafts)
    if not torn:
        return last
    rest = read_line(0, torn).intact
    if rest is not None and _follows(rest, last):
        _write(descriptor, b"\n")
        return rest
    with torn_path(path).open("ab") as file:
        file.write(torn + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.ftruncate(descriptor, os.fstat(descriptor).st_size - len(torn))
    os.fsync(descriptor)
    _logger.warning(
        "A write to %s was interrupted; what it left (%d bytes at the end) is in %s.",
        path,
        len(torn),
        torn_path(path).name,
    )
    return last


def _follows(entry: HistoryEntry, last: HistoryEntry | None) -> bool:
    if last is None:
        return entry.sequence == 1 and entry.previous.startswith(GENESIS)
    return entry.sequence == last.sequence + 1 and entry.previous == last.digest


def _end(descriptor: int) -> tuple[bytes | None, bytes]:
    """Return the last complete line, None if there is none, and what stands behind its line feed."""
    position = os.fstat(descriptor).st_size
    blocks: list[bytes] = []
    feeds = 0
    while position and feeds < 2:
        step = min(position, _BLOCK)
        position -= step
        os.lseek(descriptor, position, os.SEEK_SET)
        block = _read(descriptor, step)
        feeds += block.count(b"\n")
        blocks.append(block)
    *complete, torn = b"".join(reversed(blocks)).split(b"\n")
    return (complete[-1] if complete else None), torn


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(descriptor: int, data: bytes) -> None:
    """Add ``data`` at the end, on the disk; an error leaves the file as it was."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except BaseException:
        # what can not be undone either is set aside by the next write
        with suppress(OSError):
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        raise


def _sync_folder(folder: Path) -> None:
    """Have the new file's name on the disk too, where folders can be synchronised."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _explained(path: Path, drafts: Sequence[Draft]) -> Iterator[None]:
    try:
        yield
    except HistoryError:
        raise
    except (OSError, SchemaError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = "written" if drafts else "read"
        msg = (
            f"The history {path} can not be {what} ({reason.rstrip('.')}); it is as it was. Check that the folder "
            f"may be written and the disk has room, or name another file with `--history` or {VARIABLE}."
        )
        raise HistoryError(msg, drafts=drafts) from error

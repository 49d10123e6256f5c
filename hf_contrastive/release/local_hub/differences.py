"""What changed between two trees, as git writes it: lines of text files, and for others that they differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from hf_contrastive.release.local_hub.objects import ObjectStore, pointer
from hf_contrastive.release.local_hub.trees import Entry

_MAX_BYTES = 200_000
_MAX_LINES = 5_000


def changed_paths(old: Mapping[str, Entry], new: Mapping[str, Entry]) -> list[tuple[str, str]]:
    """Return every path that differs, by name, with ``"added"``, ``"deleted"`` or ``"changed"``."""
    return [
        (path, "added" if path not in old else "deleted" if path not in new else "changed")
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def difference(old: Mapping[str, Entry], new: Mapping[str, Entry], objects: ObjectStore) -> str:
    """Return the changes from ``old`` to ``new`` as a unified diff; LFS files by their pointers, long ones cut."""
    lines: list[str] = []
    for path, _ in changed_paths(old, new):
        lines += _of_file(path, old.get(path), new.get(path), objects)
        if len(lines) > _MAX_LINES:
            lines = [*lines[:_MAX_LINES], "(the rest is left out)"]
            break
    return "\n".join(lines) + "\n" if lines else ""


def _of_file(path: str, old: Entry | None, new: Entry | None, objects: ObjectStore) -> Iterator[str]:
    yield f"diff --git a/{path} b/{path}"
    if old is None:
        yield "new file mode 100644"
    if new is None:
        yield "deleted file mode 100644"
    before, after = _lines(old, objects), _lines(new, objects)
    if before is None or after is None:
        yield f"Binary or long files a/{path} and b/{path} differ"
        return
    source, target = f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null"
    yield from difflib.unified_diff(before, after, source, target, lineterm="")


def _lines(entry: Entry | None, objects: ObjectStore) -> list[str] | None:
    """Return a file's lines, or None where it is no short text."""
    if entry is None:
        return []
    if entry.lfs:
        return pointer(entry.sha256, entry.size).decode().splitlines()
    if entry.size > _MAX_BYTES:
        return None
    try:
        return objects.path(entry.sha256).read_bytes().decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None

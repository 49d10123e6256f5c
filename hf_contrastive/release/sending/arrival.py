"""Whether what the Hub lists at a commit is what was planned: proof of the arrival, file by file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelInfo

from hf_contrastive.release.plan import PlannedFile, PushPlan, is_document, is_replaced

_CHUNK_BYTES = 1 << 20


def differences(
    plan: PushPlan, sources: Mapping[str, Path | bytes], info: ModelInfo, *, documents: bool = True
) -> list[str]:
    """Name what the Hub lists otherwise than the plan does; nothing where all has arrived.

    The Hub lists the SHA-256 of large files and git's id of the others, which is computed here from the same bytes as
    their SHA-256.

    Args:
        plan: what was to arrive.
        sources: content of each planned file.
        info: the commit, with its files' ids.
        documents: whether the documents are compared too; a commit that was made of the same evidence at another time
            has other ones.
    """
    listed = {item.rfilename: item for item in info.siblings or []}
    found = []
    for item in plan.files:
        if item.path not in listed:
            found.append(f"{item.path} is missing")
        elif (documents or not is_document(item.path)) and not is_listed_as(
            listed[item.path], item, sources[item.path]
        ):
            found.append(f"{item.path} has other content")
    if documents:
        found += [f"{path} is still there" for path in sorted(listed.keys() - _paths(plan)) if is_replaced(path)]
    return found


def same_files(plan: PushPlan, one: ModelInfo, other: ModelInfo) -> bool:
    """Whether two revisions hold the same under each of the plan's paths, and nothing else that a push replaces."""
    paths = _paths(plan)

    def ids(info: ModelInfo) -> dict[str, str | None]:
        listed = info.siblings or []
        return {
            item.rfilename: item.blob_id for item in listed if item.rfilename in paths or is_replaced(item.rfilename)
        }

    return ids(one) == ids(other)


def _paths(plan: PushPlan) -> set[str]:
    return {item.path for item in plan.files}


def is_listed_as(listed: Any, item: PlannedFile, source: Path | bytes) -> bool:
    """Whether what the Hub lists of a file is a planned one.

    Args:
        listed: one file of a revision, with its ids.
        item: the planned file.
        source: its content.
    """
    if listed.size is not None and listed.size != item.size:
        return False
    if listed.lfs is not None:
        return str(listed.lfs.sha256) == item.sha256
    return (str(listed.blob_id), item.sha256) == _ids(item, source)


def _ids(item: PlannedFile, source: Path | bytes) -> tuple[str, str]:
    """Return git's id of a file's content and the content's SHA-256."""
    # git's ids are SHA-1; nothing here rests on it alone
    blob, content = hashlib.sha1(b"blob %d\0" % item.size, usedforsecurity=False), hashlib.sha256()
    for chunk in _chunks(source):
        blob.update(chunk)
        content.update(chunk)
    return blob.hexdigest(), content.hexdigest()


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk

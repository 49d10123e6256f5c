"""Where a dataset in memory came from: the Hub repository and commit that its cache files name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError

# datasets caches Hub data under [owner___]name/config/version/commit/
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SECONDS = 10.0
_NO_ANSWER: tuple[type[Exception], ...] = (
    *(kind for kind in HfHubHTTPError.__mro__ if issubclass(kind, Exception) and kind.__name__ == "HTTPError"),
    OSError,
    ValueError,
)


class Origin(NamedTuple):
    """A dataset on the Hub at a commit, with the license that its card declares."""

    repo_id: str
    config: str
    revision: str
    license: str | None


def origin_of(dataset: Any) -> Origin | None:
    """Return the origin of a ``datasets.Dataset`` that was loaded from the Hub, else None.

    The cache spells names in its own way, so the Hub is asked whether it has that commit; without an answer
    the origin stays unknown. Rows that were filtered since keep the origin: the fingerprint tells them apart.

    Args:
        dataset: anything with ``cache_files``.
    """
    folders = {Path(file["filename"]).parent for file in getattr(dataset, "cache_files", None) or []}
    found = {parts for folder in folders if (parts := _parse(folder.parts)) is not None}
    if len(found) != 1 or len(folders) != 1:
        return None
    return _confirmed(*found.pop())


def _parse(parts: Sequence[str]) -> tuple[str, str, str] | None:
    if len(parts) < 4 or not _COMMIT.fullmatch(parts[-1]):
        return None
    return parts[-4].replace("___", "/", 1), parts[-3], parts[-1]


@lru_cache(maxsize=64)
def _confirmed(repo_id: str, config: str, revision: str) -> Origin | None:
    try:
        info = huggingface_hub.HfApi().dataset_info(repo_id, revision=revision, timeout=_SECONDS)
    except _NO_ANSWER:
        return None
    declared = info.card_data.get("license") if info.card_data is not None else None
    return Origin(info.id, config, revision, license_text(declared))


def license_text(declared: str | Sequence[str] | None) -> str | None:
    """Return a declared license as it was given, a list joined by commas; empty is None."""
    parts = [declared] if isinstance(declared, str) else list(declared or ())
    return ", ".join(part.strip() for part in parts if part and part.strip()) or None

"""The small files of a model, from a folder or the Hub."""

from __future__ import annotations

import logging
from pathlib import Path

from huggingface_hub import _CACHED_NO_EXIST, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from hf_contrastive.errors import ModelError

logger = logging.getLogger(__name__)


class ModelFiles:
    """Reads one file at a time; a Hub that did not answer once is not asked again.

    Args:
        name: a folder or a Hub id.
        revision: commit, branch or tag of a Hub id.
    """

    def __init__(self, name: str, revision: str | None) -> None:
        self.name = name
        self.revision = revision
        self._folder = Path(name)
        self._unreachable: LocalEntryNotFoundError | None = None

    def __call__(self, filename: str) -> str | None:
        """Return the text of ``filename``, or None where there is none or it can not be had."""
        if self._folder.is_dir():
            path = self._folder / filename
        elif not self.name or self._folder.is_absolute():
            return None
        else:
            try:
                # every attempt on a dead connection is retried for many seconds
                path = Path(
                    hf_hub_download(
                        self.name,
                        filename,
                        revision=self.revision,
                        local_files_only=self._unreachable is not None,
                    )
                )
            except (EntryNotFoundError, RepositoryNotFoundError, HfHubHTTPError, ValueError) as error:
                if isinstance(error, LocalEntryNotFoundError):
                    self._unreachable = self._unreachable or error
                if filename == "modules.json" and not self._is_absent(error, filename):
                    logger.warning(
                        "How %s pools is not known, as its %s could not be read (%s); mean pooling is taken, unless "
                        "`pooling` says otherwise.",
                        self.name,
                        filename,
                        type(error).__name__,
                    )
                return None
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def expect_answer(self) -> None:
        """Raise if files are missing because the Hub did not answer.

        Raises:
            ModelError: the Hub could not be reached and the cache does not hold the model.
        """
        if self._unreachable is None:
            return
        cause = self._unreachable.__cause__ or self._unreachable
        first = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
        msg = (
            f"The model {self.name!r} is not in the cache and the Hub did not answer ({first}). Check the network, "
            "HF_ENDPOINT and HF_HUB_OFFLINE, or pass a folder with config.json and *.safetensors."
        )
        raise ModelError(msg) from self._unreachable

    def _is_absent(self, error: Exception, filename: str) -> bool:
        """Whether the file is known not to exist, now or by an earlier answer; else the Hub did not answer."""
        if isinstance(error, LocalEntryNotFoundError):
            found = try_to_load_from_cache(self.name, filename, revision=self.revision)
            return found is _CACHED_NO_EXIST
        return isinstance(error, EntryNotFoundError | RepositoryNotFoundError | ValueError)

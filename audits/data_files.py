"""Files on disk: which of them hold which split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audits.errors import SourceError, SourceNotFoundError

BUILDERS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
"""Suffix of a data file -> the reader of ``datasets`` for it."""

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""A word in a file's name -> its split, as ``datasets`` reads it."""

ACCEPTED = f"a folder written by `save_to_disk`, a file that ends in {', '.join(BUILDERS)}, or a folder of such files"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFiles:
    """What to read: a saved dataset (``builder`` is None) or files of one kind by split."""

    builder: str | None
    files: Mapping[str, tuple[Path, ...]]


def find_files(path: Path) -> DataFiles:
    """Return what lies at ``path``.

    A file or folder's split is the first of :data:`SPLIT_WORDS` in the file's name; without any it is
    ``train``.

    Raises:
        SourceNotFoundError: nothing is there.
        SourceError: it can not be listed, holds no data files, several kinds, or an unknown suffix.
    """
    if not path.exists():
        msg = f"There is no file or folder `{path}`; give {ACCEPTED}, or the id of a dataset on the Hub."
        raise SourceNotFoundError(msg)
    if path.is_file():
        builder = BUILDERS.get(path.suffix.lower())
        if builder is None:
            msg = f"`{path}` ends in `{path.suffix}`, which can not be read; allowed is {ACCEPTED}. Convert the file."
            raise SourceError(msg)
        return DataFiles(builder=builder, files={split_of(path) or "train": (path,)})
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        msg = f"The folder `{path}` can not be listed ({error.strerror}); check its permissions."
        raise SourceError(msg) from error
    names = {entry.name for entry in entries}
    if "dataset_dict.json" in names or {"state.json", "dataset_info.json"} <= names:
        return DataFiles(builder=None, files={})
    return _folder(path, [entry for entry in entries if entry.suffix.lower() in BUILDERS and entry.is_file()])


def names_a_file(path: Path) -> bool:
    """Return whether a text that names nothing here was meant as a file and not as a Hub id."""
    return path.suffix.lower() in {*BUILDERS, ".arrow", ".gz", ".tsv", ".txt", ".xlsx", ".zip"}


def split_of(path: Path) -> str | None:
    """Return the split that a file's name tells, or None."""
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), None)


def _folder(path: Path, files: list[Path]) -> DataFiles:
    builders = sorted({BUILDERS[file.suffix.lower()] for file in files})
    if len(builders) != 1:
        found = f"files of the kinds {', '.join(builders)}" if builders else "no data files"
        msg = f"The folder `{path}` holds {found}; allowed is {ACCEPTED}, all of one kind. Name one file."
        raise SourceError(msg)
    splits: dict[str, tuple[Path, ...]] = {}
    unnamed = [file for file in files if split_of(file) is None]
    if unnamed and len(unnamed) != len(files):
        msg = (
            f"In the folder `{path}` some files name their split and {unnamed[0].name} does not; put one of "
            f"{', '.join(SPLIT_WORDS)} into each name, or name one file."
        )
        raise SourceError(msg)
    for file in files:
        split = split_of(file) or "train"
        splits[split] = (*splits.get(split, ()), file)
    order = [name for name in ("train", "validation", "test") if name in splits]
    return DataFiles(builder=builders[0], files={name: splits[name] for name in order})

"""Docstrings of the packages installed beside us: real text with real licenses on every machine.

A row is the first sentence of a docstring (``anchor``) and the rest of it (``positive``), with the package it comes
from and the license that its metadata and license files say together. The standard library has no package metadata:
its license is told by the interpreter's license file, and stated here where no such file is installed. Sources are
read by ``ast``; nothing is imported or executed. See :mod:`hf_contrastive.demo.source_files` for what is read and
:mod:`hf_contrastive.demo.sentences` for how a docstring becomes a pair.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import datasets
import pyarrow as pa

from hf_contrastive.demo.source_files import (
    Docstring,
    SourceFile,
    installed_distributions,
    list_source_files,
    python_version,
    read_docstrings,
)
from hf_contrastive.errors import ContrastiveError
from hf_contrastive.writing import user_cache

COLUMNS = ("anchor", "positive", "label", "module", "qualified_name", "license")
SPLITS = ("train", "validation", "test")

# part of the cache key: raise it with every change of what is collected
_COLLECTOR_VERSION = 3
_HELD_OUT_SHARE = 0.1
_FILES_PER_BATCH = 128
_MAX_WORKERS = 2
_MANIFEST = "manifest.json"

_logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def load_docstrings(
    *, cache_dir: Path | None = None, refresh: bool = False, on_progress: Progress | None = None
) -> datasets.DatasetDict:
    """Return pairs from the docstrings of this environment, split by groups of modules.

    All columns are strings: ``anchor``, ``positive``, ``label`` (top-level package; ``stdlib`` for the
    standard library), ``module``, ``qualified_name``, ``license`` (the SPDX expression that the package's metadata
    and license files say together; null where that is undetermined; that of the standard library is read from the
    interpreter's license file, and stated here as ``Python-2.0`` where CPython comes without one). E-mail addresses
    stay where they stand in the text. The same environment gives the same rows in the same order, and the same
    fingerprint; the number of processes and the file system do not matter.

    The splits ``train``, ``validation`` and ``test`` hold about 80, 10 and 10 % of the rows. A group,
    which is a package down to the third level (``transformers.models.bert``), is never divided, so no
    module is on two sides; near relatives in other groups may be, and leakage has to be audited.

    The first call reads some ten thousand files in up to two spawned processes (a script that calls
    this on import needs ``if __name__ == "__main__":``, as with any spawned process), the next ones
    the cache. It is keyed by the versions of Python and of every distribution, so editing an
    installed package in place needs ``refresh``. A damaged cache is rebuilt.

    Args:
        cache_dir: folder of the cache; by default ``~/.cache/hf-contrastive/docstrings``.
        refresh: collect again even if a cache exists.
        on_progress: called with (batches of files done, all batches) while files are read.

    Raises:
        ContrastiveError: no installed package has a source file with docstrings.
    """
    folder = cache_dir if cache_dir is not None else user_cache("docstrings")
    target = Path(folder) / _environment_key()
    if not refresh and _is_whole(target):
        return _load(target)
    collected = _build(_collect(list_source_files(), _usable_workers(), on_progress))
    try:
        _write(collected, target)
    except OSError as error:
        _logger.warning("The docstrings could not be cached in %s (%s); they stay in memory.", target, error)
        return collected
    return _load(target)


def _collect(files: Sequence[SourceFile], workers: int, on_progress: Progress | None) -> list[Docstring]:
    """Return the rows of all files in their order, whatever the number of workers."""
    batches = [files[start : start + _FILES_PER_BATCH] for start in range(0, len(files), _FILES_PER_BATCH)]
    try:
        return _gather(batches, workers, on_progress)
    except BrokenProcessPool:
        # e.g. an unguarded script that spawning runs again, or a process killed for memory
        _logger.warning("The worker processes ended early; docstrings are read in this process instead.")
        return _gather(batches, 1, on_progress)


def _gather(batches: Sequence[Sequence[SourceFile]], workers: int, on_progress: Progress | None) -> list[Docstring]:
    rows: list[Docstring] = []
    with _mapping(workers if len(batches) > 1 else 1) as apply:
        for done, batch_rows in enumerate(apply(batches), start=1):
            rows.extend(batch_rows)
            if on_progress is not None:
                on_progress(done, len(batches))
    return rows


@contextmanager
def _mapping(
    workers: int,
) -> Iterator[Callable[[Sequence[Sequence[SourceFile]]], Iterator[list[Docstring]]]]:
    """Give a function that reads batches in order, here or in ``workers`` processes."""
    if workers == 1:
        yield lambda batches: map(read_docstrings, batches)
        return
    # spawn: a fork of a process with threads (torch, Arrow) can lock up
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield lambda batches: pool.map(read_docstrings, batches)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _usable_workers() -> int:
    if multiprocessing.current_process().daemon:  # may not have children
        return 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MAX_WORKERS, available)


def _build(rows: Sequence[Docstring]) -> datasets.DatasetDict:
    if not rows:
        msg = (
            "No docstrings were found: no installed package has Python source files (a frozen or zipped "
            "environment holds compiled code only); run this in an ordinary virtual environment."
        )
        raise ContrastiveError(msg)
    sides = _assign_groups(Counter(row.group for row in rows))
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    parts = datasets.DatasetDict()
    for split in SPLITS:
        chosen = [row for row in rows if sides[row.group] == split]
        columns = {name: [getattr(row, name) for row in chosen] for name in COLUMNS}
        content = json.dumps([split, columns], ensure_ascii=False).encode("utf-8")
        parts[split] = datasets.Dataset(
            pa.table(columns, schema=schema),
            split=datasets.NamedSplit(split),
            fingerprint=hashlib.sha256(content).hexdigest()[:32],
        )
    return parts


def _assign_groups(sizes: Counter[str]) -> dict[str, str]:
    """Return the split of each group.

    Groups stand in the order of their SHA-256 on a line as long as all rows; the middle of a group
    falls into the first tenth (test), the second (validation) or the rest. So shares are right up to
    half a group, and another environment moves few groups to another side.
    """
    total = sum(sizes.values())
    sides: dict[str, str] = {}
    start = 0
    for group in sorted(sizes, key=lambda name: hashlib.sha256(name.encode("utf-8")).digest()):
        middle = (start + sizes[group] / 2) / total
        if middle < _HELD_OUT_SHARE:
            sides[group] = "test"
        elif middle < 2 * _HELD_OUT_SHARE:
            sides[group] = "validation"
        else:
            sides[group] = "train"
        start += sizes[group]
    return sides


def _environment_key() -> str:
    versions = sorted((item.name, item.version) for item in installed_distributions())
    # what is read from a license file depends on the license facts
    folder = resources.files("audits.licenses")
    facts = [folder.joinpath(name).read_text("utf-8") for name in ("facts.toml", "fingerprints.toml")]
    described = json.dumps([_COLLECTOR_VERSION, python_version(), versions, facts])
    return hashlib.sha256(described.encode("utf-8")).hexdigest()[:32]


def _load(folder: Path) -> datasets.DatasetDict:
    fingerprints = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["fingerprints"]
    loaded = datasets.load_from_disk(str(folder))
    # loading derives another fingerprint from the stored one; in memory and on disk it shall be the same
    parts = {
        split: datasets.Dataset(loaded[split].data, split=datasets.NamedSplit(split), fingerprint=fingerprints[split])
        for split in SPLITS
    }
    return datasets.DatasetDict(parts)


def _write(collected: datasets.DatasetDict, target: Path) -> None:
    """Write under a temporary name and move; what stood there before is removed last."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=target.parent))
    try:
        new, old = staging / "new", staging / "old"
        with _without_progress_bars():
            collected.save_to_disk(str(new))
        manifest = {
            "fingerprints": {split: collected[split]._fingerprint for split in SPLITS},
            "files": {name: _sha256(new / name) for name in _relative_files(new)},
        }
        (new / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        if target.exists():
            target.replace(old)
        new.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Whether every file of a cache is there with the content that was written."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
        return set(manifest["fingerprints"]) == set(SPLITS) and all(
            _sha256(folder / name) == digest for name, digest in files.items()
        )
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return False


def _relative_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """``save_to_disk`` would draw its own bars beside the caller's."""
    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()

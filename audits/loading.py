"""Reading data: the only file that knows ``datasets``."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import huggingface_hub
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from audits.data_files import ACCEPTED, find_files, names_a_file
from audits.errors import SourceError, SourceNotFoundError
from audits.findings import DatasetRef
from audits.origins import license_text, origin_of

BATCH_ROWS = 10_000
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
# the JSON reader of datasets takes the next of no table where a file is empty: StopIteration
_READ_ERRORS = (
    datasets.exceptions.DatasetsError,
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    StopIteration,
)
# the HTTP library below huggingface_hub changes between its versions: name its base through a heir
_HTTP_ERRORS = tuple(base for base in HfHubHTTPError.__mro__ if base.__name__ in ("HTTPError", "OSError"))


class Limit(NamedTuple):
    """How many rows of each split are read; those of a stream are the first ones.

    Attributes:
        rows: at most.
        drawn: evenly over the split, else the first ones.
        seed: of the draw.
    """

    rows: int
    drawn: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Splits as ``datasets`` objects, and where they came from."""

    splits: Mapping[str, Any]
    repo_id: str | None = None
    config: str | None = None
    revision: str | None = None
    license: str | None = None
    name: str = ""

    @property
    def origin(self) -> DatasetRef:
        """Where all splits came from; it stands for none of them."""
        return DatasetRef(
            repo_id=self.repo_id, config=self.config, revision=self.revision, split="", fingerprint="", num_rows=0
        )

    def tables(self, limit: Limit | None = None) -> dict[str, pa.Table]:
        """Return the rows of each split as Arrow; a stream is consumed."""
        return {name: part for name, (part, _) in self.parts(limit).items()}

    def parts(self, limit: Limit | None = None) -> dict[str, tuple[pa.Table, int | None]]:
        """Return the rows of each split as Arrow, and how many were not read; None where a stream goes on."""
        return {name: _read(part, limit) for name, part in self.splits.items()}


def load(data: Any, *, split: str | None = None, config: str | None = None, revision: str | None = None) -> Loaded:
    """Return ``data`` as splits of ``datasets``; see :func:`audits.source.open_source`.

    Raises:
        SourceNotFoundError: no such path, dataset, revision or split.
        SourceError: unreadable, or of an unsupported type.
    """
    on_hub = False
    if isinstance(data, datasets.Dataset | datasets.IterableDataset):
        name = split or (str(data.split) if data.split is not None else "train")
        return _from_mapping({name: data})
    if isinstance(data, Mapping):
        loaded = _from_mapping(data)
    elif isinstance(data, Path):
        loaded = _from_disk(data)
    elif isinstance(data, str):
        path = Path(data).expanduser()
        on_hub = bool(_HUB_ID.fullmatch(data)) and not path.exists() and not names_a_file(path)
        loaded = _from_hub(data, config, revision) if on_hub else _from_disk(path)
    else:
        msg = (
            f"Data of the type {type(data).__name__} can not be audited; allowed are a Dataset or a DatasetDict "
            f"of `datasets` (or a stream), {ACCEPTED}, or the id of a dataset on the Hub. "
            "Try datasets.Dataset.from_list(...)."
        )
        raise SourceError(msg)
    if not on_hub and (config or revision):
        msg = "`config` and `revision` belong to a dataset on the Hub; leave them out for data that lies here."
        raise SourceError(msg)
    if split is None:
        return loaded
    if split not in loaded.splits:
        msg = f"There is no split `{split}`; the data has {', '.join(loaded.splits)}. Name one of these."
        raise SourceNotFoundError(msg)
    return replace(loaded, splits={split: loaded.splits[split]})


def select(data: Any, kept: Mapping[str, npt.NDArray[np.int64]]) -> Any:
    """Return the rows ``kept`` of each split as a Dataset if ``data`` is one, else as a DatasetDict.

    Raises:
        SourceError: ``data`` is a stream, or can not be read.
    """
    parts = load(data).splits
    if any(isinstance(part, datasets.IterableDataset) for part in parts.values()):
        msg = "Rows can not be taken out of a stream; make it a Dataset first, e.g. Dataset.from_list(list(stream))."
        raise SourceError(msg)
    chosen = {name: part.select(kept[name]) if name in kept else part for name, part in parts.items()}
    if isinstance(data, datasets.Dataset):
        return next(iter(chosen.values()))
    return datasets.DatasetDict(chosen)


def dataset_dict(tables: Mapping[str, pa.Table], fingerprints: Mapping[str, str]) -> datasets.DatasetDict:
    """Return the tables as datasets; a fingerprint of our own saves hashing all data for a cache key."""
    return datasets.DatasetDict(
        {
            name: datasets.Dataset(
                table, split=datasets.NamedSplit(name), fingerprint=fingerprints[name].removeprefix("sha256:")[:32]
            )
            for name, table in tables.items()
        }
    )


def _from_mapping(data: Mapping[Any, Any]) -> Loaded:
    for name, part in data.items():
        if not isinstance(part, datasets.Dataset | datasets.IterableDataset):
            msg = (
                f"Split `{name}` is of the type {type(part).__name__}; each split must be a Dataset or an "
                "IterableDataset of `datasets`. Try datasets.Dataset.from_list(...)."
            )
            raise SourceError(msg)
        if getattr(part, "format", {}).get("type") == "custom":
            msg = (
                f"Split `{name}` changes its rows by `set_transform` or `with_transform` when they are read; an audit "
                "would not see them. Write the change into the data with `dataset.map(...)`."
            )
            raise SourceError(msg)
    origins = [origin_of(part) for part in data.values()]
    stated = [
        license_text(part.info.license) or (origin.license if origin is not None else None)
        for part, origin in zip(data.values(), origins, strict=True)
    ]
    # one license is for all rows: where a split states none, nothing is known of the whole
    declared = license_text(sorted({text for text in stated if text})) if all(stated) else None
    loaded = Loaded(splits={str(name): part for name, part in data.items()}, license=declared)
    common = origins[0] if origins and len(set(origins)) == 1 else None
    if common is None:
        return loaded
    return replace(loaded, repo_id=common.repo_id, config=common.config, revision=common.revision, name=common.repo_id)


def _from_disk(path: Path) -> Loaded:
    found = find_files(path)
    try:
        with _quiet():
            if found.builder is None:
                saved = datasets.load_from_disk(str(path))
                if isinstance(saved, datasets.Dataset):
                    saved = {str(saved.split or "train"): saved}
                loaded = _from_mapping(saved)
            else:
                files = {name: [str(file) for file in paths] for name, paths in found.files.items()}
                loaded = Loaded(splits=dict(datasets.load_dataset(found.builder, data_files=files)))
    except _READ_ERRORS as error:
        kind = "a saved dataset" if found.builder is None else found.builder
        msg = (
            f"`{path}` can not be read as {kind}: {_cause(error)}. Check that it is complete, readable and has "
            "at least one row, and write it again if it is damaged."
        )
        raise SourceError(msg) from error
    return replace(loaded, name=path.name)


def _from_hub(repo_id: str, config: str | None, revision: str | None) -> Loaded:
    api = huggingface_hub.HfApi()
    try:
        info = api.dataset_info(repo_id, revision=revision)
        with _quiet():
            parts = datasets.load_dataset(repo_id, name=config, revision=info.sha)
    except GatedRepoError as error:
        msg = (
            f"The dataset {repo_id} on {api.endpoint} is gated and this account has no access: ask for it on its "
            "page, then log in with `hf auth login` or set HF_TOKEN."
        )
        raise SourceError(msg) from error
    except RevisionNotFoundError as error:
        msg = f"The dataset {repo_id} on {api.endpoint} has no revision `{revision}`; name a commit, branch or tag."
        raise SourceNotFoundError(msg) from error
    except RepositoryNotFoundError as error:
        msg = (
            f"`{repo_id}` is neither a file or folder here nor a dataset on {api.endpoint} that this account can "
            "see. Check the spelling; for a private dataset log in with `hf auth login` or set HF_TOKEN."
        )
        raise SourceNotFoundError(msg) from error
    except (*_HTTP_ERRORS, *_READ_ERRORS) as error:
        msg = (
            f"The dataset {repo_id} could not be read from {api.endpoint}: {_cause(error)}. Check the connection "
            "and HF_ENDPOINT, name a `config` if there are several, or give a file or folder that lies here."
        )
        raise SourceError(msg) from error
    declared = info.card_data.get("license") if info.card_data is not None else None
    return Loaded(
        splits=dict(parts),
        repo_id=info.id,
        config=config,
        revision=info.sha,
        license=license_text(declared),
        name=info.id,
    )


def _read(part: Any, limit: Limit | None) -> tuple[pa.Table, int | None]:
    """Return the rows of one split that are wanted, and how many there are besides."""
    if limit is None:
        return _table(part), 0
    if isinstance(part, datasets.IterableDataset):
        # one row more tells whether the stream goes on
        table = _table(part.take(limit.rows + 1))
        return table.slice(0, limit.rows), 0 if table.num_rows <= limit.rows else None
    count = len(part)
    if count <= limit.rows:
        return _table(part), 0
    rows: Any = range(limit.rows)
    if limit.drawn:
        rows = np.sort(np.random.default_rng(limit.seed).choice(count, limit.rows, replace=False))
    return _table(part.select(rows)), count - limit.rows


def _table(part: Any) -> pa.Table:
    """Return the rows of one split as Arrow; memory-mapped data stays mapped."""
    blocks = []
    for block in part.with_format("arrow").iter(batch_size=BATCH_ROWS):
        # rows of a shuffled or filtered Dataset arrive as a chunk each: make one chunk of them
        scattered = any(column.num_chunks > 64 for column in block.columns)
        blocks.append(block.combine_chunks() if scattered else block)
    if blocks:
        return pa.concat_tables(blocks, promote_options="permissive")
    return part.features.arrow_schema.empty_table() if part.features else pa.table({})


def _cause(error: BaseException) -> str:
    """Return the first line of what really went wrong below the wrappers of ``datasets``."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, KeyError):
        return f"the entry {error} is missing"
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return line[:200].rstrip(". ")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ``datasets`` from logging an error that is raised in a paragraph of its own."""
    logger = logging.getLogger("datasets")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)

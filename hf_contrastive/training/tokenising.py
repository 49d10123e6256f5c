"""Texts as token ids: made once for a dataset, kept in a file, and read by rows.

The file is named by what its content depends on: our fingerprint of the data (that of ``datasets`` survives swapping
its Arrow file), the tokenizer with its vocabulary, columns, prompts and length. So no run reads the tokens of other
data, and no run tokenises anew what an earlier one did.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tokenizers
import torch
import transformers
from datasets import Features, List, Value

from hf_contrastive.auditing import references
from hf_contrastive.training.cells import list_counts, plain
from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.pooling import prompt_length

logger = logging.getLogger(__name__)

Integers = npt.NDArray[np.int64]

VERSION = 1
"""Goes up when the same texts would be kept in another form."""
MAP_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenColumn:
    """The texts of one column of a batch.

    Attributes:
        input_ids: of all texts, one after the other, ``[sum of lengths]``.
        lengths: tokens of each text, ``[texts]``.
        counts: texts of each row, ``[rows]``.
    """

    input_ids: Integers
    lengths: Integers
    counts: Integers

    @property
    def owners(self) -> Integers:
        """The row of each text, ``[texts]``."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def texts(self) -> list[Integers]:
        """Return the ids of each text."""
        return np.split(self.input_ids, np.cumsum(self.lengths)[:-1]) if len(self.lengths) else []


def token_column(texts: Sequence[Sequence[int]], counts: Integers) -> TokenColumn:
    """Return ``texts`` as a column; ``counts`` are texts of each row, ``[rows]``."""
    lengths = np.fromiter((len(ids) for ids in texts), np.int64, len(texts))
    ids = np.fromiter(chain.from_iterable(texts), np.int64, int(lengths.sum()))
    return TokenColumn(input_ids=ids, lengths=lengths, counts=counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatch:
    """Rows of a dataset as the collator takes them.

    Attributes:
        data_format: which columns they have.
        texts: one column of token ids for each of ``data_format.texts``.
        cells: what stands in the columns that hold no texts, by column.
        rows: numbers of the rows in the dataset, or None.
        prompt_lengths: tokens of the prompt before each text of a column.
        dataset: name of the dataset, where the training has several.
        raw: the texts themselves by column, in the order of a batch, where they are asked for.
    """

    data_format: DataFormat
    texts: list[TokenColumn]
    cells: Mapping[str, list[Any]] = field(default_factory=dict)
    rows: list[int] | None = None
    prompt_lengths: Mapping[str, int] = field(default_factory=dict)
    dataset: str = ""
    raw: list[list[str]] | None = None


class Tokeniser:
    """Turns rows of texts into token ids.

    Args:
        tokenizer: of the model.
        data_format: which columns are read.
        max_length: texts are cut to this many tokens, special tokens included; raw text, of which views are taken,
            is left whole and without special tokens.
        prompts: prefix by column; missing means none.
    """

    def __init__(
        self, tokenizer: Any, data_format: DataFormat, *, max_length: int, prompts: Mapping[str, str] | None = None
    ) -> None:
        self.tokenizer = tokenizer
        self.data_format = data_format
        self.max_length = max_length
        self.prompts = dict(prompts or {})

    @property
    def raw(self) -> bool:
        """Whether views are taken of the texts later."""
        return self.data_format.kind == "text"

    @cached_property
    def special_tokens(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and after a text (it can do so for texts, not for ids)."""
        plain_ids = list(self.tokenizer("a", add_special_tokens=False)["input_ids"])
        whole = list(self.tokenizer("a")["input_ids"])
        start = next(i for i in range(len(whole)) if whole[i : i + len(plain_ids)] == plain_ids)
        return whole[:start], whole[start + len(plain_ids) :]

    @cached_property
    def prompt_lengths(self) -> dict[str, int]:
        """How many of the first tokens are those of the prompt, by column."""
        return {column: prompt_length(self.tokenizer, prompt) for column, prompt in self.prompts.items() if prompt}

    @property
    def room(self) -> int:
        """Tokens of a text that are read, special tokens left out."""
        return self.max_length - sum(map(len, self.special_tokens))

    def __call__(self, cells: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Return token ids by column, and under :func:`truncated_name` how many texts of each row are cut.

        Args:
            cells: of many rows, by column, as ``datasets.map(batched=True)`` gives them.
        """
        found: dict[str, list[Any]] = {}
        for name in self.data_format.texts:
            listed = name in self.data_format.lists
            given: list[list[str]] = list(cells[name]) if listed else [[text] for text in cells[name]]
            ids, cut = self._encoded(name, list(chain.from_iterable(given)))
            ends = np.cumsum([len(texts) for texts in given]).tolist()
            starts = [0, *ends[:-1]]
            found[name] = [ids[start:end] for start, end in zip(starts, ends, strict=True)] if listed else ids
            found[truncated_name(name)] = [sum(cut[start:end]) for start, end in zip(starts, ends, strict=True)]
        return found

    def batch(self, rows: Sequence[Mapping[str, Any]]) -> RowBatch:
        """Return ``rows`` of a dataset as a batch, for use without a tokenised dataset."""
        columns = []
        for name in self.data_format.texts:
            given = [row[name] if name in self.data_format.lists else [row[name]] for row in rows]
            counts = np.fromiter((len(texts) for texts in given), np.int64, len(given))
            columns.append(token_column(self._encoded(name, list(chain.from_iterable(given)))[0], counts))
        cells = {name: [row[name] for row in rows] for name in self.data_format.columns[len(columns) :]}
        return RowBatch(data_format=self.data_format, texts=columns, cells=cells, prompt_lengths=self.prompt_lengths)

    def _encoded(self, column: str, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Return the token ids of each of ``texts``, and whether it is longer than what is read."""
        if not texts:
            return [], []
        prefix = self.prompts.get(column, "")
        given = [prefix + text for text in texts]
        if self.raw:
            whole = self._whole(given, add_special_tokens=False)
            return whole, [len(ids) > self.room for ids in whole]
        encoded = self.tokenizer(given, padding=False, truncation=True, max_length=self.max_length)
        ids = [list(row) for row in encoded["input_ids"]]
        if encoded.encodings is not None:
            return ids, [bool(row.overflowing) for row in encoded.encodings]
        # only texts that fill all places can have been longer
        full = [place for place, row in enumerate(ids) if len(row) == self.max_length]
        again = self._whole([given[place] for place in full]) if full else []
        longer = {place for place, row in zip(full, again, strict=True) if len(row) > self.max_length}
        return ids, [place in longer for place in range(len(ids))]

    def _whole(self, texts: list[str], **options: Any) -> list[list[int]]:
        encoded = self.tokenizer(texts, padding=False, truncation=False, verbose=False, **options)["input_ids"]
        return [list(row) for row in encoded]

    def features(self, source: Mapping[str, Any]) -> Features:
        """Return the types of what :meth:`__call__` gives, and of the columns of ``source`` that are kept."""
        ids, texts = List(Value("int32")), self.data_format.texts
        kinds = {name: List(ids) if name in self.data_format.lists else ids for name in texts}
        kinds |= {truncated_name(name): Value("int32") for name in texts}
        return Features(kinds | {name: source[name] for name in self.data_format.columns if name not in texts})

    def key(self, fingerprint: str) -> str:
        """Return 64 letters that stand for everything the tokens depend on; ``fingerprint`` is of the data."""
        form = self.data_format
        state = [
            *(VERSION, fingerprint, tokenizer_digest(self.tokenizer), tokenizers.__version__, transformers.__version__),
            *(form.kind, form.texts, sorted(form.lists), form.columns),
            *(sorted(self.prompts.items()), None if self.raw else self.max_length, self.room if self.raw else None),
        ]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def truncated_name(column: str) -> str:
    """Return the column that says how many texts of ``column`` are cut in a row."""
    return f"{column} truncated"


def tokenizer_digest(tokenizer: Any) -> str:
    """Return a digest of what a tokenizer makes of texts: vocabulary, rules, special tokens."""
    state = hashlib.sha256()
    settings = [type(tokenizer).__name__, tokenizer.truncation_side, getattr(tokenizer, "split_special_tokens", False)]
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    state.update(json.dumps([settings, special], sort_keys=True).encode())
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        content = json.loads(backend.to_str())
        # left there by the last call
        content["truncation"] = content["padding"] = None
        state.update(json.dumps(content, sort_keys=True).encode())
        return state.hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        for path in sorted(Path(folder).iterdir()):
            state.update(path.name.encode() + path.read_bytes())
    return state.hexdigest()


class TokenisedRows(torch.utils.data.Dataset[RowBatch]):
    """A dataset whose texts are token ids; read many rows at once.

    Args:
        tokens: made by :func:`tokenised`.
        source: the dataset that it was made of, row by row.
        tokeniser: by which it was made.
        name: of the dataset, where the training has several.
    """

    def __init__(self, tokens: Any, source: Any, tokeniser: Tokeniser, *, name: str = "") -> None:
        self.source = source
        self.name = name
        self.keep_texts = False
        self.data_format = tokeniser.data_format
        self.prompt_lengths = tokeniser.prompt_lengths
        self._tokens = tokens.with_format("arrow")

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, row: int) -> RowBatch:
        return self.__getitems__([row])

    def __getitems__(self, rows: Sequence[int]) -> RowBatch:
        table = self._tokens[list(rows)]
        form = self.data_format
        texts = [_column(plain(table.column(name)), name in form.lists) for name in form.texts]
        others = (name for name in form.columns if name not in form.texts)
        cells = {name: table.column(name).to_pylist() for name in others}
        return RowBatch(
            data_format=form,
            texts=texts,
            cells=cells,
            rows=list(rows),
            prompt_lengths=self.prompt_lengths,
            dataset=self.name,
            raw=self.raw_texts(rows) if self.keep_texts else None,
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each dataset: there is one."""
        return (len(self),)

    @cached_property
    def texts(self) -> dict[str, int]:
        """How many texts each column holds."""
        return {name: self._total(name, lists=name in self.data_format.lists) for name in self.data_format.texts}

    @cached_property
    def truncated(self) -> dict[str, int]:
        """How many texts of each column are longer than what is read."""
        return {name: self._total(truncated_name(name)) for name in self.data_format.texts}

    @property
    def truncated_fraction(self) -> float:
        """Share of all texts that are longer than what is read."""
        return sum(self.truncated.values()) / max(1, sum(self.texts.values()))

    def _total(self, column: str, *, lists: bool | None = None) -> int:
        if lists is False:
            return len(self)
        cells = self._tokens.data.column(column)
        return int(pc.sum(pc.list_value_length(cells) if lists else cells).as_py() or 0)

    def raw_texts(self, rows: Sequence[int]) -> list[list[str]]:
        """Return the texts of ``rows`` by column, in the order in which a batch holds them, without prompts."""
        table = self.source.with_format("arrow")[list(rows)]
        form = self.data_format
        cells = {name: table.column(name).to_pylist() for name in form.texts}
        return [list(chain.from_iterable(cells[n])) if n in form.lists else cells[n] for n in form.texts]


def _column(cells: pa.Array, listed: bool) -> TokenColumn:
    counts = list_counts(cells) if listed else np.ones(len(cells), dtype=np.int64)
    texts = pc.list_flatten(cells) if listed else cells
    ids = pc.list_flatten(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    return TokenColumn(input_ids=ids, lengths=list_counts(texts), counts=counts)


def tokenised(dataset: Any, tokeniser: Tokeniser, *, name: str = "", quiet: bool = False) -> TokenisedRows:
    """Return ``dataset`` with token ids, from the cache where they are known.

    Without a cache (``datasets.disable_caching()``, or a folder that can not be written) they are kept in memory.

    Args:
        dataset: a ``datasets.Dataset``, in memory or on disk; it is not changed.
        tokeniser: for its format.
        name: of the dataset, where the training has several.
        quiet: without a progress bar.
    """
    (reference,) = references(data=dataset)
    key = tokeniser.key(reference.fingerprint)
    path = _cache_file(key)
    kept = tokeniser.data_format.columns[len(tokeniser.data_format.texts) :]
    options: dict[str, Any] = {
        "batched": True,
        "batch_size": MAP_ROWS,
        "remove_columns": [name for name in dataset.column_names if name not in kept],
        "features": tokeniser.features(dataset.features),
        "new_fingerprint": key,
        "desc": "Tokenising",
        **({"keep_in_memory": True, "load_from_cache_file": False} if path is None else {"cache_file_name": str(path)}),
    }
    with _quiet() if quiet else _nothing():
        try:
            tokens = dataset.with_format(None).map(tokeniser, **options)
        except pa.ArrowInvalid:
            if path is None or not path.exists():
                raise
            logger.warning("%s is damaged and is made anew.", path)
            path.unlink()
            tokens = dataset.with_format(None).map(tokeniser, **options)
    return TokenisedRows(tokens, dataset, tokeniser, name=name)


def _cache_file(key: str) -> Path | None:
    if not datasets.is_caching_enabled():
        return None
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "hf-contrastive-tokens"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / f"{key}.arrow" if os.access(folder, os.W_OK) else None


@contextmanager
def _quiet() -> Iterator[None]:
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


@contextmanager
def _nothing() -> Iterator[None]:
    yield

"""From rows of a dataset to one pool of token ids."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from hf_contrastive.training.corruption import Asked, Corruption
from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.sampling import EpochSampler
from hf_contrastive.training.tokenising import Integers, RowBatch, TokenColumn, Tokeniser, token_column
from hf_contrastive.training.trunk_cache import KEY_BYTES
from hf_contrastive.training.views import view_of

RowLists = tuple[torch.Tensor, torch.Tensor]
"""``(indptr [rows + 1], indices)``: the CSR form of which candidates belong to which row."""


class ContrastiveCollator:
    """Put the texts of a batch into one pool.

    The result holds ``input_ids`` (``[sum of lengths]``, one text after the other), ``lengths`` (an array,
    ``[texts]``), ``sizes`` (texts of each column; the pool is the columns one after the other, and candidates are
    those behind the anchors'), ``text_ids`` (``[pool]``), and where they are needed

    - ``index`` (``[pool]``): which text each row of the pool is, if equal texts stand once;
    - ``positives``, ``negatives``: the candidates given for each row as positives and as hard negatives, a CSR pair
      ``(indptr [rows + 1], indices)`` each; without ``positives``, row i of the second column is that of row i;
    - ``scores``: a teacher's score of each candidate (``[candidates]``), or the grade of each pair (``[rows]``);
    - ``label`` (``[rows]``; the key ``labels`` would make Trainer rescale the loss);
    - ``owners``: the row of the batch that each text stands in (``[pool]``);
    - ``rows``: their numbers in the dataset, if they come from one that is tokenised;
    - ``dataset``: its name, where the training has several;
    - ``groups`` (``[pool]``): texts of rows with the same id share a number;
    - ``prompt_lengths`` (an array, ``[texts]``): how many of the first tokens of a text are not pooled;
    - ``keys``: 16 bytes that stand for each text that is embedded;
    - ``masked_lm``, ``denoising``: the corrupted texts; see ``hf_contrastive.training.corruption``.

    Args:
        tokenise: for rows of plain texts, and for what stands around views of raw text.
        classes: index by label value.
        deduplicate: embed equal texts once.
        mask_duplicates: give equal texts the same id, so that a copy of a positive is no negative.
        view: how raw text becomes two views, one of ``hf_contrastive.training.views.VIEWS``.
        view_deletion: share of tokens that go, with ``deletion``.
        seed: of the views of raw text; they depend on it, on ``epoch`` and on the text alone, so that neither
            a restart nor the number of workers changes them.
        process_index: of this process: ids of texts that are not equal differ from those of other processes.
        pool_prompt: pool the tokens of prompts too.
        keep_keys: give ``keys``, under which the output of frozen layers is kept.
        corruption: of the texts that are restored, or None where none are.
    """

    def __init__(
        self,
        tokenise: Tokeniser,
        *,
        classes: Mapping[Any, int] | None = None,
        deduplicate: bool = False,
        mask_duplicates: bool = False,
        view: str = "crop",
        view_deletion: float = 0.1,
        seed: int = 0,
        process_index: int = 0,
        pool_prompt: bool = True,
        keep_keys: bool = False,
        corruption: Corruption | None = None,
    ) -> None:
        self.tokenise = tokenise
        self.classes = dict(classes or {})
        self.deduplicate = deduplicate
        self.mask_duplicates = mask_duplicates
        self.view = view
        self.view_deletion = view_deletion
        self.seed = seed
        self.process_index = process_index
        self.pool_prompt = pool_prompt
        self.keep_keys = keep_keys
        self.corruption = corruption
        if tokenise.raw:
            _ = tokenise.special_tokens  # found here, so that no worker has to call the tokenizer
        # in memory that the workers of a data loader share, which may live longer than an epoch
        self._epoch: torch.Tensor = torch.zeros((), dtype=torch.long).share_memory_()  # type: ignore[no-untyped-call]

    @property
    def epoch(self) -> int:
        """Counted from 0; set it to see other views of raw text."""
        return int(self._epoch)

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch.fill_(value)

    def __call__(self, rows: RowBatch | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Collate rows of a tokenised dataset, or plain rows with their texts."""
        given = rows if isinstance(rows, RowBatch) else self.tokenise.batch(rows)
        columns = given.texts
        asked = self.corruption.of(given.dataset) if self.corruption is not None else Asked()
        if given.data_format.kind == "text":
            columns = [self._whole(columns[0])] if asked.alone else [self._views(columns[0], view) for view in range(2)]
        texts = [ids for column in columns for ids in column.texts()]
        owners = np.concatenate([column.owners for column in columns])
        batch: dict[str, Any] = {
            "owners": owners,
            "sizes": tuple(len(column.lengths) for column in columns),
            "text_ids": self._text_ids(texts),
        }
        batch |= _relations(columns, given.data_format) | self._numbers(given, columns, owners)
        if given.rows is not None:
            batch["rows"] = given.rows
        if given.dataset:
            batch["dataset"] = given.dataset
        if given.raw is not None:
            # both views of a raw text are that text
            batch["texts"] = given.raw * (2 if given.data_format.kind == "text" else 1)
        prompts = self._prompt_lengths(given, columns, needed=bool(asked.terms) or not self.pool_prompt)
        if self.deduplicate:
            first: dict[tuple[bytes, int], int] = {}
            keys = zip((ids.tobytes() for ids in texts), prompts.tolist(), strict=True)
            places = [first.setdefault(key, len(first)) for key in keys]
            if len(first) < len(texts):
                batch["index"] = torch.tensor(places, dtype=torch.long)
                texts = [np.frombuffer(ids, np.int64) for ids, _ in first]
                prompts = np.fromiter((length for _, length in first), np.int64, len(first))
        if not self.pool_prompt and prompts.any():
            batch["prompt_lengths"] = prompts
        if self.corruption is not None:
            batch |= self.corruption.parts(texts, prompts, epoch=self.epoch, dataset=given.dataset)
        batch["input_ids"] = torch.from_numpy(np.concatenate(texts) if texts else np.empty(0, np.int64))
        batch["lengths"] = np.fromiter((len(ids) for ids in texts), np.int64, len(texts))
        if self.keep_keys:
            batch["keys"] = [hashlib.blake2b(ids.tobytes(), digest_size=KEY_BYTES).digest() for ids in texts]
        return batch

    def _views(self, column: TokenColumn, view: int) -> TokenColumn:
        (before, after), room = self.tokenise.special_tokens, self.tokenise.room
        texts = []
        for ids in column.texts():
            draw = Random(f"{self.seed} {self.epoch} {view} ".encode() + ids.tobytes())
            seen = view_of(ids.tolist(), self.view, draw, deletion=self.view_deletion)
            texts.append([*before, *seen[:room], *after])
        return token_column(texts, column.counts)

    def _whole(self, column: TokenColumn) -> TokenColumn:
        (before, after), room = self.tokenise.special_tokens, self.tokenise.room
        return token_column([[*before, *ids[:room].tolist(), *after] for ids in column.texts()], column.counts)

    def _prompt_lengths(self, given: RowBatch, columns: list[TokenColumn], *, needed: bool) -> Integers:
        """Return how many tokens of each text are a prompt, ``[pool]``; 0 where nobody needs to know."""
        lengths = [0] * len(columns)
        if needed and given.prompt_lengths:
            lengths = [given.prompt_lengths.get(name, 0) for name in given.data_format.texts]
        return np.repeat(np.array(lengths, np.int64), [len(column.lengths) for column in columns])

    def _text_ids(self, texts: list[Integers]) -> torch.Tensor:
        if not self.mask_duplicates:
            return torch.arange(len(texts)) + (self.process_index << 40)
        return torch.tensor([_number(ids.tobytes()) for ids in texts], dtype=torch.long)

    def _numbers(self, given: RowBatch, columns: list[TokenColumn], owners: Integers) -> dict[str, torch.Tensor]:
        """Return what stands in the columns that hold no texts."""
        found, form = {}, given.data_format
        if form.label is not None:
            found["label"] = torch.tensor([self.classes[value] for value in given.cells[form.label]], dtype=torch.long)
        if form.grade is not None:
            found["scores"] = torch.tensor([float(grade) for grade in given.cells[form.grade]], dtype=torch.float32)
        if form.scores is not None:
            # given row by row, wanted column by column
            scores = torch.tensor([score for row in given.cells[form.scores] for score in row], dtype=torch.float32)
            _, order = _row_lists(columns[1:], len(columns[0].counts), 0)
            found["scores"] = torch.empty_like(scores).index_copy_(0, order, scores)
        if form.ids is not None:
            ids = [_number(f"{type(value).__name__} {value}".encode()) for value in given.cells[form.ids]]
            found["groups"] = torch.tensor(ids, dtype=torch.long)[torch.from_numpy(owners)]
        return found


def _relations(columns: list[TokenColumn], data_format: DataFormat) -> dict[str, RowLists]:
    """Say which candidates belong to which row, where it is not one positive each."""
    found = {}
    positives, negatives = columns[1:2], columns[2:]
    if not positives or data_format.lists & set(data_format.texts[1:2]):
        found["positives"] = _row_lists(positives, len(columns[0].counts), 0)
    if negatives:
        found["negatives"] = _row_lists(negatives, len(columns[0].counts), len(columns[1].lengths))
    return found


def _row_lists(columns: Sequence[TokenColumn], rows: int, offset: int) -> RowLists:
    """Return the texts of each row in the order of the columns; the first text has the number ``offset``."""
    owners = np.concatenate([np.empty(0, np.int64), *(column.owners for column in columns)])
    order = np.argsort(owners, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=rows))])
    return torch.from_numpy(indptr), torch.from_numpy(order + offset)


def _number(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)


class FollowEpochs(TrainerCallback):
    """Tell collator and sampler the epoch, so that every epoch has its own views and its own order."""

    def __init__(self, collator: ContrastiveCollator) -> None:
        self.collator = collator
        self.sampler: EpochSampler | None = None

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count from the state, which a restart restores."""
        self.collator.epoch = int(state.epoch or 0)
        if self.sampler is not None:
            # the loader of a resumed run in several processes would not reach it
            self.sampler.set_epoch(self.collator.epoch)

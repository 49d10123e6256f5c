"""From rows of a dataset to one pool of token ids."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.tokenising import Integers, TokenColumn, Tokeniser, special_tokens, token_column
from hf_contrastive.training.views import independent_crop

RowLists = tuple[torch.Tensor, torch.Tensor]
"""``(indptr [rows + 1], indices)``: the CSR form of which candidates belong to which row."""


class ContrastiveCollator:
    """Tokenise the text columns of a batch into one pool.

    The result holds ``input_ids`` (``[sum of lengths]``, one text after the other), ``lengths`` (an array,
    ``[texts]``), ``sizes`` (texts of each column; the pool is the columns one after the other, and candidates are
    those behind the anchors'), ``text_ids`` (``[pool]``), and where they are needed

    - ``index`` (``[pool]``): which text each row of the pool is, if equal texts stand once;
    - ``positives``, ``negatives``: the candidates given for each row as positives and as hard negatives, a CSR pair
      ``(indptr [rows + 1], indices)`` each; without ``positives``, row i of the second column is that of row i;
    - ``scores``: a teacher's score of each candidate (``[candidates]``), or the grade of each pair (``[rows]``);
    - ``label`` (``[rows]``; the key ``labels`` would make Trainer rescale the loss);
    - ``groups`` (``[pool]``): texts of rows with the same id share a number;
    - ``keys``: 16 bytes that stand for each text that is embedded.

    Args:
        tokenizer: of the model.
        data_format: which columns are read.
        max_length: texts are cut to this many tokens, special tokens included.
        prompts: prefix by column; missing means none.
        classes: index by label value.
        deduplicate: embed equal texts once.
        mask_duplicates: give equal texts the same id, so that a copy of a positive is no negative.
        seed: of the views of raw text; they depend on it, on ``epoch`` and on the text alone, so that neither
            a restart nor the number of workers changes them.
        process_index: of this process: ids of texts that are not equal differ from those of other processes.
        keep_keys: give ``keys``, under which the output of frozen layers is kept.
    """

    def __init__(
        self,
        tokenizer: Any,
        data_format: DataFormat,
        *,
        max_length: int,
        prompts: Mapping[str, str] | None = None,
        classes: Mapping[Any, int] | None = None,
        deduplicate: bool = False,
        mask_duplicates: bool = False,
        seed: int = 0,
        process_index: int = 0,
        keep_keys: bool = False,
    ) -> None:
        self.tokenise = Tokeniser(tokenizer, data_format, max_length=max_length, prompts=prompts)
        self.data_format = data_format
        self.max_length = max_length
        self.prompts = self.tokenise.prompts
        self.classes = dict(classes or {})
        self.deduplicate = deduplicate
        self.mask_duplicates = mask_duplicates
        self.seed = seed
        self.process_index = process_index
        self.keep_keys = keep_keys
        self.epoch = 0
        self._before, self._after = special_tokens(tokenizer) if self.tokenise.raw else ([], [])

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Collate ``rows``."""
        columns = self.tokenise.columns(rows)
        if self.tokenise.raw:
            columns = [self._views(columns[0], view) for view in range(2)]
        texts = [ids for column in columns for ids in column.texts()]
        batch: dict[str, Any] = {
            "sizes": tuple(len(column.lengths) for column in columns),
            "text_ids": self._text_ids(texts),
        }
        batch |= self._relations(columns) | self._numbers(rows, columns)
        if self.deduplicate:
            first: dict[bytes, int] = {}
            places = [first.setdefault(ids.tobytes(), len(first)) for ids in texts]
            if len(first) < len(texts):
                batch["index"] = torch.tensor(places, dtype=torch.long)
                texts = [np.frombuffer(ids, np.int64) for ids in first]
        batch["input_ids"] = torch.from_numpy(np.concatenate(texts) if texts else np.empty(0, np.int64))
        batch["lengths"] = np.fromiter((len(ids) for ids in texts), np.int64, len(texts))
        if self.keep_keys:
            batch["keys"] = [hashlib.blake2b(ids.tobytes(), digest_size=16).digest() for ids in texts]
        return batch

    def _views(self, column: TokenColumn, view: int) -> TokenColumn:
        room = self.max_length - len(self._before) - len(self._after)
        texts = []
        for ids in column.texts():
            crop = independent_crop(ids.tolist(), Random(f"{self.seed} {self.epoch} {view} ".encode() + ids.tobytes()))
            texts.append([*self._before, *crop[:room], *self._after])
        return token_column(texts, column.counts)

    def _text_ids(self, texts: list[Integers]) -> torch.Tensor:
        if not self.mask_duplicates:
            return torch.arange(len(texts)) + (self.process_index << 40)
        return torch.tensor([_number(ids.tobytes()) for ids in texts], dtype=torch.long)

    def _relations(self, columns: list[TokenColumn]) -> dict[str, RowLists]:
        """Say which candidates belong to which row, where it is not one positive each."""
        found = {}
        positives, negatives = columns[1:2], columns[2:]
        lists = len(self.data_format.texts) > 1 and self.data_format.texts[1] in self.data_format.lists
        if lists or not positives:
            found["positives"] = _row_lists(positives, len(columns[0].counts), 0)
        if negatives:
            found["negatives"] = _row_lists(negatives, len(columns[0].counts), len(columns[1].lengths))
        return found

    def _numbers(self, rows: Sequence[Mapping[str, Any]], columns: list[TokenColumn]) -> dict[str, torch.Tensor]:
        """Return what stands in the columns that hold no texts."""
        found = {}
        if (name := self.data_format.label) is not None:
            found["label"] = torch.tensor([self.classes[row[name]] for row in rows], dtype=torch.long)
        if (name := self.data_format.grade) is not None:
            found["scores"] = torch.tensor([float(row[name]) for row in rows], dtype=torch.float32)
        if (name := self.data_format.scores) is not None:
            # given row by row, wanted column by column
            given = torch.tensor([score for row in rows for score in row[name]], dtype=torch.float32)
            _, order = _row_lists(columns[1:], len(rows), 0)
            found["scores"] = torch.empty_like(given).index_copy_(0, order, given)
        if (name := self.data_format.ids) is not None:
            ids = np.array([_number(f"{type(row[name]).__name__} {row[name]}".encode()) for row in rows], np.int64)
            found["groups"] = torch.from_numpy(np.concatenate([ids[column.owners] for column in columns]))
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
    """Tell the collator the epoch, so that every epoch sees other views."""

    def __init__(self, collator: ContrastiveCollator) -> None:
        self.collator = collator

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count from the state, which a restart restores."""
        self.collator.epoch = int(state.epoch or 0)

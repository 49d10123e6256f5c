"""From rows to one pool of token ids, unpadded; padding happens per chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.views import independent_crop


class ContrastiveCollator:
    """Tokenise the text columns of a batch into one pool.

    The result holds ``input_ids`` (``[sum of lengths]``, one text after the other), ``lengths`` (an array,
    ``[texts]``), ``sizes`` (rows of each column; the pool is the columns one after the other), ``text_ids``
    (``[pool]``), and where they are needed ``index`` (``[pool]``: which text each row of the pool is, if equal
    texts stand once) and ``label`` (``[batch]``; the key ``labels`` would make Trainer rescale the loss).

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
    ) -> None:
        self.tokenizer = tokenizer
        self.data_format = data_format
        self.max_length = max_length
        self.prompts = dict(prompts or {})
        self.classes = dict(classes or {})
        self.deduplicate = deduplicate
        self.mask_duplicates = mask_duplicates
        self.seed = seed
        self.epoch = 0

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Collate ``rows``."""
        texts = [self.prompts.get(name, "") + row[name] for name in self.data_format.texts for row in rows]
        tokens = self._views(texts) if self.data_format.kind == "text" else self._tokens(texts)
        columns = len(tokens) // len(rows)
        batch: dict[str, Any] = {"sizes": (len(rows),) * columns, "text_ids": self._text_ids(tokens)}
        if self.deduplicate:
            first: dict[tuple[int, ...], int] = {}
            places = [first.setdefault(tuple(ids), len(first)) for ids in tokens]
            if len(first) < len(tokens):
                batch["index"] = torch.tensor(places, dtype=torch.long)
                tokens = [list(ids) for ids in first]
        batch["input_ids"] = torch.tensor([token for ids in tokens for token in ids], dtype=torch.long)
        batch["lengths"] = np.array([len(ids) for ids in tokens], dtype=np.int64)
        if self.data_format.label is not None:
            label = self.data_format.label
            batch["label"] = torch.tensor([self.classes[row[label]] for row in rows], dtype=torch.long)
        return batch

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        encoded = self.tokenizer(texts, truncation=True, max_length=self.max_length, padding=False)["input_ids"]
        return [list(ids) for ids in encoded]

    def _views(self, texts: list[str]) -> list[list[int]]:
        before, after = self._special_tokens()
        room = self.max_length - len(before) - len(after)
        plain = self.tokenizer(texts, add_special_tokens=False, padding=False, truncation=False, verbose=False)
        crops = [
            independent_crop(ids, Random(repr((self.seed, self.epoch, view, ids))))
            for view in range(2)
            for ids in plain["input_ids"]
        ]
        return [[*before, *ids[:room], *after] for ids in crops]

    def _special_tokens(self) -> tuple[list[int], list[int]]:
        """Return what the tokenizer puts before and after a text (it can do so for texts, not for ids)."""
        plain = list(self.tokenizer("a", add_special_tokens=False)["input_ids"])
        whole = list(self.tokenizer("a")["input_ids"])
        start = next(i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
        return whole[:start], whole[start + len(plain) :]

    def _text_ids(self, tokens: list[list[int]]) -> torch.Tensor:
        if not self.mask_duplicates:
            return torch.arange(len(tokens))
        hashes = [hashlib.blake2b(repr(ids).encode(), digest_size=8).digest() for ids in tokens]
        return torch.tensor([int.from_bytes(value, "little", signed=True) for value in hashes])


class FollowEpochs(TrainerCallback):
    """Tell the collator the epoch, so that every epoch sees other views."""

    def __init__(self, collator: ContrastiveCollator) -> None:
        self.collator = collator

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count from the state, which a restart restores."""
        self.collator.epoch = int(state.epoch or 0)

"""Texts of a column as token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.training.formats import DataFormat

Integers = npt.NDArray[np.int64]


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


class Tokeniser:
    """Turn rows of texts into token ids.

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

    def columns(self, rows: Sequence[Mapping[str, Any]]) -> list[TokenColumn]:
        """Return the text columns of ``rows``, in the order of the format."""
        found = []
        for name in self.data_format.texts:
            cells = [row[name] if name in self.data_format.lists else [row[name]] for row in rows]
            counts = np.fromiter((len(cell) for cell in cells), np.int64, len(cells))
            found.append(token_column(self.ids(name, list(chain.from_iterable(cells))), counts))
        return found

    def ids(self, column: str, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each of ``texts``, which stand in ``column``."""
        prefix = self.prompts.get(column, "")
        options: dict[str, Any] = (
            {"add_special_tokens": False, "truncation": False, "verbose": False}
            if self.raw
            else {"truncation": True, "max_length": self.max_length}
        )
        if not texts:
            return []
        encoded = self.tokenizer([prefix + text for text in texts], padding=False, **options)["input_ids"]
        return [list(ids) for ids in encoded]


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return what the tokenizer puts before and after a text (it can do so for texts, not for ids)."""
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    whole = list(tokenizer("a")["input_ids"])
    start = next(i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
    return whole[:start], whole[start + len(plain) :]

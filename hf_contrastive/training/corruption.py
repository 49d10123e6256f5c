"""Texts with tokens masked or deleted, for the terms that have the encoder restore them.

What becomes of a text depends on the seed, the epoch, the term and its tokens alone: neither chunks, processes and
workers nor a restart changes it, and equal texts of an epoch are corrupted alike. Special tokens and those of a prompt
are left as they are and never asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hf_contrastive.errors import DataFormatError
from hf_contrastive.training.tokenising import Integers
from hf_contrastive.training.views import token_deletion

MASKED_LM = "masked_lm"
DENOISING = "denoising"
NOTHING = -100
"""Stands where no token is asked for."""

_MASKED, _REPLACED = 0.8, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which texts a dataset's loss is about.

    Attributes:
        terms: that restore texts.
        alone: whether nothing is contrasted beside them: raw text is then read whole, and no views are taken of it.
    """

    terms: tuple[str, ...] = ()
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """Corrupts the texts of a batch as the loss of its dataset asks.

    Attributes:
        asked: by name of the dataset, the first one's for every other name.
        special: ids of the tokens that stand for no part of a text.
        words: ids of all other tokens.
        mask: id of the mask token, or None where the tokenizer has none.
        probability: share of the tokens that ``masked_lm`` asks for.
        deletion: share of the tokens that ``denoising`` deletes.
        seed: of the training.
    """

    asked: Mapping[str, Asked]
    special: frozenset[int]
    words: Integers = field(repr=False)
    mask: int | None
    probability: float
    deletion: float
    seed: int

    @classmethod
    def by(
        cls, tokenizer: Any, asked: Mapping[str, Asked], *, probability: float, deletion: float, seed: int
    ) -> Corruption:
        """Return the corruption in the vocabulary of ``tokenizer``; the other arguments are the attributes."""
        special = frozenset(int(token) for token in tokenizer.all_special_ids)
        words = sorted(set(tokenizer.get_vocab().values()) - special)
        return cls(
            asked=dict(asked),
            special=special,
            words=np.array(words, np.int64),
            mask=tokenizer.mask_token_id,
            probability=probability,
            deletion=deletion,
            seed=seed,
        )

    def of(self, dataset: str) -> Asked:
        """Return what is asked of the texts of ``dataset``."""
        return self.asked.get(dataset, next(iter(self.asked.values())))

    def parts(
        self, texts: Sequence[Integers], prompts: Integers, *, epoch: int, dataset: str
    ) -> dict[str, dict[str, Any]]:
        """Return what a batch holds for each term.

        ``input_ids`` are those of the corrupted texts, one after the other, and ``lengths`` their tokens (an array,
        ``[texts]``); ``targets`` and ``target_lengths``, likewise, the ids asked for, or -100 at a place where none is;
        ``counts`` (``[texts]``) what the term is a mean over, and ``read`` how many vectors its head reads.

        Args:
            texts: token ids of each text, special tokens included.
            prompts: how many first tokens of each text are a prompt, ``[texts]``.
            epoch: counted from 0.
            dataset: name of the dataset that they are of.

        Raises:
            DataFormatError: none of the texts has a token that could be restored.
        """
        terms = self.of(dataset).terms
        if not terms:
            return {}
        places = [self._places(ids, int(prompt)) for ids, prompt in zip(texts, prompts, strict=True)]
        if texts and not any(map(len, places)):
            where = f" of the dataset {dataset!r}" if dataset else ""
            msg = (
                f"A batch{where} has no token that {' or '.join(terms)} could restore: its texts are empty, or hold "
                "nothing that the tokenizer knows. Remove such rows with `dataset.filter(...)`, or leave the term out "
                "of `loss`."
            )
            raise DataFormatError(msg)
        return {term: self._restored(term, texts, places, epoch) for term in terms}

    def _places(self, ids: Integers, prompt: int) -> Integers:
        special = np.fromiter((token in self.special for token in ids.tolist()), bool, len(ids))
        special[:prompt] = True
        return np.flatnonzero(~special)

    def _restored(self, term: str, texts: Sequence[Integers], places: Sequence[Integers], epoch: int) -> dict[str, Any]:
        corrupt: Callable[[Integers, Integers, bytes], tuple[Integers, Integers]]
        corrupt = self._masked if term == MASKED_LM else self._deleted
        begin = f"{self.seed} {epoch} {term} ".encode()
        pairs = [corrupt(ids, at, begin + ids.tobytes()) for ids, at in zip(texts, places, strict=True)]
        given, asked = [ids for ids, _ in pairs], [ids for _, ids in pairs]
        counts = np.array([int((ids != NOTHING).sum()) for ids in asked], np.int64)
        if term == DENOISING:
            counts = (counts > 0).astype(np.int64)
        return {
            "input_ids": _joined(given),
            "lengths": _lengths(given),
            "targets": _joined(asked),
            "target_lengths": _lengths(asked),
            "counts": torch.from_numpy(counts),
            "read": int(counts.sum()),
        }

    def _masked(self, ids: Integers, places: Integers, content: bytes) -> tuple[Integers, Integers]:
        """Mask a text as BERT does, and say what stood there.

        ``max(1, round(probability * n))`` of the n places are asked for; of these 80 % become the mask token, 10 %
        another token, and 10 % stay (Devlin et al., 2019, section 3.1).
        """
        masked, targets = ids.copy(), np.full(len(ids), NOTHING, np.int64)
        if not len(places):
            return masked, targets
        draw = np.random.default_rng(int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "little"))
        chosen = draw.permutation(places)[: max(1, round(self.probability * len(places)))]
        targets[chosen] = ids[chosen]
        way = draw.random(len(chosen))
        another = self.words[draw.integers(len(self.words), size=len(chosen))]
        hidden, replaced = way < _MASKED, (way >= _MASKED) & (way < _MASKED + _REPLACED)
        masked[chosen[hidden]] = NOTHING if self.mask is None else self.mask
        masked[chosen[replaced]] = another[replaced]
        return masked, targets

    def _deleted(self, ids: Integers, places: Integers, content: bytes) -> tuple[Integers, Integers]:
        """Delete tokens of a text, and say which distinct ones it held."""
        kept = token_deletion(places.tolist(), Random(content), share=self.deletion)
        stays = np.ones(len(ids), bool)
        stays[places] = False
        stays[kept] = True
        return ids[stays], np.unique(ids[places])


def _joined(texts: Sequence[Integers]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(texts) if texts else np.empty(0, np.int64))


def _lengths(texts: Sequence[Integers]) -> npt.NDArray[np.int64]:
    return np.fromiter((len(ids) for ids in texts), np.int64, len(texts))

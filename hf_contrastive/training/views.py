"""Two views of one text, for training on raw text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any

import torch
from torch import nn
from torch.nn.functional import dropout

VIEWS = ("crop", "deletion", "dropout")
_DROPOUT = re.compile(r"(.*_)?dropout(_p|_prob|_rate)?")


def independent_crop(
    tokens: Sequence[int], draw: Random, *, minimum: float = 0.2, maximum: float = 0.6, floor: int = 4
) -> list[int]:
    """Return a random contiguous span of ``tokens``.

    Two such spans of one text, drawn independently, are a positive pair (Izacard et al., 2022,
    "Contriever", section 3.1). The share of tokens kept is uniform in [minimum, maximum]; texts of
    ``floor`` tokens or fewer are kept whole.

    Args:
        tokens: token ids without special tokens.
        draw: source of the two random numbers.
        minimum: smallest share kept.
        maximum: largest share kept.
        floor: number of tokens below which nothing is cut off.
    """
    size = len(tokens)
    if size <= floor:
        return list(tokens)
    length = max(floor, round(draw.uniform(minimum, maximum) * size))
    start = draw.randint(0, size - length)
    return list(tokens[start : start + length])


def token_deletion(tokens: Sequence[int], draw: Random, *, share: float) -> list[int]:
    """Return ``tokens`` without a random ``share`` of them; one is kept at least.

    Contriever deletes 0.1 of the tokens (Izacard et al., 2022), which is the default of ``view_deletion``;
    TSDAE 0.6, to have the text rebuilt from what is left (Wang et al., 2021).

    Args:
        tokens: token ids without special tokens.
        draw: source of a random number a token.
        share: probability with which each token goes.
    """
    kept = [token for token in tokens if draw.random() >= share]
    return kept or list(tokens[:1])


def view_of(tokens: Sequence[int], kind: str, draw: Random, *, deletion: float) -> list[int]:
    """Return one view of a text; two of kind ``dropout`` are equal here, and the encoder makes them differ.

    Args:
        tokens: token ids without special tokens.
        kind: one of ``VIEWS``.
        draw: source of random numbers.
        deletion: share of tokens that go, with ``deletion``.
    """
    if kind == "crop":
        return independent_crop(tokens, draw)
    return token_deletion(tokens, draw, share=deletion) if kind == "deletion" else list(tokens)


def set_dropout(model: Any, probability: float) -> None:
    """Give every dropout of an encoder this probability; those of a LoRA adapter stay as they are.

    Where layers hold it as a number (``attention_dropout``), the number is set. The config is left alone, so that
    the published model has the dropout that it had.

    Args:
        model: a PreTrainedModel or PeftModel.
        probability: of each number to become 0.
    """
    for name, module in model.named_modules():
        if "lora_" in name:
            continue
        if isinstance(module, nn.Dropout):
            module.p = probability
        for attribute, value in vars(module).items():
            if isinstance(value, int | float) and not isinstance(value, bool) and _DROPOUT.fullmatch(attribute):
                setattr(module, attribute, probability)


def add_embedding_dropout(model: Any, probability: float) -> None:
    """Let the embeddings of tokens pass a dropout, for encoders that have no place for one.

    Args:
        model: a PreTrainedModel or PeftModel.
        probability: of each number to become 0.
    """

    def drop(module: nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return dropout(output, probability, training=module.training)

    model.get_input_embeddings().register_forward_hook(drop)

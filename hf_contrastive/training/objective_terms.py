"""The terms that an objective adds up.

A term is a module: ``term(columns, inputs, *, scale)`` is a scalar, or its part of ``inputs.span`` where the term is
``chunkable``. Pure losses become terms as they are; a term with weights of its own, such as a classifier, is a class
here and has an entry in :data:`MODULES`. The trainer and the objective know neither.

Masked language modelling and denoising are sums over texts and need more than embeddings; they are named in the same
sums, and computed with the chunks: see :mod:`hf_contrastive.training.text_terms`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.loss_text import Options, TermText, parse_terms
from hf_contrastive.training.losses import Loss, LossInputs, is_chunkable, losses, options_of
from hf_contrastive.training.text_terms import TEXT_TERMS

AUTO = "auto"


class Term(nn.Module):
    """A term; ``chunkable`` says whether the parts of several spans of anchors add up to it."""

    chunkable: bool = True

    @abstractmethod
    def forward(self, columns: tuple[Tensor, ...], inputs: LossInputs, *, scale: float | Tensor) -> Tensor:
        """Return the scalar, or its part of ``inputs.span``.

        Args:
            columns: L2-normalised embeddings ``[n, dim]``, the anchors' first.
            inputs: which candidate is whose positive, labels, scores.
            scale: 1 / temperature.
        """


class FunctionTerm(Term):
    """A loss of :mod:`hf_contrastive.training.losses`, or a user's, as a term."""

    def __init__(self, loss: Loss, options: Mapping[str, float | bool] | None = None) -> None:
        super().__init__()
        self.chunkable = is_chunkable(loss)
        self.loss = loss
        self.options = dict(options or {})

    def forward(self, columns: tuple[Tensor, ...], inputs: LossInputs, *, scale: float | Tensor) -> Tensor:
        """Return what the loss returns."""
        value: Tensor = self.loss(columns, inputs, scale=scale, **self.options)
        return value


class CrossEntropy(Term):
    """A linear classifier of the anchors' embeddings.

    ``-log softmax(scale * W e + b)`` at the label, averaged over rows. The head starts at zero, where every class is
    as likely: no random numbers are drawn, and all processes start alike. Embeddings that were cut to their first
    numbers are read by the first columns of W (Kusupati et al., 2022, "MRL-E").

    Args:
        classes: number of them.
        dimension: of the embeddings.
    """

    def __init__(self, classes: int, dimension: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, dimension))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, columns: tuple[Tensor, ...], inputs: LossInputs, *, scale: float | Tensor) -> Tensor:
        """Return the part of ``inputs.span``.

        Raises:
            DataFormatError: the batch has no labels.
        """
        if inputs.labels is None:
            raise DataFormatError(_NO_LABELS)
        start, stop = inputs.span
        texts = columns[0][start:stop]
        weight = self.weight[:, : texts.shape[1]].to(texts.dtype)
        logits = linear(scale * texts, weight, self.bias.to(texts.dtype))
        return cross_entropy(logits, inputs.labels[start:stop], reduction="sum") / len(inputs.anchor_ids)


_NO_LABELS = (
    "`cross_entropy` needs the class of every row; the data has no labels. Give a column `label`, e.g. (text, label)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TermContext:
    """What is known when terms are made: the number of classes and the embedding's dimension, or None."""

    classes: int | None = None
    dimension: int | None = None


def _cross_entropy(context: TermContext) -> Term:
    if not context.classes:
        raise DataFormatError(_NO_LABELS)
    if context.dimension is None:
        msg = "`cross_entropy` needs the embedding's dimension: pass `dimension=`."
        raise ConfigurationError(msg)
    return CrossEntropy(context.classes, context.dimension)


MODULES: dict[str, Callable[[TermContext], Term]] = {"cross_entropy": _cross_entropy}
"""Terms with weights of their own, by name."""


def known_terms() -> dict[str, Options]:
    """Return the names that an objective may hold, each with its options and their defaults."""
    found: dict[str, Options] = {name: options_of(loss) for name, loss in losses().items()}
    return {AUTO: {}, **found, **{name: {} for name in (*MODULES, *TEXT_TERMS)}}


def parse_loss(text: str) -> tuple[TermText, ...]:
    """Read ``ContrastiveConfig.loss``; see :mod:`hf_contrastive.training.loss_text`.

    Raises:
        ConfigurationError: it can not be read, or names a term or an option that does not exist.
    """
    return parse_terms(text, known_terms())


def make_term(written: TermText, context: TermContext) -> Term:
    """Return the module of a term that was read.

    Raises:
        DataFormatError: the term needs labels, and there are none.
    """
    if written.name in MODULES:
        return MODULES[written.name](context)
    return FunctionTerm(losses()[written.name], dict(written.options))

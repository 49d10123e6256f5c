"""Terms that are sums over texts, not over pairs of them: the encoder restores what was taken from a text.

They are computed with the chunk, where the token vectors are: a pass over the corrupted texts gives a number a text,
which travels beside its embedding through the gradient cache. A term is the mean of these numbers over all processes,
so its gradient is known without a graph: ``weight / count`` for each.

A term costs a pass over the corrupted texts beside the one that embeds them whole: for ``masked_lm`` about as much
again, for ``denoising`` the share of tokens that is left. Where nothing is contrasted, no text is embedded whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import normalize

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.batching import Pool
from hf_contrastive.training.corruption import DENOISING, MASKED_LM, NOTHING, Asked, Corruption
from hf_contrastive.training.vocabulary import VocabularyHead, input_embeddings, new_head, shipped_head

Rows = npt.NDArray[np.int64]


class TextTerm(nn.Module):
    """A term that is a mean over texts or tokens.

    Args:
        head: from vectors to the vocabulary.
    """

    name: ClassVar[str]

    def __init__(self, head: VocabularyHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, hidden: Tensor, vectors: Tensor, targets: Tensor, tied: Tensor) -> Tensor:
        """Return the number of each text, ``[n]``.

        Args:
            hidden: token vectors of the corrupted texts, ``[n, width, dim]``.
            vectors: their embeddings, ``[n, dim]``.
            targets: token ids asked for, ``[n, most]``, filled up with -100.
            tied: the encoder's input embeddings.
        """
        raise NotImplementedError


class MaskedLM(TextTerm):
    """Masked language modelling (Devlin et al., 2019, section 3.1).

    The mean over the places asked for of ``-log p(token | text with tokens masked)``, by a head on the token vectors.
    The number of a text is the sum over its places.
    """

    name = MASKED_LM

    def forward(self, hidden: Tensor, vectors: Tensor, targets: Tensor, tied: Tensor) -> Tensor:
        """Return the sum over the places of each text, ``[n]``; ``targets`` are ``[n, width]``."""
        del vectors
        asked = targets != NOTHING
        found = self.head.losses(hidden[asked], targets[asked][:, None], tied)
        # each place is written once, so that the order of a sum depends on nothing
        return found.new_zeros(targets.shape).masked_scatter(asked, found).sum(1)


class Denoising(TextTerm):
    """Restoring the words of a text from the embedding of what token deletion left of it.

    ``L = mean over texts of -1/|B| sum over t in B of log p(t | e)``: B are the distinct tokens of the whole text, e is
    the L2-normalised embedding of the text without the deleted ones, scaled to components of about 1, and p the
    softmax over the vocabulary. Tokens are deleted as in TSDAE (Wang et al., 2021, section 3); its decoder, which
    needs cross-attention, is replaced by the prediction of the bag of words (Ma et al., 2024, "Drop your Decoder",
    where texts are masked instead).
    """

    name = DENOISING

    def forward(self, hidden: Tensor, vectors: Tensor, targets: Tensor, tied: Tensor) -> Tensor:
        """Return the loss of each text, ``[n]``."""
        del hidden
        return self.head.losses(normalize(vectors, dim=-1) * vectors.shape[1] ** 0.5, targets, tied)


class Heads:
    """Makes the heads of an encoder; every objective of a training has the same ones.

    Args:
        model: a PreTrainedModel or PeftModel.
        tokenizer: its tokenizer.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer

    @cached_property
    def masked_lm(self) -> MaskedLM:
        """The term on the checkpoint's own head, or a new one where it ships none."""
        if self._tokenizer.mask_token_id is None:
            msg = (
                f"`loss` holds masked_lm, but the tokenizer {type(self._tokenizer).__name__} has no mask token. Train "
                "a model that was pretrained by masking, or use `denoising`, which deletes tokens."
            )
            raise ConfigurationError(msg)
        return MaskedLM(shipped_head(self._model, self._tokenizer) or new_head(self._model))

    @cached_property
    def denoising(self) -> Denoising:
        """The term on a new head."""
        return Denoising(new_head(self._model))


def _needed(heads: Heads | None, name: str) -> Heads:
    if heads is None:
        msg = f"`{name}` needs the encoder that is trained, for its head: pass `heads=`."
        raise ConfigurationError(msg)
    return heads


TEXT_TERMS: dict[str, Callable[[Heads | None], TextTerm]] = {
    MASKED_LM: lambda heads: _needed(heads, MASKED_LM).masked_lm,
    DENOISING: lambda heads: _needed(heads, DENOISING).denoising,
}
"""Terms over texts, by name."""


class Restoring(Protocol):
    """What is asked of an objective here."""

    text_terms: nn.ModuleList
    text_weights: tuple[float, ...]

    @property
    def contrasts(self) -> bool:
        """Whether it has terms over embeddings too."""
        ...


def corruption_of(
    objectives: Mapping[str, Restoring], tokenizer: Any, *, probability: float, deletion: float, seed: int
) -> Corruption | None:
    """Return what corrupts the texts of each dataset, or None where no objective restores any."""
    asked = {
        name: Asked(terms=tuple(term.name for term in terms_of(item)), alone=not item.contrasts)
        for name, item in objectives.items()
    }
    if not any(item.terms for item in asked.values()):
        return None
    return Corruption.by(tokenizer, asked, probability=probability, deletion=deletion, seed=seed)


def terms_of(objective: Restoring) -> list[TextTerm]:
    """Return the text terms of an objective."""
    return [term for term in objective.text_terms if isinstance(term, TextTerm)]


@dataclass(frozen=True, slots=True)
class CorruptedTexts:
    """The texts of one term in one batch, from which chunks are taken.

    Attributes:
        term: that restores them.
        texts: corrupted.
        targets: what is asked for.
    """

    term: TextTerm
    texts: Pool
    targets: Pool

    @classmethod
    def of(cls, objective: Restoring, inputs: Mapping[str, Any], pad_token_id: int) -> list[CorruptedTexts]:
        """Return those of every text term of an objective."""
        return [
            cls(
                term,
                Pool(inputs[term.name]["input_ids"], inputs[term.name]["lengths"], pad_token_id),
                Pool(inputs[term.name]["targets"], inputs[term.name]["target_lengths"], NOTHING),
            )
            for term in terms_of(objective)
        ]

    def width(self, rows: Rows, widest: int, multiple: int) -> int:
        """Return to how many tokens the corrupted texts of a chunk are filled up, at most ``widest``."""
        longest = max(1, int(self.texts.lengths[rows].max(initial=1)))
        return min(widest, -(-longest // multiple) * multiple)

    def numbers(self, rows: Rows, hidden: Tensor, vectors: Tensor, model: Any) -> Tensor:
        """Return the number of each text of a chunk, ``[n]``."""
        by_place = self.term.name == MASKED_LM
        most = hidden.shape[1] if by_place else max(1, int(self.targets.lengths[rows].max(initial=1)))
        targets, _ = self.targets.take(rows, most)
        found: Tensor = self.term(hidden, vectors, targets, input_embeddings(model))
        return found


@dataclass(frozen=True, slots=True)
class TextStage:
    """What the text terms of a step come to.

    Attributes:
        loss: their weighted sum.
        gradient: of the numbers, ``[pool, terms]``.
        parts: each term by name, without its weight.
    """

    loss: Tensor
    gradient: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


def run_text_stage(
    objective: Restoring, numbers: Tensor, inputs: Mapping[str, Any], total: Callable[[Tensor], Tensor] | None = None
) -> TextStage:
    """Average the numbers of the texts.

    Args:
        objective: whose terms they are.
        numbers: ``[pool, terms]``; a text that stands twice in the pool counts twice.
        inputs: the batch.
        total: the sum over all processes, or None: then the mean is this process's.
    """
    terms = terms_of(objective)
    if not terms:
        return TextStage(numbers.new_zeros(()), numbers)
    counts = torch.stack([inputs[term.name]["counts"] for term in terms], dim=1)
    index = inputs.get("index")
    counts = (counts if index is None else counts[index]).sum(0).to(numbers)
    sums = numbers.sum(0)
    if total is not None:
        counts, sums = total(counts), total(sums)
    means = sums / counts.clamp(min=1)
    weights = torch.tensor(objective.text_weights, dtype=numbers.dtype, device=numbers.device)
    parts = {term.name: mean for term, mean in zip(terms, means, strict=True)}
    return TextStage((weights * means).sum(), (weights / counts.clamp(min=1)).expand_as(numbers), parts)


def head_flops(objective: Restoring, inputs: Mapping[str, Any], model: Any) -> float:
    """Return the operations of the heads in a step on this batch."""
    trained = input_embeddings(model).requires_grad
    terms = terms_of(objective)
    return sum(term.head.flops(inputs[term.name]["read"], tied_is_trained=trained) for term in terms)


def head_parameters(objective: Restoring) -> list[nn.Parameter]:
    """Return what the heads of an objective learn."""
    return [parameter for term in terms_of(objective) for parameter in term.parameters() if parameter.requires_grad]


def set_autocast(objectives: Iterable[Restoring], dtype: torch.dtype | None) -> None:
    """Let the heads compute their products in ``dtype``, as the encoder does."""
    for objective in objectives:
        for term in terms_of(objective):
            term.head.autocast = dtype


def add_averaged(parameters: Sequence[nn.Parameter], before: Sequence[Tensor | None]) -> None:
    """Replace gradients by their averages over all processes, as DistributedDataParallel does, and add ``before``."""
    for parameter, earlier in zip(parameters, before, strict=True):
        gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        distributed.all_reduce(gradient)
        gradient = gradient / distributed.get_world_size()
        parameter.grad = gradient if earlier is None else earlier + gradient

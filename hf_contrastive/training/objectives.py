"""From the columns of embeddings of a step to a loss."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.loss_text import TermText, refuse_repeats, written
from hf_contrastive.training.losses import Loss, LossInputs
from hf_contrastive.training.objective_terms import AUTO, FunctionTerm, Term, TermContext, make_term, parse_loss
from hf_contrastive.training.text_terms import TEXT_TERMS, Heads, TextTerm, terms_of

logger = logging.getLogger(__name__)

MAX_SCALE = 100.0
"""A learned scale is kept below it, as CLIP's is (Radford et al., 2021, section 2.5)."""

_AUTO = {"labelled": "supcon", "graded": "cosent"}


class Objective(nn.Module):
    """A weighted sum of terms, with its temperature, at one dimension of the embedding or several.

    Args:
        terms: weights and terms.
        written: how they are called.
        temperature: of the softmax over similarities; where the learning starts if it is learned.
        learn_temperature: whether 1 / temperature is a parameter; its logarithm is learned.
        matryoshka: dimensions and their weights. At each, embeddings are cut to their first numbers and normalised
            anew, and the losses are added up (Kusupati et al., 2022, eq. 1). Empty means the embedding as it is.
        text_terms: weights and terms over texts, which are computed with the chunks; :meth:`forward` leaves them out.

    Attributes:
        chunkable: whether the parts of several spans of anchors add up to the loss.
    """

    def __init__(
        self,
        terms: Sequence[tuple[float, Term]],
        written: str,
        temperature: float,
        *,
        learn_temperature: bool = False,
        matryoshka: Sequence[tuple[int, float]] = (),
        text_terms: Sequence[tuple[float, TextTerm]] = (),
    ) -> None:
        super().__init__()
        self.weights = tuple(weight for weight, _ in terms)
        self.terms = nn.ModuleList(term for _, term in terms)
        self.text_weights = tuple(weight for weight, _ in text_terms)
        self.text_terms = nn.ModuleList(term for _, term in text_terms)
        self.chunkable = all(term.chunkable for _, term in terms)
        self.matryoshka = tuple(matryoshka)
        self._written = written
        self._temperature = temperature
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature))) if learn_temperature else None

    @property
    def name(self) -> str:
        """What stands in the training record."""
        name = self._written
        if self.text_terms:
            name += f" ({', '.join(f'{term.name} by {term.head.source}' for term in terms_of(self))})"
        if self.log_scale is not None:
            name += ", learned temperature"
        if self.matryoshka:
            plain = len({weight for _, weight in self.matryoshka}) == 1 and self.matryoshka[0][1] == 1
            cuts = (f"{dim}" if plain else f"{weight:g} * {dim}" for dim, weight in self.matryoshka)
            name += f", Matryoshka {' + '.join(cuts)}"
        return name

    @property
    def contrasts(self) -> bool:
        """Whether it has terms over embeddings, and not over texts alone."""
        return bool(self.terms)

    @property
    def temperature(self) -> float:
        """Of the softmax over similarities, as it is now."""
        return self._temperature if self.log_scale is None else math.exp(-self.log_scale.item())

    def forward(self, columns: tuple[Tensor, ...], inputs: LossInputs) -> Tensor:
        """Return the scalar loss, or the part of ``inputs.span``.

        Args:
            columns: L2-normalised embeddings ``[n, dim]``, the anchors' first.
            inputs: which candidate is whose positive.
        """
        scale = self._scale()
        loss = columns[0].new_zeros(())
        for dim, share in self.matryoshka or ((columns[0].shape[1], 1.0),):
            cut = _cut(columns, dim)
            for weight, term in zip(self.weights, self.terms, strict=True):
                loss = loss + share * weight * term(cut, inputs, scale=scale)
        return loss

    def _scale(self) -> float | Tensor:
        if self.log_scale is None:
            return 1.0 / self._temperature
        with torch.no_grad():
            # the parameter itself, so that its gradient can bring it down again
            self.log_scale.clamp_(max=math.log(MAX_SCALE))
        return self.log_scale.exp()


def loss_inputs(batch: Mapping[str, Any]) -> LossInputs:
    """Say by ids which candidate is whose positive.

    Without the key ``positives`` (a CSR pair), row i of the second column is the positive of anchor i, and row i of
    every later column its hard negative.

    Args:
        batch: of :class:`~hf_contrastive.training.collator.ContrastiveCollator`.
    """
    ids: Tensor = batch["text_ids"]
    size, *others = batch["sizes"]
    every = torch.arange(size + 1, device=ids.device)
    positives, negatives = batch.get("positives"), batch.get("negatives")
    if positives is None:
        positives = every, every[:-1]
        if negatives is None and len(others) > 1:
            columns = torch.arange(1, len(others), device=ids.device)
            negatives = every * len(columns), (every[:-1, None] + size * columns).flatten()
    negative_indptr, negative_indices = negatives or (None, None)
    groups: Tensor | None = batch.get("groups")
    return LossInputs(
        anchor_ids=ids[:size],
        candidate_ids=ids[size:],
        positive_indptr=positives[0],
        positive_indices=positives[1],
        negative_indptr=negative_indptr,
        negative_indices=negative_indices,
        anchor_groups=groups[:size] if groups is not None else None,
        candidate_groups=groups[size:] if groups is not None else None,
        labels=batch.get("label"),
        scores=batch.get("scores"),
        guide=batch.get("guide"),
    )


def objective(
    loss: str | Loss,
    data_format: DataFormat,
    *,
    temperature: float,
    learn_temperature: bool = False,
    matryoshka_dims: Sequence[int] | None = None,
    matryoshka_weights: Sequence[float] | None = None,
    classes: int | None = None,
    dimension: int | None = None,
    heads: Heads | None = None,
) -> Objective:
    """Return the objective for ``loss``.

    Args:
        loss: terms as text, e.g. ``infonce + 0.5 * cross_entropy``, or a function of the losses' signature. The term
            ``auto`` is supcon for labelled text, cosent for graded pairs and infonce otherwise.
        data_format: of the training data.
        temperature: of the softmax over similarities, where the learning starts if it is learned.
        learn_temperature: learn it; 1 / temperature stays at or below 100.
        matryoshka_dims: add up the loss at these dimensions.
        matryoshka_weights: of the dimensions; default: 1 each.
        classes: number of classes, for ``cross_entropy``.
        dimension: of the embeddings, for ``cross_entropy`` and to check ``matryoshka_dims``.
        heads: of the encoder that is trained, for ``masked_lm`` and ``denoising``.

    Raises:
        ConfigurationError: ``loss`` can not be read, or a setting is not allowed.
        DataFormatError: a term needs labels, and there are none.
    """
    if learn_temperature and not temperature >= 1 / MAX_SCALE:
        msg = (
            f"`temperature` must be >= {1 / MAX_SCALE} with `learn_temperature`, which keeps 1 / temperature at or "
            f"below {MAX_SCALE:g}, got {temperature}."
        )
        raise ConfigurationError(msg)
    if isinstance(loss, str):
        read = [_resolved(term, data_format) for term in parse_loss(loss)]
        refuse_repeats(read, loss)
        context = TermContext(classes=classes, dimension=dimension)
        terms = [(term.weight, make_term(term, context)) for term in read if term.name not in TEXT_TERMS]
        restored = [(term.weight, TEXT_TERMS[term.name](heads)) for term in read if term.name in TEXT_TERMS]
        name = written(read)
        if not terms and (learn_temperature or matryoshka_dims):
            setting = "learn_temperature" if learn_temperature else "matryoshka_dims"
            msg = f"`{setting}` is about embeddings that are contrasted, but `loss` {loss!r} has none. Leave it out."
            raise ConfigurationError(msg)
    else:
        terms = [(1.0, loss if isinstance(loss, Term) else FunctionTerm(loss))]
        restored, name = [], getattr(loss, "__name__", type(loss).__name__)
    matryoshka = _checked_cuts(matryoshka_dims, matryoshka_weights, dimension)
    return Objective(
        terms,
        name,
        temperature,
        learn_temperature=learn_temperature,
        matryoshka=matryoshka,
        text_terms=restored,
    )


def _resolved(term: TermText, data_format: DataFormat) -> TermText:
    return replace(term, name=_AUTO.get(data_format.kind, "infonce")) if term.name == AUTO else term


def _cut(columns: tuple[Tensor, ...], dim: int) -> tuple[Tensor, ...]:
    """Return the first ``dim`` numbers of each embedding, normalised, ``[n, dim]``."""
    width = columns[0].shape[1]
    if dim == width:
        return columns
    if dim > width:
        raise ConfigurationError(_too_large(dim, width))
    return tuple(normalize(column[:, :dim], dim=-1) for column in columns)


def _checked_cuts(
    dims: Sequence[int] | None, weights: Sequence[float] | None, dimension: int | None
) -> list[tuple[int, float]]:
    """Return dimensions and their weights, the largest first."""
    dims = list(dims or ())
    if weights is not None and len(weights) != len(dims):
        msg = f"`matryoshka_weights` must have a weight for each of {len(dims)} `matryoshka_dims`, got {len(weights)}."
        raise ConfigurationError(msg)
    if any(not 0 < weight < math.inf for weight in weights or ()):
        msg = f"`matryoshka_weights` must be > 0 and finite, got {', '.join(map(str, weights or ()))}."
        raise ConfigurationError(msg)
    for dim in dims:
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
            msg = (
                f"`matryoshka_dims` must be whole numbers >= 1, got {dim!r}; usual are powers of 2, such as 256 and 64."
            )
            raise ConfigurationError(msg)
        if dimension is not None and dim > dimension:
            raise ConfigurationError(_too_large(dim, dimension))
    if len(set(dims)) < len(dims):
        msg = f"`matryoshka_dims` must be different from each other, got {', '.join(map(str, dims))}."
        raise ConfigurationError(msg)
    if dims and dimension is not None and dimension not in dims:
        logger.warning(
            "matryoshka_dims leave out %d, the whole embedding, which nothing trains; add it to publish that too.",
            dimension,
        )
    return sorted(zip(dims, weights or [1.0] * len(dims), strict=True), reverse=True)


def _too_large(dim: int, width: int) -> str:
    return f"`matryoshka_dims` must be at most {width}, the dimension of the embedding, got {dim}. Leave it out."

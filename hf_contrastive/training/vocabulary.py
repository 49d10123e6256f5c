"""From vectors to the tokens of a vocabulary: the head of masked language modelling.

``logits = E LayerNorm(act(W x + b)) + c`` (Devlin et al., 2019), where E are the encoder's own input embeddings: they
are not copied, so that the head holds W, b, c and the norm's weights alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear
from torch.utils.checkpoint import checkpoint
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM
from transformers.activations import ACT2FN

from hf_contrastive.training.corruption import NOTHING

logger = logging.getLogger(__name__)

LOGIT_CELLS = 1 << 25
"""Logits held at once: 128 MiB in fp32. Of more vectors they are computed block by block, and again on the way back."""

CREATED = "a new head tied to the input embeddings"
SHIPPED = "the checkpoint's own head"


class VocabularyHead(nn.Module):
    """Scores every token of the vocabulary for each of many vectors.

    Args:
        hidden: size of the vectors.
        width: of the input embeddings.
        size: of the vocabulary.
        activation: name of it, as configs have it.
        epsilon: of the norm.
        deviation: of the random weights that it starts with.
        source: where its weights come from, as the training record says it.

    Attributes:
        autocast: type that products are computed in, or None for that of the vectors.
    """

    def __init__(
        self,
        hidden: int,
        width: int,
        size: int,
        *,
        activation: str = "gelu",
        epsilon: float = 1e-12,
        deviation: float = 0.02,
        source: str = CREATED,
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(size))
        self.activation: nn.Module = ACT2FN[activation]
        self.source = source
        self.autocast: torch.dtype | None = None
        self._cast: tuple[object, Tensor | None] = (None, None)
        nn.init.normal_(self.dense.weight, std=deviation)
        nn.init.zeros_(self.dense.bias)

    def flops(self, vectors: int, *, tied_is_trained: bool) -> float:
        """Return the operations of a training step: a product forward, and one for each gradient that is computed."""
        dense, decoder = self.dense.weight.numel(), self.bias.numel() * self.dense.out_features
        return 2.0 * vectors * (3 * dense + (3 if tied_is_trained else 2) * decoder)

    def forward(self, vectors: Tensor, tied: Tensor) -> Tensor:
        """Return logits ``[n, size]``, at least in fp32.

        Args:
            vectors: ``[n, hidden]``.
            tied: the encoder's input embeddings, ``[size, width]``.
        """
        kind, dtype = vectors.device.type, vectors.dtype
        # stated here: chunks that are computed again are so outside of what surrounds the first pass
        with torch.autocast(kind, self.autocast, enabled=self.autocast is not None):
            x = self.activation(linear(vectors, self.dense.weight.to(dtype), _of_type(self.dense.bias, dtype)))
            weight, bias = _of_type(self.norm.weight, x.dtype), _of_type(self.norm.bias, x.dtype)
            x = layer_norm(x, (self.dense.out_features,), weight, bias, self.norm.eps)
            logits = linear(x, self._decoder(tied, self.autocast or dtype))
        whole = torch.promote_types(logits.dtype, torch.float32)
        return logits.to(whole) + self.bias.to(whole)

    def losses(self, vectors: Tensor, targets: Tensor, tied: Tensor) -> Tensor:
        """Return ``-log softmax`` at the targets of each vector, averaged over them, ``[n]``; 0 where it has none.

        Args:
            vectors: ``[n, hidden]``.
            targets: token ids ``[n, most]``, filled up with -100.
            tied: the encoder's input embeddings, ``[size, width]``.
        """
        rows = max(1, LOGIT_CELLS // len(tied))
        parts = list(zip(torch.split(vectors, rows), torch.split(targets, rows), strict=True))
        if len(vectors) <= rows or not torch.is_grad_enabled():
            return torch.cat([self._block(some, asked, tied) for some, asked in parts])
        return torch.cat(
            [
                checkpoint(self._block, some, asked, tied, use_reentrant=False, preserve_rng_state=False)
                for some, asked in parts
            ]
        )

    def _block(self, vectors: Tensor, targets: Tensor, tied: Tensor) -> Tensor:
        logits, asked = self(vectors, tied), targets != NOTHING
        counts = asked.sum(1)
        picked = logits.gather(1, targets.clamp(min=0)).masked_fill(~asked, 0.0).sum(1) / counts.clamp(min=1)
        found: Tensor = (logits.logsumexp(1) - picked).masked_fill(counts == 0, 0.0)
        return found

    def _decoder(self, tied: Tensor, dtype: torch.dtype) -> Tensor:
        if tied.dtype == dtype or tied.requires_grad:
            return tied.to(dtype)
        # frozen: cast once, and not once a chunk, whose graph would hold a copy each
        key = (dtype, tied.data_ptr(), tied._version)
        if self._cast[0] != key:
            with torch.inference_mode(False), torch.no_grad():
                self._cast = (key, tied.to(dtype))
        cast = self._cast[1]
        return cast if cast is not None else tied.to(dtype)


def _of_type(parameter: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return parameter.to(dtype) if parameter is not None else None


def input_embeddings(model: Any) -> Tensor:
    """Return the weight ``[size, width]`` that tokens enter the encoder by."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    weight: Tensor = inner.get_input_embeddings().weight
    return weight


def new_head(model: Any) -> VocabularyHead:
    """Return a head for the encoder ``model``, with random weights."""
    config, (size, width) = model.config, input_embeddings(model).shape
    return VocabularyHead(
        int(config.hidden_size),
        width,
        size,
        activation=_activations(config)[0],
        epsilon=float(getattr(config, "layer_norm_eps", None) or 1e-12),
        deviation=float(getattr(config, "initializer_range", None) or 0.02),
    )


def shipped_head(model: Any, tokenizer: Any) -> VocabularyHead | None:
    """Return the head that the checkpoint of ``model`` brings, or None where it brings none that can be used.

    It is used where it has the form of :class:`VocabularyHead`, and gives the logits of transformers' own model for
    the same text.

    Args:
        model: a PreTrainedModel or PeftModel.
        tokenizer: its tokenizer.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    name = str(getattr(inner.config, "_name_or_path", "") or "")
    if not name or type(inner.config) not in MODEL_FOR_MASKED_LM_MAPPING:
        return None
    revision = getattr(inner.config, "_commit_hash", None)
    try:
        # what a checkpoint leaves out is drawn at random, and would move the numbers drawn after it
        with torch.random.fork_rng(devices=[]), _silent():
            loaded: Any = AutoModelForMaskedLM.from_pretrained(
                name, revision=revision, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError) as error:
        logger.warning("Whether %s brings a head for its vocabulary is not known: %s.", name, type(error).__name__)
        return None
    whole, told = loaded
    own = f"{whole.base_model_prefix}."
    if any(not key.startswith(own) for key in told["missing_keys"]):
        return None
    head = _same_form(whole.eval(), tokenizer, inner)
    if head is None:
        logger.warning("%s brings a head for its vocabulary, but one of another form; a new one is trained.", name)
    return head


def _same_form(whole: Any, tokenizer: Any, encoder: Any) -> VocabularyHead | None:
    decoder, own = whole.get_output_embeddings(), f"{whole.base_model_prefix}."
    outside = [module for name, module in whole.named_modules() if not name.startswith(own) and module is not decoder]
    dense = [module for module in outside if isinstance(module, nn.Linear)]
    norms = [module for module in outside if isinstance(module, nn.LayerNorm)]
    tied: Tensor = whole.get_input_embeddings().weight
    if len(dense) != 1 or len(norms) != 1 or getattr(decoder, "weight", None) is not tied:
        return None
    if tied.shape != input_embeddings(encoder).shape or dense[0].out_features != tied.shape[1]:
        return None
    encoded = tokenizer(["a text"], return_tensors="pt")
    given = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
    with torch.no_grad():
        hidden, expected = whole.base_model(**given).last_hidden_state, whole(**given).logits
        for activation in _activations(whole.config):
            with torch.random.fork_rng(devices=[]):
                head = VocabularyHead(
                    dense[0].in_features, *reversed(tied.shape),
                    activation=activation, epsilon=norms[0].eps, source=SHIPPED,
                )  # fmt: skip
            _take(head.dense, dense[0])
            _take(head.norm, norms[0])
            if decoder.bias is not None:
                head.bias.copy_(decoder.bias)
            if torch.allclose(head(hidden[0], tied), expected[0].float(), rtol=1e-4, atol=1e-4):
                return head
    return None


def _take(module: nn.Module, source: nn.Module) -> None:
    """Set the weights of ``module`` to those of ``source``; a bias that it has not stays away."""
    for name in ("weight", "bias"):
        value = getattr(source, name)
        if value is None:
            setattr(module, name, None)
        else:
            getattr(module, name).copy_(value)


def _activations(config: Any) -> list[str]:
    """Return the activations that a head may have, the likeliest first."""
    names = (getattr(config, key, None) for key in ("classifier_activation", "hidden_act", "activation"))
    return list(dict.fromkeys(name for name in (*names, "gelu") if isinstance(name, str) and name in ACT2FN))


@contextmanager
def _silent() -> Iterator[None]:
    """Keep transformers from telling of weights that are missing: whether there are any is the question."""
    told, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    logging_of: Any = transformers.logging
    logging_of.set_verbosity_error()
    logging_of.disable_progress_bar()
    try:
        yield
    finally:
        logging_of.set_verbosity(told)
        if bars:
            logging_of.enable_progress_bar()

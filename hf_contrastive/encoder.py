"""Any Hugging Face encoder as a function from texts to vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hf_contrastive.training.batching import Pool, plan_chunks
from hf_contrastive.training.encoding import EncodingSpec
from hf_contrastive.training.history import weights_digest
from hf_contrastive.training.loading import LoadedModel, load_model
from hf_contrastive.training.merged_lora import merged_lora
from hf_contrastive.training.pooling import Pooling, pooling, prompt_length
from hf_contrastive.training.resources import default_chunk_tokens
from hf_contrastive.training.workers import Workers

_OF_PLACE = frozenset({"name_or_path", "is_local", "local_files_only"})
"""What a tokenizer notes of where it was read."""

Progress = Callable[[int, int], None]


class TextEncoder:
    """An encoder with its tokenizer, pooling, normalisation and prompts; satisfies ``audits.Encoder``.

    Args:
        model: a PreTrainedModel or PeftModel.
        tokenizer: its tokenizer.
        spec: how it encodes.
        name: shown in reports.
        chunk_tokens: padded tokens computed at once; None lets the device decide.
    """

    def __init__(
        self, model: Any, tokenizer: Any, spec: EncodingSpec, *, name: str = "", chunk_tokens: int | None = None
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.spec = spec
        self.name = name or str(getattr(model.config, "_name_or_path", "")) or type(model).__name__
        self.chunk_tokens = chunk_tokens or default_chunk_tokens(next(model.parameters()).device, graphs=False)
        self._pool = pooling(spec.pooling)

    @property
    def fingerprint(self) -> str:
        """``sha256:<hex>`` over weights, tokenizer and settings: what gives the same vectors has the same."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        # a slow one is its vocabulary and how it was made
        words = backend.to_str() if backend is not None else sorted(self.tokenizer.get_vocab().items())
        # where the files lay changes no vector; what stands in them is in the words
        made = {
            name: value
            for name, value in self.tokenizer.init_kwargs.items()
            if name not in _OF_PLACE and not name.endswith("_file")
        }
        told = f"{weights_digest(self.model)} {self.spec} {type(self.tokenizer)} {made} {words}"
        return "sha256:" + hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()

    @classmethod
    def load(cls, model: Any, *, revision: str | None = None, **options: Any) -> TextEncoder:
        """Load from anything that ContrastiveTrainer takes as ``model``.

        Raises:
            ModelError: it can not be read.
        """
        if isinstance(model, TextEncoder):
            return model
        loaded: LoadedModel = load_model(model, revision=revision, is_trainable=False)
        name = loaded.base.model_id or (Path(str(model)).absolute().name if isinstance(model, str | Path) else "")
        return cls(loaded.model, loaded.tokenizer, loaded.spec, name=name, **options)

    def embed(self, input_ids: Tensor, attention_mask: Tensor, skipped: Tensor | None = None) -> Tensor:
        """Return pooled, unnormalised vectors ``[n, dim]`` of padded ids ``[n, length]``.

        Args:
            input_ids: of the texts.
            attention_mask: 1 for real tokens.
            skipped: how many of the first tokens are not pooled, ``[n]``.
        """
        # accelerate wraps forward in autocast for training; what is published runs without it
        forward = getattr(self.model, "_original_forward", self.model)
        return embed(forward, self._pool, input_ids, attention_mask, skipped)

    def encode(
        self,
        texts: Sequence[str],
        *,
        prompt: str | None = None,
        max_length: int | None = None,
        on_progress: Progress | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return one vector a text, ``[len(texts), dim]`` in float32, computed without gradient or dropout.

        Args:
            texts: what to encode.
            prompt: ``query`` or ``document`` puts that prompt of the spec before each text.
            max_length: overrides the spec's.
            on_progress: called with (texts done, texts in all).
        """
        prefix = self.spec.prompts.get(prompt, "") if prompt else ""
        rows = (
            self.tokenizer(
                [prefix + text for text in texts],
                truncation=True,
                max_length=max_length or self.spec.max_length,
                padding=False,
            )["input_ids"]
            if len(texts)
            else []
        )
        output = np.zeros((len(texts), int(self.model.config.hidden_size)), dtype=np.float32)
        # long first, in groups whose rows are of one length: progress can be shown and memory stays flat
        plan = plan_chunks([len(row) for row in rows], self.chunk_tokens)
        done = 0
        device = next(self.model.parameters()).device
        ids = torch.tensor([token for row in rows for token in row], dtype=torch.long, device=device)
        pool = Pool(ids, [len(row) for row in rows], self.tokenizer.pad_token_id or 0)
        skipped = 0 if self.spec.pool_prompt else prompt_length(self.tokenizer, prefix)

        def vectors_of(chunk: npt.NDArray[np.int64], width: int) -> Tensor:
            left_out = torch.full((len(chunk),), skipped, device=device) if skipped else None
            vectors = self.embed(*pool.take(chunk, width), left_out).float()
            return normalize(vectors, dim=-1) if self.spec.normalize else vectors

        chunks = list(zip(plan.chunks, plan.widths, strict=True))
        with ExitStack() as meanwhile:
            workers = Workers()
            if len(chunks) > 1:
                workers = meanwhile.enter_context(closing(Workers.for_device(device)))
                # forming the weights costs about as much as one chunk
                meanwhile.enter_context(merged_lora(self.model, say=False))
            meanwhile.enter_context(evaluating(self.model))
            meanwhile.enter_context(torch.inference_mode())
            for (chunk, _), vectors in zip(chunks, workers.map(lambda pair: vectors_of(*pair), chunks), strict=True):
                output[chunk] = vectors.cpu().numpy()
                done += len(chunk)
                if on_progress:
                    on_progress(done, len(texts))
        return output

    def weights_digest(self) -> str:
        """Return ``sha256:<hex>`` over all weights, adapter included: what an evaluation was measured on."""
        return weights_digest(self.model)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the numbers of tokens, special tokens included, untruncated."""
        if not len(texts):
            return []
        encoded = self.tokenizer(list(texts), truncation=False, padding=False, verbose=False)["input_ids"]
        return [len(ids) for ids in encoded]


def embed(
    model: Any, pool: Pooling, input_ids: Tensor, attention_mask: Tensor, skipped: Tensor | None = None
) -> Tensor:
    """Return pooled vectors ``[n, dim]``: one forward pass and a pooling."""
    hidden = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return pool(hidden, attention_mask, skipped)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Switch dropout off for a while."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)

"""From an encoder to an ONNX graph that holds everything between ids and embedding."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hf_contrastive.errors import ModelError
from hf_contrastive.training.pooling import pooling, prompt_length

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

# the exporter fails on an output called "embedding"
OUTPUT = "sentence_embedding"
OPSET = 20


class EmbeddingGraph(nn.Module):
    """Encoder, pooling and normalisation as one module; an adapter is merged into a copy.

    Args:
        encoder: what is exported.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        model = getattr(encoder.model, "_orig_mod", encoder.model)
        self.encoder = copy.deepcopy(model)
        if hasattr(model, "merge_and_unload"):
            self.encoder = self.encoder.merge_and_unload()
        self.encoder.float().cpu()
        self.normalize = encoder.spec.normalize
        self._pool = pooling(encoder.spec.pooling)
        self.eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, skipped: Tensor | None = None) -> Tensor:
        """Return ``[n, dim]`` of ids and mask ``[n, length]``; ``skipped`` ``[n]`` first tokens are not pooled."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        vectors = self._pool(hidden, attention_mask, skipped)
        return normalize(vectors, dim=-1) if self.normalize else vectors


def prompt_tokens(encoder: TextEncoder) -> dict[str, int]:
    """Return how many tokens of each prompt are left out of the pooling; empty where they are pooled."""
    if encoder.spec.pool_prompt:
        return {}
    return {name: prompt_length(encoder.tokenizer, text) for name, text in encoder.spec.prompts.items() if text}


def write_graph(encoder: TextEncoder, path: Path) -> None:
    """Write the graph, with any number of texts and of tokens.

    Args:
        encoder: what is exported.
        path: of the file.

    Raises:
        ModelError: the exporter can not follow this architecture.
    """
    graph = EmbeddingGraph(encoder)
    # neither 0 nor 1, which a trace would take for constants
    inputs: dict[str, Tensor] = {"input_ids": _some_ids(encoder, 2, 7)}
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=encoder.spec.max_length)
    shapes: dict[str, dict[int, Any]] = {name: {0: batch, 1: length} for name in inputs}
    if prompt_tokens(encoder):
        inputs["skipped"] = torch.tensor([0, 2])
        shapes["skipped"] = {0: batch}
    try:
        with _quietly(), torch.inference_mode(mode=False), torch.no_grad():
            program = torch.onnx.export(
                graph,
                kwargs=inputs,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_shapes=shapes,
            )
            assert program is not None
            program.save(path)
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        msg = (
            f"PyTorch's exporter can not turn {type(graph.encoder).__name__} into an ONNX graph: {lines[0]:.300} Try "
            'another release of torch or onnxscript, or load the model with `attn_implementation="eager"`.'
        )
        raise ModelError(msg) from error


def _some_ids(encoder: TextEncoder, texts: int, length: int) -> Tensor:
    ids = encoder.tokenizer("a b c d e f g")["input_ids"]
    return torch.tensor((ids * length)[:length], dtype=torch.long).repeat(texts, 1)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's notes on missing packages and on its own deprecations from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

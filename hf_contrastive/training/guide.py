"""A guide model, which says of two texts of a batch how near they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.objectives import Objective


class Guide:
    """Embeds the texts of batches with another model; every text once, since the guide does not change.

    The vectors are kept in memory: 4 bytes a number, for each distinct text of the data.

    Args:
        model: anything that ContrastiveTrainer takes as ``model``.
        device: where the guide computes.

    Raises:
        ModelError: it can not be read.
    """

    def __init__(self, model: Any, device: torch.device) -> None:
        self._encoder = TextEncoder.load(model)
        self._encoder.model.to(device)
        self._known: dict[tuple[str, str], npt.NDArray[np.float32]] = {}

    def columns(self, texts: Sequence[Sequence[str]], device: torch.device) -> tuple[Tensor, ...]:
        """Return L2-normalised embeddings ``[n, dim of the guide]`` of each column.

        Args:
            texts: of each column, the anchors' first, without prompts; the guide puts its own before them.
            device: where they are needed.
        """
        named = [("query" if number == 0 else "document", column) for number, column in enumerate(texts)]
        for prompt, column in named:
            new = [text for text in dict.fromkeys(column) if (prompt, text) not in self._known]
            if new:
                vectors = self._encoder.encode(new, prompt=prompt)
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
                self._known |= {(prompt, text): vector for text, vector in zip(new, vectors, strict=True)}
        return tuple(
            torch.from_numpy(np.stack([self._known[prompt, text] for text in column])).to(device)
            if len(column)
            else torch.empty(0, int(self._encoder.model.config.hidden_size), device=device)
            for prompt, column in named
        )

    def beside(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch with the guide's columns in it."""
        return {**inputs, "guide": self.columns(inputs["texts"], inputs["input_ids"].device)}


def guide_of(given: Any, objectives: Iterable[Objective], args: ContrastiveConfig) -> Guide | None:
    """Return the guide that the objectives ask, or None where none of them asks one.

    Args:
        given: a model, or None: then ``args.guide_model``.
        objectives: of the training.
        args: of the trainer.

    Raises:
        ConfigurationError: a guide is asked and there is none, or there is one that is not asked.
    """
    asks = any("guided_infonce" in objective.name for objective in objectives)
    given = given if given is not None else args.guide_model
    if asks and given is None:
        msg = (
            "The loss guided_infonce asks a guide model what is no negative, and there is none. Name one with "
            "`guide_model=` in ContrastiveConfig (a Hub id or a folder), or pass `guide=` to the trainer."
        )
        raise ConfigurationError(msg)
    if given is not None and not asks:
        msg = "A guide model is asked by the loss guided_infonce alone; set `loss='guided_infonce'`, or leave it out."
        raise ConfigurationError(msg)
    return Guide(given, args.device) if asks else None

"""Frozen layers below the adapters: found, computed without dropout, and left out where their output is known.

With ``lora_layers="top-2"`` only the last two layers change, so that what enters them is the same in every epoch. It
is computed once a text and read from a file afterwards.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch import Tensor, nn

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.trunk_cache import TrunkCache

_SETTING = re.compile(r"top-([1-9]\d*)")
PROBE_TOKENS = 2048
"""Of the text that tells whether layers can be entered in the middle; windows of attention are narrower."""


def trained_layers(setting: str, layers: int) -> int:
    """Return how many of the last layers ``setting`` trains: all of them for ``all``, K for ``top-K``.

    Raises:
        ConfigurationError: it is neither, or K is more than the model has.
    """
    match = _SETTING.fullmatch(setting)
    count = layers if setting == "all" else int(match.group(1)) if match else 0
    if not 1 <= count <= layers:
        msg = f"`lora_layers` must be 'all' or 'top-1' to 'top-{layers}' (there are {layers} layers), got {setting!r}."
        raise ConfigurationError(msg)
    return count


def layer_list(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Return name and list of the layers that a text passes one after the other: the longest list of modules.

    Raises:
        ConfigurationError: the model has no list of layers.
    """
    lists = [
        (name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module)
    ]
    if not lists:
        msg = f"`lora_layers` needs a model with a list of layers; {type(model).__name__} has none. Leave it at 'all'."
        raise ConfigurationError(msg)
    return max(lists, key=lambda item: len(item[1]))


class _Here(threading.local):
    """What the pass of a thread does at the first trained layer: chunks are computed side by side."""

    entered: tuple[nn.ModuleList, Tensor] | None = None
    seen: list[Tensor] | None = None


_HERE = _Here()


class _EnterableLayers(nn.ModuleList):
    """Layers of which a thread that enters in the middle sees only those from ``first`` on."""

    first: int

    def _seen_here(self) -> list[nn.Module]:
        layers = list(self._modules.values())
        entered = _HERE.entered is not None and _HERE.entered[0] is self
        return layers[self.first :] if entered else layers

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._seen_here())

    def __len__(self) -> int:
        return len(self._seen_here())

    def __getitem__(self, index: Any) -> Any:
        found = self._seen_here()[index]
        return nn.ModuleList(found) if isinstance(found, list) else found


def _at_the_door(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    del module
    if _HERE.seen is not None:
        _HERE.seen.append((given[0] if given else named["hidden_states"]).detach())
    if _HERE.entered is None:
        return None
    hidden = _HERE.entered[1]
    return ((hidden, *given[1:]), named) if given else (given, {**named, "hidden_states": hidden})


class Trunk:
    """The frozen part of an encoder.

    Args:
        model: a PreTrainedModel, inside PEFT's wrapper or not.
        trained: number of last layers that are trained.
    """

    def __init__(self, model: nn.Module, trained: int) -> None:
        self._model = model
        _, layers = layer_list(model)
        self._layers: Any = layers
        self._first = len(layers) - trained
        self.layer = self._first
        self.frozen: tuple[nn.Module, ...] = tuple(layers[: self._first])
        # embeddings lie before the layers
        inputs = getattr(model, "embeddings", None)
        if isinstance(inputs, nn.Module):
            self.frozen = (inputs, *self.frozen)

    def refuse_trained(self) -> None:
        """Refuse weights that are trained below the trained layers, where no gradient may be asked for.

        Raises:
            ConfigurationError: there is one.
        """
        named = {id(parameter): name for name, parameter in self._model.named_parameters()}
        for module in self.frozen:
            for parameter in module.parameters():
                if parameter.requires_grad:
                    msg = (
                        f"`lora_layers` keeps the lower layers frozen, but {named[id(parameter)]} in them is trained; "
                        "leave it out of `bias` and `modules_to_save` of the adapter, or set `lora_layers` to 'all'."
                    )
                    raise ConfigurationError(msg)

    def without_dropout(self) -> None:
        """Put the frozen part into evaluation: it is no more than a fixed function of the text."""
        for module in self.frozen:
            module.eval()

    def make_enterable(self) -> None:
        """Let passes of single threads start at the first trained layer; for all others nothing changes."""
        if not isinstance(self._layers, _EnterableLayers):
            self._layers.__class__ = _EnterableLayers
            self._layers[self._first].register_forward_pre_hook(_at_the_door, with_kwargs=True)
        self._layers.first = self._first

    @contextmanager
    def entered_with(self, hidden: Tensor) -> Iterator[None]:
        """Let this thread's passes start at the first trained layer, with ``hidden`` ``[n, length, hidden]`` there."""
        _HERE.entered = (self._layers, hidden)
        try:
            yield
        finally:
            _HERE.entered = None

    @contextmanager
    def observed(self) -> Iterator[list[Tensor]]:
        """Collect what enters the first trained layer in this thread, ``[n, length, hidden]`` a pass."""
        seen: list[Tensor] = []
        _HERE.seen = seen
        try:
            yield seen
        finally:
            _HERE.seen = None

    def check(self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> torch.dtype:
        """Refuse a model whose layers can not be entered in the middle; return the type of what enters them.

        Args:
            model: the encoder.
            input_ids: ``[n, width]``, as wide as texts can be: attention within a window differs only beyond it.
            attention_mask: ``[n, width]``.

        Raises:
            ConfigurationError: the output differs from that of the whole model.
        """
        self.make_enterable()
        was_training = model.training
        with torch.no_grad():
            model.eval()
            with self.observed() as seen:
                whole = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            with self.entered_with(seen[0]):
                entered = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        model.train(was_training)
        if entered.shape != whole.shape or not torch.allclose(entered, whole, rtol=1e-4, atol=1e-4):
            msg = (
                f"`trunk_cache` needs layers that can be entered in the middle; those of {type(model).__name__} give "
                "another result then. Train without it."
            )
            raise ConfigurationError(msg)
        return seen[0].dtype


class FrozenTrunk:
    """Runs an encoder whose first layers are frozen, from the cache where it holds the texts.

    Args:
        trunk: which layers are frozen.
        cache: of what leaves them, or None.
    """

    def __init__(self, trunk: Trunk, cache: TrunkCache | None = None) -> None:
        self.trunk = trunk
        self.cache = cache

    def __call__(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        *,
        keys: Sequence[bytes] | None,
        lengths: Sequence[int] | npt.NDArray[np.int64],
    ) -> Tensor:
        """Return the token vectors ``[n, width, dim]`` of padded ids ``[n, width]``.

        Args:
            model: the whole encoder.
            input_ids: ``[n, width]``.
            attention_mask: ``[n, width]``.
            keys: of the texts, or None: then the cache is not used.
            lengths: tokens of each text.
        """
        self.trunk.without_dropout()
        cache = self.cache
        if cache is None or keys is None:
            plain: Tensor = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return plain
        known = cache.read(keys, input_ids.shape[1])
        if known is not None:
            with self.trunk.entered_with(known.to(input_ids.device)):
                hidden: Tensor = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return hidden
        with self.trunk.observed() as seen:
            hidden = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        cache.write(keys, seen[0], lengths)
        return hidden


def frozen_trunk(
    model: Any,
    tokenizer: Any,
    *,
    layers: str,
    folder: str | None,
    weights: str,
    max_length: int,
    autocast: torch.dtype | None = None,
) -> FrozenTrunk | None:
    """Return what runs the frozen layers of ``model``, or None where all layers are trained.

    Args:
        model: the encoder with its adapter.
        tokenizer: its tokenizer.
        layers: ``all`` or ``top-K``.
        folder: of the cache, or None for none.
        weights: digest of the base's weights.
        max_length: tokens of the longest text.
        autocast: type that products are computed in, or None for that of the weights.

    Raises:
        ConfigurationError: a weight below the trained layers is trained, the cache can not be used with this model, or
            its folder can not be written.
    """
    if layers == "all":
        return None
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    trunk = Trunk(base, trained_layers(layers, len(layer_list(base)[1])))
    trunk.refuse_trained()
    if folder is None:
        return FrozenTrunk(trunk)
    text = " ".join(["a text of many words"] * max_length)
    longest = min(max_length, PROBE_TOKENS)
    encoded = tokenizer([text, "another"], padding=True, truncation=True, max_length=longest, return_tensors="pt")
    encoded = encoded.to(base.device)
    with torch.autocast(base.device.type, autocast, autocast is not None):
        entering = trunk.check(base, encoded["input_ids"], encoded["attention_mask"])
    try:
        key = (
            f"{weights} layer {trunk.layer} {autocast} {base.dtype} {_settings(base.config)} {transformers.__version__}"
        )
        cache = TrunkCache(Path(folder), key=key, width=int(base.config.hidden_size), dtype=entering)
    except OSError as error:
        msg = f"`trunk_cache` {folder!r} can not be used: {error.strerror}. Name a folder that can be written."
        raise ConfigurationError(msg) from error
    return FrozenTrunk(trunk, cache)


def _settings(config: Any) -> str:
    """Return the settings of a model that its hidden states may depend on; dropout is none in a frozen layer."""
    settings = {
        name: value
        for name, value in config.to_dict().items()
        if not name.startswith("_") and "dropout" not in name and name not in ("transformers_version", "dtype")
    }
    return json.dumps(settings, sort_keys=True, default=str)

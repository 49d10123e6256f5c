"""Frozen layers below the adapters: found, computed without dropout, and their outputs kept on disk.

With ``lora_layers="top-2"`` only the last two layers change, so that what enters them is the same in every epoch. It
is computed once a text and read from a memory-mapped file afterwards.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hf_contrastive.errors import ConfigurationError

logger = logging.getLogger(__name__)

_SETTING = re.compile(r"top-([1-9]\d*)")
KEY_BYTES = 16
RESERVE_BYTES = 2_000_000_000
"""Left free on the disk: a full one would stop more than the training."""
_RECORD = np.dtype([("key", f"V{KEY_BYTES}"), ("offset", "<i8"), ("length", "<i8")])


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


class Trunk:
    """The frozen part of an encoder.

    Args:
        model: a PreTrainedModel, inside PEFT's wrapper or not.
        trained: number of last layers that are trained.
    """

    def __init__(self, model: nn.Module, trained: int) -> None:
        name, layers = layer_list(model)
        parent, _, self._attribute = name.rpartition(".")
        self._parent = model.get_submodule(parent)
        self._layers = layers
        self._first = len(layers) - trained
        self.layer = self._first
        self.frozen: tuple[nn.Module, ...] = tuple(layers[: self._first])
        # embeddings lie before the layers
        inputs = getattr(model, "embeddings", None)
        if isinstance(inputs, nn.Module):
            self.frozen = (inputs, *self.frozen)

    def without_dropout(self) -> None:
        """Put the frozen part into evaluation: it is no more than a fixed function of the text."""
        for module in self.frozen:
            module.eval()

    @contextmanager
    def entered_with(self, hidden: Tensor) -> Iterator[None]:
        """Let a forward pass start at the first trained layer, with ``hidden`` ``[n, length, hidden]`` as its input."""

        def replace(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            del module
            if given:
                return (hidden, *given[1:]), named
            return given, {**named, "hidden_states": hidden}

        hook = self._layers[self._first].register_forward_pre_hook(replace, with_kwargs=True)
        setattr(self._parent, self._attribute, nn.ModuleList(list(self._layers)[self._first :]))
        try:
            yield
        finally:
            setattr(self._parent, self._attribute, self._layers)
            hook.remove()

    @contextmanager
    def observed(self) -> Iterator[list[Tensor]]:
        """Collect what enters the first trained layer, ``[n, length, hidden]`` a forward pass."""
        seen: list[Tensor] = []

        def note(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            del module
            seen.append((given[0] if given else named["hidden_states"]).detach())

        hook = self._layers[self._first].register_forward_pre_hook(note, with_kwargs=True)
        try:
            yield seen
        finally:
            hook.remove()

    def check(self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> None:
        """Refuse a model whose layers can not be entered in the middle.

        Raises:
            ConfigurationError: the output differs from that of the whole model.
        """
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
        cache = self.cache if keys is not None else None
        known = cache.read(keys, input_ids.shape[1]) if cache is not None and keys is not None else None
        if known is not None:
            with self.trunk.entered_with(known.to(input_ids.device)):
                hidden: Tensor = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return hidden
        with self.trunk.observed() as seen:
            hidden = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if cache is not None and keys is not None:
            cache.write(keys, seen[0], lengths)
        return hidden


class TrunkCache:
    """What enters the first trained layer, by text, in a memory-mapped file that later runs go on with.

    Two files: the numbers of all texts one after the other, and an index that is written after them, so that a
    killed process leaves at most numbers that nothing points to.

    Args:
        folder: of all caches; made if missing.
        key: what the numbers depend on besides the text: weights, layer, number format.
        width: numbers a token.
        dtype: of the numbers.
    """

    def __init__(self, folder: Path, *, key: str, width: int, dtype: torch.dtype) -> None:
        self.folder = folder / hashlib.sha256(f"{key} {width} {dtype}".encode()).hexdigest()[:32]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.width = width
        self.dtype = dtype
        self._bytes = width * dtype.itemsize
        self._data_path, self._index_path = self.folder / "states.bin", self.folder / "index.bin"
        self._data_path.touch()
        self._index = self._read_index()
        self._map: npt.NDArray[np.uint8] | None = None
        self._full = False

    def __len__(self) -> int:
        return len(self._index)

    def _read_index(self) -> dict[bytes, tuple[int, int]]:
        if not self._index_path.is_file():
            return {}
        raw = self._index_path.read_bytes()
        records = np.frombuffer(raw[: len(raw) // _RECORD.itemsize * _RECORD.itemsize], dtype=_RECORD)
        size = self._data_path.stat().st_size
        ends = records["offset"] + records["length"] * self._bytes
        whole = records[(records["offset"] >= 0) & (records["length"] >= 0) & (ends <= size)]
        if len(raw) % _RECORD.itemsize or len(whole) < len(records):
            self._index_path.write_bytes(whole.tobytes())
        return {bytes(r["key"]): (int(r["offset"]), int(r["length"])) for r in whole}

    def read(self, keys: Sequence[bytes], width: int) -> Tensor | None:
        """Return ``[len(keys), width, hidden]`` padded with zeros, or None unless all texts are here.

        Args:
            keys: of the texts, 16 bytes each.
            width: tokens of the longest, padding included.
        """
        found = [self._index.get(key) for key in keys]
        if any(place is None for place in found):
            return None
        if self._map is None or len(self._map) < self._data_path.stat().st_size:
            self._map = np.memmap(self._data_path, dtype=np.uint8, mode="r")
        hidden = np.zeros((len(keys), width * self._bytes), dtype=np.uint8)
        for row, place in enumerate(found):
            offset, length = place or (0, 0)
            hidden[row, : length * self._bytes] = self._map[offset : offset + length * self._bytes]
        return torch.from_numpy(hidden).view(self.dtype).view(len(keys), width, self.width)

    def write(self, keys: Sequence[bytes], hidden: Tensor, lengths: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Add the texts that are not here yet; when the disk is nearly full, add no more and say so once.

        Args:
            keys: of the texts.
            hidden: ``[n, width, hidden]``.
            lengths: tokens of each text.
        """
        new = {key: row for row, key in enumerate(keys) if key not in self._index}
        if not new or self._full:
            return
        size = sum(int(lengths[row]) for row in new.values()) * self._bytes
        if shutil.disk_usage(self.folder).free - size < RESERVE_BYTES:
            self._full = True
            text = "%s is nearly full: %d texts are in the trunk cache, the others are computed in every epoch."
            logger.warning(text, self.folder, len(self))
            return
        offset = self._data_path.stat().st_size
        records = np.empty(len(new), dtype=_RECORD)
        rows = hidden.to(self.dtype).cpu().contiguous()
        with self._data_path.open("ab") as file:
            for place, (key, row) in enumerate(new.items()):
                length = int(lengths[row])
                file.write(rows[row, :length].reshape(-1).view(torch.uint8).numpy().tobytes())
                records[place] = (np.void(key), offset, length)
                self._index[key] = (offset, length)
                offset += length * self._bytes
        with self._index_path.open("ab") as file:
            file.write(records.tobytes())


def frozen_trunk(
    model: Any, tokenizer: Any, *, layers: str, folder: str | None, weights: str, dtype: torch.dtype
) -> FrozenTrunk | None:
    """Return what runs the frozen layers of ``model``, or None where all layers are trained.

    Args:
        model: the encoder with its adapter.
        tokenizer: its tokenizer.
        layers: ``all`` or ``top-K``.
        folder: of the cache, or None for none.
        weights: digest of the base's weights.
        dtype: of the numbers that enter a layer.

    Raises:
        ConfigurationError: the cache can not be used with this model, or its folder can not be written.
    """
    if layers == "all":
        return None
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    trunk = Trunk(base, trained_layers(layers, len(layer_list(base)[1])))
    if folder is None:
        return FrozenTrunk(trunk)
    encoded = tokenizer(["a text", "another, longer text"], padding=True, return_tensors="pt").to(base.device)
    trunk.check(base, encoded["input_ids"], encoded["attention_mask"])
    try:
        key = f"{weights} layer {trunk.layer}"
        return FrozenTrunk(trunk, TrunkCache(Path(folder), key=key, width=int(base.config.hidden_size), dtype=dtype))
    except OSError as error:
        msg = f"`trunk_cache` {folder!r} can not be used: {error.strerror}. Name a folder that can be written."
        raise ConfigurationError(msg) from error

"""What leaves the frozen layers of an encoder, by text, on disk."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock
from torch import Tensor

logger = logging.getLogger(__name__)

KEY_BYTES = 16
RESERVE_BYTES = 2_000_000_000
"""Left free on the disk: a full one would stop more than the training."""
_RECORD = np.dtype([("key", f"V{KEY_BYTES}"), ("offset", "<i8"), ("length", "<i8")])


class TrunkCache:
    """What enters the first trained layer, by text, in a memory-mapped file that later runs go on with.

    Two files: the numbers of all texts one after the other, and an index that is written after them, so that a
    killed process leaves at most numbers that nothing points to. Several runs may use it at once: they write one after
    the other, and each reads what it found at its start and what it has written itself.

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
        self._index_path.touch()
        self._lock = FileLock(self.folder / "lock")
        self._writing = threading.Lock()
        with self._lock:
            self._index = self._read_index()
        self._map: npt.NDArray[np.uint8] | None = None
        self._full = False

    def __len__(self) -> int:
        return len(self._index)

    def _read_index(self) -> dict[bytes, tuple[int, int]]:
        raw = self._index_path.read_bytes()
        records = np.frombuffer(raw[: len(raw) // _RECORD.itemsize * _RECORD.itemsize], dtype=_RECORD)
        size = self._data_path.stat().st_size
        ends = records["offset"] + records["length"] * self._bytes
        whole = records[(records["offset"] >= 0) & (records["length"] >= 0) & (ends <= size)]
        if len(raw) % _RECORD.itemsize or len(whole) < len(records):
            # what a killed process left, or a copy that was cut short
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
        known = self._map
        if known is None or len(known) < self._data_path.stat().st_size:
            self._map = known = np.memmap(self._data_path, dtype=np.uint8, mode="r")
        hidden = np.zeros((len(keys), width * self._bytes), dtype=np.uint8)
        for row, place in enumerate(found):
            offset, length = place or (0, 0)
            hidden[row, : length * self._bytes] = known[offset : offset + length * self._bytes]
        return torch.from_numpy(hidden).view(self.dtype).view(len(keys), width, self.width)

    def write(self, keys: Sequence[bytes], hidden: Tensor, lengths: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Add the texts that are not here yet; when the disk is nearly full, add no more and say so once.

        Args:
            keys: of the texts.
            hidden: ``[n, width, hidden]``.
            lengths: tokens of each text.
        """
        with self._writing:
            self._write(keys, hidden, lengths)

    def _write(self, keys: Sequence[bytes], hidden: Tensor, lengths: Sequence[int] | npt.NDArray[np.int64]) -> None:
        new = {key: row for row, key in enumerate(keys) if key not in self._index}
        if not new or self._full:
            return
        size = sum(int(lengths[row]) for row in new.values()) * self._bytes
        if shutil.disk_usage(self.folder).free - size < RESERVE_BYTES:
            self._full = True
            text = "%s is nearly full: %d texts are in the trunk cache, the others are computed in every epoch."
            logger.warning(text, self.folder, len(self))
            return
        records = np.empty(len(new), dtype=_RECORD)
        rows = hidden.to(self.dtype).cpu().contiguous()
        with self._lock:
            offset = self._data_path.stat().st_size
            torn = self._index_path.stat().st_size % _RECORD.itemsize
            with self._data_path.open("ab") as file:
                for place, (key, row) in enumerate(new.items()):
                    length = int(lengths[row])
                    file.write(rows[row, :length].reshape(-1).view(torch.uint8).numpy().tobytes())
                    records[place] = (np.void(key), offset, length)
                    offset += length * self._bytes
            with self._index_path.open("r+b") as file:
                # another run may have been killed in the middle of a record
                file.seek(-torn, os.SEEK_END)
                file.write(records.tobytes())
                file.truncate()
        # other threads may read them only now
        self._index |= {key: (int(r["offset"]), int(r["length"])) for key, r in zip(new, records, strict=True)}

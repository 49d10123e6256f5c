"""An exported encoder: onnxruntime, tokenizers and NumPy, without torch or transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.errors import SchemaError
from hf_contrastive.errors import ModelError, require
from hf_contrastive.inference.records import INT8_FILE, MODEL_FILE, RECORD_FILE, TOKENIZER_FILE, ExportRecord

_BATCH = 32
_PADDED_TOKENS = 16_384

Ids = Sequence[Sequence[int]]


class OnnxEncoder:
    """Encodes texts with what ``hf-contrastive export`` wrote.

    Args:
        folder: what was written.
        int8: use the int8 weights, where there are any.
        threads: of one operator; default: onnxruntime's own.

    Raises:
        ModelError: the folder holds no export, or not these weights.
        MissingExtraError: onnxruntime or tokenizers is not installed.
    """

    def __init__(self, folder: str | Path, *, int8: bool = False, threads: int | None = None) -> None:
        require("onnx", "onnxruntime", "tokenizers")
        import onnxruntime
        from tokenizers import Tokenizer

        self.folder = Path(folder)
        self.record = read_export(self.folder)
        path = self.folder / (INT8_FILE if int8 else MODEL_FILE)
        if not path.is_file():
            more = " Export it again with `--int8`." if int8 else ""
            msg = f"{self.folder.name} holds no {path.name}; its files are {', '.join(self.record.files)}.{more}"
            raise ModelError(msg)
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER_FILE))
        self._tokenizer.no_padding()
        self._direction = (self._tokenizer.truncation or {}).get("direction", "right")
        self._cut_at = 0

    def encode(
        self,
        texts: Sequence[str],
        *,
        prompt: str | None = None,
        max_length: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return one vector a text, ``[len(texts), dim]``, as the original encoder does.

        Args:
            texts: what to encode.
            prompt: ``query`` or ``document`` puts that prompt of the model before each text.
            max_length: overrides the model's.
            on_progress: called with (texts done, texts in all).

        Raises:
            ModelError: ``texts`` is one text, or holds something else than texts.
        """
        output = np.zeros((len(texts), self.record.dimension), dtype=np.float32)
        rows = self.tokenise(texts, prompt=prompt, max_length=max_length)
        skipped = self.record.prompt_tokens.get(prompt, 0) if prompt else 0
        done = 0
        for batch in _batches([len(row) for row in rows]):
            output[batch] = self.vectors([rows[place] for place in batch], skipped=skipped)
            done += len(batch)
            if on_progress:
                on_progress(done, len(texts))
        return output

    def tokenise(self, texts: Sequence[str], *, prompt: str | None = None, max_length: int | None = None) -> Ids:
        """Return the ids of each text, special tokens included, cut to the model's length.

        Raises:
            ModelError: ``texts`` is one text, or holds something else than texts.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            msg = f"`texts` must be a list of texts, got {texts!r:.60}; put a single text into a list."
            raise ModelError(msg)
        limit = max_length or self.record.max_length
        if limit != self._cut_at:
            self._tokenizer.enable_truncation(limit, direction=self._direction)
            self._cut_at = limit
        prefix = self.record.prompts.get(prompt, "") if prompt else ""
        encoded = self._tokenizer.encode_batch([prefix + text for text in texts])
        return [item.ids for item in encoded]

    def vectors(self, rows: Ids, *, skipped: int = 0) -> npt.NDArray[np.float32]:
        """Return the vectors of texts that are ids, all in one batch, ``[len(rows), dim]``.

        Args:
            rows: ids of each text, at least one text.
            skipped: how many of the first tokens are not pooled.
        """
        feed = padded(rows, self.record.pad_token_id)
        if self.record.prompt_tokens:
            feed["skipped"] = np.full(len(rows), skipped, dtype=np.int64)
        found: npt.NDArray[np.float32] = self._session.run(None, feed)[0]
        return found


def read_export(folder: Path) -> ExportRecord:
    """Return what stands in ``export.json``.

    Raises:
        ModelError: there is none, or it is of another shape.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        msg = f"{folder} holds no {RECORD_FILE}; write one with `hf-contrastive export MODEL --format onnx --out DIR`."
        raise ModelError(msg)
    try:
        return ExportRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (SchemaError, ValueError) as error:
        msg = f"{path} can not be read: {error} Export the model again."
        raise ModelError(msg) from error


def padded(rows: Ids, pad_token_id: int) -> dict[str, Any]:
    """Return ids and mask, ``[len(rows), longest]`` each."""
    width = max(1, *(len(row) for row in rows))
    ids = np.full((len(rows), width), pad_token_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
        mask[place, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Return places of texts of about one length, the longest first, so that memory does not grow on the way."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    found: list[list[int]] = []
    for place in order:
        batch = found[-1] if found else None
        if batch is None or len(batch) >= _BATCH or (len(batch) + 1) * lengths[batch[0]] > _PADDED_TOKENS:
            found.append([place])
        else:
            batch.append(place)
    return found

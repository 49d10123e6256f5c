"""A model as ONNX, with the proof that it is the same."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from hf_contrastive.errors import ModelError, require
from hf_contrastive.inference.records import MODEL_FILE, RECORD_FILE, TOKENIZER_FILE, ExportRecord
from hf_contrastive.writing import all_or_none

_PACKAGES = ("hf-contrastive", "torch", "transformers", "onnx", "onnxscript", "onnxruntime", "tokenizers")
# what must go along with weights wherever they go
_LEGAL = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_RESTRICTIONS*")


def export_onnx(
    model: Any,
    out: str | Path,
    *,
    int8: bool | Literal["if exact"] = False,
    pooling: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ExportRecord:
    """Write a model as ONNX: encoder, pooling and normalisation in one graph, its tokenizer, and ``export.json``.

    An adapter is merged first. The graph is compared with the model as it was given, one text at a time, over lengths
    of 1 token to the longest and batches of 1, 2 and 17 with padding, and over whole texts from tokenizer to vector.
    The folder loads with :class:`hf_contrastive.inference.onnx_model.OnnxEncoder`, without torch.

    Args:
        model: a folder, a Hub id, or what ContrastiveTrainer takes as ``model``.
        out: folder, made if missing; what is not replaced stays.
        int8: write int8 weights too; "if exact": where none are close enough, leave them out and record that.
        pooling: overrides the model's own; needed where it has none.
        on_progress: called with (steps done, steps in all).

    Returns:
        What was written and measured.

    Raises:
        ModelError: the model can not be read or exported, or what was exported is not the same.
        MissingExtraError: torch or the packages of the extra ``onnx`` are not installed.
        OSError: the files can not be written; nothing is left behind.
    """
    require("train", "torch", "transformers", "peft")
    require("onnx", "onnx", "onnxscript", "onnxruntime")
    from hf_contrastive.inference import parity
    from hf_contrastive.inference.graph import OPSET, prompt_tokens, write_graph
    from hf_contrastive.inference.int8 import try_int8, write_int8
    from hf_contrastive.inference.onnx_model import OnnxEncoder
    from hf_contrastive.inference.samples import SAMPLES
    from hf_contrastive.inference.sources import load_encoder

    source = load_encoder(model, pooling=pooling)
    encoder = source.encoder
    spec = encoder.spec
    step = on_progress or (lambda done, total: None)
    total = 5 if int8 else 4
    with all_or_none(Path(out), file_by_file=True, stale=_other_weights(Path(out))) as folder:
        _write_tokenizer(encoder, folder / TOKENIZER_FILE)
        step(0, total)
        write_graph(encoder, folder / MODEL_FILE)
        step(1, total)
        given = parity.batches(encoder)
        step(2, total)
        expected = parity.text_vectors(encoder)
        record = ExportRecord(
            model_name=encoder.name,
            weights_sha256=source.weights_sha256,
            pooling=spec.pooling,
            pool_prompt=spec.pool_prompt,
            normalize=spec.normalize,
            dimension=int(encoder.model.config.hidden_size),
            max_length=spec.max_length,
            pad_token_id=encoder.tokenizer.pad_token_id or 0,
            prompts=dict(spec.prompts),
            prompt_tokens=prompt_tokens(encoder),
            similarity=spec.similarity,
            opset=OPSET,
            bound=parity.BOUND,
            worst_difference=0.0,
            text_difference=0.0,
            texts=len(SAMPLES) * len(expected),
            versions={"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        )
        _write_record(record, folder)
        step(3, total)
        exported = OnnxEncoder(folder)
        cells = parity.compare_batches(exported, given)
        difference = parity.compare_texts(exported, expected)
        parity.check_parity(cells, difference, bound=parity.BOUND)
        step(4, total)
        write = try_int8 if int8 == "if exact" else write_int8
        attempts = write(folder, given, expected, bound=parity.INT8_BOUND) if int8 else ()
        _copy_legal(source.folder, folder)
        record = replace(
            record,
            worst_difference=max(cell.worst_difference for cell in cells),
            text_difference=difference,
            parity=cells,
            int8=attempts,
            int8_bound=parity.INT8_BOUND if int8 else 0.0,
            files={path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.name != RECORD_FILE},
        )
        _write_record(record, folder)
        step(total, total)
    return record


def _write_tokenizer(encoder: Any, path: Path) -> None:
    backend = getattr(encoder.tokenizer, "backend_tokenizer", None)
    if backend is None:
        msg = (
            f"The tokenizer of {encoder.name} is a {type(encoder.tokenizer).__name__}, which runs in Python alone; "
            "what is exported needs a tokenizer.json. Convert it to a fast tokenizer first, as "
            "transformers.AutoTokenizer does."
        )
        raise ModelError(msg)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(encoder.spec.max_length, direction=encoder.tokenizer.truncation_side)
    tokenizer.save(str(path))


def _write_record(record: ExportRecord, folder: Path) -> None:
    text = json.dumps(record.to_dict(), indent=2, ensure_ascii=False)
    (folder / RECORD_FILE).write_text(text + "\n", encoding="utf-8")


def _copy_legal(source: Path | None, folder: Path) -> None:
    if source is None:
        return
    for pattern in _LEGAL:
        for path in source.glob(pattern):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)


def _other_weights(out: Path) -> Callable[[frozenset[str]], list[str]]:
    """Name the weights of an earlier export, which would be of another model beside these."""
    return lambda written: sorted(
        {path.name for path in out.glob("model*.onnx*") if path.is_file()} - written if out.is_dir() else ()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()

"""The published layout of a model: whole or not at all.

``merged``: the merged model and sentence-transformers' files at the root, PEFT's under ``adapter/``. Merged
weights and an adapter in one folder would make ``SentenceTransformer`` and ``AutoModel`` apply the adapter twice.
``adapter``: only the adapter (with tokenizer and pooling files) at the root.
"""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any, Literal

from peft import PeftModel

from hf_contrastive.training.encoding import EncodingSpec, write_spec
from hf_contrastive.writing import all_or_none

ADAPTER_FOLDER = "adapter"
WEIGHT_FILES = ("config.json", "model*.safetensors", "model.safetensors.index.json", "adapter_*")
SaveFormat = Literal["merged", "adapter"]


def write_model(
    model: Any,
    tokenizer: Any,
    spec: EncodingSpec,
    folder: Path,
    *,
    base_model_id: str | None,
    save_format: SaveFormat = "merged",
) -> tuple[str, ...]:
    """Write ``model`` in the published layout; a failure leaves what was in ``folder`` before.

    Args:
        model: a PreTrainedModel or PeftModel; it is not changed.
        tokenizer: its tokenizer.
        spec: how it encodes.
        folder: made if missing; other files in it stay.
        base_model_id: Hub id that the adapter's config names.
        save_format: see above; a model without adapter is always written whole.

    Returns:
        The written files, relative to ``folder``.

    Raises:
        OSError: the files can not be written, or a folder stands where one of them belongs.
    """
    with all_or_none(folder, file_by_file=True, stale=partial(_other_layouts, folder)) as stage:
        if isinstance(model, PeftModel):
            if save_format == "adapter":
                write_adapter(model, stage, base_model_id)
            else:
                merged: Any = copy.deepcopy(model).merge_and_unload()
                merged.save_pretrained(stage)
                write_adapter(model, stage / ADAPTER_FOLDER, base_model_id)
        else:
            model.save_pretrained(stage)
        _write_tokenizer(tokenizer, stage, spec.max_length)
        write_spec(spec, stage, dimension=int(model.config.hidden_size))
        written = tuple(sorted(path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file()))
    return written


def _other_layouts(folder: Path, written: frozenset[str]) -> list[str]:
    """Name weights that an earlier save in another layout left: beside these they would be applied too."""
    patterns = (*WEIGHT_FILES, *(f"{ADAPTER_FOLDER}/{name}" for name in WEIGHT_FILES))
    found = {path.relative_to(folder).as_posix() for pattern in patterns for path in folder.glob(pattern)}
    return sorted(found - written)


def write_adapter(model: Any, folder: Path, base_model_id: str | None) -> None:
    """Write PEFT's two files of the active adapter, without the card that PEFT would add.

    Whether the embedding layer changed is known here, so PEFT does not have to ask the Hub.
    """
    config = model.active_peft_config
    before = config.base_model_name_or_path
    if base_model_id is not None:
        config.base_model_name_or_path = base_model_id
    try:
        model.save_pretrained(folder, save_embedding_layers=False, selected_adapters=[model.active_adapter])
    finally:
        config.base_model_name_or_path = before
    # PEFT puts an adapter that is not called "default" into a folder of its name
    named = folder / str(model.active_adapter)
    if named.is_dir():
        for path in named.iterdir():
            path.replace(folder / path.name)
        named.rmdir()
    (folder / "README.md").unlink(missing_ok=True)


def _write_tokenizer(tokenizer: Any, folder: Path, max_length: int) -> None:
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = max_length
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # truncation and padding of the last call would otherwise be saved as the tokenizer's own
        backend.no_truncation()
        backend.no_padding()
    tokenizer.save_pretrained(folder)

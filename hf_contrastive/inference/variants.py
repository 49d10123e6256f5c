"""The forms that one model can be run in, each written into a folder of its own."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_contrastive.errors import MissingExtraError, ModelError
from hf_contrastive.inference.records import INT8_FILE, MODEL_FILE

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

MEGA = 1e6
NAMES = ("merged", "adapter", "bf16", "onnx", "onnx-int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One form: how a worker loads it, and the megabytes it takes; or why there is none."""

    name: str
    description: str
    setup: dict[str, Any] = field(default_factory=dict)
    size_mb: float = 0.0
    not_measured: str = ""


def write_variants(
    encoder: TextEncoder, folder: Path, *, on_step: Callable[[int, int], None] | None = None
) -> list[Variant]:
    """Write every form of an encoder under ``folder``.

    Args:
        encoder: the model as it was given.
        folder: an empty one.
        on_step: called with (forms done, forms in all).
    """
    found = []
    for item in _variants(encoder, folder):
        found.append(item)
        if on_step is not None:
            on_step(len(found), len(NAMES))
    return found


def _variants(encoder: TextEncoder, folder: Path) -> Iterator[Variant]:
    from hf_contrastive.training.saving import ADAPTER_FOLDER, write_model

    has_adapter = hasattr(encoder.model, "merge_and_unload")
    merged = folder / "merged"
    write_model(encoder.model, encoder.tokenizer, encoder.spec, merged, base_model_id=None)
    shutil.rmtree(merged / ADAPTER_FOLDER, ignore_errors=True)
    described = "PyTorch, fp32, the adapter merged" if has_adapter else "PyTorch, fp32"
    yield _torch("merged", described, merged)
    yield (
        _adapter(encoder, folder)
        if has_adapter
        else Variant(
            name="adapter",
            description="PyTorch, fp32, the adapter beside its base",
            not_measured="the model has no adapter of its own; name an adapter's folder to measure one",
        )
    )
    half = folder / "bf16"
    shutil.copytree(merged, half, ignore=shutil.ignore_patterns("*.safetensors", "*.index.json"))
    _half(encoder.model).save_pretrained(half)
    yield _torch("bf16", "PyTorch, bfloat16", half, half=True)
    yield from _onnx(encoder, folder / "onnx")


def _torch(name: str, description: str, folder: Path, *, half: bool = False, also: float = 0.0) -> Variant:
    setup = {"kind": "torch", "folder": str(folder), "half": half}
    return Variant(name=name, description=description, setup=setup, size_mb=_megabytes(folder) + also)


def _adapter(encoder: TextEncoder, folder: Path) -> Variant:
    from hf_contrastive.training.saving import write_model

    base, own = folder / "base", folder / "adapter"
    # only PEFT can take its layers out again
    plain: Any = copy.deepcopy(encoder.model).unload()
    write_model(plain, encoder.tokenizer, encoder.spec, base, base_model_id=None)
    write_model(encoder.model, encoder.tokenizer, encoder.spec, own, base_model_id=str(base), save_format="adapter")
    return _torch("adapter", "PyTorch, fp32, the adapter beside its base", own, also=_megabytes(base))


def _half(model: Any) -> Any:
    import torch

    whole = copy.deepcopy(model)
    if hasattr(whole, "merge_and_unload"):
        whole = whole.merge_and_unload()
    return whole.to(torch.bfloat16)


def _onnx(encoder: TextEncoder, folder: Path) -> Iterator[Variant]:
    from hf_contrastive.inference.export import export_onnx
    from hf_contrastive.inference.int8 import int8_words

    plain, small = "ONNX Runtime, fp32", "ONNX Runtime, int8 weights"
    try:
        record = export_onnx(encoder, folder, int8="if exact")
    except (ModelError, MissingExtraError) as error:
        yield Variant(name="onnx", description=plain, not_measured=str(error))
        yield Variant(name="onnx-int8", description=small, not_measured=str(error))
        return
    setup = {"kind": "onnx", "folder": str(folder)}
    sizes = {path.name: path.stat().st_size / MEGA for path in folder.iterdir()}
    shared = sum(size for name, size in sizes.items() if not name.startswith("model"))
    plain_size = shared + sum(size for name, size in sizes.items() if name.startswith(MODEL_FILE))
    yield Variant(name="onnx", description=plain, setup={**setup, "int8": False}, size_mb=plain_size)
    if INT8_FILE in sizes:
        described = f"{small} {record.int8[-1].method}"
        size = shared + sizes[INT8_FILE]
        yield Variant(name="onnx-int8", description=described, setup={**setup, "int8": True}, size_mb=size)
    else:
        reason = f"no way of storing int8 weights keeps a cosine of {record.int8_bound:g}: {int8_words(record.int8)}"
        yield Variant(name="onnx-int8", description=small, not_measured=reason)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MEGA

"""Checkpoints that are whole: written under a temporary name, renamed last, torn ones skipped."""

from __future__ import annotations

import json
import logging
import re
import shutil
import zipfile
from pathlib import Path

from hf_contrastive.errors import ConfigurationError

logger = logging.getLogger(__name__)

STAGING_FOLDER = ".checkpoint-incomplete"
_NAME = re.compile(r"checkpoint-(\d+)")
_WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")


def last_complete_checkpoint(output_dir: Path) -> Path:
    """Return the complete checkpoint of the highest step.

    Raises:
        ConfigurationError: there is none.
    """
    found = [path for path in output_dir.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    for path in sorted(found, key=_step, reverse=True):
        reason = incomplete_because(path)
        if reason is None:
            return path
        logger.warning("%s is skipped: %s.", path.name, reason)
    msg = (
        f"There is no complete checkpoint in {output_dir}: found {', '.join(sorted(p.name for p in found)) or 'none'}. "
        "Start without `resume_from_checkpoint`, or name a folder written with `save_strategy`."
    )
    raise ConfigurationError(msg)


def complete_checkpoint(checkpoint: Path) -> Path:
    """Return ``checkpoint`` if it can be resumed from.

    Raises:
        ConfigurationError: it can not; says why.
    """
    reason = incomplete_because(checkpoint) if checkpoint.is_dir() else "there is no such folder"
    if reason is not None:
        msg = (
            f"Training can not be resumed from {checkpoint}: {reason}. Pass `resume_from_checkpoint=True` to take "
            "the last complete checkpoint of the output folder, or start without it."
        )
        raise ConfigurationError(msg)
    return checkpoint


def incomplete_because(checkpoint: Path) -> str | None:
    """Return why ``checkpoint`` can not be resumed from, or None when it can."""
    if not any((checkpoint / name).is_file() for name in _WEIGHTS):
        return "it holds no weights"
    for path in sorted(checkpoint.iterdir()):
        if path.suffix == ".safetensors" and not _is_whole(path):
            return f"{path.name} is torn"
        if path.suffix in (".pt", ".pth") and not zipfile.is_zipfile(path):
            return f"{path.name} is torn"
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "trainer_state.json is missing or torn"
    step = state.get("global_step") if isinstance(state, dict) else None
    if step is None or _step(checkpoint) not in (-1, step):
        return "trainer_state.json belongs to another step"
    return None


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says (8 bytes of length, JSON, tensors)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            return False
        try:
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
    return path.stat().st_size == 8 + length + max(ends, default=0)


def clear_stage(stage: Path) -> None:
    """Remove what a killed process left in ``stage``."""
    shutil.rmtree(stage, ignore_errors=True)


def move_into_place(stage: Path, output_dir: Path) -> None:
    """Rename every checkpoint in ``stage`` to its place in ``output_dir`` and remove ``stage``."""
    for path in stage.glob("checkpoint-*"):
        target = output_dir / path.name
        if target.exists():
            # left by an earlier run into the same folder
            old = stage / f"old-{path.name}"
            target.replace(old)
        path.replace(target)
    clear_stage(stage)


def _step(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match.group(1)) if match else -1

"""Checkpoints that are whole: written under a temporary name, renamed last, torn ones skipped."""

from __future__ import annotations

import json
import logging
import re
import shutil
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


def incomplete_because(checkpoint: Path) -> str | None:
    """Return why ``checkpoint`` can not be resumed from, or None when it can."""
    if not any((checkpoint / name).is_file() for name in _WEIGHTS):
        return "it holds no weights"
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "trainer_state.json is missing or torn"
    if not isinstance(state, dict) or state.get("global_step") != _step(checkpoint):
        return "trainer_state.json belongs to another step"
    return None


def move_into_place(stage: Path, output_dir: Path) -> None:
    """Rename every checkpoint in ``stage`` to its place in ``output_dir`` and remove ``stage``."""
    for path in stage.glob("checkpoint-*"):
        target = output_dir / path.name
        if target.exists():
            # left by an earlier run into the same folder
            old = stage / f"old-{path.name}"
            target.replace(old)
        path.replace(target)
    shutil.rmtree(stage, ignore_errors=True)


def _step(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match.group(1)) if match else -1

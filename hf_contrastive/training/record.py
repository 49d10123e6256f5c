"""What a run did, counted while it runs."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from audits.findings import Measurement
from hf_contrastive.training.arguments import recorded_arguments
from hf_contrastive.training.batching import ChunkPlan
from hf_contrastive.training.encoding import EncodingSpec
from hf_contrastive.training.history import History
from hf_contrastive.training.lora import adapter_record
from hf_contrastive.training.plans import Plans
from model_cards.evidence import BaseModel, Environment, TrainingRecord

FLOPS_METHOD = (
    "estimate: 2 x non-embedding parameters x padded tokens for the forward pass, the same again for each of the "
    "gradients computed (of activations; of weights where they are trained); attention scores left out"
)
HEADS_METHOD = (
    "; the tokens of corrupted texts are counted too, and the heads over the vocabulary by the vectors they read"
)
TOTALS_FILE = "totals.json"
_PACKAGES = ("torch", "transformers", "accelerate", "peft", "datasets", "numpy", "tokenizers", "hf-contrastive")


@dataclass(slots=True)
class Totals:
    """Counters of examples, tokens with and without padding, seconds, operations of heads over the vocabulary.

    A checkpoint keeps them for a resumed run.
    """

    examples: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    seconds: float = 0.0
    head_flops: float = 0.0
    _started: float | None = None

    def start(self) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def stop(self) -> None:
        """Stop the clock."""
        self.seconds, self._started = self._elapsed(), None

    def add(self, examples: int, plan: ChunkPlan, head_flops: float) -> None:
        """Add a step: its examples, the tokens that were computed, the operations of heads over the vocabulary."""
        self.examples += examples
        self.tokens += plan.real_tokens
        self.padded_tokens += plan.padded_tokens
        self.head_flops += head_flops

    def over_processes(self, accelerator: Any) -> Totals:
        """Return the sums over all processes, and the seconds of this one until now; a collective operation."""
        counts = torch.tensor([self.examples, self.tokens, self.padded_tokens], device=accelerator.device)
        examples, tokens, padded_tokens = accelerator.reduce(counts, "sum").tolist()
        # one number whose size no integer or single float may hold: in units that one can
        heads = accelerator.reduce(torch.tensor(self.head_flops / 1e9, device=accelerator.device), "sum").item() * 1e9
        return Totals(examples, tokens, padded_tokens, self._elapsed(), heads)

    def write(self, checkpoint: Path) -> None:
        """Keep the counters in a checkpoint."""
        names = [item.name for item in fields(self) if not item.name.startswith("_")]
        (checkpoint / TOTALS_FILE).write_text(json.dumps({name: getattr(self, name) for name in names}) + "\n")

    @classmethod
    def read(cls, checkpoint: Path) -> Totals:
        """Return what :meth:`write` kept, zeros in a checkpoint of another trainer."""
        path = checkpoint / TOTALS_FILE
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()

    def _elapsed(self) -> float:
        return self.seconds + (time.perf_counter() - self._started if self._started is not None else 0.0)


def training_record(
    *,
    model: Any,
    args: Any,
    state: Any,
    totals: Totals,
    spec: EncodingSpec,
    base: BaseModel,
    objective: str,
    plans: Plans,
    history: History,
    metrics: Mapping[int, Mapping[str, float]],
    temperature: float | None,
) -> TrainingRecord:
    """Collect what a run did.

    Args:
        model: the trained PreTrainedModel or PeftModel.
        args: its ContrastiveConfig.
        state: its TrainerState.
        totals: counted while it ran.
        spec: how it encodes.
        base: where it came from.
        objective: name of the loss.
        plans: how the datasets are read.
        history: data and steps of all runs.
        metrics: of the trainer's own evaluation data, by step.
        temperature: of the loss as it is now; it may have been learned. None where nothing is contrasted.
    """
    step = max(metrics, default=None)
    if args.load_best_model_at_end and state.best_global_step in metrics:
        # the weights at hand are those of the best step
        step = state.best_global_step
    measured = metrics[step] if step is not None else {}
    schedule = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    return TrainingRecord(
        base=base,
        adapter=adapter_record(model),
        objective=objective,
        data_format=plans.described(lambda plan: plan.data_format.description),
        text_columns=plans.text_columns(),
        temperature=temperature,
        pooling=spec.pooling if spec.pool_prompt else f"{spec.pooling} without the prompt",
        normalize=spec.normalize,
        prompts=dict(spec.prompts),
        max_length=spec.max_length,
        embedding_dimension=int(model.config.hidden_size),
        similarity=spec.similarity,
        seed=args.seed,
        batch_size=args.train_batch_size * args.world_size,
        steps=history.steps_before + state.global_step,
        epochs=float(state.epoch or 0.0),
        learning_rate=args.learning_rate,
        schedule=f"{schedule}, warm-up {args.warmup_steps:g}",
        examples=totals.examples,
        tokens=totals.tokens,
        padded_tokens=totals.padded_tokens,
        flops=flops(model, totals.padded_tokens) + totals.head_flops,
        flops_method=FLOPS_METHOD + (HEADS_METHOD if totals.head_flops else ""),
        seconds=totals.seconds,
        arguments=recorded_arguments(args),
        losses=tuple((int(entry["step"]), float(entry["loss"])) for entry in state.log_history if "loss" in entry),
        metrics=tuple(
            Measurement(name=name, value=float(value), unit="score", method=f"evaluation data, step {step}")
            for name, value in sorted(measured.items())
        ),
        datasets=history.datasets,
        weights_sha256=history.weights,
        environment=environment(args.device, "bf16 autocast" if args.bf16 else "fp32"),
    )


def flops(model: Any, padded_tokens: int) -> float:
    """Estimate the floating point operations of training on ``padded_tokens``; see FLOPS_METHOD.

    Args:
        model: a PreTrainedModel or PeftModel.
        padded_tokens: tokens computed, padding included.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    embeddings = inner.get_input_embeddings()
    everything = sum(parameter.numel() for parameter in inner.parameters())
    parameters = everything - sum(parameter.numel() for parameter in embeddings.parameters())
    trained = sum(parameter.numel() for parameter in inner.parameters() if parameter.requires_grad)
    share = min(1.0, trained / max(1, parameters))
    return float((2 + 2 + 2 * share) * parameters * padded_tokens)


def environment(device: torch.device, precision: str) -> Environment:
    """Describe machine and versions, without host name or paths."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return Environment(
        device=name,
        processor=_processor(),
        cores=torch.get_num_threads(),
        precision=precision,
        operating_system=f"{platform.system()} {platform.machine()}",
        versions=versions(),
    )


def versions(packages: Sequence[str] = _PACKAGES) -> Mapping[str, str]:
    """Return the versions of what computed the result; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

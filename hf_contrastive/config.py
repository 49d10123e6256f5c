"""The settings of :class:`~hf_contrastive.ContrastiveTrainer`: TrainingArguments and what contrast needs."""

from __future__ import annotations

import difflib
import logging
import os
from dataclasses import dataclass, field
from typing import Any, Literal

from transformers import TrainingArguments

from audits.errors import PolicyError
from audits.policy import LEVELS, load_policy
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.objective_terms import parse_loss
from hf_contrastive.training.pooling import POOLINGS
from hf_contrastive.training.sampling import SAMPLINGS
from hf_contrastive.training.views import VIEWS
from model_cards.validate import hub_values

logger = logging.getLogger(__name__)


@dataclass
class ContrastiveConfig(TrainingArguments):
    """Everything TrainingArguments has, with other defaults where contrast needs them, and these fields.

    The defaults that differ: ``per_device_train_batch_size`` 64 (the other rows are the negatives),
    ``learning_rate`` 2e-4 (LoRA), ``warmup_steps`` 0.1 (a share), ``dataloader_drop_last`` True (of
    training; evaluation reads every row), ``remove_unused_columns``, ``ddp_find_unused_parameters`` and
    ``ddp_broadcast_buffers`` False.
    """

    per_device_train_batch_size: int = field(
        default=64, metadata={"help": "Rows a step and device; the other rows are the negatives."}
    )
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Rows of one evaluation loss."})
    learning_rate: float = field(
        default=2e-4, metadata={"help": "Peak learning rate; 2e-5 suits training all weights."}
    )
    warmup_steps: float = field(default=0.1, metadata={"help": "Warm-up steps, or their share when below 1."})
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Must be false: the text columns are no arguments of the model."}
    )
    ddp_find_unused_parameters: bool | None = field(
        default=False, metadata={"help": "Looking for unused parameters forbids several forward passes a step."}
    )
    ddp_broadcast_buffers: bool | None = field(
        default=False, metadata={"help": "Encoders have no buffer that changes; a broadcast would forbid chunks."}
    )
    dataloader_drop_last: bool = field(default=True, metadata={"help": "Leave out a last, smaller training batch."})

    temperature: float = field(default=0.05, metadata={"help": "Softmax temperature of the loss, > 0."})
    loss: str = field(
        default="auto",
        metadata={
            "help": "auto (supcon for labelled text, cosent for graded pairs, infonce otherwise), the name of a loss, "
            "or a weighted sum such as 'infonce + 0.5 * cross_entropy' or 'infonce + 0.1 * masked_lm'."
        },
    )
    learn_temperature: bool = field(
        default=False, metadata={"help": "Learn the temperature, from `temperature` on; 1 / temperature stays <= 100."}
    )
    matryoshka_dims: list[int] | None = field(
        default=None, metadata={"help": "Add up the loss of embeddings cut to these dimensions, e.g. 384 128 64."}
    )
    matryoshka_weights: list[float] | None = field(
        default=None, metadata={"help": "Weight of each of matryoshka_dims in the sum; default: 1 each."}
    )
    masked_lm_probability: float = field(
        default=0.15, metadata={"help": "Share of the tokens that the term masked_lm hides and predicts."}
    )
    denoising_deletion: float = field(
        default=0.6, metadata={"help": "Share of the tokens that the term denoising deletes."}
    )
    guide_model: str | None = field(
        default=None, metadata={"help": "Hub id or folder of the model that guided_infonce asks what is no negative."}
    )
    pooling: str | None = field(
        default=None, metadata={"help": "mean, weightedmean, cls or lasttoken; default: the model's own, else mean."}
    )
    pool_prompt: bool | None = field(
        default=None, metadata={"help": "Pool the tokens of prompts too; default: the model's own, else true."}
    )
    normalize: bool | None = field(
        default=None, metadata={"help": "L2-normalise the published embedding; default: the model's own."}
    )
    view: Literal["crop", "deletion", "dropout"] = field(
        default="crop",
        metadata={"help": "Two views of raw text: independent crops, tokens deleted at random, or only dropout."},
    )
    view_deletion: float = field(default=0.1, metadata={"help": "Share of the tokens that go, with view=deletion."})
    view_dropout: float | None = field(
        default=None, metadata={"help": "Dropout that is set with view=dropout; default: the model's own."}
    )
    dropout: float | None = field(
        default=None,
        metadata={"help": "Set every dropout of the encoder while it trains; default: its own. 0 is the fastest."},
    )
    multi_dataset_sampling: Literal["proportional", "round_robin"] = field(
        default="proportional",
        metadata={"help": "Of several datasets: all steps of each in random order, or one of each in turn."},
    )
    label_column: str | None = field(
        default=None,
        metadata={"help": "Class of each row; also beside pairs. Default: `label` beside `text`, none beside pairs."},
    )
    id_column: str | None = field(
        default=None, metadata={"help": "Rows that share a value of it are no negatives of each other."}
    )
    max_length: int | None = field(
        default=None, metadata={"help": "Tokens a text is cut to; default: the model's own, at most 512."}
    )
    query_prompt: str | None = field(
        default=None, metadata={"help": "Prefix of every anchor, kept in the published config."}
    )
    document_prompt: str | None = field(
        default=None, metadata={"help": "Prefix of every other text, kept in the published config."}
    )
    chunk_tokens: int | str | None = field(
        default=None, metadata={"help": "Padded tokens computed at once; default, also `auto`: by the device."}
    )
    max_memory: float | None = field(
        default=None,
        metadata={"help": "GB of graphs a step keeps instead of computing them again; default: half of what is free."},
    )
    deduplicate: bool = field(
        default=True, metadata={"help": "Embed equal texts of a batch once, where the model draws no dropout."}
    )
    gather_negatives: bool = field(
        default=True, metadata={"help": "The other rows of all processes are negatives, not only of the own one."}
    )
    lora_layers: str = field(
        default="all", metadata={"help": "Layers that carry the adapter: all, or top-K; the layers below stay frozen."}
    )
    trunk_cache: str | None = field(
        default=None,
        metadata={"help": "Folder that keeps what leaves the frozen layers of top-K, so that later epochs skip them."},
    )
    mask_duplicates: bool = field(
        default=True, metadata={"help": "A copy of a positive of the same anchor is no negative."}
    )
    save_format: Literal["merged", "adapter"] = field(
        default="merged",
        metadata={"help": "What lies at the published root: the merged model, or the adapter alone."},
    )
    base_model_id: str | None = field(
        default=None, metadata={"help": "Hub id of the base model, when `model` is a folder."}
    )
    policy: str = field(
        default="standard",
        metadata={"help": "Policy that a push must satisfy: permissive, standard, strict or a TOML file."},
    )
    license: str | None = field(default=None, metadata={"help": "Hub license id under which the model is published."})
    intended_use: str | None = field(
        default=None, metadata={"help": "One sentence for the model card, as stated by you."}
    )

    def __post_init__(self) -> None:
        """Check the values that can be wrong."""
        # TrainingArguments would ask for the library first
        for name, active in (("fsdp", self.fsdp), ("deepspeed", self.deepspeed)):
            if active or os.environ.get(f"ACCELERATE_USE_{name.upper()}", "false") == "true":
                msg = (
                    f"`{name}` can not be used: chunks that are kept and computed again have not been tested with "
                    "sharded weights. Use DistributedDataParallel (`accelerate launch --multi_gpu`); `max_memory`, "
                    "`chunk_tokens` and LoRA bound the memory."
                )
                raise ConfigurationError(msg)
        super().__post_init__()  # type: ignore[no-untyped-call]
        if self.device.type == "cpu":
            # there is nothing to pin memory for, and torch would warn at every loader
            self.dataloader_pin_memory = False
        if self.n_gpu > 1:
            # nn.DataParallel would split every chunk and gather nothing
            logger.warning("One of %d GPUs is used; start the script with `accelerate launch` to use all.", self.n_gpu)
            self._n_gpu = 1
        self._refuse_what_a_step_can_not_do()
        _positive("temperature", self.temperature, "InfoNCE uses 0.01-0.1")
        self.chunk_tokens = _tokens(self.chunk_tokens)
        if self.max_memory is not None and not self.max_memory >= 0:
            msg = f"`max_memory` must be >= 0 (GB of kept graphs; 0 keeps none), got {self.max_memory}."
            raise ConfigurationError(msg)
        if self.trunk_cache is not None and (self.lora_layers == "all" or self.world_size > 1):
            found = (
                "lora_layers='all' trains every layer"
                if self.lora_layers == "all"
                else "several processes would share it"
            )
            msg = f"`trunk_cache` needs `lora_layers='top-K'` and one process, but {found}; leave it out."
            raise ConfigurationError(msg)
        if self.max_length is not None:
            _positive("max_length", self.max_length, "e.g. 256")
        if self.per_device_train_batch_size < 2:
            msg = (
                f"`per_device_train_batch_size` must be >= 2, got {self.per_device_train_batch_size}; the other rows "
                "of a batch are the negatives, 64 or more is usual."
            )
            raise ConfigurationError(msg)
        if self.remove_unused_columns:
            msg = "`remove_unused_columns` must be False: the text columns are no arguments of the model."
            raise ConfigurationError(msg)
        parse_loss(self.loss)
        if self.pooling is not None:
            _one_of("pooling", self.pooling, list(POOLINGS))
        _one_of("multi_dataset_sampling", self.multi_dataset_sampling, list(SAMPLINGS))
        _one_of("view", self.view, list(VIEWS))
        if not 0 < self.view_deletion < 1:
            msg = f"`view_deletion` must be between 0 and 1, got {self.view_deletion}; Contriever uses 0.1."
            raise ConfigurationError(msg)
        for name, hint in (("masked_lm_probability", "BERT uses 0.15"), ("denoising_deletion", "TSDAE uses 0.6")):
            if not 0 < getattr(self, name) < 1:
                msg = f"`{name}` must be between 0 and 1, got {getattr(self, name)}; {hint}."
                raise ConfigurationError(msg)
        if self.view_dropout is not None and not (self.view == "dropout" and 0 < self.view_dropout < 1):
            msg = (
                f"`view_dropout` must be between 0 and 1 and belongs to `view='dropout'`, got {self.view_dropout} with "
                f"{self.view!r}; SimCSE uses 0.1."
            )
            raise ConfigurationError(msg)
        if self.dropout is not None and (self.view == "dropout" or not 0 <= self.dropout < 1):
            hint = "`view='dropout'` is set by `view_dropout`" if self.view == "dropout" else "0 draws none"
            msg = f"`dropout` must be at least 0 and below 1, got {self.dropout}; {hint}."
            raise ConfigurationError(msg)
        _one_of("save_format", self.save_format, ["merged", "adapter"])
        # what only a push needs would else fail after the training
        if self.policy not in LEVELS:
            try:
                load_policy(self.policy)
            except PolicyError as error:
                msg = f"`policy` can not be used. {error}"
                raise ConfigurationError(msg) from error
        if self.license is not None:
            _hub_license(self.license)

    @property
    def chosen_chunk_tokens(self) -> int | None:
        """``chunk_tokens`` as a number, or None when the device decides."""
        return None if self.chunk_tokens is None else int(self.chunk_tokens)

    @property
    def checkpoints_activations(self) -> bool:
        """Whether the model computes its layers again on the way back, under the name of any transformers release."""
        names = ("activation_checkpointing", "gradient_checkpointing")
        return any(bool(getattr(self, name, False)) for name in names)

    def _refuse_what_a_step_can_not_do(self) -> None:
        if self.torch_compile and self.world_size > 1:
            msg = (
                "`torch_compile` can not be used with several processes: each chunk of a step is a pass of its own, "
                "and a compiled DistributedDataParallel would exchange gradients with every one. Leave it out."
            )
            raise ConfigurationError(msg)
        if self.trunk_cache is not None and (self.torch_compile or self.checkpoints_activations):
            found = "torch_compile" if self.torch_compile else "activation_checkpointing"
            msg = (
                f"`trunk_cache` lets a text enter the model in the middle, which `{found}` does not notice; leave one "
                "of the two out."
            )
            raise ConfigurationError(msg)
        if self.lora_layers != "all" and self.view == "dropout":
            msg = (
                f"`view='dropout'` needs dropout in every layer, but `lora_layers` {self.lora_layers!r} keeps the "
                "lower ones frozen and without it; use another `view`, or `lora_layers='all'`."
            )
            raise ConfigurationError(msg)
        optimizer = str(getattr(self.optim, "value", self.optim))
        if "layerwise" in optimizer or optimizer in ("lomo", "adalomo"):
            msg = (
                f"`optim` {optimizer!r} updates weights while gradients are computed, but those of a step are "
                "complete only after its last chunk; choose another, e.g. adamw_torch."
            )
            raise ConfigurationError(msg)
        names = ("activation_checkpointing_kwargs", "gradient_checkpointing_kwargs")
        given = {name: getattr(self, name, None) for name in names}
        for name, options in given.items():
            if isinstance(options, dict) and options.get("use_reentrant"):
                msg = (
                    f"`{name}` can not have use_reentrant=True: gradients of single chunks are asked for, which "
                    "reentrant checkpoints do not allow. Set it to False, the default."
                )
                raise ConfigurationError(msg)


def _positive(name: str, value: float, hint: str) -> None:
    if not value > 0:
        msg = f"`{name}` must be > 0, got {value}; {hint}."
        raise ConfigurationError(msg)


def _tokens(value: int | str | None) -> int | None:
    if value is None or value == "auto":
        return None
    hint = "512-4096 is usual on CPUs, `auto` lets the device decide"
    try:
        number = int(value)
    except ValueError as error:
        msg = f"`chunk_tokens` must be a number or 'auto', got {value!r}; {hint}."
        raise ConfigurationError(msg) from error
    _positive("chunk_tokens", number, hint)
    return number


def _hub_license(value: str) -> None:
    known = hub_values()["licenses"]
    if value.lower() not in known:
        near = difflib.get_close_matches(value.lower(), sorted(known), n=3, cutoff=0.5)
        hint = f"near it are {', '.join(near)}" if near else "e.g. apache-2.0 or mit"
        msg = f"`license` must be a license id of the Hub, got {value!r}; {hint}. `other` stands for one of your own."
        raise ConfigurationError(msg)


def _one_of(name: str, value: Any, allowed: list[str]) -> None:
    if value not in allowed:
        msg = f"`{name}` must be one of {', '.join(allowed)}, got {value!r}."
        raise ConfigurationError(msg)

"""What objectives learn beside the encoder, such as a temperature or a head: trained, kept, read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.losses import Loss
from hf_contrastive.training.objectives import Objective, objective
from hf_contrastive.training.plans import Plans
from hf_contrastive.training.text_terms import Heads

OBJECTIVE_FILE = "objective.safetensors"


def make_objectives(
    plans: Plans,
    loss: str | Loss,
    args: ContrastiveConfig,
    *,
    classes: int,
    dimension: int,
    heads: Heads | None = None,
) -> dict[str, Objective]:
    """Return the objective of each dataset by name; equal ones are one.

    Args:
        plans: how each dataset is read.
        loss: of the datasets that have none of their own.
        args: of the trainer.
        classes: number of classes of the data.
        dimension: of the embeddings.
        heads: of the encoder, for terms over texts; all objectives have the same ones.

    Raises:
        ConfigurationError: a loss can not be read, or a setting is not allowed, such as a view of raw text that is read
            whole.
    """
    settings: dict[str, Any] = {
        "temperature": args.temperature,
        "learn_temperature": args.learn_temperature,
        "matryoshka_dims": args.matryoshka_dims,
        "matryoshka_weights": args.matryoshka_weights,
        "classes": classes,
        "dimension": dimension,
        "heads": heads,
    }
    objectives = plans.losses(loss, partial(objective, **settings))
    raw = [plan.name for plan in plans if plan.data_format.kind == "text"]
    if args.view != "crop" and raw and not any(objectives[name].contrasts for name in raw):
        msg = (
            f"`view` is {args.view!r}, but the loss contrasts no views: it restores raw text, which is read whole. "
            "Leave `view` out, or add a term such as infonce to `loss`."
        )
        raise ConfigurationError(msg)
    for made in objectives.values():
        made.to(args.device)
    return objectives


def learned_parameters(objectives: Iterable[Objective]) -> list[nn.Parameter]:
    """Return the parameters of all objectives, each once."""
    every = (parameter for item in objectives for parameter in item.parameters() if parameter.requires_grad)
    return list({id(parameter): parameter for parameter in every}.values())


def refuse_late_group(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], *, scheduled: bool) -> None:
    """Refuse to add what the objectives learn to an optimizer whose schedule was made before.

    Args:
        optimizer: of the training.
        parameters: what the objectives learn.
        scheduled: whether a learning-rate schedule of it is there already.

    Raises:
        ConfigurationError: the schedule would not know the new group.
    """
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if scheduled and any(id(parameter) not in trained for parameter in parameters):
        msg = (
            "`optimizers` brings a schedule, but the loss learns weights of its own (a temperature or a head) that its "
            "optimizer does not train. Pass `optimizer_cls_and_kwargs` instead and let the trainer make both, or "
            "leave `optimizers` out."
        )
        raise ConfigurationError(msg)


def with_parameters(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return ``optimizer`` with those of ``parameters`` that it does not train yet in a group without weight decay."""
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    new = [parameter for parameter in parameters if id(parameter) not in trained]
    if new:
        optimizer.add_param_group({"params": new, "weight_decay": 0.0})
    return optimizer


def learned_temperatures(objectives: Mapping[str, Objective]) -> dict[str, float]:
    """Return the temperature of each objective that learns it, as the log names it."""
    return {
        f"temperature_{name}" if name else "temperature": round(item.temperature, 6)
        for name, item in objectives.items()
        if item.log_scale is not None
    }


def write_objectives(objectives: Mapping[str, Objective], checkpoint: Path) -> None:
    """Keep what objectives have learned in a checkpoint; nothing is written where they learn nothing."""
    state = _state(objectives)
    if state:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in state.items()}, checkpoint / OBJECTIVE_FILE
        )


def read_objectives(objectives: Mapping[str, Objective], checkpoint: Path) -> None:
    """Set what objectives had learned when ``checkpoint`` was written.

    Raises:
        ConfigurationError: the checkpoint was written with other objectives.
    """
    own = _state(objectives)
    path = checkpoint / OBJECTIVE_FILE
    kept = load_file(path) if path.is_file() else {}
    shapes = {name: tuple(value.shape) for name, value in own.items()}
    found = {name: tuple(value.shape) for name, value in kept.items()}
    if shapes != found:
        msg = (
            f"{checkpoint.name} was written with another loss: it holds {_named(found)} and the loss learns "
            f"{_named(shapes)}. Set `loss` and `learn_temperature` as they were, or start without "
            "`resume_from_checkpoint`."
        )
        raise ConfigurationError(msg)
    for name, value in kept.items():
        own[name].data.copy_(value)


class ForgetGradients(TrainerCallback):
    """Clear the gradients of the objectives after a step, as Trainer does for those of the model."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called after each step of the optimizer."""
        for parameter in self._parameters:
            parameter.grad = None


def _state(objectives: Mapping[str, Objective]) -> dict[str, Tensor]:
    """Return learned tensors by name, each once; datasets with the same objective share it, and all share heads."""
    seen: set[int] = set()
    state: dict[str, Tensor] = {}
    for name, item in objectives.items():
        for key, parameter in item.named_parameters():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                state[f"{name}/{key}"] = parameter
    return state


def _named(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name.lstrip('/')} {list(shape)}" for name, shape in shapes.items()) or "nothing"

"""LoRA adapters (Hu et al., 2021) on the layers that training can reach."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.trunk import layer_list, trained_layers
from model_cards.evidence import Adapter

PeftArgument: TypeAlias = Literal["auto"] | LoraConfig | None
RANK = 16
ALPHA = 32


def reachable_linears(model: nn.Module, tokenizer: Any) -> tuple[list[str], list[str]]:
    """Return the linear layers that a loss on the token vectors reaches, and those it does not.

    One tiny forward pass tells: e.g. BERT's pooler is not reached. An adapter there would never get a
    gradient, and distributed training with ``find_unused_parameters=False`` would fail at its second step.

    Args:
        model: an encoder whose output has ``last_hidden_state``.
        tokenizer: its tokenizer.
    """
    outputs: dict[str, Tensor] = {}
    hooks = []
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    for name in names:
        module = model.get_submodule(name)

        def remember(_module: nn.Module, _inputs: Any, output: Tensor, name: str = name) -> None:
            outputs[name] = output

        hooks.append(module.register_forward_hook(remember))
    device = next(model.parameters()).device
    encoded = tokenizer(["a text"], return_tensors="pt").to(device)
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    was_training = model.training
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            hidden = model.eval()(
                input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
            ).last_hidden_state
            seen = [name for name in names if name in outputs and outputs[name].requires_grad]
            gradients = torch.autograd.grad(hidden.float().sum(), [outputs[n] for n in seen], allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in frozen:
            parameter.requires_grad_(False)
        model.train(was_training)
    reached = {name for name, gradient in zip(seen, gradients, strict=True) if gradient is not None}
    return [n for n in names if n in reached], [n for n in names if n not in reached]


def add_adapter(model: Any, tokenizer: Any, peft_config: Any, *, layers: str = "all") -> Any:
    """Wrap ``model`` with an adapter, or prepare it for training all weights when ``peft_config`` is None.

    Args:
        model: a plain encoder, or a PeftModel, which is returned as it is.
        tokenizer: its tokenizer.
        peft_config: ``"auto"`` (rank 16, alpha 32, every reachable linear layer), a LoraConfig, or None.
        layers: ``all``, or ``top-K``: only the last K layers carry an adapter, the others stay frozen.

    Raises:
        ConfigurationError: the value is none of these, no layer would carry an adapter, or the given adapter
            is frozen.
    """
    if layers != "all" and (isinstance(model, PeftModel) or peft_config is None):
        given = "`model` brings an adapter of its own" if isinstance(model, PeftModel) else "`peft_config` is None"
        msg = f"`lora_layers` {layers!r} says where a new adapter goes, but {given}; leave `lora_layers` at 'all'."
        raise ConfigurationError(msg)
    if isinstance(model, PeftModel):
        if not any(parameter.requires_grad for parameter in model.parameters()):
            msg = (
                "`model` is a PeftModel without a trainable parameter; load it with "
                "`PeftModel.from_pretrained(base, folder, is_trainable=True)`."
            )
            raise ConfigurationError(msg)
        return model
    if peft_config is None:
        _, unreached = reachable_linears(model, tokenizer)
        for name in unreached:
            model.get_submodule(name).requires_grad_(False)
        return model
    if isinstance(peft_config, LoraConfig):
        config = copy.deepcopy(peft_config)
    elif peft_config == "auto":
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear")
    else:
        msg = (
            f"`peft_config` must be 'auto' (LoRA of rank {RANK} on every linear layer), a peft.LoraConfig or None "
            f"(train all weights), got {peft_config!r}."
        )
        raise ConfigurationError(msg)
    reached, unreached = reachable_linears(model, tokenizer)
    if config.target_modules in (None, "all-linear"):
        config.target_modules = _suffixes(reached)
    if layers != "all":
        config.target_modules = _within_last_layers(model, layers, config.target_modules, reached)
    config.exclude_modules = _excluding(
        config.exclude_modules, [name for name in unreached if _targets(config.target_modules, name)]
    )
    if config.task_type is None:
        config.task_type = "FEATURE_EXTRACTION"
    try:
        with without_peft_deprecation():
            return get_peft_model(model, config)
    except ValueError as error:
        msg = f"LoRA can not be added: {error} The model's linear layers are called e.g. {', '.join(reached[:4])}."
        raise ConfigurationError(msg) from error


@contextmanager
def without_peft_deprecation() -> Iterator[None]:
    """Silence what users can not change: peft 0.21 asks every model for an attribute that transformers renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated", category=FutureWarning)
        yield


def adapter_record(model: Any) -> Adapter | None:
    """Describe the active adapter of ``model``, or return None when there is none."""
    if not isinstance(model, PeftModel):
        return None
    config: Any = model.active_peft_config
    targets = config.target_modules
    return Adapter(
        rank=int(getattr(config, "r", 0)),
        alpha=float(getattr(config, "lora_alpha", 0)),
        dropout=float(getattr(config, "lora_dropout", 0.0)),
        target_modules=tuple(sorted(targets)) if not isinstance(targets, str) else (targets,),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


def _excluding(given: Any, names: list[str]) -> Any:
    """Return the user's ``exclude_modules`` (a regular expression, or names) with ``names`` added."""
    if isinstance(given, str):
        return "|".join([f"(?:{given})", *map(re.escape, names)])
    return [*(given or ()), *names] or None


def _within_last_layers(model: nn.Module, setting: str, targets: Any, reached: list[str]) -> list[str]:
    """Return the full names of the targeted linear layers within the layers that ``setting`` trains."""
    name, stack = layer_list(model)
    first = len(stack) - trained_layers(setting, len(stack))
    inside = re.compile(rf"{re.escape(name)}\.(\d+)\.")
    places = [(layer, inside.match(layer)) for layer in reached]
    found = [layer for layer, place in places if place and int(place.group(1)) >= first and _targets(targets, layer)]
    if not found:
        msg = (
            f"`lora_layers` {setting!r}: none of the last layers holds a layer that `target_modules` {targets!r} names."
        )
        raise ConfigurationError(msg)
    return found


def _suffixes(names: list[str]) -> list[str]:
    return sorted({name.rpartition(".")[2] for name in names})


def _targets(target_modules: Any, name: str) -> bool:
    if isinstance(target_modules, str):
        return re.fullmatch(target_modules, name) is not None
    return any(name == target or name.endswith("." + target) for target in target_modules)

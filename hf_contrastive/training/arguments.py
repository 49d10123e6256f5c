"""The training arguments as they may be published: what differs from the defaults, without anything of the machine.

Allowed is what can not name a person, a machine or a place: numbers, booleans, members of a closed vocabulary. Any
other text is withheld, whatever the argument is called, so that an argument that some later release adds is withheld
too until somebody looks at it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from audits.personal import SECRETS
from audits.policy import LEVELS
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.objective_terms import parse_loss
from hf_contrastive.training.pooling import POOLINGS
from hf_contrastive.training.sampling import SAMPLINGS
from hf_contrastive.training.views import VIEWS
from model_cards.documents.training_args import WITHHELD
from model_cards.typesetting import redact
from model_cards.validate import is_hub_id

_TOLD_ELSEWHERE = frozenset({"query_prompt", "document_prompt", "license", "intended_use", "base_model_id"})
"""The evidence holds them as prompts, base model and statements."""

_OF_THE_RUN = frozenset(
    {"dataloader_pin_memory", "debug", "disable_tqdm", "do_eval", "do_predict", "do_train", "local_rank", "report_to"}
)
"""Set by Trainer itself or by where it runs; nothing of the model depends on them."""

_TABLES = frozenset(
    {
        "accelerator_config",
        "activation_checkpointing_kwargs",
        "gradient_checkpointing_kwargs",
        "liger_kernel_config",
        "lr_scheduler_kwargs",
    }
)
_MOST_ITEMS = 100
_KEY = re.compile(r"[a-z][a-z0-9_]{0,40}")

_VOCABULARIES: Mapping[str, Collection[str]] = {
    "include_num_input_tokens_seen": ("all", "non_padding", "no"),
    "metric_for_best_model": tuple(
        f"{prefix}{name}"
        for prefix in ("eval_", "")
        for name in ("loss", "masked_lm_loss", "denoising_loss", "ndcg@10", "mrr@10", "recall@10", "spearman")
    ),
    "multi_dataset_sampling": tuple(SAMPLINGS),
    "policy": LEVELS,
    "pooling": tuple(POOLINGS),
    "save_format": ("merged", "adapter"),
    "torch_compile_backend": ("inductor", "aot_eager", "cudagraphs", "eager"),
    "torch_compile_mode": ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
    "train_sampling_strategy": ("random", "sequential", "group_by_length"),
    "view": tuple(VIEWS),
}


def recorded_arguments(args: Any) -> dict[str, Any]:
    """Return the arguments that differ from their defaults, fit for JSON; ``‹withheld›`` for what may not be told.

    Args:
        args: a TrainingArguments dataclass.
    """
    found = {}
    for item in fields(args):
        if not item.init or item.name in _TOLD_ELSEWHERE | _OF_THE_RUN:
            continue
        given = getattr(args, item.name)
        value, default = _plain(given), _plain(_default(item))
        # Trainer writes an explicit no where nothing was asked for
        unset = default is None and (value in ({}, []) or (value is False and item.name.endswith("_checkpointing")))
        if value != default and not unset:
            found[item.name] = value if isinstance(given, Enum) else _allowed(item.name, value)
    return dict(sorted(found.items()))


def _default(item: Field[Any]) -> Any:
    if item.default is not MISSING:
        return item.default
    return item.default_factory() if item.default_factory is not MISSING else None


def _plain(value: Any) -> Any:
    """Return an Enum's value, and a dataclass as a dict of what differs in it."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        told = asdict(value)
        return {key: item for key, item in told.items() if item != asdict(type(value)())[key]}
    return list(value) if isinstance(value, tuple) else value


def _allowed(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value if _is_known_word(name, value) else WITHHELD
    if isinstance(value, Mapping):
        if name not in _TABLES or not all(isinstance(key, str) and _is_plain_key(key) for key in value):
            return WITHHELD
        return {key: _number(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [_number(item) for item in value[:_MOST_ITEMS]]
    return _number(value)


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else WITHHELD


def _is_known_word(name: str, value: str) -> bool:
    if name in _CHECKS:
        return _CHECKS[name](value) and redact(value) == value and not any(SECRETS.find(value))
    return value in _VOCABULARIES.get(name, ())


def _is_plain_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None and redact(key) == key and not any(SECRETS.find(key))


def _is_loss(value: str) -> bool:
    try:
        parse_loss(value)
    except ConfigurationError:
        return False
    return len(value) <= 200


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    # the owner's name is part of an id on the Hub; a bare word may be anything, and so may what is a folder here
    "guide_model": lambda value: "/" in value and is_hub_id(value) and not Path(value).exists(),
    "lora_layers": lambda value: re.fullmatch(r"all|top-\d{1,4}", value) is not None,
    "loss": _is_loss,
}

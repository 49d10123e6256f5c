"""What a trainer settles before it starts: encoding, prompts, dropout, its engine."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.encoding import EncodingSpec
from hf_contrastive.training.engine import Engine
from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.gradient_cache import RandomState
from hf_contrastive.training.objectives import Objective
from hf_contrastive.training.pooling import pooling
from hf_contrastive.training.resources import (
    COMPILED_WIDTH_MULTIPLE,
    default_chunk_tokens,
    graph_budget,
    local_processes,
)
from hf_contrastive.training.views import add_embedding_dropout, set_dropout
from hf_contrastive.training.workers import Workers

logger = logging.getLogger(__name__)


def as_dataset(dataset: Any, name: str) -> Any:
    """Return ``dataset`` if it is a ``datasets.Dataset``-like table; ``name`` is what an error calls it."""
    if isinstance(dataset, Mapping) or not hasattr(dataset, "features") or not hasattr(dataset, "__len__"):
        msg = (
            f"`{name}` is a {type(dataset).__name__}; a `datasets.Dataset` is needed, e.g. one split of "
            "`datasets.load_dataset(...)` or `Dataset.from_dict({'anchor': [...], 'positive': [...]})`."
        )
        raise DataFormatError(msg)
    return dataset


def refuse_transform(dataset: Any, name: str) -> None:
    """Refuse a dataset whose rows are computed when they are read: what is audited would not be what is trained on.

    Raises:
        DataFormatError: ``set_transform`` or ``with_transform`` is active.
    """
    if getattr(dataset, "format", {}).get("type") == "custom":
        msg = (
            f"`{name}` changes its rows by `set_transform` or `with_transform` when they are read, so that an audit "
            "would see other rows than the training. Write the change into the data with `dataset.map(...)`."
        )
        raise DataFormatError(msg)


def resolve_spec(spec: EncodingSpec, args: ContrastiveConfig, more_prompts: Mapping[str, str]) -> EncodingSpec:
    """Return the model's encoding with the settings of ``args`` and ``more_prompts`` over it."""
    prompts = {**spec.prompts, **more_prompts}
    prompts |= {
        key: value
        for key, value in (("query", args.query_prompt), ("document", args.document_prompt))
        if value is not None
    }
    if args.max_length is not None and args.max_length > spec.max_length:
        logger.warning("max_length is %d: the model reads no more.", spec.max_length)
    return EncodingSpec(
        pooling=args.pooling or spec.pooling,
        pool_prompt=spec.pool_prompt if args.pool_prompt is None else args.pool_prompt,
        normalize=spec.normalize if args.normalize is None else args.normalize,
        max_length=min(args.max_length or spec.max_length, spec.max_length),
        prompts=prompts,
        similarity=spec.similarity,
    )


def make_engine(
    args: ContrastiveConfig, spec: EncodingSpec, tokenizer: Any, objectives: Mapping[str, Objective], *, adapter: bool
) -> Engine:
    """Return what computes the steps of a training with these settings.

    Args:
        args: of the trainer.
        spec: how texts are encoded.
        tokenizer: of the model.
        objectives: of the datasets by name, the first one first.
        adapter: whether an adapter is trained, and not all weights.
    """
    return Engine(
        pooling=pooling(spec.pooling),
        objective=next(iter(objectives.values())),
        objectives=objectives,
        pad_token_id=tokenizer.pad_token_id or 0,
        chunk_tokens=args.chosen_chunk_tokens or default_chunk_tokens(args.device, adapter=adapter),
        max_length=spec.max_length,
        budget=graph_budget(args.max_memory, args.device, processes=local_processes()),
        gather=args.gather_negatives,
        width_multiple=COMPILED_WIDTH_MULTIPLE if args.torch_compile else 1,
        workers=Workers.for_device(args.device),
    )


def refuse_cache_of_views(formats: Sequence[DataFormat], args: ContrastiveConfig) -> None:
    """Refuse to keep on disk what leaves the frozen layers for texts that are drawn anew in every epoch.

    Raises:
        ConfigurationError: raw text is trained on by views of it.
    """
    if args.trunk_cache is not None and any(data_format.kind == "text" for data_format in formats):
        msg = (
            f"`trunk_cache` keeps what is computed of a text, but the views of raw text (`view` is {args.view!r}) are "
            "other texts in every epoch: the disk would fill and nothing be found. Leave `trunk_cache` out."
        )
        raise ConfigurationError(msg)


def prepare_dropout(model: Any, tokenizer: Any, formats: Sequence[DataFormat], args: ContrastiveConfig) -> bool:
    """Set the dropouts that make two views of a text; return whether training draws random numbers.

    Args:
        model: a PreTrainedModel or PeftModel.
        tokenizer: its tokenizer.
        formats: of the datasets.
        args: of the trainer.

    Raises:
        ConfigurationError: the views are to differ by dropout, and the model has none; or a view is named and no
            data is raw text.
    """
    if args.dropout is not None:
        set_dropout(model, args.dropout)
    if all(data_format.kind != "text" for data_format in formats):
        if args.view != "crop":
            msg = (
                f"`view` is {args.view!r}, but the training data has the format {formats[0].description}; views are "
                "made of raw text, (text,). Leave `view` out."
            )
            raise ConfigurationError(msg)
        return draws_random_numbers(model, tokenizer)
    if args.view_dropout is not None:
        set_dropout(model, args.view_dropout)
    drawn = draws_random_numbers(model, tokenizer)
    if args.view_dropout is not None and not drawn:
        add_embedding_dropout(model, args.view_dropout)
        return True
    if args.view == "dropout" and not drawn:
        msg = (
            "`view='dropout'` makes two views of a text by dropout, but every dropout of this model is 0, so that they "
            "would be equal. Set `view_dropout`, e.g. 0.1 as in SimCSE, or another `view`."
        )
        raise ConfigurationError(msg)
    return drawn


def draws_random_numbers(model: Any, tokenizer: Any) -> bool:
    """Return whether a forward pass in training draws random numbers, as dropout does; one tiny pass tells."""
    device = next(model.parameters()).device
    encoded = tokenizer(["a text"], return_tensors="pt").to(device)
    was_training = model.training
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        before = RandomState.now(device)
        model.train()(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"])
        drawn = before.was_drawn_from()
    model.train(was_training)
    return drawn


@contextmanager
def every_row(args: ContrastiveConfig) -> Iterator[None]:
    """Let a data loader that is made meanwhile keep its last, smaller batch."""
    drop_last, args.dataloader_drop_last = args.dataloader_drop_last, False
    try:
        yield
    finally:
        args.dataloader_drop_last = drop_last

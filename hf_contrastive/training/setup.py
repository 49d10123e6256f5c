"""What a trainer settles before it starts: formats, encoding, prompts, classes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.encoding import EncodingSpec
from hf_contrastive.training.formats import DataFormat, check_rows, recognise
from hf_contrastive.training.gradient_cache import RandomState
from hf_contrastive.training.views import add_embedding_dropout, set_dropout

logger = logging.getLogger(__name__)


def as_dataset(dataset: Any, name: str) -> Any:
    """Return ``dataset`` if it is a ``datasets.Dataset``-like table; ``name`` is what an error calls it."""
    if isinstance(dataset, Mapping) or not hasattr(dataset, "column_names") or not hasattr(dataset, "__len__"):
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


def recognise_dataset(dataset: Any, args: ContrastiveConfig) -> DataFormat:
    """Return the format of ``dataset`` by its columns, their types, and what ``args`` says of them."""
    if dataset is None:
        msg = "Pass a `train_dataset` or an `eval_dataset`: the columns tell what is trained."
        raise DataFormatError(msg)
    types = as_dataset(dataset, "train_dataset").features
    found = recognise(types, label_column=args.label_column, id_column=args.id_column)
    return replace(found, views=_views(args)) if found.kind == "text" else found


def _views(args: ContrastiveConfig) -> str:
    if args.view == "deletion":
        return f"deletion of {args.view_deletion:g} of the tokens"
    if args.view == "dropout":
        return "the model's dropout" if args.view_dropout is None else f"dropout of {args.view_dropout:g}"
    return ""


def check_datasets(train_dataset: Any, eval_dataset: Any, args: ContrastiveConfig) -> DataFormat:
    """Return the format of the datasets, of which one may be None.

    Raises:
        DataFormatError: they have no accepted format, or not the same one, too few rows, or cells that can not be read.
    """
    expected = recognise_dataset(train_dataset if train_dataset is not None else eval_dataset, args)
    for name, dataset, rows in (
        ("train_dataset", train_dataset, args.train_batch_size * args.world_size if args.dataloader_drop_last else 2),
        ("eval_dataset", eval_dataset, 1),
    ):
        if dataset is not None:
            refuse_transform(dataset, name)
            check_rows(as_dataset(dataset, name), same_format(dataset, expected, args), name=name, minimum=rows)
    if train_dataset is not None:
        _refuse_lonely_row(len(train_dataset), expected, args)
    return expected


def _refuse_lonely_row(rows: int, data_format: DataFormat, args: ContrastiveConfig) -> None:
    """Refuse a last batch of one row, whose loss would be 0 whatever the model says: it has no negative."""
    if args.dataloader_drop_last or args.world_size > 1 or data_format.negatives or rows % args.train_batch_size != 1:
        return
    msg = (
        f"`train_dataset` has {rows} rows: in batches of {args.train_batch_size} the last holds a single row, which "
        "has no negative. Set `dataloader_drop_last=True`, or another `per_device_train_batch_size`."
    )
    raise DataFormatError(msg)


def same_format(dataset: Any, expected: DataFormat, args: ContrastiveConfig) -> DataFormat:
    """Return the format of ``dataset``, which must be the ``expected`` one."""
    found = recognise_dataset(dataset, args)
    if found != expected:
        msg = (
            f"`eval_dataset` has the format {found.description}, `train_dataset` {expected.description}; "
            "they must be the same."
        )
        raise DataFormatError(msg)
    return found


def resolve_spec(spec: EncodingSpec, args: ContrastiveConfig) -> EncodingSpec:
    """Return the model's encoding with the settings of ``args`` over it."""
    prompts = dict(spec.prompts)
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


def column_prompts(spec: EncodingSpec, data_format: DataFormat) -> dict[str, str]:
    """Return the prompt of each text column: the query's for anchors, the document's for the others."""
    if data_format.kind in ("text", "labelled"):
        return {}
    anchor, *others = data_format.texts
    prompts = {anchor: spec.prompts.get("query", "")}
    return prompts | {name: spec.prompts.get("document", "") for name in others}


def prepare_dropout(model: Any, tokenizer: Any, data_format: DataFormat, args: ContrastiveConfig) -> bool:
    """Set the dropouts that make two views of a text; return whether training draws random numbers.

    Raises:
        ConfigurationError: the views are to differ by dropout, and the model has none; or a view is named and the
            data is no raw text.
    """
    if data_format.kind != "text":
        if args.view != "crop":
            msg = (
                f"`view` is {args.view!r}, but the training data has the format {data_format.description}; views are "
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


def class_indices(train_dataset: Any, eval_dataset: Any, data_format: DataFormat) -> dict[Any, int]:
    """Return an index for each label value of the datasets, in a stable order."""
    if data_format.label is None:
        return {}
    values = {
        value
        for dataset in (train_dataset, eval_dataset)
        if dataset is not None
        for value in dataset.unique(data_format.label)
    }
    return {value: i for i, value in enumerate(sorted(values, key=str))}

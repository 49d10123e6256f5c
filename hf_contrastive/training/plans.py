"""How each dataset of a training is read: its format, its prompts, its loss. A training may have one or several."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from audits.findings import Columns
from hf_contrastive.auditing import common_columns
from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.encoding import EncodingSpec
from hf_contrastive.training.formats import DataFormat, check_rows, recognise
from hf_contrastive.training.losses import Loss
from hf_contrastive.training.setup import as_dataset, refuse_transform

SETTINGS = ("query_prompt", "document_prompt", "loss", "label_column", "id_column")
"""What may be set for one dataset; the fields of ContrastiveConfig of these names are for all others."""
_SPLITS = frozenset({"train", "training", "validation", "valid", "val", "dev", "eval", "test"})

Settings = Mapping[str, Mapping[str, Any]]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPlan:
    """How one dataset is read.

    Attributes:
        name: under which it was given; empty where the training has one dataset.
        data_format: of its columns.
        settings: those of :data:`SETTINGS` that are its own.
        trained: whether it is trained on, and not only measured.
    """

    name: str = ""
    data_format: DataFormat
    settings: Mapping[str, Any]
    trained: bool = False

    @property
    def columns(self) -> Columns:
        """The columns that are read, by the roles of an audit."""
        form = self.data_format
        if form.kind in ("text", "labelled"):
            return Columns(text=form.texts[0], label=form.label)
        return Columns(anchor=form.texts[0], positive=form.texts[1], negatives=form.negatives, label=form.label)

    def prompts(self, spec: EncodingSpec) -> dict[str, str]:
        """Return the prefix of each text column: the query's for anchors, the document's for the others."""
        if self.data_format.kind in ("text", "labelled"):
            return {}
        query, document = (
            self.settings.get(f"{role}_prompt", spec.prompts.get(role, "")) for role in ("query", "document")
        )
        anchor, *others = self.data_format.texts
        return {anchor: query or ""} | dict.fromkeys(others, document or "")


class Plans:
    """The plans of all datasets of a training, by name.

    Args:
        plans: in the order of the datasets.
        args: of the trainer.
    """

    def __init__(self, plans: Iterable[DatasetPlan], args: ContrastiveConfig) -> None:
        self._plans = {plan.name: plan for plan in plans}
        self._args = args

    def __iter__(self) -> Iterator[DatasetPlan]:
        return iter(self._plans.values())

    @property
    def trained(self) -> list[DatasetPlan]:
        """Those of the training data; where there is none, of the evaluation data."""
        return [plan for plan in self if plan.trained] or list(self)

    @property
    def first(self) -> DatasetPlan:
        """The only plan, or that of the first dataset."""
        return self.trained[0]

    def of(self, dataset: Any, name: str, *, called: str) -> DatasetPlan:
        """Return the plan of ``dataset``, which need not be one of the training.

        Args:
            dataset: a ``datasets.Dataset``.
            name: under which it was given, or an empty text.
            called: what an error calls it.

        Raises:
            DataFormatError: it has another format than its plan, or cells that can not be read.
        """
        plan = self._plans.get(name) or self._plans.get("")
        if plan is None:
            plan = DatasetPlan(data_format=recognise_dataset(dataset, self._args, {}), settings={})
        found = recognise_dataset(dataset, self._args, plan.settings)
        if found != plan.data_format:
            raise DataFormatError(_two_formats(called, found, plan))
        return plan

    def prompts(self) -> dict[str, str]:
        """Return the prompts that are of one dataset, as ``<dataset>_query`` and ``<dataset>_document``."""
        return {
            f"{plan.name}_{role}": plan.settings[f"{role}_prompt"]
            for plan in self
            for role in ("query", "document")
            if plan.settings.get(f"{role}_prompt")
        }

    def described(self, say: Callable[[DatasetPlan], str]) -> str:
        """Return what ``say`` tells of each dataset that is trained on: once if it is the same of all."""
        told = {plan.name: say(plan) for plan in self.trained}
        if len(set(told.values())) == 1:
            return next(iter(told.values()))
        return "; ".join(f"{name}: {text}" for name, text in told.items())

    def text_columns(self) -> tuple[str, ...]:
        """Return the text columns of all datasets, named as an audit of them names its columns."""
        return common_columns([plan.columns for plan in self]).texts

    def losses(self, loss: str | Loss, make: Callable[[str | Loss, DataFormat], Made]) -> dict[str, Made]:
        """Return what ``make`` gives for the loss of each dataset, by name; equal losses are made once.

        Args:
            loss: of the datasets that have none of their own.
            make: from a loss and a format.
        """
        made: dict[tuple[Any, str], Made] = {}
        found = {}
        for plan in self:
            key = plan.settings.get("loss") or loss, plan.data_format.kind
            if key not in made:
                made[key] = make(key[0], plan.data_format)
            found[plan.name] = made[key]
        return found


def parts_of(dataset: Any, called: str) -> dict[str, Any]:
    """Return the datasets by name: of a mapping its own, else the only one under an empty name.

    Raises:
        DataFormatError: a mapping is empty, or has a name that is no text.
    """
    if dataset is None:
        return {}
    if not isinstance(dataset, Mapping):
        return {"": dataset}
    if not dataset or not all(isinstance(name, str) and name for name in dataset):
        msg = f"`{called}` is a mapping with the keys {list(dataset)}; give one dataset or more, each under a name."
        raise DataFormatError(msg)
    return dict(dataset)


def name_of(dataset: Any, *wholes: Any) -> str:
    """Return the name under which one of ``wholes`` holds ``dataset``, or an empty text."""
    named = (item for whole in wholes if isinstance(whole, Mapping) for item in whole.items())
    return next((str(name) for name, part in named if part is dataset), "")


def named_splits(train_dataset: Any, eval_dataset: Any) -> dict[str, Any]:
    """Return every dataset by split: ``train`` and ``validation``, or ``train/<name>`` where there are several."""
    given = {"train": train_dataset, "validation": eval_dataset}
    return {
        f"{split}/{name}" if name else split: part
        for split, whole in given.items()
        for name, part in parts_of(whole, split).items()
    }


def plan_datasets(
    train_dataset: Any, eval_dataset: Any, args: ContrastiveConfig, settings: Settings | None = None
) -> Plans:
    """Return how the datasets are read; one of the two may be None.

    Args:
        train_dataset: a ``datasets.Dataset``, or several by name.
        eval_dataset: the same; what has the name of a training dataset is read like it.
        args: of the trainer.
        settings: of single datasets, by name; see :data:`SETTINGS`.

    Raises:
        DataFormatError: they have no accepted format, or not the same one, too few rows, or cells that can not be read.
        ConfigurationError: ``settings`` names a dataset or a setting that does not exist.
    """
    if train_dataset is None and eval_dataset is None:
        msg = "Pass a `train_dataset` or an `eval_dataset`: the columns tell what is trained."
        raise DataFormatError(msg)
    train, evaluation = parts_of(train_dataset, "train_dataset"), parts_of(eval_dataset, "eval_dataset")
    _refuse_splits(train)
    settings = settings or {}
    _check_settings(settings, [name for name in (*train, *evaluation) if name])
    if len(train) > 1 and not args.dataloader_drop_last:
        msg = (
            "`dataloader_drop_last` must be True with several datasets: every step has rows of one dataset, and what "
            "is left of it waits for the next epoch. Leave it out."
        )
        raise ConfigurationError(msg)
    plans: dict[str, DatasetPlan] = {}
    smallest = args.train_batch_size * args.world_size if args.dataloader_drop_last else 2
    for role, parts, rows in (("train_dataset", train, smallest), ("eval_dataset", evaluation, 1)):
        for name, dataset in parts.items():
            called = f"{role}[{name!r}]" if name else role
            refuse_transform(as_dataset(dataset, called), called)
            known = plans.get(name) or plans.get("")
            own = known.settings if known is not None else settings.get(name, {})
            found = recognise_dataset(dataset, args, own)
            if known is not None and known.data_format != found:
                raise DataFormatError(_two_formats(called, found, known))
            if known is None:
                plans[name] = DatasetPlan(name=name, data_format=found, settings=own, trained=role == "train_dataset")
                _refuse_useless_prompts(plans[name])
            check_rows(dataset, found, name=called, minimum=rows)
            if role == "train_dataset":
                _refuse_lonely_row(len(dataset), found, args)
    return Plans(plans.values(), args)


def recognise_dataset(dataset: Any, args: ContrastiveConfig, settings: Mapping[str, Any]) -> DataFormat:
    """Return the format of ``dataset`` by its columns, their types, and what the settings say of them.

    Args:
        dataset: a ``datasets.Dataset``.
        args: for all datasets.
        settings: of this dataset, which win.
    """
    named = {key: settings.get(key, getattr(args, key)) for key in ("label_column", "id_column")}
    found = recognise(dataset.features, **named)
    return replace(found, views=_views(args)) if found.kind == "text" else found


def _views(args: ContrastiveConfig) -> str:
    if args.view == "deletion":
        return f"deletion of {args.view_deletion:g} of the tokens"
    if args.view == "dropout":
        return "the model's dropout" if args.view_dropout is None else f"dropout of {args.view_dropout:g}"
    return ""


def class_indices(datasets: Iterable[Any], plans: Plans) -> dict[Any, int]:
    """Return an index for each label value of the datasets, in a stable order.

    Args:
        datasets: one or several each, or None.
        plans: of them.
    """
    values: set[Any] = set()
    for whole in datasets:
        for name, part in parts_of(whole, "dataset").items():
            label = plans.of(part, name, called="dataset").data_format.label
            values |= set(part.unique(label)) if label is not None else set()
    return {value: i for i, value in enumerate(sorted(values, key=str))}


def _refuse_splits(train: Mapping[str, Any]) -> None:
    splits = [name for name in train if name.lower() in _SPLITS]
    if splits:
        msg = (
            f"`train_dataset` is a mapping of the splits {', '.join(train)}, all of which would be trained on. Pass "
            f"one of them, e.g. `dataset[{splits[0]!r}]`; several datasets need names of their own."
        )
        raise DataFormatError(msg)


def _check_settings(settings: Settings, names: list[str]) -> None:
    for name, own in settings.items():
        if name not in names:
            known = ", ".join(dict.fromkeys(names)) or "no names: `train_dataset` is one dataset"
            msg = f"`dataset_settings` names {name!r}; the datasets have {known}. {_near(name, names)}"
            raise ConfigurationError(msg)
        for key in own:
            if key not in SETTINGS:
                msg = (
                    f"`dataset_settings[{name!r}]` has {key!r}; allowed are {', '.join(SETTINGS)}. "
                    f"{_near(str(key), list(SETTINGS))}"
                )
                raise ConfigurationError(msg)


def _refuse_useless_prompts(plan: DatasetPlan) -> None:
    given = [f"`{key}`" for key in ("query_prompt", "document_prompt") if plan.settings.get(key)]
    if given and plan.data_format.kind in ("text", "labelled"):
        msg = (
            f"`dataset_settings[{plan.name!r}]` has {' and '.join(given)}, but its format is "
            f"{plan.data_format.description}: prompts stand before anchors and their positives. Remove it."
        )
        raise ConfigurationError(msg)


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else "Remove it."


def _two_formats(called: str, found: DataFormat, plan: DatasetPlan) -> str:
    trained = f"train_dataset[{plan.name!r}]" if plan.name else "train_dataset"
    return (
        f"`{called}` has the format {found.description}, `{trained}` {plan.data_format.description}; they must be the "
        "same. Rename the columns of one with `dataset.rename_columns({...})`."
    )


def _refuse_lonely_row(rows: int, data_format: DataFormat, args: ContrastiveConfig) -> None:
    """Refuse a last batch of one row, whose loss would be 0 whatever the model says: it has no negative."""
    if args.dataloader_drop_last or args.world_size > 1 or data_format.negatives or rows % args.train_batch_size != 1:
        return
    msg = (
        f"`train_dataset` has {rows} rows: in batches of {args.train_batch_size} the last holds a single row, which "
        "has no negative. Set `dataloader_drop_last=True`, or another `per_device_train_batch_size`."
    )
    raise DataFormatError(msg)

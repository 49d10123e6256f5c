"""The datasets of a training as its data loaders read them: tokenised once each, one of them a step."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.training.collator import ContrastiveCollator
from hf_contrastive.training.corruption import Corruption
from hf_contrastive.training.encoding import EncodingSpec
from hf_contrastive.training.formats import check_rows
from hf_contrastive.training.plans import DatasetPlan, Plans, name_of
from hf_contrastive.training.tokenising import RowBatch, TokenisedRows, Tokeniser, tokenised

logger = logging.getLogger(__name__)


class MixedRows(torch.utils.data.Dataset[RowBatch]):
    """Several tokenised datasets, numbered one after the other; rows that are read together are of one.

    Args:
        parts: by name.
    """

    def __init__(self, parts: Mapping[str, TokenisedRows]) -> None:
        self.parts = dict(parts)
        self._names = list(parts)
        self._ends = np.cumsum([len(part) for part in parts.values()])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each dataset."""
        return tuple(len(part) for part in self.parts.values())

    @property
    def truncated_fraction(self) -> float:
        """Share of all texts that are longer than what is read."""
        cut, texts = (
            sum(sum(getattr(part, figure).values()) for part in self.parts.values())
            for figure in ("truncated", "texts")
        )
        return cut / max(1, texts)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, row: int) -> RowBatch:
        return self.__getitems__([row])

    def __getitems__(self, rows: Sequence[int]) -> RowBatch:
        places = np.searchsorted(self._ends, rows, side="right")
        if len(set(places.tolist())) > 1:
            names = ", ".join(self._names[place] for place in sorted(set(places.tolist())))
            msg = f"The rows of a batch must be of one dataset, these are of {names}; see EpochSampler."
            raise ValueError(msg)
        name, first = self._names[places[0]], int(self._ends[places[0] - 1]) if places[0] else 0
        return self.parts[name].__getitems__([row - first for row in rows])


class TokenisedDatasets:
    """Gives the data loaders what they read in place of datasets of texts.

    Args:
        tokenizer: of the model.
        plans: how each dataset is read.
        spec: of the model.
        args: of the trainer.
        keep_texts: batches hold the texts themselves too, as a guide model reads them.
    """

    def __init__(
        self, tokenizer: Any, plans: Plans, spec: EncodingSpec, args: ContrastiveConfig, *, keep_texts: bool = False
    ) -> None:
        self._tokenizer = tokenizer
        self._plans = plans
        self._spec = spec
        self._args = args
        self._keep_texts = keep_texts
        # the dataset is kept too, so that no other one gets its number
        self._made: dict[tuple[int, str], tuple[Any, TokenisedRows]] = {}

    def tokeniser(self, plan: DatasetPlan) -> Tokeniser:
        """Return what tokenises a dataset with this plan."""
        prompts = plan.prompts(self._spec)
        return Tokeniser(self._tokenizer, plan.data_format, max_length=self._spec.max_length, prompts=prompts)

    def collator(
        self, classes: Mapping[Any, int], *, deduplicate: bool, corruption: Corruption | None = None
    ) -> ContrastiveCollator:
        """Return what makes batches of their rows.

        Args:
            classes: index by label value.
            deduplicate: embed equal texts once.
            corruption: of the texts that are restored, or None.
        """
        args = self._args
        return ContrastiveCollator(
            self.tokeniser(self._plans.first),
            classes=classes,
            deduplicate=deduplicate,
            mask_duplicates=args.mask_duplicates,
            view=args.view,
            view_deletion=args.view_deletion,
            seed=args.seed,
            process_index=args.process_index,
            pool_prompt=self._spec.pool_prompt,
            keep_keys=args.trunk_cache is not None,
            corruption=corruption,
        )

    def of(self, dataset: Any, role: str, *among: Any) -> TokenisedRows | MixedRows:
        """Return ``dataset`` tokenised: one, or several by name.

        Args:
            dataset: as the trainer has it.
            role: what messages call it, e.g. ``training``.
            among: datasets by name, which may hold it.
        """
        if isinstance(dataset, Mapping):
            return MixedRows({name: self._rows(part, name, role) for name, part in dataset.items()})
        return self._rows(dataset, name_of(dataset, *among), role)

    def _rows(self, dataset: Any, name: str, role: str) -> TokenisedRows:
        key = id(dataset), name
        if key not in self._made:
            called = f"{role} data `{name}`" if name else f"{role} data"
            plan = self._plans.of(dataset, name, called=called)
            check_rows(dataset, plan.data_format, name=called, minimum=1)
            # the others find what the first process of a machine has written
            with self._args.main_process_first(desc="tokenising"):
                rows = tokenised(dataset, self.tokeniser(plan), name=name, quiet=bool(self._args.disable_tqdm))
            rows.keep_texts = self._keep_texts
            self._made[key] = dataset, rows
            _tell_truncated(rows, called, self._spec.max_length)
        return self._made[key][1]


def _tell_truncated(rows: TokenisedRows, called: str, max_length: int) -> None:
    cut = [
        f"{count} of {rows.texts[column]} texts ({count / rows.texts[column]:.1%}) in `{column}`"
        for column, count in rows.truncated.items()
        if count
    ]
    if cut:
        text = "%s: %s are longer than max_length=%d tokens; what stands behind is not read."
        logger.warning(text, called[:1].upper() + called[1:], " and ".join(cut), max_length)

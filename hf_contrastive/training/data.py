"""The datasets of a training, tokenised once each."""

from __future__ import annotations

import logging
from typing import Any

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.training.tokenising import TokenisedRows, Tokeniser, tokenised

logger = logging.getLogger(__name__)


class TokenisedDatasets:
    """Gives the data loaders what they read in place of datasets of texts.

    Args:
        tokeniser: for their format.
        args: of the trainer.
    """

    def __init__(self, tokeniser: Tokeniser, args: ContrastiveConfig) -> None:
        self._tokeniser = tokeniser
        self._args = args
        # the dataset is kept too, so that no other one gets its number
        self._made: dict[int, tuple[Any, TokenisedRows]] = {}

    def of(self, dataset: Any, name: str) -> TokenisedRows:
        """Return ``dataset`` tokenised; ``name`` is what a warning calls it."""
        if id(dataset) not in self._made:
            # the others find what the first process of a machine has written
            with self._args.main_process_first(desc="tokenising"):
                rows = tokenised(dataset, self._tokeniser, quiet=bool(self._args.disable_tqdm))
            self._made[id(dataset)] = dataset, rows
            _tell_truncated(rows, name, self._tokeniser.max_length)
        return self._made[id(dataset)][1]


def _tell_truncated(rows: TokenisedRows, name: str, max_length: int) -> None:
    cut = [
        f"{count} of {rows.texts[column]} texts ({count / rows.texts[column]:.1%}) in `{column}`"
        for column, count in rows.truncated.items()
        if count
    ]
    if cut:
        text = "%s data: %s are longer than max_length=%d tokens; what stands behind is not read."
        logger.warning(text, name, " and ".join(cut), max_length)

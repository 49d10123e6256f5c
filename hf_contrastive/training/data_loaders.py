"""A Trainer whose data loaders read tokens, while its datasets stay those of texts."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader, Sampler

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.checkpointing import CheckpointingTrainer
from hf_contrastive.training.collator import FollowEpochs
from hf_contrastive.training.data import MixedRows, TokenisedDatasets
from hf_contrastive.training.sampling import EpochSampler
from hf_contrastive.training.setup import every_row


class DataLoadingTrainer(CheckpointingTrainer):
    """Reads tokenised views of its datasets, of several one a step, in an order of seed and epoch alone."""

    args: ContrastiveConfig
    data_views: TokenisedDatasets
    epochs: FollowEpochs

    @property
    def truncated_fraction(self) -> float:
        """Share of the texts that are trained on, of which ``max_length`` cuts the end."""
        return self.data_views.of(self.train_dataset, "training").truncated_fraction

    def _get_dataloader(self, dataset: Any, description: str, *args: Any, **kwargs: Any) -> DataLoader[Any]:
        # what is audited and recorded stays the dataset of texts
        view: Any = self.data_views.of(dataset, description.lower(), self.train_dataset, self.eval_dataset)
        return super()._get_dataloader(view, description, *args, **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        view = train_dataset
        if view is None:
            view = self.data_views.of(self.train_dataset, "training", self.train_dataset)
        strategy = getattr(self.args, "train_sampling_strategy", "random")
        if strategy != "random":
            if isinstance(view, MixedRows):
                msg = (
                    f"`train_sampling_strategy` must be 'random' with several datasets, got {strategy!r}; "
                    "`multi_dataset_sampling` says which one a step is of."
                )
                raise ConfigurationError(msg)
            return super()._get_train_sampler(view)
        self.epochs.sampler = EpochSampler(
            view.sizes,
            step=self._train_batch_size * self.args.world_size,
            sampling=self.args.multi_dataset_sampling,
            seed=self.args.seed if self.args.data_seed is None else self.args.data_seed,
        )
        return self.epochs.sampler

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Read every row: ``dataloader_drop_last`` is about training."""
        with every_row(self.args):
            return super().get_eval_dataloader(eval_dataset)

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader[Any]:
        """Read every row, as in evaluation."""
        with every_row(self.args):
            return super().get_test_dataloader(test_dataset)

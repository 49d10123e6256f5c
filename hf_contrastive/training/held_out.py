"""What is measured on evaluation data while a training runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from hf_contrastive.evaluation.pairs import RetrievalTask, score_rows
from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.tokenising import Integers


class HeldOut:
    """Collects losses and embeddings of all processes batch by batch; :meth:`metrics` measures them.

    Args:
        accelerator: of the trainer; rows that fill up a last batch are left out.
        dataset: with the texts, in the order in which they are read.
        data_format: its format.
    """

    def __init__(self, accelerator: Any, dataset: Any, data_format: DataFormat) -> None:
        self._accelerator = accelerator
        self._dataset = dataset
        self._format = data_format
        self._losses: dict[str, list[Tensor]] = {}
        self._parts: dict[str, list[Tensor]] = {}

    def add(
        self,
        loss: Tensor,
        columns: tuple[Tensor, ...],
        batch: Mapping[str, Any],
        terms: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Add a batch of each process; a collective operation.

        Args:
            loss: a scalar.
            columns: embeddings ``[n, dim]``, the anchors' first.
            batch: of ContrastiveCollator.
            terms: of the loss by name, each a scalar.
        """
        for name, value in {"loss": loss, **{f"{name}_loss": value for name, value in (terms or {}).items()}}.items():
            self._losses.setdefault(name, []).append(self._gathered(value.repeat(len(columns[0]))))
        parts: dict[str, Tensor] = {}
        if self._format.kind in ("pairs", "triplets"):
            parts = {"anchors": columns[0].float(), "positives": columns[1].float()}
            if self._format.texts[1] in self._format.lists:
                indptr, _ = batch["positives"]
                parts["counts"] = indptr.diff()
                of_rows = list(torch.split(parts["positives"], parts["counts"].tolist()))
                padded = torch.nn.utils.rnn.pad_sequence(of_rows, batch_first=True)
                parts["positives"] = self._accelerator.pad_across_processes(padded, dim=1)
        elif self._format.kind == "graded":
            parts = {"cosines": cosine_similarity(columns[0].float(), columns[1].float()), "grades": batch["scores"]}
        for name, part in parts.items():
            self._parts.setdefault(name, []).append(self._gathered(part))

    def _gathered(self, part: Tensor) -> Tensor:
        gathered: Tensor = self._accelerator.gather_for_metrics(part)
        return gathered.cpu()

    def metrics(self) -> dict[str, float]:
        """Return the loss; for pairs, how well each anchor finds its positives among all; for grades, their order."""
        metrics = {name: torch.cat(values).mean().item() for name, values in self._losses.items()}
        if self._format.kind == "graded":
            cosines, grades = (torch.cat(self._parts[name]).numpy() for name in ("cosines", "grades"))
            metrics["spearman"] = _spearman(cosines, grades)
        elif self._format.kind in ("pairs", "triplets"):
            metrics |= self._retrieval()
        return metrics

    def _retrieval(self) -> dict[str, float]:
        texts = [list(self._dataset[name]) for name in self._format.texts[:2]]
        anchors = torch.cat(self._parts["anchors"]).numpy()
        if "counts" not in self._parts:
            positives = torch.cat(self._parts["positives"]).numpy()
        else:
            # one row for each positive of an anchor; batches are padded to different widths
            counts: Integers = torch.cat(self._parts["counts"]).numpy()
            rows = [row for part in self._parts["positives"] for row in part]
            positives = torch.cat([row[:count] for row, count in zip(rows, counts.tolist(), strict=True)]).numpy()
            anchors = np.repeat(anchors, counts, axis=0)
            texts = [
                [text for text, count in zip(texts[0], counts.tolist(), strict=True) for _ in range(count)],
                [text for cell in texts[1] for text in cell],
            ]
        return score_rows(RetrievalTask.from_pairs(*texts), anchors, positives).means()


def _spearman(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    """Return the rank correlation of two lists of numbers, 0 where one of them has no order."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (one, other)]
    product = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / product if product else 0.0

"""What every form of a model keeps, with every way of keeping vectors, and its part of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from audits.findings import Measurement
from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.inference import quality
from hf_contrastive.inference.quantized import Storage, Vectors
from hf_contrastive.inference.records import (
    Bounds,
    ColdStart,
    CombinedQuality,
    LatencyCell,
    StorageReport,
    VariantReport,
)
from hf_contrastive.inference.variants import Variant

NO_DATA = "no data was named"
_MILLION = 1_000_000


class Encoded(NamedTuple):
    """The vectors that one variant gives to the data, or to the sample texts where there is none."""

    queries: Vectors
    documents: Vectors

    @property
    def all(self) -> Vectors:
        """Both in one array."""
        return np.concatenate([self.queries, self.documents])


class Scored:
    """nDCG@10 of every variant with every way of keeping vectors."""

    def __init__(
        self, encoded: Mapping[str, Encoded], kept: Sequence[Storage], task: RetrievalTask | None, seed: int
    ) -> None:
        self.encoded, self._kept, self._seed = encoded, kept, seed
        self.scores = {
            (name, storage.name): quality.ndcg(storage, vectors.queries, vectors.documents, task)
            for name, vectors in encoded.items()
            for storage in kept
            if task is not None
        }
        self._first = next(iter(encoded), "")
        self._plain = kept[0].name

    @property
    def baseline(self) -> Measurement | None:
        """The mean nDCG@10 of the reference."""
        found = self.scores.get((self._first, self._plain))
        return quality.mean_score(found, seed=self._seed) if found is not None else None

    def kept(self, variant: str, storage: str = "") -> tuple[Measurement | None, str]:
        """Return the share of the reference's quality, or why there is none."""
        if not self.scores:
            return None, NO_DATA
        try:
            found = quality.quality_kept(
                self.scores[self._first, self._plain], self.scores[variant, storage or self._plain], seed=self._seed
            )
        except NotComputableError as error:
            return None, str(error)
        return found, ""

    def combined(self) -> tuple[CombinedQuality, ...]:
        """Return what every variant keeps with every way of keeping vectors."""
        found = ((name, storage, self.kept(name, storage)[0]) for name, storage in self.scores)
        return tuple(
            CombinedQuality(variant=name, storage=storage, quality=item) for name, storage, item in found if item
        )

    def of_storage(self, storage: str) -> tuple[Measurement | None, str]:
        """Return the quality of the reference with vectors kept in one way."""
        return self.kept(self._first, storage)

    def cosine(self, variant: str) -> Measurement:
        """Return the mean cosine with the reference."""
        return quality.mean_cosine(self.encoded[self._first].all, self.encoded[variant].all)


def variant_report(
    variant: Variant,
    failed: Mapping[str, str],
    starts: Mapping[str, tuple[ColdStart, float]],
    cells: Mapping[str, tuple[LatencyCell, ...]],
    peaks: Mapping[str, float],
    scored: Scored,
    bounds: Bounds,
    length: int,
) -> VariantReport:
    """Return what was measured of one variant, or why nothing was.

    Args:
        variant: as it was written.
        failed: reasons, by the name of the variant.
        starts: cold start and peak memory of single texts, by name.
        cells: latencies, by name.
        peaks: peak memory of all batches, by name.
        scored: what is kept.
        bounds: with the price of an hour.
        length: tokens that the cost is at.
    """
    name = variant.name
    if name in failed:
        return VariantReport(name=name, description=variant.description, not_measured=failed[name])
    cold, peak = starts[name]
    kept, reason = scored.kept(name)
    report = VariantReport(
        name=name,
        description=variant.description,
        size_mb=variant.size_mb,
        cold_start=cold,
        peak_memory_mb=peak,
        peak_memory_batches_mb=peaks[name],
        cells=cells[name],
        cosine=scored.cosine(name),
        quality=kept,
        quality_not_computed=reason,
    )
    fastest = report.fastest(length)
    if bounds.hourly_price is None or fastest is None:
        return report
    return replace(report, cost_per_million=bounds.hourly_price * _MILLION / fastest.texts_per_second / 3600)


def storage_report(storage: Storage, scored: Scored) -> StorageReport:
    """Return what one way of keeping vectors takes and keeps."""
    kept, reason = scored.of_storage(storage.name)
    return StorageReport(
        name=storage.name,
        description=storage.description,
        bytes_per_vector=storage.bytes_per_vector,
        # a million vectors of so many bytes are as many megabytes
        index_mb=storage.bytes_per_vector,
        disk_mb=storage.disk_bytes_per_vector,
        quality=kept,
        quality_not_computed=reason,
    )

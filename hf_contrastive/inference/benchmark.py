"""What one model costs in each of its forms, and what each form keeps of its quality."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audits.findings import DatasetRef, Measurement
from hf_contrastive.errors import ConfigurationError, NotComputableError, require
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.inference import quality
from hf_contrastive.inference.processes import Worker, WorkerError
from hf_contrastive.inference.quantized import Storage, Vectors, storages
from hf_contrastive.inference.recommendation import recommend
from hf_contrastive.inference.records import (
    Bounds,
    CombinedQuality,
    InferenceReport,
    StorageReport,
    VariantReport,
)
from hf_contrastive.inference.samples import SAMPLES
from hf_contrastive.inference.timing import Samples, cold_starts, started, time_cells
from hf_contrastive.inference.variants import NAMES, Variant, write_variants

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

Progress = Callable[[int, int], None]

BATCH_SIZES = (1, 8, 32)
LENGTHS = (16, 64, 256)
NO_DATA = "no data was named"
_MILLION = 1_000_000
_FEW_DOCUMENTS = 1000


class Encoded(NamedTuple):
    """The vectors that one variant gives to the data, or to the sample texts where there is none."""

    queries: Vectors
    documents: Vectors

    @property
    def all(self) -> Vectors:
        """Both in one array."""
        return np.concatenate([self.queries, self.documents])


def benchmark_inference(
    model: Any,
    *,
    data: Any = None,
    anchor_column: str = "anchor",
    positive_column: str = "positive",
    split: str | None = None,
    limit: int | None = 500,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    lengths: Sequence[int] | None = None,
    dims: Sequence[int] | None = None,
    bounds: Bounds | None = None,
    threads: int | None = None,
    rounds: int = 3,
    seconds: float = 1.5,
    pooling: str | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> InferenceReport:
    """Measure latency, throughput, cold start, memory, size, cost and quality of every form of a model.

    Each form runs in a process of its own with a fixed number of threads; they take turns. Quality is the share of the
    reference's nDCG@10 on ``data``, the reference being the model in PyTorch and fp32.

    Args:
        model: a folder, a Hub id, or what ContrastiveTrainer takes as ``model``.
        data: a Dataset, Hub id or path with two columns; without it no quality is measured.
        anchor_column: the queries.
        positive_column: the documents.
        split: of ``data``, where it has several.
        limit: number of queries, drawn with ``seed``.
        batch_sizes: texts a call.
        lengths: tokens a text; default: 16, 64 and 256, as far as the model reads.
        dims: fewer dimensions to keep; default: halves of the model's.
        bounds: what is allowed, for recommendations.
        threads: of each process; default: the cores that this one may use.
        rounds: turns of each variant, and how often each is started.
        seconds: of calls of one variant at one batch size and length, over all rounds.
        pooling: overrides the model's own; needed where it has none.
        seed: of the draw and of the bootstrap.
        on_progress: called with (steps done, steps in all).

    Raises:
        ConfigurationError: a setting is out of its range.
        EvaluationError: the data can not be read as pairs, or the model has fewer dimensions.
        ModelError: the model can not be read, or gives no embeddings.
        MissingExtraError: torch is not installed.
    """
    require("train", "torch", "transformers", "peft", "psutil")
    from hf_contrastive.inference.sources import load_encoder

    begun, load = time.perf_counter(), _load()
    bounds = bounds or Bounds()
    _check(bounds, batch_sizes, rounds, seconds, threads)
    source = load_encoder(model, pooling=pooling)
    encoder = source.encoder
    dimension = int(encoder.model.config.hidden_size)
    kept = storages(dimension, dims)
    lengths = _lengths(lengths, encoder.spec.max_length)
    task, reference = _task(data, split, anchor_column, positive_column, limit, seed)
    texts = (*task.queries, *task.documents) if task is not None else SAMPLES
    samples = Samples(encoder.tokenizer, texts)
    length = _typical(lengths, encoder, texts if task is not None else ())
    threads = threads or _cores()
    shapes = [(size, tokens) for size in sorted(set(batch_sizes)) for tokens in lengths]
    count = len(NAMES)
    step = _Steps(on_progress, count + count * rounds + count * len(shapes) * rounds + count)
    with TemporaryDirectory(prefix="hf-contrastive-") as place:
        variants = write_variants(encoder, Path(place), on_step=lambda done, total: step())
        failed = {item.name: item.not_measured for item in variants if item.not_measured}
        setups = {
            item.name: {**item.setup, "threads": threads, "text": texts[0] or "a"}
            for item in variants
            if not item.not_measured
        }
        starts, more = cold_starts(setups, samples, longest=max(lengths), rounds=rounds, step=step)
        failed |= more
        with started({name: setup for name, setup in setups.items() if name not in failed}) as (workers, more):
            failed |= more
            cells, more = time_cells(workers, samples, shapes, rounds=rounds, seconds=seconds, step=step)
            failed |= more
            encoded, peaks, more = _encode(
                {name: worker for name, worker in workers.items() if name not in failed}, task, Path(place), step
            )
            failed |= more
    scored = _Scored(encoded, kept, task, seed)
    reports = tuple(_variant_report(item, failed, starts, cells, peaks, scored, bounds, length) for item in variants)
    report = InferenceReport(
        model_name=encoder.name,
        weights_sha256=source.weights_sha256,
        dimension=dimension,
        data=reference,
        queries=len(task.queries) if task is not None else 0,
        documents=len(task.documents) if task is not None else 0,
        baseline=scored.baseline,
        length=length,
        threads=threads,
        rounds=rounds,
        bounds=bounds,
        variants=reports,
        storages=tuple(_storage_report(item, scored) for item in kept),
        combined=scored.combined(),
        notes=_notes(load, task),
        machine=_machine(),
        load=load,
        versions=_versions(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.perf_counter() - begun,
    )
    return replace(report, recommendations=recommend(report))


class _Steps:
    """Counts steps for a progress bar; a variant that failed has none left, so the total is at most reached."""

    def __init__(self, on_progress: Progress | None, total: int) -> None:
        self._tell, self._total, self._done = on_progress, total, 0

    def __call__(self) -> None:
        self._done = min(self._done + 1, self._total)
        if self._tell is not None:
            self._tell(self._done, self._total)


class _Scored:
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
        found = ((name, storage, self.kept(name, storage)[0]) for name, storage in self.scores)
        return tuple(
            CombinedQuality(variant=name, storage=storage, quality=item) for name, storage, item in found if item
        )

    def of_storage(self, storage: str) -> tuple[Measurement | None, str]:
        """Return the quality of the reference with vectors kept in one way."""
        return self.kept(self._first, storage)

    def cosine(self, variant: str) -> Measurement:
        return quality.mean_cosine(self.encoded[self._first].all, self.encoded[variant].all)


def _encode(
    workers: Mapping[str, Worker], task: RetrievalTask | None, place: Path, step: Callable[[], None]
) -> tuple[dict[str, Encoded], dict[str, float], dict[str, str]]:
    """Let every variant encode the data; its peak is asked for before, since it is that of the batches."""
    found: dict[str, Encoded] = {}
    peaks: dict[str, float] = {}
    failed: dict[str, str] = {}
    sides = (task.queries, task.documents) if task is not None else (SAMPLES, SAMPLES[:1])
    for name, worker in workers.items():
        try:
            peaks[name] = worker.ask("peak")["peak_mb"]
            parts = []
            for prompt, texts in zip(("query", "document"), sides, strict=True):
                path = place / f"{name}-{prompt}.npy"
                worker.ask("encode", texts=list(texts), prompt=prompt, max_length=None, path=str(path))
                parts.append(np.load(path))
        except WorkerError as error:
            failed[name] = str(error)
        else:
            if all(np.isfinite(part).all() for part in parts):
                found[name] = Encoded(*parts)
            else:
                failed[name] = "it gives vectors that hold NaN or infinite values"
        step()
    return found, peaks, failed


def _variant_report(
    variant: Variant,
    failed: Mapping[str, str],
    starts: Mapping[str, Any],
    cells: Mapping[str, Any],
    peaks: Mapping[str, float],
    scored: _Scored,
    bounds: Bounds,
    length: int,
) -> VariantReport:
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


def _storage_report(storage: Storage, scored: _Scored) -> StorageReport:
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


def _task(
    data: Any, split: str | None, anchor: str, positive: str, limit: int | None, seed: int
) -> tuple[RetrievalTask | None, DatasetRef | None]:
    if data is None:
        return None, None
    from hf_contrastive.evaluation.report import read_pairs

    rows, reference = read_pairs(data, split, anchor, positive)
    return RetrievalTask.from_pairs(rows[anchor], rows[positive], limit=limit, seed=seed), reference


def _check(bounds: Bounds, batch_sizes: Sequence[int], rounds: int, seconds: float, threads: int | None) -> None:
    told = {
        "memory_limit": bounds.memory_mb,
        "latency_limit": bounds.latency_ms,
        "cost_limit": bounds.cost_per_million,
        "hourly_price": bounds.hourly_price,
        "seconds": seconds,
        "rounds": rounds,
        "threads": threads,
        **{f"batch_sizes[{place}]": size for place, size in enumerate(batch_sizes)},
    }
    for name, value in told.items():
        if value is not None and not value > 0:
            msg = f"`{name}` must be > 0, got {value}."
            raise ConfigurationError(msg)
    if not batch_sizes:
        msg = "`batch_sizes` is empty; name at least one, such as 1."
        raise ConfigurationError(msg)
    if not 0 <= bounds.quality_loss < 1:
        msg = f"`quality_loss` must lie between 0 and 1, got {bounds.quality_loss}; 0.02 allows a loss of 2 %."
        raise ConfigurationError(msg)
    if bounds.cost_per_million is not None and bounds.hourly_price is None:
        msg = "`cost_limit` needs `hourly_price`: what a machine like this one costs an hour, in the same currency."
        raise ConfigurationError(msg)


def _lengths(lengths: Sequence[int] | None, longest: int) -> list[int]:
    if lengths is None:
        return [size for size in LENGTHS if size <= longest] or [longest]
    wrong = [size for size in lengths if not 1 <= size <= longest]
    if wrong or not lengths:
        msg = (
            f"`lengths` must lie between 1 and {longest} tokens, which is as far as the model reads, got "
            f"{', '.join(map(str, lengths)) or 'none'}."
        )
        raise ConfigurationError(msg)
    return sorted(set(lengths))


def _typical(lengths: Sequence[int], encoder: TextEncoder, texts: Sequence[str]) -> int:
    """Return the measured length that is nearest to the median of the data, or the middle one without data."""
    if not texts:
        return lengths[len(lengths) // 2]
    median = float(np.median(encoder.count_tokens(texts[:2000])))
    return min(lengths, key=lambda size: abs(size - median))


def _notes(load: float | None, task: RetrievalTask | None) -> tuple[str, ...]:
    found = []
    if load is not None and load > 0.5 * _cores():
        found.append(
            f"Other programs were running when it began (load {load:.1f} on {_cores()} cores): times are longer than "
            "on an idle machine. Variants took turns, so that they can still be compared."
        )
    if task is not None and len(task.documents) < _FEW_DOCUMENTS:
        found.append(
            f"A search among {len(task.documents):,} documents is easy: vectors that are kept in less memory lose more "
            "among more documents."
        )
    return tuple(found)


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _machine() -> str:
    import psutil
    import torch

    from hf_contrastive.training.record import environment

    found = environment(torch.device("cpu"), "fp32")
    memory = psutil.virtual_memory().total / 1e9
    return f"{found.processor}, {_cores()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}"


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("hf-contrastive", "torch", "transformers", "onnxruntime", "tokenizers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

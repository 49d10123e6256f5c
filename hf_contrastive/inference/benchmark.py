"""What one model costs in each of its forms, and what each form keeps of its quality."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from audits.findings import DatasetRef
from hf_contrastive.errors import require
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.inference.processes import Worker, WorkerError
from hf_contrastive.inference.quantized import storages
from hf_contrastive.inference.recommendation import recommend
from hf_contrastive.inference.records import Bounds, InferenceReport
from hf_contrastive.inference.samples import SAMPLES
from hf_contrastive.inference.scoring import Encoded, Scored, storage_report, variant_report
from hf_contrastive.inference.settings import (
    check_settings,
    describe_machine,
    load_average,
    notes_on,
    read_lengths,
    typical_length,
    usable_cores,
    versions,
)
from hf_contrastive.inference.timing import Samples, cold_starts, started, time_cells
from hf_contrastive.inference.variants import NAMES, write_variants

Progress = Callable[[int, int], None]

BATCH_SIZES = (1, 8, 32)


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
        data: a Dataset, Hub id or path with two columns, or queries, corpus and qrels; without it no quality is
            measured.
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

    begun, load = time.perf_counter(), load_average()
    bounds = bounds or Bounds()
    check_settings(bounds, batch_sizes, rounds, seconds, threads)
    source = load_encoder(model, pooling=pooling)
    encoder = source.encoder
    dimension = int(encoder.model.config.hidden_size)
    kept = storages(dimension, dims)
    lengths = read_lengths(lengths, encoder.spec.max_length)
    task, reference = _task(data, split, anchor_column, positive_column, limit, seed)
    texts = (*task.queries, *task.documents) if task is not None else SAMPLES
    samples = Samples(encoder.tokenizer, texts)
    length = typical_length(lengths, encoder, texts if task is not None else ())
    threads = threads or usable_cores()
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
    scored = Scored(encoded, kept, task, seed)
    reports = tuple(variant_report(item, failed, starts, cells, peaks, scored, bounds, length) for item in variants)
    report = InferenceReport(
        model_name=encoder.name,
        weights_sha256=source.weights_sha256,
        dimension=dimension,
        data=reference,
        queries=len(task.queries) if task is not None else 0,
        documents=len(task.documents) if task is not None else 0,
        baseline=scored.baseline,
        max_length=encoder.spec.max_length,
        seed=seed,
        length=length,
        threads=threads,
        rounds=rounds,
        bounds=bounds,
        variants=reports,
        storages=tuple(storage_report(item, scored) for item in kept),
        combined=scored.combined(),
        notes=notes_on(load, task),
        machine=describe_machine(),
        load=load,
        versions=versions(),
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


def _task(
    data: Any, split: str | None, anchor: str, positive: str, limit: int | None, seed: int
) -> tuple[RetrievalTask | None, DatasetRef | None]:
    if data is None:
        return None, None
    from hf_contrastive.evaluation.reading import read_retrieval

    return read_retrieval(data, split=split, anchor_column=anchor, positive_column=positive, limit=limit, seed=seed)

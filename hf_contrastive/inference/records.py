"""What an export and a measurement of inference leave behind; the standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audits.findings import DatasetRef, Measurement
from audits.records import Record, volatile

if TYPE_CHECKING:
    from model_cards.evidence import EvaluationReport

SCHEMA_VERSION = 1
MODEL_FILE, INT8_FILE, TOKENIZER_FILE, RECORD_FILE = "model.onnx", "model_int8.onnx", "tokenizer.json", "export.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityCell(Record):
    """The largest difference of any component over one batch, the longest text of which has ``length`` tokens."""

    batch_size: int
    length: int
    worst_difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Attempt(Record):
    """One way of storing weights as int8: cosines with the vectors of the original model."""

    method: str
    lowest_cosine: float
    mean_cosine: float
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRecord(Record):
    """What was exported from which weights, how it encodes, and how close it is to the original.

    ``weights_sha256`` is over the weights that were exported, adapter included; ``files`` are sha256 by name.
    ``prompt_tokens`` says how many of the first tokens each prompt takes, where they are not pooled.
    ``worst_difference`` is the largest of any component over ``parity``, ``text_difference`` that over whole texts,
    from tokenizer to vector; both are of vectors scaled to length 1 where the model does not normalise.
    """

    schema_version: int = SCHEMA_VERSION
    model_name: str
    weights_sha256: str
    pooling: str
    pool_prompt: bool
    normalize: bool
    dimension: int
    max_length: int
    pad_token_id: int
    prompts: Mapping[str, str] = field(default_factory=dict)
    prompt_tokens: Mapping[str, int] = field(default_factory=dict)
    similarity: str = "cosine"
    opset: int
    bound: float
    worst_difference: float
    text_difference: float
    texts: int
    parity: tuple[ParityCell, ...] = ()
    int8_bound: float = 0.0
    int8: tuple[Int8Attempt, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyCell(Record):
    """How long one batch takes, tokens to vectors, in milliseconds.

    ``tokenising_ms`` is the median of what comes before. ``p99_ms`` is None below 100 calls, which have no 99th
    percentile. ``texts_per_second`` is with tokenising, of the medians of both.
    """

    batch_size: int
    length: int
    calls: int
    p50_ms: float
    p95_ms: float
    p99_ms: float | None
    tokenising_ms: float
    texts_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart(Record):
    """Seconds from the start of a process to its first vector: medians over ``starts`` processes.

    ``total`` holds the start of Python too; ``importing``, ``loading`` and ``first_text`` are parts of it.
    """

    starts: int
    total: float
    importing: float
    loading: float
    first_text: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantReport(Record):
    """One way of computing vectors. ``not_measured`` says why there is nothing else, "" where there is.

    ``peak_memory_mb`` is of a process that encoded one text at a time, up to the longest length;
    ``peak_memory_batches_mb`` of one that ran all batches. ``cosine`` is the mean with the vectors of the first variant
    that was measured, ``quality`` the share of its nDCG@10 that is kept.
    """

    name: str
    description: str
    not_measured: str = ""
    size_mb: float = 0.0
    cold_start: ColdStart | None = None
    peak_memory_mb: float | None = None
    peak_memory_batches_mb: float | None = None
    cells: tuple[LatencyCell, ...] = ()
    cost_per_million: float | None = None
    cosine: Measurement | None = None
    quality: Measurement | None = None
    quality_not_computed: str = ""

    def cell(self, batch_size: int, length: int) -> LatencyCell | None:
        """Return one cell."""
        return next((item for item in self.cells if (item.batch_size, item.length) == (batch_size, length)), None)

    def fastest(self, length: int) -> LatencyCell | None:
        """Return the cell of the most texts a second at one length."""
        found = [item for item in self.cells if item.length == length]
        return max(found, key=lambda item: item.texts_per_second) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageReport(Record):
    """One way of keeping vectors: bytes in memory, and on disk where they are scored again from there.

    ``index_mb`` is of a million vectors. ``quality`` is beside full vectors of the same variant.
    """

    name: str
    description: str
    bytes_per_vector: float
    index_mb: float
    disk_mb: float = 0.0
    quality: Measurement | None = None
    quality_not_computed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedQuality(Record):
    """The share of the reference's nDCG@10 that one variant keeps with vectors kept in one way."""

    variant: str
    storage: str
    quality: Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation(Record):
    """What to use where, as ``rule`` says; ``variant`` is "" where none is within the bounds."""

    target: str
    variant: str = ""
    storage: str = ""
    words: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds(Record):
    """What the user allows: megabytes, milliseconds, money a million texts, and a share of quality that may be lost."""

    memory_mb: float | None = None
    latency_ms: float | None = None
    cost_per_million: float | None = None
    hourly_price: float | None = None
    quality_loss: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceReport(Record):
    """What each variant of one model costs on one machine, and what it keeps.

    ``length`` is the length, in tokens, that costs and recommendations are at. ``load`` is the load average of the
    machine when it began, None where it is not told. ``data`` is what quality was measured on, with texts of at most
    ``max_length`` tokens and draws by ``seed``. ``weights_sha256`` is over the weights as they were given: those of an
    adapter beside its base are other tensors than those of the merged model.
    """

    schema_version: int = SCHEMA_VERSION
    model_name: str
    weights_sha256: str
    dimension: int
    data: DatasetRef | None = None
    queries: int = 0
    documents: int = 0
    baseline: Measurement | None = None
    max_length: int = 0
    seed: int = 0
    length: int
    threads: int
    rounds: int
    bounds: Bounds = field(default_factory=Bounds)
    variants: tuple[VariantReport, ...] = ()
    storages: tuple[StorageReport, ...] = ()
    combined: tuple[CombinedQuality, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    notes: tuple[str, ...] = ()
    machine: str = ""
    load: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    created_at: str = volatile(default="")
    seconds: float = volatile(default=0.0)

    @property
    def measured(self) -> tuple[VariantReport, ...]:
        """The variants that were measured, the reference first."""
        return tuple(item for item in self.variants if not item.not_measured)

    def as_evaluation(self) -> EvaluationReport:
        """Return this as part of a model's evidence, for ``trainer.add_evidence`` and ``push``.

        Raises:
            EvaluationError: it was measured without data.
        """
        from hf_contrastive.inference.evaluation import as_evaluation

        return as_evaluation(self)

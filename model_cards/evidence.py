"""The one chain of evidence: every published document is rendered from :class:`Evidence` alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from audits.findings import AuditReport, DatasetRef, Measurement, RemedyRecord, Table
from audits.licenses.analysis import LicenseAnalysis
from audits.licenses.inputs import Lineage
from audits.policy import Approval, Policy, Verdict
from audits.records import Record, volatile

SCHEMA_VERSION = 1

Origin = Literal["measured", "copied", "stated", "unanswered"]
"""Where a statement comes from: measured here, copied from upstream, stated by a person, nobody yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Record):
    """A sentence that stands in a document, with its origin; ``unanswered`` has an empty text.

    ``by`` is who said it, ``date`` the day (YYYY-MM-DD) on which they did, "" where it is not known.
    """

    key: str
    text: str = ""
    origin: Origin = "unanswered"
    by: str = ""
    source: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel(Record):
    """The model that was adapted. ``revision`` is a Hub commit or None when read from local files.

    ``weights_sha256`` is over names, shapes and bytes of all tensors as loaded; ``adapter_sha256`` is set where
    it came with an adapter that was already trained. ``license`` is what its own card declares.
    """

    model_id: str | None = None
    revision: str | None = None
    weights_sha256: str = ""
    adapter_sha256: str = ""
    license: str | None = None
    license_source: str = ""
    num_parameters: int | None = None
    architecture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Record):
    """A LoRA adapter (Hu et al., 2021); None in a TrainingRecord means all weights were trained."""

    rank: int
    alpha: float
    dropout: float
    target_modules: tuple[str, ...]
    trainable_parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment(Record):
    """Where and with what it was computed; no host name, no path."""

    device: str = ""
    processor: str = ""
    cores: int = 0
    precision: str = ""
    operating_system: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord(Record):
    """What the trainer did. ``tokens`` counts real tokens, ``padded_tokens`` what was computed.

    ``flops`` is an estimate whose method stands in ``flops_method``; ``energy_kwh`` is None when it
    was not measured. ``losses`` are (step, loss) as logged. ``datasets`` are those of every run that led to
    these weights, ``weights_sha256`` is over them, adapter included. ``arguments`` are the training arguments that
    differ from their defaults, without tokens, paths and names of machines.
    """

    base: BaseModel
    adapter: Adapter | None = None
    objective: str
    data_format: str
    text_columns: tuple[str, ...] = ()
    temperature: float | None = None
    pooling: str = "mean"
    normalize: bool = True
    prompts: Mapping[str, str] = field(default_factory=dict)
    max_length: int
    embedding_dimension: int
    similarity: str = "cosine"
    seed: int
    batch_size: int
    steps: int
    epochs: float
    learning_rate: float
    schedule: str = ""
    examples: int
    tokens: int = 0
    padded_tokens: int = 0
    flops: float | None = None
    flops_method: str = ""
    energy_kwh: float | None = None
    emissions_kg: float | None = None
    energy_method: str = ""
    seconds: float = volatile(default=0.0)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    losses: tuple[tuple[int, float], ...] = ()
    metrics: tuple[Measurement, ...] = ()
    datasets: tuple[DatasetRef, ...] = ()
    weights_sha256: str = ""
    environment: Environment = field(default_factory=Environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison(Record):
    """One metric before and after training; ``difference`` carries the paired bootstrap interval."""

    before: Measurement | None = None
    after: Measurement
    difference: Measurement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSection(Record):
    """One way of looking at a model beside its main task: calibration, robustness, geometry, ….

    In ``metrics``, "before" is the base model. ``tables`` hold curves and slices. ``not_computed`` says why nothing was
    measured, "" where something was.
    """

    name: str
    metrics: tuple[MetricComparison, ...] = ()
    tables: tuple[Table, ...] = ()
    not_computed: str = ""
    method: str = ""


STUDY = "efficiency study"
"""The task of an evaluation that compares ways of training from one checkpoint."""

INFERENCE_COST = "inference cost"
"""The task of an evaluation of what each form of one model costs, and which share of its quality it keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport(Record):
    """One task on one split, measured on the trained model and, if given, on its base.

    ``queries`` and ``documents`` are of a retrieval, ``rows`` of any other task; ``sections`` hold what was measured
    beside the task. ``weights_sha256`` is over the weights that were measured.

    An efficiency study measures no published model: its metrics compare two ways of training, ``weights_sha256`` is
    over the checkpoint that they start from, and ``note`` begins with what follows from it.

    An inference cost measures this model in other forms: its metrics are shares of the quality that each keeps, have no
    "before", and say nothing on how good the model is; ``note`` begins with what follows from it.
    """

    task: str
    dataset: DatasetRef
    queries: int = 0
    documents: int = 0
    rows: int = 0
    max_length: int
    seed: int
    metrics: tuple[MetricComparison, ...]
    primary_metric: str = "ndcg@10"
    sections: tuple[EvaluationSection, ...] = ()
    note: str = ""
    weights_sha256: str = ""
    seconds: float = volatile(default=0.0)

    @property
    def is_study(self) -> bool:
        """Whether ways of training are compared, and not this model with its base."""
        return self.task == STUDY

    @property
    def is_cost(self) -> bool:
        """Whether forms of this model are compared with each other, by what they cost and keep."""
        return self.task == INFERENCE_COST

    @property
    def measures_quality(self) -> bool:
        """Whether the metrics say how good this model is; those of a study or of a cost do not."""
        return not (self.is_study or self.is_cost)

    @property
    def primary(self) -> MetricComparison | None:
        """The metric that decides, None where it was not measured."""
        return next((item for item in self.metrics if item.after.name == self.primary_metric), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionComparison(Record):
    """The new model against one that is published, measured on the same queries and documents.

    In ``metrics``, "before" is the published version and "after" the new one. ``wins``, ``losses`` and ``ties`` count
    queries by the primary metric. ``neighbour_overlap`` is the mean share of the 10 nearest documents that both
    versions agree on; ``negative_flips`` the share of queries that the published version answered right at rank 1 and
    the new one does not (Yan et al., CVPR 2021), ``positive_flips`` the other way round. ``compatibility`` says whether
    stored vectors of the published version can be searched with the new model. ``cost`` is latency and size, which
    differ from run to run. ``regression`` is whether the interval of the primary metric's difference lies below
    ``-margin`` as a whole. A comparison without queries says that a version is published and was not compared: ``note``
    says why, ``dataset`` is None.
    """

    repo_id: str
    tag: str = ""
    commit: str = ""
    published_weights_sha256: str = ""
    weights_sha256: str = ""
    dataset: DatasetRef | None = None
    queries: int = 0
    documents: int = 0
    max_length: int = 0
    seed: int = 0
    primary_metric: str = "ndcg@10"
    metrics: tuple[MetricComparison, ...] = ()
    wins: int = 0
    losses: int = 0
    ties: int = 0
    neighbour_overlap: Measurement | None = None
    negative_flips: Measurement | None = None
    positive_flips: Measurement | None = None
    compatibility: tuple[Measurement, ...] = ()
    margin: float = 0.0
    regression: bool = False
    note: str = ""
    cost: tuple[MetricComparison, ...] = volatile(default=())

    @property
    def compared(self) -> bool:
        """Whether anything was measured."""
        return self.queries > 0

    @property
    def unchanged(self) -> bool:
        """Whether both versions have the same weights."""
        return bool(self.weights_sha256) and self.weights_sha256 == self.published_weights_sha256

    @property
    def primary(self) -> MetricComparison | None:
        """The metric that decides, None where nothing was measured."""
        return next((item for item in self.metrics if item.after.name == self.primary_metric), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey(Record):
    """Which key signs what is published; ``fingerprint`` is ``sha256:<hex>`` of the DER SubjectPublicKeyInfo.

    A signature says that nothing changed since this key signed; who holds the key has to be known from elsewhere.
    """

    algorithm: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Record):
    """Everything that any document may say.

    ``audit`` is the audit of the data that was trained on; ``earlier_audit`` is of the same data
    before the ``remedies``. ``payload_digest`` is over the model's files that this evidence is about.
    An Evidence without ``training`` is an audit alone, or a model whose training was not seen here (then
    every training statement is unanswered). ``lineage`` says where data and base model came from, ``licenses`` what
    the license rules say on all of it, ``license_texts`` holds texts that must go along, by SPDX id.
    ``comparison`` is with the version that is published, where there is one and it was compared; ``signing_key``
    names the key whose signature goes along. ``statements`` hold what people answered, or what was copied.
    """

    schema_version: int = SCHEMA_VERSION
    model_name: str = ""
    repo_id: str | None = None
    license: str | None = None
    language: tuple[str, ...] = ()
    save_format: Literal["merged", "adapter"] = "merged"
    payload_digest: str = ""
    training: TrainingRecord | None = None
    evaluations: tuple[EvaluationReport, ...] = ()
    audit: AuditReport | None = None
    earlier_audit: AuditReport | None = None
    remedies: tuple[RemedyRecord, ...] = ()
    lineage: Lineage | None = None
    licenses: LicenseAnalysis | None = None
    license_texts: Mapping[str, str] = field(default_factory=dict)
    policy: Policy | None = None
    verdict: Verdict | None = None
    approvals: tuple[Approval, ...] = ()
    comparison: VersionComparison | None = None
    signing_key: SigningKey | None = None
    statements: tuple[Statement, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    created_at: str = volatile(default="")

    def statement(self, key: str) -> Statement:
        """Return the statement named ``key``, unanswered when nobody gave it."""
        return next((item for item in self.statements if item.key == key), Statement(key=key))

"""The model in a bill of materials: what it is, what was measured, what people said about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from audits.findings import DatasetRef, Measurement
from audits.waivers import used_waivers
from model_cards.evidence import Evidence, MetricComparison, Statement, TrainingRecord
from model_cards.facts import name_of, unchecked
from model_cards.questions import QUESTIONS, answer
from model_cards.standards.bom_components import MODEL, Components, base_identity, hub_identity
from model_cards.standards.bom_licenses import declared
from model_cards.standards.values import exact, filled, properties
from model_cards.validate import is_hub_id

_TASK = "sentence-similarity"
"""As the Hub calls it; the card says the same."""

_VIEWS = "two views"  # how a data format says that a model learned from raw text alone


def model_component(evidence: Evidence, components: Components) -> dict[str, Any]:
    """Return the component that the bill is about, with its model card."""
    training = evidence.training
    on_hub = is_hub_id(evidence.repo_id)
    address = [{"type": "distribution", "url": f"https://huggingface.co/{evidence.repo_id}"}] if on_hub else []
    identity = hub_identity(evidence.repo_id) if on_hub else {"name": evidence.model_name or "model without a name"}
    author = _said(evidence, "developed_by")
    return {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        **identity,
        # the commit is not known before it is made; what it holds is
        **filled(
            version=evidence.payload_digest,
            authors=[{"name": author}] if author else [],
            description=_said(evidence, "description"),
            licenses=declared(evidence.license),
            pedigree=_pedigree(training, evidence.save_format) if training is not None else {},
            externalReferences=[
                *address,
                {"type": "model-card", "url": "README.md"},
                {"type": "evidence", "url": "evidence.json"},
                {"type": "quality-metrics", "url": "report.html"},
            ],
            modelCard=_model_card(evidence, components),
            properties=_digests(evidence),
        ),
    }


def _pedigree(training: TrainingRecord, save_format: str) -> dict[str, Any]:
    adapter = training.adapter
    if adapter is None:
        how = "All weights were trained further."
    else:
        kept = "published alone" if save_format == "adapter" else "merged into the weights"
        how = f"A LoRA adapter of rank {adapter.rank} on {', '.join(adapter.target_modules)} was trained and {kept}."
    identity = base_identity(training.base)
    return {"ancestors": [identity], "notes": f"{how} Objective: {training.objective}."}


def _model_card(evidence: Evidence, components: Components) -> dict[str, Any]:
    training = evidence.training
    parameters: dict[str, Any] = {"task": _TASK}
    if training is not None:
        architecture = training.base.architecture
        approach = _approach(training.data_format)
        parameters = filled(
            approach={"type": approach} if approach else {},
            task=_TASK,
            architectureFamily=architecture.removesuffix("Model").lower(),
            modelArchitecture=architecture,
            datasets=[{"ref": ref} for ref in dict.fromkeys((*components.trained, *components.measured))],
            inputs=[{"format": "text"}],
            outputs=[{"format": f"vector of {training.embedding_dimension} numbers"}],
        )
    return filled(
        modelParameters=parameters,
        quantitativeAnalysis=filled(performanceMetrics=list(_metrics(evidence))),
        considerations=_considerations(evidence),
        properties=[*_training_properties(training), *_origins(evidence)],
    )


def _approach(data_format: str) -> str | None:
    """Return how it learned: from what people put together, or from two views of raw text; None where from both."""
    raw = data_format.count(_VIEWS)
    if not raw:
        return "supervised"
    return "self-supervised" if raw == data_format.count("(") else None


def _metrics(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for evaluation in evidence.evaluations:
        if not evaluation.measures_quality:
            continue
        where = _slice(evaluation.dataset)
        yield from _compared(evaluation.metrics, where, "base model")
        for section in evaluation.sections:
            yield from _compared(section.metrics, where, "base model", prefix=f"{section.name}: ")
    comparison = evidence.comparison
    if comparison is not None and comparison.dataset is not None:
        yield from _compared(comparison.metrics, _slice(comparison.dataset), "published version", own=False)
    for measurement in evidence.training.metrics if evidence.training is not None else ():
        yield _metric(measurement.name, measurement, measurement.method)


def _compared(
    metrics: Iterable[MetricComparison], where: str, before: str, *, prefix: str = "", own: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield each metric, what it was before, and the difference; ``own`` is whether the new value is told too."""
    for item in metrics:
        name = f"{prefix}{item.after.name}"
        if own:
            yield _metric(name, item.after, where)
        if item.before is not None:
            yield _metric(f"{name} of the {before}", item.before, where)
        if item.difference is not None:
            yield _metric(f"{name}, difference to the {before}", item.difference, where)


def _metric(name: str, item: Measurement, where: str) -> dict[str, Any]:
    interval = item.interval
    bounds = {} if interval is None else {"lowerBound": exact(interval[0]), "upperBound": exact(interval[1])}
    return filled(type=name, value=exact(item.value), slice=where, confidenceInterval=bounds)


def _slice(ref: DatasetRef) -> str:
    return f"{name_of(ref)}, split {ref.split}"


def _considerations(evidence: Evidence) -> dict[str, Any]:
    out_of_scope = _said(evidence, "out_of_scope_use")
    risks = [text for key in ("bias", "risks") if (text := _said(evidence, key))]
    advice = _said(evidence, "recommendations")
    return filled(
        useCases=_texts(_said(evidence, "direct_use"), _said(evidence, "downstream_use")),
        technicalLimitations=_texts(_said(evidence, "limitations"), out_of_scope and f"Out of scope: {out_of_scope}"),
        ethicalConsiderations=[filled(name=text, mitigationStrategy=advice) for text in risks],
        environmentalConsiderations=_energy(evidence.training),
    )


def _energy(training: TrainingRecord | None) -> dict[str, Any]:
    """Return the energy that was measured; who provided it is not known."""
    if training is None or training.energy_kwh is None:
        return {}
    emissions = training.emissions_kg
    consumed = filled(
        activity="fine-tuning",
        activityEnergyCost={"value": training.energy_kwh, "unit": "kWh"},
        co2CostEquivalent={} if emissions is None else {"value": emissions / 1000, "unit": "tCO2eq"},
        properties=properties(("method", training.energy_method)),
    )
    return {"energyConsumptions": [{**consumed, "energyProviders": []}]}


def _training_properties(training: TrainingRecord | None) -> list[dict[str, str]]:
    if training is None:
        return []
    return properties(
        ("objective", training.objective),
        ("data-format", training.data_format),
        ("max-length", training.max_length),
        ("pooling", training.pooling),
        ("similarity", training.similarity),
        ("seed", training.seed),
        ("examples", training.examples),
        ("tokens", training.tokens or None),
        ("flops-estimated", training.flops),
        ("flops-method", training.flops_method if training.flops is not None else ""),
    )


def _origins(evidence: Evidence) -> list[dict[str, str]]:
    """Return who said what stands in the considerations, and what nobody answered."""
    told = [answer(evidence, question.key) for question in QUESTIONS]
    return properties(
        *(
            (f"statement:{item.question.key}", _origin(item.statement) if item.answered else "unanswered")
            for item in told
        )
    )


def _origin(statement: Statement) -> str:
    by = f" by {statement.by}" if statement.by else ""
    on = f" on {statement.date}" if statement.date else ""
    return f"{statement.origin}{by}{on}{f', source: {statement.source}' if statement.source else ''}"


def _digests(evidence: Evidence) -> list[dict[str, str]]:
    """Return the verdict, what was not checked, and the digests that bind the bill to its evidence."""
    verdict, training, key = evidence.verdict, evidence.training, evidence.signing_key
    return properties(
        ("decision", verdict.decision if verdict is not None else "not judged"),
        ("policy", verdict.policy_name if verdict is not None else None),
        ("policy-digest", verdict.policy_digest if verdict is not None else None),
        ("report-digest", verdict.report_digest if verdict is not None else None),
        ("evidence-digest", evidence.digest),
        ("content-digest", evidence.content_digest),
        ("payload-digest", evidence.payload_digest),
        ("weights-digest", training.weights_sha256 if training is not None else None),
        ("signing-key", f"{key.algorithm} {key.fingerprint}" if key is not None else None),
        *(("waiver", f"{item.waiver.code}: {item.waiver.words}") for item in _waivers(evidence)),
        *(("approved-by", approval.by) for approval in evidence.approvals),
        *(("not-checked", f"{row.code}: {row.status}") for row in unchecked(evidence)),
    )


def _waivers(evidence: Evidence) -> tuple[Any, ...]:
    return used_waivers(evidence.verdict) if evidence.verdict is not None else ()


def _said(evidence: Evidence, key: str) -> str:
    """Return what was stated or copied; "" where nobody answered."""
    statement = evidence.statement(key)
    return "" if statement.origin == "unanswered" else statement.text.strip()


def _texts(*texts: str) -> list[str]:
    return [text for text in texts if text]

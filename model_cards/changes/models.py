"""What differs in the model: base, training, weights, files, what it is published as, and the software used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.records import digest_of
from model_cards.changes.pairing import Words, changed, compared, in_words, mapped, same, short
from model_cards.changes.records import Area, Change
from model_cards.evidence import Adapter, BaseModel, Evidence, TrainingRecord
from model_cards.typesetting import measured, number, plural

_RELEASE = {
    "license": ("License that it is published under", 88),
    "repo_id": ("Repository", 57),
    "model_name": ("Name of the model", 36),
    "language": ("Languages", 36),
    "save_format": ("What is saved", 57),
    "signing_key": ("Key that signs", 59),
}
_BASE = {
    "model_id": ("Base model", 71),
    "revision": ("Revision of the base model", 53),
    "weights_sha256": ("Weights of the base model", 53),
    "adapter_sha256": ("Adapter that the base came with", 53),
    "license": ("License of the base model as declared", 71),
    "license_source": ("Where the license of the base model was read", 16),
    "num_parameters": ("Parameters of the base model", 26),
    "architecture": ("Architecture of the base model", 51),
}
_TRAINING = {
    "objective": "Objective",
    "data_format": "Format of the data",
    "text_columns": "Columns that were trained on",
    "temperature": "Temperature",
    "pooling": "Pooling",
    "normalize": "Embeddings are normalised",
    "max_length": "Longest text, in tokens",
    "embedding_dimension": "Dimensions of the embedding",
    "similarity": "Similarity",
    "seed": "Seed",
    "batch_size": "Batch size",
    "steps": "Steps",
    "epochs": "Epochs",
    "learning_rate": "Learning rate",
    "schedule": "Schedule",
    "examples": "Examples",
    "tokens": "Tokens",
    "padded_tokens": "Tokens with padding",
    "flops": "FLOPs",
    "flops_method": "How FLOPs were estimated",
    "energy_kwh": "Energy in kWh",
    "emissions_kg": "Emissions in kg CO2eq",
    "energy_method": "How energy was measured",
}
_LOADING = frozenset({"pooling", "normalize", "max_length", "embedding_dimension", "similarity"})
"""Settings on which stored vectors of the other release depend."""

_ENVIRONMENT = {
    "device": "Device",
    "processor": "Processor",
    "cores": "Cores",
    "precision": "Precision",
    "operating_system": "Operating system",
}


def release_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield what differs in name, license and form of what is published."""
    for name, (title, weight) in _RELEASE.items():
        yield from _field("release", name, title, weight, before, after)


def base_changes(before: BaseModel | None, after: BaseModel | None) -> Iterator[Change]:
    """Yield what differs in the model that was adapted."""
    for name, (title, weight) in _BASE.items():
        yield from _field("base model", name, title, weight, before, after)


def training_changes(before: TrainingRecord | None, after: TrainingRecord | None) -> Iterator[Change]:
    """Yield the settings that differ, and what training gave, but for data, weights and software."""
    if (before is None) != (after is None):
        words = Words("training", "training", "Record of the training", 82 if after is None else 44)
        yield changed(words, *in_words(before, after, _recorded))
    if before is None or after is None:
        return
    for name, title in _TRAINING.items():
        yield from _field("training", name, title, 33 if name in _LOADING else 28, before, after)
    if before.adapter != after.adapter:
        words = Words("training", "adapter", "Adapter", 31)
        yield changed(words, *in_words((before.adapter,), (after.adapter,), lambda item: _adapter(*item)), "changed")
    for title, field in (("Prompt", "prompts"), ("Argument", "arguments")):
        sides = getattr(before, field), getattr(after, field)
        for key, _, _ in mapped(*sides):
            words = Words("training", f"{title.lower()} {key}", f"{title} {key}", 33 if field == "prompts" else 27)
            # an empty value that is told is none that is missing
            old, new = ((side[key],) if key in side else None for side in sides)
            yield changed(words, *in_words(old, new, lambda item: _told(*item) or "empty"))
    if before.losses != after.losses:
        words = Words("training", "losses", "Training loss", 9)
        yield changed(words, *in_words(before.losses, after.losses, _losses), "changed")
    logged, logs = ({item.name: item for item in side.metrics} for side in (before, after))
    for name, left, right in mapped(logged, logs):
        yield compared(Words("training", f"metric {name}", f"Logged {name}", 9), left, right, measured)


def file_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield whether weights and files are the same, and the license texts that go along."""
    yield from _field("files", "payload_digest", "Files of the model", 21, before, after)
    trained = before.training, after.training
    if trained[0] is not None and trained[1] is not None:
        yield from _field("files", "weights_sha256", "Trained weights", 21, *trained)
    for name, one, other in mapped(before.license_texts, after.license_texts):
        words = Words("files", f"license text {name}", f"Text of {name} that goes along", 23)
        yield changed(words, *in_words(one, other, _text))


def software_changes(before: Evidence, after: Evidence) -> Iterator[Change]:
    """Yield packages of other versions, and another machine."""
    sources = [_versions(before), _versions(after)]
    for place in ("", "audit", "training", "earlier audit"):
        for name, one, other in mapped(sources[0].get(place, {}), sources[1].get(place, {})):
            # what the audit says too is said once
            words = Words("software", f"package {name}", name, 11)
            yield changed(words, *in_words(one, other, lambda version: version or "no version"))
    old, new = (item.training.environment if item.training is not None else None for item in (before, after))
    if old is not None and new is not None:
        for name, title in _ENVIRONMENT.items():
            yield from _field("software", name, title, 9, old, new)


def _field(area: Area, name: str, title: str, weight: int, before: Any, after: Any) -> Iterator[Change]:
    old, new = (getattr(side, name, None) for side in (before, after))
    # an empty text and none say the same here
    if not same(old, new) and (_told(old) or _told(new)):
        yield changed(Words(area, f"{area} {name}", title, weight), *in_words(old, new, _told))


def _text(text: str) -> str:
    return f"{plural(len(text), 'character')}, {short(digest_of(text))}"


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value) if isinstance(value, int) else f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_told(item)}" for key, item in sorted(value.items()))
    if hasattr(value, "fingerprint"):
        return f"{value.algorithm} {short(value.fingerprint)}"
    if isinstance(value, str) and (value.startswith("sha256:") or (len(value) in (40, 64) and _is_hexadecimal(value))):
        return short(value)
    return "" if value is None else str(value)


def _is_hexadecimal(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


def _adapter(adapter: Adapter | None) -> str:
    if adapter is None:
        return "none, all weights are trained"
    return (
        f"LoRA, rank {adapter.rank}, alpha {number(adapter.alpha)}, dropout {number(adapter.dropout)}, on "
        f"{', '.join(adapter.target_modules)}; {adapter.trainable_parameters:,} trainable parameters"
    )


def _recorded(training: TrainingRecord) -> str:
    return f"{plural(training.steps, 'step')} of {training.objective}"


def _losses(losses: tuple[tuple[int, float], ...]) -> str:
    if not losses:
        return "not logged"
    step, loss = losses[-1]
    return f"{loss:.6g} at step {step:,}, of {plural(len(losses), 'value')}"


def _versions(evidence: Evidence) -> dict[str, Mapping[str, str]]:
    training, audit, earlier = evidence.training, evidence.audit, evidence.earlier_audit
    return {
        "": evidence.versions,
        "audit": audit.versions if audit is not None else {},
        "training": training.environment.versions if training is not None else {},
        "earlier audit": earlier.versions if earlier is not None else {},
    }

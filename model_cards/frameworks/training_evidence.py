"""Predicates on the training and the evaluation: what was done, with how much, and what came of it."""

from __future__ import annotations

from collections.abc import Callable

from model_cards.evidence import EvaluationReport, Evidence, MetricComparison
from model_cards.facts import name_of
from model_cards.frameworks.predicates import Found, found, graded, predicate
from model_cards.questions import describes_model
from model_cards.typesetting import measured, number, plural

_NO_TRAINING = "No training was seen."
_BANDS = ((1e9, "less than 1 billion"), (1e13, "1 billion to 10 trillion"), (float("inf"), "more than 10 trillion"))


@predicate
def data_alone(evidence: Evidence) -> Found:
    """The evidence is about data, and describes no model."""
    if describes_model(evidence):
        return found("no", "A model is described.")
    return found("yes", "The evidence is about data alone; no model is described.")


@predicate
def adaptation_recorded(evidence: Evidence) -> Found:
    """How the base model was adapted is recorded, and which weights came of it."""
    training = evidence.training
    if training is None or not training.objective:
        return found("no", _NO_TRAINING)
    adapter = training.adapter
    how = (
        f"LoRA, rank {adapter.rank}, {number(adapter.trainable_parameters)} trainable parameters"
        if adapter
        else "all weights trained"
    )
    words = (
        f"{training.objective}, {how}, {plural(training.steps, 'step')} of batch {number(training.batch_size)}, "
        f"learning rate {number(training.learning_rate)}, seed {training.seed}"
    )
    if not training.weights_sha256:
        words = f"{words}. But: the weights that came of it have no digest"
        return found("partial", f"{words}.", ["/training/objective"])
    words = f"{words}; weights {training.weights_sha256}."
    return found("yes", words, ["/training/objective", "/training/weights_sha256"])


@predicate
def architecture_recorded(evidence: Evidence) -> Found:
    """Architecture and number of parameters are recorded."""
    base = evidence.training.base if evidence.training is not None else None
    if base is None:
        return found("no", _NO_TRAINING)
    there = {
        "/training/base/architecture": base.architecture,
        "/training/base/num_parameters": base.num_parameters and f"{number(base.num_parameters)} parameters",
    }
    told = {address: str(value) for address, value in there.items() if value}
    words = f"{', '.join(told.values()) or 'Neither is recorded'}, of the base model."
    return found(graded([*told], len(there)), words, [*told])


@predicate
def interface_recorded(evidence: Evidence) -> Found:
    """Form and size of inputs and outputs are recorded."""
    training = evidence.training
    if training is None or training.max_length < 1 or training.embedding_dimension < 1:
        return found("no", "The form of inputs and outputs is not recorded.")
    words = (
        f"Text of at most {plural(training.max_length, 'token')} to a vector of "
        f"{number(training.embedding_dimension)} dimensions, {training.pooling} pooling, {training.similarity} "
        f"similarity, {plural(len(training.prompts), 'prompt')}."
    )
    return found("yes", words, ["/training/max_length", "/training/embedding_dimension"])


@predicate
def software_recorded(evidence: Evidence) -> Found:
    """The versions of the software that trained the model are recorded."""
    versions = evidence.training.environment.versions if evidence.training is not None else {}
    if not versions:
        return found("no", "No version of software is recorded.")
    words = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return found("yes", f"{words}.", ["/training/environment/versions"])


@predicate
def hardware_and_time_recorded(evidence: Evidence) -> Found:
    """On what, and for how long, was trained."""
    training = evidence.training
    if training is None:
        return found("no", _NO_TRAINING)
    there = {
        "/training/seconds": training.seconds and f"{number(training.seconds)} s",
        "/training/environment/device": training.environment.device,
    }
    told = {address: str(value) for address, value in there.items() if value}
    words = f"{' on '.join(told.values()) or 'Neither is recorded'}."
    return found(graded([*told], len(there)), words, [*told])


@predicate
def compute_estimated(evidence: Evidence) -> Found:
    """The floating point operations of this training were estimated, by a method that is told."""
    training = evidence.training
    if training is None or training.flops is None:
        return found("no", "The floating point operations of the training were not estimated.")
    words = f"About {number(training.flops)} FLOPs for this training"
    tail = "what the original model took is not recorded here"
    method = training.flops_method.removeprefix("estimate: ")
    if not method:
        return found("partial", f"{words}, by a method that is not told; {tail}.", ["/training/flops"])
    words = f"{words}, estimated as {method}; {tail}."
    return found("yes", words, ["/training/flops", "/training/flops_method"])


@predicate
def compute_against_original(evidence: Evidence) -> Found:
    """The operations of this training were estimated, and somebody said what the original model took."""
    own, original = compute_estimated(evidence), evidence.statement("original_compute")
    if own.state == "no":
        return own
    if original.origin == "unanswered" or not original.text.strip():
        words = f"{own.words} But: nobody said what the original took, so what share of it this is stays open."
        return found("partial", words, own.addresses)
    by = f"by {original.by}" if original.by else "by whom is not recorded"
    words = f"{own.words} What it took was {original.origin}, {by}."
    return found(own.state, words, [*own.addresses, f"/statements/{evidence.statements.index(original)}"])


@predicate
def energy_measured(evidence: Evidence) -> Found:
    """The energy that the training took was measured, by a method that is told."""
    training = evidence.training
    if training is None or training.energy_kwh is None:
        return found("no", "The energy that the training took was not measured.")
    emissions = f"{number(training.emissions_kg)} kg CO2eq" if training.emissions_kg is not None else "not estimated"
    words = f"{number(training.energy_kwh)} kWh, emissions {emissions}"
    if not training.energy_method:
        return found("partial", f"{words}. But: the method is not told.", ["/training/energy_kwh"])
    return found("yes", f"{words}: {training.energy_method}.", ["/training/energy_kwh", "/training/energy_method"])


@predicate
def tokens_counted(evidence: Evidence) -> Found:
    """How many tokens were read in training, in the size bands of the Commission's template."""
    training = evidence.training
    if training is None or training.tokens < 1:
        return found("no", "The tokens read in training were not counted.")
    band = next(words for limit, words in _BANDS if training.tokens < limit)
    words = (
        f"{plural(training.tokens, 'token')} of text over {number(training.epochs)} epochs, each repeat counted "
        f"again: {band}. What the base model was trained on is not counted."
    )
    return found("yes", words, ["/training/tokens"])


@predicate
def evaluations_described(evidence: Evidence) -> Found:
    """The test data, the settings and the metrics of every evaluation are recorded."""

    def told(item: EvaluationReport) -> str:
        if not item.metrics:
            return ""
        return (
            f"{item.task} on {name_of(item.dataset)}, split {item.dataset.split}: "
            f"{plural(item.queries, 'query', 'queries')}, {plural(item.documents, 'document')}, seed {item.seed}, "
            f"{', '.join(metric.after.name for metric in item.metrics)}"
        )

    return _evaluated(evidence, told)


@predicate
def evaluation_with_interval(evidence: Evidence) -> Found:
    """The primary metric of every evaluation was measured with an interval."""

    def told(item: EvaluationReport) -> str:
        primary = _primary(item)
        if primary is None:
            return ""
        if primary.after.interval is not None:
            return f"{item.task} {primary.after.name} {measured(primary.after)}"
        if primary.difference is not None and primary.difference.interval is not None:
            difference = measured(primary.difference, signed=True)
            return f"{item.task} {primary.after.name} {measured(primary.after)}, difference {difference}"
        return ""

    return _evaluated(evidence, told)


@predicate
def before_after_compared(evidence: Evidence) -> Found:
    """Every evaluation was made on the base model too, and the difference was measured."""

    def told(item: EvaluationReport) -> str:
        primary = _primary(item)
        if primary is None or primary.before is None or primary.difference is None:
            return ""
        name = primary.after.name
        return (
            f"{item.task} {name}: before {measured(primary.before)}, after {measured(primary.after)}, difference "
            f"{measured(primary.difference, signed=True)}"
        )

    return _evaluated(evidence, told)


def _primary(item: EvaluationReport) -> MetricComparison | None:
    return next((metric for metric in item.metrics if metric.after.name == item.primary_metric), None)


def _evaluated(evidence: Evidence, told: Callable[[EvaluationReport], str]) -> Found:
    """Return whether ``told`` has something to say on every evaluation, all of them of the weights described."""
    evaluations = [item for item in evidence.evaluations if item.measures_quality]
    if not evaluations:
        return found("no", "Nothing was evaluated.")
    trained = evidence.training.weights_sha256 if evidence.training is not None else ""
    own = [item for item in evaluations if not (trained and item.weights_sha256)]
    known = [item for item in evaluations if trained and item.weights_sha256 == trained]
    words = [text for item in (*known, *own) if (text := told(item))]
    problems = []
    if len(words) < len(known) + len(own):
        problems.append("not for every evaluation")
    if own:
        problems.append("that it was measured on these weights is not recorded")
    if len(known) + len(own) < len(evaluations):
        problems.append("other evaluations are of other weights")
    tail = f". But: {'; '.join(problems)}" if problems else ""
    return found(graded(words, 0, problems), f"{'; '.join(words) or 'Not measured'}{tail}.", ["/evaluations"])

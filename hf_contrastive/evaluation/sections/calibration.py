"""Are the probe's probabilities right? Brier, NLL and ECE beside what chance alone would show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from audits.findings import Measurement
from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.calibration import (
    BINS,
    calibration_statistics,
    ece_null,
    reliability_table,
    temperature_scaling,
)
from hf_contrastive.evaluation.classification import Classified
from hf_contrastive.evaluation.classification_task import Classification
from hf_contrastive.evaluation.encodings import Encodings, Texts
from hf_contrastive.evaluation.estimates import Statistic
from hf_contrastive.evaluation.estimates import measure as measured
from hf_contrastive.evaluation.sections import Asked
from model_cards.evidence import EvaluationSection, MetricComparison

name = "calibration"


def standard(asked: Asked) -> bool:
    """Whether it is measured unless somebody says otherwise: where there are probabilities."""
    return isinstance(asked.task, Classification)


def texts(asked: Asked) -> Iterable[Texts]:
    """Return nothing: the task's vectors suffice."""
    _of(asked)
    return ()


def measure(asked: Asked) -> EvaluationSection:
    """Measure the probabilities of the linear probe on texts whose label it knows."""
    told = [_told(asked, vectors) for vectors in asked.models]
    sizes = (len(told[0].codes),)
    statistics = [calibration_statistics(item.probabilities, item.codes) for item in told]
    before = statistics[1] if asked.before is not None else None
    metrics = list(measured(statistics[0], sizes, before=before, of="texts", seed=asked.seed))
    metrics += _null(asked, told)
    method = (
        f"Probabilities of the linear probe; ECE in {BINS} bins of equal size. Even perfect probabilities have an ECE "
        "above 0, which is why it stands beside its resampled null"
    )
    try:
        metrics += _scaled(asked, told)
    except NotComputableError as error:
        method += f". Temperature scaling was not computed: {error}"
    tables = [
        reliability_table(item.probabilities, item.codes, seed=asked.seed, name=f"reliability of the {which}")
        for which, item in zip(("model", "base"), told, strict=False)
    ]
    unseen = len(_of(asked).test) - sizes[0]
    if unseen:
        method += f". {unseen} texts of labels unseen in training are left out"
    return EvaluationSection(name=name, metrics=tuple(metrics), tables=tuple(tables), method=method)


def _of(asked: Asked) -> Classification:
    if not isinstance(asked.task, Classification):
        msg = "the task gives no probabilities; a classification does"
        raise NotComputableError(msg)
    return asked.task


def _told(asked: Asked, vectors: Encodings) -> Classified:
    task = _of(asked)
    told = task.probe(vectors, task.test, task.test_labels, asked.seed)
    known = told.codes >= 0
    if not known.any():
        msg = "no text has a label that is known from training"
        raise NotComputableError(msg)
    return replace(told, probabilities=told.probabilities[known], told=told.told[known], codes=told.codes[known])


def _null(asked: Asked, told: list[Classified]) -> list[MetricComparison]:
    found = []
    for item in told:
        null = ece_null(item.probabilities, item.codes, seed=asked.seed)
        rows = len(item.codes)
        method = f"95 % of {null.resamples} resamples in which each text is right with the probability it was given"
        found.append(
            (
                Measurement(
                    name="ece of perfect probabilities",
                    value=null.mean,
                    unit="score",
                    sample_size=rows,
                    interval=(null.low, null.high),
                    method=method,
                ),
                Measurement(
                    name="p-value of perfect probabilities",
                    value=null.p_value,
                    unit="",
                    sample_size=rows,
                    method=f"share of {null.resamples} resamples with an ECE at least as large",
                ),
            )
        )
    return [
        MetricComparison(after=after, before=found[1][place] if len(found) > 1 else None)
        for place, after in enumerate(found[0])
    ]


def _scaled(asked: Asked, told: list[Classified]) -> list[MetricComparison]:
    scaled = [temperature_scaling(item.probabilities, item.codes, seed=asked.seed) for item in told]
    statistics = []
    for item, found in zip(told, scaled, strict=True):
        of: dict[str, Statistic] = {}
        for when, part in (("before", found.before), ("after", found.after)):
            named = calibration_statistics(part, item.codes[found.rows])
            of |= {f"{key} {when} temperature scaling": named[key] for key in ("nll", "ece")}
        statistics.append(of)
    first = scaled[0]
    note = f"a temperature of {first.temperature:.3g} fitted on {first.fitted_on} other texts"
    before = statistics[1] if asked.before is not None else None
    return list(measured(statistics[0], (len(first.rows),), before=before, of="texts", note=note, seed=asked.seed))

"""What a model costs and keeps, in card, report and evidence: shown with intervals, and never taken for its quality."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from audits.findings import DatasetRef, Measurement
from hf_contrastive.errors import EvaluationError
from hf_contrastive.inference.evaluation import as_evaluation
from hf_contrastive.inference.recommendation import recommend
from hf_contrastive.inference.records import (
    Bounds,
    ColdStart,
    CombinedQuality,
    InferenceReport,
    LatencyCell,
    StorageReport,
    VariantReport,
)
from hf_contrastive.release.chain import _foreign_claims
from hf_contrastive.release.versioning.versions import _metric
from model_cards.comparison import evaluation_words
from model_cards.documents.report_html import validate
from model_cards.evidence import INFERENCE_COST, STUDY, EvaluationReport
from model_cards.render import render
from model_cards.validate import card_metadata
from tests.report_samples import release

HOSTILE = "<script>alert('x')</script> | pipes"
METHOD = "ratio of means, 95 % percentile bootstrap over queries, 2000 resamples, paired"


def kept(value: float, low: float, high: float) -> Measurement:
    return Measurement(
        name="ndcg@10 kept", value=value, unit="fraction", sample_size=500, interval=(low, high), method=METHOD
    )


def variant(name: str, ms: float, quality: Measurement | None, **told: object) -> VariantReport:
    cell = LatencyCell(
        batch_size=1, length=64, calls=200, p50_ms=ms / 2, p95_ms=ms, p99_ms=ms * 2, tokenising_ms=0.1,
        texts_per_second=1000 / ms,
    )  # fmt: skip
    start = ColdStart(starts=3, total=2.345, importing=1.0, loading=0.5, first_text=0.1)
    return VariantReport(
        name=name, description=f"as {name}", size_mb=90.2, peak_memory_mb=512.4, peak_memory_batches_mb=900,
        cold_start=start, cells=(cell,), cost_per_million=ms / 100, quality=quality, **told,
    )  # type: ignore[arg-type] # fmt: skip


def storage(name: str, size: float, quality: Measurement | None, **told: object) -> StorageReport:
    return StorageReport(name=name, description=name, bytes_per_vector=size, index_mb=size, quality=quality, **told)  # type: ignore[arg-type]


@pytest.fixture
def report() -> InferenceReport:
    variants = (
        variant("merged", 20, kept(1, 1, 1)),
        variant("onnx", 12, kept(1, 0.999, 1.001)),
        variant("onnx-int8", 6, kept(0.95, 0.92, 0.98)),
        VariantReport(name="bf16", description="half", not_measured="its process was ended by signal 9"),
    )
    found = InferenceReport(
        model_name="tiny", weights_sha256="sha256:" + "7" * 64, dimension=384,
        data=DatasetRef(split="test", fingerprint="sha256:" + "1" * 64, num_rows=500), queries=500, documents=800,
        baseline=Measurement(name="ndcg@10", value=0.61, unit="", sample_size=500, interval=(0.58, 0.64)),
        max_length=256, seed=3, length=64, threads=2, rounds=3, bounds=Bounds(latency_ms=15, hourly_price=0.5),
        variants=variants,
        storages=(storage("float32", 1536, kept(1, 1, 1)), storage("binary", 48, kept(0.8, 0.7, 0.9))),
        combined=(CombinedQuality(variant="onnx", storage="binary", quality=kept(0.81, 0.7, 0.9)),),
        machine="a machine", versions={"torch": "2.13"},
    )  # fmt: skip
    return replace(found, recommendations=recommend(found))


@pytest.fixture
def evaluation(report: InferenceReport) -> EvaluationReport:
    return report.as_evaluation()


def test_it_is_the_report_and_survives_json(report: InferenceReport, evaluation: EvaluationReport):
    assert EvaluationReport.from_dict(json.loads(json.dumps(evaluation.to_dict()))) == evaluation
    assert (evaluation.task, evaluation.dataset, evaluation.queries, evaluation.documents) == (
        INFERENCE_COST, report.data, 500, 800,
    )  # fmt: skip
    assert (evaluation.max_length, evaluation.seed, evaluation.weights_sha256) == (256, 3, report.weights_sha256)
    # the reference keeps all of itself, which nobody measured
    assert {item.after.name: item.after.interval for item in evaluation.metrics} == {
        "ndcg@10 kept by onnx": (0.999, 1.001),
        "ndcg@10 kept by onnx-int8": (0.92, 0.98),
    }
    costs, vectors, advice = evaluation.sections
    assert costs.tables[0].rows[1] == ("onnx (as onnx)", 90.2, 2.35, 512, 6, 12, 83.3, 1, 0.12)
    assert "a machine; 2 threads a process, 3 rounds in turns" in costs.method
    assert "torch 2.13" in costs.method
    assert "bf16 (half): not measured because its process was ended by signal 9." in costs.method
    assert [item.after.name for item in vectors.metrics] == ["ndcg@10 kept with binary"]
    assert [row[1] for row in advice.tables[0].rows] == [item.words for item in report.recommendations]


def test_what_it_says_first_follows_from_bounds_and_intervals(report: InferenceReport):
    told = evaluation_words(report.as_evaluation())
    assert "1 of the 2 other forms that were measured keep at least 98 % of the nDCG@10 of merged (as merged)" in told
    assert "the fastest of these is onnx, with 12 ms for one text of 64 tokens instead of 20 ms" in told
    wider = replace(report, bounds=Bounds(quality_loss=0.1))
    assert "2 of the 2 other forms" in (told := evaluation_words(wider.as_evaluation()))
    assert "the fastest of these is onnx-int8" in told
    alone = replace(report, variants=(report.variants[0], report.variants[2]))
    assert "none of these is faster with one text of 64 tokens than merged, 20 ms" in as_evaluation(alone).note


def test_without_data_it_is_half_a_statement(report: InferenceReport):
    with pytest.raises(EvaluationError, match=r"without data: .* Measure again with `data`") as raised:
        replace(report, data=None).as_evaluation()
    assert "\n" not in str(raised.value)


def test_a_reference_that_finds_nothing_and_no_form_at_all(report: InferenceReport):
    blank = [
        replace(item, quality=None, quality_not_computed="the reference finds nothing") for item in report.measured
    ]
    stored = tuple(replace(item, quality=None, quality_not_computed="it finds nothing") for item in report.storages)
    nothing = replace(report, variants=tuple(blank), storages=stored, combined=(), recommendations=())
    for found in (nothing, replace(report, variants=(), storages=(), combined=(), recommendations=())):
        evidence = replace(release("pass"), evaluations=(found.as_evaluation(),))
        card = render(evidence, "card")
        assert "| Metric | Kept" not in card
        assert "Recommendations: not computed" in card
        assert "was not computed, because the reference finds nothing" in card or "No form of the model" in card
        for document in ("report_html", "report_md", "cyclonedx", "evidence_json"):
            render(evidence, document)


def test_card_and_report_show_costs_beside_what_is_kept(evaluation: EvaluationReport):
    evidence = release("pass")
    evidence = replace(evidence, evaluations=(*evidence.evaluations, evaluation))
    card = render(evidence, "card")
    assert "| ndcg@10 kept by onnx-int8 | 95 % \\[92 %, 98 %\\] | a loss is shown |" in card
    assert "| ndcg@10 kept by onnx | 100 % \\[99.9 %, 100 %\\] | no loss shown |" in card
    assert "| onnx (as onnx) | 90.2 | 2.35 | 512 | 6 | 12 | 83.3 | 1 | 0.12 |" in card
    assert "| ndcg@10 kept with binary | 80 % \\[70 %, 90 %\\] | 500 |" in card
    assert "| cloud | For the cloud: onnx" in card
    page = render(evidence, "report_html")
    validate(page)
    assert "What other forms keep of the reference" in page
    assert "Milliseconds a batch, 3 rows" in page
    assert page.count("ndcg@10 kept by onnx-int8") == 1
    assert "| ndcg@10 kept by onnx-int8 | 95 %" in render(evidence, "report_md")


def test_it_is_no_quality_of_the_model(evaluation: EvaluationReport):
    evidence = release("pass")
    both = replace(evidence, evaluations=(evaluation, *evidence.evaluations))
    card, before = render(both, "card"), render(evidence, "card")
    # the model-index holds what it held, and "Training helped" stands as often as before
    assert card_metadata(card) == card_metadata(before)
    assert card.count("Training helped") == before.count("Training helped")
    assert "Quality was measured on 1 task only" in card
    assert "kept by" not in render(both, "cyclonedx")
    assert _metric(both) == _metric(evidence)
    lone = replace(evidence, evaluations=(evaluation,), comparison=None)
    assert _metric(lone) == (None, "")
    assert "model-index" not in render(lone, "card").split("\n---\n")[0]
    for document in ("card", "report_html", "report_md"):
        assert "Not evaluated: no quality was measured." in render(lone, document)
    assert ">Measured quality</dt><dd>not evaluated" in render(lone, "report_html")


@pytest.mark.parametrize(("task", "quality"), [("retrieval", True), (STUDY, False), (INFERENCE_COST, False)])
def test_which_tasks_measure_quality(evaluation: EvaluationReport, task: str, quality: bool):
    assert replace(evaluation, task=task).measures_quality is quality


def test_weights_are_held_against_those_that_were_trained(evaluation: EvaluationReport):
    known = release("pass")
    assert known.training is not None
    assert known.audit is not None
    trained = replace(known.training, weights_sha256=evaluation.weights_sha256)
    evidence = replace(known, training=trained, evaluations=(evaluation,))
    assert _foreign_claims(evidence, known.audit) == []
    other = replace(evidence, evaluations=(replace(evaluation, weights_sha256="sha256:" + "9" * 64),))
    (problem,) = _foreign_claims(other, known.audit)
    assert problem.startswith("The inference cost on test was measured on other weights than those published.")


def test_names_are_escaped(report: InferenceReport):
    named = replace(report, variants=(report.variants[0], replace(report.variants[1], name=HOSTILE)), machine=HOSTILE)
    evidence = replace(release("pass"), evaluations=(named.as_evaluation(),))
    card = render(evidence, "card")
    assert "<script>" not in card
    assert "kept by &lt;script&gt;alert('x')&lt;/script&gt; \\| pipes |" in card
    assert "<script>alert" not in render(evidence, "report_html")

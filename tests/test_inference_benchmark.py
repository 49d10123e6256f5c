"""What a model costs in each form: turns, quantiles, vectors in less memory, ratios, rules, and whole runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.findings import DatasetRef, Measurement
from hf_contrastive.errors import ConfigurationError, EvaluationError, NotComputableError
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.evaluation.retrieval import top_documents
from hf_contrastive.inference import benchmark, quantized
from hf_contrastive.inference.benchmark import benchmark_inference
from hf_contrastive.inference.pareto import pareto_chart, pareto_charts
from hf_contrastive.inference.processes import Worker, WorkerError
from hf_contrastive.inference.quality import mean_cosine, ndcg, quality_kept
from hf_contrastive.inference.recommendation import on_front, recommend
from hf_contrastive.inference.records import (
    Bounds,
    ColdStart,
    CombinedQuality,
    InferenceReport,
    LatencyCell,
    StorageReport,
    VariantReport,
)
from hf_contrastive.inference.report_files import render_page, write_report
from hf_contrastive.inference.tables import markdown_report, not_measured
from hf_contrastive.inference.timing import Samples, cell_of, time_cells

Cli = Callable[..., tuple[int, str, str]]


def unit_vectors(count: int, dimension: int, seed: int) -> quantized.Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, dimension))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


# ---- vectors in less memory ---------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 24), st.integers(0, 1000))
def test_int8_codes_are_within_half_a_step(count: int, dimension: int, seed: int):
    documents = unit_vectors(count, dimension, seed)
    codes, steps = quantized.int8_codes(documents)
    assert codes.dtype == np.int8
    assert (np.abs(codes * steps - documents) <= steps / 2 * 1.001).all()


@given(st.integers(1, 30), st.integers(1, 24), st.integers(0, 1000))
def test_binary_ranks_by_hamming_distance(count: int, dimension: int, seed: int):
    queries, documents = unit_vectors(3, dimension, seed), unit_vectors(count, dimension, seed + 1)
    distances = ((queries > 0)[:, None] != (documents > 0)[None]).sum(axis=2)
    expected = np.argsort(distances, axis=1, kind="stable")[:, :10]
    assert (quantized.rank_binary(queries, documents, 10) == expected).all()


@given(st.integers(1, 40), st.integers(2, 24), st.integers(0, 1000))
def test_scored_again_among_all_documents_is_the_ranking_of_the_codes(count: int, dimension: int, seed: int):
    queries, documents = unit_vectors(3, dimension, seed), unit_vectors(count, dimension, seed + 1)
    codes, steps = quantized.int8_codes(documents)
    expected = np.argsort(-(queries @ (codes * steps).T), axis=1, kind="stable")[:, :10]
    for rank in (quantized.rank_int8_rescored, quantized.rank_binary_rescored):
        found = rank(queries, documents, 10)
        scores = np.take_along_axis(queries @ (codes * steps).T, found, axis=1)
        # equal to rounding may stand in either order
        np.testing.assert_allclose(scores, np.take_along_axis(queries @ (codes * steps).T, expected, axis=1), atol=1e-6)


def test_int8_finds_nearly_what_whole_vectors_find():
    queries, documents = unit_vectors(50, 64, 0), unit_vectors(500, 64, 1)
    whole, small = (rank(queries, documents, 10) for rank in (quantized.rank_whole, quantized.rank_int8))
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(whole.tolist(), small.tolist(), strict=True)])
    assert shared > 0.9
    assert (whole == top_documents(queries, documents, k=10)).all()


def test_bytes_and_dimensions_of_each_way():
    found = {item.name: item for item in quantized.storages(384)}
    sizes = {name: (item.bytes_per_vector, item.disk_bytes_per_vector) for name, item in found.items()}
    assert sizes == {
        "float32": (1536, 0),
        "192 dimensions": (768, 0),
        "96 dimensions": (384, 0),
        "48 dimensions": (192, 0),
        "int8": (384, 0),
        "int8, rescored": (384, 0),
        "binary": (48, 0),
        "binary, rescored": (48, 384),
    }
    names = [item.name for item in quantized.storages(384, [64, 128, 64])]
    assert names[1:3] == ["128 dimensions", "64 dimensions"]


def test_fewer_dimensions_are_the_first_at_length_one():
    vectors = unit_vectors(5, 8, 0)
    short = quantized.shortened(vectors, 3)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(short / short[:, :1], vectors[:, :3] / vectors[:, :1], rtol=1e-5)
    assert not quantized.shortened(np.zeros((1, 8), np.float32), 3).any()


@pytest.mark.parametrize("dims", [[0], [384], [512, 64]])
def test_dimensions_that_the_model_lacks(dims: list[int]):
    with pytest.raises(EvaluationError, match="gives 384 dimensions"):
        quantized.storages(384, dims)


# ---- what is kept -------------------------------------------------------------------------------------


def test_quality_kept_is_a_ratio_of_means_and_pairs_the_queries():
    reference = np.array([1.0, 0.5, 0.0, 0.25] * 10)
    kept = quality_kept(reference, reference * 0.8, seed=0)
    # every query loses the same share: paired, there is no doubt about it
    assert kept.value == pytest.approx(0.8)
    assert kept.interval == pytest.approx((0.8, 0.8))
    assert (kept.unit, kept.sample_size) == ("fraction", 40)
    mixed = quality_kept(reference, reference[::-1].copy(), seed=0)
    assert mixed.value == pytest.approx(1)
    assert mixed.interval is not None
    assert mixed.interval[0] < 1 < mixed.interval[1]


def test_no_ratio_to_nothing():
    with pytest.raises(NotComputableError, match="finds no relevant document"):
        quality_kept(np.zeros(3), np.ones(3), seed=0)


def test_ndcg_of_a_storage_uses_all_relevant_documents():
    task = RetrievalTask.from_pairs(["a", "a", "b"], ["x", "y", "z"])
    vectors = np.eye(3, dtype=np.float32)
    plain = quantized.storages(3)[0]
    queries = np.array([[0.8, 0.6, 0.0], [0.0, 0.8, 0.6]], dtype=np.float32)
    np.testing.assert_allclose(ndcg(plain, queries, vectors, task), [1, 1 / np.log2(3)])


def test_mean_cosine_ignores_lengths():
    vectors = unit_vectors(9, 4, 0)
    found = mean_cosine(vectors, vectors * 3)
    assert found.value == pytest.approx(1)
    assert mean_cosine(vectors, -vectors).value == pytest.approx(-1)


# ---- turns and times ----------------------------------------------------------------------------------


class FakeWorker:
    def __init__(self, name: str, calls: list[str], fails_at: int | None = None) -> None:
        self.name, self.calls, self.fails_at = name, calls, fails_at

    def ask(self, do: str, **job: Any) -> dict[str, Any]:
        if do == "time":
            self.calls.append(self.name)
            if self.fails_at is not None and self.calls.count(self.name) > self.fails_at:
                msg = "its process was ended by signal 9"
                raise WorkerError(msg)
        return {"ms": [2.0] if do == "time" else [0.5]}


class Letters:
    """A tokenizer whose tokens are letters."""

    all_special_ids = (0,)

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [0, *(ord(letter) for letter in text)]}

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        return "".join(map(chr, ids))

    def __len__(self) -> int:
        return 128


def test_variants_take_turns_and_who_begins_changes():
    calls: list[str] = []
    workers: Any = {name: FakeWorker(name, calls) for name in "abc"}
    steps: list[int] = []
    cells, failed = time_cells(
        workers, Samples(Letters(), ["abcdef"]), [(2, 3)], rounds=3, seconds=0.0, step=lambda: steps.append(1)
    )
    # the first call of each is not counted
    assert calls == ["a", "a", "b", "b", "c", "c", "b", "c", "a", "c", "a", "b"]
    assert (failed, len(steps)) == ({}, 9)
    assert cells["a"] == (
        LatencyCell(
            batch_size=2, length=3, calls=3, p50_ms=2, p95_ms=2, p99_ms=None, tokenising_ms=0.5, texts_per_second=800
        ),
    )


def test_a_variant_that_dies_leaves_the_others_alone():
    calls: list[str] = []
    workers: Any = {"a": FakeWorker("a", calls), "b": FakeWorker("b", calls, fails_at=2), "c": FakeWorker("c", calls)}
    cells, failed = time_cells(
        workers, Samples(Letters(), ["abc"]), [(1, 2), (1, 3)], rounds=2, seconds=0.0, step=lambda: None
    )
    assert failed == {"b": "its process was ended by signal 9"}
    assert set(cells) == {"a", "c"}
    assert [cell.length for cell in cells["c"]] == [2, 3]


@given(st.lists(st.floats(0.01, 1000), min_size=1, max_size=250))
def test_quantiles_are_times_of_real_calls(ms: list[float]):
    cell = cell_of(4, 8, ms, [1.0])
    assert {cell.p50_ms, cell.p95_ms} <= set(ms)
    assert cell.p50_ms <= cell.p95_ms
    assert np.mean(np.asarray(ms) <= cell.p95_ms) >= 0.95
    assert (cell.p99_ms is None) == (len(ms) < 100)
    assert cell.texts_per_second == pytest.approx(4000 / (cell.p50_ms + 1))


def test_samples_have_the_length_asked_for_and_no_special_tokens():
    samples = Samples(Letters(), ["ab", "", "cde"])
    assert samples.rows(2, 4) == [[97, 98, 99, 100], [101, 97, 98, 99]]
    assert samples.texts(1, 7) == ["abcdeab"]
    assert all(0 not in row for row in Samples(Letters(), [""]).rows(1, 500))


def test_a_worker_that_can_not_load_says_why(tmp_path: Path):
    with pytest.raises(WorkerError, match=r"its process failed: .*export\.json"):
        Worker({"kind": "onnx", "folder": str(tmp_path), "int8": False, "threads": 1, "text": "a"})


def test_a_text_reaches_the_worker_and_not_its_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[list[str]] = []
    start = subprocess.Popen

    def watched(arguments: list[str], **options: Any) -> Any:
        seen.append(arguments)
        return start(arguments, **options)

    monkeypatch.setattr("hf_contrastive.inference.processes.subprocess.Popen", watched)
    # longer than a command line and than what a pipe holds
    setup = {"kind": "onnx", "folder": str(tmp_path), "int8": False, "threads": 1, "text": "é" * 3_000_000}
    with pytest.raises(WorkerError, match=r"its process failed: .*export\.json"):
        Worker(setup)
    assert [arguments[1:] for arguments in seen] == [["-m", "hf_contrastive.inference.worker"]]


# ---- rules --------------------------------------------------------------------------------------------


def kept(value: float, low: float, high: float) -> Measurement:
    return Measurement(name="ndcg@10 kept", value=value, unit="fraction", sample_size=500, interval=(low, high))


def variant(name: str, ms: float, mb: float, cost: float, quality: Measurement | None) -> VariantReport:
    cell = LatencyCell(
        batch_size=1, length=64, calls=200, p50_ms=ms / 2, p95_ms=ms, p99_ms=ms * 2, tokenising_ms=0.1,
        texts_per_second=1000 / ms,
    )  # fmt: skip
    cosine = Measurement(name="mean cosine", value=1.0 if name == "merged" else 0.99, unit="", sample_size=5)
    return VariantReport(
        name=name, description=f"as {name}", size_mb=mb / 2, peak_memory_mb=mb, peak_memory_batches_mb=mb * 2,
        cold_start=ColdStart(starts=3, total=2.0, importing=1.0, loading=0.5, first_text=0.1),
        cells=(cell,), cost_per_million=cost, quality=quality, cosine=cosine,
    )  # fmt: skip


@pytest.fixture
def report() -> InferenceReport:
    storages = (
        StorageReport(name="float32", description="whole", bytes_per_vector=1536, index_mb=1536, quality=kept(1, 1, 1)),
        StorageReport(
            name="int8", description="codes", bytes_per_vector=384, index_mb=384, quality=kept(0.99, 0.985, 0.995)
        ),
        StorageReport(
            name="binary", description="signs", bytes_per_vector=48, index_mb=48, quality=kept(0.8, 0.7, 0.9)
        ),
    )
    variants = (
        variant("merged", 20, 500, 0.4, kept(1, 1, 1)),
        variant("onnx", 12, 250, 0.3, kept(1, 0.999, 1.001)),
        variant("int8", 6, 120, 0.1, kept(0.99, 0.982, 0.998)),
        variant("lossy", 2, 60, 0.01, kept(0.97, 0.95, 0.99)),
        VariantReport(name="bf16", description="half", not_measured="its process was ended by signal 9"),
    )
    combined = tuple(
        CombinedQuality(variant=item.name, storage=storage, quality=quality)
        for item in variants[:4]
        for storage, quality in (
            ("float32", item.quality or kept(1, 1, 1)),
            ("int8", kept(0.985, 0.981, 0.99) if item.name == "onnx" else kept(0.975, 0.97, 0.98)),
            ("binary", kept(0.8, 0.7, 0.9)),
        )
    )
    return InferenceReport(
        model_name="tiny <model>",
        weights_sha256="sha256:00",
        dimension=384,
        data=DatasetRef(split="test", fingerprint="sha256:11", num_rows=500),
        queries=500,
        documents=500,
        length=64,
        threads=1,
        rounds=3,
        variants=variants,
        storages=storages,
        combined=combined,
        machine="a machine",
        created_at="2026-11-27T00:00:00+00:00",
    )


def recommended(report: InferenceReport, **bounds: float) -> tuple[Any, ...]:
    return recommend(replace(report, bounds=Bounds(**bounds)))


def test_the_edge_takes_the_soonest_within_both_bounds_that_keeps_the_quality(report: InferenceReport):
    (found,) = recommended(report, memory_mb=300, latency_ms=15)
    # "lossy" would be sooner, and loses up to 5 %
    assert (found.target, found.variant, found.storage) == ("edge", "int8", "float32")
    assert "120 MB" in found.words
    assert "6 ms" in found.words
    assert "no smaller way keeps the quality" in found.words
    (found,) = recommended(report, memory_mb=300, latency_ms=15, quality_loss=0.05)
    assert found.variant == "lossy"
    (found,) = recommended(report, memory_mb=300, latency_ms=15, quality_loss=0.015)
    assert found.variant == "onnx"


def test_vectors_are_judged_together_with_the_variant(report: InferenceReport):
    (found,) = recommended(report, latency_ms=15, quality_loss=0.019)
    assert (found.variant, found.storage) == ("int8", "float32")
    (found,) = recommended(replace(report, variants=report.variants[:2]), latency_ms=15)
    assert (found.variant, found.storage) == ("onnx", "int8")
    assert "384 MB a million instead of 1,536" in found.words
    assert "98.5 % [98.1, 99.0]" in found.words


def test_what_no_variant_can_do_is_said_with_the_nearest(report: InferenceReport):
    (found,) = recommended(report, memory_mb=100, latency_ms=15)
    assert (found.variant, found.storage) == ("", "")
    assert (
        "no variant is within the bounds. The nearest is int8: it needs 120 MB and 6 ms for one text of 64 tokens "
        "(95th percentile of 200 calls)" in found.words
    )
    (edge, cloud) = recommended(report, memory_mb=100, hourly_price=1, cost_per_million=0.05)
    assert (edge.target, cloud.target, cloud.variant) == ("edge", "cloud", "")
    assert "no variant is within 0.05 a million texts. The cheapest is int8: it costs 0.1" in cloud.words


def test_the_cloud_takes_the_cheapest_without_a_measured_loss(report: InferenceReport):
    (found,) = recommended(report, hourly_price=1)
    # int8 is cheaper, and its interval ends below 100 %
    assert found.variant == "onnx"
    (found,) = recommended(report, hourly_price=1, cost_per_million=0.2)
    assert found.variant == "int8"


def test_without_data_only_the_same_vectors_are_recommended(report: InferenceReport):
    blind = replace(
        report,
        data=None,
        combined=(),
        variants=tuple(
            replace(item, quality=None, quality_not_computed="no data was named") for item in report.variants
        ),
        storages=tuple(replace(item, quality=None) for item in report.storages),
    )
    (found,) = recommended(blind, latency_ms=30)
    assert (found.variant, found.storage) == ("merged", "float32")
    assert "was not measured, as no data was named" in found.words
    (found,) = recommended(replace(blind, variants=blind.variants[4:]), latency_ms=30)
    assert "no variant was measured" in found.words


def test_no_bounds_no_recommendation(report: InferenceReport):
    assert recommend(report) == ()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]):
    front = on_front(points)
    assert any(front)
    for point, best in zip(points, front, strict=True):
        beaten = any(a <= point[0] and b >= point[1] and (a < point[0] or b > point[1]) for a, b in points)
        assert best != beaten


# ---- what is shown ------------------------------------------------------------------------------------


def test_the_record_survives_json(report: InferenceReport):
    again = InferenceReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again == report
    assert replace(report, seconds=9.0, created_at="later").content_digest == report.content_digest
    assert replace(report, threads=2).content_digest != report.content_digest


def test_the_page_is_escaped_and_loads_nothing(report: InferenceReport, tmp_path: Path):
    page = render_page(replace(report, recommendations=recommended(report, latency_ms=15)))
    assert "tiny &lt;model&gt;" in page
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert page.count("<svg") == 3
    assert "bf16 (half): not measured because its process was ended by signal 9." in page
    assert set(write_report(report, tmp_path / "out")) == {path.name for path in (tmp_path / "out").iterdir()}
    saved = json.loads((tmp_path / "out" / "inference.json").read_text())
    assert InferenceReport.from_dict(saved) == report


def test_tables_show_losses_like_wins(report: InferenceReport):
    text = markdown_report(report)
    for part in ("| lossy |", "97.0 % \\[95.0, 99.0\\]", "| int8 | 384 |", "not measured because"):
        assert part in text
    assert not_measured(report) == ("bf16 (half): not measured because its process was ended by signal 9.",)


def test_points_on_the_front_are_filled_and_told(report: InferenceReport):
    chart = pareto_charts(report)[0]
    shown = {row[0]: row[3] for row in chart.table.rows}
    assert shown == {"lossy": "yes", "int8": "yes", "onnx": "yes", "merged": "no"}
    assert chart.svg.count('class="after"') == 3
    assert chart.svg.count('class="before"') == 1
    assert pareto_chart([("one", 1.0, 1.0)], key="k", title="t", across="a", up="u") is None
    same = pareto_chart([("one", 1.0, 1.0), ("two", 1.0, 1.0)], key="k", title="t", across="a", up="u")
    assert same is not None
    assert "nan" not in same.svg


# ---- settings and whole runs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"lengths": [1000]}, "between 1 and 64 tokens"),
        ({"lengths": []}, "got none"),
        ({"batch_sizes": [0]}, r"batch_sizes\[0\]"),
        ({"batch_sizes": []}, "`batch_sizes` is empty"),
        ({"bounds": Bounds(cost_per_million=1)}, "needs `hourly_price`"),
        ({"bounds": Bounds(memory_mb=-1)}, "`memory_limit` must be > 0"),
        ({"bounds": Bounds(quality_loss=1.0)}, "`quality_loss`"),
        ({"rounds": 0}, "`rounds`"),
    ],
    ids=str,
)
def test_settings_out_of_range(tiny_bert: Path, settings: dict[str, Any], told: str):
    with pytest.raises(ConfigurationError, match=told):
        benchmark_inference(tiny_bert, pooling="mean", **settings)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "no pooling configuration"),
        (("--pooling", "mean", "--dims", "16,32"), "gives 32 dimensions"),
        (("--pooling", "mean", "--batch-sizes", "one"), "whole numbers separated by commas"),
        (("--pooling", "mean", "--cost-limit", "1"), "`hourly_price`"),
    ],
    ids=str,
)
def test_bad_options_are_usage_errors(run_cli: Cli, tiny_bert: Path, options: tuple[str, ...], told: str):
    code, out, err = run_cli("benchmark-inference", tiny_bert, *options, "--json")
    assert (code, out) == (2, "")
    assert told in " ".join(err.split())


def test_no_such_model(run_cli: Cli):
    code, out, err = run_cli("benchmark-inference", "no/such/folder", "--json")
    assert (code, out) == (2, "")
    assert "no/such/folder" in err


def test_queries_corpus_and_qrels_are_data_too(tmp_path: Path):
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "a"}\n')
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "b"}\n{"_id": "e", "text": "c"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\te\t1\n")
    task, reference = benchmark._task(tmp_path, None, "anchor", "positive", None, 0)
    assert task is not None
    assert reference is not None
    assert (task.queries, task.documents, task.relevant) == (("a",), ("b", "c"), ((1,),))
    assert reference.split == "queries, corpus and relevance of test"


@pytest.fixture(scope="module")
def adapter(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    from hf_contrastive.encoder import TextEncoder
    from hf_contrastive.training.saving import write_model

    loaded = TextEncoder.load(str(tiny_bert))
    torch.manual_seed(1)
    adapted = get_peft_model(loaded.model, LoraConfig(r=4, target_modules=["query", "value"], init_lora_weights=False))
    folder = tmp_path_factory.mktemp("adapters") / "adapter"
    write_model(adapted, loaded.tokenizer, loaded.spec, folder, base_model_id=str(tiny_bert), save_format="adapter")
    return folder


@pytest.mark.slow  # ten processes that import torch
def test_a_whole_run_of_an_adapter(run_cli: Cli, adapter: Path, permissive_file: Path, tmp_path: Path):
    options = ("--batch-sizes", "1,3", "--lengths", "4,16", "--seconds", "0.02", "--rounds", "2", "--threads", "1")
    bounds = ("--memory-limit", "100000", "--latency-limit", "100000", "--hourly-price", "0.5")
    code, out, err = run_cli(
        "benchmark-inference", adapter, "--data", permissive_file, *options, *bounds, "--out", tmp_path, "--json"
    )
    assert code == 0, err
    found = InferenceReport.from_dict(json.loads(out))
    assert [item.name for item in found.measured] == ["merged", "adapter", "bf16", "onnx", "onnx-int8"]
    for item in found.measured:
        assert [(cell.batch_size, cell.length) for cell in item.cells] == [(1, 4), (1, 16), (3, 4), (3, 16)]
        assert all(cell.calls >= 2 for cell in item.cells)
        assert item.cold_start is not None
        assert item.cold_start.total > item.cold_start.importing > 0
        assert item.peak_memory_mb is not None
        fastest = item.fastest(found.length)
        assert fastest is not None
        assert item.cost_per_million == pytest.approx(0.5e6 / 3600 / fastest.texts_per_second)
    by_name = {item.name: item for item in found.measured}
    for name in ("adapter", "onnx"):
        assert by_name[name].quality.value == pytest.approx(1, abs=1e-6)  # type: ignore[union-attr]
        assert by_name[name].cosine.value == pytest.approx(1, abs=1e-6)  # type: ignore[union-attr]
    # neither imports torch
    assert max(by_name[name].peak_memory_mb for name in ("onnx", "onnx-int8")) < by_name["merged"].peak_memory_mb / 2  # type: ignore[type-var,operator]
    assert [item.target for item in found.recommendations] == ["edge", "cloud"]
    assert all(item.variant for item in found.recommendations)
    assert len(found.combined) == len(found.measured) * len(found.storages)
    assert (tmp_path / "inference.html").is_file()


@pytest.mark.slow
def test_a_whole_run_without_data(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch):
    import importlib.util

    true = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else true(name))
    found = benchmark_inference(
        tiny_bert, pooling="mean", batch_sizes=[1], lengths=[8], seconds=0.01, rounds=1, threads=1,
        bounds=Bounds(latency_ms=1e6),
    )  # fmt: skip
    assert [item.name for item in found.measured] == ["merged", "bf16"]
    reasons = {item.name: item.not_measured for item in found.variants if item.not_measured}
    assert "no adapter" in reasons["adapter"]
    assert 'pip install "hf-contrastive[onnx]"' in reasons["onnx"]
    assert {item.quality_not_computed for item in found.measured} == {"no data was named"}
    # which of the two is faster is a matter of the machine; that the faster one is named is not
    fastest = min(found.measured, key=lambda item: item.cell(1, 8).p95_ms)
    assert found.recommendations[0].variant == fastest.name

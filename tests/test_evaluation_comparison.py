"""Two versions beside each other: against plain definitions, and the words that follow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.errors import SourceError
from audits.findings import DatasetRef, Measurement
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import EvaluationError, ModelError
from hf_contrastive.evaluation import comparison as module
from hf_contrastive.evaluation.bootstrap import share_interval
from hf_contrastive.evaluation.comparison import compare, compare_encoders, compare_models
from hf_contrastive.evaluation.cost import latency
from hf_contrastive.evaluation.neighbours import cosines, flips, neighbour_overlap
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.evaluation.retrieval import rank_metrics
from hf_contrastive.model_references import ModelReference
from model_cards.evidence import MetricComparison, VersionComparison
from model_cards.version_comparison import (
    CROSS,
    CROSS_LOSS,
    DIMENSIONS,
    SAME_TEXT,
    compatibility,
    no_worse,
    regressed,
    stored_vectors_words,
    version_rows,
    version_words,
)

REF = DatasetRef(split="test", fingerprint="sha256:" + "0" * 64, num_rows=40)
OLD = ModelReference(name="me/m@v1", given=None, repo_id="me/m", commit="c" * 40, tag="v1")


class Table:
    """An encoder that looks vectors up: what a comparison gives can be computed by hand."""

    def __init__(self, queries: Any, documents: Any, *, name: str = "table") -> None:
        self.parts = {"query": np.asarray(queries, np.float32), "document": np.asarray(documents, np.float32)}
        self.name = name
        self.spec = type("Spec", (), {"max_length": 8})
        self.model = self

    def parameters(self) -> list[Any]:
        import torch

        return [torch.zeros(250_000, dtype=torch.float32)]

    def encode(self, texts: Sequence[str], *, prompt: str, max_length: Any = None, on_progress: Any = None) -> Any:
        if on_progress is not None:
            on_progress(len(texts), len(texts))
        return self.parts[prompt][[int(text[1:]) for text in texts]]

    def weights_digest(self) -> str:
        return f"sha256:{self.name}"


def task_of(count: int) -> RetrievalTask:
    return RetrievalTask.from_pairs([f"q{i}" for i in range(count)], [f"d{i}" for i in range(count)])


def run(old: Table, new: Table, count: int, **options: Any) -> module.Compared:
    return compare_encoders(OLD, old, new, task_of(count), REF, **options)  # type: ignore[arg-type]


def drawn(seed: int, count: int = 60, dim: int = 6, noise: float = 0.5) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    documents = draw.normal(size=(count, dim))
    return documents + noise * draw.normal(size=(count, dim)), documents


def test_every_number_equals_its_definition():
    count = 60
    old, new = (Table(*drawn(0, count, noise=0.4), name="old"), Table(*drawn(1, count, noise=0.9), name="new"))
    found, losing = run(old, new, count, seed=3)
    relevant = [[i] for i in range(count)]
    cosine = {}
    for name, queries, documents in (
        ("old", old.parts["query"], old.parts["document"]),
        ("new", new.parts["query"], new.parts["document"]),
        ("cross", new.parts["query"], old.parts["document"]),
    ):
        unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (queries, documents)]
        cosine[name] = np.argsort(-(unit[0] @ unit[1].T), axis=1, kind="stable")[:, :10]
    scores = {
        name: rank_metrics(table.parts["query"], table.parts["document"], relevant).per_query()
        for name, table in (("old", old), ("new", new))
    }
    for item in found.metrics:
        assert item.before is not None
        assert item.difference is not None
        name = item.after.name
        assert item.before.value == pytest.approx(scores["old"][name].mean())
        assert item.after.value == pytest.approx(scores["new"][name].mean())
        assert item.difference.value == pytest.approx(item.after.value - item.before.value)
        low, high = item.difference.interval or (0, 0)
        assert low < item.difference.value < high
    change = scores["new"]["ndcg@10"] - scores["old"]["ndcg@10"]
    assert (found.wins, found.losses, found.ties) == ((change > 0).sum(), (change < 0).sum(), (change == 0).sum())
    assert found.wins + found.losses + found.ties == found.queries == count
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(cosine["old"].tolist(), cosine["new"].tolist(), strict=True)]
    assert found.neighbour_overlap is not None
    assert found.neighbour_overlap.value == pytest.approx(np.mean(shared))
    right = {name: top[:, 0] == np.arange(count) for name, top in cosine.items()}
    assert found.negative_flips is not None
    assert found.positive_flips is not None
    assert found.negative_flips.value == pytest.approx((right["old"] & ~right["new"]).mean())
    assert found.positive_flips.value == pytest.approx((~right["old"] & right["new"]).mean())
    crossed = rank_metrics(new.parts["query"], old.parts["document"], relevant).ndcg
    cross, loss = (compatibility(found, name.format("ndcg@10")) for name in (CROSS, CROSS_LOSS))
    assert cross is not None
    assert loss is not None
    assert cross.value == pytest.approx(crossed.mean())
    assert loss.value == pytest.approx((crossed - scores["old"]["ndcg@10"]).mean())
    assert [item.row for item in losing] == sorted((i for i in range(count) if change[i] < 0), key=lambda i: change[i])[
        :10
    ]
    assert losing[0].after - losing[0].before == pytest.approx(change.min())
    assert VersionComparison.from_dict(found.to_dict()) == found
    assert (found.repo_id, found.tag, found.commit) == ("me/m", "v1", "c" * 40)
    assert (found.published_weights_sha256, found.weights_sha256) == ("sha256:old", "sha256:new")


def test_texts_of_queries_are_not_in_the_comparison():
    count = 30
    old, new = Table(*drawn(0, count, noise=0.1)), Table(*drawn(1, count, noise=3.0))
    found, losing = run(old, new, count)
    assert losing
    assert not any(f'"{item.text}"' in str(found.to_dict()) for item in losing)


@pytest.mark.parametrize("primary", module.METRICS)
def test_equal_models_differ_in_nothing(primary: str):
    found, losing = run(Table(*drawn(0)), Table(*drawn(0)), 60, primary=primary)
    assert all(item.difference is not None and item.difference.value == 0.0 for item in found.metrics)
    assert all(item.difference is not None and item.difference.interval == (0.0, 0.0) for item in found.metrics)
    assert (found.wins, found.losses, found.ties, losing) == (0, 0, 60, ())
    assert found.neighbour_overlap is not None
    assert found.negative_flips is not None
    assert (found.neighbour_overlap.value, found.negative_flips.value) == (1.0, 0.0)
    same = compatibility(found, SAME_TEXT)
    assert same is not None
    assert same.value == 1.0
    assert not found.regression
    assert no_worse(found)
    assert stored_vectors_words(found).startswith("Stored vectors can stay")


def test_a_rotation_keeps_the_ranking_and_loses_the_stored_vectors():
    queries, documents = drawn(0, 60, 6, 0.2)
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0]
    found, _ = run(Table(queries, documents), Table(queries @ turn, documents @ turn), 60)
    assert found.primary is not None
    assert found.primary.difference is not None
    assert found.primary.difference.value == pytest.approx(0.0, abs=1e-9)
    assert not found.regression
    assert stored_vectors_words(found).startswith("Stored vectors must be made anew")


def test_other_dimensions_can_be_compared_and_not_crossed():
    queries, documents = drawn(0, 60, 6, 0.2)
    wide = [np.concatenate([part, 0 * part], axis=1) for part in (queries, documents)]
    found, _ = run(Table(queries, documents), Table(*wide), 60)
    assert [item.value for item in found.compatibility] == [6, 12]
    assert [item.name for item in found.compatibility] == [f"{DIMENSIONS}, published", f"{DIMENSIONS}, new"]
    assert found.neighbour_overlap is not None
    assert found.neighbour_overlap.value == 1.0
    assert "6 dimensions, its queries 12" in stored_vectors_words(found)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize("prompt", ["query", "document"])
def test_vectors_that_can_not_be_compared_are_named(value: float, prompt: str):
    broken = Table(*drawn(0))
    broken.parts[prompt] = broken.parts[prompt].copy()
    broken.parts[prompt][[7, 9]] = value
    what = "queries" if prompt == "query" else "documents"
    with pytest.raises(EvaluationError, match=rf"The new model .* for 2 of 60 {what}, first for that of row 7"):
        run(Table(*drawn(0)), broken, 60)


@pytest.mark.parametrize("count", [1, module.FEWEST_QUERIES - 1])
def test_too_few_queries_are_refused(count: int):
    with pytest.raises(EvaluationError, match=f"has {count} distinct queries; at least 10 are needed"):
        run(Table(*drawn(0)), Table(*drawn(0)), count)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"margin": -0.1}, "`margin` must lie between 0 and 1"),
        ({"margin": float("nan")}, "`margin`"),
        ({"primary": "map"}, "ndcg@10, mrr@10, recall@10"),
        ({"seed": -1}, "`seed` must lie between 0 and 4294967295, got -1"),
        ({"seed": 2**32}, "`seed`"),
        ({"max_length": 0}, "`max_length` must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range(options: dict[str, Any], told: str):
    with pytest.raises(EvaluationError, match=told):
        run(Table(*drawn(0)), Table(*drawn(0)), 60, **options)


@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 2**16))
def test_overlap_is_that_of_sets(k: int, rows: int, seed: int):
    draw = np.random.default_rng(seed)
    one, two = (np.stack([draw.permutation(k + 6)[:k] for _ in range(rows)]) for _ in range(2))
    expected = [len(set(a) & set(b)) / k for a, b in zip(one.tolist(), two.tolist(), strict=True)]
    assert neighbour_overlap(one, two).tolist() == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_flips_are_what_changed_sides(pairs: list[tuple[bool, bool]]):
    before, after = (np.asarray(side) for side in zip(*pairs, strict=True))
    found = flips(before, after)
    assert (found.negative ^ found.positive).tolist() == (before != after).tolist()
    assert before.mean() - after.mean() == pytest.approx(found.negative.mean() - found.positive.mean())


@given(st.integers(1, 400), st.data())
def test_the_interval_of_a_share_solves_wilsons_equation(size: int, data: st.DataObject):
    hits = data.draw(st.integers(0, size))
    low, high = share_interval(hits, size)
    assert 0.0 <= low <= hits / size <= high <= 1.0
    assert low < high
    # at its ends the observed share is 1.96 standard errors away
    for end in (low, high):
        if 0.0 < end < 1.0:
            assert abs(hits / size - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / size), abs=1e-9)


def test_no_flip_among_few_queries_is_no_certainty():
    found, _ = run(Table(*drawn(0)), Table(*drawn(0)), 60)
    assert found.negative_flips is not None
    assert found.negative_flips.interval is not None
    assert found.negative_flips.interval[0] == 0.0
    assert 0.05 < found.negative_flips.interval[1] < 0.07


def test_cosines_in_blocks_are_those_of_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hf_contrastive.evaluation.neighbours._BLOCK", 7)
    one, two = drawn(2, 40)
    expected = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(one, two, strict=True)]
    assert cosines(one, two).tolist() == pytest.approx(expected)


def test_latency_takes_turns_and_tells_the_ratio():
    calls: list[str] = []
    now = [0.0]

    class Slow:
        def __init__(self, name: str, seconds: float) -> None:
            self.name, self.seconds = name, seconds

        def encode(self, texts: Sequence[str], **_: Any) -> Any:
            calls.append(self.name)
            now[0] += self.seconds
            return np.zeros((len(texts), 1), np.float32)

    found = latency(Slow("old", 0.002), Slow("new", 0.006), ["a", "b", "c"], clock=lambda: now[0])
    assert found.before is not None
    assert found.difference is not None
    assert (found.before.value, found.after.value, found.difference.value) == pytest.approx((2.0, 6.0, 3.0))
    assert calls[2:8] == ["old", "new"] * 3
    assert calls[8:14] == ["new", "old"] * 3
    assert calls.count("old") == calls.count("new")


def measured(value: float, low: float, high: float) -> VersionComparison:
    numbers = [Measurement(name="ndcg@10", value=0.5, unit="score") for _ in range(2)]
    change = Measurement(name="ndcg@10 difference", value=value, unit="score", interval=(low, high))
    return VersionComparison(
        repo_id="me/m",
        tag="v1",
        dataset=REF,
        queries=200,
        metrics=(MetricComparison(before=numbers[0], after=numbers[1], difference=change),),
        margin=0.01,
    )


@pytest.mark.parametrize(
    ("interval", "regression", "begins"),
    [
        ((-0.05, -0.02), True, "Worse than v1: ndcg@10 -0.0350 [-0.0500, -0.0200] on 200 queries against v1."),
        ((-0.05, -0.01), False, "Not shown to be no worse than v1"),
        ((-0.02, 0.03), False, "Not shown to be no worse than v1"),
        ((-0.01, 0.03), False, "No worse than v1 by more than 0.01"),
        ((0.0, 0.03), False, "No worse than v1 by more than 0.01"),
        ((0.001, 0.03), False, "Better than v1"),
    ],
)
def test_words_follow_the_interval(interval: tuple[float, float], regression: bool, begins: str):
    found = measured(sum(interval) / 2, *interval)
    assert regressed(found) == regression
    assert version_words(found).startswith(begins)
    assert not (regressed(found) and no_worse(found))


def test_what_was_not_compared_claims_nothing():
    silent = VersionComparison(repo_id="me/m", tag="v3", note="not compared: the data has no test split")
    assert not silent.compared
    assert not regressed(silent)
    assert not no_worse(silent)
    assert version_words(silent) == (
        "A version is published (v3), and the new one was not compared with it: the data has no test split."
    )
    same = replace(silent, published_weights_sha256="sha256:a", weights_sha256="sha256:a")
    assert version_words(same) == "The weights are those of v3, which is published."
    assert "not known" in stored_vectors_words(silent)
    assert version_rows(silent) == ()


# ---- with real encoders --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair_of_models(tiny_bert: Path, topic_pairs: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model that learnt the pairs, and the same with noise in its weights."""
    import torch

    from hf_contrastive import ContrastiveConfig, ContrastiveTrainer

    folder = tmp_path_factory.mktemp("versions")
    args = ContrastiveConfig(
        output_dir=str(folder / "run"), max_steps=30, per_device_train_batch_size=20, learning_rate=1e-2,
        save_strategy="no", use_cpu=True, disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = ContrastiveTrainer(model=str(tiny_bert), args=args, train_dataset=topic_pairs, peft_config=None)
    trainer.train()
    trainer.write_model(folder / "good")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
    trainer.write_model(folder / "noisy")
    return folder / "good", folder / "noisy"


@pytest.fixture
def pairs_file(topic_pairs: Any, tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    topic_pairs.to_json(str(path))
    return path


def test_noise_in_the_weights_is_a_regression_and_the_way_back_an_improvement(
    pair_of_models: tuple[Path, Path], topic_pairs: Any
):
    good, noisy = pair_of_models
    worse = compare(good, noisy, topic_pairs)
    assert worse.regression
    assert worse.dataset is not None
    assert (worse.queries, worse.repo_id, worse.dataset.num_rows) == (40, "good", 40)
    better = compare(noisy, good, topic_pairs)
    assert not better.regression
    assert better.primary is not None
    assert worse.primary is not None
    assert better.primary.difference is not None
    assert worse.primary.difference is not None
    assert better.primary.difference.value == -worse.primary.difference.value
    assert (better.wins, better.losses) == (worse.losses, worse.wins)
    assert [item.after.name for item in worse.cost] == ["latency of a query", "size of the weights"]
    assert worse.content_digest == compare(good, noisy, topic_pairs).content_digest


def test_the_same_model_twice(pair_of_models: tuple[Path, Path], pairs_file: Path):
    good, _ = pair_of_models
    found = compare(str(good), TextEncoder.load(good), str(pairs_file), limit=25, seed=4, max_length=12)
    assert found.unchanged
    assert (found.queries, found.max_length, found.losses) == (25, 12, 0)
    assert found.neighbour_overlap is not None
    assert found.neighbour_overlap.value == 1.0


def test_a_collection_is_compared_as_its_pairs_are(pair_of_models: tuple[Path, Path], topic_pairs: Any):
    collection = {
        "queries": {f"q{i}": text for i, text in enumerate(topic_pairs["anchor"])},
        "corpus": {f"d{i}": text for i, text in enumerate(topic_pairs["positive"])},
        "qrels": {f"q{i}": [f"d{i}"] for i in range(len(topic_pairs))},
    }
    found, pairs = compare(*pair_of_models, collection), compare(*pair_of_models, topic_pairs)
    assert (found.queries, found.documents, found.metrics) == (pairs.queries, pairs.documents, pairs.metrics)
    assert found.dataset is not None
    assert found.dataset.split == "queries, corpus and relevance"


def test_progress_reaches_the_end(pair_of_models: tuple[Path, Path], topic_pairs: Any):
    seen: list[tuple[int, int]] = []
    compare(*pair_of_models, topic_pairs, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (160, 160)


def test_prompts_of_each_model_are_its_own(
    pair_of_models: tuple[Path, Path], topic_pairs: Any, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[str, str | None]] = []
    plain = TextEncoder.encode

    def encode(self: TextEncoder, texts: Sequence[str], *, prompt: str | None = None, **options: Any) -> Any:
        asked.append((self.name, prompt))
        return plain(self, texts, prompt=prompt, **options)

    monkeypatch.setattr(TextEncoder, "encode", encode)
    compare(*pair_of_models, topic_pairs)
    assert {("good", "query"), ("good", "document"), ("noisy", "query"), ("noisy", "document")} == set(asked)


@pytest.mark.parametrize(
    ("published", "data", "kind", "told"),
    [
        ("nowhere at all", "pairs", ModelError, "no folder and no model of the Hub"),
        ("good", "missing.jsonl", SourceError, r"missing\.jsonl"),
        ("good", "torn", SourceError, "torn"),
    ],
)
def test_what_can_not_be_read_is_one_sentence(
    pair_of_models: tuple[Path, Path],
    pairs_file: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    published: str,
    data: str,
    kind: type[Exception],
    told: str,
):
    (tmp_path / "torn.jsonl").write_text('{"anchor": "a", "posi')
    good = str(pair_of_models[0])
    source = {"pairs": str(pairs_file), "torn": str(tmp_path / "torn.jsonl")}.get(data, str(tmp_path / data))
    with caplog.at_level(logging.CRITICAL), pytest.raises(kind, match=told) as caught:
        compare_models(good if published == "good" else published, good, source)
    assert "\n" not in str(caught.value)


Cli = Callable[..., tuple[int, str, str]]


def test_the_command_exits_by_the_regression(
    run_cli: Cli, pair_of_models: tuple[Path, Path], pairs_file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)
    good, noisy = pair_of_models
    code, out, err = run_cli("compare", good, noisy, "--data", pairs_file)
    assert (code, out) == (1, "")
    assert "Worse than good" in err
    assert "Queries that lost most by ndcg@10" in err
    assert "what is a " in err
    assert run_cli("compare", noisy, good, "--data", pairs_file)[0] == 0
    assert run_cli("compare", good, noisy, "--data", pairs_file, "--margin", 1)[0] == 0
    assert run_cli("compare", good, noisy, "--data", pairs_file, "--primary", "bleu")[0] == 2


def test_the_json_document_has_the_promised_keys_and_no_text(
    run_cli: Cli, pair_of_models: tuple[Path, Path], pairs_file: Path
):
    import json

    good, noisy = pair_of_models
    code, out, _ = run_cli("compare", good, noisy, "--data", pairs_file, "--json")
    document = json.loads(out)
    assert code == 1
    assert set(document) == {"regression", "no_worse", "summary", "losing_queries", "comparison"}
    assert (document["regression"], document["no_worse"]) == (True, False)
    assert len(document["losing_queries"]) == 10
    assert VersionComparison.from_dict(document["comparison"]).regression
    assert "what is a " not in out

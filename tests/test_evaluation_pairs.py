"""Pairs become a fair task, and a report says how sure its numbers are."""

import hypothesis.strategies as st
import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given

from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import EvaluationError, ModelError
from hf_contrastive.evaluation.pairs import RetrievalTask, score, score_rows
from hf_contrastive.evaluation.report import evaluate, improves

texts = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("vwxyz")), min_size=1, max_size=20)


class Letters:
    """An encoder that knows a few texts; the prompt is another direction."""

    def __init__(self):
        self.calls = []

    def encode(self, texts, *, prompt=None, max_length=None, on_progress=None):
        self.calls.append((prompt, max_length, tuple(texts)))
        if on_progress:
            on_progress(len(texts), len(texts))
        return np.array([np.eye(30)[ord(text[0]) % 30] + 0.01 for text in texts], dtype=np.float32)


@given(texts)
def test_equal_texts_are_one_query_or_document(pairs):
    anchors, positives = zip(*pairs, strict=True)
    task = RetrievalTask.from_pairs(anchors, positives)
    assert list(task.queries) == list(dict.fromkeys(anchors))
    assert list(task.documents) == list(dict.fromkeys(positives))
    for query, relevant in zip(task.queries, task.relevant, strict=True):
        assert {task.documents[i] for i in relevant} == {b for a, b in pairs if a == query}
    assert [anchors[row] for row in task.query_rows] == list(task.queries)
    assert [positives[row] for row in task.document_rows] == list(task.documents)


@given(texts, st.integers(1, 25), st.integers(0, 5))
def test_a_limit_draws_that_many_pairs_with_the_seed(pairs, limit, seed):
    anchors, positives = zip(*[(f"{a}{i}", f"{b}{i}") for i, (a, b) in enumerate(pairs)], strict=True)
    task = RetrievalTask.from_pairs(anchors, positives, limit=limit, seed=seed)
    assert len(task.queries) == len(task.documents) == min(limit, len(pairs))
    assert task == RetrievalTask.from_pairs(anchors, positives, limit=limit, seed=seed)
    for query, relevant in zip(task.queries, task.relevant, strict=True):
        assert [task.documents[i] for i in relevant] == [positives[anchors.index(query)]]


def test_seeds_draw_different_pairs():
    rows = [str(i) for i in range(1000)]
    drawn = {RetrievalTask.from_pairs(rows, rows, limit=5, seed=seed).queries for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize(
    ("anchors", "positives", "options", "told"),
    [
        ([], [], {}, "at least one pair"),
        (["a"], ["b", "c"], {}, "got 1 and 2 rows"),
        (["a", None], ["b", "c"], {}, "Row 1 holds None as anchor and 'c' as positive"),
        ([["a"]], ["b"], {}, "Row 0 holds ['a'] as anchor and 'b'"),
        (["a"], [3], {}, "both must be texts"),
        (["a"], ["b"], {"limit": 0}, "`limit` must be >= 1, got 0"),
        (["a"], ["b"], {"limit": -4}, "`limit` must be >= 1, got -4"),
    ],
)
def test_pairs_that_can_not_be_scored(anchors, positives, options, told):
    with pytest.raises(EvaluationError) as caught:
        RetrievalTask.from_pairs(anchors, positives, **options)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_both_sides_get_their_prompt_and_progress_never_goes_back():
    task = RetrievalTask.from_pairs(["a1", "b1", "a1"], ["a2", "b2", "a3"])
    encoder, told = Letters(), []
    scores = score(encoder, task, max_length=9, on_progress=lambda done, total: told.append((done, total)))
    assert encoder.calls == [("query", 9, ("a1", "b1")), ("document", 9, ("a2", "b2", "a3"))]
    assert told == [(2, 5), (5, 5)]
    assert scores.means() == {"ndcg@10": 1.0, "mrr@10": 1.0, "recall@10": 1.0}


@given(texts)
def test_scores_of_rows_are_scores_of_texts(pairs):
    anchors, positives = zip(*pairs, strict=True)
    task, encoder = RetrievalTask.from_pairs(anchors, positives), Letters()
    by_rows = score_rows(task, encoder.encode(anchors), encoder.encode(positives))
    assert by_rows.means() == score(encoder, task).means()


# ---- evaluate -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(tiny_bert):
    return TextEncoder.load(tiny_bert)


@pytest.fixture(scope="module")
def better(tiny_bert):
    """The same encoder after it has seen the answers."""

    class Knowing(TextEncoder):
        def encode(self, texts, **options):
            options.pop("prompt", None)
            known = [text.rpartition("a ")[2].rpartition("has ")[2] for text in texts]
            return super().encode(known, **options)

    plain = TextEncoder.load(tiny_bert)
    return Knowing(plain.model, plain.tokenizer, plain.spec)


def by_name(report):
    return {item.after.name: item for item in report.metrics}


def test_a_model_does_not_differ_from_itself(encoder, tiny_bert, topic_pairs):
    report = evaluate(encoder, topic_pairs, base=tiny_bert)
    assert report.primary_metric == "ndcg@10"
    assert set(by_name(report)) == {"ndcg@10", "mrr@10", "recall@10"}
    for item in report.metrics:
        assert (item.difference.value, item.difference.interval) == (0.0, (0.0, 0.0))
        assert item.before.value == item.after.value
        assert item.before.interval == item.after.interval
    assert not improves(report)


def test_a_better_model_is_told_from_its_base(encoder, better, topic_pairs):
    report = evaluate(better, topic_pairs, base=encoder)
    item = by_name(report)["ndcg@10"]
    assert item.difference.value == pytest.approx(item.after.value - item.before.value)
    low, high = item.difference.interval
    assert 0 < low < item.difference.value < high
    assert improves(report)
    assert not improves(evaluate(encoder, topic_pairs, base=better))
    assert not improves(evaluate(better, topic_pairs))  # nothing to compare with


def test_a_report_names_its_data_and_is_deterministic(encoder, topic_pairs):
    first, second = (evaluate(encoder, topic_pairs, limit=12, seed=3, max_length=8) for _ in range(2))
    assert first.content_digest == second.content_digest
    assert (first.queries, first.documents, first.max_length, first.seed) == (12, 12, 8, 3)
    assert first.dataset.num_rows == 40
    assert first.dataset.fingerprint.startswith("sha256:")
    for item in first.metrics:
        assert item.before is None
        assert item.difference is None
        assert item.after.interval[0] <= item.after.value <= item.after.interval[1]
        assert item.after.sample_size == 12
    assert first == type(first).from_dict(first.to_dict())
    assert evaluate(encoder, topic_pairs, limit=12, seed=4).content_digest != first.content_digest


def test_columns_of_any_name_and_a_split(encoder, topic_pairs, tmp_path):
    renamed = topic_pairs.rename_columns({"anchor": "q", "positive": "d"})
    expected = evaluate(encoder, topic_pairs).metrics
    options = {"anchor_column": "q", "positive_column": "d"}
    assert evaluate(encoder, renamed, **options).metrics == expected
    splits = DatasetDict({"train": renamed.select(range(5)), "test": renamed})
    assert evaluate(encoder, splits, **options).metrics == expected  # "test" where there is one
    assert evaluate(encoder, splits, split="train", **options).queries == 5
    renamed.to_parquet(tmp_path / "pairs.parquet")
    assert evaluate(encoder, str(tmp_path / "pairs.parquet"), **options).metrics == expected


@pytest.mark.parametrize(
    ("dataset", "options", "told"),
    [
        ({"anchor": ["a"], "document": ["b"]}, {}, "no column 'positive'; it has anchor, document"),
        ({"q": ["a"], "d": ["b"]}, {}, "no column 'anchor' and 'positive'"),
        ({"anchor": ["a", None], "positive": ["b", "c"]}, {}, "Row 1 holds None"),
        ({"anchor": ["a"], "positive": [1]}, {}, "must be texts"),
    ],
)
def test_data_that_can_not_be_evaluated(encoder, dataset, options, told):
    with pytest.raises(EvaluationError) as caught:
        evaluate(encoder, Dataset.from_dict(dataset), **options)
    assert told in str(caught.value)


def test_a_split_that_is_missing_or_not_said(encoder, topic_pairs):
    splits = DatasetDict({"one": topic_pairs, "two": topic_pairs})
    with pytest.raises(EvaluationError, match="has the splits one, two; say which one with `split`"):
        evaluate(encoder, splits)
    with pytest.raises(EvaluationError, match="has no split 'three'; it has one, two"):
        evaluate(encoder, splits, split="three")


def test_data_is_read_before_the_model(topic_pairs, tmp_path):
    with pytest.raises(EvaluationError):
        evaluate(tmp_path / "no-model", topic_pairs, anchor_column="missing")
    with pytest.raises(ModelError):
        evaluate(tmp_path, topic_pairs)


@given(texts, st.integers(1, 6), st.integers(0, 5))
def test_a_limit_counts_queries_and_keeps_all_their_documents(pairs, limit, seed):
    anchors, positives = zip(*pairs, strict=True)
    task = RetrievalTask.from_pairs(anchors, positives, limit=limit, seed=seed)
    assert len(task.queries) == min(limit, len(set(anchors)))
    for query, relevant in zip(task.queries, task.relevant, strict=True):
        assert {task.documents[i] for i in relevant} == {b for a, b in pairs if a == query}
    # no document is left that answers none of the queries
    assert {i for relevant in task.relevant for i in relevant} == set(range(len(task.documents)))

"""Ranking metrics equal a plain reference; bad input is named; the bootstrap covers what it should."""

import math
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.bootstrap import paired_bootstrap
from hf_contrastive.evaluation.retrieval import rank_metrics


def reference(similarities, relevant, k):
    """The definitions in plain Python: one sort for each query, ties by index."""
    ndcg, mrr, recall = [], [], []
    for row, wanted in zip(similarities, relevant, strict=True):
        ranking = sorted(range(len(row)), key=lambda document: (-row[document], document))[:k]
        gains = [1 / math.log2(rank + 2) for rank, document in enumerate(ranking) if document in wanted]
        ranks = [rank + 1 for rank, document in enumerate(ranking) if document in wanted]
        ndcg.append(sum(gains) / sum(1 / math.log2(rank + 2) for rank in range(min(k, len(wanted)))))
        mrr.append(1 / ranks[0] if ranks else 0.0)
        recall.append(len(ranks) / len(wanted))
    return np.array(ndcg), np.array(mrr), np.array(recall)


@st.composite
def problems(draw):
    # small integers: products are exact and ties are common
    queries, documents, dim = draw(st.integers(1, 7)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    values = st.integers(-2, 2)
    relevant = st.sets(st.integers(0, documents - 1), min_size=1, max_size=documents)
    return (
        draw(hnp.arrays(np.float32, (queries, dim), elements=values)),
        draw(hnp.arrays(np.float32, (documents, dim), elements=values)),
        draw(st.lists(relevant, min_size=queries, max_size=queries)),
        draw(st.integers(1, 15)),
        draw(st.integers(1, 5)),
    )


@settings(max_examples=300)
@given(problems())
def test_metrics_equal_the_reference_with_ties_and_any_block(problem):
    queries, documents, relevant, k, block_size = problem
    scores = rank_metrics(queries, documents, relevant, k=k, block_size=block_size, similarity="dot")
    expected = reference((queries @ documents.T).tolist(), relevant, k)
    for got, wanted in zip((scores.ndcg, scores.mrr, scores.recall), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)
        assert got.min() >= 0.0
        assert got.max() <= 1.0 + 1e-12


def test_ties_across_blocks_keep_the_order_of_the_index():
    documents = np.ones((100, 3), dtype=np.float32)
    for block_size in (1, 2, 3, 1024):  # document blocks of 16, 32, 48 and all
        for index in (0, 9, 10, 50):
            scores = rank_metrics(np.ones((1, 3)), documents, [[index]], block_size=block_size)
            assert scores.mrr[0] == (1 / (index + 1) if index < 10 else 0.0)


def test_a_permutation_of_the_queries_permutes_the_scores():
    rng = np.random.default_rng(0)
    queries, documents = rng.normal(size=(40, 8)), rng.normal(size=(300, 8))
    relevant = rng.integers(0, 300, size=40)
    order = rng.permutation(40)
    scores = rank_metrics(queries, documents, relevant, block_size=7)
    permuted = rank_metrics(queries[order], documents, relevant[order], block_size=16)
    np.testing.assert_array_equal(permuted.ndcg, scores.ndcg[order])
    np.testing.assert_array_equal(permuted.recall, scores.recall[order])


def test_cosine_ignores_lengths_and_dot_does_not():
    documents = np.array([[1.0, 0.0], [10.0, 10.0]])
    query = np.array([[5.0, 0.1]])
    assert rank_metrics(query, documents, [[0]]).mrr[0] == 1.0
    assert rank_metrics(query * 1e-30, documents * 1e30, [[0]]).mrr[0] == 1.0
    assert rank_metrics(query.astype(np.float32) * 1e-30, documents, [[0]]).mrr[0] == 1.0
    assert rank_metrics(query, documents, [[0]], similarity="dot").mrr[0] == 0.5


def test_relevant_may_be_lists_sets_or_an_array():
    rng = np.random.default_rng(1)
    queries, documents = rng.normal(size=(6, 4)), rng.normal(size=(20, 4))
    two = rng.permuted(np.tile(np.arange(20), (6, 1)), axis=1)[:, :2]
    expected = rank_metrics(queries, documents, two.tolist())
    for other in (two, [set(row) for row in two.tolist()], [[a, b, a] for a, b in two.tolist()]):
        np.testing.assert_array_equal(rank_metrics(queries, documents, other).ndcg, expected.ndcg)
    one = rank_metrics(queries, documents, two[:, 0])
    np.testing.assert_array_equal(one.recall, rank_metrics(queries, documents, two[:, :1].tolist()).recall)


def test_the_means_are_named_by_their_cutoff():
    scores = rank_metrics(np.eye(3), np.eye(3), [[0], [1], [0]], k=1)
    assert scores.means() == pytest.approx({"ndcg@1": 2 / 3, "mrr@1": 2 / 3, "recall@1": 2 / 3})
    assert (scores.k, scores.documents) == (1, 3)


def test_metrics_equal_those_of_sentence_transformers():
    torch = pytest.importorskip("torch")
    evaluation = pytest.importorskip("sentence_transformers.sentence_transformer.evaluation")
    rng = np.random.default_rng(7)
    queries, documents = rng.normal(size=(50, 16)), rng.normal(size=(400, 16))
    relevant = [set(rng.choice(400, size=rng.integers(1, 15), replace=False).tolist()) for _ in range(50)]
    vectors = {f"q{i}": row for i, row in enumerate(queries)} | {f"d{i}": row for i, row in enumerate(documents)}

    class Precomputed(evaluation.InformationRetrievalEvaluator):
        def embed_inputs(self, model, sentences, **_):
            return torch.tensor(np.stack([vectors[name] for name in sentences]))

    evaluator = Precomputed(
        {name: name for name in vectors if name[0] == "q"},
        {name: name for name in vectors if name[0] == "d"},
        {f"q{i}": {f"d{j}" for j in wanted} for i, wanted in enumerate(relevant)},
        corpus_chunk_size=150,
        score_functions={"cosine": cosine_of(torch)},
    )
    theirs = evaluator.compute_all_metrics(model=None)["cosine"]
    ours = rank_metrics(queries, documents, relevant, block_size=8).means()
    assert ours["ndcg@10"] == pytest.approx(theirs["ndcg@k"][10], abs=1e-6)
    assert ours["mrr@10"] == pytest.approx(theirs["mrr@k"][10], abs=1e-6)
    assert ours["recall@10"] == pytest.approx(theirs["recall@k"][10], abs=1e-6)
    assert 0.0 < ours["ndcg@10"] < 1.0


def cosine_of(torch):
    normalize = torch.nn.functional.normalize
    return lambda a, b: normalize(a, dim=-1) @ normalize(b, dim=-1).T


@pytest.mark.parametrize(
    ("queries", "documents", "relevant", "options", "message"),
    [
        (np.ones((0, 4)), np.ones((3, 4)), [], {}, "`query_embeddings` must be a matrix"),
        (np.ones((2, 4)), np.ones((0, 4)), [[0], [0]], {}, "`document_embeddings` must be a matrix"),
        (np.ones(4), np.ones((3, 4)), [[0]], {}, r"shape \(4,\)"),
        ([["a"]], np.ones((3, 4)), [[0]], {}, "matrix of numbers"),
        (np.ones((1, 4)), np.ones((3, 5)), [[0]], {}, "4 dimensions and documents 5"),
        (np.full((1, 4), np.nan), np.ones((3, 4)), [[0]], {}, "`query_embeddings` has NaN .* row 0"),
        (np.ones((1, 4)), np.array([[1.0], [np.inf]]) * np.ones(4), [[0]], {}, "1 of 2 rows, first in row 1"),
        (np.ones((1, 4)), np.zeros((3, 4)), [[0]], {}, "`document_embeddings` row 0 is a zero vector"),
        (np.ones((2, 4)), np.ones((3, 4)), [[0], []], {}, "Query 1 has no relevant document"),
        (np.ones((2, 4)), np.ones((3, 4)), [[0]], {}, "of 1 queries, but 2 were given"),
        (np.ones((2, 4)), np.ones((3, 4)), np.array([0]), {}, "of 1 queries, but 2 were given"),
        (np.ones((1, 4)), np.ones((3, 4)), [[3]], {}, "names document 3, but documents are numbered 0 to 2"),
        (np.ones((1, 4)), np.ones((3, 4)), [[-1, 2]], {}, "names document -1"),
        (np.ones((1, 4)), np.ones((3, 4)), np.array([[True, False, True]]), {}, "np.flatnonzero"),
        (np.ones((1, 4)), np.ones((3, 4)), np.array([0.0]), {}, "document indices"),
        (np.ones((1, 4)), np.ones((3, 4)), [["d7"]], {}, "map ids to row numbers"),
        (np.ones((1, 4)), np.ones((3, 4)), [[0.5]], {}, "must be named by their index"),
        (np.ones((1, 4)), np.ones((3, 4)), [[0]], {"k": 0}, "at least 1"),
        (np.ones((1, 4)), np.ones((3, 4)), [[0]], {"block_size": 0}, "at least 1"),
        (np.ones((1, 4)), np.ones((3, 4)), [[0]], {"similarity": "l2"}, "'cosine' or 'dot'"),
    ],
)
def test_bad_input_is_named_in_one_paragraph(queries, documents, relevant, options, message):
    with pytest.raises(EvaluationError, match=message) as caught:
        rank_metrics(queries, documents, relevant, **options)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_scoring_needs_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from hf_contrastive.evaluation.retrieval import rank_metrics\n"
        "from hf_contrastive.evaluation.bootstrap import paired_bootstrap\n"
        "rank_metrics(np.eye(2), np.eye(2), [[0], [1]])\n"
        "sys.exit(bool({'torch', 'transformers', 'datasets'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the bootstrap -----------------------------------------------------------------------------------

scores = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1))


@settings(max_examples=60)
@given(scores, st.integers(0, 2**32 - 1))
def test_the_interval_is_deterministic_and_turns_with_the_sign(after, seed):
    before = after[::-1].copy()
    interval = paired_bootstrap(before, after, resamples=200, seed=seed)
    assert interval == paired_bootstrap(before, after, resamples=200, seed=seed)
    assert interval.low <= interval.high
    turned = paired_bootstrap(after, before, resamples=200, seed=seed)
    assert turned == pytest.approx((-interval.difference, -interval.high, -interval.low), abs=1e-12)


def test_a_constant_gain_has_no_spread():
    before = np.random.default_rng(0).random(500)
    assert paired_bootstrap(before, before + 0.25, seed=1) == pytest.approx((0.25, 0.25, 0.25))
    assert paired_bootstrap(before, before, seed=1) == (0.0, 0.0, 0.0)


def test_the_interval_equals_the_normal_one_for_many_queries():
    rng = np.random.default_rng(3)
    before = rng.random(4000)
    after = before + rng.normal(0.02, 0.3, size=4000)
    interval = paired_bootstrap(before, after, resamples=4000, seed=5)
    error = (after - before).std() / math.sqrt(4000)
    assert interval.low == pytest.approx(interval.difference - 1.96 * error, abs=0.1 * error)
    assert interval.high == pytest.approx(interval.difference + 1.96 * error, abs=0.1 * error)
    wide = paired_bootstrap(before, after, resamples=4000, seed=5, confidence=0.99)
    assert wide.low < interval.low < interval.high < wide.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    covered = 0
    for trial in range(300):
        after = rng.normal(0.1, 1.0, size=120)
        interval = paired_bootstrap(np.zeros(120), after, resamples=300, seed=trial)
        covered += interval.low <= 0.1 <= interval.high
    assert 0.90 <= covered / 300 <= 0.985


@pytest.mark.parametrize(
    ("before", "after", "options", "message"),
    [
        ([], [], {}, "one score per query"),
        ([1.0], [1.0, 2.0], {}, r"\(1,\) and \(2,\)"),
        ([[1.0]], [[1.0]], {}, "one score per query"),
        ([0.0, 1.0], [0.0, np.nan], {}, "nan for query 1"),
        ([0.0], [1.0], {"resamples": 10}, "at least 100"),
        ([0.0], [1.0], {"confidence": 1.0}, "between 0 and 1"),
    ],
)
def test_a_bad_comparison_is_named(before, after, options, message):
    with pytest.raises(EvaluationError, match=message):
        paired_bootstrap(before, after, **options)

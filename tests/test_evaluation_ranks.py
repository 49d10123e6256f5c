"""Ranks are those of the exact products, for every block, type and order; what follows from them equals trec_eval."""

import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.ranks import RelevantRanks
from hf_contrastive.evaluation.retrieval import rank_metrics, ranks_of, relevant_ranks, top_documents


@st.composite
def problems(draw):
    # small integers: products are exact and ties are common
    queries, documents, dim = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    values = st.integers(-2, 2)
    relevant = st.sets(st.integers(0, documents - 1), min_size=1, max_size=documents)
    return (
        draw(hnp.arrays(draw(st.sampled_from([np.float32, np.float64])), (queries, dim), elements=values)),
        draw(hnp.arrays(np.float32, (documents, dim), elements=values)),
        draw(st.lists(relevant, min_size=queries, max_size=queries)),
        draw(st.integers(1, 5)),
    )


@settings(max_examples=200)
@given(problems())
def test_ranks_equal_those_of_a_sort_with_ties_for_few_and_many_relevant_ones(problem):
    queries, documents, relevant, block_size = problem
    found = relevant_ranks(queries, documents, relevant, block_size=block_size, similarity="dot")
    for place, row in enumerate(queries.astype(float) @ documents.T):
        order = sorted(range(len(row)), key=lambda document: (-row[document], document))
        expected = sorted(order.index(document) + 1 for document in relevant[place])
        assert found.ranks[found.offsets[place] : found.offsets[place + 1]].tolist() == expected
    assert (found.relevant == [len(wanted) for wanted in relevant]).all()


def crowded(seed, rows, dim=64):
    """Vectors that differ by less than float32 products can tell, with copies among them."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=dim)
    vectors = (centre + 1e-5 * rng.normal(size=(rows, dim))).astype(np.float32)
    vectors[rows // 2 :: 7] = vectors[3]
    return vectors


@pytest.mark.parametrize("relevant", [1, 3, 20])
def test_ranks_are_the_same_for_every_block_where_float32_can_not_tell_documents_apart(relevant):
    queries, documents = crowded(0, 30), crowded(1, 500)
    rng = np.random.default_rng(2)
    wanted = [rng.choice(500, size=relevant, replace=False).tolist() for _ in range(30)]
    whole = relevant_ranks(queries, documents, wanted)
    for block_size in (1, 3, 7, 29):
        np.testing.assert_array_equal(
            relevant_ranks(queries, documents, wanted, block_size=block_size).ranks, whole.ranks
        )
    # a query alone, and the queries in another order
    one = relevant_ranks(queries[4:5], documents, wanted[4:5])
    np.testing.assert_array_equal(one.ranks, whole.ranks[whole.offsets[4] : whole.offsets[5]])
    assert whole.ranks.std() > 50


def test_ranks_equal_those_of_products_in_extended_precision():
    queries, documents = crowded(3, 10), crowded(4, 300)
    units = [part / np.linalg.norm(part.astype(np.float64), axis=1)[:, None] for part in (queries, documents)]
    units = [part.astype(np.float32) for part in units]
    exact = units[0].astype(np.longdouble) @ units[1].astype(np.longdouble).T
    target = np.arange(10) * 13
    found = ranks_of(queries, documents, target)
    for place, document in enumerate(target):
        own = exact[place, document]
        # the rank may differ only among those that agree in 15 digits
        surely, perhaps = (exact[place] > own + 1e-15).sum(), (exact[place] >= own - 1e-15).sum()
        assert surely < found[place] <= perhaps


def test_copies_are_ranked_by_their_index():
    documents = np.ones((50, 5), dtype=np.float32) * 0.3
    assert ranks_of(np.ones((3, 5)), documents, [0, 7, 49]).tolist() == [1, 8, 50]
    every = relevant_ranks(np.ones((1, 5)), documents, [range(50)])
    assert every.ranks.tolist() == list(range(1, 51))
    assert every.average_precision()[0] == pytest.approx(1.0)
    assert every.ndcg(10)[0] == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e18])
def test_products_of_any_size_have_ranks(scale):
    rng = np.random.default_rng(0)
    queries, documents = rng.normal(size=(5, 8)), rng.normal(size=(60, 8))
    expected = ranks_of(queries, documents, range(5), similarity="dot")
    scaled = (queries * scale).astype(np.float32), (documents * scale).astype(np.float32)
    np.testing.assert_array_equal(ranks_of(*scaled, range(5), similarity="dot"), expected)


def test_metrics_equal_those_of_trec_eval():
    pytrec_eval = pytest.importorskip("pytrec_eval")
    rng = np.random.default_rng(7)
    queries, documents = rng.normal(size=(60, 16)), rng.normal(size=(400, 16))
    relevant = [rng.choice(400, size=rng.integers(1, 15), replace=False).tolist() for _ in range(60)]
    cutoffs = (1, 3, 5, 10, 100)
    depths = ",".join(map(str, cutoffs))
    units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (queries, documents)]
    scores = units[0] @ units[1].T
    evaluator = pytrec_eval.RelevanceEvaluator(
        {f"q{i}": {f"d{j}": 1 for j in wanted} for i, wanted in enumerate(relevant)},
        {"map", "recip_rank", *(f"{name}.{depths}" for name in ("ndcg_cut", "recall", "map_cut"))},
    )
    theirs = evaluator.evaluate(
        {f"q{i}": {f"d{j}": float(value) for j, value in enumerate(row)} for i, row in enumerate(scores)}
    )
    column = lambda name: np.array([theirs[f"q{i}"][name] for i in range(60)])  # noqa: E731
    found = relevant_ranks(queries, documents, relevant, block_size=8)
    for k in cutoffs:
        np.testing.assert_allclose(found.ndcg(k), column(f"ndcg_cut_{k}"), atol=1e-6)
        np.testing.assert_allclose(found.recall(k), column(f"recall_{k}"), atol=1e-6)
        np.testing.assert_allclose(found.average_precision(k), column(f"map_cut_{k}"), atol=1e-6)
    np.testing.assert_allclose(found.average_precision(), column("map"), atol=1e-6)
    np.testing.assert_allclose(found.mrr(400), column("recip_rank"), atol=1e-6)
    assert 0.0 < found.average_precision().mean() < 1.0


def test_the_metrics_of_sentence_transformers_are_equal():
    torch = pytest.importorskip("torch")
    evaluation = pytest.importorskip("sentence_transformers.sentence_transformer.evaluation")
    rng = np.random.default_rng(7)
    queries, documents = rng.normal(size=(50, 16)), rng.normal(size=(400, 16))
    relevant = [set(rng.choice(400, size=rng.integers(1, 9), replace=False).tolist()) for _ in range(50)]
    vectors = {f"q{i}": row for i, row in enumerate(queries)} | {f"d{i}": row for i, row in enumerate(documents)}

    class Precomputed(evaluation.InformationRetrievalEvaluator):
        def embed_inputs(self, model, sentences, **_):
            return torch.tensor(np.stack([vectors[name] for name in sentences]))

    normalize = torch.nn.functional.normalize
    theirs = Precomputed(
        {name: name for name in vectors if name[0] == "q"},
        {name: name for name in vectors if name[0] == "d"},
        {f"q{i}": {f"d{j}" for j in wanted} for i, wanted in enumerate(relevant)},
        corpus_chunk_size=150,
        score_functions={"cosine": lambda a, b: normalize(a, dim=-1) @ normalize(b, dim=-1).T},
    ).compute_all_metrics(model=None)["cosine"]
    found = relevant_ranks(queries, documents, relevant, block_size=8)
    for k in (1, 3, 5, 10):
        assert found.recall(k).mean() == pytest.approx(theirs["recall@k"][k], abs=1e-6)
    assert found.mrr(10).mean() == pytest.approx(theirs["mrr@k"][10], abs=1e-6)
    assert found.ndcg(10).mean() == pytest.approx(theirs["ndcg@k"][10], abs=1e-6)
    # no query has more than 100 relevant documents, where the two would divide by another number
    assert found.average_precision(100).mean() == pytest.approx(theirs["map@k"][100], abs=1e-6)


def test_names_bounds_and_the_best_and_the_worst_ranking():
    best = relevant_ranks(np.eye(4), np.eye(4), [[0], [1], [2], [3]])
    scores = best.per_query((1, 10))
    assert list(scores) == ["ndcg@1", "ndcg@10", "mrr@1", "mrr@10", "recall@1", "recall@10", "map"]
    assert all((values == 1.0).all() for values in scores.values())
    worst = relevant_ranks([[1.0, 0.0]], [[1.0, 0.1 * i] for i in range(20)], [[19]])
    assert worst.ranks.tolist() == [20]
    assert worst.per_query((10,)).keys() == {"ndcg@10", "mrr@10", "recall@10", "map"}
    assert [values[0] for values in worst.per_query((10,)).values()] == [0.0, 0.0, 0.0, 1 / 20]
    assert worst.average_precision(19)[0] == 0.0
    # more relevant documents than the cut-off: recall is bounded by it, nDCG is not
    many = relevant_ranks([[1.0, 0.0]], [[1.0, 0.1 * i] for i in range(20)], [range(20)])
    assert (many.recall(5)[0], many.ndcg(5)[0], many.average_precision(5)[0]) == (0.25, 1.0, 0.25)


def test_the_two_ways_to_score_agree():
    rng = np.random.default_rng(1)
    queries, documents = rng.normal(size=(40, 8)), rng.normal(size=(300, 8))
    target = rng.integers(0, 300, size=40)
    ranks = ranks_of(queries, documents, target)
    top = top_documents(queries, documents, k=300)
    np.testing.assert_array_equal(top[np.arange(40), ranks - 1], target)
    np.testing.assert_array_equal(rank_metrics(queries, documents, target).mrr, np.where(ranks <= 10, 1 / ranks, 0))


def test_no_more_scores_are_in_memory_than_a_block_has():
    rng = np.random.default_rng(0)
    queries, documents = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (1000, 20_000))
    ranks_of(queries[:2], documents[:2], [0, 1])
    tracemalloc.start()
    ranks_of(queries, documents, range(1000), block_size=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6  # all scores would be 80 MB; the rest is copies of the vectors


def test_progress_ends_with_all_queries():
    told = []
    relevant_ranks(
        np.eye(10), np.eye(10), [[i] for i in range(10)], block_size=4, on_progress=lambda *n: told.append(n)
    )
    assert told == [(4, 10), (8, 10), (10, 10)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ranks_of(np.eye(2), np.eye(2), [[0], [1]]), "one document for each query"),
        (lambda: ranks_of(np.eye(2), np.eye(2), [0, 2]), "names document 2"),
        (lambda: ranks_of(np.eye(2), np.eye(2), [0]), "of 1 queries, but 2"),
        (lambda: relevant_ranks(np.eye(2), np.eye(2), [[0], []]), "no relevant document"),
        (lambda: relevant_ranks(np.eye(2), np.eye(2), [[0], [1]], block_size=0), "at least 1"),
        (lambda: relevant_ranks(np.eye(2), np.eye(2), [[0], [1]]).per_query((0,)), "Cut-offs must be at least 1"),
        (lambda: relevant_ranks(np.eye(2), np.eye(2), [[0], [1]]).per_query(()), "Cut-offs must be at least 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(EvaluationError, match=message):
        call()


def test_ranks_may_be_given():
    given_ranks = RelevantRanks(ranks=np.array([2, 5, 1]), offsets=np.array([0, 2, 3]), documents=9)
    np.testing.assert_allclose(given_ranks.average_precision(), [(1 / 2 + 2 / 5) / 2, 1.0])
    np.testing.assert_allclose(given_ranks.mrr(1), [0.0, 1.0])

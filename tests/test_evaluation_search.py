"""The search finds what sorting all scores finds, and its cosines are the same number in every block."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from hf_contrastive.evaluation.search import exact_cosines, nearest, on_grid


def units(rows, dim, seed):
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@st.composite
def problems(draw):
    # small integers: ties are common
    queries, documents, dim = draw(st.integers(1, 5)), draw(st.integers(1, 30)), draw(st.integers(1, 3))
    values = st.integers(-2, 2)
    return (
        draw(hnp.arrays(np.float32, (queries, dim), elements=values)),
        draw(hnp.arrays(np.float32, (documents, dim), elements=values)),
        draw(hnp.arrays(np.bool_, (queries, documents))),
        draw(st.integers(1, 12)),
        draw(st.integers(1, 40)),
    )


@settings(max_examples=300)
@given(problems())
def test_it_finds_what_sorting_finds_with_ties_masks_and_any_block(problem):
    queries, documents, hidden, k, block = problem

    def mask(scores, start):
        scores[hidden[:, start : start + scores.shape[1]]] = -np.inf

    values, indices = nearest(queries, documents, k, block=block, mask=mask)
    assert values.shape == indices.shape == (len(queries), k)
    for row, query in enumerate(queries):
        score = {i: float(query @ documents[i]) for i in range(len(documents)) if not hidden[row, i]}
        expected = sorted(score, key=lambda i: (-score[i], i))[:k]
        missing = k - len(expected)
        assert indices[row].tolist() == [*expected, *[-1] * missing]
        assert values[row].tolist() == [*(score[i] for i in expected), *[-np.inf] * missing]


@pytest.mark.parametrize("dim", [3, 64, 384, 1024])
def test_cosines_are_the_same_number_in_every_block_and_order_of_summation(dim):
    queries, documents = on_grid(units(40, dim, 0)), units(300, dim, 1)
    whole = exact_cosines(queries, documents)
    for block in (1, 7, 64):
        parts = [exact_cosines(queries, documents[i : i + block]) for i in range(0, 300, block)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    for row in (0, 39):
        np.testing.assert_array_equal(exact_cosines(queries[row : row + 1], documents)[0], whole[row])
    order = np.random.default_rng(2).permutation(dim)
    shuffled = exact_cosines(np.ascontiguousarray(queries[:, order]), np.ascontiguousarray(documents[:, order]))
    np.testing.assert_array_equal(shuffled, whole)
    np.testing.assert_array_equal(np.einsum("id,jd->ij", queries, on_grid(documents)), whole)


@pytest.mark.parametrize("dim", [1, 3, 384, 1024])
def test_rounding_moves_a_cosine_by_no_more_than_stated(dim):
    a, b = units(50, dim, 3), units(50, dim, 4)
    error = np.abs(exact_cosines(on_grid(a), b) - a.astype(np.float64) @ b.astype(np.float64).T)
    assert error.max() <= 2.0**-26 * np.sqrt(dim)


def test_one_worst_case_of_the_exact_sum():
    """All mass of one sign: the partial sums grow to 1, where the grid is finest against them."""
    ones = np.full((2, 1023), 1023**-0.5, dtype=np.float32)
    cosines = exact_cosines(on_grid(ones), ones)
    step = int(np.rint(ones[0, 0] * np.float32(2**26)))
    assert cosines[0, 0] == 1023 * step * step / 2**52

"""A chunk plan loses no text and keeps its budget; chunks change no embedding."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from transformers import AutoModel

from hf_contrastive.encoder import embed
from hf_contrastive.training.batching import Pool, plan_chunks
from hf_contrastive.training.gradient_cache import GraphBudget, embed_pool
from hf_contrastive.training.pooling import POOLINGS
from hf_contrastive.training.workers import Workers

lengths_of_texts = st.lists(st.integers(0, 300), max_size=60)


@given(lengths_of_texts, st.integers(1, 600))
def test_a_plan_holds_every_text_once_and_keeps_the_budget(lengths, budget):
    plan = plan_chunks(lengths, budget)
    assert sorted(plan.order) == list(range(len(lengths)))
    widths = [max(lengths[i] for i in chunk) for chunk in plan.chunks]
    cells = [width * len(chunk) for width, chunk in zip(widths, plan.chunks, strict=True)]
    assert all(size <= budget or len(chunk) == 1 for size, chunk in zip(cells, plan.chunks, strict=True))
    assert plan.padded_tokens == sum(cells)
    assert plan.real_tokens == sum(lengths) <= plan.padded_tokens


@given(lengths_of_texts, st.integers(1, 600))
def test_a_chunk_holds_neighbours_in_length(lengths, budget):
    plan = plan_chunks(lengths, budget)
    computed = [lengths[i] for i in plan.order]
    assert computed == sorted(lengths, reverse=True)


@given(lengths_of_texts, st.integers(1, 600))
def test_chunks_are_full(lengths, budget):
    """No chunk has room for the first text of the next one."""
    plan = plan_chunks(lengths, budget)
    for chunk, _ in zip(plan.chunks, plan.chunks[1:], strict=False):
        assert (len(chunk) + 1) * max(1, lengths[chunk[0]]) > budget


@given(lengths_of_texts, st.integers(1, 600), st.sampled_from([8, 32]))
def test_rounded_widths_keep_the_budget_and_hold_every_text(lengths, budget, multiple):
    plan = plan_chunks(lengths, budget, width_multiple=multiple)
    assert sorted(plan.order) == list(range(len(lengths)))
    for chunk, width in zip(plan.chunks, plan.widths, strict=True):
        assert width % multiple == 0
        assert max(lengths[i] for i in chunk) <= width
        assert width * len(chunk) <= budget or len(chunk) == 1


@given(lengths_of_texts, st.integers(1, 600), st.integers(1, 300))
def test_no_width_is_rounded_up_beyond_what_the_model_reads(lengths, budget, longest):
    lengths = [min(length, longest) for length in lengths]
    plan = plan_chunks(lengths, budget, width_multiple=32, max_width=longest)
    assert all(width <= longest for width in plan.widths)
    for chunk, width in zip(plan.chunks, plan.widths, strict=True):
        assert max(lengths[i] for i in chunk) <= width


def test_padding_is_on_the_right_and_masked():
    pool = Pool(torch.tensor([5, 6, 7, 8, 1, 2]), [3, 1, 2], 9)
    ids, mask = pool.take(np.array([0, 1]), 3)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    ids, mask = pool.take(np.array([2]), 4)
    assert (ids.tolist(), mask.tolist()) == ([[1, 2, 9, 9]], [[1, 1, 0, 0]])


def test_a_pool_of_empty_texts_is_all_padding():
    ids, mask = Pool(torch.empty(0, dtype=torch.long), [0, 0], 9).take(np.array([0, 1]), 2)
    assert (ids.tolist(), mask.tolist()) == ([[9, 9], [9, 9]], [[0, 0], [0, 0]])


@pytest.fixture(scope="module")
def encoders(tiny_encoder):
    def load(architecture):
        return AutoModel.from_pretrained(tiny_encoder(architecture)).double().eval()

    return {name: load(name) for name in ("bert", "distilbert", "roberta", "modernbert")}


def pool_of(encoder, pooling, texts, budget):
    lengths = [len(text) for text in texts]
    ids = torch.tensor([token for text in texts for token in text], dtype=torch.long)
    pool = Pool(ids, lengths, encoder.config.pad_token_id)
    with torch.no_grad():
        embedded = embed_pool(
            lambda rows, width: embed(encoder, POOLINGS[pooling], *pool.take(rows, width)),
            plan_chunks(lengths, budget),
            GraphBudget(0.0),
            Workers(2),
            device=torch.device("cpu"),
        )
    return embedded.embeddings


def texts_of(seed, count):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 40, (count,), generator=generator).tolist()
    return [torch.randint(5, 100, (length,), generator=generator).tolist() for length in lengths]


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "modernbert"])
@pytest.mark.parametrize("pooling", sorted(POOLINGS))
def test_a_pool_is_each_text_alone(encoders, architecture, pooling):
    encoder, texts = encoders[architecture], texts_of(0, 12)
    alone = torch.cat([pool_of(encoder, pooling, [text], 64) for text in texts])
    torch.testing.assert_close(pool_of(encoder, pooling, texts, 64), alone, rtol=0, atol=1e-10)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 500), st.randoms(use_true_random=False))
def test_neither_order_nor_budget_changes_an_embedding(encoders, seed, budget, draw):
    texts = texts_of(seed, 10)
    order = list(range(len(texts)))
    draw.shuffle(order)
    expected = pool_of(encoders["bert"], "mean", texts, 10_000)
    shuffled = pool_of(encoders["bert"], "mean", [texts[i] for i in order], budget)
    torch.testing.assert_close(shuffled, expected[order], rtol=0, atol=1e-10)

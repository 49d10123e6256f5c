"""What a step computes, in float64: no way of computing it changes loss or gradient."""

import gc
import weakref

import pytest
import torch
from datasets import Dataset

from hf_contrastive.training.batching import plan_chunks
from hf_contrastive.training.gradient_cache import GraphBudget, embed_pool
from hf_contrastive.training.loss_stage import run_loss_stage
from hf_contrastive.training.merged_lora import merged_lora
from hf_contrastive.training.workers import Workers

TOLERANCE = {"rtol": 0, "atol": 1e-9}


@pytest.fixture(scope="module")
def data(topic_pairs):
    topics = [text.split()[4] for text in topic_pairs["positive"]]
    negatives = [*topic_pairs["positive"][20:], *topic_pairs["positive"][:20]]
    columns = {name: list(topic_pairs[name]) for name in ("anchor", "positive")}
    # two rows have the same positive, and one anchor stands twice
    columns["positive"][1] = columns["positive"][0]
    columns["anchor"][3] = columns["anchor"][2]
    return {
        "pairs": Dataset.from_dict(columns),
        "triplets": Dataset.from_dict({**columns, "negative": negatives}),
        "ragged": Dataset.from_dict(
            {
                "anchor": columns["anchor"],
                "positive": [[*negatives[: i % 3], text] for i, text in enumerate(columns["positive"])],
                "negatives": [negatives[i : i + i % 4] for i in range(len(negatives))],
            }
        ),
        "graded": Dataset.from_dict(
            {"sentence1": columns["anchor"], "sentence2": columns["positive"], "score": [i % 5 / 4 for i in range(40)]}
        ),
        "labelled": Dataset.from_dict({"text": columns["positive"], "label": topics}),
        "text": Dataset.from_dict({"text": columns["positive"]}),
    }


@pytest.fixture
def step(make_trainer, data):
    """``step(kind)`` gives a trainer in float64 with a moved adapter, and a function from rows to loss and gradient."""

    def of(kind, **settings):
        trainer = make_trainer(**{"train_dataset": data[kind], **settings})
        # chunks side by side, as on a machine with several cores
        trainer._engine.workers = Workers(3)
        model = trainer.model.double().train()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(generator=generator)

        def loss_and_gradient(rows):
            model.zero_grad()
            batch = trainer.data_collator([data[kind][row] for row in rows])
            loss = trainer.compute_loss(model, batch)
            loss.backward()
            gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
            return loss.detach(), gradient

        return trainer, loss_and_gradient

    return of


KINDS = ["pairs", "triplets", "ragged", "graded", "labelled", "text"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk_tokens", [1, 24, 64, 150])
def test_chunks_change_neither_loss_nor_gradient(step, kind, chunk_tokens):
    trainer, compute = step(kind, chunk_tokens=100_000)
    rows = range(12)
    whole, gradient = compute(rows)
    trainer._engine.chunk_tokens = chunk_tokens
    loss, chunked = compute(rows)
    assert loss.dtype == torch.float64
    assert trainer._engine.workers._pool is not None
    torch.testing.assert_close(loss, whole, **TOLERANCE)
    torch.testing.assert_close(chunked, gradient, rtol=1e-9, atol=1e-9)
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_memory_budget_changes_no_bit(step, tiny_encoder, kind, dropout):
    """Graphs that are kept and chunks that are computed again give the same gradient, dropout included."""
    trainer, compute = step(kind, chunk_tokens=48, model=tiny_encoder("bert", dropout))

    def with_budget(limit):
        trainer._engine.budget = GraphBudget(limit)
        torch.manual_seed(5)
        loss, gradient = compute(range(12))
        return loss, gradient, torch.rand(1)  # what follows draws the same numbers

    kept = with_budget(1e12)
    cost = trainer._engine.budget.bytes_per_token
    assert cost > 0
    for limit in (0.0, 1.0, 48 * cost, 100 * cost):
        for mine, theirs in zip(with_budget(limit), kept, strict=True):
            assert torch.equal(mine, theirs)


def test_what_is_kept_grows_with_the_budget(step, monkeypatch):
    trainer, compute = step("pairs", chunk_tokens=48)
    compute(range(12))
    cost = trainer._engine.budget.bytes_per_token
    passes = []
    forward = type(trainer.model.base_model.model).forward

    def counted(*args, **kwargs):
        passes.append(torch.is_grad_enabled())
        return forward(*args, **kwargs)

    monkeypatch.setattr(type(trainer.model.base_model.model), "forward", counted)
    again = []
    for limit in (0.0, 100 * cost, 1e12):
        trainer._engine.budget = GraphBudget(limit)
        compute(range(12))  # measures
        passes.clear()
        compute(range(12))
        chunks = len(
            trainer._engine.plan(trainer.data_collator([trainer.train_dataset[i] for i in range(12)])["lengths"]).chunks
        )
        again.append(len(passes) - chunks)
        assert passes.count(True) == chunks  # every chunk goes back once
    assert again[0] == chunks
    assert 0 < again[1] < again[0]
    assert again[2] == 0


def test_what_a_graph_costs_is_what_it_holds(step):
    """A budget of half of what all graphs hold keeps about half of the tokens, so the measure is no fantasy."""
    trainer, compute = step("pairs", chunk_tokens=64)
    compute(range(12))
    budget = trainer._engine.budget
    config = trainer.model.config
    activations = budget.bytes_per_token / 8  # float64
    per_layer = config.hidden_size * 9 + config.intermediate_size * 2
    assert 0.5 * per_layer * config.num_hidden_layers < activations < 3 * per_layer * config.num_hidden_layers


def test_a_graph_that_does_not_fit_is_let_go(step):
    """The first chunk is measured with its graph, which must not live on when the budget is smaller."""
    trainer, _ = step("pairs", chunk_tokens=64)
    trainer._engine.workers = Workers(1)
    trainer._engine.budget = GraphBudget(1.0)
    alive = []

    def note(module, given, output):
        if output.requires_grad:
            alive.append(weakref.ref(output.untyped_storage()))

    trainer.model.get_submodule("base_model.model.encoder.layer.0.intermediate").register_forward_hook(note)
    model = trainer.model
    loss = trainer.compute_loss(model, trainer.data_collator([trainer.train_dataset[i] for i in range(8)]))
    gc.collect()
    assert len(alive) == 1
    assert alive[0]() is None
    assert torch.isfinite(loss)


def test_parameters_that_share_a_gradient_have_their_own():
    """Autograd may hand out one tensor twice; what is added to the one must not reach the other."""
    first, second = (torch.nn.Parameter(torch.zeros(3)) for _ in range(2))
    plan = plan_chunks([1] * 4, 2)

    def embed(rows, width):
        return (first + second).expand(len(rows), 3) * torch.from_numpy(rows + 1.0)[:, None].float()

    for budget in (0.0, 1e9):
        for parameter in (first, second):
            parameter.grad = None
        with torch.enable_grad():
            embedded = embed_pool(embed, plan, GraphBudget(budget), Workers(1), device=torch.device("cpu"))
        embedded.backward(torch.ones(4, 3), embed, [first, second], Workers(1))
        assert first.grad.tolist() == second.grad.tolist() == [10.0] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_equal_texts_embedded_once_change_neither_loss_nor_gradient(step, kind):
    trainer, compute = step(kind, chunk_tokens=64)
    assert trainer.data_collator.deduplicate
    rows = [0, 1, 2, 3, 3, 2, 8, 9, 0]
    once, gradient = compute(rows)
    trainer.data_collator.deduplicate = False
    each, separate = compute(rows)
    torch.testing.assert_close(once, each, **TOLERANCE)
    torch.testing.assert_close(gradient, separate, rtol=1e-9, atol=1e-9)


def test_texts_are_not_embedded_once_where_dropout_draws(step, tiny_encoder):
    trainer, _ = step("pairs", model=tiny_encoder("bert", 0.1))
    assert not trainer.data_collator.deduplicate


@pytest.mark.parametrize("kind", KINDS)
def test_the_quick_adapter_is_the_adapter_of_peft(step, kind):
    trainer, compute = step(kind, chunk_tokens=64)
    loss, gradient = compute(range(12))
    with merged_lora(trainer.model) as found:
        assert found.layers == 12  # query, key, value, dense, and two of the feed-forward network, in two layers
        quick, quicker = compute(range(12))
        with torch.no_grad():
            for name, parameter in trainer.model.named_parameters():
                if "lora_" in name:
                    parameter.mul_(1.5)
        moved, moved_gradient = compute(range(12))
    torch.testing.assert_close(quick, loss, **TOLERANCE)
    torch.testing.assert_close(quicker, gradient, rtol=1e-9, atol=1e-9)
    after, after_gradient = compute(range(12))  # PEFT's own again
    assert abs(after - loss) > 1e-3
    torch.testing.assert_close(moved, after, **TOLERANCE)
    torch.testing.assert_close(moved_gradient, after_gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cells", [1, 60, 10**9])
def test_spans_of_the_loss_stage_change_nothing(step, kind, cells, monkeypatch):
    _, compute = step(kind)
    whole, gradient = compute(range(12))
    monkeypatch.setattr(run_loss_stage, "__kwdefaults__", {"exchange": None, "span_cells": cells})
    loss, in_spans = compute(range(12))
    torch.testing.assert_close(loss, whole, **TOLERANCE)
    torch.testing.assert_close(in_spans, gradient, rtol=1e-9, atol=1e-9)


def test_a_loss_goes_back_once(step):
    trainer, _ = step("pairs")
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="compute it again"):
        loss.backward()


@pytest.mark.parametrize("kind", KINDS)
def test_a_permuted_batch_has_the_same_loss_and_gradient(step, kind):
    _, compute = step(kind)
    order = [7, 2, 11, 0, 5, 9, 1, 10, 3, 8, 6, 4]
    whole, gradient = compute(range(12))
    loss, permuted = compute(order)
    torch.testing.assert_close(loss, whole, **TOLERANCE)
    torch.testing.assert_close(permuted, gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["pairs", "triplets", "ragged", "graded", "labelled"])
def test_the_gradient_is_the_slope_of_the_loss(step, kind):
    trainer, compute = step(kind)
    _, gradient = compute(range(8))
    parameters = [p for p in trainer.model.parameters() if p.grad is not None]
    direction = [torch.randn(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(1)) for p in parameters]
    # of length one: the third derivative along a long direction would show in the central difference
    length = torch.cat([d.flatten() for d in direction]).norm()
    direction = [d / length for d in direction]
    expected = float(gradient @ torch.cat([d.flatten() for d in direction]))

    def moved(distance):
        with torch.no_grad():
            for parameter, way in zip(parameters, direction, strict=True):
                parameter.add_(way, alpha=distance)
        loss, _ = compute(range(8))
        with torch.no_grad():
            for parameter, way in zip(parameters, direction, strict=True):
                parameter.sub_(way, alpha=distance)
        return loss.item()

    measured = (moved(1e-6) - moved(-1e-6)) / 2e-6
    assert measured == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_that_of_the_published_embeddings(step, data):
    """What is minimised is the cross-entropy over what ``encode`` returns."""
    trainer, compute = step("pairs", temperature=0.1)
    rows = [0, 5, 9, 14, 22, 31]  # no copies among them
    loss, _ = compute(rows)
    trainer.model.eval()
    anchors, positives = (
        torch.from_numpy(trainer.encoder.encode([data["pairs"][row][name] for row in rows])).double()
        for name in ("anchor", "positive")
    )
    logits = anchors @ positives.T / 0.1
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(len(rows)))
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-5)  # encode returns float32


def test_a_merged_adapter_is_the_adapter(step):
    trainer, _ = step("pairs")
    model = trainer.model.eval()
    texts = ["what is a cat", "the hammer belongs to tools"]
    encoded = trainer.processing_class(texts, padding=True, return_tensors="pt")
    inputs = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
    with torch.no_grad():
        adapted = model(**inputs).last_hidden_state
        merged = model.merge_and_unload()
        torch.testing.assert_close(merged(**inputs).last_hidden_state, adapted, **TOLERANCE)

"""What a step computes, in float64: no way of computing it changes loss or gradient."""

import pytest
import torch
from datasets import Dataset

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
        "labelled": Dataset.from_dict({"text": columns["positive"], "label": topics}),
        "text": Dataset.from_dict({"text": columns["positive"]}),
    }


@pytest.fixture
def step(make_trainer, data):
    """``step(kind)`` gives a trainer in float64 with a moved adapter, and a function from rows to loss and gradient."""

    def of(kind, **settings):
        trainer = make_trainer(train_dataset=data[kind], **settings)
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


KINDS = ["pairs", "triplets", "labelled", "text"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk_tokens", [1, 24, 64, 150])
def test_chunks_change_neither_loss_nor_gradient(step, kind, chunk_tokens):
    trainer, compute = step(kind, chunk_tokens=100_000)
    rows = range(12)
    whole, gradient = compute(rows)
    trainer.args.chunk_tokens = chunk_tokens
    loss, chunked = compute(rows)
    assert loss.dtype == torch.float64
    torch.testing.assert_close(loss, whole, **TOLERANCE)
    torch.testing.assert_close(chunked, gradient, rtol=1e-9, atol=1e-9)
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_permuted_batch_has_the_same_loss_and_gradient(step, kind):
    _, compute = step(kind)
    order = [7, 2, 11, 0, 5, 9, 1, 10, 3, 8, 6, 4]
    whole, gradient = compute(range(12))
    loss, permuted = compute(order)
    torch.testing.assert_close(loss, whole, **TOLERANCE)
    torch.testing.assert_close(permuted, gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["pairs", "triplets", "labelled"])
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

"""What a hybrid step computes, in float64: no way of computing it changes loss or gradient, heads included."""

import pytest
import torch
from datasets import Dataset

from hf_contrastive.training import vocabulary
from hf_contrastive.training.gradient_cache import GraphBudget
from hf_contrastive.training.merged_lora import merged_lora
from hf_contrastive.training.workers import Workers

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}
LOSSES = ["infonce + 0.3 * masked_lm", "infonce + 0.3 * denoising", "masked_lm + 2 * denoising"]


@pytest.fixture(scope="module")
def data(topic_pairs):
    columns = {name: list(topic_pairs[name]) for name in ("anchor", "positive")}
    columns["positive"][1] = columns["positive"][0]
    columns["anchor"][3] = columns["anchor"][2]
    return {
        "pairs": Dataset.from_dict(columns),
        "ragged": Dataset.from_dict(
            {
                "anchor": columns["anchor"],
                "positive": [columns["positive"][i : i + 1 + i % 3] for i in range(38)] + [["a cat"], ["a dog"]],
                "negatives": [columns["positive"][(7 * i) % 30 : (7 * i) % 30 + i % 3] for i in range(40)],
            }
        ),
        "text": Dataset.from_dict({"text": columns["positive"]}),
    }


@pytest.fixture
def step(make_trainer, data):
    """``step(loss, kind)`` gives a trainer in float64, and a function from rows to loss and gradient."""

    def of(loss, kind="pairs", dtype=torch.float64, **settings):
        trainer = make_trainer(**{"train_dataset": data[kind], "loss": loss, **settings})
        trainer._engine.workers = Workers(3)
        model, objective = trainer.model.to(dtype).train(), trainer._engine.objective.to(dtype)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, parameter in [*model.named_parameters(), *objective.named_parameters()]:
                moved = "lora_B" in name or "dense" in name or name.endswith("head.bias")
                if moved and parameter.requires_grad:
                    parameter.normal_(generator=generator, std=0.5)
        learned = [p for p in (*model.parameters(), *objective.parameters()) if p.requires_grad]

        def compute(rows):
            for parameter in learned:
                parameter.grad = None
            loss = trainer.compute_loss(model, trainer.data_collator([data[kind][row] for row in rows]))
            loss.backward()
            assert all(parameter.grad is not None for parameter in objective.parameters())
            return loss.detach(), torch.cat([p.grad.flatten() for p in learned if p.grad is not None])

        return trainer, compute

    return of


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["pairs", "ragged", "text"])
def test_chunks_change_neither_loss_nor_gradient(step, loss, kind):
    trainer, compute = step(loss, kind, chunk_tokens=100_000)
    whole, gradient = compute(range(12))
    assert whole.dtype == torch.float64
    assert gradient.abs().max() > 1e-3
    for chunk_tokens in (1, 24, 150):
        trainer._engine.chunk_tokens = chunk_tokens
        for found, expected in zip(compute(range(12)), (whole, gradient), strict=True):
            torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_permuted_batch_has_the_same_loss_and_gradient(step, loss):
    _, compute = step(loss, chunk_tokens=64)
    for found, expected in zip(compute([7, 2, 11, 0, 5, 9, 1, 10, 3, 8, 6, 4]), compute(range(12)), strict=True):
        torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize(
    "settings", [{}, {"query_prompt": "who knows ", "pool_prompt": False}], ids=["plain", "prompt"]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_equal_texts_computed_once_change_neither_loss_nor_gradient(step, loss, settings):
    trainer, compute = step(loss, chunk_tokens=64, **settings)
    rows = [0, 1, 2, 3, 3, 2, 8, 9, 0]
    assert trainer.data_collator.deduplicate
    once = compute(rows)
    trainer.data_collator.deduplicate = False
    for found, expected in zip(compute(rows), once, strict=True):
        torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_memory_budget_changes_no_bit(step, tiny_encoder, loss, dropout):
    trainer, compute = step(loss, chunk_tokens=48, model=tiny_encoder("bert", dropout))

    def with_budget(limit):
        trainer._engine.budget = GraphBudget(limit)
        torch.manual_seed(5)
        return (*compute(range(12)), torch.rand(1))

    kept = with_budget(1e12)
    cost = trainer._engine.budget.bytes_per_token
    for limit in (0.0, 100 * cost):
        for mine, theirs in zip(with_budget(limit), kept, strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("settings", [{}, {"peft_config": None}], ids=["lora", "full"])
@pytest.mark.parametrize("loss", LOSSES)
def test_logits_in_blocks_change_neither_loss_nor_gradient(step, loss, settings, monkeypatch):
    trainer, compute = step(loss, **settings)
    whole = compute(range(8))
    blocks = []
    monkeypatch.setattr(vocabulary, "LOGIT_CELLS", 3 * trainer.model.config.vocab_size)
    forward = vocabulary.VocabularyHead.forward
    monkeypatch.setattr(
        vocabulary.VocabularyHead, "forward",
        lambda self, vectors, tied: blocks.append(len(vectors)) or forward(self, vectors, tied),
    )  # fmt: skip
    for found, expected in zip(compute(range(8)), whole, strict=True):
        torch.testing.assert_close(found, expected, **TOLERANCE)
    assert max(blocks) == 3


@pytest.mark.parametrize("loss", LOSSES)
def test_the_quick_adapter_is_the_adapter_of_peft(step, loss):
    trainer, compute = step(loss, chunk_tokens=64)
    plain = compute(range(12))
    with merged_lora(trainer.model):
        for found, expected in zip(compute(range(12)), plain, strict=True):
            torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize("settings", [{}, {"peft_config": None}], ids=["lora", "full"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_the_slope_of_the_loss(step, loss, settings):
    """The embeddings too that the heads are tied to, where all weights are trained."""
    trainer, compute = step(loss, **settings)
    _, gradient = compute(range(8))
    learned = [*trainer.model.parameters(), *trainer._engine.objective.parameters()]
    parameters = [p for p in learned if p.grad is not None]
    generator = torch.Generator().manual_seed(1)
    direction = [torch.randn(p.shape, dtype=p.dtype, generator=generator) for p in parameters]
    size = torch.cat([part.flatten() for part in direction]).norm()
    step_size = 1e-5

    def moved(by):
        with torch.no_grad():
            for parameter, part in zip(parameters, direction, strict=True):
                parameter += by * part / size

    moved(step_size)
    above, _ = compute(range(8))
    moved(-2 * step_size)
    below, _ = compute(range(8))
    expected = torch.cat([(part / size).flatten() for part in direction]) @ gradient
    torch.testing.assert_close((above - below) / (2 * step_size), expected, rtol=1e-5, atol=1e-7)


def test_frozen_layers_and_their_cache_change_nothing(step, tmp_path):
    """Corrupted texts are other ones in every epoch: they are neither looked for in the cache nor kept there."""
    loss = "infonce + 0.3 * masked_lm + 0.2 * denoising"
    single = {"lora_layers": "top-1", "dtype": torch.float32}
    _, compute = step(loss, output="plain", **single)
    expected = compute(range(12))
    trainer, cached = step(loss, trunk_cache=str(tmp_path / "cache"), output="cached", **single)
    written = []
    write = trainer._engine.trunk.cache.write
    trainer._engine.trunk.cache.write = lambda keys, *rest: written.extend(keys) or write(keys, *rest)
    for _ in range(2):
        for found, wanted in zip(cached(range(12)), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
    batch = trainer.data_collator([trainer.train_dataset[row] for row in range(12)])
    assert sorted(written) == sorted(batch["keys"])

"""The quick adapter in half precision, and what is kept of its inputs."""

import contextlib
import logging

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModel, TrainerCallback

from hf_contrastive.training.gradient_cache import GraphBudget
from hf_contrastive.training.merged_lora import merged_lora
from hf_contrastive.training.remade import norm_epsilons, remade


class Layer(nn.Module):
    def __init__(self, inputs=384, outputs=384):
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.dense(x)


def adapted(size, dtype=torch.float32, rank=16, **settings):
    torch.manual_seed(0)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["dense"], **settings)
    model = get_peft_model(Layer(), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=size)
            elif "base_layer" in name:
                parameter.data = parameter.to(dtype)
    return model


def relative(found, expected):
    return ((found.double() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("size", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("how", ["autocast", "bf16 base"])
def test_half_precision_keeps_the_update(size, how):
    """However young B is. What is asked is how much of the update stands in the output; its rounding averages out."""
    model = adapted(size, torch.bfloat16)
    layer = model.get_submodule("base_model.model.dense")
    weight, bias = layer.base_layer.weight.double(), layer.base_layer.bias.double()
    a, b = layer.lora_A["default"].weight.double(), layer.lora_B["default"].weight.double()
    x = torch.randn(1024, 384).bfloat16()
    update = 2 * x.double() @ a.T @ b.T

    def share(output):
        found = output.double() - (x.double() @ weight.T + bias)
        return ((found * update).sum() / update.square().sum()).item()

    if how == "autocast":
        model = model.float()
    with merged_lora(model) as quick, torch.no_grad(), torch.autocast("cpu", torch.bfloat16, how == "autocast"):
        output = model(x.float() if how == "autocast" else x)
    assert quick.layers == 1
    assert output.dtype == torch.bfloat16
    assert share(output) == pytest.approx(1, abs=0.05)
    if size == 1e-4:
        # the measure tells: a merged weight rounded to bf16 has lost most of it
        rounded = (weight + 2 * b @ a).bfloat16()
        assert share(torch.nn.functional.linear(x, rounded, bias.bfloat16())) < 0.5


@pytest.mark.parametrize("rank", [16, 3])
@pytest.mark.parametrize("how", ["autocast", "bf16 base"])
def test_half_precision_is_as_near_to_the_truth_as_peft(how, rank):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(64, 384, generator=generator)
    weights = torch.randn(64, 384, generator=generator)

    def run(model, dtype, quick):
        given = x.to(dtype).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, how == "autocast" and dtype != torch.float64):
            if quick:
                with merged_lora(model):
                    output = model(given)
            else:
                output = model(given)
        (output.to(weights.dtype) * weights).sum().backward()
        found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        return {"output": output, "input": given.grad, **found}

    exact = run(adapted(1e-2, rank=rank).double(), torch.float64, quick=False)
    base = torch.bfloat16 if how == "bf16 base" else torch.float32
    mine, theirs = (run(adapted(1e-2, base, rank), base, quick=quick) for quick in (True, False))
    assert set(mine) == set(exact)
    for name, expected in exact.items():
        assert mine[name].dtype == theirs[name].dtype
        assert relative(mine[name], expected) < max(0.01, 1.3 * relative(theirs[name], expected)), name


@pytest.mark.parametrize("bias", ["lora_only", "all"])
@pytest.mark.parametrize("half", [False, True])
def test_a_bias_that_is_trained_gets_its_gradient(bias, half):
    x, weights = torch.randn(64, 384), torch.randn(64, 384)
    found = []
    for quick in (True, False):
        model = adapted(1e-2, bias=bias)
        with merged_lora(model) if quick else contextlib.nullcontext(), torch.autocast("cpu", torch.bfloat16, half):
            (model(x).float() * weights).sum().backward()
        (gradient,) = [p.grad for name, p in model.named_parameters() if name.endswith("base_layer.bias")]
        found.append(gradient)
    assert found[1].abs().max() > 1
    assert found[0].dtype == found[1].dtype
    assert relative(found[0], found[1].double()) < (0.01 if half else 1e-5)


@pytest.mark.parametrize("bf16", [False, True])
def test_weights_that_a_callback_writes_to_are_seen(make_trainer, monkeypatch, bf16):
    """Averaging and the like write through `.data`, which leaves no trace in a tensor."""

    class Halve(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **kwargs):
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.data.mul_(0.5)

    losses = []
    for quick in (True, False):
        trainer = make_trainer(callbacks=[Halve()], output=f"quick-{quick}", learning_rate=0.05, bf16=bf16)
        if not quick:
            monkeypatch.setattr(trainer, "_quick_adapter", contextlib.nullcontext)
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert losses[0] == pytest.approx(losses[1], rel=0.15 if bf16 else 1e-4)


def test_a_step_of_an_optimizer_is_seen_in_half_precision():
    model = adapted(1e-2)
    x = torch.randn(8, 384)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    with merged_lora(model), torch.autocast("cpu", torch.bfloat16):
        before = model(x)
        before.sum().backward()
        optimizer.step()
        after = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        expected = model(x)
    assert (after - before).abs().max() > 0.1
    torch.testing.assert_close(after, expected, rtol=0.02, atol=0.05)


def test_training_in_bf16_learns_what_fp32_learns(make_trainer):
    losses = {}
    for bf16 in (False, True):
        trainer = make_trainer(bf16=bf16, max_steps=10, output=f"bf16-{bf16}")
        trainer.train()
        losses[bf16] = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        trained = {p.dtype for p in trainer.model.parameters() if p.requires_grad}
        assert trained == {torch.float32}
    assert losses[True][:3] == pytest.approx(losses[False][:3], rel=0.05)
    assert losses[True] == pytest.approx(losses[False], abs=0.3)
    assert losses[True] != losses[False]
    assert sum(losses[True][-3:]) < sum(losses[True][:3]) - 0.5


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"lora_dropout": 0.1}, "lora_dropout"), ({"use_dora": True}, "DoRA"), ({"lora_bias": True}, "LoRA bias")],
)
def test_what_is_not_covered_is_computed_by_peft_and_said(settings, reason, caplog):
    model = adapted(1e-2, **settings).eval()
    x = torch.randn(4, 384)
    expected = model(x)
    with caplog.at_level(logging.WARNING), merged_lora(model) as quick:
        assert quick.layers == 0
        torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
    said = [record.message for record in caplog.records if reason in record.message]
    assert len(said) == 1
    assert "1 LoRA layers are computed by PEFT's own, slower forward" in said[0]


# ---- inputs that are made again -------------------------------------------------------------------------------


def cost_of(trainer, *, remake):
    trainer._engine.budget = GraphBudget(1e12)
    model = trainer.model.train()
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(8)])
    model.zero_grad()
    with merged_lora(model, remake=remake):
        trainer.compute_loss(model, batch).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return trainer._engine.budget.bytes_per_token, gradients


@pytest.mark.parametrize(("architecture", "saves"), [("bert", 0.2), ("distilbert", 0.2), ("modernbert", 0.0)])
def test_cheap_inputs_are_made_again_bit_for_bit(make_trainer, tiny_encoder, architecture, saves):
    trainer = make_trainer(model=tiny_encoder(architecture), chunk_tokens=64)
    kept, gradients = cost_of(trainer, remake=False)
    made, again = cost_of(trainer, remake=True)
    assert made <= (1 - saves) * kept
    assert set(again) == set(gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())
    for name, gradient in gradients.items():
        assert torch.equal(gradient, again[name]), name


@pytest.mark.parametrize("activation", [nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU()])
def test_activations_can_be_made_again(activation):
    x = torch.randn(5, 7, requires_grad=True)
    output = activation(x * 1.0)
    found = remade(output, {})
    assert found is not None
    assert torch.equal(found.function(found.source), output)
    assert found.source is not output


def test_norms_can_be_made_again_where_they_are_frozen():
    frozen, trained = nn.LayerNorm(7, eps=1e-3), nn.LayerNorm(7)
    with torch.no_grad():
        frozen.weight.uniform_(), frozen.bias.uniform_()
    frozen.requires_grad_(False)
    epsilons = norm_epsilons(nn.ModuleList([frozen, trained]))
    x = torch.randn(5, 7, requires_grad=True)
    output = frozen(x * 1.0)
    found = remade(output, epsilons)
    assert found is not None
    assert torch.equal(found.function(found.source), output)
    assert remade(trained(x * 1.0), epsilons) is None
    assert remade(x, epsilons) is None
    assert remade(torch.relu(x), epsilons) is None


def test_a_model_that_computes_its_layers_again_is_left_alone(tiny_bert):
    model = get_peft_model(AutoModel.from_pretrained(tiny_bert), LoraConfig(target_modules=["query"]))
    with merged_lora(model):
        layer = model.get_submodule("base_model.model.encoder.layer.0.attention.self.query")
        assert layer.forward._epsilons is not None
    model.activation_checkpointing_enable()
    with merged_lora(model):
        assert layer.forward._epsilons is None

"""What TrainingArguments offers besides: compiling, checkpoints of activations, trackers, sharding."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys

import pytest
import torch

from hf_contrastive import ContrastiveConfig
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.resources import COMPILED_WIDTH_MULTIPLE


def losses_of(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.fixture
def compiling(monkeypatch):
    # TrainingArguments passes it on by the environment, where later trainers would find it
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "no")
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.slow
def test_a_compiled_model_trains_alike_on_few_widths(make_trainer, topic_pairs, compiling, tmp_path):
    from hf_contrastive import TextEncoder

    texts = [" ".join([text] * (1 + i % 4)) for i, text in enumerate(topic_pairs["positive"])]
    data = topic_pairs.remove_columns("positive").add_column("positive", texts)
    settings = {"train_dataset": data, "eval_dataset": topic_pairs, "chunk_tokens": 128}
    plain = make_trainer(**settings)
    plain.train()
    compiled = make_trainer(**settings, torch_compile_backend="eager", output="compiled")
    widths = []
    compiled._plain_model.get_base_model().embeddings.register_forward_pre_hook(
        lambda module, given, named: widths.append((given or (named["input_ids"],))[0].shape[1]), with_kwargs=True
    )
    compiled.train()
    assert type(compiled.model_wrapped).__name__ == "OptimizedModule"
    assert set(widths) == {COMPILED_WIDTH_MULTIPLE, 2 * COMPILED_WIDTH_MULTIPLE}
    assert losses_of(compiled) == pytest.approx(losses_of(plain), rel=1e-4)
    assert compiled.evaluate()["eval_loss"] == pytest.approx(plain.evaluate()["eval_loss"], rel=1e-4)
    compiled.write_model(tmp_path / "written")
    texts = topic_pairs["anchor"][:4]
    loaded = TextEncoder.load(str(tmp_path / "written"))
    assert abs(loaded.encode(texts) - compiled.encoder.encode(texts)).max() < 1e-5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's compiler uses what torch deprecates
def test_the_default_compiler_gives_the_same_losses(make_trainer, compiling):
    plain = make_trainer(chunk_tokens=256, max_steps=4)
    plain.train()
    compiled = make_trainer(chunk_tokens=256, max_steps=4, torch_compile=True, output="compiled")
    compiled.train()
    assert losses_of(compiled) == pytest.approx(losses_of(plain), rel=1e-3)


def test_compiling_in_several_processes_is_refused(tmp_path, monkeypatch, compiling):
    monkeypatch.setattr(ContrastiveConfig, "world_size", 2)
    with pytest.raises(ConfigurationError, match="`torch_compile` can not be used with several processes"):
        ContrastiveConfig(output_dir=str(tmp_path), torch_compile=True, use_cpu=True)


@pytest.mark.parametrize("peft_config", ["auto", None])
@pytest.mark.parametrize("max_memory", [None, 0.0])
def test_layers_may_be_computed_again_by_the_model(make_trainer, tiny_encoder, peft_config, max_memory):
    settings = {"peft_config": peft_config, "max_memory": max_memory, "model": tiny_encoder("bert", 0.1)}
    plain = make_trainer(**settings)
    plain.train()
    passes = []
    again = make_trainer(**settings, activation_checkpointing=True, output="again")
    module = again._plain_model
    base = module.get_base_model() if peft_config else module
    base.encoder.layer[0].attention.register_forward_hook(lambda *args: passes.append(torch.is_grad_enabled()))
    again.train()
    assert losses_of(again) == losses_of(plain)
    once = make_trainer(**settings, output="once")
    module = once._plain_model
    counted = list(passes)
    passes.clear()
    base = module.get_base_model() if peft_config else module
    base.encoder.layer[0].attention.register_forward_hook(lambda *args: passes.append(torch.is_grad_enabled()))
    once.train()
    assert counted.count(True) > passes.count(True)


def test_checkpoints_that_forbid_gradients_of_chunks_are_refused(make_trainer):
    with pytest.raises(ConfigurationError, match="can not have use_reentrant=True"):
        make_trainer(activation_checkpointing=True, activation_checkpointing_kwargs={"use_reentrant": True})


def test_tensorboard_gets_the_figures_of_the_log(make_trainer, tmp_path, monkeypatch):
    from tensorboard.backend.event_processing import event_accumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    trainer = make_trainer(report_to="tensorboard", max_steps=3)
    trainer.train()
    found = event_accumulator.EventAccumulator(str(next((tmp_path / "board").rglob("events.*")).parent)).Reload()
    tags = set(found.Tags()["scalars"])
    wanted = "loss grad_norm pairs_per_second padded_tokens_per_second padding_fraction peak_memory_gb alignment"
    assert {f"train/{name}" for name in wanted.split()} <= tags
    assert [event.value for event in found.Scalars("train/loss")] == pytest.approx(losses_of(trainer))


@pytest.mark.slow
def test_trackio_gets_the_figures_of_the_log(tmp_path, tiny_bert, topic_pairs):
    """In a process of its own: the client starts a server on this machine and keeps what it is sent in a folder."""
    topic_pairs.to_parquet(str(tmp_path / "pairs.parquet"))
    script = tmp_path / "run.py"
    script.write_text(
        """
import json, sys
from datasets import Dataset
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer
import trackio
model, pairs, out = sys.argv[1:]
args = ContrastiveConfig(
    output_dir=out, per_device_train_batch_size=8, max_steps=3, logging_steps=1, use_cpu=True, disable_tqdm=True,
    report_to="trackio", project="contrast", run_name="first", save_strategy="no",
)
trainer = ContrastiveTrainer(model=model, args=args, train_dataset=Dataset.from_parquet(pairs))
trainer.train()
print(json.dumps([entry["loss"] for entry in trainer.state.log_history if "loss" in entry]))
"""
    )
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "board"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(script), str(tiny_bert), str(tmp_path / "pairs.parquet"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    losses = json.loads(done.stdout.splitlines()[-1])
    (database,) = (tmp_path / "board").rglob("*.db")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = [json.loads(row) for (row,) in connection.execute("SELECT metrics FROM metrics ORDER BY id")]
    assert [row["train/loss"] for row in rows if "train/loss" in row] == losses
    assert all(row["train/pairs_per_second"] > 0 for row in rows if "train/loss" in row)


@pytest.mark.parametrize(
    ("settings", "variable"),
    [({"fsdp": "full_shard"}, None), ({}, "ACCELERATE_USE_FSDP"), ({}, "ACCELERATE_USE_DEEPSPEED")],
)
def test_sharded_weights_are_refused_with_the_reason(tmp_path, monkeypatch, settings, variable):
    if variable:
        monkeypatch.setenv(variable, "true")
    name = "deepspeed" if variable and "DEEPSPEED" in variable else "fsdp"
    with pytest.raises(ConfigurationError, match=rf"`{name}` can not be used: .*not been tested with sharded weights"):
        ContrastiveConfig(output_dir=str(tmp_path), use_cpu=True, **settings)


@pytest.mark.parametrize("optim", ["galore_adamw_layerwise", "apollo_adamw_layerwise", "lomo", "adalomo"])
def test_optimizers_that_step_within_the_way_back_are_refused(make_trainer, optim):
    with pytest.raises(ConfigurationError, match=f"`optim` '{optim}' updates weights while gradients are computed"):
        make_trainer(optim=optim)


def test_accumulation_adds_no_negatives(make_trainer):
    """Two micro-batches are two losses of their own rows; the README says so."""
    small = make_trainer(gradient_accumulation_steps=2, per_device_train_batch_size=4, max_steps=2)
    small.train()
    large = make_trainer(per_device_train_batch_size=8, max_steps=2, output="large")
    large.train()
    # fewer negatives, lower loss
    assert losses_of(small)[0] < losses_of(large)[0] - 0.2

"""Checkpoints are whole or absent, and training goes on from them as if it had not stopped."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.checkpoints import STAGING_FOLDER, incomplete_because, last_complete_checkpoint

TOKEN = "hf_" + "abcDEF" * 6


def losses_of(trainer):
    return [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]


def weights_of(trainer):
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}


def checkpoints(folder):
    return sorted(path.name for path in Path(folder).glob("checkpoint-*"))


@pytest.fixture
def stepwise(make_trainer):
    def make(**settings):
        return make_trainer(**{"save_strategy": "steps", "save_steps": 2, "max_steps": 4, **settings})

    return make


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("peft_config", ["auto", None])
@pytest.mark.parametrize("save_steps", [3, 5])  # within the first epoch of five steps, and at its end
def test_a_resumed_run_is_the_uninterrupted_run(make_trainer, tiny_encoder, dropout, peft_config, save_steps):
    options = {"model": tiny_encoder("bert", dropout), "peft_config": peft_config, "max_steps": 8}
    options |= {"save_strategy": "steps", "save_steps": save_steps}
    whole = make_trainer(output="whole", **options)
    whole.train()
    resumed = make_trainer(output="resumed", **options)
    resumed.train(resume_from_checkpoint=str(whole.output_folder / f"checkpoint-{save_steps}"))
    assert losses_of(resumed) == losses_of(whole)
    assert len(losses_of(resumed)) == 8
    expected = weights_of(whole)
    for name, value in weights_of(resumed).items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("save_steps", [3, 5])
def test_views_of_raw_text_resume_too(make_trainer, topic_pairs, save_steps):
    texts = topic_pairs.select_columns(["positive"]).rename_column("positive", "text")
    options = {"train_dataset": texts, "max_steps": 8, "save_strategy": "steps", "save_steps": save_steps}
    whole = make_trainer(output="whole", **options)
    whole.train()
    resumed = make_trainer(output="resumed", **options)
    resumed.train(resume_from_checkpoint=str(whole.output_folder / f"checkpoint-{save_steps}"))
    assert losses_of(resumed) == losses_of(whole)


def test_accumulation_resumes(make_trainer, tiny_encoder):
    options = {"model": tiny_encoder("bert", 0.1), "gradient_accumulation_steps": 2, "max_steps": 4}
    options |= {"save_strategy": "steps", "save_steps": 1}
    whole = make_trainer(output="whole", **options)
    whole.train()
    resumed = make_trainer(output="resumed", **options)
    resumed.train(resume_from_checkpoint=str(whole.output_folder / "checkpoint-1"))
    assert losses_of(resumed) == losses_of(whole)


def test_a_run_that_is_done_has_nothing_left_to_do(stepwise):
    done = stepwise()
    done.train()
    resumed = stepwise()
    resumed.train(resume_from_checkpoint=True)
    assert resumed.state.global_step == 4
    assert losses_of(resumed) == losses_of(done)
    for name, weight in weights_of(done).items():
        assert torch.equal(weights_of(resumed)[name], weight)


def test_the_record_of_a_resumed_run_counts_both_parts(stepwise):
    whole = stepwise(output="whole")
    whole.train()
    resumed = stepwise(output="resumed")
    resumed.train(resume_from_checkpoint=str(whole.output_folder / "checkpoint-2"))
    first, second = whole.training_record(), resumed.training_record()
    for name in ("examples", "tokens", "padded_tokens", "flops", "steps", "losses"):
        assert getattr(first, name) == getattr(second, name), name
    kept = json.loads((whole.output_folder / "checkpoint-2" / "totals.json").read_text())
    assert second.seconds > kept["seconds"] > 0


# ---- torn checkpoints -----------------------------------------------------------------------------------


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


DAMAGE = {
    "weights are cut off": lambda folder: truncate(folder / "adapter_model.safetensors"),
    "weights are empty": lambda folder: (folder / "adapter_model.safetensors").write_bytes(b""),
    "weights are no safetensors": lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"<html>" * 50),
    "no weights": lambda folder: (folder / "adapter_model.safetensors").unlink(),
    "optimizer is cut off": lambda folder: truncate(folder / "optimizer.pt"),
    "random state is empty": lambda folder: (folder / "rng_state.pth").write_bytes(b""),
    "no state": lambda folder: (folder / "trainer_state.json").unlink(),
    "state is cut off": lambda folder: truncate(folder / "trainer_state.json"),
    "state of another step": lambda folder: (folder / "trainer_state.json").write_text('{"global_step": 2}'),
    "state is a list": lambda folder: (folder / "trainer_state.json").write_text("[]"),
}


@pytest.fixture
def two_checkpoints(stepwise):
    trainer = stepwise()
    trainer.train()
    assert checkpoints(trainer.output_folder) == ["checkpoint-2", "checkpoint-4"]
    return trainer.output_folder


def test_torn_checkpoints_are_skipped_with_a_warning(two_checkpoints, caplog):
    whole = two_checkpoints / "checkpoint-4"
    assert last_complete_checkpoint(two_checkpoints) == whole
    keep = two_checkpoints / "kept"
    shutil.copytree(whole, keep)
    for what, damage in DAMAGE.items():
        shutil.rmtree(whole)
        shutil.copytree(keep, whole)
        damage(whole)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert last_complete_checkpoint(two_checkpoints).name == "checkpoint-2", what
        assert "checkpoint-4 is skipped: " in caplog.text, what


def test_resuming_takes_the_last_whole_checkpoint(stepwise, two_checkpoints):
    truncate(two_checkpoints / "checkpoint-4" / "adapter_model.safetensors")
    # a folder of another kind and a later step are no checkpoints of ours
    (two_checkpoints / "checkpoint-best").mkdir()
    (two_checkpoints / "checkpoint-9").mkdir()
    expected = stepwise(output="uninterrupted")
    expected.train()
    resumed = stepwise()
    resumed.train(resume_from_checkpoint=True)
    assert losses_of(resumed) == losses_of(expected)
    assert incomplete_because(two_checkpoints / "checkpoint-4") is None  # it was written anew


def test_a_torn_checkpoint_that_is_named_is_refused(stepwise, two_checkpoints):
    truncate(two_checkpoints / "checkpoint-4" / "optimizer.pt")
    with pytest.raises(ConfigurationError, match=r"checkpoint-4: optimizer\.pt is torn"):
        stepwise().train(resume_from_checkpoint=str(two_checkpoints / "checkpoint-4"))
    with pytest.raises(ConfigurationError, match="checkpoint-99: there is no such folder"):
        stepwise().train(resume_from_checkpoint=str(two_checkpoints / "checkpoint-99"))


def test_a_checkpoint_may_be_renamed(stepwise, two_checkpoints):
    (two_checkpoints / "checkpoint-2").rename(two_checkpoints / "half-way")
    resumed = stepwise(output="resumed")
    resumed.train(resume_from_checkpoint=str(two_checkpoints / "half-way"))
    assert resumed.state.global_step == 4


def test_without_a_checkpoint_resuming_says_so(stepwise, tmp_path):
    with pytest.raises(ConfigurationError, match=r"no complete checkpoint in .*: found none"):
        stepwise().train(resume_from_checkpoint=True)


@pytest.mark.parametrize(
    "method", ["_save_optimizer_and_scheduler", "_save_rng_state", "_push_from_checkpoint", "store_flos"]
)
def test_a_crash_while_saving_leaves_no_checkpoint(stepwise, monkeypatch, method):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    trainer = stepwise(push_to_hub=True, hub_model_id="someone/model")
    with monkeypatch.context() as patch:
        patch.setattr(trainer, method, fail)
        with pytest.raises(OSError, match="No space"):
            trainer.train()
    assert checkpoints(trainer.output_folder) == []
    again = stepwise()
    again.train()
    assert checkpoints(again.output_folder) == ["checkpoint-2", "checkpoint-4"]
    assert not (again.output_folder / STAGING_FOLDER).exists()


def test_what_a_killed_process_left_is_never_moved_into_place(stepwise, tmp_path):
    torn = tmp_path / "out" / STAGING_FOLDER / "checkpoint-3"
    torn.mkdir(parents=True)
    (torn / "adapter_model.safetensors").write_bytes(b"half of it")
    trainer = stepwise()
    trainer.train()
    assert checkpoints(trainer.output_folder) == ["checkpoint-2", "checkpoint-4"]


def test_a_second_run_replaces_the_checkpoints_of_the_first(stepwise, two_checkpoints):
    (two_checkpoints / "checkpoint-2" / "from-the-first-run").touch()
    before = load_file(two_checkpoints / "checkpoint-2" / "adapter_model.safetensors")
    stepwise(seed=5).train()
    after = load_file(two_checkpoints / "checkpoint-2" / "adapter_model.safetensors")
    assert not (two_checkpoints / "checkpoint-2" / "from-the-first-run").exists()
    assert any(not torch.equal(before[name], after[name]) for name in before)


# ---- which are kept -------------------------------------------------------------------------------------


class Remember(TrainerCallback):
    """Keep the adapter's weights after each evaluation."""

    def __init__(self):
        self.kept = {}

    def on_evaluate(self, args, state, control, model=None, **kwargs):
        self.kept[state.global_step] = {
            name: p.detach().clone() for name, p in model.named_parameters() if "lora_" in name
        }


@pytest.mark.parametrize("greater", [True, False])
def test_the_best_checkpoint_is_loaded_at_the_end(stepwise, topic_pairs, greater):
    remember = Remember()
    trainer = stepwise(
        eval_dataset=topic_pairs, eval_strategy="steps", eval_steps=2, max_steps=8, load_best_model_at_end=True,
        metric_for_best_model="ndcg@10", greater_is_better=greater, save_total_limit=1, callbacks=[remember],
    )  # fmt: skip
    trainer.train()
    scores = {e["step"]: e["eval_ndcg@10"] for e in trainer.state.log_history if "eval_ndcg@10" in e}
    best = (max if greater else min)(scores, key=scores.get)
    assert trainer.state.best_global_step == best
    assert Path(trainer.state.best_model_checkpoint) == trainer.output_folder / f"checkpoint-{best}"
    assert f"checkpoint-{best}" in checkpoints(trainer.output_folder)
    loaded = {name: p for name, p in trainer.model.named_parameters() if "lora_" in name}
    assert loaded.keys() == remember.kept[best].keys()
    for name, parameter in loaded.items():
        assert torch.equal(parameter, remember.kept[best][name]), name
        assert parameter.requires_grad
    assert trainer.evaluate()["eval_ndcg@10"] == pytest.approx(scores[best], abs=1e-6)


def test_by_default_the_best_has_the_highest_ndcg_and_is_known_after_a_restart(stepwise, topic_pairs):
    options = {
        "eval_dataset": topic_pairs, "eval_strategy": "steps", "eval_steps": 2, "load_best_model_at_end": True,
        "metric_for_best_model": "ndcg@10",
    }  # fmt: skip
    trainer = stepwise(max_steps=4, **options)
    assert trainer.args.greater_is_better
    trainer.train()
    state = json.loads((trainer.output_folder / "checkpoint-4" / "trainer_state.json").read_text())
    best = trainer.output_folder / f"checkpoint-{trainer.state.best_global_step}"
    assert state["best_model_checkpoint"] == str(best)
    assert best.is_dir()


def test_save_strategy_best_saves_at_improvements_only(stepwise, topic_pairs):
    trainer = stepwise(
        save_strategy="best", eval_dataset=topic_pairs, eval_strategy="steps", eval_steps=1, max_steps=6,
        metric_for_best_model="ndcg@10",
    )  # fmt: skip
    trainer.train()
    improved, best = [], -1.0
    for entry in trainer.state.log_history:
        if entry.get("eval_ndcg@10", -1.0) > best:
            best = entry["eval_ndcg@10"]
            improved.append(f"checkpoint-{entry['step']}")
    assert checkpoints(trainer.output_folder) == sorted(improved)
    assert Path(trainer.state.best_model_checkpoint).name == improved[-1]


def test_the_limit_keeps_the_newest(stepwise):
    trainer = stepwise(max_steps=8, save_total_limit=2)
    trainer.train()
    assert checkpoints(trainer.output_folder) == ["checkpoint-6", "checkpoint-8"]


def test_a_best_step_that_was_not_saved_is_no_best_checkpoint(stepwise, topic_pairs):
    trainer = stepwise(
        eval_dataset=topic_pairs, eval_strategy="steps", eval_steps=1, save_steps=2, max_steps=4,
        metric_for_best_model="loss", greater_is_better=True, save_total_limit=1,
    )  # fmt: skip
    trainer.train()
    assert trainer.state.best_global_step == 1  # the loss falls
    assert trainer.state.best_model_checkpoint is None
    assert checkpoints(trainer.output_folder) == ["checkpoint-4"]


# ---- what stands in them --------------------------------------------------------------------------------


def test_neither_pickled_arguments_nor_the_token_are_written(stepwise, tmp_path):
    trainer = stepwise(hub_token=TOKEN, push_to_hub=True, hub_model_id="someone/model")
    trainer.train()
    trainer.write_model(tmp_path / "out" / "model")
    trainer.save_state()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if path.name == "training_args.bin"]
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in json.dumps(trainer.training_record().to_dict())


def test_report_to_none_writes_no_logs(stepwise, tmp_path):
    trainer = stepwise()
    trainer.train()
    assert sorted(path.name for path in trainer.output_folder.iterdir()) == ["checkpoint-2", "checkpoint-4"]


@pytest.mark.parametrize("peft_config", ["auto", None])
def test_a_checkpoint_encodes_as_the_model_did(stepwise, topic_pairs, peft_config):
    trainer = stepwise(pooling="cls", normalize=False, query_prompt="query : ", peft_config=peft_config)
    trainer.train()
    texts = topic_pairs["anchor"][:6]
    expected = trainer.encoder.encode(texts, prompt="query")
    loaded = TextEncoder.load(trainer.output_folder / "checkpoint-4")
    assert (loaded.spec.pooling, loaded.spec.normalize) == ("cls", False)
    np.testing.assert_allclose(loaded.encode(texts, prompt="query"), expected, atol=1e-6)

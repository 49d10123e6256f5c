"""Two processes compute what one does on the union of their batches, and only the first one writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset

RUN = """
import json, os, sys
from pathlib import Path
import torch
import torch.distributed as dist
from datasets import Dataset
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer
from transformers import TrainerCallback

model, rows, out, batch, settings = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), *sys.argv[3:6]
settings = json.loads(settings)
written, gradients, wrappers = [], [], []
for name in ("_save", "write_model"):
    def counted(self, *args, _inner=getattr(ContrastiveTrainer, name), _name=name, **kwargs):
        written.append((_name, self.args.should_save))
        return _inner(self, *args, **kwargs)
    setattr(ContrastiveTrainer, name, counted)
class Watch(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        wrappers.append(type(trainer.model_wrapped).__name__)
        found = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        gradients.append(torch.cat(found).tolist())
data = Dataset.from_dict(rows)
args = ContrastiveConfig(
    output_dir=out, per_device_train_batch_size=int(batch), per_device_eval_batch_size=4, max_steps=2,
    learning_rate=1e-2, warmup_steps=0, logging_steps=1, save_strategy="steps", save_steps=1, eval_strategy="steps",
    eval_steps=1, load_best_model_at_end=True, metric_for_best_model="ndcg@10", max_grad_norm=0.0, chunk_tokens=24,
    use_cpu=True, disable_tqdm=True, report_to="none", optim="sgd", **settings,
)
trainer = ContrastiveTrainer(
    model=model, args=args, train_dataset=data, eval_dataset=data.select(range(13)), callbacks=[Watch()]
)
trainer.train()
rank = args.process_index
trainer.save_model()
record = trainer.training_record()
best = trainer.state.best_model_checkpoint
weights = torch.cat([p.detach().flatten() for p in trainer.model.parameters() if p.requires_grad])
Path(f"{out}-rank-{rank}.json").write_text(json.dumps({
    "weights": weights.tolist(), "best": best, "written": written, "world": args.world_size,
    "examples": record.examples, "tokens": record.tokens, "batch": record.batch_size,
    "losses": [e["loss"] for e in trainer.state.log_history if "loss" in e],
    "metrics": [{k: v for k, v in e.items() if "@" in k} for e in trainer.state.log_history if "eval_loss" in e],
    "gradients": gradients, "wrappers": wrappers,
}))
if dist.is_initialized():
    dist.destroy_process_group()
"""

# accelerate starts several CPU processes only by the launcher that it names after GPUs
LAUNCH = [
    *("-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes", "2"),
    *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
]


def run(tmp_path, tiny_bert, data, processes, batch, **settings):
    script, rows = tmp_path / "run.py", tmp_path / "rows.json"
    script.write_text(RUN)
    rows.write_text(json.dumps(data.to_dict()))
    out = tmp_path / f"out-{processes}"
    launch = LAUNCH if processes == 2 else []
    command = [sys.executable, *launch, str(script), str(tiny_bert), str(rows), str(out), str(batch)]
    done = subprocess.run(
        [*command, json.dumps(settings)],
        capture_output=True, text=True, timeout=280, env={**os.environ, "ACCELERATE_USE_CPU": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(Path(f"{out}-rank-{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"max_memory": 0.0}, {}], ids=["cached", "kept"])
def test_two_processes_train_as_one_on_the_union_of_their_batches(tmp_path, tiny_bert, topic_pairs, settings):
    (single,) = run(tmp_path, tiny_bert, topic_pairs, 1, 8, **settings)
    first, second = run(tmp_path, tiny_bert, topic_pairs, 2, 4, **settings)
    assert (single["world"], first["world"]) == (1, 2)
    assert set(first["wrappers"]) == set(second["wrappers"]) == {"DistributedDataParallel"}
    assert first["gradients"] == second["gradients"]
    for mine, theirs in zip(first["gradients"], single["gradients"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-6)
    assert first["weights"] == second["weights"]
    assert first["weights"] == pytest.approx(single["weights"], abs=1e-5)
    assert first["losses"] == pytest.approx(single["losses"], abs=1e-4)
    for mine, theirs in zip(first["metrics"], single["metrics"], strict=True):
        assert mine == pytest.approx(theirs, abs=1e-6)
    # the counters are those of both processes
    assert (first["examples"], first["tokens"]) == (single["examples"], single["tokens"])
    assert (single["batch"], first["batch"]) == (8, 8)
    assert first["best"] == second["best"]
    # only the first process writes
    assert ["_save", True] in first["written"]
    assert not [entry for entry in second["written"] if entry == ["_save", True]]
    for out in (tmp_path / "out-1", tmp_path / "out-2"):
        assert sorted(path.name for path in out.glob("checkpoint-*")) == ["checkpoint-1", "checkpoint-2"]
        assert (out / "model.safetensors").is_file()
        assert not list(out.glob(".*"))
    ranks = sorted(path.name for path in (tmp_path / "out-2" / "checkpoint-1").glob("rng_state*"))
    assert ranks == ["rng_state_0.pth", "rng_state_1.pth"]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"id_column": "page"}, {"mask_duplicates": False}], ids=["ids", "no-masks"])
def test_ragged_rows_in_two_processes_are_those_of_one(tmp_path, tiny_bert, topic_pairs, settings):
    texts = topic_pairs["positive"][:]
    data = Dataset.from_dict(
        {
            "anchor": topic_pairs["anchor"],
            "positive": [texts[i : i + 1 + i % 3] for i in range(40)],
            "negatives": [texts[(i * 7) % 37 : (i * 7) % 37 + i % 4] for i in range(40)],
            "page": [i // 3 for i in range(40)],
        }
    )
    (single,) = run(tmp_path, tiny_bert, data, 1, 8, **settings)
    first, second = run(tmp_path, tiny_bert, data, 2, 4, **settings)
    assert first["gradients"] == second["gradients"]
    for mine, theirs in zip(first["gradients"], single["gradients"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-6)
    assert first["losses"] == pytest.approx(single["losses"], abs=1e-4)
    for mine, theirs in zip(first["metrics"], single["metrics"], strict=True):
        assert mine == pytest.approx(theirs, abs=1e-6)


@pytest.mark.slow
def test_without_gathering_two_processes_train_as_one_that_accumulates(tmp_path, tiny_bert, topic_pairs):
    (single,) = run(tmp_path, tiny_bert, topic_pairs, 1, 4, gradient_accumulation_steps=2)
    first, _ = run(tmp_path, tiny_bert, topic_pairs, 2, 4, gather_negatives=False)
    assert first["weights"] == pytest.approx(single["weights"], abs=1e-5)
    assert first["losses"] == pytest.approx(single["losses"], abs=1e-4)
